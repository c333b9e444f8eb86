#include "colour.h"

#include "error.h"
#include "image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t pixels_of(const rescl_image *image)
{
    return image->width * image->height;
}

static uint16_t *words_of(const rescl_image *image)
{
    return (uint16_t *)(void *)image->pixels;
}

/* ---- enhance ----------------------------------------------------------------------------- */

#define FACTOR_BITS 16
#define FACTOR_ONE  (1 << FACTOR_BITS)

/* ITU-R 601's luma in Pillow's fixed point. */
static int32_t luma(const uint8_t *rgb)
{
    return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 0x8000) >> 16;
}

/* The same of 16 bits. */
static uint32_t deep_luma(const uint16_t *rgb)
{
    return (19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16;
}

static uint16_t deep_blend(int64_t from, int64_t v, int64_t factor)
{
    const int64_t x = (from * FACTOR_ONE + factor * (v - from)) >> FACTOR_BITS;
    return (uint16_t)(x < 0 ? 0 : x > 65535 ? 65535 : x);
}

static uint8_t blend(int32_t from, int32_t v, int32_t factor)
{
    const int32_t x = (from * FACTOR_ONE + factor * (v - from)) >> FACTOR_BITS;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static int32_t mean_luma(const rescl_image *image)
{
    const size_t pixels = pixels_of(image), step = rs_image_channels(image);
    const bool deep = rs_image_is_deep(image);
    uint64_t sum = 0;
    for (size_t i = 0; !deep && i < pixels; i++)
        sum += (uint64_t)luma(image->pixels + step * i);
    for (size_t i = 0; deep && i < pixels; i++)
        sum += deep_luma(words_of(image) + step * i);
    return pixels ? (int32_t)((2 * sum + pixels) / (2 * pixels)) : 0;
}

/* Pillow's filter SMOOTH: 5 in the middle, 1 around it, over 13, of all pixels but those at edges, and of three of
 * `step` channels. */
static inline void sharpen_rows(const rescl_image *image, size_t step, int32_t factor, uint8_t *out)
{
    const size_t row = image->width * step;
    for (size_t y = 1; y + 1 < image->height; y++)
        for (size_t x = step; x + step < row; x++) {
            const uint8_t *p = image->pixels + y * row + x, *up = p - row, *down = p + row;
            const ptrdiff_t by = (ptrdiff_t)step;
            const int32_t around =
                up[-by] + up[0] + up[by] + p[-by] + p[by] + down[-by] + down[0] + down[by];
            if (step == 3 || x % step < 3)
                out[y * row + x] = blend((around + 5 * p[0] + 6) / 13, p[0], factor);
        }
}

static rescl_status sharpen(rescl_image *image, int32_t factor)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = rs_image_bytes(image);
    uint8_t *out = NULL;

    RS_OOM(out = malloc(bytes));
    memcpy(out, image->pixels, bytes);
    if (rs_image_channels(image) == 3)
        sharpen_rows(image, 3, factor, out);
    else
        sharpen_rows(image, 4, factor, out);
    free(image->pixels);
    image->pixels = out;
out:
    return st;
}

static inline void enhance_bytes(const rescl_image *image, size_t step, bool by_luma, int32_t grey,
                                 int32_t factor)
{
    uint8_t *p = image->pixels;
    for (size_t i = 0; i < pixels_of(image); i++, p += step) {
        const int32_t from = by_luma ? luma(p) : grey;
        for (size_t c = 0; c < 3; c++)
            p[c] = blend(from, p[c], factor);
    }
}

static void enhance_words(const rescl_image *image, bool by_luma, int32_t grey, int32_t factor)
{
    const size_t step = rs_image_channels(image);
    uint16_t *p = words_of(image);
    for (size_t i = 0; i < pixels_of(image); i++, p += step) {
        const int64_t from = by_luma ? (int64_t)deep_luma(p) : grey;
        for (size_t c = 0; c < 3; c++)
            p[c] = deep_blend(from, p[c], factor);
    }
}

rescl_status rs_image_enhance(rescl_image *image, rs_enhance what, double factor)
{
    const int32_t fixed = (int32_t)lrint(factor * FACTOR_ONE);
    const int32_t grey = what == RS_ENHANCE_CONTRAST ? mean_luma(image) : 0;
    const bool by_luma = what == RS_ENHANCE_COLOR;

    if (what == RS_ENHANCE_SHARPNESS)
        return sharpen(image, fixed);
    if (rs_image_is_deep(image))
        enhance_words(image, by_luma, grey, fixed);
    else if (rs_image_channels(image) == 3)
        enhance_bytes(image, 3, by_luma, grey, fixed);
    else
        enhance_bytes(image, 4, by_luma, grey, fixed);
    return RESCL_OK;
}

static inline void grey_bytes(const rescl_image *image, size_t step)
{
    uint8_t *p = image->pixels;
    for (size_t i = 0; i < pixels_of(image); i++, p += step)
        p[0] = p[1] = p[2] = (uint8_t)luma(p);
}

void rs_image_grey(rescl_image *image)
{
    const size_t step = rs_image_channels(image);
    if (rs_image_is_deep(image)) {
        uint16_t *p = words_of(image);
        for (size_t i = 0; i < pixels_of(image); i++, p += step)
            p[0] = p[1] = p[2] = (uint16_t)deep_luma(p);
        return;
    }
    if (step == 3)
        grey_bytes(image, 3);
    else
        grey_bytes(image, 4);
}

/* ---- hue --------------------------------------------------------------------------------- */

/* One pixel, whose hue is `sixth` sixths of a turn further. With value and least channel as they are,
 * a channel's height between them is a trapezium over the hue: 1 for two sixths, 0 for two. */
static inline void turn_hue(float p[3], float sixths)
{
    const float r = p[0], g = p[1], b = p[2];
    const float most = fmaxf(r, fmaxf(g, b)), least = fminf(r, fminf(g, b)), range = most - least;
    float hue;

    if (!(range > 0))
        return;
    if (p[0] >= p[1] && p[0] >= p[2])
        hue = (g - b) / range;
    else if (p[1] >= p[2])
        hue = 2 + (b - r) / range;
    else
        hue = 4 + (r - g) / range;
    hue += sixths + 6;
    for (size_t c = 0; c < 3; c++) {
        float at = hue + (c == 0 ? 2.0f : c == 1 ? 0.0f : 4.0f); /* 2: the middle of its plateau */
        at = fabsf(at - 6 * (float)(int)(at / 6) - 2);           /* sixths from there */
        at = at > 3 ? 6 - at : at;
        const float height = at < 1 ? 1 : at > 2 ? 0 : 2 - at;
        p[c] = least + range * height;
    }
}

void rs_image_shift_hue(rescl_image *image, double turns)
{
    const size_t step = rs_image_channels(image);
    const bool deep = rs_image_is_deep(image);
    uint16_t *word = words_of(image);
    uint8_t *byte = image->pixels;
    float p[3];
    for (size_t i = 0; !deep && i < pixels_of(image); i++, byte += step) {
        for (size_t c = 0; c < 3; c++)
            p[c] = byte[c];
        turn_hue(p, (float)(6 * turns));
        for (size_t c = 0; c < 3; c++)
            byte[c] = (uint8_t)(p[c] + 0.5f);
    }
    for (size_t i = 0; deep && i < pixels_of(image); i++, word += step) {
        for (size_t c = 0; c < 3; c++)
            p[c] = word[c];
        turn_hue(p, (float)(6 * turns));
        for (size_t c = 0; c < 3; c++)
            word[c] = (uint16_t)(p[c] + 0.5f);
    }
}

/* ---- blur -------------------------------------------------------------------------------- */

#define BLUR_BITS  14 /* of weights */
#define BLUR_REACH 64 /* pixels to each side, at most */
#define BLUR_MORE  6  /* of what lies between the two passes, below a byte */

/* weight[0] in the middle; all of them, each but the first twice, are 1. */
static void gaussian(double sigma, size_t radius, int32_t *weight)
{
    double sum = 1;
    int32_t rest = 1 << BLUR_BITS;
    for (size_t k = 1; k <= radius; k++)
        sum += 2 * exp(-0.5 * ((double)k / sigma) * ((double)k / sigma));
    for (size_t k = 1; k <= radius; k++) {
        const double w = exp(-0.5 * ((double)k / sigma) * ((double)k / sigma)) / sum;
        weight[k] = (int32_t)lrint(w * (1 << BLUR_BITS));
        rest -= 2 * weight[k];
    }
    weight[0] = rest;
}

/* Index `i` + `by` of an axis of n whose edges are reflected: dcb|abcd|cba; |by| < n. */
static size_t reflected(size_t i, ptrdiff_t by, size_t n)
{
    const ptrdiff_t at = (ptrdiff_t)i + by, last = (ptrdiff_t)n - 1;
    return (size_t)(at < 0 ? -at : at > last ? 2 * last - at : at);
}

/* sum[i] += weight * (a[i] + b[i]) */
static void add_bytes(int32_t *sum, const uint8_t *a, const uint8_t *b, int32_t weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += weight * (a[i] + b[i]);
}

static void add_words(int32_t *sum, const uint16_t *a, const uint16_t *b, int32_t weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += weight * (a[i] + b[i]);
}

/* What the passes need beside the image. */
typedef struct blurring {
    size_t width, height, radius, step; /* samples of a pixel */
    int32_t weight[BLUR_REACH + 1];
    uint8_t *line;     /* a row with its reflected ends */
    int32_t *sum;      /* of a row */
    uint16_t *between; /* the image after the first pass, with BLUR_MORE more bits */
} blurring;

static inline void blur_row(const blurring *b, size_t step, const uint8_t *src, uint16_t *dst)
{
    const size_t w = b->width, r = b->radius, n = step * w;
    for (size_t x = 0; x < w + 2 * r; x++)
        memcpy(b->line + step * x, src + step * reflected(x, -(ptrdiff_t)r, w), step);
    for (size_t i = 0; i < n; i++)
        b->sum[i] = b->weight[0] * src[i] + (1 << (BLUR_BITS - BLUR_MORE - 1));
    for (size_t k = 1; k <= r; k++)
        add_bytes(b->sum, b->line + step * (r - k), b->line + step * (r + k), b->weight[k], n);
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint16_t)(b->sum[i] >> (BLUR_BITS - BLUR_MORE));
}

