#include "train_batch.h"

#include "cli.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

int cli_batch_size_settle(const cli_args *args, const cli_session *session, size_t ranks,
                          const rescl_model *model, const rescl_dataset *train,
                          const rescl_dataset *measured, rescl_train_options *options)
{
    static const char name[] = "batch-size";
    const cli_opt id = cli_opt_find(name, strlen(name), args->verb);
    const size_t images = rescl_dataset_count(train);
    rescl_batch_fit fit;
    if (options->batch_size > 0)
        return CLI_OK;
    if (cli_str(args, OPT_resume)) {
        cli_usage_error(
            "--batch-size auto does not go with --resume: a run that goes on keeps the number "
            "that its args.ini has; leave the option out");
        return CLI_USAGE;
    }
    const size_t shared = ranks > 1 ? ranks : session->members;
    if (shared > 1) {
        cli_usage_error("--batch-size auto: it is not known what fits %zu %s; give a number",
                        shared, ranks > 1 ? "processes" : "devices");
        return CLI_USAGE;
    }
    const rescl_status st =
        rescl_batch_size_fitting(session->device, model, images,
                                 measured ? rescl_dataset_count(measured) : 0, options, &fit);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    options->batch_size = fit.batch_size;
    cli_args settled = *args;
    char number[32], takes[32], room[32];
    snprintf(number, sizeof number, "%zu", fit.batch_size);
    if (!cli_args_set(&settled, id, number, args->value[id].origin, "--batch-size auto"))
        return CLI_FAILURE;
    cli_note(
        "batch   %s images a step, %s: %s of the %s that there is room for (--batch-size auto)",
        number, fit.all ? "all there are" : "as many as fit", cli_bytes(fit.bytes, takes),
        cli_bytes(fit.room, room));
    return CLI_OK;
}
