/* Changes of images against torchvision's and Keras' (tests/golden/make_augment.py), at the numbers that
 * were drawn there. */
#include "autoops.h"
#include "colour.h"
#include "cut.h"
#include "error.h"
#include "flip.h"
#include "loader.h"
#include "safetensors.h"
#include "testing.h"
#include "warp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NUMBERS 16
#define RADIANS      (3.14159265358979323846 / 180)

typedef rescl_status (*change)(rescl_image *image, const double *n, size_t count);

static const rs_fill black = {RS_FILL_CONSTANT, 0};

/* angle, translate_x, translate_y, scale, shear_x, shear_y, grey */
static rescl_status affine(rescl_image *image, const double *n, size_t count)
{
    const rs_affine a = {.angle = n[0] * RADIANS,
                         .translate_x = n[1],
                         .translate_y = n[2],
                         .scale = n[3],
                         .shear_x = n[4] * RADIANS,
                         .shear_y = n[5] * RADIANS,
                         .center_x = (double)image->width / 2,
                         .center_y = (double)image->height / 2};
    double m[8];
    assert_int_equal(count, 7);
    rs_affine_inverse(&a, m);
    return rs_image_warp(image, m, rs_fill_of(RS_FILL_CONSTANT, n[6]));
}

/* x, y of the corners, clockwise from the top left */
static rescl_status perspective(rescl_image *image, const double *n, size_t count)
{
    const double right = (double)image->width - 1, bottom = (double)image->height - 1;
    double from[4][2] = {{0, 0}, {right, 0}, {right, bottom}, {0, bottom}}, to[4][2], m[8];
    assert_int_equal(count, 8);
    memcpy(to, n, sizeof to);
    assert_true(rs_perspective_inverse(from, to, m));
    return rs_image_warp(image, m, black);
}

/* left, top, width, height, side of the input */
static rescl_status crop(rescl_image *image, const double *n, size_t count)
{
    const rs_rect r = {(size_t)n[0], (size_t)n[1], (size_t)n[2], (size_t)n[3]};
    const rescl_resize resize = {.interpolation = RESCL_INTERPOLATION_BILINEAR};
    rescl_status st = RESCL_OK;
    assert_int_equal(count, 5);
    RS_TRY(rs_image_cut(image, &r));
    RS_TRY(rs_image_fit(image, (size_t)n[4], (size_t)n[4], &resize, true));
out:
    return st;
}

/* operation, magnitude */
static rescl_status automatic(rescl_image *image, const double *n, size_t count)
{
    assert_int_equal(count, 2);
    return rs_image_auto(image, (rs_auto_op)n[0], n[1], black);
}

/* 0: left and right, 1: top and bottom */
static rescl_status flip(rescl_image *image, const double *n, size_t count)
{
    assert_int_equal(count, 1);
    if (n[0] > 0)
        rs_image_upside_down(image);
    else
        rs_image_mirror(image);
    return RESCL_OK;
}

static rescl_status hue(rescl_image *image, const double *n, size_t count)
{
    assert_int_equal(count, 1);
    rs_image_shift_hue(image, n[0]);
    return RESCL_OK;
}

static rescl_status grayscale(rescl_image *image, const double *n, size_t count)
{
    (void)n;
    assert_int_equal(count, 0);
    rs_image_grey(image);
    return RESCL_OK;
}

static rescl_status blur(rescl_image *image, const double *n, size_t count)
{
    assert_int_equal(count, 1);
    return rs_image_blur(image, n[0]);
}

/* left, top, width, height; filled with the colour that torchvision's means leave at 0 */
static rescl_status erase(rescl_image *image, const double *n, size_t count)
{
    const rs_rect r = {(size_t)n[0], (size_t)n[1], (size_t)n[2], (size_t)n[3]};
    float table[4][256];
    uint8_t mean[4];
    assert_int_equal(count, 4);
    assert_ok(rs_preprocess_table(RESCL_PREPROCESS_TORCH, NULL, 3, table));
    rs_preprocess_mean(RESCL_PREPROCESS_TORCH, (const float(*)[256])table, mean);
    rs_image_erase(image, &r, mean);
    return RESCL_OK;
}

