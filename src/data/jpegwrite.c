/* Writing JPEG through libjpeg(-turbo). Errors come by a callback that must not return: jpeg.c says how
 * that is done. */
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
    const rescl_image *image;
    unsigned char *data;
    unsigned long bytes;
    char message[JMSG_LENGTH_MAX];
} writer;

static void on_error(j_common_ptr jpeg)
{
    writer *w = jpeg->client_data;
    jpeg->err->format_message(jpeg, w->message);
    longjmp(w->escape, 1);
}

static bool write_image(writer *w, int quality)
{
    w->jpeg.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = on_error;
    w->jpeg.client_data = w;
    if (setjmp(w->escape))
        return false;
    jpeg_create_compress(&w->jpeg);
    jpeg_mem_dest(&w->jpeg, &w->data, &w->bytes);
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

    RS_OOM(w = calloc(1, sizeof *w));
    w->image = image;
    RS_FAIL_IF(!write_image(w, quality), RESCL_ERR_MEMORY, "an image cannot be written as JPEG: %s",
               w->message);
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
