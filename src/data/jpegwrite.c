/* Writing JPEG through libjpeg(-turbo). Errors come by a callback that must not return: jpeg.c says how
 * that is done. */
#include "alloc.h"
#include "error.h"
#include "image.h"

#ifdef RS_HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    struct jpeg_destination_mgr to;
    const rescl_image *image;
    uint8_t *data; /* (room); jpeg_mem_dest would lose it at an error */
    size_t bytes, room;
    char message[JMSG_LENGTH_MAX];
    bool is_short; /* of memory, which is why it failed */
} writer;

static void on_error(j_common_ptr jpeg)
{
    writer *w = jpeg->client_data;
    w->is_short = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    jpeg->err->format_message(jpeg, w->message);
    longjmp(w->escape, 1);
}

/* What is full grows. */
static boolean grow(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    const size_t full = w->room;

    if (!rs_array_grow(&w->data, &w->room, full + 4096, 1))
        ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    w->to.next_output_byte = w->data + full;
    w->to.free_in_buffer = w->room - full;
    return TRUE;
}

static void begin(j_compress_ptr jpeg)
{
    (void)grow(jpeg);
}

static void end(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    w->bytes = w->room - w->to.free_in_buffer;
}

static bool write_image(writer *w, int quality)
{
    w->jpeg.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = on_error;
    w->jpeg.client_data = w;
    if (setjmp(w->escape))
        return false;
    jpeg_create_compress(&w->jpeg);
    w->to = (struct jpeg_destination_mgr){
        .init_destination = begin, .empty_output_buffer = grow, .term_destination = end};
    w->jpeg.dest = &w->to;
    w->jpeg.image_width = (JDIMENSION)w->image->width;
    w->jpeg.image_height = (JDIMENSION)w->image->height;
    w->jpeg.input_components = 3;
    w->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&w->jpeg);
    jpeg_set_quality(&w->jpeg, quality, TRUE);
    jpeg_start_compress(&w->jpeg, TRUE);
    while (w->jpeg.next_scanline < w->jpeg.image_height) {
        JSAMPROW row = w->image->pixels + (size_t)w->jpeg.next_scanline * w->image->width * 3;
        jpeg_write_scanlines(&w->jpeg, &row, 1);
    }
    jpeg_finish_compress(&w->jpeg);
    return true;
}

rescl_status rs_jpeg_encode(const rescl_image *image, int quality, uint8_t **data, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    writer *w = NULL;

    RS_FAIL_IF(image->width == 0 || image->width > JPEG_MAX_DIMENSION || image->height == 0 ||
                   image->height > JPEG_MAX_DIMENSION,
               RESCL_ERR_ARG, "an image of %zux%zu: JPEG has sides of 1 to %ld", image->width,
               image->height, (long)JPEG_MAX_DIMENSION);
    RS_OOM(w = calloc(1, sizeof *w));
    w->image = image;
    RS_FAIL_IF(!write_image(w, quality), w->is_short ? RESCL_ERR_MEMORY : RESCL_ERR_FORMAT,
               "an image cannot be written as JPEG: %s", w->message);
    *data = w->data;
    *bytes = w->bytes;
    w->data = NULL;
out:
    if (w) {
        jpeg_destroy_compress(&w->jpeg);
        free(w->data);
    }
    free(w);
    return st;
}

#else

rescl_status rs_jpeg_encode(const rescl_image *image, int quality, uint8_t **data, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    (void)image, (void)quality, (void)data, (void)bytes;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "this rescl was built without libjpeg; install its development package (Debian: "
            "libjpeg-dev) and build again with -DRESCL_WITH_JPEG=ON");
out:
    return st;
}

#endif
