/* Reading BMP, as Windows and OS/2 write it: 1, 4, 8, 16, 24 and 32 bits a pixel, palettes, masks, RLE.
 * Microsoft, [MS-WMF] 2.2.2 (DIB); values are those of Pillow. */
#include "error.h"
#include "imagerows.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 14 /* the file's header: "BM", its size, where the pixels are */
#define COLOURS    256

enum { RGB = 0, RLE8 = 1, RLE4 = 2, MASKS = 3, JPEG = 4, PNG = 5, MASKS_ALPHA = 6 };

/* The bits of a channel in a pixel. */
typedef struct channel {
    uint32_t mask;
    unsigned shift, most;
} channel;

typedef struct bmp {
    const uint8_t *data;
    size_t bytes;
    size_t width, height;
    bool from_top;
    unsigned bits, compression;
    size_t pixels_at, row_bytes;
    uint8_t colour[COLOURS][3];
    channel channel[4]; /* red, green, blue, alpha; a mask of 0: none */
    uint8_t *indices;   /* unpacked RLE, rows from the bottom; NULL: none */
} bmp;

static uint32_t little(const uint8_t *p, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

static bool recognises(const uint8_t *data, size_t bytes)
{
    if (bytes < FILE_BYTES + 4)
        return rs_image_begins(data, bytes < 2 ? bytes : 2, "BM", 2);
    const uint32_t header = little(data + FILE_BYTES, 4);
    return memcmp(data, "BM", 2) == 0 && header >= 12 && header < 256;
}

static channel channel_of(uint32_t mask)
{
    channel c = {.mask = mask};
    while (mask && !(mask >> c.shift & 1))
        c.shift++;
    c.most = mask >> c.shift;
    return c;
}

/* The bytes of the masks that follow a header of 40 bytes; longer ones hold them. */
static size_t masks_after(const bmp *b, size_t header)
{
    return header > 40 ? 0 : b->compression == MASKS ? 12 : b->compression == MASKS_ALPHA ? 16 : 0;
}

/* Settles where the pixels begin, as Pillow does: some programs write 0, or leave the palette out. */
static rescl_status place_pixels(bmp *b, const char *name, size_t header, size_t told)
{
    rescl_status st = RESCL_OK;
    const size_t end = FILE_BYTES + header + masks_after(b, header);
    const size_t most = b->bits <= 8 ? (size_t)1 << b->bits : 0;
    const size_t colours = told > 0 && told < most ? told : most;
    if (b->pixels_at == 0 || (b->pixels_at == end && b->bits <= 8))
        b->pixels_at = end + colours * (header == 12 ? 3 : 4);
    RS_FAIL_IF(b->pixels_at < end, RESCL_ERR_FORMAT,
               "%s: corrupted BMP: it says that its pixels begin at byte %zu, within its header of "
               "%zu",
               name, b->pixels_at, end);
out:
    return st;
}

/* Where the masks stand, or what is usual without. */
static rescl_status read_masks(bmp *b, const char *name, size_t header)
{
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    rescl_status st = RESCL_OK;
    const bool told = b->compression == MASKS || b->compression == MASKS_ALPHA;
    const size_t count = header >= 56 || b->compression == MASKS_ALPHA ? 4 : 3;
    RS_FAIL_IF(told && FILE_BYTES + 40 + 4 * count > b->bytes, RESCL_ERR_FORMAT,
               "%s: corrupted BMP: the file ends too early", name);
    for (size_t i = 0; i < 3; i++)
        b->channel[i] = channel_of(told ? little(b->data + FILE_BYTES + 40 + 4 * i, 4)
                                        : usual[b->bits == 32][i]);
    if (told && count == 4)
        b->channel[3] = channel_of(little(b->data + FILE_BYTES + 52, 4));
    for (size_t i = 0; i < 3; i++) {
        const channel *c = &b->channel[i];
        RS_FAIL_IF(c->most == 0 || (c->most & (c->most + 1)) != 0, RESCL_ERR_FORMAT,
                   "%s: a BMP whose bits of a colour do not lie together (mask %08x), which is not "
                   "supported",
                   name, (unsigned)c->mask);
    }
out:
    return st;
}

/* The colours between the header and the pixels; those that a file lacks are black. */
static void read_palette(bmp *b, size_t header, size_t told)
{
    const size_t entry = header == 12 ? 3 : 4, at = FILE_BYTES + header;
    const size_t most = (size_t)1 << b->bits;
    size_t count = told > 0 && told < most ? told : most;
    const size_t room = (b->pixels_at > at && b->pixels_at < b->bytes ? b->pixels_at : b->bytes);
    count = room > at ? count < (room - at) / entry ? count : (room - at) / entry : 0;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            b->colour[i][c] = b->data[at + i * entry + 2 - c];
}

static rescl_status check_kind(const bmp *b, const char *name, unsigned planes)
{
    rescl_status st = RESCL_OK;
    const unsigned bits = b->bits;
    bool known;
    switch (b->compression) {
    case RGB:
        known = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16 || bits == 24 ||
                bits == 32;
        break;
    case RLE8:
    case RLE4:
        known = bits == (b->compression == RLE8 ? 8 : 4);
        break;
    case MASKS:
    case MASKS_ALPHA:
        known = bits == 16 || bits == 32;
        break;
    default:
        RS_FAIL_IF(b->compression == JPEG || b->compression == PNG, RESCL_ERR_FORMAT,
                   "%s: a BMP that holds a %s, which is not supported; convert it to PNG", name,
                   b->compression == JPEG ? "JPEG" : "PNG");
        known = false;
    }
    RS_FAIL_IF(!known || planes != 1, RESCL_ERR_FORMAT,
               "%s: a BMP of %u bits in %u planes, of compression %u, which is not supported; "
               "convert it to PNG",
               name, bits, planes, b->compression);
out:
    return st;
}

/* All but the pixels. */
static rescl_status read_header(bmp *b, const char *name, const rescl_image_options *options)
{
    rescl_status st = RESCL_OK;
    const uint8_t *p = b->data + FILE_BYTES;
    const size_t header = little(p, 4);
    size_t told = 0;
    unsigned planes;
    RS_FAIL_IF(FILE_BYTES + header > b->bytes, RESCL_ERR_FORMAT,
               "%s: corrupted BMP: the file ends too early", name);
    b->pixels_at = little(b->data + 10, 4);
    if (header == 12) {
        b->width = little(p + 4, 2);
        b->height = little(p + 6, 2);
        planes = little(p + 8, 2);
        b->bits = little(p + 10, 2);
    } else {
        const uint32_t height = header >= 16 ? little(p + 8, 4) : 0;
        RS_FAIL_IF(
            header < 40, RESCL_ERR_FORMAT,
            "%s: a BMP with a header of %zu bytes, which is not supported; convert it to PNG", name,
            header);
        b->from_top = height >> 31;
        b->width = little(p + 4, 4);
        b->height = b->from_top ? (size_t)(uint32_t)(0u - height) : height;
        planes = little(p + 12, 2);
        b->bits = little(p + 14, 2);
        b->compression = little(p + 16, 4);
        told = little(p + 32, 4);
    }
    RS_FAIL_IF(b->width > INT32_MAX || b->height > INT32_MAX, RESCL_ERR_FORMAT,
               "%s: corrupted BMP: it says it is %zux%zu", name, b->width, b->height);
    RS_TRY(rs_image_check_size(name, b->width, b->height, options, NULL));
    RS_TRY(check_kind(b, name, planes));
    RS_TRY(place_pixels(b, name, header, told));
    if (b->bits == 16 || b->bits == 32)
        RS_TRY(read_masks(b, name, header));
    else if (b->bits <= 8)
        read_palette(b, header, told);
    b->row_bytes = (b->width * b->bits + 31) / 32 * 4;
out:
    return st;
}

/* Refuses files whose bytes cannot hold the pixels. */
static rescl_status check_length(const bmp *b, const char *name, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const bool packed = b->compression == RLE8 || b->compression == RLE4;
    const size_t there = bytes > b->pixels_at ? bytes - b->pixels_at : 0;
    const size_t last_row = (b->width * b->bits + 7) / 8; /* which may lack its padding */
    RS_FAIL_IF(there == 0 || (!packed && there < b->row_bytes * (b->height - 1) + last_row),
               RESCL_ERR_FORMAT,
               "%s: corrupted BMP: it says it is %zux%zu, and the file ends too early", name,
               b->width, b->height);
out:
    return st;
}

/* Writes a pixel of the row from the bottom; what is to the right of the row or above the image is padding,
 * as some programs write it. */
static void put_index(bmp *b, size_t x, size_t y, uint8_t index)
{
    if (x < b->width && y < b->height)
        b->indices[y * b->width + x] = index;
}

/* Index `i` of those that begin at `src`: a byte each, or half of one, the upper first. */
static uint8_t index_at(const bmp *b, const uint8_t *src, size_t i)
{
    return b->bits == 8 ? src[i] : i % 2 ? src[i / 2] & 15 : src[i / 2] >> 4;
}

/* Pixels that are passed over are of colour 0. */
static rescl_status unpack(bmp *b, const char *name)
{
    rescl_status st = RESCL_OK;
    size_t at = b->pixels_at, x = 0, y = 0;
    bool ended = false;
    RS_OOM(b->indices = calloc(b->width, b->height));
    while (!ended && at + 2 <= b->bytes && y < b->height) {
        const uint8_t count = b->data[at], *value = b->data + at + 1;
        at += 2;
        if (count > 0) { /* a run: one byte again and again */
            for (size_t i = 0; i < count; i++)
                put_index(b, x++, y, index_at(b, value, b->bits == 8 ? 0 : i % 2));
        } else if (*value == 0) { /* the end of a row */
            x = 0;
            y++;
        } else if (*value == 1) { /* the end of the image */
            ended = true;
        } else if (*value == 2) { /* a step to the right and up */
            if (at + 2 > b->bytes)
                break;
            x += b->data[at];
            y += b->data[at + 1];
            at += 2;
        } else { /* pixels one by one, up to an even place */
            const size_t bytes = b->bits == 8 ? *value : (*value + 1u) / 2;
            if (bytes > b->bytes - at)
                break;
            for (size_t i = 0; i < *value; i++)
                put_index(b, x++, y, index_at(b, b->data + at, i));
            at += bytes + bytes % 2;
        }
    }
    const bool in_last = y + 1 == b->height;
    RS_FAIL_IF(y < b->height && !(in_last && (ended || x >= b->width)), RESCL_ERR_FORMAT,
               "%s: corrupted BMP: its pixels end in row %zu of %zu", name, y + 1, b->height);
out:
    return st;
}

/* Whether any pixel has alpha: some programs tell of alpha and leave it 0, as browsers know. */
static bool has_alpha(const bmp *b)
{
    const uint32_t mask = b->channel[3].mask;
    for (size_t y = 0; mask && y < b->height; y++) {
        const uint8_t *row = b->data + b->pixels_at + y * b->row_bytes;
        for (size_t x = 0; x < b->width; x++)
            if (little(row + x * b->bits / 8, b->bits / 8) & mask)
                return true;
    }
    return false;
}

/* Row y from the top as RGB, or as RGBA. */
static void read_row(const bmp *b, size_t y, size_t channels, uint8_t *dst)
{
    const size_t line = b->from_top ? y : b->height - 1 - y;
    const uint8_t *src =
        b->indices ? b->indices + line * b->width : b->data + b->pixels_at + line * b->row_bytes;
    for (size_t x = 0; x < b->width; x++, dst += channels) {
        if (b->bits == 24) {
            dst[0] = src[3 * x + 2];
            dst[1] = src[3 * x + 1];
            dst[2] = src[3 * x];
        } else if (b->bits > 8) {
            const uint32_t v = little(src + x * b->bits / 8, b->bits / 8);
            for (size_t i = 0; i < channels; i++) {
                const channel *c = &b->channel[i];
                dst[i] = (uint8_t)((uint64_t)(v >> c->shift & c->most) * 255 / c->most);
            }
        } else {
            const size_t per_byte = 8 / b->bits, shift = 8 - b->bits * (x % per_byte + 1);
            const unsigned index =
                b->indices ? src[x] : src[x / per_byte] >> shift & ((1u << b->bits) - 1);
            memcpy(dst, b->colour[index], 3);
        }
    }
}

static rescl_status decode(const uint8_t *data, size_t bytes, const char *name,
                           const rescl_image_options *options, rs_decoded *out)
{
    rescl_status st = RESCL_OK;
    bmp b = {.data = data, .bytes = bytes};
    rs_image_rows rows = {0};
    RS_TRY(read_header(&b, name, options));
    RS_TRY(check_length(&b, name, bytes));
    if (b.compression == RLE8 || b.compression == RLE4)
        RS_TRY(unpack(&b, name));
    RS_TRY(rs_image_rows_init(&rows, b.width, b.height, has_alpha(&b) ? 4 : 3, false, options));
    for (size_t y = 0; y < b.height; y++) {
        read_row(&b, y, rows.channels, rs_image_rows_at(&rows, y));
        rs_image_rows_put(&rows, y);
    }
    rs_image_rows_take(&rows, out);
out:
    rs_image_rows_fini(&rows);
    free(b.indices);
    return st;
}

static rescl_status probe(const uint8_t *data, size_t bytes, size_t file_bytes, const char *name,
                          const rescl_image_options *options, rescl_image_info *out)
{
    rescl_status st = RESCL_OK;
    bmp b = {.data = data, .bytes = bytes};
    RS_TRY(read_header(&b, name, options));
    RS_TRY(check_length(&b, name, file_bytes));
    *out = (rescl_image_info){.width = b.width,
                              .height = b.height,
                              .kind = "BMP",
                              .colour = b.bits <= 8         ? "palette"
                                        : b.channel[3].most ? "RGBA"
                                                            : "RGB",
                              .bits = b.bits <= 8 ? b.bits : 8};
out:
    return st;
}

const rs_image_format rs_image_bmp = {
    .name = "BMP",
    .suffixes = ".bmp .dib",
    .least_bytes = FILE_BYTES + 12,
    .recognises = recognises,
    .decode = decode,
    .probe = probe,
};
