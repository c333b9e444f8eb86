#include "views.h"

#include "error.h"
#include "flip.h"
#include "image.h"
#include "loader.h"

#include <string.h>

static const char *const names[] = {
    [RESCL_TTA_NONE] = "none", [RESCL_TTA_FLIP] = "flip", [RESCL_TTA_TEN_CROP] = "ten_crop"};

const char *rescl_tta_name(rescl_tta tta)
{
    return (size_t)tta < RS_COUNT(names) ? names[tta] : NULL;
}

size_t rs_views_count(rescl_tta tta)
{
    return tta == RESCL_TTA_TEN_CROP ? RS_VIEWS_MOST : tta == RESCL_TTA_FLIP ? 2 : 1;
}

/* `image` is what the input was made of. */
static void mirror(const rescl_image *image, uint8_t *dst, const uint8_t *input, size_t height,
                   size_t width)
{
    rescl_image mirrored = rs_image_like(image, width, height, dst);
    if (dst != input)
        memcpy(dst, input, rs_image_bytes(&mirrored));
    rs_image_mirror(&mirrored);
}

/* The centre and the corners of an image that covers the input, then those of its mirror image, whose
 * centre may be another column. Each is resized alone: all of a long image may not fit memory. */
static rescl_status ten_crops(const rescl_image *image, const rs_view *centre, size_t height,
                              size_t width, rescl_interpolation how, rescl_preprocess preprocess,
                              uint8_t *dst, size_t stride)
{
    rescl_status st = RESCL_OK;
    const size_t right = centre->width - width, bottom = centre->height - height;
    rs_view v = *centre;

    for (size_t i = 0; i < 5; i++) {
        if (i > 0) {
            v.left = (i - 1) % 2 ? right : 0;
            v.top = (i - 1) / 2 ? bottom : 0;
        }
        RS_TRY(rs_view_input(image, &v, how, height, width, preprocess, dst + i * stride));
        mirror(image, dst + (i + 5) * stride, dst + i * stride, height, width);
    }
    if (right - centre->left == centre->left)
        goto out;
    v = *centre;
    v.left = right - centre->left;
    RS_TRY(rs_view_input(image, &v, how, height, width, preprocess, dst + 5 * stride));
    mirror(image, dst + 5 * stride, dst + 5 * stride, height, width);
out:
    return st;
}

rescl_status rs_views_make(const rescl_image *image, rescl_tta tta, size_t height, size_t width,
                           const rescl_resize *resize, rescl_preprocess preprocess, uint8_t *dst,
                           size_t stride)
{
    rescl_status st = RESCL_OK;
    const rescl_resize all = {resize->resize_size, resize->interpolation, false};
    rs_view view;

    if (tta == RESCL_TTA_TEN_CROP) {
        RS_TRY(rs_view_init(&view, image, height, width, &all));
        RS_TRY(
            ten_crops(image, &view, height, width, resize->interpolation, preprocess, dst, stride));
        goto out;
    }
    RS_TRY(rs_image_to_input(image, height, width, resize, preprocess, dst));
    if (tta == RESCL_TTA_FLIP)
        mirror(image, dst + stride, dst, height, width);
out:
    return st;
}
