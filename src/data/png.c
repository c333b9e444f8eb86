/* Reading and writing PNG through libpng.
 *
 * libpng reports errors by longjmp. Each function that calls setjmp does nothing else but call
 * libpng, and keeps what must survive in the struct it is given, so no local is clobbered. */
#include "alloc.h"
#include "error.h"
#include "image.h"
#include "path.h"

#include <png.h>
#include <rescl/data.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEFLATE 1032                        /* zlib's largest ratio of expansion */
#define MAX_CHUNK   ((png_alloc_size_t)8 << 20) /* of a text or profile chunk that is skipped */

typedef struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t bytes, at;
    png_uint_32 width, height;
    int passes;
    size_t file_bits; /* of a pixel in the file */
    size_t channels;  /* of the decoded rows: 3, or 4 with alpha */
    unsigned orientation;
    uint8_t *pixels;
    char message[128];
} reader;

static void on_read_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
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

/* The header, and the conversions to 8-bit RGB or RGBA. False: r->message says why. */
static bool read_header(reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    png_set_read_fn(r->png, r, read_bytes);
    png_set_chunk_malloc_max(r->png, MAX_CHUNK);
    png_set_user_limits(r->png, RS_MAX_PIXELS, RS_MAX_PIXELS);
    png_read_info(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    r->height = png_get_image_height(r->png, r->info);
    r->file_bits = (size_t)png_get_channels(r->png, r->info) * png_get_bit_depth(r->png, r->info);
    png_set_strip_16(r->png);
    png_set_expand(r->png); /* palette, 1 2 4 bits, transparent colour */
    png_set_gray_to_rgb(r->png);
    r->passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
    return true;
}

static void look_for_exif(reader *r)
{
#ifdef PNG_eXIf_SUPPORTED
    png_bytep exif = NULL;
    png_uint_32 bytes = 0;
    if (png_get_eXIf_1(r->png, r->info, &bytes, &exif) && exif)
        r->orientation = rs_exif_orientation(exif, bytes);
#else
    (void)r;
#endif
}

static bool read_pixels(reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    const size_t row_bytes = r->width * r->channels;
    for (int pass = 0; pass < r->passes; pass++) {
        for (size_t y = 0; y < r->height; y++)
            png_read_row(r->png, r->pixels + y * row_bytes, NULL);
    }
    png_read_end(r->png, r->info);
    look_for_exif(r);
    return true;
}

/* RGBA over white to RGB, in place. */
static void lay_on_white(uint8_t *pixels, size_t count)
{
    const uint8_t *src = pixels;
    for (size_t i = 0; i < count; i++, src += 4, pixels += 3) {
        const unsigned alpha = src[3];
        for (size_t k = 0; k < 3; k++)
            pixels[k] = (uint8_t)((src[k] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* Refuses what is too large, and what the file cannot hold even at deflate's best. */
static rescl_status check_size(const reader *r, const char *name)
{
    rescl_status st = RESCL_OK;
    size_t pixels;
    RS_FAIL_IF(!rs_mul_size(r->width, r->height, &pixels) || pixels > RS_MAX_PIXELS,
               RESCL_ERR_FORMAT, "%s: an image of %lux%lu is too large; the most are %zu pixels",
               name, (unsigned long)r->width, (unsigned long)r->height, RS_MAX_PIXELS);
    RS_FAIL_IF(pixels * r->file_bits / 8 / MAX_DEFLATE > r->bytes, RESCL_ERR_FORMAT,
               "%s: says it is %lux%lu, which a file of %zu bytes cannot hold; it is corrupted",
               name, (unsigned long)r->width, (unsigned long)r->height, r->bytes);
    RS_FAIL_IF(r->channels != 3 && r->channels != 4, RESCL_ERR_FORMAT,
               "%s: a PNG that decodes to %zu channels", name, r->channels);
out:
    return st;
}

rescl_status rs_png_decode(const uint8_t *data, size_t bytes, const char *name, rescl_image *out,
                           unsigned *orientation)
{
    rescl_status st = RESCL_OK;
    reader r = {.data = data, .bytes = bytes, .orientation = *orientation};
    RS_OOM(r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_read_error, on_warning));
    RS_OOM(r.info = png_create_info_struct(r.png));
    RS_FAIL_IF(!read_header(&r), RESCL_ERR_FORMAT, "%s: corrupted PNG: %s", name, r.message);
    RS_TRY(check_size(&r, name));
    RS_OOM(r.pixels = calloc((size_t)r.width * r.height, r.channels));
    RS_FAIL_IF(!read_pixels(&r), RESCL_ERR_FORMAT, "%s: corrupted PNG: %s", name, r.message);
    if (r.channels == 4)
        lay_on_white(r.pixels, (size_t)r.width * r.height);
    *out = (rescl_image){.width = r.width, .height = r.height, .pixels = r.pixels};
    *orientation = r.orientation;
    r.pixels = NULL;
out:
    if (r.png)
        png_destroy_read_struct(&r.png, r.info ? &r.info : NULL, NULL);
    free(r.pixels);
    return st;
}

rescl_status rs_png_probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    reader r = {.data = data, .bytes = bytes};
    RS_OOM(r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_read_error, on_warning));
    RS_OOM(r.info = png_create_info_struct(r.png));
    RS_FAIL_IF(!read_header(&r), RESCL_ERR_FORMAT, "%s: corrupted PNG: %s", name, r.message);
    r.bytes = file_bytes;
    RS_TRY(check_size(&r, name));
    *out = (rescl_image_info){.width = r.width, .height = r.height, .kind = "PNG"};
out:
    if (r.png)
        png_destroy_read_struct(&r.png, r.info ? &r.info : NULL, NULL);
    return st;
}

/* ---- writing ------------------------------------------------------------------------------- */

typedef struct writer {
    png_structp png;
    png_infop info;
    const rescl_image *image;
    rs_atomic_file file;
    rescl_status st; /* of the file, whose error record is filled then */
    char message[128];
} writer;

static void on_write_error(png_structp png, png_const_charp message)
{
    writer *w = png_get_error_ptr(png);
    snprintf(w->message, sizeof w->message, "%s", message);
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep src, size_t count)
{
    writer *w = png_get_io_ptr(png);
    w->st = rs_atomic_write(&w->file, src, count);
    if (w->st != RESCL_OK)
        png_error(png, "the file cannot be written");
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static bool write_image(writer *w)
{
    if (setjmp(png_jmpbuf(w->png)))
        return false;
    const rescl_image *image = w->image;
    png_set_write_fn(w->png, w, write_bytes, flush_nothing);
    png_set_user_limits(w->png, RS_MAX_PIXELS, RS_MAX_PIXELS);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (size_t y = 0; y < image->height; y++)
        png_write_row(w->png, image->pixels + y * image->width * 3);
    png_write_end(w->png, NULL);
    return true;
}

rescl_status rescl_image_write(const char *path, const rescl_image *image)
{
    rescl_status st = RESCL_OK;
    writer w = {.image = image, .file = {.fd = -1}};
    size_t pixels;
    RS_FAIL_IF(!image->pixels || image->width == 0 || image->height == 0 ||
                   !rs_mul_size(image->width, image->height, &pixels) || pixels > RS_MAX_PIXELS,
               RESCL_ERR_ARG, "%s: an image of %zux%zu cannot be written; it needs 1 to %zu pixels",
               path, image->width, image->height, RS_MAX_PIXELS);
    RS_TRY(rs_atomic_open(&w.file, path));
    RS_OOM(w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_write_error, on_warning));
    RS_OOM(w.info = png_create_info_struct(w.png));
    if (!write_image(&w)) {
        RS_TRY(w.st);
        RS_FAIL(RESCL_ERR_FORMAT, "%s: %s", path, w.message);
    }
    RS_TRY(rs_atomic_commit(&w.file));
out:
    if (w.png)
        png_destroy_write_struct(&w.png, w.info ? &w.info : NULL);
    rs_atomic_abort(&w.file);
    return st;
}
