#include "mix.h"

#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIX_STREAM   ((uint64_t)0x4d58 << 48) /* "MX"; the epoch is added */
#define BATCH_BLOCKS 64                       /* of four words: more than a batch takes */
#define SHARE_BITS   16

/* Changes `own` by `other`. */
typedef void (*mixer)(const rs_mix_batch *b, const void *how, uint8_t *own, const uint8_t *other);

/* From the last to the first, so that each one still finds the one before it as it was. */
static rescl_status each(const rs_mix_batch *b, mixer mix, const void *how)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = b->height * b->width * rs_pixel_bytes(b->channels, b->bit_depth);
    uint8_t *last = NULL;

    RS_OOM(last = malloc(bytes));
    memcpy(last, b->pixels + (b->n - 1) * bytes, bytes);
    for (size_t i = b->n; i-- > 0;)
        mix(b, how, b->pixels + i * bytes, i > 0 ? b->pixels + (i - 1) * bytes : last);
out:
    free(last);
    return st;
}

static void blend_words(const rs_mix_batch *b, const void *how, uint8_t *own, const uint8_t *other)
{
    const int64_t share = *(const int32_t *)how;
    uint16_t *to = (uint16_t *)(void *)own;
    const uint16_t *from = (const uint16_t *)(const void *)other;
    for (size_t k = 0; k < b->height * b->width * rs_pixel_samples(b->channels); k++)
        to[k] = (uint16_t)((to[k] * (INT64_C(1) << SHARE_BITS) + share * (from[k] - to[k]) +
                            (1 << (SHARE_BITS - 1))) >>
                           SHARE_BITS);
}

static void blend(const rs_mix_batch *b, const void *how, uint8_t *own, const uint8_t *other)
{
    const int32_t share = *(const int32_t *)how;
    for (size_t k = 0; k < b->height * b->width * rs_pixel_samples(b->channels); k++)
        own[k] = (uint8_t)((own[k] * (1 << SHARE_BITS) + share * (other[k] - own[k]) +
                            (1 << (SHARE_BITS - 1))) >>
                           SHARE_BITS);
}

rescl_status rs_mix_blend(const rs_mix_batch *b, double share)
{
    const int32_t fixed = (int32_t)lrint(share * (1 << SHARE_BITS));
    return each(b, rs_pixel_is_deep(b->bit_depth) ? blend_words : blend, &fixed);
}

static void paste(const rs_mix_batch *b, const void *how, uint8_t *own, const uint8_t *other)
{
    const rs_rect *box = how;
    const size_t pixel = rs_pixel_bytes(b->channels, b->bit_depth);
    for (size_t y = box->top; y < box->top + box->height; y++) {
        const size_t at = (y * b->width + box->left) * pixel;
        memcpy(own + at, other + at, box->width * pixel);
    }
}

rescl_status rs_mix_paste(const rs_mix_batch *b, const rs_rect *box)
{
    return each(b, paste, box);
}

/* torchvision's CutMix.make_params. */
rs_rect rs_mix_box(size_t height, size_t width, size_t y, size_t x, double share)
{
    const double half = 0.5 * sqrt(share);
    const size_t across = (size_t)(half * (double)width), down = (size_t)(half * (double)height);
    const size_t left = x > across ? x - across : 0, top = y > down ? y - down : 0;
    const size_t right = x + across < width ? x + across : width;
    const size_t bottom = y + down < height ? y + down : height;
    return (rs_rect){left, top, right - left, bottom - top};
}

/* The logarithm of a number of Gamma(shape, 1), 0 < shape <= 1 or so: Marsaglia and Tsang, "A Simple
 * Method for Generating Gamma Variables" (2000), for shape + 1, times u^(1 / shape). */
static double log_gamma(rs_rng *rng, double shape)
{
    const double d = shape + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = (double)rs_rng_normal(rng), v = pow(1 + c * x, 3);
        const double u = ((double)rs_rng_u32(rng) + 0.5) * 0x1p-32;
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) {
            const double more = ((double)rs_rng_u32(rng) + 0.5) * 0x1p-32;
            return log(d * v) + log(more) / shape;
        }
    }
}

double rs_mix_beta(rs_rng *rng, double alpha)
{
    const double a = log_gamma(rng, alpha), b = log_gamma(rng, alpha);
    return 1 / (1 + exp(b - a));
}

rescl_status rs_mix_augment(const rs_mix_batch *b, const rs_augment *a, uint64_t seed,
                            uint64_t epoch, uint64_t index, double *share)
{
    rescl_status st = RESCL_OK;
    const rs_augment_def *on[RS_AUGMENT_COUNT];
    const double *number[RS_AUGMENT_COUNT];
    size_t count = 0;
    rs_rng rng;

    *share = 0;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        if (rs_augment_at(i)->stage == RS_AUGMENT_BATCH && rs_augment_is_on(a, i)) {
            on[count] = rs_augment_at(i);
            number[count++] = a->number[i];
        }
    if (count == 0 || b->n < 2)
        goto out;
    rs_rng_init(&rng, seed, MIX_STREAM + epoch);
    rng.index = index * BATCH_BLOCKS;
    const uint32_t chosen = rs_rng_below(&rng, (uint32_t)count);
    RS_TRY(on[chosen]->mix(b, number[chosen], &rng, share));
out:
    return st;
}
