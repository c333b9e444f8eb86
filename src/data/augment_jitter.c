/* ColorJitter(strength, strength, strength): brightness, contrast and saturation, in any order, by
 * factors of 1 +- strength. */
#include "augment.h"
#include "error.h"

#include <math.h>

#define FACTOR_BITS 16
#define FACTOR_ONE  (1 << FACTOR_BITS)

/* ITU-R 601's luma in Pillow's fixed point. */
static int32_t luma(const uint8_t *rgb)
{
    return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 0x8000) >> 16;
}

static uint8_t blend(int32_t from, int32_t v, int32_t factor)
{
    const int32_t x = (from * FACTOR_ONE + factor * (v - from)) >> FACTOR_BITS;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static int32_t mean_luma(const rescl_image *image)
{
    const size_t pixels = image->width * image->height;
    uint64_t sum = 0;
    for (size_t i = 0; i < pixels; i++)
        sum += (uint64_t)luma(image->pixels + 3 * i);
    return pixels ? (int32_t)((2 * sum + pixels) / (2 * pixels)) : 0;
}

void rs_image_enhance(rescl_image *image, rs_enhance what, double factor)
{
    const int32_t fixed = (int32_t)lrint(factor * FACTOR_ONE);
    const int32_t grey = what == RS_ENHANCE_CONTRAST ? mean_luma(image) : 0;
    uint8_t *p = image->pixels;
    for (size_t i = 0; i < image->width * image->height; i++, p += 3) {
        const int32_t from = what == RS_ENHANCE_COLOR ? luma(p) : grey;
        for (size_t c = 0; c < 3; c++)
            p[c] = blend(from, p[c], fixed);
    }
}

static rescl_status apply(rescl_image *image, double strength, rs_rng *rng)
{
    static const rs_enhance kinds[] = {RS_ENHANCE_BRIGHTNESS, RS_ENHANCE_CONTRAST,
                                       RS_ENHANCE_COLOR};
    uint32_t order[RS_COUNT(kinds)];
    rs_rng_permutation(rng, order, RS_COUNT(kinds));
    for (size_t i = 0; i < RS_COUNT(kinds); i++)
        rs_image_enhance(image, kinds[order[i]], rs_rng_range(rng, 1 - strength, 1 + strength));
    return RESCL_OK;
}

const rs_augment_def rs_augment_jitter = {
    .option =
        {.name = "color_jitter",
         .type = RESCL_OPTION_REAL,
         .value = "0",
         .range = "[0,1]",
         .group = "data",
         .metavar = "X",
         .help = "scale brightness, contrast and saturation of training images by 1 - X to 1 + X"},
    .apply = apply,
};
