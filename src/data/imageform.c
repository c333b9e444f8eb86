/* Images of other channels and bits. */
#include "alloc.h"
#include "error.h"
#include "image.h"
#include "imagerows.h"

#include <stdlib.h>
#include <string.h>

/* 16 bits from 8, from the last sample to the first where they lie in the same place. */
static void deepen(const uint8_t *src, uint16_t *dst, size_t samples)
{
    for (size_t i = samples; i-- > 0;)
        dst[i] = (uint16_t)(src[i] * 257);
}

static void flatten(const uint16_t *src, uint8_t *dst, size_t samples)
{
    for (size_t i = 0; i < samples; i++)
        dst[i] = (uint8_t)(src[i] >> 8);
}

/* Three samples of `bytes` become four, whose last is the largest value, in place. */
static void add_alpha(uint8_t *pixels, size_t count, size_t bytes)
{
    for (size_t i = count; i-- > 0;) {
        memmove(pixels + i * 4 * bytes, pixels + i * 3 * bytes, 3 * bytes);
        memset(pixels + i * 4 * bytes + 3 * bytes, 0xff, bytes);
    }
}

rescl_status rs_image_convert(rescl_image *image, size_t channels, size_t bit_depth)
{
    rescl_status st = RESCL_OK;
    const size_t count = image->width * image->height, to = rs_pixel_samples(channels);
    const bool deep = rs_pixel_is_deep(bit_depth);
    size_t bytes;

    if (rs_image_channels(image) == to && rs_image_is_deep(image) == deep) {
        image->channels = to;
        image->bit_depth = deep ? 16 : 8;
        goto out;
    }
    /* Room for what it is meanwhile. */
    RS_FAIL_IF(!rs_mul_size(count, RS_PIXEL_CHANNELS * sizeof(uint16_t), &bytes), RESCL_ERR_MEMORY,
               "out of host memory");
    uint8_t *pixels = realloc(image->pixels, bytes + 1);
    RS_OOM(pixels);
    image->pixels = pixels;
    if (rs_image_is_deep(image) && !deep)
        flatten((const uint16_t *)(const void *)pixels, pixels, count * rs_image_channels(image));
    if (!rs_image_is_deep(image) && deep)
        deepen(pixels, (uint16_t *)(void *)pixels, count * rs_image_channels(image));
    image->bit_depth = deep ? 16 : 8;
    if (rs_image_channels(image) < to)
        add_alpha(pixels, count, deep ? 2 : 1);
    else if (rs_image_channels(image) > to && deep)
        rs_image_lay_deep_on_white((uint16_t *)(void *)pixels, count);
    else if (rs_image_channels(image) > to)
        rs_image_lay_on_white(pixels, count);
    image->channels = to;
out:
    return st;
}

rescl_status rs_image_converted(const rescl_image *image, size_t channels, size_t bit_depth,
                                rescl_image *out)
{
    rescl_status st = RESCL_OK;
    rescl_image copy = *image;
    size_t bytes;

    *out = (rescl_image){0};
    copy.pixels = NULL;
    RS_FAIL_IF(!rs_mul_size(image->width, image->height, &bytes) ||
                   !rs_mul_size(bytes, rs_image_pixel_bytes(image), &bytes),
               RESCL_ERR_MEMORY, "out of host memory");
    RS_OOM(copy.pixels = malloc(bytes + 1));
    memcpy(copy.pixels, image->pixels, bytes);
    RS_TRY(rs_image_convert(&copy, channels, bit_depth));
    *out = copy;
    copy.pixels = NULL;
out:
    free(copy.pixels);
    return st;
}
