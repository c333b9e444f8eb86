/* Several inputs of one image, over which a prediction is averaged: rescl_tta of rescl/data.h. */
#ifndef RS_VIEWS_H
#define RS_VIEWS_H

#include <rescl/data.h>

#define RS_VIEWS_MOST 10

/* How many inputs an image has; 1 for RESCL_TTA_NONE. */
size_t rs_views_count(rescl_tta tta);

/* rs_image_to_input of each, into dst, dst + stride, ...: first what is seen without them, of ten crops
 * the one in the centre. */
rescl_status rs_views_make(const rescl_image *image, rescl_tta tta, size_t height, size_t width,
                           const rescl_resize *resize, rescl_preprocess preprocess, uint8_t *dst,
                           size_t stride) RESCL_CHECK;

#endif
