#include "litter.h"

#include "interrupt.h"
#include "output.h"
#include "run_folder.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a signal reaches. `stop_target` is NULL while there is nothing to save: then the files and
 * folders in `litter` go, innermost first, and `farewell` is said. */
enum { LITTER = 6 };
static rescl_trainer *volatile stop_target;
static char *volatile litter[LITTER];
static const char *volatile farewell[2];
static char *owned[2]; /* farewells on the heap */

/* rmdir removes nothing but empty folders. Only calls that a signal handler may make. */
void cli_litter_remove(void)
{
    for (int i = 0; i < LITTER && litter[i]; i++)
        if (unlink(litter[i]) != 0)
            rmdir(litter[i]);
}

/* Lets the step end and saves; before the first one is done there is nothing to save. */
static bool ask_to_stop(void)
{
    rescl_trainer *trainer = stop_target;
    if (!trainer) {
        cli_litter_remove();
        for (int i = 0; i < 2 && farewell[i]; i++) {
            /* The second part says that the folder is gone. */
            if (i == 1 && access(litter[LITTER - 1], F_OK) == 0)
                break;
            if (write(STDERR_FILENO, farewell[i], strlen(farewell[i])) < 0)
                return false;
        }
        (void)!write(STDERR_FILENO, "\n", 1);
        return false;
    }
    rescl_trainer_stop(trainer);
    return true;
}

void cli_litter_begin(void)
{
    farewell[0] = "interrupted before the first step; nothing was saved";
    cli_interrupt_catch(ask_to_stop);
}

/* The names of what the library writes into a new run before its first step. */
bool cli_litter_name(const char *folder, bool resumed)
{
    static const char *const names[LITTER] = {"args.ini",    "env.json", "results.csv",
                                              "skipped.csv", "weights",  ""};
    const char *clear = cli_terminal() ? "\r\033[K" : "";
    char *shown = malloc(RS_ESCAPED(strlen(folder)));
    if (shown)
        rs_escape(folder, "", shown);
    for (int i = 0; shown && !resumed && i < LITTER; i++)
        litter[i] = cli_format("%s/%s", folder, names[i]);
    if (shown && resumed)
        owned[0] = cli_format("%sinterrupted before the first step; %s is as it was", clear, shown);
    else if (shown)
        owned[0] = cli_format("%sinterrupted before the first step; nothing was saved", clear);
    if (shown && !resumed)
        owned[1] = cli_format(", and the new folder %s was removed", shown);
    for (int i = 0; i < 2 && owned[0]; i++)
        farewell[i] = owned[i];
    free(shown);
    return owned[0] != NULL;
}

void cli_litter_stop(rescl_trainer *trainer)
{
    stop_target = trainer;
}

static void forget(void)
{
    for (int i = 0; i < LITTER; i++) {
        char *name = litter[i];
        litter[i] = NULL;
        free(name);
    }
    for (int i = 0; i < 2; i++) {
        farewell[i] = NULL;
        free(owned[i]);
        owned[i] = NULL;
    }
}

void cli_litter_keep(const char *text)
{
    forget();
    farewell[0] = text;
    stop_target = NULL;
}

void cli_litter_end(void)
{
    cli_interrupt_release();
    stop_target = NULL;
    forget();
}
