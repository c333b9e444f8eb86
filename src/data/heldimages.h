/* The state of a dataset whose images are all of one size and held in memory: cifar.c, h5images.c. */
#ifndef RS_HELDIMAGES_H
#define RS_HELDIMAGES_H

#include "dataset.h"

typedef struct rs_held_images {
    size_t height, width;
    uint8_t *pixels; /* count * height * width * 3 */
    int32_t *labels;
} rs_held_images;

/* Members of rs_dataset_format; closing frees both arrays. */
rescl_status rs_held_images_get(const rescl_dataset *set, size_t index, rescl_image *image,
                                int32_t *label) RESCL_CHECK;
int32_t rs_held_images_label(const rescl_dataset *set, size_t index);
rescl_status rs_held_images_identify(const rescl_dataset *set, size_t index, rs_hash *out)
    RESCL_CHECK;
void rs_held_images_close(rescl_dataset *set);

#endif
