/* Images to the network's input: resize, centre crop, and what the network reads for each byte.
 *
 * The resize gives Pillow's bytes (Image.resize with BILINEAR, BICUBIC or NEAREST;
 * src/libImaging/Resample.c, Geometry.c): a filter whose support grows with the reduction, weights
 * rounded to 22 bits, a horizontal pass and then a vertical one with bytes between them. Sizes and
 * the crop are torchvision's Resize and CenterCrop. Only what the crop shows is computed. */
#include "alloc.h"
#include "error.h"
#include "grey.h"
#include "image.h"
#include "loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_BITS 22

static const char *const interpolation_names[] = {
    [RESCL_INTERPOLATION_BILINEAR] = "bilinear",
    [RESCL_INTERPOLATION_BICUBIC] = "bicubic",
    [RESCL_INTERPOLATION_NEAREST] = "nearest",
};

const char *rescl_preprocess_name(rescl_preprocess p)
{
    switch (p) {
    case RESCL_PREPROCESS_UNIT:
        return "unit";
    case RESCL_PREPROCESS_TORCH:
        return "torch";
    case RESCL_PREPROCESS_CAFFE:
        return "caffe";
    case RESCL_PREPROCESS_NORMALIZE:
        return "normalize";
    }
    return NULL;
}

const char *rescl_interpolation_name(rescl_interpolation i)
{
    return (size_t)i < RS_COUNT(interpolation_names) ? interpolation_names[i] : NULL;
}

/* ---- filters ----------------------------------------------------------------------------- */

