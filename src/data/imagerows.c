#include "imagerows.h"

#include "alloc.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

rescl_status rs_image_check_size(const char *name, size_t width, size_t height,
                                 const rescl_image_options *options, size_t *pixels)
{
    rescl_status st = RESCL_OK;
    size_t count;
    RS_FAIL_IF(width == 0 || height == 0, RESCL_ERR_FORMAT,
               "%s: says it is %zux%zu; it is corrupted", name, width, height);
    RS_FAIL_IF(!rs_mul_size(width, height, &count) || count > options->max_pixels, RESCL_ERR_FORMAT,
               "%s: an image of %zux%zu is too large; the most are %zu pixels; --max-pixels "
               "(max_pixels) sets another limit",
               name, width, height, options->max_pixels);
    if (pixels)
        *pixels = count;
out:
    return st;
}

size_t rs_image_factor(size_t width, size_t height, const rescl_image_options *options)
{
    const size_t most = (width < height ? width : height) / options->min_side;
    size_t factor = width <= RS_MAX_PIXELS / height || most == 0 ? 1 : most;
    while (rs_div_up(width, factor) > RS_MAX_PIXELS / rs_div_up(height, factor))
        factor++;
    return factor;
}

rescl_status rs_image_rows_init(rs_image_rows *r, size_t width, size_t height, size_t channels,
                                bool deep, const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    const size_t sample = deep ? sizeof(uint16_t) : 1;
    *r = (rs_image_rows){.width = width,
                         .height = height,
                         .channels = channels,
                         .deep = deep,
                         .kept = options->channels == 4 ? channels : 3};
    r->factor = rs_image_factor(width, height, options);
    r->out_width = rs_div_up(width, r->factor);
    r->out_height = rs_div_up(height, r->factor);
    if (r->factor > 1) {
        RS_OOM(r->row = calloc(width, channels * sample));
        RS_OOM(r->sum = calloc(r->out_width * r->kept, sizeof *r->sum));
        RS_OOM(r->pixels = calloc(r->out_width * r->out_height, r->kept * sample));
    } else {
        RS_OOM(r->pixels = calloc(width * height, channels * sample));
    }
out:
    return st;
}

uint8_t *rs_image_rows_at(rs_image_rows *r, size_t y)
{
    return r->factor > 1 ? r->row : r->pixels + y * r->width * r->channels * (r->deep ? 2 : 1);
}

static void lay_on_white(const rs_image_rows *r, uint8_t *pixels, size_t count)
{
    if (r->channels == r->kept)
        return;
    if (r->deep)
        rs_image_lay_deep_on_white((uint16_t *)(void *)pixels, count);
    else
        rs_image_lay_on_white(pixels, count);
}

/* Sample `i` of a row. */
static uint32_t sample_of(const rs_image_rows *r, const uint8_t *row, size_t i)
{
    return r->deep ? ((const uint16_t *)(const void *)row)[i] : row[i];
}

static void put_sample(const rs_image_rows *r, uint8_t *row, size_t i, uint32_t value)
{
    if (r->deep)
        ((uint16_t *)(void *)row)[i] = (uint16_t)value;
    else
        row[i] = (uint8_t)value;
}

/* Adds the pixels of a row to the sums of the squares that they are in. */
static void add_row(const rs_image_rows *r)
{
    const size_t f = r->factor, kept = r->kept;
    size_t at = 0;
    for (size_t x = 0; x < r->out_width; x++) {
        const size_t left = r->width - x * f;
        uint32_t sum[RS_PIXEL_CHANNELS] = {0};
        for (const size_t end = at + kept * (left < f ? left : f); at < end; at += kept)
            for (size_t c = 0; c < kept; c++)
                sum[c] += sample_of(r, r->row, at + c);
        for (size_t c = 0; c < kept; c++)
            r->sum[x * kept + c] += sum[c];
    }
}

/* Adds row y of the file to the sums, which become a row of the result when its rows are complete:
 * the mean of each square of factor x factor pixels, of which fewer may be left at the far edges. */
static void reduce_row(rs_image_rows *r, size_t y)
{
    const size_t f = r->factor, rows = y % f + 1, kept = r->kept;
    lay_on_white(r, r->row, r->width);
    add_row(r);
    if (rows < f && y + 1 < r->height)
        return;
    uint8_t *dst = r->pixels + y / f * r->out_width * kept * (r->deep ? 2 : 1);
    for (size_t x = 0; x < r->out_width; x++) {
        const size_t left = r->width - x * f, n = rows * (left < f ? left : f);
        for (size_t i = x * kept; n > 0 && i < (x + 1) * kept; i++) {
            put_sample(r, dst, i, (uint32_t)((r->sum[i] + n / 2) / n));
            r->sum[i] = 0;
        }
    }
}

void rs_image_rows_put(rs_image_rows *r, size_t y)
{
    if (r->factor > 1)
        reduce_row(r, y);
}

void rs_image_rows_take(rs_image_rows *r, rs_decoded *out)
{
    if (r->factor == 1)
        lay_on_white(r, r->pixels, r->width * r->height);
    out->image = (rescl_image){.width = r->out_width,
                               .height = r->out_height,
                               .pixels = r->pixels,
                               .channels = r->kept,
                               .bit_depth = r->deep ? 16 : 8};
    out->notices |= r->factor > 1 ? RESCL_IMAGE_REDUCED : 0;
    r->pixels = NULL;
}

void rs_image_rows_fini(rs_image_rows *r)
{
    free(r->pixels);
    free(r->row);
    free(r->sum);
    *r = (rs_image_rows){0};
}

void rs_image_lay_on_white(uint8_t *pixels, size_t count)
{
    const uint8_t *src = pixels;
    for (size_t i = 0; i < count; i++, src += 4, pixels += 3) {
        const unsigned alpha = src[3];
        for (size_t k = 0; k < 3; k++)
            pixels[k] = (uint8_t)((src[k] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* Sums are below 2^32. */
void rs_image_lay_deep_on_white(uint16_t *pixels, size_t count)
{
    const uint16_t *src = pixels;
    for (size_t i = 0; i < count; i++, src += 4, pixels += 3) {
        const uint32_t alpha = src[3];
        for (size_t k = 0; k < 3; k++)
            pixels[k] = (uint16_t)((src[k] * alpha + 65535u * (65535u - alpha) + 32767u) / 65535u);
    }
}

/* a * b / 255, rounded. */
static unsigned share(unsigned a, unsigned b)
{
    const unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

void rs_image_from_cmyk(const uint8_t *src, uint8_t *dst, size_t count)
{
    for (size_t i = 0; i < count; i++, src += 4, dst += 3) {
        const unsigned light = src[3];
        for (size_t k = 0; k < 3; k++)
            dst[k] = (uint8_t)(light - share(255u - src[k], light));
    }
}

unsigned rs_image_samples_notice(const rs_image_samples *s)
{
    if (s->all >> s->bits)
        return RESCL_IMAGE_EXCEEDS_SAMPLE_BITS;
    if (s->bits < 16 || s->all == 0)
        return 0;
    return s->all < 1u << 8    ? RESCL_IMAGE_USES_8_BITS
           : s->all < 1u << 10 ? RESCL_IMAGE_USES_10_BITS
           : s->all < 1u << 12 ? RESCL_IMAGE_USES_12_BITS
           : s->all < 1u << 14 ? RESCL_IMAGE_USES_14_BITS
                               : 0;
}
