/* Reading JPEG through libjpeg(-turbo): baseline and progressive, 8 bits, gray, colour and CMYK.
 *
 * The library reports errors by a callback that must not return, hence setjmp. As in png.c, each
 * function that calls setjmp does nothing else but call the library, and keeps what must survive in
 * the struct it is given, so no local is clobbered. What the library takes for a warning, such as a
 * file that ends too early, is an error here unless the image is whole all the same. */
#include "error.h"
#include "heavyturn.h"
#include "imagerows.h"

#ifdef RS_HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A scan may go over the whole image and take a few bytes only: a file of many is a bomb. The
 * encoders that make the most write about 20. */
#define MAX_SCANS    64
#define MAX_REPAIRS  4 /* each decodes again */
#define MARKER_BYTES 2

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *data;
    size_t bytes, row_bytes;
    size_t scans_end; /* offset behind the scan with which the image was whole; 0: it was not */
    size_t again_at;  /* offset of a scan that comes again and is to be left out; 0: none */
    int scans;
    bool file_ended, end_damaged;
    unsigned orientation;
    uint8_t *pixels;
    char message[JMSG_LENGTH_MAX];
    bool is_short; /* of memory, which is why it failed */
} reader;

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    r->is_short = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    jpeg->err->format_message(jpeg, r->message);
    longjmp(r->escape, 1);
}

/* Whether a scan that the library finds out of order is one that came before: the same bits of the
 * same coefficients. It changes nothing, unless it refines AC coefficients: then r->again_at is set. */
static bool comes_again(reader *r)
{
    const struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const int component = jpeg->err->msg_parm.i[0], at = jpeg->err->msg_parm.i[1];
    const size_t header = MARKER_BYTES + 6 + 2 * (size_t)jpeg->comps_in_scan;
    if (!jpeg->coef_bits || component >= jpeg->num_components || at < jpeg->Ss || at > jpeg->Se ||
        jpeg->coef_bits[component][at] != jpeg->Al)
        return false;
    if (jpeg->Ah == 0 || jpeg->Ss == 0)
        return true;
    r->again_at = (size_t)(jpeg->src->next_input_byte - r->data) - header;
    return false;
}

/* `level` is -1 for warnings, else that of a trace. */
static void on_message(j_common_ptr jpeg, int level)
{
    reader *r = jpeg->client_data;
    const int code = jpeg->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
        code == JWRN_JFIF_MAJOR)
        return;
    /* The file ends. Where bits are missing, JWRN_HIT_MARKER follows; scans are checked later. */
    if (code == JWRN_JPEG_EOF) {
        r->file_ended = r->end_damaged = true;
        jpeg->err->format_message(jpeg, r->message);
    } else if (code == JWRN_BOGUS_PROGRESSION && comes_again(r)) {
        r->end_damaged = true;
    } else {
        on_error(jpeg);
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Whether the scans so far hold the whole image: of each component, and each coefficient to its last
 * bit. */
static bool scans_are_whole(const struct jpeg_decompress_struct *jpeg)
{
    if (jpeg->input_scan_number == 0 || jpeg->input_iMCU_row < jpeg->total_iMCU_rows)
        return false;
    for (int c = 0; c < jpeg->num_components; c++) {
        if (!jpeg->comp_info[c].quant_table) /* which its first scan brings */
            return false;
        for (int i = 0; jpeg->progressive_mode && i < DCTSIZE2; i++) {
            if (jpeg->coef_bits[c][i] != 0)
                return false;
        }
    }
    return true;
}

/* Before each row of blocks that is read, and between scans. */
static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number > MAX_SCANS) {
        snprintf(r->message, sizeof r->message, "more than %d scans", MAX_SCANS);
        longjmp(r->escape, 1);
    }
    if (r->scans_end > 0 && r->jpeg.input_scan_number > r->scans) {
        snprintf(r->message, sizeof r->message, "a scan too many");
        longjmp(r->escape, 1);
    }
    r->scans = r->jpeg.input_scan_number;
    if (r->scans_end == 0 && scans_are_whole(&r->jpeg))
        r->scans_end = (size_t)(r->jpeg.src->next_input_byte - r->data) -
                       (r->jpeg.unread_marker ? MARKER_BYTES : 0);
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

