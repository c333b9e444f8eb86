/* The one thing of EXIF that changes what an image shows: how the camera was held. CIPA DC-008
 * (Exif 2.32), 4.6.4: tag 0x0112 of the 0th IFD. */
#include "error.h"
#include "image.h"

#include <stdlib.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

/* `n` bytes as a number, in the file's order of bytes. */
static size_t number(const uint8_t *p, int n, bool big)
{
    size_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (size_t)p[i] << 8 * (big ? n - 1 - i : i);
    return v;
}

unsigned rs_exif_orientation(const uint8_t *tiff, size_t bytes)
{
    if (bytes < 8 || !((tiff[0] == 'I' && tiff[1] == 'I') || (tiff[0] == 'M' && tiff[1] == 'M')))
        return 1;
    const bool big = tiff[0] == 'M';
    const size_t at = number(tiff + 4, 4, big);
    if (number(tiff + 2, 2, big) != 42 || at > bytes - 2)
        return 1;
    const size_t room = (bytes - at - 2) / ENTRY_BYTES, told = number(tiff + at, 2, big);
    const uint8_t *entry = tiff + at + 2;
    for (size_t i = 0; i < told && i < room; i++, entry += ENTRY_BYTES) {
        const size_t value = number(entry + 8, 2, big);
        if (number(entry, 2, big) == TAG_ORIENTATION && number(entry + 2, 2, big) == TYPE_SHORT)
            return value >= 1 && value <= 8 ? (unsigned)value : 1;
    }
    return 1;
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
    const ptrdiff_t step_x = flip_x ? -3 : 3, step_y = flip_y ? -3 * w : 3 * w;
    const ptrdiff_t across = swap ? step_y : step_x, down = swap ? step_x : step_y;
    const ptrdiff_t out_w = swap ? h : w, out_h = swap ? w : h;
    const uint8_t *first =
        image->pixels + (flip_y ? (h - 1) * w * 3 : 0) + (flip_x ? (w - 1) * 3 : 0);
    RS_OOM(dst = malloc((size_t)(w * h * 3)));
    uint8_t *to = dst;
    for (ptrdiff_t y = 0; y < out_h; y++) {
        const uint8_t *row = first + y * down;
        for (ptrdiff_t x = 0; x < out_w; x++, to += 3) {
            to[0] = row[x * across];
            to[1] = row[x * across + 1];
            to[2] = row[x * across + 2];
        }
    }
    free(image->pixels);
    *image = (rescl_image){.width = (size_t)out_w, .height = (size_t)out_h, .pixels = dst};
out:
    return st;
}
