#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "preprocess.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int print_result(const cli_args *args, const rescl_model *model, const char *weights)
{
    const char *path = cli_str(args, OPT_output_file);
    rescl_model_info info;
    char text[256];
    rescl_model_get_info(model, &info);
    if (!cli_bool(args, OPT_json)) {
        cli_print("%s: %s, input (N, %zu, %zu, %zu), logits (N, %zu), images prepared as '%s'\n",
                  path, info.name, info.channels, info.image_size, info.image_size, info.classes,
                  cli_preprocess_text(info.preprocess, &info.normalize, info.channels, text));
        return CLI_OK;
    }
    json_t *o = json_object();
    cli_json_set(o, "weights", cli_json_string(weights));
    cli_json_set(o, "output", cli_json_string(path));
    cli_json_set(o, "model", cli_json_string(info.name));
    cli_json_set(o, "size", json_integer((json_int_t)info.image_size));
    cli_json_set(o, "channels", json_integer((json_int_t)info.channels));
    cli_json_set(o, "classes", json_integer((json_int_t)info.classes));
    cli_preprocess_json(o, info.preprocess, &info.normalize, info.channels);
    return cli_json_print(o);
}

int cmd_export(const cli_args *args)
{
    rescl_model *model = NULL;
    char *weights = NULL;
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (!cli_require(args, OPT_output_file))
        return CLI_USAGE;
    const char *path = cli_str(args, OPT_output_file), *ending = strrchr(path, '.');
    if (!ending || strcasecmp(ending, ".onnx") != 0) {
        cli_usage_error("--output: found '%s', expected a name that ends in .onnx", path);
        return CLI_USAGE;
    }
    int code = cli_weights_load(args, &model, &weights);
    if (code == CLI_OK && cli_outfile_is_input(path, weights))
        code = CLI_USAGE;
    if (code == CLI_OK) {
        rescl_status st = rescl_model_export_onnx(model, path);
        code = st == RESCL_OK ? print_result(args, model, weights) : cli_fail(st, false);
    }
    rescl_model_destroy(model);
    free(weights);
    return code;
}
