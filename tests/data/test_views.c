/* The inputs of one image. */
#include "error.h"
#include "loader.h"
#include "testing.h"
#include "views.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 4, WIDTH = 11, HEIGHT = 8, INPUT = SIDE * SIDE * 3 };

/* Whether an input is the rectangle at (left, top) of an image, or the mirror image of that. */
static bool is_rectangle(const uint8_t *input, const rescl_image *image, size_t left, size_t top,
                         bool mirror)
{
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++) {
            const size_t from = mirror ? SIDE - 1 - x : x;
            const uint8_t *p = image->pixels + ((top + y) * image->width + left + from) * 3;
            if (memcmp(input + (y * SIDE + x) * 3, p, 3) != 0)
                return false;
        }
    return true;
}

/* torchvision's ten_crop, where the centre comes first. A shorter side of 8 leaves the image as it is; the
 * centre of its mirror image lies a pixel aside, as 7 columns are left over. */
static void crops_are_torchvisions(void **state)
{
    static const size_t at[10][2] = {{4, 2}, {0, 0}, {7, 0}, {0, 4}, {7, 4},
                                     {3, 2}, {0, 0}, {7, 0}, {0, 4}, {7, 4}};
    rescl_image image = {.width = WIDTH, .height = HEIGHT, .pixels = malloc(WIDTH * HEIGHT * 3)};
    uint8_t inputs[RS_VIEWS_MOST][INPUT], red_last[RS_VIEWS_MOST][INPUT];
    const rescl_resize resize = {.resize_size = HEIGHT};
    (void)state;
    assert_non_null(image.pixels);
    for (uint32_t i = 0; i < WIDTH * HEIGHT * 3; i++)
        image.pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(rs_views_count(RESCL_TTA_TEN_CROP), 10);
    assert_ok(rs_views_make(&image, RESCL_TTA_TEN_CROP, SIDE, SIDE, &resize, RESCL_PREPROCESS_UNIT,
                            inputs[0], INPUT));
    for (size_t i = 0; i < 10; i++)
        if (!is_rectangle(inputs[i], &image, at[i][0], at[i][1], i >= 5))
            fail_msg("input %zu is another part of the image", i);
    assert_ok(rs_views_make(&image, RESCL_TTA_TEN_CROP, SIDE, SIDE, &resize, RESCL_PREPROCESS_CAFFE,
                            red_last[0], INPUT));
    for (size_t i = 0; i < sizeof inputs; i += 3)
        assert_true((&inputs[0][0])[i] == (&red_last[0][0])[i + 2]);
    rescl_image_free(&image);
}

/* The first input is what there is without the others. */
static void flips_what_is_seen(void **state)
{
    rescl_image image = {.width = SIDE, .height = SIDE, .pixels = calloc(1, INPUT)};
    uint8_t inputs[2][INPUT], plain[INPUT];
    (void)state;
    assert_non_null(image.pixels);
    for (uint32_t i = 0; i < INPUT; i++)
        image.pixels[i] = (uint8_t)(5 * i);
    assert_int_equal(rs_views_count(RESCL_TTA_NONE), 1);
    assert_int_equal(rs_views_count(RESCL_TTA_FLIP), 2);
    assert_ok(rs_views_make(&image, RESCL_TTA_NONE, SIDE, SIDE, &(rescl_resize){0},
                            RESCL_PREPROCESS_UNIT, plain, 0));
    assert_ok(rs_views_make(&image, RESCL_TTA_FLIP, SIDE, SIDE, &(rescl_resize){0},
                            RESCL_PREPROCESS_UNIT, inputs[0], INPUT));
    assert_memory_equal(inputs[0], plain, INPUT);
    assert_true(is_rectangle(inputs[1], &image, 0, 0, true));
    assert_string_equal(rescl_tta_name(RESCL_TTA_TEN_CROP), "ten_crop");
    assert_null(rescl_tta_name((rescl_tta)3));
    rescl_image_free(&image);
}

/* All of this image at the size of its input would be 34 GB. */
static void crops_long_images(void **state)
{
    enum { LONG = 65500, LARGE = 416 };
    rescl_image image = {.width = LONG, .height = 1, .pixels = malloc(LONG * 3)};
    const size_t stride = LARGE * LARGE * 3;
    uint8_t *inputs = malloc(RS_VIEWS_MOST * stride);
    (void)state;
    assert_true(image.pixels && inputs);
    memset(image.pixels, 10, LONG * 3);
    memset(image.pixels + (LONG - 1) * 3, 200, 3);
    assert_ok(rs_views_make(&image, RESCL_TTA_TEN_CROP, LARGE, LARGE, &(rescl_resize){0},
                            RESCL_PREPROCESS_UNIT, inputs, stride));
    assert_int_equal(inputs[0], 10);
    assert_int_equal(inputs[stride * 3 - 1], 200);
    assert_int_equal(inputs[stride * 7], 200); /* the mirror image of that */
    free(inputs);
    rescl_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_torchvisions),
        cmocka_unit_test(flips_what_is_seen),
        cmocka_unit_test(crops_long_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