/* m0 to m5, mode, grey; and angle, scale, translate_x, translate_y where these alone give them */
static rescl_status keras(rescl_image *image, const double *n, size_t count)
{
    const rs_fill fill = rs_fill_of(n[6], n[7]);
    double m[8] = {n[0], n[1], n[2], n[3], n[4], n[5]}, own[8];
    if (count > 8) {
        const rs_affine a = {.angle = n[8] * RADIANS,
                             .scale = n[9],
                             .translate_x = n[10],
                             .translate_y = n[11],
                             .center_x = (double)image->width / 2,
                             .center_y = (double)image->height / 2};
        rs_affine_inverse(&a, own);
        for (size_t i = 0; i < 8; i++)
            assert_true(fabs(own[i] - m[i]) < 1e-9);
    }
    return rs_image_warp(image, m, fill);
}

static double mean_difference(const uint8_t *a, const uint8_t *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += abs(a[i] - b[i]);
    return sum / (double)count;
}

static void *read_tensor(const rs_st_file *f, const rs_st_tensor *t)
{
    void *data = malloc(t->bytes + 1);
    assert_non_null(data);
    assert_ok(rs_st_read(f, t, data));
    return data;
}

/* One case: `out` is its image. */
static void check_case(const rs_st_file *f, const rs_st_tensor *out, change apply)
{
    const rs_st_tensor *source = rs_st_find(f, "image"), *t;
    char name[96];
    snprintf(name, sizeof name, "%.*s.numbers", (int)(strlen(out->name) - strlen(".out")),
             out->name);
    assert_non_null(t = rs_st_find(f, name));
    assert_true(t->dim[0] <= MOST_NUMBERS);
    rescl_image image = {
        .width = source->dim[1], .height = source->dim[0], .pixels = read_tensor(f, source)};
    double *numbers = read_tensor(f, t);
    uint8_t *want = read_tensor(f, out);
    assert_ok(apply(&image, numbers, t->dim[0]));
    assert_int_equal(image.width, out->dim[1]);
    assert_int_equal(image.height, out->dim[0]);
    const double d = mean_difference(image.pixels, want, out->bytes);
    if (d > 1.0)
        fail_msg("%s: case %s differs by %.3f of 255 in the mean", rs_st_path(f), out->name, d);
    free(numbers);
    free(want);
    rescl_image_free(&image);
}

static void is_as_recorded(void **state)
{
    static const struct {
        const char *what;
        change apply;
    } files[] = {{"affine", affine},       {"perspective", perspective},
                 {"crop", crop},           {"auto", automatic},
                 {"flip", flip},           {"hue", hue},
                 {"grayscale", grayscale}, {"blur", blur},
                 {"erase", erase},         {"keras", keras}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        char path[256];
        rs_st_file *f = NULL;
        size_t cases = 0;
        snprintf(path, sizeof path, RESCL_TEST_SOURCE_DIR "/tests/golden/augment_%s.safetensors",
                 files[i].what);
        assert_ok(rs_st_open(path, &f));
        for (size_t k = 0; k < rs_st_count(f); k++) {
            const rs_st_tensor *t = rs_st_at(f, k);
            const size_t len = strlen(t->name);
            if (len > 4 && strcmp(t->name + len - 4, ".out") == 0) {
                check_case(f, t, files[i].apply);
                cases++;
            }
        }
        assert_true(cases > 0);
        rs_st_close(f);
    }
}

/* The magnitudes of the cases are those that the spaces give at these bins. */
static void magnitudes_are_torchvisions(void **state)
{
    const rescl_image image = {.width = 331, .height = 662};
    (void)state;
    assert_true(fabs(rs_auto_magnitude(RS_AUTO_TRANSLATE_X, RS_AUTO_USUAL, 1, &image) - 150) <
                1e-9);
    assert_true(fabs(rs_auto_magnitude(RS_AUTO_TRANSLATE_Y, RS_AUTO_USUAL, 1, &image) - 300) <
                1e-9);
    assert_true(rs_auto_magnitude(RS_AUTO_TRANSLATE_Y, RS_AUTO_WIDE, 1, &image) == 32);
    assert_true(fabs(rs_auto_magnitude(RS_AUTO_ROTATE, RS_AUTO_USUAL, 0.3, &image) - 9) < 1e-9);
    assert_true(rs_auto_magnitude(RS_AUTO_POSTERIZE, RS_AUTO_USUAL, 9 / 30.0, &image) == 7);
    assert_true(rs_auto_magnitude(RS_AUTO_POSTERIZE, RS_AUTO_WIDE, 1, &image) == 2);
    assert_true(rs_auto_magnitude(RS_AUTO_SOLARIZE, RS_AUTO_WIDE, 0, &image) == 255);
    assert_false(rs_auto_is_signed(RS_AUTO_POSTERIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_as_recorded),
        cmocka_unit_test(magnitudes_are_torchvisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
