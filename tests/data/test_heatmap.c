#include "testing.h"

#include "heatmap.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 8 };

static const rs_view whole = {.width = SIDE, .height = SIDE};

static rescl_image gray(uint8_t value)
{
    rescl_image image = {.width = SIDE, .height = SIDE, .pixels = malloc((size_t)SIDE * SIDE * 3)};
    assert_non_null(image.pixels);
    memset(image.pixels, value, (size_t)SIDE * SIDE * 3);
    return image;
}

static void overlay(const float *map, size_t h, size_t w, const rs_view *view, uint8_t value,
                    rescl_image *out)
{
    rescl_image image = gray(value);
    const rs_heatmap heat = {h, w, map};
    assert_ok(rs_heatmap_overlay(&heat, &image, view, SIDE, SIDE, out));
    assert_int_equal(out->width, SIDE);
    assert_int_equal(out->height, SIDE);
    rescl_image_free(&image);
}

static void expect(const rescl_image *image, size_t x, size_t y, int r, int g, int b)
{
    const uint8_t *p = image->pixels + (y * SIDE + x) * 3;
    if (abs(p[0] - r) > 1 || abs(p[1] - g) > 1 || abs(p[2] - b) > 1)
        fail_msg("pixel (%zu, %zu): %d %d %d, expected %d %d %d", x, y, p[0], p[1], p[2], r, g, b);
}

/* 40 % of the gray and 60 % of the colour: magma begins with (0, 0, 4) and ends with (252, 253, 191).
 */
static void colours_the_ends(void **state)
{
    (void)state;
    const float map[] = {0, 5}, none[] = {0, 0, 0, 0};
    rescl_image out;
    overlay(map, 1, 2, &whole, 100, &out);
    for (size_t y = 0; y < SIDE; y++) {
        expect(&out, 0, y, 40, 40, 42);
        expect(&out, 1, y, 40, 40, 42); /* before the middle of the first sample */
        expect(&out, SIDE - 1, y, 191, 192, 155);
    }
    rescl_image_free(&out);
    overlay(none, 2, 2, &whole, 100, &out);
    for (size_t y = 0; y < SIDE; y++)
        expect(&out, y, SIDE - 1 - y, 40, 40, 42);
    rescl_image_free(&out);
}

static int lightness(const rescl_image *image, size_t x, size_t y)
{
    const uint8_t *p = image->pixels + (y * SIDE + x) * 3;
    return 299 * p[0] + 587 * p[1] + 114 * p[2];
}

/* Between samples the heat is linear: lightness never falls towards the larger one. */
static void grows_evenly(void **state)
{
    (void)state;
    const float map[] = {0, 1, 2, 3};
    rescl_image out;
    overlay(map, 2, 2, &whole, 0, &out);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 1; x < SIDE; x++)
            assert_true(lightness(&out, x, y) >= lightness(&out, x - 1, y));
    assert_true(lightness(&out, 0, 0) < lightness(&out, SIDE - 1, SIDE - 1));
    /* Pixel 3 of 8 lies at 1.25 of 4 half samples: 3/8 of the way from sample 0 to 1. */
    const float line[] = {0, 16};
    rescl_image_free(&out);
    overlay(line, 1, 2, &whole, 0, &out);
    expect(&out, 3, 0, 79, 23, 77); /* the sixth colour of 16: (131, 38, 129) */
    rescl_image_free(&out);
}

static void dims_what_is_not_seen(void **state)
{
    (void)state;
    const float map[] = {1};
    const rs_view crop = {.width = 2 * SIDE, .height = 2 * SIDE, .left = SIDE, .top = 0};
    rescl_image out;
    overlay(map, 1, 1, &crop, 100, &out);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++)
            if (x >= SIDE / 2 && y < SIDE / 2)
                expect(&out, x, y, 191, 192, 155);
            else
                expect(&out, x, y, 40, 40, 40);
    rescl_image_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_the_ends),
        cmocka_unit_test(grows_evenly),
        cmocka_unit_test(dims_what_is_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
