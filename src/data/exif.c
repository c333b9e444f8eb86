/* The one thing of an image's metadata that changes what it shows: how the camera was held. CIPA
 * DC-008 (Exif 2.32), 4.6.4: tag 0x0112 of the 0th IFD; else tiff:Orientation of XMP. What counts
 * where a file says it twice or in another type than SHORT is as in Pillow's ImageOps.exif_transpose. */
#include "error.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define ENTRY_BYTES     12
#define PREFIX          "Exif\0"
#define PREFIX_BYTES    6

/* TIFF's types by number; those of size 0 do not exist. */
static const struct {
    uint8_t bytes;
    enum { NO_NUMBER, UNSIGNED, SIGNED, REAL, RATIO, SIGNED_RATIO } form;
} types[] = {
    [1] = {1, NO_NUMBER}, [2] = {1, NO_NUMBER},     [3] = {2, UNSIGNED},  [4] = {4, UNSIGNED},
    [5] = {8, RATIO},     [6] = {1, SIGNED},        [7] = {1, NO_NUMBER}, [8] = {2, SIGNED},
    [9] = {4, SIGNED},    [10] = {8, SIGNED_RATIO}, [11] = {4, REAL},     [12] = {8, REAL},
    [13] = {4, UNSIGNED}, [16] = {8, UNSIGNED},
};

/* `n` bytes as a number, in the file's order of bytes. */
static uint64_t number(const uint8_t *p, size_t n, bool big)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * (big ? n - 1 - i : i);
    return v;
}

static double signed_number(const uint8_t *p, size_t n, bool big)
{
    const uint64_t v = number(p, n, big);
    return v >> (8 * n - 1) ? -(double)((UINT64_C(1) << 8 * n) - v) : (double)v;
}

static double real(const uint8_t *p, size_t n, bool big)
{
    const uint64_t bits = number(p, n, big);
    const uint32_t half = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &half, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return n == sizeof single ? (double)single : value;
}

/* The first value of a type; 0 for what is no number. */
static double value_of(const uint8_t *p, size_t type, bool big)
{
    const size_t n = types[type].bytes;
    switch (types[type].form) {
    case UNSIGNED:
        return (double)number(p, n, big);
    case SIGNED:
        return signed_number(p, n, big);
    case REAL:
        return real(p, n, big);
    case RATIO:
        return (double)number(p, 4, big) / (double)number(p + 4, 4, big);
    case SIGNED_RATIO:
        return signed_number(p, 4, big) / signed_number(p + 4, 4, big);
    case NO_NUMBER:
        break;
    }
    return 0;
}

/* The values of an entry, NULL where it has none or they lie beyond the data. */
static const uint8_t *values_of(const uint8_t *entry, const uint8_t *tiff, size_t bytes, bool big)
{
    const uint64_t type = number(entry + 2, 2, big), count = number(entry + 4, 4, big);
    if (type >= RS_COUNT(types) || types[type].bytes == 0 || count == 0)
        return NULL;
    const uint64_t size = count * types[type].bytes, at = number(entry + 8, 4, big);
    if (size <= 4)
        return entry + 8;
    return size <= bytes && at <= bytes - size ? tiff + at : NULL;
}

static unsigned whole_in_range(double value)
{
    for (unsigned o = 1; o <= 8; o++) {
        if (value == (double)o)
            return o;
    }
    return 1;
}

unsigned rs_exif_orientation(const uint8_t *tiff, size_t bytes)
{
    for (int i = 0; i < 2 && bytes >= PREFIX_BYTES && memcmp(tiff, PREFIX, PREFIX_BYTES) == 0;
         i++) {
        tiff += PREFIX_BYTES;
        bytes -= PREFIX_BYTES;
    }
    if (bytes < 8 || !((tiff[0] == 'I' && tiff[1] == 'I') || (tiff[0] == 'M' && tiff[1] == 'M')) ||
        !((tiff[2] == 0 && tiff[3] == 42) || (tiff[2] == 42 && tiff[3] == 0)))
        return 0;
    const bool big = tiff[0] == 'M';
    const size_t at = (size_t)number(tiff + 4, 4, big);
    if (at > bytes - 2)
        return 0;
    const size_t room = (bytes - at - 2) / ENTRY_BYTES, told = (size_t)number(tiff + at, 2, big);
    const uint8_t *entry = tiff + at + 2;
    for (size_t i = 0; i < told && i < room; i++, entry += ENTRY_BYTES) {
        if (number(entry, 2, big) != TAG_ORIENTATION)
            continue;
        const uint8_t *values = values_of(entry, tiff, bytes, big);
        if (values)
            return whole_in_range(value_of(values, (size_t)number(entry + 2, 2, big), big));
    }
    return 0;
}

/* tiff:Orientation="6" or <tiff:Orientation>6 */
unsigned rs_xmp_orientation(const uint8_t *xmp, size_t bytes)
{
    static const char name[] = "tiff:Orientation";
    const size_t n = sizeof name - 1;
    for (size_t i = 0; bytes >= n && i + n < bytes; i++) {
        if (memcmp(xmp + i, name, n) != 0)
            continue;
        size_t at = i + n;
        if (xmp[at] == '>')
            at++;
        else if (xmp[at] == '=' && at + 1 < bytes && xmp[at + 1] == '"')
            at += 2;
        else
            continue;
        if (at < bytes && xmp[at] >= '0' && xmp[at] <= '9')
            return whole_in_range(xmp[at] - '0');
    }
    return 0;
}

rescl_status rs_image_orient(rescl_image *image, unsigned orientation)
{
    /* By orientation: whether a row of the result is a column of the image, and whether columns
     * and rows of the image are taken from the end. */
    static const struct {
        bool swap, flip_x, flip_y;
    } turns[] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                 {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
    rescl_status st = RESCL_OK;
    uint8_t *dst = NULL;
    if (orientation <= 1 || orientation >= RS_COUNT(turns))
        goto out;
    const bool swap = turns[orientation].swap;
    const bool flip_x = turns[orientation].flip_x, flip_y = turns[orientation].flip_y;
    const ptrdiff_t w = (ptrdiff_t)image->width, h = (ptrdiff_t)image->height;
    const ptrdiff_t pixel = (ptrdiff_t)rs_image_pixel_bytes(image);
    const ptrdiff_t step_x = flip_x ? -pixel : pixel, step_y = flip_y ? -pixel * w : pixel * w;
    const ptrdiff_t across = swap ? step_y : step_x, down = swap ? step_x : step_y;
    const ptrdiff_t out_w = swap ? h : w, out_h = swap ? w : h;
    const uint8_t *first =
        image->pixels + (flip_y ? (h - 1) * w * pixel : 0) + (flip_x ? (w - 1) * pixel : 0);
    RS_OOM(dst = malloc((size_t)(w * h * pixel)));
    uint8_t *to = dst;
    for (ptrdiff_t y = 0; y < out_h; y++) {
        const uint8_t *row = first + y * down;
        for (ptrdiff_t x = 0; x < out_w; x++, to += pixel)
            for (ptrdiff_t k = 0; k < pixel; k++)
                to[k] = row[x * across + k];
    }
    free(image->pixels);
    *image = rs_image_like(image, (size_t)out_w, (size_t)out_h, dst);
out:
    return st;
}
