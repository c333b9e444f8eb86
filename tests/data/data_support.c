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

static void put_be32(uint8_t *dst, size_t value)
{
    for (int i = 0; i < 4; i++)
        dst[i] = (uint8_t)(value >> (24 - 8 * i));
}

size_t make_chunk(uint8_t *dst, const char *type, const void *data, size_t count)
{
    uint32_t crc = 0xffffffffu;
    put_be32(dst, count);
    memcpy(dst + 4, type, 4);
    memcpy(dst + 8, data, count);
    for (size_t i = 4; i < count + 8; i++) {
        crc ^= dst[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    put_be32(dst + 8 + count, ~crc & 0xffffffffu);
    return count + 12;
}
