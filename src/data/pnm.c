/* Reading PBM, PGM and PPM (netpbm's pbm(5), pgm(5), ppm(5)), plain and raw, of up to 16 bits a sample.
 * Of several images the first is taken. Samples are scaled from the range that the file tells, as in
 * Pillow; where that is all of 16 bits they are cut to 8 as those of PNG and TIFF are, and fewer may be used
 * (rescl_image_options.sample_bits). */
#include "alloc.h"
#include "error.h"
#include "imagerows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST 65535 /* the largest value that white may have */

typedef struct pnm {
    const uint8_t *data;
    size_t bytes, at; /* of what is read next */
    bool plain, bitmap;
    size_t channels; /* of the file: 1 or 3 */
    size_t width, height;
    unsigned white;   /* its value */
    uint8_t *byte_of; /* each value up to white; NULL where white is MOST, or samples stay deep */
    rs_image_samples deep; /* where white is MOST */
    bool stays_deep;
} pnm;

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool recognises(const uint8_t *data, size_t bytes)
{
    return bytes >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' &&
           (is_blank(data[2]) || data[2] == '#');
}

/* Blanks, and comments, which go from # to the end of the line. */
static void skip_blanks(pnm *p)
{
    bool comment = false;
    for (; p->at < p->bytes; p->at++) {
        const uint8_t c = p->data[p->at];
        if (c == '#')
            comment = true;
        else if (c == '\n' || c == '\r')
            comment = false;
        else if (!comment && !is_blank(c))
            return;
    }
}

/* The next number in letters: of one digit, or of as many as there are, up to nine. Above `most` it is
 * damaged. */
static bool next_number(pnm *p, bool one_digit, unsigned most, unsigned *out)
{
    unsigned value = 0;
    size_t n = 0;
    skip_blanks(p);
    for (; n < (one_digit ? 1 : 10) && p->at < p->bytes; n++, p->at++) {
        const uint8_t c = p->data[p->at];
        if (c < '0' || c > '9')
            break;
        value = 10 * value + (c - '0');
    }
    *out = value;
    return n > 0 && n < 10 && value <= most;
}

static rescl_status read_header(pnm *p, const char *name, const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    const uint8_t kind = p->data[1];
    unsigned width = 0, height = 0;
    RS_FAIL_IF(kind == '7', RESCL_ERR_FORMAT,
               "%s: a PNM of the kind PAM, which is not supported; convert it to PNG", name);
    p->plain = kind <= '3';
    p->bitmap = kind == '1' || kind == '4';
    p->channels = kind == '3' || kind == '6' ? 3 : 1;
    p->at = 2;
    p->white = 1;
    RS_FAIL_IF(!next_number(p, false, INT32_MAX, &width) ||
                   !next_number(p, false, INT32_MAX, &height) ||
                   (!p->bitmap && !next_number(p, false, MOST, &p->white)) || p->white == 0,
               RESCL_ERR_FORMAT,
               "%s: corrupted PNM: its header does not tell width, height and the value of white "
               "(1 to %d)",
               name, MOST);
    p->width = width;
    p->height = height;
    RS_TRY(rs_image_check_size(name, width, height, options, NULL));
    p->at++; /* one blank */
out:
    return st;
}

/* Of a raw row. */
static size_t row_bytes(const pnm *p)
{
    return p->bitmap ? (p->width + 7) / 8 : p->width * p->channels * (p->white > 255 ? 2 : 1);
}

/* Refuses what a file of so many bytes cannot hold. Plain samples have a digit each, and a blank but for
 * those of bitmaps. */
static rescl_status check_length(const pnm *p, const char *name, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const size_t there = bytes > p->at ? bytes - p->at : 0;
    const size_t samples = p->width * p->height * p->channels;
    const size_t needed = !p->plain   ? row_bytes(p) * p->height
                          : p->bitmap ? samples
                                      : 2 * samples - 1;
    RS_FAIL_IF(there < needed, RESCL_ERR_FORMAT,
               "%s: corrupted PNM: it says it is %zux%zu, and the file ends too early", name,
               p->width, p->height);
out:
    return st;
}

