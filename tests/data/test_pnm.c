#include "testing.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "imagecases.h"

static void reads_every_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb.ppm",       "grey.pgm",       "bits.pbm",
                                        "plain_rgb.ppm", "plain_grey.pgm", "plain_bits.pbm",
                                        "grey16.pgm",    "range.pgm"};
    for (size_t i = 0; i < RS_COUNT(names); i++)
        expect_image(names[i], "PNM", 0);
}

static void expect_pixels(const char *text, size_t bytes, const uint8_t *grey, size_t count)
{
    rescl_image image;
    assert_ok(rescl_image_decode(text, bytes, "text", &image));
    assert_int_equal(image.width * image.height, count);
    for (size_t i = 0; i < 3 * count; i++)
        assert_int_equal(image.pixels[i], grey[i / 3]);
    rescl_image_free(&image);
}

static void reads_headers_as_people_write_them(void **state)
{
    (void)state;
    static const char plain[] = "P1#c\n# more\n3 1 # 5\n0 1\n0";
    static const char dense[] = "P1\n3 1\n010";
    static const char most[] = "P2 2 1 7 0 7";
    static const char raw[] = "P5\n#a\r2\t1\n9\n\0\x09 and what follows";
    expect_pixels(plain, sizeof plain - 1, (const uint8_t[]){255, 0, 255}, 3);
    expect_pixels(dense, sizeof dense - 1, (const uint8_t[]){255, 0, 255}, 3);
    expect_pixels(most, sizeof most - 1, (const uint8_t[]){0, 255}, 2);
    expect_pixels(raw, sizeof raw - 1, (const uint8_t[]){0, 255}, 2);
}

/* What is brighter than white is white, and 16 bits are truncated in grey and in colour. */
static void scales_samples(void **state)
{
    (void)state;
    static const uint8_t bright[] = "P5 2 1 9\n\x09\xff",
                         deep[] = "P6 1 1 65535\n\x80\xff\x80\xff\x80";
    expect_pixels((const char *)bright, sizeof bright - 1, (const uint8_t[]){255, 255}, 2);
    expect_pixels((const char *)deep, sizeof deep, (const uint8_t[]){128}, 1);
}

/* Of a 16-bit image fewer bits may be used. */
static void scales_the_bits_that_are_used(void **state)
{
    (void)state;
    static const uint8_t file[] = "P5 2 1 65535\n\x0f\xff\x08";
    rescl_image_options options;
    rescl_image image;
    unsigned notices = 0;
    rescl_image_options_default(&options);
    assert_ok(rescl_image_decode_with(file, sizeof file, "deep", &options, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_USES_12_BITS);
    assert_int_equal(image.pixels[0], 15);
    rescl_image_free(&image);
    options.sample_bits = 12;
    assert_ok(rescl_image_decode_with(file, sizeof file, "deep", &options, &image, &notices));
    assert_int_equal(notices, 0);
    assert_int_equal(image.pixels[0], 255);
    assert_int_equal(image.pixels[3], 128);
    rescl_image_free(&image);
}

static void refuses_damage(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"P7\nWIDTH 2\nHEIGHT 1\n", "PAM"},
        {"P6 a b c d", "header"},
        {"P6 2 1 0\n000000", "header"},
        {"P6 2 1 65536\n000000", "header"},
        {"P6 0 1 255\n000000", "0x1"},
        {"P6 2 1 255\n00000", "ends too early"},
        {"P5 99999 99999 255\n0", "too large"},
        {"P5 9999999999 1 255\n0", "header"},
        {"P2 2 1 9 1 10 ", "number from 0 to 9"},
        {"P2 2 1 9 1 x  ", "number from 0 to 9"},
        {"P3 1 1 255 1 2  ", "number"},
    };
    for (size_t i = 0; i < RS_COUNT(bad); i++)
        expect_refused(bad[i].text, strlen(bad[i].text), bad[i].word);
    expect_cuts("rgb.ppm");
    expect_cuts("bits.pbm");
    change_bytes("plain_rgb.ppm");
    change_bytes("grey16.pgm");
}

/* White, which is 0. */
static void makes_large_images_smaller(void **state)
{
    (void)state;
    static const char header[] = "P4 8300 8200\n";
    const size_t bytes = sizeof header - 1 + (size_t)1038 * 8200;
    uint8_t *data = calloc(bytes, 1);
    assert_non_null(data);
    memcpy(data, header, sizeof header - 1);
    expect_smaller(data, bytes, (const uint8_t[]){255, 255, 255});
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind), cmocka_unit_test(reads_headers_as_people_write_them),
        cmocka_unit_test(scales_samples),   cmocka_unit_test(scales_the_bits_that_are_used),
        cmocka_unit_test(refuses_damage),   cmocka_unit_test(makes_large_images_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
