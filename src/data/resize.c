/* Pictures to the network's input: resize, centre crop, preprocess.
 *
 * The resize gives Pillow's bytes (Image.resize with BILINEAR; src/libImaging/Resample.c): a
 * triangle filter whose support grows with the reduction, weights rounded to 22 bits, a horizontal
 * pass and then a vertical one with bytes between them. Sizes and the crop are torchvision's Resize
 * and CenterCrop. Only what the crop shows is computed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "error.h"
#include "loader.h"

#define WEIGHT_BITS 22

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

/* Outputs skip .. skip + count - 1 of a resize from `in` to `out`. */
static rescl_status axis_init(axis *a, size_t in, size_t out, size_t skip, size_t count)
{
    rescl_status st = RESCL_OK;
    double *exact = NULL;
    const double scale = (double)in / (double)out;
    const double filter = scale < 1.0 ? 1.0 : scale;
    size_t cells;
    a->count = count;
    a->taps = (size_t)ceil(filter) * 2 + 1;
    RS_FAIL_IF(!rs_mul_size(count, a->taps, &cells), RESCL_ERR_MEMORY, "out of host memory");
    RS_OOM(a->first = calloc(count, sizeof *a->first));
    RS_OOM(a->n = calloc(count, sizeof *a->n));
    RS_OOM(a->weight = calloc(cells, sizeof *a->weight));
    RS_OOM(exact = calloc(a->taps, sizeof *exact));
    for (size_t i = 0; i < count; i++) {
        const double center = ((double)(skip + i) + 0.5) * scale;
        const double lo = center - filter + 0.5, hi = center + filter + 0.5;
        const size_t first = lo > 0 ? (size_t)lo : 0;
        const size_t end = hi < (double)in ? (size_t)hi : in;
        double sum = 0;
        a->first[i] = first;
        a->n[i] = end - first;
        for (size_t k = 0; k < end - first; k++) {
            const double x = fabs(((double)(first + k) - center + 0.5) * (1.0 / filter));
            exact[k] = x < 1.0 ? 1.0 - x : 0.0;
            sum += exact[k];
        }
        for (size_t k = 0; k < end - first; k++) {
            const double w = sum != 0.0 ? exact[k] / sum : exact[k];
            a->weight[i * a->taps + k] = (int32_t)(0.5 + w * (1 << WEIGHT_BITS));
        }
    }
out:
    free(exact);
    return st;
}

static uint8_t to_byte(int32_t sum)
{
    const int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* dst[i] = weighted sum of the pixels of one row. */
static void resize_row(const axis *a, const uint8_t *src, uint8_t *dst)
{
    for (size_t i = 0; i < a->count; i++) {
        int32_t sum[3] = {1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1)};
        const uint8_t *in = src + a->first[i] * 3;
        for (size_t k = 0; k < a->n[i]; k++, in += 3) {
            const int32_t w = a->weight[i * a->taps + k];
            for (size_t c = 0; c < 3; c++)
                sum[c] += in[c] * w;
        }
        for (size_t c = 0; c < 3; c++)
            dst[i * 3 + c] = to_byte(sum[c]);
    }
}

/* Output row i from the rows of `src`, which begin with the picture's row `first_row`. */
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

/* A crop of height x width at (top, left) of the picture resized to full_h x full_w, into dst. */
static rescl_status resize_crop(const rescl_image *image, size_t full_h, size_t full_w, size_t top,
                                size_t left, size_t height, size_t width, uint8_t *dst)
{
    rescl_status st = RESCL_OK;
    axis across = {0}, down = {0};
    uint8_t *narrow = NULL;
    size_t bytes;
    RS_TRY(axis_init(&across, image->width, full_w, left, width));
    RS_TRY(axis_init(&down, image->height, full_h, top, height));
    const size_t first = down.first[0];
    const size_t rows = down.first[height - 1] + down.n[height - 1] - first;
    RS_FAIL_IF(!rs_mul_size(rows, width * 3, &bytes), RESCL_ERR_MEMORY, "out of host memory");
    RS_OOM(narrow = malloc(bytes));
    for (size_t y = 0; y < rows; y++)
        resize_row(&across, image->pixels + (first + y) * image->width * 3, narrow + y * width * 3);
    for (size_t y = 0; y < height; y++)
        resize_column(&down, y, narrow, first, width * 3, dst + y * width * 3);
out:
    free(narrow);
    axis_fini(&across);
    axis_fini(&down);
    return st;
}

/* (extra / 2) rounded to even, as Python's round() in torchvision's center_crop. */
static size_t crop_start(size_t extra)
{
    return extra / 2 + (extra % 4 == 3);
}

static void preprocess_bytes(const uint8_t *src, size_t pixels, rescl_preprocess p, float *dst)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    static const float caffe[3] = {103.939f, 116.779f, 123.68f}; /* of B, G, R */
    float table[3][256]; /* of the output's channel and the byte that feeds it */
    for (size_t c = 0; c < 3; c++) {
        for (size_t v = 0; v < 256; v++) {
            const float unit = (float)v / 255.0f;
            table[c][v] = p == RESCL_PREPROCESS_TORCH   ? (unit - mean[c]) / std[c]
                          : p == RESCL_PREPROCESS_CAFFE ? (float)v - caffe[c]
                                                        : unit;
        }
    }
    const size_t red = p == RESCL_PREPROCESS_CAFFE ? 2 : 0; /* where the red byte goes */
    for (size_t i = 0; i < pixels; i++, src += 3, dst += 3) {
        dst[red] = table[red][src[0]];
        dst[1] = table[1][src[1]];
        dst[2 - red] = table[2 - red][src[2]];
    }
}

rescl_status rs_image_to_input(const rescl_image *image, size_t height, size_t width,
                               rescl_preprocess preprocess, float *dst)
{
    rescl_status st = RESCL_OK;
    uint8_t *bytes = NULL;
    size_t pixels, a, b;
    RS_FAIL_IF(rescl_preprocess_name(preprocess) == NULL, RESCL_ERR_ARG,
               "there is no preprocessing number %d", (int)preprocess);
    RS_FAIL_IF(image->pixels == NULL || image->width == 0 || image->height == 0, RESCL_ERR_ARG,
               "the picture is empty");
    RS_FAIL_IF(height == 0 || width == 0 || !rs_mul_size(height, width, &pixels) ||
                   !rs_mul_size(pixels, 3 * sizeof(float), &a),
               RESCL_ERR_ARG, "an input of %zux%zu is not possible", height, width);
    if (image->width == width && image->height == height) {
        preprocess_bytes(image->pixels, pixels, preprocess, dst);
        goto out;
    }
    /* The smallest size of the picture's proportions that covers the input. */
    RS_FAIL_IF(!rs_mul_size(image->width, height, &a) || !rs_mul_size(image->height, width, &b),
               RESCL_ERR_ARG, "a picture of %zux%zu cannot be resized to %zux%zu", image->width,
               image->height, width, height);
    const bool tall = a <= b;
    const size_t full_w = tall ? width : a / image->height;
    const size_t full_h = tall ? b / image->width : height;
    RS_OOM(bytes = malloc(pixels * 3));
    RS_TRY(resize_crop(image, full_h, full_w, crop_start(full_h - height),
                       crop_start(full_w - width), height, width, bytes));
    preprocess_bytes(bytes, pixels, preprocess, dst);
out:
    free(bytes);
    return st;
}
