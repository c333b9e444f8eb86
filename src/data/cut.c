#include "cut.h"

#include "error.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

rescl_status rs_image_cut(rescl_image *image, const rs_rect *r)
{
    rescl_status st = RESCL_OK;
    const size_t pixel = rs_image_pixel_bytes(image), row = r->width * pixel;
    uint8_t *cut = NULL;

    RS_OOM(cut = malloc(r->height * row));
    for (size_t y = 0; y < r->height; y++)
        memcpy(cut + y * row, image->pixels + ((r->top + y) * image->width + r->left) * pixel, row);
    free(image->pixels);
    *image = rs_image_like(image, r->width, r->height, cut);
out:
    return st;
}

void rs_image_erase(rescl_image *image, const rs_rect *r, const uint8_t colour[RS_PIXEL_CHANNELS])
{
    const size_t pixel = rs_image_pixel_bytes(image), sample = rs_image_is_deep(image) ? 2 : 1;
    uint8_t *first = image->pixels + (r->top * image->width + r->left) * pixel;

    if (r->height == 0)
        return;
    for (size_t i = 0; i < r->width * pixel; i++) /* of 16 bits both bytes: 257 times the colour */
        first[i] = colour[i % pixel / sample];
    for (size_t y = 1; y < r->height; y++)
        memcpy(first + y * image->width * pixel, first, r->width * pixel);
}
