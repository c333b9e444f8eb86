/* The orientation of a PNG file: the chunk eXIf, else EXIF data as hexadecimal text, as ImageMagick
 * writes them ("Raw profile type exif"), else XMP. Which of several counts is as in Pillow. libpng is
 * not asked: it drops eXIf chunks that begin as JPEG's segments do. */
#include "image.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIGNATURE_BYTES 8
#define MAX_TEXT        ((size_t)1 << 20) /* of a text when inflated */

typedef struct slice {
    const uint8_t *data; /* NULL: none */
    size_t bytes;
} slice;

typedef struct text {
    slice value;
    uint8_t *owned; /* when inflated */
} text;

typedef struct metadata {
    slice exif;
    text profile, xmp;
} metadata;

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Cuts off what comes before the first zero byte, and that byte. False: there is none. */
static bool split(slice *s, slice *before)
{
    const uint8_t *zero = s->bytes ? memchr(s->data, 0, s->bytes) : NULL;
    if (!zero)
        return false;
    *before = (slice){s->data, (size_t)(zero - s->data)};
    s->bytes -= before->bytes + 1;
    s->data = zero + 1;
    return true;
}

static bool is_word(slice s, const char *word)
{
    return s.bytes == strlen(word) && memcmp(s.data, word, s.bytes) == 0;
}

/* Inflates `s` into a text; one that is damaged, too long, or finds no memory is empty. */
static void inflate_text(slice s, text *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)s.data, .avail_in = (uInt)s.bytes};
    uint8_t *room = malloc(MAX_TEXT);
    out->value = (slice){(const uint8_t *)"", 0};
    if (!room || inflateInit(&z) != Z_OK) {
        free(room);
        return;
    }
    z.next_out = room;
    z.avail_out = (uInt)MAX_TEXT;
    if (inflate(&z, Z_FINISH) == Z_STREAM_END) {
        out->owned = room;
        out->value = (slice){room, MAX_TEXT - z.avail_out};
        room = NULL;
    }
    inflateEnd(&z);
    free(room);
}

/* Puts the value of a tEXt, zTXt or iTXt chunk in its place, if it is one that counts. */
static void take_text(metadata *m, const uint8_t *type, slice chunk)
{
    slice key, skipped;
    bool deflated = type[0] == 'z';
    if (!split(&chunk, &key))
        return;
    if (is_word(key, "exif") && type[0] == 't') {
        m->exif = chunk;
        return;
    }
    text *to = is_word(key, "Raw profile type exif") ? &m->profile
               : is_word(key, "XML:com.adobe.xmp")   ? &m->xmp
                                                     : NULL;
    if (!to)
        return;
    if (type[0] == 'i') { /* whether and how it is deflated, its language, the key translated */
        if (chunk.bytes < 2 || (chunk.data[0] != 0 && chunk.data[1] != 0))
            return;
        deflated = chunk.data[0] != 0;
        chunk = (slice){chunk.data + 2, chunk.bytes - 2};
        const bool language = split(&chunk, &skipped);
        if (!language || !split(&chunk, &skipped))
            return;
    } else if (deflated) {
        if (chunk.bytes < 1 || chunk.data[0] != 0)
            return;
        chunk = (slice){chunk.data + 1, chunk.bytes - 1};
    }
    free(to->owned);
    *to = (text){chunk, NULL};
    if (deflated)
        inflate_text(chunk, to);
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A raw profile: an empty line, its name, its size, then hexadecimal digits. */
static unsigned profile_orientation(slice s)
{
    static const char blanks[] = {' ', '\t', '\r', '\n', '\f', '\v'};
    size_t count = 0, at = 0;
    unsigned orientation = 0;
    for (int lines = 0; lines < 3 && at < s.bytes; at++)
        lines += s.data[at] == '\n';
    uint8_t *bytes = malloc((s.bytes - at) / 2 + 1);
    if (!bytes)
        return 0;
    for (int high = -1; at < s.bytes; at++) {
        const int digit = hex_digit(s.data[at]);
        if (digit >= 0 && high >= 0) {
            bytes[count++] = (uint8_t)(high << 4 | digit);
            high = -1;
        } else if (digit >= 0) {
            high = digit;
        } else if (!memchr(blanks, s.data[at], sizeof blanks)) {
            break; /* damaged from here on */
        }
    }
    orientation = rs_exif_orientation(bytes, count);
    free(bytes);
    return orientation;
}

unsigned rs_png_orientation(const uint8_t *data, size_t bytes)
{
    metadata m = {0};
    unsigned orientation = 0;
    size_t left = bytes > SIGNATURE_BYTES ? bytes - SIGNATURE_BYTES : 0;
    for (const uint8_t *p = data + SIGNATURE_BYTES; left >= 12;) {
        const size_t length = be32(p);
        const uint8_t *type = p + 4;
        if (length > left - 12 || memcmp(type, "IEND", 4) == 0)
            break;
        const slice chunk = {p + 8, length};
        const bool is_exif = memcmp(type, "eXIf", 4) == 0;
        const bool is_text = memcmp(type, "tEXt", 4) == 0 || memcmp(type, "zTXt", 4) == 0 ||
                             memcmp(type, "iTXt", 4) == 0;
        if ((is_exif || is_text) && crc32(0, type, (uInt)length + 4) == be32(chunk.data + length)) {
            if (is_exif)
                m.exif = chunk;
            else
                take_text(&m, type, chunk);
        }
        p += length + 12;
        left -= length + 12;
    }
    if (m.exif.data)
        orientation = rs_exif_orientation(m.exif.data, m.exif.bytes);
    else if (m.profile.value.data)
        orientation = profile_orientation(m.profile.value);
    if (orientation == 0 && m.xmp.value.data)
        orientation = rs_xmp_orientation(m.xmp.value.data, m.xmp.value.bytes);
    free(m.profile.owned);
    free(m.xmp.owned);
    return orientation;
}
