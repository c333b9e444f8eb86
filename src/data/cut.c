#include "cut.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

rescl_status rs_image_cut(rescl_image *image, const rs_rect *r)
{
    rescl_status st = RESCL_OK;
    uint8_t *cut = NULL;

    RS_OOM(cut = malloc(r->width * r->height * 3));
    for (size_t y = 0; y < r->height; y++)
        memcpy(cut + y * r->width * 3, image->pixels + ((r->top + y) * image->width + r->left) * 3,
               r->width * 3);
    free(image->pixels);
    *image = (rescl_image){r->width, r->height, cut};
out:
    return st;
}

void rs_image_erase(rescl_image *image, const rs_rect *r, const uint8_t colour[3])
{
    for (size_t y = r->top; y < r->top + r->height; y++) {
        uint8_t *p = image->pixels + (y * image->width + r->left) * 3;
        for (size_t x = 0; x < r->width; x++, p += 3)
            memcpy(p, colour, 3);
    }
}
