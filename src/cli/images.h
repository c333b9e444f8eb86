/* The images that a command line names: files, tables, folders, lists of them, standard input. */
#ifndef CLI_IMAGES_H
#define CLI_IMAGES_H

#include "options.h"

#include <rescl/data.h>

typedef struct cli_images {
    char **path; /* "-" as an operand: standard input */
    size_t count, room;
    bool reads_stdin, recursive;
    const char *folder; /* of --images, or NULL */
    size_t tables;
    char *standard; /* what standard input held */
    size_t bytes;
    rescl_image_options options;
    int code; /* exit code of what could not be looked into; the rest is in the list */
} cli_images;

/* Fills the list, which has been zeroed, from the operands and --files-from: a table stands for the images
 * that it names, a folder for the images in it by name, with --recursive also for those below it. A folder that is empty or
 * cannot be read is reported and shows in `code`. Exit code: of what stops; free it in any case. */
int cli_images_find(const cli_args *args, cli_images *list);
void cli_images_free(cli_images *list);

/* Reads standard input, if it is one of the images, before any is read. Exit code. */
int cli_images_read_stdin(cli_images *list);
/* Reads image `index`, again if need be; from any thread. *notices: see rescl_image_read_with. */
rescl_status cli_images_read(const cli_images *list, size_t index, rescl_image *out,
                             unsigned *notices);
/* The same for people to look at: alpha on white, of 8 bits. */
rescl_status cli_images_read_shown(const cli_images *list, size_t index, rescl_image *out);

#endif
