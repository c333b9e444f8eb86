#include "cli.h"
#include "comparison.h"
#include "outfile.h"
#include "output.h"

int cmd_compare(const cli_args *args)
{
    const bool devices = cli_str(args, OPT_devices) != NULL;
    const bool history = cli_bool(args, OPT_history);
    cli_outfile out = {0};
    const char *file = NULL;
    if (devices && args->operands) {
        cli_usage_error("found '%s' beside --devices, expected files or devices", args->operand[0]);
        return CLI_USAGE;
    }
    if (devices && history) {
        cli_usage_error("--devices and --history exclude each other");
        return CLI_USAGE;
    }
    if (!cli_outfile_name(args, OPT_bench_file, &file))
        return CLI_USAGE;
    for (size_t i = 0; !devices && !history && i < args->operands; i++)
        if (cli_outfile_is_input(file, args->operand[i]))
            return CLI_USAGE;
    int code = cli_outfile_open(&out, file);
    if (code == CLI_OK) {
        cli_result_to(out.f);
        code = devices   ? cli_compare_devices(args)
               : history ? cli_compare_history(args)
                         : cli_compare_files(args);
        cli_result_to(stdout);
    }
    const int written =
        cli_outfile_close(&out, code == CLI_OK || code == CLI_DEVICE || code == CLI_SLOWER);
    return code == CLI_OK ? written : code;
}
