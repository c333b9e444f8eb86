#include "warp.h"

#include "error.h"
#include "image.h"

#include <math.h>
#include <stdlib.h>

#define PART_BITS 11 /* of a pixel */
#define PART_ONE  (1 << PART_BITS)

static const char *const mode_names[] = {"constant", "nearest", "reflect", "wrap", NULL};

_Static_assert(RS_COUNT(mode_names) == RS_FILL_MODES + 1, "each mode has a name");

const rescl_option rs_fill_option_mode = {
    .name = "fill_mode",
    .type = RESCL_OPTION_CHOICE,
    .value = "constant",
    .choices = mode_names,
    .group = "data",
    .metavar = "MODE",
    .help =
        "what turned, moved and bent images show beyond their edges: --fill, or the image again"};

const rescl_option rs_fill_option_value = {.name = "fill",
                                           .type = RESCL_OPTION_REAL,
                                           .value = "0",
                                           .range = "[0,255]",
                                           .group = "data",
                                           .alias = "cval",
                                           .metavar = "GREY",
                                           .help = "grey of --fill-mode constant, 0 to 255"};

rs_fill rs_fill_of(double mode, double value)
{
    return (rs_fill){(rs_fill_mode)mode, (uint8_t)lrint(value)};
}

/* Where an axis of n pixels shows what lies at `at`, which counts from the middle of the first. */
static double fold(rs_fill_mode mode, double at, double n)
{
    const double last = n - 1;
    double period = 0;
    if (at >= 0 && at <= last)
        return at;
    switch (mode) {
    case RS_FILL_REFLECT: /* about the outer edges */
        period = 2 * n;
        at = at + 0.5 - period * floor((at + 0.5) / period);
        return (at < n ? at : period - at) - 0.5;
    case RS_FILL_WRAP:
        return last > 0 ? at - last * floor(at / last) : 0;
    case RS_FILL_CONSTANT:
    case RS_FILL_NEAREST:
    case RS_FILL_MODES:
        break;
    }
    return at < 0 ? 0 : at > last ? last : at;
}

/* The pixel below `at`, the one above, and how far it is from the first; both are within n. */
typedef struct between {
    size_t below, above;
    int32_t part;
} between;

/* `at` is at least -1. */
static between place(double at, size_t n)
{
    const ptrdiff_t below = (ptrdiff_t)(at + 1) - 1;
    const int32_t part = (int32_t)((at - (double)below) * PART_ONE);
    if (below < 0)
        return (between){0, 0, 0};
    const size_t i = (size_t)below;
    return i + 1 < n ? (between){i, i + 1, part} : (between){n - 1, n - 1, 0};
}

/* What is taken from four samples; of bytes sums stay below 2^30. */
static inline uint8_t mean_byte(int32_t p, int32_t q, int32_t r, int32_t s, int32_t across,
                                int32_t down)
{
    const int32_t a = p * PART_ONE + across * (q - p), b = r * PART_ONE + across * (s - r);
    const int32_t sum = a * PART_ONE + down * (b - a);
    return (uint8_t)((sum + (1 << (2 * PART_BITS - 1))) >> (2 * PART_BITS));
}

static inline uint16_t mean_word(int64_t p, int64_t q, int64_t r, int64_t s, int64_t across,
                                 int64_t down)
{
    const int64_t a = p * PART_ONE + across * (q - p), b = r * PART_ONE + across * (s - r);
    const int64_t sum = a * PART_ONE + down * (b - a);
    return (uint16_t)((sum + (1 << (2 * PART_BITS - 1))) >> (2 * PART_BITS));
}

static inline void sample_bytes(const rescl_image *image, between across, between down,
                                size_t channels, uint8_t *dst)
{
    const uint8_t *top = image->pixels + down.below * image->width * channels;
    const uint8_t *bottom = image->pixels + down.above * image->width * channels;
    const size_t left = across.below * channels, right = across.above * channels;
    for (size_t c = 0; c < channels; c++)
        dst[c] = mean_byte(top[left + c], top[right + c], bottom[left + c], bottom[right + c],
                           across.part, down.part);
}

static void sample_words(const rescl_image *image, between across, between down, uint16_t *dst)
{
    const size_t channels = rs_image_channels(image);
    const uint16_t *pixels = (const uint16_t *)(const void *)image->pixels;
    const uint16_t *top = pixels + down.below * image->width * channels;
    const uint16_t *bottom = pixels + down.above * image->width * channels;
    const size_t left = across.below * channels, right = across.above * channels;
    for (size_t c = 0; c < channels; c++)
        dst[c] = mean_word(top[left + c], top[right + c], bottom[left + c], bottom[right + c],
                           across.part, down.part);
}

