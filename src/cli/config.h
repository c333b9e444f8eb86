/* Options as ini text (inifile.h): -c files, a run's args.ini, --print-config.
 *
 * Sections are the groups of options and may be left out. Keys are the names of options. Keys of
 * other verbs are skipped, so that one file serves train, eval and predict; a key that no verb has
 * is an error, and so is one that comes twice. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "options.h"

/* Reads a file into values of the given origin. CLI_OK, or an exit code after a message. */
int cli_config_read(cli_args *args, const char *path, cli_origin origin);

/* All values of the verb as a config file, which gives every one of them back, each with its origin
 * in a comment. NULL after a message if memory is short. Free the result. */
char *cli_config_text(const cli_args *args);

#endif
