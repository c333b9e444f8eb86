#include "litter.h"

#include "dirs.h"
#include "interrupt.h"
#include "output.h"
#include "run_folder.h"
#include "text.h"

#include <dirent.h>
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

/* What the library writes into a new run before its first step. */
static const char *const names[LITTER] = {"args.ini",    "env.json", "results.csv",
                                          "skipped.csv", "weights",  ""};
static DIR *volatile listing; /* of the new run's folder; nothing else reads it */

/* Whether one of them is being written under this name. */
static bool is_temporary(const char *name)
{
    for (int i = 0; i < LITTER; i++) {
        const size_t len = strlen(names[i]);
        if (len > 0 && strncmp(name, names[i], len) == 0 && rs_atomic_is_temporary(name, len))
            return true;
    }
    return false;
}

/* rmdir removes nothing but empty folders. Only calls that a signal handler may make, and readdir of
 * a stream that is no one else's, which was opened before. */
void cli_litter_remove(void)
{
    struct dirent *entry;
    if (listing)
        rewinddir(listing);
    while (listing && (entry = readdir(listing)) != NULL)
        if (is_temporary(entry->d_name))
            unlinkat(dirfd(listing), entry->d_name, 0);
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

bool cli_litter_name(const char *folder, bool resumed)
{
    const char *clear = cli_terminal() ? "\r\033[K" : "";
    const size_t most =
        strlen(": interrupted before the first step; nothing was saved, and the new "
               "folder  was removed") +
        strlen(folder);
    const char *gap = cli_terminal() && cli_columns(STDERR_FILENO) < most ? "\n  " : " ";
    char *shown = malloc(RS_ESCAPED(strlen(folder)));
    if (shown)
        rs_escape(folder, "", shown);
    for (int i = 0; shown && !resumed && i < LITTER; i++)
        litter[i] = cli_format("%s/%s", folder, names[i]);
    if (!resumed)
        listing = opendir(folder);
    if (shown && resumed)
        owned[0] =
            cli_format("%sinterrupted before the first step;%s%s is as it was", clear, gap, shown);
    else if (shown)
        owned[0] =
            cli_format("%sinterrupted before the first step;%snothing was saved", clear, gap);
    if (shown && !resumed)
        owned[1] = cli_format(",%sand the new folder %s was removed", gap, shown);
    for (int i = 0; i < 2 && owned[0]; i++)
        farewell[i] = owned[i];
    free(shown);
    return owned[0] != NULL;
}

void cli_litter_stop(rescl_trainer *trainer)
{
    if (!stop_target)
        cli_interrupt_retake(); /* the kernels of a step are compiled */
    stop_target = trainer;
}

static void forget(void)
{
    DIR *dir = listing;
    listing = NULL;
    if (dir)
        closedir(dir);
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