static void blur_column(const blurring *b, size_t y, uint8_t *dst)
{
    const size_t n = b->step * b->width;
    for (size_t i = 0; i < n; i++)
        b->sum[i] = b->weight[0] * b->between[y * n + i] + (1 << (BLUR_BITS + BLUR_MORE - 1));
    for (size_t k = 1; k <= b->radius; k++)
        add_words(b->sum, b->between + reflected(y, -(ptrdiff_t)k, b->height) * n,
                  b->between + reflected(y, (ptrdiff_t)k, b->height) * n, b->weight[k], n);
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(b->sum[i] >> (BLUR_BITS + BLUR_MORE));
}

rescl_status rs_image_blur(rescl_image *image, double sigma)
{
    rescl_status st = RESCL_OK;
    blurring b = {.width = image->width, .height = image->height, .step = rs_image_channels(image)};
    const size_t w = b.width, h = b.height, side = w < h ? w : h, row = w * b.step;
    const double reach = ceil(3 * sigma);

    b.radius = reach < BLUR_REACH ? (size_t)reach : BLUR_REACH;
    b.radius = b.radius < side ? b.radius : side - 1;
    gaussian(sigma, b.radius, b.weight);
    RS_OOM(b.line = malloc((w + 2 * b.radius) * b.step));
    RS_OOM(b.sum = malloc(row * sizeof *b.sum));
    RS_OOM(b.between = calloc(row * h, sizeof *b.between));
    for (size_t y = 0; y < h; y++)
        if (b.step == 3)
            blur_row(&b, 3, image->pixels + y * row, b.between + y * row);
        else
            blur_row(&b, 4, image->pixels + y * row, b.between + y * row);
    for (size_t y = 0; y < h; y++)
        blur_column(&b, y, image->pixels + y * row);
out:
    free(b.line);
    free(b.sum);
    free(b.between);
    return st;
}

