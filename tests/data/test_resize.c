#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "loader.h"
#include "resize_golden.h"

static rescl_image golden_image(size_t width, size_t height)
{
    rescl_image image = {.width = width, .height = height, .pixels = malloc(width * height * 3)};
    assert_non_null(image.pixels);
    for (size_t i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)((uint32_t)(i * 2654435761u) >> 24);
    return image;
}

static uint8_t *fitted(const rescl_image *image, size_t height, size_t width,
                       const rescl_resize *resize)
{
    uint8_t *dst = malloc(height * width * 3);
    assert_non_null(dst);
    assert_ok(rs_image_to_input(image, height, width, resize, RESCL_PREPROCESS_UNIT, dst));
    return dst;
}

static const rescl_resize plain = {0};

static uint8_t *resized(const rescl_image *image, size_t height, size_t width)
{
    return fitted(image, height, width, &plain);
}

static void equals_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(goldens); i++) {
        rescl_image image = golden_image(goldens[i].w, goldens[i].h);
        const rescl_resize resize = {.resize_size = goldens[i].resize_size,
                                     .interpolation = goldens[i].interpolation};
        uint8_t *got = fitted(&image, goldens[i].out_h, goldens[i].out_w, &resize);
        assert_memory_equal(got, goldens[i].pixels, goldens[i].out_h * goldens[i].out_w * 3);
        free(got);
        rescl_image_free(&image);
    }
}

static void keeps_images_of_the_right_size(void **state)
{
    (void)state;
    rescl_image image = golden_image(12, 9);
    uint8_t *got = resized(&image, 9, 12);
    assert_memory_equal(got, image.pixels, 12 * 9 * 3);
    free(got);
    rescl_image_free(&image);
}

/* Crops made before stay whole; other sizes are fitted as ever. */
static void keeps_exact_images(void **state)
{
    (void)state;
    const rescl_resize larger = {.resize_size = 12}, kept = {.resize_size = 12, .keep_exact = true};
    rescl_image exact = golden_image(9, 9), other = golden_image(10, 9);
    uint8_t *got = fitted(&exact, 9, 9, &kept), *cropped = fitted(&exact, 9, 9, &larger);
    assert_memory_equal(got, exact.pixels, 9 * 9 * 3);
    assert_memory_not_equal(cropped, exact.pixels, 9 * 9 * 3);
    free(got);
    free(cropped);
    got = fitted(&other, 9, 9, &kept);
    cropped = fitted(&other, 9, 9, &larger);
    assert_memory_equal(got, cropped, 9 * 9 * 3);
    free(got);
    free(cropped);
    rescl_image_free(&exact);
    rescl_image_free(&other);
}

static void keeps_one_color(void **state)
{
    (void)state;
    rescl_image image = golden_image(37, 21);
    memset(image.pixels, 200, 37 * 21 * 3);
    uint8_t *got = resized(&image, 8, 8);
    for (size_t i = 0; i < 8 * 8 * 3; i++)
        assert_int_equal(got[i], 200);
    free(got);
    rescl_image_free(&image);
}

static void expect_close(float got, double want)
{
    if (fabs((double)got - want) > 1e-6 * (1 + fabs(want)))
        fail_msg("%.9g, expected %.9g", (double)got, want);
}

/* What the network reads of the pixel 255, 51, 0. */
static rescl_status read_pixel(rescl_preprocess p, const rescl_normalize *normalize, float dst[3])
{
    rescl_status st = RESCL_OK;
    uint8_t pixel[3] = {255, 51, 0}, input[3];
    const rescl_image image = {.width = 1, .height = 1, .pixels = pixel};
    float table[4][256];
    RS_TRY(rs_preprocess_table(p, normalize, 3, table));
    RS_TRY(rs_image_to_input(&image, 1, 1, &plain, p, input));
    for (size_t c = 0; c < 3; c++)
        dst[c] = table[c][input[c]];
out:
    return st;
}

