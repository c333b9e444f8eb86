#include "testing.h"

#include "imagecases.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "path.h"
#include "rng.h"

static const char *path_of(const char *name)
{
    return rs_test_path("%s/tests/data/images/%s", RESCL_TEST_SOURCE_DIR, name);
}

uint8_t *read_case(const char *name, size_t *bytes)
{
    char *data = NULL;
    assert_ok(rs_file_read(path_of(name), (size_t)1 << 20, &data, bytes));
    return (uint8_t *)data;
}

static void read_expected(const char *name, rescl_image *out)
{
    assert_ok(rescl_image_read(path_of(rs_test_path("%s.png", name)), out));
}

static bool are_equal(const rescl_image *a, const rescl_image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->pixels, b->pixels, a->width * a->height * 3) == 0;
}

/* The first difference in words. */
static void compare(const char *name, const rescl_image *got, const rescl_image *expected)
{
    if (got->width != expected->width || got->height != expected->height)
        fail_msg("%s: %zux%zu, expected %zux%zu", name, got->width, got->height, expected->width,
                 expected->height);
    for (size_t i = 0; i < got->width * got->height * 3; i++)
        if (got->pixels[i] != expected->pixels[i])
            fail_msg("%s: row %zu, column %zu, channel %zu: %d, expected %d", name,
                     i / 3 / got->width, i / 3 % got->width, i % 3, got->pixels[i],
                     expected->pixels[i]);
}

void expect_image(const char *name, const char *kind, unsigned notices)
{
    rescl_image image, expected;
    rescl_image_info info;
    unsigned got = 0;
    assert_ok(rescl_image_read_with(path_of(name), NULL, &image, &got));
    read_expected(name, &expected);
    compare(name, &image, &expected);
    assert_int_equal(got, notices);
    assert_ok(rescl_image_probe(path_of(name), &info));
    assert_string_equal(info.kind, kind);
    assert_non_null(info.colour);
    assert_int_equal(info.width * info.height, image.width * image.height);
    assert_true(rescl_image_has_suffix(name));
    rescl_image_free(&image);
    rescl_image_free(&expected);
}

void expect_smaller(const void *data, size_t bytes, const uint8_t rgb[3])
{
    rescl_image_options options;
    rescl_image image;
    unsigned notices = 0;
    rescl_image_options_default(&options);
    assert_ok(rescl_image_decode_with(data, bytes, "large", &options, &image, &notices));
    assert_int_equal(notices, RESCL_IMAGE_REDUCED);
    assert_int_equal(image.width, 2075);
    assert_int_equal(image.height, 2050);
    for (size_t i = 0; i < image.width * image.height; i++)
        if (memcmp(image.pixels + 3 * i, rgb, 3) != 0)
            fail_msg("pixel %zu differs", i);
    rescl_image_free(&image);
    options.max_pixels = RESCL_IMAGE_WHOLE_PIXELS;
    assert_fails(rescl_image_decode_with(data, bytes, "large", &options, &image, NULL),
                 RESCL_ERR_FORMAT, "8300x8200 is too large");
}

void expect_case_smaller(const char *name, const uint8_t rgb[3])
{
    size_t bytes;
    uint8_t *data = read_case(name, &bytes);
    expect_smaller(data, bytes, rgb);
    free(data);
}

void expect_limit(const char *name, const char *word)
{
    rescl_image_options options;
    rescl_image image;
    size_t bytes;
    uint8_t *data = read_case(name, &bytes);
    rescl_image_options_default(&options);
    options.max_pixels = 90;
    assert_fails(rescl_image_decode_with(data, bytes, "large", &options, &image, NULL),
                 RESCL_ERR_FORMAT, word);
    free(data);
}

void expect_cuts(const char *name)
{
    rescl_image expected;
    size_t bytes;
    uint8_t *data = read_case(name, &bytes);
    read_expected(name, &expected);
    for (size_t n = 0; n < bytes; n++) {
        rescl_image image;
        unsigned notices = 0;
        uint8_t *cut = malloc(n + 1); /* of that size, for what looks at accesses */
        assert_non_null(cut);
        memcpy(cut, data, n);
        const rescl_status st = rescl_image_decode_with(cut, n, name, NULL, &image, &notices);
        if (st == RESCL_OK && !are_equal(&image, &expected))
            fail_msg("%s: the first %zu of %zu bytes are taken for another image", name, n, bytes);
        if (st != RESCL_OK)
            assert_int_equal(st, RESCL_ERR_FORMAT);
        rescl_image_free(&image);
        free(cut);
    }
    rescl_image_free(&expected);
    free(data);
}

void change_bytes(const char *name)
{
    rescl_image_options options;
    size_t bytes;
    uint8_t *data = read_case(name, &bytes), *copy = malloc(bytes);
    rs_rng rng;
    assert_non_null(copy);
    rescl_image_options_default(&options);
    options.max_pixels = (size_t)1 << 20;
    rs_rng_init(&rng, 1, 1);
    for (int i = 0; i < 400; i++) {
        rescl_image image;
        memcpy(copy, data, bytes);
        for (uint32_t k = 0; k <= rs_rng_below(&rng, 3); k++)
            copy[rs_rng_below(&rng, (uint32_t)bytes)] = (uint8_t)rs_rng_u32(&rng);
        const rescl_status st = rescl_image_decode_with(copy, bytes, name, &options, &image, NULL);
        assert_true(st == RESCL_OK || st == RESCL_ERR_FORMAT);
        rescl_image_free(&image);
    }
    free(copy);
    free(data);
}

void expect_refused(const void *data, size_t bytes, const char *word)
{
    rescl_image image;
    assert_fails(rescl_image_decode(data, bytes, "made.image", &image), RESCL_ERR_FORMAT,
                 "made.image: ", word);
    assert_null(image.pixels);
}
