/* Numbers over an image, as colours. */
#ifndef RS_HEATMAP_H
#define RS_HEATMAP_H

#include "loader.h"

typedef struct rs_heatmap {
    size_t height, width;
    const float *value; /* at least 0, rows from the top */
} rs_heatmap;

/* A copy of the image in gray under the map's colours. The map covers the crop of height x width
 * at the view's place; the rest of the image is dimmed. */
rescl_status rs_heatmap_overlay(const rs_heatmap *map, const rescl_image *image,
                                const rs_view *view, size_t height, size_t width, rescl_image *out)
    RESCL_CHECK;

#endif