static void preprocesses(void **state)
{
    (void)state;
    float dst[3];
    assert_ok(read_pixel(RESCL_PREPROCESS_UNIT, NULL, dst));
    expect_close(dst[0], 1.0);
    expect_close(dst[1], 0.2);
    expect_close(dst[2], 0.0);
    assert_ok(read_pixel(RESCL_PREPROCESS_TORCH, NULL, dst));
    expect_close(dst[0], (1.0 - 0.485) / 0.229);
    expect_close(dst[1], (0.2 - 0.456) / 0.224);
    expect_close(dst[2], (0.0 - 0.406) / 0.225);
    assert_ok(read_pixel(RESCL_PREPROCESS_CAFFE, NULL, dst));
    expect_close(dst[0], 0 - 103.939);
    expect_close(dst[1], 51 - 116.779);
    expect_close(dst[2], 255 - 123.68);
    const rescl_normalize cifar = {{0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.201}};
    const rescl_normalize torch = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    float same[3];
    assert_ok(read_pixel(RESCL_PREPROCESS_NORMALIZE, &cifar, dst));
    expect_close(dst[0], (1.0 - 0.4914) / 0.2023);
    expect_close(dst[1], (0.2 - 0.4822) / 0.1994);
    expect_close(dst[2], (0.0 - 0.4465) / 0.201);
    assert_ok(read_pixel(RESCL_PREPROCESS_NORMALIZE, &torch, dst));
    assert_ok(read_pixel(RESCL_PREPROCESS_TORCH, NULL, same));
    assert_memory_equal(dst, same, sizeof dst);
    for (size_t i = 0; i < 4; i++) {
        const double wrong[4][2] = {{123.7, 0.2}, {0.5, 0.0}, {-0.1, 0.2}, {0.5, (double)NAN}};
        rescl_normalize bad = cifar;
        bad.mean[1] = wrong[i][0];
        bad.std[1] = wrong[i][1];
        assert_fails(read_pixel(RESCL_PREPROCESS_NORMALIZE, &bad, dst), RESCL_ERR_ARG,
                     "of channel 1: expected those of x / 255");
    }
    assert_string_equal(rescl_preprocess_name(RESCL_PREPROCESS_UNIT), "unit");
    assert_string_equal(rescl_preprocess_name(RESCL_PREPROCESS_TORCH), "torch");
    assert_string_equal(rescl_preprocess_name(RESCL_PREPROCESS_CAFFE), "caffe");
    assert_string_equal(rescl_preprocess_name(RESCL_PREPROCESS_NORMALIZE), "normalize");
    assert_null(rescl_preprocess_name((rescl_preprocess)4));
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    rescl_image image = golden_image(4, 4);
    const rescl_image none = {.width = 0, .height = 4, .pixels = image.pixels},
                      empty = {.width = 4, .height = 4, .pixels = NULL};
    uint8_t dst[3 * 16];
    float table[4][256];
    assert_fails(rs_image_to_input(&none, 4, 4, &plain, RESCL_PREPROCESS_UNIT, dst), RESCL_ERR_ARG,
                 "empty");
    assert_fails(rs_image_to_input(&empty, 4, 4, &plain, RESCL_PREPROCESS_UNIT, dst), RESCL_ERR_ARG,
                 "empty");
    assert_fails(rs_image_to_input(&image, 0, 4, &plain, RESCL_PREPROCESS_UNIT, dst), RESCL_ERR_ARG,
                 "0x4");
    assert_fails(rs_image_to_input(&image, SIZE_MAX / 2, 4, &plain, RESCL_PREPROCESS_UNIT, dst),
                 RESCL_ERR_ARG, "not possible");
    assert_fails(rs_image_to_input(&image, 4, 4, &plain, (rescl_preprocess)9, dst), RESCL_ERR_ARG,
                 "9");
    assert_fails(rs_preprocess_table((rescl_preprocess)9, NULL, 3, table), RESCL_ERR_ARG, "9");
    const rescl_resize small = {.resize_size = 3, .interpolation = RESCL_INTERPOLATION_NEAREST},
                       strange = {.interpolation = (rescl_interpolation)7};
    const rescl_resize huge = {.resize_size = SIZE_MAX / 2};
    assert_fails(rs_image_to_input(&image, 4, 4, &small, RESCL_PREPROCESS_UNIT, dst), RESCL_ERR_ARG,
                 "side of 3", "4x4");
    assert_fails(rs_image_to_input(&image, 4, 4, &strange, RESCL_PREPROCESS_UNIT, dst),
                 RESCL_ERR_ARG, "interpolation number 7");
    assert_fails(rs_image_to_input(&image, 4, 4, &huge, RESCL_PREPROCESS_UNIT, dst), RESCL_ERR_ARG,
                 "cannot be resized");
    assert_string_equal(rescl_interpolation_name(RESCL_INTERPOLATION_BILINEAR), "bilinear");
    assert_string_equal(rescl_interpolation_name(RESCL_INTERPOLATION_BICUBIC), "bicubic");
    assert_string_equal(rescl_interpolation_name(RESCL_INTERPOLATION_NEAREST), "nearest");
    assert_null(rescl_interpolation_name((rescl_interpolation)3));
    rescl_image_free(&image);
}

/* A line of a million pixels needs memory for the crop, not for the image it would blow up to. */
static void bears_thin_images(void **state)
{
    (void)state;
    rescl_image wide = golden_image(1000000, 1);
    const rescl_image tall = {.width = 1, .height = 1000000, .pixels = wide.pixels},
                      *both[] = {&wide, &tall};
    memset(wide.pixels + (size_t)499998 * 3, 77, (size_t)4 * 3); /* what the crop shows */
    for (size_t i = 0; i < RS_COUNT(both); i++) {
        uint8_t *got = resized(both[i], 16, 16);
        for (size_t k = 0; k < 16 * 16 * 3; k++)
            assert_int_equal(got[k], 77);
        free(got);
    }
    rescl_image_free(&wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pillow),      cmocka_unit_test(keeps_images_of_the_right_size),
        cmocka_unit_test(keeps_exact_images), cmocka_unit_test(keeps_one_color),
        cmocka_unit_test(preprocesses),       cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(bears_thin_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
