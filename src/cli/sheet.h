/* predict --sheet: a page of the images with what they were taken for, those first that the network is
 * least sure of. */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include "images.h"

#include <rescl/rescl.h>

typedef struct cli_sheet_item {
    size_t index;     /* of the image in its list */
    double certainty; /* see cli_sheet_add */
    char *text;       /* "63.2 % cat, 20.1 % dog" */
    char *overlay;    /* a file with where it was seen; NULL: there is none */
} cli_sheet_item;

typedef struct cli_sheet {
    const char *path; /* NULL: nothing is written */
    double unsure;    /* what is less certain is called unsure */
    cli_sheet_item *item;
    size_t count, room;
} cli_sheet;

/* The most images of a sheet: the least sure ones. */
enum { CLI_SHEET_IMAGES = 200 };

/* `path` may be NULL, it is borrowed; `several`: images have any number of labels. False after a message about the usage if its name does not end with
 * .png or .html. */
bool cli_sheet_init(cli_sheet *s, const char *path, bool several);
void cli_sheet_fini(cli_sheet *s);

/* Takes a prediction; the texts are copied. `certainty` is the probability of the class that an image was taken
 * for; of several labels, each of which is predicted or not, that of the answer that is least sure: at least one
 * half. Exit code. */
int cli_sheet_add(cli_sheet *s, size_t index, double certainty, const char *text,
                  const char *overlay);

/* Reads the images of the sheet again and writes it, whole or not at all. Exit code. */
int cli_sheet_write(cli_sheet *s, const cli_images *list, const rescl_model *model);

#endif
