#include "flip.h"

#include "image.h"

/* A row's pixels of so many bytes. */
static inline void mirror_row(uint8_t *row, size_t width, size_t bytes)
{
    uint8_t *a = row, *b = a + (width - 1) * bytes;
    for (; a < b; a += bytes, b -= bytes)
        for (size_t k = 0; k < bytes; k++) {
            const uint8_t kept = a[k];
            a[k] = b[k];
            b[k] = kept;
        }
}

void rs_image_mirror(rescl_image *image)
{
    const size_t bytes = rs_image_pixel_bytes(image);
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *row = image->pixels + y * image->width * bytes;
        if (bytes == 3)
            mirror_row(row, image->width, 3);
        else
            mirror_row(row, image->width, bytes);
    }
}

void rs_image_upside_down(rescl_image *image)
{
    const size_t row = image->width * rs_image_pixel_bytes(image);
    for (size_t y = 0; y < image->height / 2; y++) {
        uint8_t *a = image->pixels + y * row, *b = image->pixels + (image->height - 1 - y) * row;
        for (size_t i = 0; i < row; i++) {
            const uint8_t kept = a[i];
            a[i] = b[i];
            b[i] = kept;
        }
    }
}
