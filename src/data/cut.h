/* Rectangles of an image. */
#ifndef RS_CUT_H
#define RS_CUT_H

#include "pixel.h"

#include <rescl/data.h>

typedef struct rs_rect {
    size_t left, top, width, height;
} rs_rect;

/* Leaves nothing but a rectangle, which lies within the image. */
rescl_status rs_image_cut(rescl_image *image, const rs_rect *r) RESCL_CHECK;
/* Fills one with a colour. */
void rs_image_erase(rescl_image *image, const rs_rect *r, const uint8_t colour[RS_PIXEL_CHANNELS]);

#endif
