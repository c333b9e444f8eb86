/* Reading PNG through libpng.
 *
 * libpng reports errors by longjmp. Each function that calls setjmp does nothing else but call
 * libpng, and keeps what must survive in the struct it is given, so no local is clobbered. */
#include "error.h"
#include "imagerows.h"

#include <errno.h>
#include <png.h>
#include <rescl/data.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIGNATURE_BYTES 8
#define MAX_DEFLATE     1032                        /* zlib's largest ratio of expansion */
#define MAX_CHUNK       ((png_alloc_size_t)8 << 20) /* of a text or profile chunk that is skipped */

typedef struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t bytes, at;
    png_uint_32 width, height;
    int passes;
    size_t file_depth, file_bits; /* of a sample and of a pixel in the file */
    int file_colour;              /* libpng's colour type */
    size_t channels;              /* of the decoded rows: 3, or 4 with alpha */
    size_t rows, rows_done;       /* of all passes */
    size_t rows_put;              /* of one pass */
    rs_image_samples samples;     /* of 16 bits */
    bool deep;                    /* that stay so */
    rs_image_rows image;
    char message[128];
    bool is_short; /* of memory, which is why it failed */
} reader;

static void on_read_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    r->is_short = errno == ENOMEM;
    snprintf(r->message, sizeof r->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep dst, size_t count)
{
    reader *r = png_get_io_ptr(png);
    if (count > r->bytes - r->at)
        png_error(png, "the file ends too early");
    memcpy(dst, r->data + r->at, count);
    r->at += count;
}

/* Each row once it is converted but for 16-bit samples, which this makes bytes, or the machine's own. */
static void on_row(png_structp png, png_row_infop row, png_bytep data)
{
    reader *r = png_get_user_transform_ptr(png);
    const size_t samples = (size_t)row->width * row->channels;
    r->rows_done++;
    if (row->bit_depth != 16)
        return;
    for (size_t i = 0; i < samples; i++) {
        const unsigned v = (unsigned)data[2 * i] << 8 | data[2 * i + 1];
        const bool alpha = row->channels == 4 && i % 4 == 3;
        if (r->deep) {
            const uint16_t sample = rs_image_deep_sample(&r->samples, v, alpha);
            memcpy(data + 2 * i, &sample, sizeof sample);
        } else {
            data[i] = rs_image_sample(&r->samples, v, alpha);
        }
    }
}

/* How many of 0, 1, ... n - 1 are `first` plus a multiple of `step`. */
static size_t count_from(size_t n, size_t first, size_t step)
{
    return n > first ? (n - first - 1) / step + 1 : 0;
}

/* The rows that all passes together have: one pass, or the seven of Adam7. */
static size_t count_rows(const reader *r)
{
    static const struct {
        uint8_t first_x, step_x, first_y, step_y;
    } adam7[] = {{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4},
                 {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}};
    size_t rows = 0;
    if (r->passes == 1)
        return r->height;
    for (size_t i = 0; i < RS_COUNT(adam7); i++) {
        if (count_from(r->width, adam7[i].first_x, adam7[i].step_x) > 0)
            rows += count_from(r->height, adam7[i].first_y, adam7[i].step_y);
    }
    return rows;
}

/* The header, and the conversions to RGB or RGBA. `deep`: samples of 16 bits stay so. False: r->message says why. */
static bool read_header(reader *r, bool deep)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    png_set_read_fn(r->png, r, read_bytes);
    png_set_chunk_malloc_max(r->png, MAX_CHUNK);
    png_set_user_limits(r->png, RS_MAX_PIXELS, PNG_UINT_31_MAX);
    png_read_info(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    r->height = png_get_image_height(r->png, r->info);
    r->file_depth = png_get_bit_depth(r->png, r->info);
    r->file_colour = png_get_color_type(r->png, r->info);
    r->file_bits = png_get_channels(r->png, r->info) * r->file_depth;
    png_set_expand(r->png); /* palette, 1 2 4 bits, transparent colour */
    png_set_gray_to_rgb(r->png);
    png_set_read_user_transform_fn(r->png, on_row);
    r->deep = deep && r->file_depth == 16;
    png_set_user_transform_info(r->png, r, r->deep ? 16 : 8, 0);
    r->passes = png_set_interlace_handling(r->png);
    r->rows = count_rows(r);
    png_read_update_info(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
    return true;
}

/* True if the last row was reached; what is wrong after it is in r->message too. */
static bool read_pixels(reader *r)
{
    if (setjmp(png_jmpbuf(r->png))) {
        const bool all = r->rows_done == r->rows && strncmp(r->message, "IDAT: ", 6) != 0;
        if (all && r->passes == 1 &&
            r->rows_put < r->rows) /* it is whole: what follows it failed */
            rs_image_rows_put(&r->image, r->height - 1);
        return all;
    }
    for (int pass = 0; pass < r->passes; pass++) {
        for (size_t y = 0; y < r->height; y++) {
            png_read_row(r->png, rs_image_rows_at(&r->image, y), NULL);
            rs_image_rows_put(&r->image, y);
            r->rows_put++;
        }
    }
    png_read_end(r->png, r->info);
    return true;
}

/* Refuses what is too large, and what the file cannot hold even at deflate's best. */
static rescl_status check_size(const reader *r, const char *name,
                               const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    size_t pixels;
    RS_TRY(rs_image_check_size(name, r->width, r->height, options, &pixels));
    RS_FAIL_IF(pixels / 8 * r->file_bits / MAX_DEFLATE > r->bytes, RESCL_ERR_FORMAT,
               "%s: says it is %lux%lu, which a file of %zu bytes cannot hold; it is corrupted",
               name, (unsigned long)r->width, (unsigned long)r->height, r->bytes);
    RS_FAIL_IF(r->channels != 3 && r->channels != 4, RESCL_ERR_FORMAT,
               "%s: a PNG that decodes to %zu channels", name, r->channels);
    RS_FAIL_IF(r->passes > 1 && pixels > RS_MAX_PIXELS, RESCL_ERR_FORMAT,
               "%s: an interlaced PNG of %lux%lu, which is not supported: those of more than %zu "
               "pixels are read row by row; save it again without interlacing",
               name, (unsigned long)r->width, (unsigned long)r->height, RS_MAX_PIXELS);
out:
    return st;
}

static rescl_status fail_reading(const reader *r, const char *name)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(r->is_short, RESCL_ERR_MEMORY, "%s: out of host memory", name);
    RS_FAIL(RESCL_ERR_FORMAT, "%s: corrupted PNG: %s", name, r->message);
out:
    return st;
}

