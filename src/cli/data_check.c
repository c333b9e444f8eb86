#include "data_check.h"

#include "cli.h"
#include "output.h"
#include "phase.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void cli_data_list_bad(const rescl_dataset *set)
{
    rescl_bad_image image;
    for (size_t i = 1; set && rescl_dataset_bad(set, i, &image); i++)
        cli_error("%s: %s", image.path, image.reason);
}

int cli_data_check(rescl_dataset *set, size_t shown, size_t *hidden)
{
    size_t checked = 0, bad = 0;
    rescl_bad_image image;
    if (!set)
        return CLI_OK;
    char images[64], text[96];
    snprintf(text, sizeof text, "looking at %s of '%s'",
             cli_count(rescl_dataset_count(set), "image", images), rescl_dataset_split(set));
    cli_phase_begin(text, text);
    const rescl_status st = rescl_dataset_check(set, &checked);
    cli_phase_end();
    while (rescl_dataset_bad(set, bad, &image))
        bad++;
    if (st != RESCL_OK) {
        const int code = cli_fail(st, false);
        cli_data_list_bad(set);
        return code;
    }
    if (bad == 0)
        return CLI_OK;
    cli_warn("%zu of %zu images of the split '%s' cannot be read: left out", bad, checked,
             rescl_dataset_split(set));
    for (size_t i = 0; i < shown && rescl_dataset_bad(set, i, &image); i++)
        cli_warn("%s: %s", image.path, image.reason);
    if (bad > shown)
        cli_warn("and %zu more", bad - shown);
    if (hidden && bad > shown)
        *hidden += bad - shown;
    return CLI_OK;
}

int cli_data_cache(const cli_args *args, size_t processes, rescl_dataset *train,
                   rescl_dataset *eval)
{
    rescl_dataset *const sets[] = {train, eval};
    if (strcmp(cli_str(args, OPT_cache), "ram") != 0)
        return CLI_OK;
    const rescl_status st = rescl_dataset_cache(sets, sizeof sets / sizeof *sets, 0, processes);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}
