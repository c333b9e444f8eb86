#include "testing.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "imagecases.h"

static void reads_every_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.bmp",  "grey.bmp",   "palette.bmp",
                                        "bits.bmp", "alpha.bmp",  "rle8.bmp",
                                        "os2.bmp",  "rgb565.bmp", "rgb555.bmp"};
    for (size_t i = 0; i < RS_COUNT(names); i++)
        expect_image(names[i], "BMP", 0);
}

/* A negative height: the first row stands first. */
static void reads_rows_from_the_top(void **state)
{
    (void)state;
    rescl_image down, up;
    size_t bytes;
    uint8_t *data = read_case("rgb.bmp", &bytes);
    assert_ok(rescl_image_decode(data, bytes, "down", &down));
    for (int i = 0; i < 4; i++)
        data[22 + i] = (uint8_t)((uint32_t)-7 >> 8 * i);
    assert_ok(rescl_image_decode(data, bytes, "up", &up));
    assert_int_equal(up.height, 7);
    for (size_t y = 0; y < 7; y++)
        assert_memory_equal(up.pixels + y * 39, down.pixels + (6 - y) * 39, 39);
    rescl_image_free(&down);
    rescl_image_free(&up);
    free(data);
}

static void put_little(uint8_t *at, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* A BMP with a header of so many bytes and what follows it, the pixels at the end. */
static size_t make_bmp(uint8_t *dst, size_t header, uint32_t width, uint32_t height, unsigned bits,
                       unsigned compression, const void *rest, size_t bytes, size_t pixels)
{
    memset(dst, 0, 14 + header);
    memcpy(dst, "BM", 2);
    put_little(dst + 10, (uint32_t)(14 + header + bytes - pixels), 4);
    put_little(dst + 14, (uint32_t)header, 4);
    put_little(dst + 18, width, 4);
    put_little(dst + 22, height, 4);
    put_little(dst + 26, 1, 2);
    put_little(dst + 28, bits, 2);
    put_little(dst + 30, compression, 4);
    memcpy(dst + 14 + header, rest, bytes);
    return 14 + header + bytes;
}

/* Greys, or colours of which all three channels are told. */
static void expect_pixels(const uint8_t *data, size_t bytes, const uint8_t *values, size_t count)
{
    rescl_image image;
    assert_ok(rescl_image_decode(data, bytes, "made.bmp", &image));
    assert_int_equal(image.width * image.height * 3, count);
    assert_memory_equal(image.pixels, values, count);
    rescl_image_free(&image);
}

static void finds_the_pixels_as_pillow_does(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.bmp", "palette.bmp"};
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        rescl_image told, found;
        size_t bytes;
        uint8_t *data = read_case(names[i], &bytes);
        assert_ok(rescl_image_decode(data, bytes, "told", &told));
        for (uint32_t at = 0; at <= 54; at += 54) {
            put_little(data + 10, at, 4);
            assert_ok(rescl_image_decode(data, bytes, "found", &found));
            assert_memory_equal(found.pixels, told.pixels, (size_t)13 * 7 * 3);
            rescl_image_free(&found);
        }
        put_little(data + 10, 53, 4);
        expect_refused(data, bytes, "begin at byte 53, within its header of 54");
        rescl_image_free(&told);
        free(data);
    }
}

static void reads_alpha_where_there_is_any(void **state)
{
    (void)state;
    uint8_t file[200], *masks = file + 14 + 40;
    static const uint8_t none[] = {1, 2, 3, 0, 4, 5, 6, 0}, some[] = {1, 2, 3, 0, 4, 5, 6, 255};
    static const size_t headers[] = {56, 108, 124};
    for (size_t i = 0; i < RS_COUNT(headers); i++) {
        size_t bytes = make_bmp(file, headers[i], 2, 1, 32, 3, none, 8, 8);
        put_little(masks, 0xff0000, 4);
        put_little(masks + 4, 0xff00, 4);
        put_little(masks + 8, 0xff, 4);
        put_little(masks + 12, 0xff000000, 4);
        expect_pixels(file, bytes, (const uint8_t[]){3, 2, 1, 6, 5, 4}, 6);
        memcpy(file + bytes - 8, some, 8);
        expect_pixels(file, bytes, (const uint8_t[]){255, 255, 255, 6, 5, 4}, 6);
    }
}

