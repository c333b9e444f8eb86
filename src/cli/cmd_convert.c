#include "cli.h"
#include "output.h"
#include "preprocess.h"
#include "run_folder.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

static int print_json(const cli_args *args, const rescl_model_info *info, const char *from,
                      const rescl_weights_info *written)
{
    json_t *o = json_object();
    cli_json_set(o, "weights", cli_json_string(from));
    cli_json_set(o, "output", cli_json_string(written->path));
    cli_json_set(o, "format", json_string(written->format));
    cli_json_set(o, "names", json_string(written->names));
    cli_json_set(o, "dtype", json_string(cli_str(args, OPT_dtype)));
    cli_json_set(o, "tensors", json_integer((json_int_t)written->tensors));
    cli_json_set(o, "model", cli_json_string(info->name));
    cli_json_set(o, "size", json_integer((json_int_t)info->image_size));
    cli_json_set(o, "channels", json_integer((json_int_t)info->channels));
    cli_json_set(o, "classes", json_integer((json_int_t)info->classes));
    cli_preprocess_json(o, info->preprocess, &info->normalize, info->channels);
    return cli_json_print(o);
}

/* Says what was written, as whoever opens it sees it. */
static int report(const cli_args *args, const rescl_model *model, const char *from, const char *to)
{
    rescl_weights *weights = NULL;
    rescl_weights_info written;
    rescl_model_info info;
    char text[256];
    int code = CLI_OK;
    const rescl_status st = rescl_weights_open(to, &weights);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    rescl_weights_get_info(weights, &written);
    rescl_model_get_info(model, &info);
    if (strcmp(written.names, "rescl") != 0 && !rescl_model_in_library(model, written.names))
        cli_warn("%s: no model of %s takes these tensors, as it has no %s%s", to, written.names,
                 info.name, info.hidden ? " with a hidden layer" : "");
    if (cli_bool(args, OPT_json))
        code = print_json(args, &info, from, &written);
    else
        cli_note("%s: %s with %zu classes, preprocessing %s", to, info.name, info.classes,
                 cli_preprocess_text(info.preprocess, &info.normalize, info.channels, text));
    rescl_weights_close(weights);
    return code;
}

int cmd_convert(const cli_args *args)
{
    if (args->operands != 2) {
        cli_usage_error("found %zu operand%s, expected two: rescl convert IN OUT", args->operands,
                        args->operands == 1 ? "" : "s");
        return CLI_USAGE;
    }
    const rescl_export_options options = {
        .struct_size = sizeof options,
        .format = cli_choice(args, OPT_export_format),
        .names = cli_choice(args, OPT_names),
        .dtype = cli_str(args, OPT_dtype),
        .no_top = !cli_bool(args, OPT_top),
    };
    const char *to = args->operand[1];
    rescl_model *model = NULL;
    char *from = cli_weights_of("--weights", args->operand[0]);
    int code = from ? cli_weights_read(args, from, cli_bool(args, OPT_top), &model) : CLI_FILE;
    if (code == CLI_OK) {
        const rescl_status st = rescl_model_export(model, to, &options);
        if (st != RESCL_OK)
            code = cli_fail(st, false);
    }
    if (code == CLI_OK)
        code = report(args, model, from, to);
    rescl_model_destroy(model);
    free(from);
    return code;
}
