#include "thumbnail.h"

#include "drawing.h"

#include <stdlib.h>
#include <string.h>

/* The mean of the pixels that fall on one of a smaller image. */
static void mean_of(const rescl_image *from, size_t x0, size_t x1, size_t y0, size_t y1,
                    uint8_t *rgb)
{
    size_t sum[3] = {0};
    const size_t count = (x1 - x0) * (y1 - y0);
    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++)
            for (size_t c = 0; c < 3; c++)
                sum[c] += from->pixels[3 * (y * from->width + x) + c];
    for (size_t c = 0; c < 3; c++)
        rgb[c] = (uint8_t)((sum[c] + count / 2) / count);
}

bool cli_thumbnail(const rescl_image *from, size_t side, rescl_image *out)
{
    const size_t longest = from->width > from->height ? from->width : from->height;
    const size_t width = from->width * side / longest, height = from->height * side / longest;
    *out = (rescl_image){.width = width ? width : 1, .height = height ? height : 1};
    out->pixels = malloc(3 * out->width * out->height);
    if (!out->pixels)
        return false;
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++) {
            const size_t x0 = x * from->width / out->width, y0 = y * from->height / out->height;
            const size_t x1 = (x + 1) * from->width / out->width;
            const size_t y1 = (y + 1) * from->height / out->height;
            mean_of(from, x0, x1 > x0 ? x1 : x0 + 1, y0, y1 > y0 ? y1 : y0 + 1,
                    out->pixels + 3 * (y * out->width + x));
        }
    return true;
}

void cli_thumbnail_put(rescl_image *sheet, int x, int y, size_t side, const rescl_image *small)
{
    const size_t left = (size_t)x + (side - small->width) / 2;
    const size_t top = (size_t)y + (side - small->height) / 2;
    for (size_t row = 0; row < small->height; row++)
        memcpy(sheet->pixels + 3 * ((top + row) * sheet->width + left),
               small->pixels + 3 * row * small->width, 3 * small->width);
}

void cli_thumbnail_caption(const char *text, int most, char out[256])
{
    snprintf(out, 256, "%s", text);
    if (cli_text_length(out) <= most)
        return;
    char *p = out;
    for (int n = 0; n < most - 2; n++)
        do
            p++;
        while (((unsigned char)*p & 0xc0) == 0x80);
    memcpy(p, "..", 3);
}