static double triangle(double x)
{
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -1/2. */
static double cubic(double x)
{
    const double a = -0.5;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

/* The weights of `count` outputs along one axis. */
typedef struct axis {
    size_t count, taps; /* taps: room per output */
    size_t *first, *n;  /* which inputs an output reads */
    int32_t *weight;    /* count * taps */
} axis;

static void axis_fini(axis *a)
{
    free(a->first);
    free(a->n);
    free(a->weight);
}

static rescl_status axis_alloc(axis *a, size_t count, size_t taps)
{
    rescl_status st = RESCL_OK;
    size_t cells;
    a->count = count;
    a->taps = taps;
    RS_FAIL_IF(!rs_mul_size(count, taps, &cells), RESCL_ERR_MEMORY, "out of host memory");
    RS_OOM(a->first = calloc(count, sizeof *a->first));
    RS_OOM(a->n = calloc(count, sizeof *a->n));
    RS_OOM(a->weight = calloc(cells, sizeof *a->weight));
out:
    return st;
}

/* Pillow adds up positions instead of multiplying, which now and then decides between neighbours.
 */
static rescl_status axis_nearest(axis *a, size_t in, size_t out, size_t skip, size_t count)
{
    rescl_status st = RESCL_OK;
    const double scale = (double)in / (double)out;
    double at = scale * 0.5;
    RS_TRY(axis_alloc(a, count, 1));
    for (size_t i = 0; i < skip + count; i++, at += scale) {
        if (i < skip)
            continue;
        a->first[i - skip] = at < (double)in ? (size_t)at : in - 1;
        a->n[i - skip] = 1;
        a->weight[i - skip] = 1 << WEIGHT_BITS;
    }
out:
    return st;
}

/* `reach`: where the filter becomes 0. */
static rescl_status axis_filter(axis *a, double (*filter)(double), double reach, size_t in,
                                size_t out, size_t skip, size_t count)
{
    rescl_status st = RESCL_OK;
    double *exact = NULL;
    const double scale = (double)in / (double)out;
    const double stretch = scale < 1.0 ? 1.0 : scale;
    const double support = reach * stretch;
    RS_TRY(axis_alloc(a, count, (size_t)ceil(support) * 2 + 1));
    RS_OOM(exact = calloc(a->taps, sizeof *exact));
    for (size_t i = 0; i < count; i++) {
        const double center = ((double)(skip + i) + 0.5) * scale;
        const double lo = center - support + 0.5, hi = center + support + 0.5;
        const size_t first = lo > 0 ? (size_t)lo : 0;
        const size_t end = hi < (double)in ? (size_t)hi : in;
        double sum = 0;
        a->first[i] = first;
        a->n[i] = end - first;
        for (size_t k = 0; k < end - first; k++) {
            exact[k] = filter(fabs(((double)(first + k) - center + 0.5) * (1.0 / stretch)));
            sum += exact[k];
        }
        for (size_t k = 0; k < end - first; k++) {
            const double w = (sum != 0.0 ? exact[k] / sum : exact[k]) * (1 << WEIGHT_BITS);
            a->weight[i * a->taps + k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
    }
out:
    free(exact);
    return st;
}

/* Outputs skip .. skip + count - 1 of a resize from `in` to `out`. */
static rescl_status axis_init(axis *a, rescl_interpolation how, size_t in, size_t out, size_t skip,
                              size_t count)
{
    switch (how) {
    case RESCL_INTERPOLATION_BICUBIC:
        return axis_filter(a, cubic, 2.0, in, out, skip, count);
    case RESCL_INTERPOLATION_NEAREST:
        return axis_nearest(a, in, out, skip, count);
    case RESCL_INTERPOLATION_BILINEAR:
        break;
    }
    return axis_filter(a, triangle, 1.0, in, out, skip, count);
}

/* ---- resize and crop --------------------------------------------------------------------- */

static uint8_t to_byte(int32_t sum)
{
    const int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint16_t to_word(int64_t sum)
{
    const int64_t v = sum >> WEIGHT_BITS;
    return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

/* dst[i] = weighted sum of the pixels of one row. */
static inline void resize_bytes(const axis *a, const uint8_t *src, size_t channels, uint8_t *dst)
{
    for (size_t i = 0; i < a->count; i++) {
        const int32_t half = 1 << (WEIGHT_BITS - 1);
        int32_t sum[RS_PIXEL_CHANNELS] = {half, half, half, half};
        const uint8_t *in = src + a->first[i] * channels;
        for (size_t k = 0; k < a->n[i]; k++, in += channels) {
            const int32_t w = a->weight[i * a->taps + k];
            for (size_t c = 0; c < channels; c++)
                sum[c] += in[c] * w;
        }
        for (size_t c = 0; c < channels; c++)
            dst[i * channels + c] = to_byte(sum[c]);
    }
}

/* The same of 16 bits, as Pillow has them in mode I;16 but for the rounding of weights. */
static void resize_words(const axis *a, const uint16_t *src, size_t channels, uint16_t *dst)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t c = 0; c < channels; c++) {
            int64_t sum = 1 << (WEIGHT_BITS - 1);
            for (size_t k = 0; k < a->n[i]; k++)
                sum += (int64_t)src[(a->first[i] + k) * channels + c] * a->weight[i * a->taps + k];
            dst[i * channels + c] = to_word(sum);
        }
}

static void resize_row(const axis *a, const rescl_image *image, size_t y, uint8_t *dst)
{
    const size_t channels = rs_image_channels(image);
    const uint8_t *src = image->pixels + y * image->width * rs_image_pixel_bytes(image);
    if (rs_image_is_deep(image))
        resize_words(a, (const uint16_t *)(const void *)src, channels, (uint16_t *)(void *)dst);
    else if (channels == 3)
        resize_bytes(a, src, 3, dst);
    else
        resize_bytes(a, src, 4, dst);
}

static void resize_word_column(const axis *a, size_t i, const uint16_t *src, size_t first_row,
                               size_t row_words, uint16_t *dst)
{
    const uint16_t *in = src + (a->first[i] - first_row) * row_words;
    for (size_t x = 0; x < row_words; x++) {
        int64_t sum = 1 << (WEIGHT_BITS - 1);
        for (size_t k = 0; k < a->n[i]; k++)
            sum += (int64_t)in[k * row_words + x] * a->weight[i * a->taps + k];
        dst[x] = to_word(sum);
    }
}

/* Output row i from the rows of `src`, which begin with the image's row `first_row`. */
static void resize_column(const axis *a, size_t i, const uint8_t *src, size_t first_row,
                          size_t row_bytes, uint8_t *dst)
{
    const uint8_t *in = src + (a->first[i] - first_row) * row_bytes;
    for (size_t x = 0; x < row_bytes; x++) {
        int32_t sum = 1 << (WEIGHT_BITS - 1);
        for (size_t k = 0; k < a->n[i]; k++)
            sum += in[k * row_bytes + x] * a->weight[i * a->taps + k];
        dst[x] = to_byte(sum);
    }
}

/* (extra / 2) rounded to even, as Python's round() in torchvision's center_crop. */
static size_t crop_start(size_t extra)
{
    return extra / 2 + (extra % 4 == 3);
}

rescl_status rs_view_init(rs_view *v, const rescl_image *image, size_t height, size_t width,
                          const rescl_resize *resize)
{
    rescl_status st = RESCL_OK;
    const size_t side = resize->resize_size;
    size_t a, b;
    RS_FAIL_IF(!rescl_interpolation_name(resize->interpolation), RESCL_ERR_ARG,
               "there is no interpolation number %d", (int)resize->interpolation);
    RS_FAIL_IF(!image->pixels || image->width == 0 || image->height == 0, RESCL_ERR_ARG,
               "the image is empty");
    if (resize->keep_exact && image->width == width && image->height == height) {
        *v = (rs_view){.width = width, .height = height};
        goto out;
    }
    RS_FAIL_IF(!rs_mul_size(image->width, side ? side : height, &a) ||
                   !rs_mul_size(image->height, side ? side : width, &b),
               RESCL_ERR_ARG, "an image of %zux%zu cannot be resized to %zux%zu", image->width,
               image->height, side ? side : width, side ? side : height);
    /* The smallest size of the image's proportions that covers the input, or side x side. */
    const bool tall = a <= b;
    *v = (rs_view){.width = tall ? (side ? side : width) : a / image->height,
                   .height = tall ? b / image->width : (side ? side : height)};
    RS_FAIL_IF(v->width < width || v->height < height, RESCL_ERR_ARG,
               "a shorter side of %zu does not cover an input of %zux%zu", side, width, height);
    v->left = crop_start(v->width - width);
    v->top = crop_start(v->height - height);
out:
    return st;
}

/* The crop of height x width that `v` says, into dst. */
static rescl_status resize_crop(const rescl_image *image, const rs_view *v, rescl_interpolation how,
                                size_t height, size_t width, uint8_t *dst)
{
    rescl_status st = RESCL_OK;
    axis across = {0}, down = {0};
    const size_t row_bytes = width * rs_image_pixel_bytes(image);
    const bool deep = rs_image_is_deep(image);
    uint8_t *narrow = NULL;
    RS_TRY(axis_init(&across, how, image->width, v->width, v->left, width));
    RS_TRY(axis_init(&down, how, image->height, v->height, v->top, height));
    const size_t first = down.first[0];
    const size_t rows = down.first[height - 1] + down.n[height - 1] - first;
    RS_OOM(narrow = rs_aligned_calloc(rows, row_bytes));
    for (size_t y = 0; y < rows; y++)
        resize_row(&across, image, first + y, narrow + y * row_bytes);
    for (size_t y = 0; !deep && y < height; y++)
        resize_column(&down, y, narrow, first, row_bytes, dst + y * row_bytes);
    for (size_t y = 0; deep && y < height; y++)
        resize_word_column(&down, y, (const uint16_t *)(void *)narrow, first, row_bytes / 2,
                           (uint16_t *)(void *)(dst + y * row_bytes));
out:
    rs_aligned_free(narrow);
    axis_fini(&across);
    axis_fini(&down);
    return st;
}

/* ---- preprocess -------------------------------------------------------------------------- */

static rescl_status check_preprocess(rescl_preprocess p)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!rescl_preprocess_name(p), RESCL_ERR_ARG, "there is no preprocessing number %d",
               (int)p);
out:
    return st;
}

rescl_status rs_preprocess_table(rescl_preprocess p, const rescl_normalize *normalize,
                                 size_t channels, float table[RS_PIXEL_CHANNELS][256])
{
    rescl_status st = RESCL_OK;
    const bool grey = channels == 1;
    static const float caffe[3] = {103.939f, 116.779f, 123.68f}; /* of B, G, R */
    static const rescl_normalize torch = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    const rescl_normalize *n = p == RESCL_PREPROCESS_NORMALIZE ? normalize : &torch;

    RS_TRY(check_preprocess(p));
    for (size_t c = 0; c < RS_PIXEL_CHANNELS; c++) {
        const bool own = !grey && (c < 3 || (channels == 4 && n->std[c] > 0.0));
        RS_FAIL_IF((c < 3 || own) && !(n->mean[c] >= 0.0 && n->mean[c] <= 1.0 && n->std[c] > 0.0 &&
                                       n->std[c] <= 1.0),
                   RESCL_ERR_ARG,
                   "mean %g and std %g of channel %zu: expected those of x / 255, from 0 to 1, and "
                   "no std of 0",
                   n->mean[c], n->std[c], c);
        const float mean = (float)(own ? n->mean[c] : rs_mean_of_three(n->mean));
        const float std = (float)(own ? n->std[c] : rs_mean_of_three(n->std));
        const float less = grey || c == 3 ? (caffe[0] + caffe[1] + caffe[2]) / 3.0f : caffe[c];
        for (size_t v = 0; v < 256; v++) {
            const float unit = (float)v / 255.0f;
            table[c][v] = p == RESCL_PREPROCESS_UNIT    ? unit
                          : p == RESCL_PREPROCESS_CAFFE ? (float)v - less
                                                        : (unit - mean) / std;
        }
    }
out:
    return st;
}

void rs_preprocess_mean(rescl_preprocess p, const float table[RS_PIXEL_CHANNELS][256],
                        uint8_t colour[RS_PIXEL_CHANNELS])
{
    for (size_t c = 0; c < RS_PIXEL_CHANNELS; c++) {
        size_t best = 0;
        for (size_t v = 1; v < 256; v++)
            best = fabsf(table[c][v]) < fabsf(table[c][best]) ? v : best;
        colour[p == RESCL_PREPROCESS_CAFFE && c < 3 ? 2 - c : c] = (uint8_t)best;
    }
}

/* Of "caffe" red and blue change places. */
void rs_image_to_network(rescl_preprocess preprocess, rescl_image *image)
{
    const size_t pixels = image->width * image->height, step = rs_image_pixel_bytes(image);
    const size_t sample = step / rs_image_channels(image), blue = 2 * sample;
    uint8_t *p = image->pixels;
    for (size_t i = 0; preprocess == RESCL_PREPROCESS_CAFFE && i < pixels; i++, p += step)
        for (size_t k = 0; k < sample; k++) {
            const uint8_t red = p[k];
            p[k] = p[blue + k];
            p[blue + k] = red;
        }
}

static rescl_status check_input(const rescl_image *image, size_t height, size_t width,
                                size_t *bytes)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(height == 0 || width == 0 || !rs_mul_size(height, width, bytes) ||
                   !rs_mul_size(*bytes, rs_image_pixel_bytes(image), bytes),
               RESCL_ERR_ARG, "an input of %zux%zu is not possible", height, width);
out:
    return st;
}

rescl_status rs_view_input(const rescl_image *image, const rs_view *v, rescl_interpolation how,
                           size_t height, size_t width, rescl_preprocess preprocess, uint8_t *dst)
{
    rescl_status st = RESCL_OK;
    rescl_image input = rs_image_like(image, width, height, dst);
    size_t bytes;
    RS_TRY(check_input(image, height, width, &bytes));
    if (image->width == width && image->height == height && v->width == width &&
        v->height == height)
        memcpy(dst, image->pixels, bytes);
    else
        RS_TRY(resize_crop(image, v, how, height, width, dst));
    rs_image_to_network(preprocess, &input);
out:
    return st;
}

rescl_status rs_image_to_input(const rescl_image *image, size_t height, size_t width,
                               const rescl_resize *resize, rescl_preprocess preprocess,
                               uint8_t *dst)
{
    rescl_status st = RESCL_OK;
    rs_view view;
    size_t bytes;
    RS_TRY(check_preprocess(preprocess));
    RS_TRY(check_input(image, height, width, &bytes));
    RS_TRY(rs_view_init(&view, image, height, width, resize));
    RS_TRY(rs_view_input(image, &view, resize->interpolation, height, width, preprocess, dst));
out:
    return st;
}

rescl_status rs_image_fit(rescl_image *image, size_t height, size_t width,
                          const rescl_resize *resize, bool stretch)
{
    rescl_status st = RESCL_OK;
    rs_view view = {.width = width, .height = height};
    uint8_t *pixels = NULL;

    if (!stretch)
        RS_TRY(rs_view_init(&view, image, height, width, resize));
    if (image->width == width && image->height == height && view.width == width &&
        view.height == height)
        goto out;
    RS_OOM(pixels = malloc(height * width * rs_image_pixel_bytes(image)));
    RS_TRY(resize_crop(image, &view, resize->interpolation, height, width, pixels));
    free(image->pixels);
    *image = rs_image_like(image, width, height, pixels);
    pixels = NULL;
out:
    free(pixels);
    return st;
}
