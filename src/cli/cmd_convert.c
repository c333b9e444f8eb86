#include "cli.h"
#include "output.h"
#include "preprocess.h"
#include "run_folder.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

int cmd_convert(const cli_args *args)
{
    if (args->operands != 2) {
        cli_usage_error("found %zu operands, expected two: rescl convert IN OUT", args->operands);
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
    char *from = cli_weights_of(args->operand[0]);
    int code = from ? cli_weights_read(args, from, cli_bool(args, OPT_top), &model) : CLI_FILE;
    if (code == CLI_OK) {
        const rescl_status st = rescl_model_export(model, to, &options);
        if (st != RESCL_OK)
            code = cli_fail(st, false);
    }
    if (code == CLI_OK) {
        rescl_model_info info;
        char text[256];
        rescl_model_get_info(model, &info);
        cli_note("%s: %s with %zu classes, preprocessing %s", to, info.name, info.classes,
                 cli_preprocess_text(info.preprocess, &info.normalize, text));
    }
    rescl_model_destroy(model);
    free(from);
    return code;
}
