#include "session.h"

#include "cli.h"
#include "output.h"
#include "run_folder.h"

#include <stdlib.h>
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

void cli_tuning_note(rescl_device *device)
{
    rescl_tuning_info tuning;
    rescl_device_get_tuning(device, &tuning);
    if (tuning.problems)
        cli_note("tuning  %zu problems, %s", tuning.problems, tuning.source);
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
        .struct_size = sizeof options,
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
    return *path ? cli_weights_read(args, *path, true, model) : CLI_FILE;
}

void cli_report_warn(const rescl_match_list *report, const char *path)
{
    enum { SHOWN = 6 };
    for (rescl_match_state state = RESCL_MISSING; state <= RESCL_UNEXPECTED; state++) {
        const size_t count = rescl_match_list_count(report, state);
        char text[512] = "";
        size_t used = 0, shown = 0;
        rescl_match m;
        for (size_t i = 0; shown < SHOWN && rescl_match_list_get(report, i, &m); i++) {
            if (m.state != state)
                continue;
            const int n = snprintf(text + used, sizeof text - used, "%s%.64s", shown++ ? ", " : "",
                                   m.param ? m.param : m.tensor.name);
            used += (size_t)n;
        }
        if (count > 0)
            cli_warn("%s: %zu tensors are %s: %s%s", path, count, rescl_match_state_name(state),
                     text, count > shown ? ", ..." : "");
    }
}

const char *cli_choice(const cli_args *args, cli_opt id)
{
    const char *text = cli_str(args, id);
    return text && strcmp(text, "auto") == 0 ? NULL : text;
}

int cli_weights_read(const cli_args *args, const char *path, bool top, rescl_model **model)
{
    const rescl_model_options options = {.struct_size = sizeof options,
                                         .name = cli_choice(args, OPT_model_of)};
    const rescl_load_mode mode = cli_bool(args, OPT_strict) ? RESCL_LOAD_STRICT
                                 : top                      ? RESCL_LOAD_COMPLETE
                                                            : RESCL_LOAD_BODY;
    rescl_weights *weights = NULL;
    rescl_match_list *report = NULL;
    rescl_status st = rescl_weights_open(path, &weights);
    if (st == RESCL_OK)
        st = rescl_weights_create_model(weights, options.name ? &options : NULL, mode, &report,
                                        model);
    int code = CLI_OK;
    if (st == RESCL_ERR_ARG && !options.name) {
        cli_usage_error("%s (--model NAME)", rescl_last_error()->message);
        code = CLI_USAGE;
    } else if (st != RESCL_OK) {
        code = cli_fail(st, false);
    } else if (top) {
        cli_report_warn(report, path);
    }
    rescl_match_list_destroy(report);
    rescl_weights_close(weights);
    return code;
}

int cli_fit_set(const cli_args *args, rescl_model *model)
{
    rescl_resize resize = {.resize_size = cli_size(args, OPT_val_resize_size)};
    const char *name = cli_str(args, OPT_interpolation);
    while (strcmp(rescl_interpolation_name(resize.interpolation), name) != 0)
        resize.interpolation++;
    rescl_status st = rescl_model_set_resize(model, &resize);
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
