#include "testing.h"

#include "data_support.h"

#include <stdio.h>
#include <string.h>

void put_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

void put_image(const char *path, uint8_t value)
{
    uint8_t pixels[6 * 4 * 3];
    memset(pixels, value, sizeof pixels);
    const rescl_image image = {.width = 6, .height = 4, .pixels = pixels};
    assert_ok(rescl_image_write(path, &image));
}
