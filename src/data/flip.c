#include "flip.h"

void rs_image_mirror(rescl_image *image)
{
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *a = image->pixels + y * image->width * 3, *b = a + (image->width - 1) * 3;
        for (; a < b; a += 3, b -= 3)
            for (size_t c = 0; c < 3; c++) {
                const uint8_t kept = a[c];
                a[c] = b[c];
                b[c] = kept;
            }
    }
}

void rs_image_upside_down(rescl_image *image)
{
    const size_t row = image->width * 3;
    for (size_t y = 0; y < image->height / 2; y++) {
        uint8_t *a = image->pixels + y * row, *b = image->pixels + (image->height - 1 - y) * row;
        for (size_t i = 0; i < row; i++) {
            const uint8_t kept = a[i];
            a[i] = b[i];
            b[i] = kept;
        }
    }
}
