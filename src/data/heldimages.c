#include "heldimages.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

static size_t bytes_of_one(const rs_held_images *h)
{
    return h->height * h->width * 3;
}

rescl_status rs_held_images_get(const rescl_dataset *set, size_t index, rescl_image *image,
                                int32_t *label)
{
    rescl_status st = RESCL_OK;
    const rs_held_images *h = set->state;
    const size_t bytes = bytes_of_one(h);
    uint8_t *pixels;
    RS_OOM(pixels = malloc(bytes));
    memcpy(pixels, h->pixels + index * bytes, bytes);
    *image = (rescl_image){.width = h->width, .height = h->height, .pixels = pixels};
    *label = h->labels[index];
out:
    return st;
}

int32_t rs_held_images_label(const rescl_dataset *set, size_t index)
{
    const rs_held_images *h = set->state;
    return h->labels[index];
}

rescl_status rs_held_images_identify(const rescl_dataset *set, size_t index, rs_hash *out)
{
    const rs_held_images *h = set->state;
    const size_t bytes = bytes_of_one(h);
    *out = rs_hash_bytes(h->pixels + index * bytes, bytes);
    return RESCL_OK;
}

void rs_held_images_close(rescl_dataset *set)
{
    rs_held_images *h = set->state;
    if (!h)
        return;
    free(h->pixels);
    free(h->labels);
    free(h);
}