static rescl_status open_reader(reader *r, const char *name, const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(r->bytes >= 16 && memcmp(r->data + 12, "CgBI", 4) == 0, RESCL_ERR_FORMAT,
               "%s: a PNG in the form that Xcode makes for iPhones (CgBI), which is not supported; "
               "convert it with 'pngcrush -revert-iphone-optimizations'",
               name);
    RS_OOM(r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_read_error, on_warning));
    RS_OOM(r->info = png_create_info_struct(r->png));
    errno = 0; /* libpng's errors are words: this tells want of memory from damage */
    if (!read_header(r, rs_pixel_is_deep(options->bit_depth)))
        RS_TRY(fail_reading(r, name));
out:
    return st;
}

static void close_reader(reader *r)
{
    if (r->png)
        png_destroy_read_struct(&r->png, r->info ? &r->info : NULL, NULL);
    rs_image_rows_fini(&r->image);
}

static rescl_status decode_once(const uint8_t *data, size_t bytes, const char *name,
                                const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = RESCL_OK;
    reader r = {.data = data, .bytes = bytes, .samples.bits = options->sample_bits};
    RS_TRY(open_reader(&r, name, options));
    RS_TRY(check_size(&r, name, options));
    RS_TRY(rs_image_rows_init(&r.image, r.width, r.height, r.channels, r.deep, options));
    errno = 0;
    if (!read_pixels(&r))
        RS_TRY(fail_reading(&r, name));
    out->notices = (r.file_depth == 16 ? rs_image_samples_notice(&r.samples) : 0) |
                   (r.message[0] ? RESCL_IMAGE_END_DAMAGED : 0);
    rs_image_rows_take(&r.image, out);
out:
    close_reader(&r);
    return st;
}

/* A copy of a file that ends within its last chunk, if that is of pixels, with the chunk made as short
 * as the file is: its pixels may be all there. NULL if the file does not end so, or memory is short. */
static uint8_t *close_last_chunk(const uint8_t *data, size_t bytes, size_t *out_bytes)
{
    size_t at = SIGNATURE_BYTES;
    while (at + 8 < bytes && png_get_uint_32(data + at) <= bytes - at - 8)
        at += 8 + (size_t)png_get_uint_32(data + at) + 4;
    if (at + 8 >= bytes || memcmp(data + at + 4, "IDAT", 4) != 0)
        return NULL;
    uint8_t *copy = malloc(bytes + 4);
    if (!copy)
        return NULL;
    const uint32_t length = (uint32_t)(bytes - at - 8);
    memcpy(copy, data, bytes);
    png_save_uint_32(copy + at, length);
    png_save_uint_32(copy + bytes, (png_uint_32)crc32(0, copy + at + 4, length + 4));
    *out_bytes = bytes + 4;
    return copy;
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = decode_once(data, bytes, name, options, out);
    if (st == RESCL_ERR_FORMAT) {
        const rescl_error first = *rescl_last_error();
        size_t closed_bytes = 0;
        uint8_t *closed = close_last_chunk(data, bytes, &closed_bytes);
        if (closed && decode_once(closed, closed_bytes, name, options, out) == RESCL_OK)
            st = RESCL_OK;
        else
            rs_error_restore(&first);
        free(closed);
    }
    if (st == RESCL_OK)
        out->orientation = rs_png_orientation(data, bytes);
    return st;
}

static const char *colour_of(const reader *r)
{
    switch (r->file_colour) {
    case PNG_COLOR_TYPE_GRAY:
        return "gray";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return "gray+alpha";
    case PNG_COLOR_TYPE_PALETTE:
        return "palette";
    case PNG_COLOR_TYPE_RGB_ALPHA:
        return "RGBA";
    default:
        return "RGB";
    }
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    reader r = {.data = data, .bytes = bytes, .samples.bits = options->sample_bits};
    RS_TRY(open_reader(&r, name, options));
    r.bytes = file_bytes;
    RS_TRY(check_size(&r, name, options));
    *out = (rescl_image_info){.width = r.width,
                              .height = r.height,
                              .kind = "PNG",
                              .colour = colour_of(&r),
                              .bits = r.file_depth};
out:
    close_reader(&r);
    return st;
}

static bool recognises(const uint8_t *data, size_t bytes)
{
    return rs_image_begins(data, bytes, "\x89PNG\r\n\x1a\n", SIGNATURE_BYTES);
}

const rs_image_format rs_image_png = {
    .name = "PNG",
    .suffixes = ".png",
    .least_bytes = SIGNATURE_BYTES,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
    .end = "IEND",
    .end_bytes = 4,
    .end_within = 8,
};