/* Appends the rest of a marker's segment, behind what it begins with. */
static bool append(uint8_t **text, size_t *count, jpeg_saved_marker_ptr m, size_t skip)
{
    const size_t n = m->data_length - skip;
    uint8_t *grown = realloc(*text, *count + n + 1);
    if (!grown)
        return false;
    memcpy(grown + *count, m->data + skip, n);
    *text = grown;
    *count += n;
    return true;
}

/* EXIF data may go over several segments; of XMP packets the last counts. As in Pillow. */
static rescl_status find_orientation(reader *r)
{
    static const char exif_name[] = "Exif\0", xmp_name[] = "http://ns.adobe.com/xap/1.0/";
    rescl_status st = RESCL_OK;
    uint8_t *exif = NULL;
    size_t exif_bytes = 0;
    jpeg_saved_marker_ptr xmp = NULL;
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next) {
        if (m->data_length >= sizeof exif_name && memcmp(m->data, exif_name, sizeof exif_name) == 0)
            RS_OOM(append(&exif, &exif_bytes, m, sizeof exif_name));
        else if (m->data_length >= sizeof xmp_name &&
                 memcmp(m->data, xmp_name, sizeof xmp_name) == 0)
            xmp = m;
    }
    if (exif)
        r->orientation = rs_exif_orientation(exif, exif_bytes);
    if (r->orientation == 0 && xmp)
        r->orientation = rs_xmp_orientation(xmp->data, xmp->data_length);
out:
    free(exif);
    return st;
}

/* Of an image that is made smaller: the least eighths of its size that keep the shorter side, or as
 * many as may be in memory. */
static unsigned choose_eighths(size_t width, size_t height, size_t min_side)
{
    unsigned n = 1;
    if (width <= RS_MAX_PIXELS / height)
        return 8;
    while (n < 8 && (width < height ? width : height) * n < min_side * 8)
        n++;
    while (n > 1 && (width * n + 7) / 8 > RS_MAX_PIXELS / ((height * n + 7) / 8))
        n--;
    return n;
}

/* All before the pixels. False: r->message says why. */
static bool read_header(reader *r, size_t min_side)
{
    if (setjmp(r->escape))
        return false;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, r->data, (unsigned long)r->bytes);
    jpeg_save_markers(&r->jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->jpeg, TRUE);
    r->jpeg.out_color_space = r->jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
    r->jpeg.scale_num = choose_eighths(r->jpeg.image_width, r->jpeg.image_height, min_side);
    r->jpeg.scale_denom = 8;
    jpeg_calc_output_dimensions(&r->jpeg);
    r->row_bytes = (size_t)r->jpeg.output_width * (size_t)r->jpeg.output_components;
    return true;
}

/* True if the last row was reached. What is wrong after it is in r->message, as is what is wrong
 * otherwise. */
static bool read_pixels(reader *r)
{
    if (setjmp(r->escape)) {
        r->end_damaged = true;
        return r->jpeg.output_height > 0 && r->jpeg.output_scanline == r->jpeg.output_height;
    }
    jpeg_start_decompress(&r->jpeg);
    if (r->file_ended && jpeg_has_multiple_scans(&r->jpeg) && r->scans_end == 0)
        return false;
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = r->pixels + r->jpeg.output_scanline * r->row_bytes;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&r->jpeg);
    return true;
}

/* As read_pixels. Of large images in several scans one at a time: the library keeps all coefficients
 * of these, which would be some 600 MB for each thread at 200 megapixels. */
static bool read_pixels_in_turn(reader *r)
{
    const bool heavy = r->jpeg.scale_num < 8 && jpeg_has_multiple_scans(&r->jpeg);
    if (heavy)
        rs_heavy_turn_begin();
    const bool good = read_pixels(r);
    if (heavy) {
        jpeg_abort_decompress(&r->jpeg); /* gives the coefficients' memory back */
        rs_heavy_turn_end();
    }
    return good;
}

