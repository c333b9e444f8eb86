/* predict --saliency: overlays as PNG files in a folder. */
#ifndef CLI_OVERLAY_H
#define CLI_OVERLAY_H

#include <rescl/train.h>

typedef struct cli_saliency {
    const char *folder; /* NULL: nothing is written */
    const char *layer;  /* whose map it is; borrowed from the model */
    rescl_predictor *predictor;
    float *map;
    char **taken; /* names of the files written so far */
    size_t count, room;
} cli_saliency;

/* Makes the folder. `folder` may be NULL, it is borrowed. Exit code; close it in any case. */
int cli_saliency_open(cli_saliency *s, const char *folder, rescl_predictor *predictor);
void cli_saliency_close(cli_saliency *s);

/* Writes <folder>/<stem of the name>-saliency.png (-2, -3, ... after names that come again) for
 * image `index` of the last prediction. *path is borrowed until close. Exit code. */
int cli_saliency_write(cli_saliency *s, const char *name, const rescl_image *image, size_t index,
                       size_t class_index, const char **path);

#endif
