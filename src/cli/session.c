#include "session.h"
#include "cli.h"
#include "output.h"
#include "run_folder.h"

#include <string.h>

int cli_session_open(const cli_args *args, unsigned flags, cli_session *s)
{
    *s = (cli_session){0};
    rescl_status st = rescl_runtime_create(&s->runtime);
    if (st == RESCL_OK)
        st = rescl_device_open(s->runtime, cli_str(args, OPT_device), flags, &s->device);
    if (st == RESCL_OK)
        return CLI_OK;
    int code = cli_fail(st, true);
    cli_session_close(s);
    return code;
}

void cli_session_close(cli_session *s)
{
    rescl_device_close(s->device);
    rescl_runtime_destroy(s->runtime);
    *s = (cli_session){0};
}

const char *cli_device_text(const rescl_device_info *info, char buffer[320])
{
    snprintf(buffer, 320, "%zu:%zu %s (%s)", info->platform, info->device, info->name,
             info->platform_name);
    return buffer;
}

rescl_status cli_data_open(const cli_args *args, const char *split, size_t samples, size_t size,
                           rescl_dataset **out)
{
    const char *format = cli_str(args, OPT_format);
    const rescl_data_options options = {
        .path = cli_str(args, OPT_data_path),
        .split = split,
        .format = format && strcmp(format, "auto") == 0 ? NULL : format,
        .image_size = size,
        .samples = samples,
        .seed = cli_u64(args, OPT_data_seed),
    };
    return rescl_dataset_open(&options, out);
}

int cli_weights_load(const cli_args *args, rescl_model **model, char **path)
{
    if (!cli_require(args, OPT_weights))
        return CLI_USAGE;
    *path = cli_weights_of(cli_str(args, OPT_weights));
    if (!*path)
        return CLI_FILE;
    rescl_status st = rescl_model_load(*path, model);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

int cli_fit_set(const cli_args *args, rescl_model *model)
{
    rescl_fit fit = {.resize_size = cli_size(args, OPT_val_resize_size)};
    const char *name = cli_str(args, OPT_interpolation);
    while (strcmp(rescl_interpolation_name(fit.interpolation), name) != 0)
        fit.interpolation++;
    rescl_status st = rescl_model_set_fit(model, &fit);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

bool cli_require(const cli_args *args, cli_opt id)
{
    if (cli_str(args, id))
        return true;
    const cli_opt_info *info = cli_opt_get(id);
    cli_usage_error("--%s %s is required: %s", info->name, info->metavar, info->help);
    return false;
}