/* What a JPEG's frame header has that is not supported, NULL for none and for what is damaged. */
static const char *unsupported(const uint8_t *data, size_t bytes)
{
    for (size_t at = 2; at + 10 <= bytes;) {
        const uint8_t *p = data + at;
        const unsigned code = p[1], length = (unsigned)p[2] << 8 | p[3];
        if (p[0] != 0xff || code == 0xff || code == 0 || code == 1 ||
            (code >= 0xd0 && code <= 0xd8)) {
            at++; /* padding, stray bytes, and markers without a segment */
            continue;
        }
        if (code == 0xd9 || code == 0xda)
            return NULL;
        if (code == 0xf7)
            return "of the format JPEG-LS";
        if (code == 0xde || (code >= 0xc5 && code <= 0xcf && code != 0xc8 && code != 0xcc &&
                             (code & 3) != 3 && code != 0xc9 && code != 0xca))
            return "of the hierarchical kind";
        if (code >= 0xc0 && code <= 0xcf && code != 0xc4 && code != 0xc8 && code != 0xcc) {
            if ((code & 3) == 3)
                return "of the lossless kind";
            if (code >= 0xc8)
                return "with arithmetic coding";
            if (length != 8 + 3u * p[9])
                return NULL;
            return p[4] == 12           ? "with 12 bits a sample"
                   : p[4] == 16         ? "with 16 bits a sample"
                   : (p[5] | p[6]) == 0 ? "whose height is told after its pixels (a DNL marker)"
                   : p[9] == 2          ? "with two components"
                   : p[9] > 4           ? "with more than four components"
                                        : NULL;
        }
        at += 2 + (size_t)length;
    }
    return NULL;
}

/* Refuses what is too large, and what the file cannot hold: Huffman coding takes a bit at least for
 * each block. */
static rescl_status check_size(const reader *r, const char *name,
                               const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    const size_t width = r->jpeg.image_width, height = r->jpeg.image_height;
    size_t blocks = 0;
    for (int i = 0; i < r->jpeg.num_components; i++) {
        const jpeg_component_info *c = &r->jpeg.comp_info[i];
        blocks += (size_t)c->width_in_blocks * c->height_in_blocks;
    }
    RS_TRY(rs_image_check_size(name, width, height, options, NULL));
    RS_FAIL_IF(blocks / 8 > r->bytes, RESCL_ERR_FORMAT,
               "%s: says it is %zux%zu, which a file of %zu bytes cannot hold; it is corrupted",
               name, width, height, r->bytes);
    RS_FAIL_IF(r->jpeg.output_components != 3 && r->jpeg.output_components != 4, RESCL_ERR_FORMAT,
               "%s: a JPEG that decodes to %d components", name, r->jpeg.output_components);
out:
    return st;
}

static rescl_status open_reader(const uint8_t *data, size_t bytes, const char *name,
                                const rescl_image_options *options, reader **out)
{
    rescl_status st = RESCL_OK;
    const char *what = unsupported(data, bytes);
    reader *r = NULL;
    RS_FAIL_IF(what, RESCL_ERR_FORMAT,
               "%s: a JPEG %s, which is not supported; convert it to PNG or to a usual JPEG", name,
               what);
    RS_OOM(r = calloc(1, sizeof *r));
    *out = r;
    r->data = data;
    r->bytes = bytes;
    set_callbacks(r);
    if (!read_header(r, options->min_side)) {
        RS_FAIL_IF(r->is_short, RESCL_ERR_MEMORY, "%s: out of host memory", name);
        RS_FAIL(RESCL_ERR_FORMAT, "%s: corrupted JPEG: %s", name, r->message);
    }
out:
    return st;
}

/* libjpeg's words, without those that "corrupted JPEG" says already. */
static const char *reason(const reader *r)
{
    static const char said[] = "Corrupt JPEG data: ";
    return strncmp(r->message, said, sizeof said - 1) == 0 ? r->message + sizeof said - 1
                                                           : r->message;
}

static void close_reader(reader *r)
{
    if (!r)
        return;
    jpeg_destroy_decompress(&r->jpeg);
    free(r->pixels);
    free(r);
}

/* After a failure *whole is set if the image lies before that offset in the file, *again if the scan
 * there is to be left out. */