/* ---- tables ------------------------------------------------------------------------------ */

/* Of bytes; a fourth channel is left as it is. */

/* Each channel by its own table of bytes. */
static void replace(rescl_image *image, uint8_t table[3][256])
{
    const size_t step = rs_image_channels(image);
    uint8_t *p = image->pixels;
    for (size_t i = 0; i < pixels_of(image); i++, p += step)
        for (size_t c = 0; c < 3; c++)
            p[c] = table[c][p[c]];
}

static void count_bytes(const rescl_image *image, size_t count[3][256])
{
    const size_t step = rs_image_channels(image);
    const uint8_t *p = image->pixels;
    memset(count, 0, 3 * sizeof *count);
    for (size_t i = 0; i < pixels_of(image); i++, p += step)
        for (size_t c = 0; c < 3; c++)
            count[c][p[c]]++;
}

void rs_image_posterize(rescl_image *image, unsigned bits)
{
    const uint8_t mask = (uint8_t)(0xff00u >> bits);
    uint8_t table[3][256];
    for (size_t v = 0; v < 256; v++)
        table[0][v] = table[1][v] = table[2][v] = (uint8_t)(v & mask);
    replace(image, table);
}

void rs_image_solarize(rescl_image *image, double threshold)
{
    uint8_t table[3][256];
    for (size_t v = 0; v < 256; v++)
        table[0][v] = table[1][v] = table[2][v] = (uint8_t)((double)v >= threshold ? 255 - v : v);
    replace(image, table);
}

void rs_image_invert(rescl_image *image)
{
    rs_image_solarize(image, 0);
}

void rs_image_autocontrast(rescl_image *image)
{
    size_t count[3][256];
    uint8_t table[3][256];
    count_bytes(image, count);
    for (size_t c = 0; c < 3; c++) {
        int32_t lo = 0, hi = 255;
        while (lo < 255 && count[c][lo] == 0)
            lo++;
        while (hi > 0 && count[c][hi] == 0)
            hi--;
        for (int32_t v = 0; v < 256; v++) {
            const int32_t wide = hi > lo ? (v - lo) * 255 / (hi - lo) : v;
            table[c][v] = (uint8_t)(wide < 0 ? 0 : wide > 255 ? 255 : wide);
        }
    }
    replace(image, table);
}

void rs_image_equalize(rescl_image *image)
{
    size_t count[3][256];
    uint8_t table[3][256];
    count_bytes(image, count);
    for (size_t c = 0; c < 3; c++) {
        size_t last = 255;
        while (last > 0 && count[c][last] == 0)
            last--;
        const size_t step = (pixels_of(image) - count[c][last]) / 255;
        size_t sum = step / 2;
        for (size_t v = 0; v < 256; v++) {
            const size_t even = step > 0 ? sum / step : v;
            table[c][v] = (uint8_t)(even < 255 ? even : 255);
            sum += count[c][v];
        }
    }
    replace(image, table);
}