static void sample(const rescl_image *image, double x, double y, uint8_t *dst)
{
    const between across = place(x, image->width), down = place(y, image->height);
    if (rs_image_is_deep(image))
        sample_words(image, across, down, (uint16_t *)(void *)dst);
    else if (rs_image_channels(image) == 3)
        sample_bytes(image, across, down, 3, dst);
    else
        sample_bytes(image, across, down, 4, dst);
}

/* `x` and `y` count from the image's corner. */
static void show(const rescl_image *image, double x, double y, rs_fill fill, uint8_t *dst)
{
    const double w = (double)image->width, h = (double)image->height;
    const bool inside = x >= 0 && x < w && y >= 0 && y < h;
    if (!inside && (fill.mode == RS_FILL_CONSTANT || !isfinite(x) || !isfinite(y))) {
        /* of 16 bits both bytes, too: 257 times the value */
        for (size_t k = 0; k < rs_image_pixel_bytes(image); k++)
            dst[k] = fill.value;
        return;
    }
    sample(image, fold(fill.mode, x - 0.5, w), fold(fill.mode, y - 0.5, h), dst);
}

rescl_status rs_image_warp(rescl_image *image, const double m[8], rs_fill fill)
{
    rescl_status st = RESCL_OK;
    const bool affine = !(m[6] < 0 || m[6] > 0 || m[7] < 0 || m[7] > 0);
    const size_t step = rs_image_pixel_bytes(image);
    uint8_t *bent = NULL, *dst;

    RS_OOM(bent = malloc(image->width * image->height * step));
    dst = bent;
    for (size_t j = 0; j < image->height; j++)
        for (size_t i = 0; i < image->width; i++, dst += step) {
            const double x = (double)i + 0.5, y = (double)j + 0.5;
            const double by = affine ? 1 : 1 / (m[6] * x + m[7] * y + 1);
            show(image, (m[0] * x + m[1] * y + m[2]) * by, (m[3] * x + m[4] * y + m[5]) * by, fill,
                 dst);
        }
    free(image->pixels);
    image->pixels = bent;
out:
    return st;
}

/* torchvision's _get_inverse_affine_matrix. */
void rs_affine_inverse(const rs_affine *a, double m[8])
{
    const double turn = a->angle - a->shear_y, flat = cos(a->shear_y);
    const double p = cos(turn) / flat, q = -p * tan(a->shear_x) - sin(a->angle);
    const double r = sin(turn) / flat, s = -r * tan(a->shear_x) + cos(a->angle);
    const double x = a->center_x + a->translate_x, y = a->center_y + a->translate_y;

    m[0] = s / a->scale;
    m[1] = -q / a->scale;
    m[3] = -r / a->scale;
    m[4] = p / a->scale;
    m[2] = a->center_x - m[0] * x - m[1] * y;
    m[5] = a->center_y - m[3] * x - m[4] * y;
    m[6] = m[7] = 0;
}

/* Gaussian elimination with pivots of n equations; false where they have no single answer. */
static bool solve(double rows[8][9])
{
    for (size_t k = 0; k < 8; k++) {
        size_t best = k;
        for (size_t i = k + 1; i < 8; i++)
            best = fabs(rows[i][k]) > fabs(rows[best][k]) ? i : best;
        if (!(fabs(rows[best][k]) > 1e-9))
            return false;
        for (size_t c = 0; c < 9; c++) {
            const double kept = rows[k][c];
            rows[k][c] = rows[best][c];
            rows[best][c] = kept;
        }
        for (size_t i = 0; i < 8; i++) {
            const double factor = i == k ? 0 : rows[i][k] / rows[k][k];
            for (size_t c = k; c < 9; c++)
                rows[i][c] -= factor * rows[k][c];
        }
    }
    return true;
}

bool rs_perspective_inverse(double from[4][2], double to[4][2], double m[8])
{
    double rows[8][9] = {{0}};
    for (size_t i = 0; i < 4; i++) {
        const double x = to[i][0], y = to[i][1];
        for (size_t k = 0; k < 2; k++) {
            double *row = rows[2 * i + k];
            row[3 * k] = x;
            row[3 * k + 1] = y;
            row[3 * k + 2] = 1;
            row[6] = -x * from[i][k];
            row[7] = -y * from[i][k];
            row[8] = from[i][k];
        }
    }
    if (!solve(rows))
        return false;
    for (size_t i = 0; i < 8; i++)
        m[i] = rows[i][8] / rows[i][i];
    return true;
}
