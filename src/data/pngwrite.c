/* Writing PNG, into memory. */
#include "alloc.h"
#include "error.h"
#include "image.h"
#include "path.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    png_structp png;
    png_infop info;
    const rescl_image *image;
    uint8_t *data;
    size_t bytes, room;
    rescl_status st; /* of memory, whose error record is filled then */
    char message[128];
} writer;

static void on_error(png_structp png, png_const_charp message)
{
    writer *w = png_get_error_ptr(png);
    snprintf(w->message, sizeof w->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void write_bytes(png_structp png, png_bytep src, size_t count)
{
    writer *w = png_get_io_ptr(png);
    w->st = rs_array_reserve(&w->data, &w->room, w->bytes + count, 1);
    if (w->st != RESCL_OK)
        png_error(png, "memory is short");
    memcpy(w->data + w->bytes, src, count);
    w->bytes += count;
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static bool is_little_endian(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, sizeof first);
    return first == 1;
}

static bool write_image(writer *w)
{
    if (setjmp(png_jmpbuf(w->png)))
        return false;
    const rescl_image *image = w->image;
    png_set_write_fn(w->png, w, write_bytes, flush_nothing);
    png_set_user_limits(w->png, RS_MAX_PIXELS, RS_MAX_PIXELS);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height,
                 rs_image_is_deep(image) ? 16 : 8,
                 rs_image_channels(image) == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    if (rs_image_is_deep(image) && is_little_endian())
        png_set_swap(w->png);
    for (size_t y = 0; y < image->height; y++)
        png_write_row(w->png, image->pixels + y * image->width * rs_image_pixel_bytes(image));
    png_write_end(w->png, NULL);
    return true;
}

rescl_status rs_png_encode(const char *name, const rescl_image *image, uint8_t **png, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    writer w = {.image = image};
    size_t pixels;
    RS_FAIL_IF(!image->pixels || image->width == 0 || image->height == 0 ||
                   !rs_mul_size(image->width, image->height, &pixels) || pixels > RS_MAX_PIXELS,
               RESCL_ERR_ARG, "%s: an image of %zux%zu cannot be written; it needs 1 to %zu pixels",
               name, image->width, image->height, RS_MAX_PIXELS);
    RS_OOM(w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning));
    RS_OOM(w.info = png_create_info_struct(w.png));
    if (!write_image(&w)) {
        RS_TRY(w.st);
        RS_FAIL(RESCL_ERR_FORMAT, "%s: %s", name, w.message);
    }
    *png = w.data, w.data = NULL;
    *bytes = w.bytes;
out:
    if (w.png)
        png_destroy_write_struct(&w.png, w.info ? &w.info : NULL);
    free(w.data);
    return st;
}

rescl_status rescl_image_write(const char *path, const rescl_image *image)
{
    rescl_status st = RESCL_OK;
    uint8_t *png = NULL;
    size_t bytes;
    RS_TRY(rs_png_encode(path, image, &png, &bytes));
    RS_TRY(rs_file_write(path, png, bytes));
out:
    free(png);
    return st;
}

rescl_status rescl_image_encode(const rescl_image *image, uint8_t **png, size_t *bytes)
{
    return rs_png_encode("PNG", image, png, bytes);
}
