/* The images that a command line names: files, folders, lists of them, standard input. */
#ifndef CLI_IMAGES_H
#define CLI_IMAGES_H

#include "options.h"

#include <rescl/data.h>

typedef struct cli_images {
    char **path; /* "-" as an operand: standard input */
    size_t count, room;
    bool reads_stdin;
} cli_images;

/* Fills the list, which has been zeroed, from the operands and --files-from: a folder stands for
 * the images in it by name. Exit code; free it in any case. */
int cli_images_find(const cli_args *args, cli_images *list);
void cli_images_free(cli_images *list);

/* Reads image `index`. Exit code; on failure a message was printed. */
int cli_images_read(const cli_images *list, size_t index, rescl_image *out);

#endif
