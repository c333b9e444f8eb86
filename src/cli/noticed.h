/* What is worth telling of images that were read all the same: a line for each kind, not each image. */
#ifndef CLI_NOTICED_H
#define CLI_NOTICED_H

#include <stdatomic.h>
#include <stddef.h>

enum { CLI_NOTICE_KINDS = 8 }; /* bits of rescl_image_notice */

/* Zeros are an empty tally. */
typedef struct cli_notices {
    _Atomic size_t count[CLI_NOTICE_KINDS];
    _Atomic size_t first[CLI_NOTICE_KINDS]; /* 1 + the number of an image; 0: none */
} cli_notices;

/* Counts the notices of image `index`; from any thread. */
void cli_notices_add(cli_notices *n, size_t index, unsigned notices);
/* Warns of what was counted, with an example out of the images' names. */
void cli_notices_print(const cli_notices *n, char *const *name);

#endif
