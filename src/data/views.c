#include "views.h"

#include "cut.h"
#include "error.h"
#include "flip.h"
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

/* A rectangle of an image as an input. */
static void take(const rescl_image *image, const rs_rect *r, bool mirror,
                 rescl_preprocess preprocess, uint8_t *dst)
{
    rescl_image input = {r->width, r->height, dst};
    for (size_t y = 0; y < r->height; y++)
        memcpy(dst + y * r->width * 3, image->pixels + ((r->top + y) * image->width + r->left) * 3,
               r->width * 3);
    if (mirror)
        rs_image_mirror(&input);
    rs_image_to_network(preprocess, r->width * r->height, dst);
}

/* The centre and the corners of an image that covers the input, then those of its mirror image. */
static void ten_crops(const rescl_image *image, const rs_view *v, size_t height, size_t width,
                      rescl_preprocess preprocess, uint8_t *dst, size_t stride)
{
    const size_t right = image->width - width, bottom = image->height - height;
    for (size_t i = 0; i < 10; i++) {
        const bool mirror = i >= 5;
        const size_t corner = i % 5 - 1;
        rs_rect r = {.width = width, .height = height};
        r.left = i % 5 == 0 ? (mirror ? right - v->left : v->left) : corner % 2 ? right : 0;
        r.top = i % 5 == 0 ? v->top : corner / 2 ? bottom : 0;
        take(image, &r, mirror, preprocess, dst + i * stride);
    }
}

rescl_status rs_views_make(const rescl_image *image, rescl_tta tta, size_t height, size_t width,
                           const rescl_resize *resize, rescl_preprocess preprocess, uint8_t *dst,
                           size_t stride)
{
    rescl_status st = RESCL_OK;
    const rescl_resize all = {resize->resize_size, resize->interpolation, false};
    rescl_image resized = {0};
    rs_view view;

    if (tta != RESCL_TTA_TEN_CROP) {
        RS_TRY(rs_image_to_input(image, height, width, resize, preprocess, dst));
        if (tta == RESCL_TTA_FLIP) {
            memcpy(dst + stride, dst, height * width * 3);
            rs_image_mirror(&(rescl_image){width, height, dst + stride});
        }
        goto out;
    }
    RS_TRY(rs_view_init(&view, image, height, width, &all));
    RS_TRY(rs_image_whole(image, view.height, view.width, resize->interpolation, &resized));
    ten_crops(&resized, &view, height, width, preprocess, dst, stride);
out:
    rescl_image_free(&resized);
    return st;
}
