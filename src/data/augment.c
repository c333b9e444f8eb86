#include "augment.h"

#include "error.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AUGMENT_STREAM ((uint64_t)0x4155 << 48) /* "AU"; the epoch is added */
#define SAMPLE_BLOCKS  64                       /* of the generator: more than one image takes */
#define CROP_TRIES     10                       /* torchvision's */

/* ---- colours ------------------------------------------------------------------------------- */

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

static void jitter(rescl_image *image, double strength, rs_rng *rng)
{
    static const rs_enhance kinds[] = {RS_ENHANCE_BRIGHTNESS, RS_ENHANCE_CONTRAST,
                                       RS_ENHANCE_COLOR};
    uint32_t order[RS_COUNT(kinds)];
    rs_rng_permutation(rng, order, RS_COUNT(kinds));
    for (size_t i = 0; i < RS_COUNT(kinds); i++)
        rs_image_enhance(image, kinds[order[i]], rs_rng_range(rng, 1 - strength, 1 + strength));
}

/* ---- geometry ------------------------------------------------------------------------------ */

/* Without a square that fits, the largest in the middle. */
static rescl_status crop(rescl_image *image, double scale, rs_rng *rng)
{
    rescl_status st = RESCL_OK;
    const size_t w = image->width, h = image->height;
    const double area = (double)w * (double)h;
    size_t side = w < h ? w : h, left = (w - side) / 2, top = (h - side) / 2;
    uint8_t *cut = NULL;

    for (int i = 0; i < CROP_TRIES; i++) {
        const double edge = rint(sqrt(area * rs_rng_range(rng, scale, 1)));
        if (edge >= 1 && edge <= (double)w && edge <= (double)h) {
            side = (size_t)edge;
            top = rs_rng_below(rng, (uint32_t)(h - side + 1));
            left = rs_rng_below(rng, (uint32_t)(w - side + 1));
            break;
        }
    }
    RS_OOM(cut = malloc(side * side * 3));
    for (size_t y = 0; y < side; y++)
        memcpy(cut + y * side * 3, image->pixels + ((top + y) * w + left) * 3, side * 3);
    free(image->pixels);
    image->pixels = cut;
    image->width = image->height = side;
out:
    return st;
}

static void mirror(rescl_image *image)
{
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *a = image->pixels + y * image->width * 3, *b = a + (image->width - 1) * 3;
        for (; a < b; a += 3, b -= 3)
            for (size_t c = 0; c < 3; c++) {
                const uint8_t kept = a[c];
                a[c] = b[c];
                b[c] = kept;
            }
    }
}

rescl_status rs_image_augment(rescl_image *image, const rs_augment *a, uint64_t seed,
                              uint64_t epoch, uint64_t index)
{
    rescl_status st = RESCL_OK;
    rs_rng rng;

    rs_rng_init(&rng, seed, AUGMENT_STREAM + epoch);
    rng.index = index * SAMPLE_BLOCKS;
    if (a->scale > 0)
        RS_TRY(crop(image, a->scale, &rng));
    if (a->hflip > 0 && (double)rs_rng_uniform(&rng) < a->hflip)
        mirror(image);
    if (a->color_jitter > 0)
        jitter(image, a->color_jitter, &rng);
out:
    return st;
}
