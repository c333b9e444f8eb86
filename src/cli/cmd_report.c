#include "cli.h"
#include "output.h"
#include "run_folder.h"

#include <rescl/rescl.h>
#include <stdlib.h>

/* One run: its own page, or the file of --output. Several: a page that compares them. */
int cmd_report(const cli_args *args)
{
    static const char compared[] = "report.html";
    const char *output = cli_str(args, OPT_report_file);
    rescl_status st;
    if (args->operands == 0 || args->operands > RESCL_REPORT_RUNS) {
        cli_usage_error("found %zu operands, expected the folder of a run, or up to %d to compare",
                        args->operands, RESCL_REPORT_RUNS);
        return CLI_USAGE;
    }
    if (args->operands == 1)
        st = rescl_report_write(args->operand[0], output);
    else
        st = rescl_report_compare((const char *const *)args->operand, args->operands,
                                  output ? output : compared);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    char *own = cli_format("%s/report.html", args->operand[0]);
    if (!own)
        return CLI_FAILURE;
    const char *written = output ? output : args->operands > 1 ? compared : own;
    int code = CLI_OK;
    if (cli_bool(args, OPT_json)) {
        json_t *o = json_object();
        cli_json_set(o, "report", cli_json_string(written));
        code = cli_json_print(o);
    } else {
        cli_print("%s\n", written);
    }
    free(own);
    return code;
}