/* Bytes of the values, as Pillow rounds them. */
static rescl_status make_table(pnm *p)
{
    rescl_status st = RESCL_OK;
    if (p->white == MOST || p->stays_deep)
        goto out;
    RS_OOM(p->byte_of = calloc(p->white + 1, 1));
    for (unsigned v = 0; v <= p->white; v++)
        p->byte_of[v] = (uint8_t)lrint((double)v / (double)p->white * 255.0);
out:
    return st;
}

/* Sample `i` of the raw row at `row`. */
static unsigned raw_sample(const pnm *p, const uint8_t *row, size_t i)
{
    if (p->bitmap)
        return !(row[i / 8] >> (7 - i % 8) & 1);
    return p->white > 255 ? (unsigned)row[2 * i] << 8 | row[2 * i + 1] : row[i];
}

/* The next sample in letters; bits may stand without blanks between. */
static bool plain_sample(pnm *p, unsigned *value)
{
    const bool good = next_number(p, p->bitmap, p->white, value);
    if (p->bitmap)
        *value = !*value;
    return good;
}

static uint16_t deep_sample(pnm *p, unsigned value)
{
    const uint64_t white = p->white > 0 ? p->white : 1, most = value < white ? value : white;
    if (p->white == MOST)
        return rs_image_deep_sample(&p->deep, value, false);
    return (uint16_t)((most * MOST + white / 2) / white);
}

/* The next row as RGB. */
static rescl_status read_row(pnm *p, const char *name, uint8_t *dst)
{
    rescl_status st = RESCL_OK;
    const uint8_t *row = p->data + p->at;
    for (size_t i = 0; i < p->width * p->channels; i++) {
        unsigned value = 0;
        if (!p->plain)
            value = raw_sample(p, row, i);
        else
            RS_FAIL_IF(!plain_sample(p, &value), RESCL_ERR_FORMAT,
                       "%s: corrupted PNM: byte %zu: expected a number from 0 to %u", name, p->at,
                       p->white);
        if (p->stays_deep) {
            const uint16_t deep = deep_sample(p, value);
            const size_t copies = p->channels == 1 ? 3 : 1;
            for (size_t k = 0; k < copies; k++)
                memcpy(dst + 2 * (i * copies + k), &deep, sizeof deep);
            continue;
        }
        const uint8_t byte = p->byte_of ? p->byte_of[value < p->white ? value : p->white]
                                        : rs_image_sample(&p->deep, value, false);
        if (p->channels == 1)
            memset(dst + 3 * i, byte, 3);
        else
            dst[i] = byte;
    }
    p->at += p->plain ? 0 : row_bytes(p);
out:
    return st;
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = RESCL_OK;
    pnm p = {.data = data, .bytes = bytes, .deep.bits = options->sample_bits};
    rs_image_rows rows = {0};
    RS_TRY(read_header(&p, name, options));
    RS_TRY(check_length(&p, name, bytes));
    p.stays_deep = rs_pixel_is_deep(options->bit_depth) && p.white > 255;
    RS_TRY(make_table(&p));
    RS_TRY(rs_image_rows_init(&rows, p.width, p.height, 3, p.stays_deep, options));
    for (size_t y = 0; y < p.height; y++) {
        RS_TRY(read_row(&p, name, rs_image_rows_at(&rows, y)));
        rs_image_rows_put(&rows, y);
    }
    out->notices = p.white != MOST ? 0 : rs_image_samples_notice(&p.deep);
    rs_image_rows_take(&rows, out);
out:
    rs_image_rows_fini(&rows);
    free(p.byte_of);
    return st;
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    pnm p = {.data = data, .bytes = bytes};
    RS_TRY(read_header(&p, name, options));
    RS_TRY(check_length(&p, name, file_bytes));
    *out = (rescl_image_info){.width = p.width,
                              .height = p.height,
                              .kind = "PNM",
                              .colour = p.channels == 1 ? "gray" : "RGB",
                              .bits = p.bitmap        ? 1
                                      : p.white > 255 ? 16
                                                      : 8};
out:
    return st;
}

const rs_image_format rs_image_pnm = {
    .name = "PNM",
    .suffixes = ".ppm .pgm .pbm .pnm",
    .least_bytes = 7,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
};