static rescl_status decode_once(const uint8_t *data, size_t bytes, const char *name,
                                const rescl_image_options *options, rs_decoded *out, size_t *whole,
                                size_t *again)
{
    rescl_status st = RESCL_OK;
    reader *r = NULL;
    RS_TRY(open_reader(data, bytes, name, options, &r));
    RS_TRY(check_size(r, name, options));
    RS_TRY(find_orientation(r));
    RS_OOM(r->pixels = calloc(r->jpeg.output_height, r->row_bytes));
    if (!read_pixels_in_turn(r)) {
        *whole = r->scans_end;
        *again = r->again_at;
        RS_FAIL_IF(r->is_short, RESCL_ERR_MEMORY, "%s: out of host memory", name);
        RS_FAIL(RESCL_ERR_FORMAT, "%s: corrupted JPEG: %s", name, reason(r));
    }
    if (r->jpeg.output_components == 4)
        rs_image_from_cmyk(r->pixels, r->pixels,
                           (size_t)r->jpeg.output_width * r->jpeg.output_height);
    out->image = (rescl_image){
        .width = r->jpeg.output_width, .height = r->jpeg.output_height, .pixels = r->pixels};
    out->orientation = r->orientation;
    out->notices = (r->end_damaged ? RESCL_IMAGE_END_DAMAGED : 0) |
                   (r->jpeg.scale_num < 8 ? RESCL_IMAGE_REDUCED : 0);
    r->pixels = NULL;
out:
    close_reader(r);
    return st;
}

/* Takes the scan that begins at `at` out of a file. */
static size_t drop_scan(uint8_t *data, size_t bytes, size_t at)
{
    size_t end = at + MARKER_BYTES;
    while (end + 1 < bytes && (data[end] != 0xff || data[end + 1] == 0 || data[end + 1] == 0xff ||
                               (data[end + 1] >= JPEG_RST0 && data[end + 1] <= JPEG_RST0 + 7)))
        end++;
    memmove(data + at, data + end, bytes - end);
    return bytes - (end - at);
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    uint8_t *copy = NULL;
    size_t whole = 0, again = 0;
    rescl_status st = decode_once(data, bytes, name, options, out, &whole, &again);
    for (int i = 0; i < MAX_REPAIRS && st != RESCL_OK && (whole || again); i++) {
        if (whole) {
            bytes = whole;
        } else {
            if (!copy && (copy = malloc(bytes)) != NULL)
                memcpy(copy, data, bytes);
            if (!copy)
                break;
            bytes = drop_scan(copy, bytes, again);
        }
        whole = again = 0;
        st = decode_once(copy ? copy : data, bytes, name, options, out, &whole, &again);
        out->notices |= RESCL_IMAGE_END_DAMAGED;
    }
    free(copy);
    return st;
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    reader *r = NULL;
    RS_TRY(open_reader(data, bytes, name, options, &r));
    r->bytes = file_bytes;
    RS_TRY(check_size(r, name, options));
    const int components = r->jpeg.num_components;
    *out = (rescl_image_info){.width = r->jpeg.image_width,
                              .height = r->jpeg.image_height,
                              .kind = "JPEG",
                              .colour = components == 1   ? "gray"
                                        : components == 4 ? "CMYK"
                                                          : "RGB",
                              .bits = 8};
out:
    close_reader(r);
    return st;
}

#else

static rescl_status no_jpeg(const char *name)
{
    return rs_image_lacks_library(name, "a JPEG", "libjpeg", "libjpeg-dev", "JPEG");
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    (void)data, (void)bytes, (void)file_bytes, (void)options, (void)out;
    return no_jpeg(name);
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    (void)data, (void)bytes, (void)options, (void)out;
    return no_jpeg(name);
}

#endif

static bool recognises(const uint8_t *data, size_t bytes)
{
    return rs_image_begins(data, bytes, "\xff\xd8\xff", 3);
}

const rs_image_format rs_image_jpeg = {
    .name = "JPEG",
    .suffixes = ".jpg .jpeg .jfif .jpe .jif",
    .least_bytes = 3,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
    .end = "\xff\xd9",
    .end_bytes = 2,
    .end_within = 64,
};
