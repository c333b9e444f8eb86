/* Options as ini text: -c files, a run's args.ini, --print-config.
 *
 *     [optimiser]
 *     lr = 0.001    ; a comment
 *
 * Sections are the groups of options and may be left out. Keys are the names of options. A
 * line that begins with a blank continues the value before it. Keys of other verbs are skipped, so
 * that one file serves train, eval and predict; a key that no verb has is an error. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "options.h"

/* Reads a file into values of the given origin. CLI_OK, or an exit code after a message. */
int cli_config_read(cli_args *args, const char *path, cli_origin origin);

/* All values of the verb as a config file, each with its origin in a comment. NULL after a message
 * if a value cannot be written in one. Free the result. */
char *cli_config_text(const cli_args *args);

#endif