/* Palettes of 4 greys: 0, 85, 170, 255. */
static void unpacks(void **state)
{
    (void)state;
    static const uint8_t greys[16] = {0,   0,   0,   0, 85,  85,  85,  0,
                                      170, 170, 170, 0, 255, 255, 255, 0};
    static const struct {
        unsigned bits, compression;
        uint8_t pixels[20];
        size_t bytes;
        uint8_t grey[8]; /* 4x2 */
    } cases[] = {
        {2, 0, {0x1b, 0, 0, 0, 0xe4}, 8, {255, 170, 85, 0, 0, 85, 170, 255}},
        /* a run, the end of the row, pixels one by one, the end */
        {4, 2, {4, 0x12, 0, 0, 0, 4, 0x32, 0x10, 0, 1}, 10, {255, 170, 85, 0, 85, 170, 85, 170}},
        /* a step of 1 to the right and 1 up; the end within the last row */
        {8, 1, {1, 3, 0, 2, 1, 1, 2, 2, 0, 1}, 10, {0, 0, 170, 170, 255, 0, 0, 0}},
        {4, 2, {3, 0x33, 0, 2, 0, 1, 1, 0x20, 0, 1}, 10, {0, 0, 0, 170, 255, 255, 255, 0}},
    };
    for (size_t i = 0; i < RS_COUNT(cases); i++) {
        uint8_t rest[40], file[120], expected[24];
        memcpy(rest, greys, 16);
        memcpy(rest + 16, cases[i].pixels, cases[i].bytes);
        size_t bytes = make_bmp(file, 40, 4, 2, cases[i].bits, cases[i].compression, rest,
                                16 + cases[i].bytes, cases[i].bytes);
        put_little(file + 46, 4, 4); /* colours */
        for (size_t k = 0; k < 24; k++)
            expected[k] = cases[i].grey[k / 3];
        expect_pixels(file, bytes, expected, 24);
    }
}

static void refuses_rows_that_are_missing(void **state)
{
    (void)state;
    static const uint8_t rest[] = {0, 0, 0, 0, 255, 255, 255, 0, 4, 1, 0, 1};
    uint8_t file[100];
    const size_t bytes = make_bmp(file, 40, 4, 2, 8, 1, rest, sizeof rest, 4);
    put_little(file + 46, 2, 4);
    expect_refused(file, bytes, "end in row 1 of 2");
}

static void refuses_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.bmp", "palette.bmp", "rle8.bmp", "os2.bmp",
                                        "alpha.bmp"};
    size_t bytes;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        expect_cuts(names[i]);
        change_bytes(names[i]);
    }
    uint8_t *data = read_case("rgb.bmp", &bytes);
    data[28] = 23;
    expect_refused(data, bytes, "23 bits");
    data[28] = 24;
    data[30] = 4;
    expect_refused(data, bytes, "holds a JPEG");
    data[30] = 0;
    data[21] = 0x7f; /* wider than any file */
    expect_refused(data, bytes, "too large");
    data[21] = 0;
    data[19] = 0x10; /* wider than this one */
    expect_refused(data, bytes, "ends too early");
    data[19] = data[18] = 0;
    expect_refused(data, bytes, "corrupted");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(reads_rows_from_the_top),
        cmocka_unit_test(finds_the_pixels_as_pillow_does),
        cmocka_unit_test(reads_alpha_where_there_is_any),
        cmocka_unit_test(unpacks),
        cmocka_unit_test(refuses_rows_that_are_missing),
        cmocka_unit_test(refuses_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
