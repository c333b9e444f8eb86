/* Reading JPEG through libjpeg(-turbo): baseline and progressive, 8 bits, gray, colour and CMYK.
 *
 * The library reports errors by a callback that must not return, hence setjmp. As in png.c, each
 * function that calls setjmp does nothing else but call the library, and keeps what must survive in
 * the struct it is given, so no local is clobbered. What the library takes for a warning, such as a
 * file that ends too early, is an error here unless the image is whole all the same. */
#include "error.h"
#include "image.h"

#ifdef RS_HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "alloc.h"

/* A scan may go over the whole image and take a few bytes only: a file of many is a bomb. The
 * encoders that make the most write about 20. */
#define MAX_SCANS 64
typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *data;
    size_t bytes, row_bytes;
    unsigned orientation;
    uint8_t *pixels;
    char message[JMSG_LENGTH_MAX];
} reader;

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    jpeg->err->format_message(jpeg, r->message);
    longjmp(r->escape, 1);
}

/* `level` is -1 for warnings, else that of a trace. */
static void on_message(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;
    const bool harmless =
        code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
    if (level < 0 && !harmless)
        on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MAX_SCANS)
        return;
    snprintf(r->message, sizeof r->message, "more than %d scans", MAX_SCANS);
    longjmp(r->escape, 1);
}

static void set_callbacks(reader *r)
{
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    r->progress.progress_monitor = on_progress;
}

static void look_for_exif(reader *r)
{
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next) {
        if (m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0) {
            r->orientation = rs_exif_orientation(m->data + 6, m->data_length - 6);
            return;
        }
    }
}

/* All before the pixels. False: r->message says why. */
static bool read_header(reader *r)
{
    if (setjmp(r->escape))
        return false;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, r->data, (unsigned long)r->bytes);
    jpeg_save_markers(&r->jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->jpeg, TRUE);
    look_for_exif(r);
    r->jpeg.out_color_space = r->jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_calc_output_dimensions(&r->jpeg);
    r->row_bytes = (size_t)r->jpeg.output_width * (size_t)r->jpeg.output_components;
    return true;
}

static bool read_pixels(reader *r)
{
    if (setjmp(r->escape))
        return false;
    jpeg_start_decompress(&r->jpeg);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = r->pixels + r->jpeg.output_scanline * r->row_bytes;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&r->jpeg);
    return true;
}

/* Refuses what is too large, and what the file cannot hold: Huffman coding takes a bit at least for
 * each block. */
static rescl_status check_size(const reader *r, const char *name)
{
    rescl_status st = RESCL_OK;
    const size_t width = r->jpeg.output_width, height = r->jpeg.output_height;
    size_t pixels, blocks = 0;
    for (int i = 0; i < r->jpeg.num_components; i++) {
        const jpeg_component_info *c = &r->jpeg.comp_info[i];
        blocks += (size_t)c->width_in_blocks * c->height_in_blocks;
    }
    RS_FAIL_IF(!rs_mul_size(width, height, &pixels) || pixels > RS_MAX_PIXELS, RESCL_ERR_FORMAT,
               "%s: an image of %zux%zu is too large; the most are %zu pixels", name, width, height,
               RS_MAX_PIXELS);
    RS_FAIL_IF(blocks / 8 > r->bytes, RESCL_ERR_FORMAT,
               "%s: says it is %zux%zu, which a file of %zu bytes cannot hold; it is corrupted",
               name, width, height, r->bytes);
    RS_FAIL_IF(r->jpeg.arith_code, RESCL_ERR_FORMAT,
               "%s: a JPEG with arithmetic coding; convert it first", name);
    RS_FAIL_IF(r->jpeg.output_components != 3 && r->jpeg.output_components != 4, RESCL_ERR_FORMAT,
               "%s: a JPEG that decodes to %d components", name, r->jpeg.output_components);
out:
    return st;
}

/* a * b / 255, rounded. */
static unsigned share(unsigned a, unsigned b)
{
    const unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* CMYK to RGB, in place, as Pillow does: inks are stored inverted, as Adobe has it. */
static void cmyk_to_rgb(uint8_t *pixels, size_t count)
{
    const uint8_t *src = pixels;
    for (size_t i = 0; i < count; i++, src += 4, pixels += 3) {
        const unsigned light = src[3];
        for (size_t k = 0; k < 3; k++)
            pixels[k] = (uint8_t)(light - share(255u - src[k], light));
    }
}

rescl_status rs_jpeg_decode(const uint8_t *data, size_t bytes, const char *name, rescl_image *out,
                            unsigned *orientation)
{
    rescl_status st = RESCL_OK;
    reader *r = NULL;
    RS_OOM(r = calloc(1, sizeof *r));
    r->data = data;
    r->bytes = bytes;
    r->orientation = *orientation;
    set_callbacks(r);
    RS_FAIL_IF(!read_header(r), RESCL_ERR_FORMAT, "%s: corrupted JPEG: %s", name, r->message);
    RS_TRY(check_size(r, name));
    RS_OOM(r->pixels = calloc(r->jpeg.output_height, r->row_bytes));
    RS_FAIL_IF(!read_pixels(r), RESCL_ERR_FORMAT, "%s: corrupted JPEG: %s", name, r->message);
    if (r->jpeg.output_components == 4)
        cmyk_to_rgb(r->pixels, (size_t)r->jpeg.output_width * r->jpeg.output_height);
    *out = (rescl_image){
        .width = r->jpeg.output_width, .height = r->jpeg.output_height, .pixels = r->pixels};
    *orientation = r->orientation;
    r->pixels = NULL;
out:
    if (r) {
        jpeg_destroy_decompress(&r->jpeg);
        free(r->pixels);
    }
    free(r);
    return st;
}

rescl_status rs_jpeg_probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                           rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    reader *r = NULL;
    RS_OOM(r = calloc(1, sizeof *r));
    r->data = data;
    r->bytes = bytes;
    set_callbacks(r);
    RS_FAIL_IF(!read_header(r), RESCL_ERR_FORMAT, "%s: corrupted JPEG: %s", name, r->message);
    r->bytes = file_bytes;
    RS_TRY(check_size(r, name));
    *out = (rescl_image_info){
        .width = r->jpeg.output_width, .height = r->jpeg.output_height, .kind = "JPEG"};
out:
    if (r)
        jpeg_destroy_decompress(&r->jpeg);
    free(r);
    return st;
}

#else

static rescl_status no_jpeg(const char *name)
{
    rescl_status st = RESCL_OK;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: a JPEG, and this rescl was built without libjpeg; install its development package "
            "(Debian: libjpeg-dev) and build again with -DRESCL_WITH_JPEG=ON",
            name);
out:
    return st;
}

rescl_status rs_jpeg_probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                           rescl_image_info *out)
{
    (void)data, (void)bytes, (void)file_bytes, (void)out;
    return no_jpeg(name);
}

rescl_status rs_jpeg_decode(const uint8_t *data, size_t bytes, const char *name, rescl_image *out,
                            unsigned *orientation)
{
    (void)data, (void)bytes, (void)out, (void)orientation;
    return no_jpeg(name);
}

#endif
