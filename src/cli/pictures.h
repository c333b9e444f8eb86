/* The pictures that a command line names: files, folders, lists of them, standard input. */
#ifndef CLI_PICTURES_H
#define CLI_PICTURES_H

#include "options.h"

#include <rescl/data.h>

typedef struct cli_pictures {
    char **path; /* "-" as an operand: standard input */
    size_t count, room;
    bool reads_stdin;
} cli_pictures;

/* Fills the list, which has been zeroed, from the operands and --files-from: a folder stands for
 * the pictures in it by name. Exit code; free it in any case. */
int cli_pictures_find(const cli_args *args, cli_pictures *list);
void cli_pictures_free(cli_pictures *list);

/* Reads picture `index`. Exit code; on failure a message was printed. */
int cli_pictures_read(const cli_pictures *list, size_t index, rescl_image *out);

#endif
