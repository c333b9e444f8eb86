/* Random changes of images: what they do, and what they depend on. */
#include "augment.h"
#include "colour.h"
#include "error.h"
#include "hash.h"
#include "optionvalue.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The image of make_resize_golden.py. */
static rescl_image golden_image(size_t width, size_t height)
{
    rescl_image image = {.width = width, .height = height, .pixels = malloc(width * height * 3)};
    assert_non_null(image.pixels);
    for (uint32_t i = 0; i < width * height * 3; i++)
        image.pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    return image;
}

static rescl_image augmented(size_t width, size_t height, const rs_augment *a, uint64_t seed,
                             uint64_t epoch, uint64_t index)
{
    rescl_image image = golden_image(width, height);
    assert_ok(rs_image_augment(&image, a, RS_AUGMENT_SOURCE, seed, epoch, index));
    assert_ok(rs_image_augment(&image, a, RS_AUGMENT_INPUT, seed, epoch, index));
    return image;
}

static bool same(const rescl_image *a, const rescl_image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->pixels, b->pixels, a->width * a->height * 3) == 0;
}

/* ImageEnhance of Pillow 9.4 on an image of 4x3, to a rounding. */
static void colours_change_as_in_pillow(void **state)
{
    static const struct {
        rs_enhance what;
        double factor;
        uint8_t pixels[36];
    } goldens[] = {
        {RS_ENHANCE_BRIGHTNESS, 1.4, {0,   221, 84,  255, 168, 32,  253, 116, 255, 200, 64,  255,
                                      148, 11,  233, 96,  255, 180, 43,  255, 128, 255, 212, 75,
                                      255, 161, 23,  245, 109, 255, 193, 56,  255, 141, 4,   225}},
        {RS_ENHANCE_BRIGHTNESS, 0.6, {0,   94, 36,  130, 72,  13,  108, 49,  144, 85,  27, 122,
                                      63,  4,  100, 41,  136, 77,  18,  114, 55,  150, 91, 32,
                                      127, 69, 10,  105, 46,  141, 82,  24,  118, 60,  1,  96}},
        {RS_ENHANCE_CONTRAST, 1.3, {0,   170, 43,  248, 121, 0,   200, 73,  255, 151, 25,  230,
                                    103, 0,   182, 55,  255, 133, 5,   212, 85,  255, 163, 35,
                                    242, 115, 0,   193, 66,  255, 144, 17,  222, 96,  0,   174}},
        {RS_ENHANCE_CONTRAST, 0.5, {57,  136, 87,  166, 117, 69,  148, 99,  178, 129, 80,  159,
                                    110, 61,  141, 92,  171, 122, 73,  152, 103, 182, 133, 84,
                                    164, 115, 66,  145, 96,  175, 126, 77,  156, 108, 59,  138}},
        {RS_ENHANCE_COLOR, 1.5, {0,   187, 40,  255, 111, 0,   206, 59,  255, 168, 22,  255,
                                 131, 0,   223, 19,  255, 109, 0,   219, 72,  255, 143, 0,
                                 253, 106, 0,   200, 54,  255, 163, 16,  253, 126, 0,   216}},
        {RS_ENHANCE_COLOR, 0.25, {75,  114, 90,  158, 133, 109, 142, 118, 157, 105, 81,  120,
                                  67,  43,  83,  144, 183, 159, 106, 145, 121, 190, 165, 141,
                                  153, 128, 104, 137, 113, 152, 99,  75,  114, 62,  38,  77}},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(goldens); i++) {
        rescl_image image = golden_image(4, 3);
        assert_ok(rs_image_enhance(&image, goldens[i].what, goldens[i].factor));
        for (size_t k = 0; k < 36; k++)
            if (abs(image.pixels[k] - goldens[i].pixels[k]) > 1)
                fail_msg("golden %zu: byte %zu is %d, Pillow has %d", i, k, image.pixels[k],
                         goldens[i].pixels[k]);
        rescl_image_free(&image);
    }
}

static void nothing_is_changed_unasked(void **state)
{
    const rs_augment none = {0};
    rescl_image want = golden_image(7, 5), got = augmented(7, 5, &none, 1, 2, 3);
    (void)state;
    assert_true(same(&want, &got));
    rescl_image_free(&want);
    rescl_image_free(&got);
}

static void numbers_depend_on_seed_epoch_and_index(void **state)
{
    const rs_augment all = {
        .number = {
            [RS_AUGMENT_crop] = {0.25}, [RS_AUGMENT_hflip] = {0.5}, [RS_AUGMENT_jitter] = {0.4}}};
    rescl_image first = augmented(31, 29, &all, 1, 2, 3), again = augmented(31, 29, &all, 1, 2, 3);
    (void)state;
    assert_true(same(&first, &again));
    for (uint64_t i = 0; i < 3; i++) {
        rescl_image other = augmented(31, 29, &all, 1 + (i == 0), 2 + (i == 1), 3 + (i == 2));
        assert_false(same(&first, &other));
        rescl_image_free(&other);
    }
    rescl_image_free(&first);
    rescl_image_free(&again);
}

static void half_of_the_images_are_mirrored(void **state)
{
    const rs_augment flip = {.number[RS_AUGMENT_hflip] = {0.5}};
    rescl_image plain = golden_image(5, 3), mirrored = golden_image(5, 3);
    size_t flipped = 0;
    (void)state;
    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < 5; x++)
            memcpy(mirrored.pixels + (y * 5 + x) * 3, plain.pixels + (y * 5 + 4 - x) * 3, 3);
    for (uint64_t i = 0; i < 400; i++) {
        rescl_image got = augmented(5, 3, &flip, 9, 0, i);
        assert_true(same(&got, &plain) || same(&got, &mirrored));
        flipped += same(&got, &mirrored);
        rescl_image_free(&got);
    }
    assert_in_range(flipped, 150, 250);
    rescl_image_free(&plain);
    rescl_image_free(&mirrored);
}

/* Squares of the image's pixels, of every size from the smallest to the largest, that reach
 * every edge. */
static void crops_are_squares_of_the_image(void **state)
{
    enum { W = 12, H = 10 };
    const rs_augment quarter = {.number[RS_AUGMENT_crop] = {0.25}};
    rescl_image whole = golden_image(W, H);
    size_t smallest = W, largest = 0;
    bool reached[4] = {false};
    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        rescl_image got = augmented(W, H, &quarter, 5, 1, i);
        const size_t side = got.width;
        bool found = false;
        assert_int_equal(got.height, side);
        for (size_t top = 0; top + side <= H; top++)
            for (size_t left = 0; left + side <= W; left++) {
                bool equal = true;
                for (size_t y = 0; y < side; y++)
                    equal =
                        equal && memcmp(got.pixels + y * side * 3,
                                        whole.pixels + ((top + y) * W + left) * 3, side * 3) == 0;
                if (!equal)
                    continue;
                found = true;
                reached[0] |= top == 0;
                reached[1] |= left == 0;
                reached[2] |= top + side == H;
                reached[3] |= left + side == W;
            }
        assert_true(found);
        smallest = side < smallest ? side : smallest;
        largest = side > largest ? side : largest;
        rescl_image_free(&got);
    }
    assert_int_equal(smallest, 5); /* sqrt(12 * 10 / 4) is 5.5 */
    assert_int_equal(largest, H);
    assert_true(reached[0] && reached[1] && reached[2] && reached[3]);
    rescl_image_free(&whole);
}

/* No square of half the area fits into 20x2: the one in the middle is taken. */
static void a_long_image_gives_its_middle(void **state)
{
    const rs_augment half = {.number[RS_AUGMENT_crop] = {0.5}};
    rescl_image whole = golden_image(20, 2), got = augmented(20, 2, &half, 5, 1, 0);
    (void)state;
    assert_int_equal(got.width, 2);
    assert_int_equal(got.height, 2);
    for (size_t y = 0; y < 2; y++)
        assert_memory_equal(got.pixels + y * 6, whole.pixels + (y * 20 + 9) * 3, 6);
    rescl_image_free(&whole);
    rescl_image_free(&got);
}

/* The defaults of an augmentation's options. */
static void defaults_of(const rs_augment_def *def, double *value)
{
    for (size_t k = 0; k < RS_AUGMENT_NUMBERS; k++)
        value[k] = def->options[k] ? rs_option_default_number(def->options[k]) : 0.0;
}

/* A number that shows: the middle of the range of a probability or a share, many degrees, any choice
 * but the first. */
static double strong(const rescl_option *o)
{
    if (o->type == RESCL_OPTION_CHOICE)
        return 2;
    return rs_option_check_number(o, 30) == RESCL_OK ? 30 : 0.5;
}

/* What holds for each strength of each of them: by default it leaves images alone, and its changes stay
 * the same for the same image, keep it whole, and leave its size alone unless they crop. */
static void all_keep_to_the_contract(void **state)
{
    (void)state;
    assert_null(rs_augment_at(RS_AUGMENT_COUNT));
    for (size_t n = 0; n < RS_AUGMENT_COUNT * RS_AUGMENT_NUMBERS; n++) {
        const size_t i = n / RS_AUGMENT_NUMBERS, k = n % RS_AUGMENT_NUMBERS;
        const rs_augment_def *def = rs_augment_at(i);
        double value[RS_AUGMENT_NUMBERS];
        rs_augment a = {0};
        if (k >= def->strengths || def->stage == RS_AUGMENT_BATCH)
            continue;
        const rescl_option *o = def->options[k];
        assert_non_null(o->help);
        defaults_of(def, value);
        rs_augment_set(&a, i, value);
        assert_false(rs_augment_is_on(&a, i));
        value[k] = strong(o);
        rs_augment_set(&a, i, value);
        assert_true(rs_augment_is_on(&a, i) && rs_augment_acts(&a, def->stage));
        assert_true(rs_augment_crops(&a) == def->crops);
        bool changes = false;
        for (uint64_t image = 0; image < 20; image++) {
            rescl_image plain = golden_image(23, 17), got = augmented(23, 17, &a, 3, 1, image);
            rescl_image again = augmented(23, 17, &a, 3, 1, image);
            assert_true(same(&got, &again));
            assert_true(def->crops || (got.width == 23 && got.height == 17));
            changes = changes || !same(&got, &plain);
            rescl_image_free(&plain);
            rescl_image_free(&got);
            rescl_image_free(&again);
        }
        if (!changes)
            fail_msg("%s changes nothing", o->name);
    }
}

/* Every augmentation at once, on images down to a single pixel. */
static void small_images_survive(void **state)
{
    static const size_t sides[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {40, 3}};
    rs_augment a = {0};
    (void)state;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++) {
        const rs_augment_def *def = rs_augment_at(i);
        double value[RS_AUGMENT_NUMBERS];
        defaults_of(def, value);
        for (size_t k = 0; k < def->strengths; k++)
            value[k] = strong(def->options[k]);
        rs_augment_set(&a, i, value);
    }
    for (size_t mode = 0; mode < 4; mode++)
        for (size_t policy = 1; policy <= 5; policy++)
            for (uint64_t i = 0; i < 60; i++) {
                const size_t *side = sides[i % RS_COUNT(sides)];
                a.number[RS_AUGMENT_affine][5] = a.number[RS_AUGMENT_perspective][1] = (double)mode;
                a.number[RS_AUGMENT_auto][0] = (double)policy;
                a.number[RS_AUGMENT_auto][2] = (double)mode;
                rescl_image got = augmented(side[0], side[1], &a, 8, mode, i);
                assert_true(got.width > 0 && got.height > 0);
                rescl_image_free(&got);
            }
}

/* Rectangles from 1/2 to 2 times as wide as high, both of which occur. */
static void crops_have_their_ratio(void **state)
{
    const rs_augment a = {.number[RS_AUGMENT_crop] = {0.1, 2}};
    double narrowest = 9, widest = 0;
    (void)state;
    assert_true(rs_augment_stretches(&a));
    for (uint64_t i = 0; i < 300; i++) {
        rescl_image got = augmented(60, 50, &a, 5, 1, i);
        const double ratio = (double)got.width / (double)got.height;
        narrowest = ratio < narrowest ? ratio : narrowest;
        widest = ratio > widest ? ratio : widest;
        rescl_image_free(&got);
    }
    assert_true(narrowest > 0.45 && narrowest < 0.6 && widest < 2.2 && widest > 1.7);
}

static void idle_options_are_refused(void **state)
{
    double value[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS];
    (void)state;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++)
        defaults_of(rs_augment_at(i), value[i]);
    assert_ok(rs_augment_check(value));
    value[RS_AUGMENT_crop][1] = 1.5;
    assert_fails(rs_augment_check(value), RESCL_ERR_ARG, "ratio changes nothing",
                 "it is about scale");
    value[RS_AUGMENT_crop][0] = 0.5;
    assert_ok(rs_augment_check(value));
    value[RS_AUGMENT_affine][5] = value[RS_AUGMENT_perspective][1] = value[RS_AUGMENT_auto][2] = 2;
    assert_fails(rs_augment_check(value), RESCL_ERR_ARG, "fill_mode changes nothing",
                 "degrees, translate_x, translate_y, zoom, shear, perspective, auto_augment");
    value[RS_AUGMENT_perspective][0] = 0.5;
    assert_ok(rs_augment_check(value));
    value[RS_AUGMENT_auto][0] = 2;
    value[RS_AUGMENT_auto][1] = 15;
    assert_fails(rs_augment_check(value), RESCL_ERR_ARG, "ra_magnitude 15",
                 "auto_augment is ta_wide");
}

/* Two images of a set, changed in all ways, as they came out before there was a list of ways. */
static void changes_are_those_of_before(void **state)
{
    static const char *const want[] = {"fe889789d3fd4da41589ab12be864c23",
                                       "fa540fae02d776466548ed78d5611a6b"};
    const rs_augment all = {
        .number = {
            [RS_AUGMENT_crop] = {0.25}, [RS_AUGMENT_hflip] = {0.5}, [RS_AUGMENT_jitter] = {0.4}}};
    (void)state;
    for (uint64_t i = 0; i < RS_COUNT(want); i++) {
        rescl_image got = augmented(31, 29, &all, 1, 2, i);
        char hash[33];
        rs_hash_hex(rs_hash_bytes(got.pixels, got.width * got.height * 3), hash);
        assert_string_equal(hash, want[i]);
        rescl_image_free(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_change_as_in_pillow),
        cmocka_unit_test(nothing_is_changed_unasked),
        cmocka_unit_test(numbers_depend_on_seed_epoch_and_index),
        cmocka_unit_test(half_of_the_images_are_mirrored),
        cmocka_unit_test(crops_are_squares_of_the_image),
        cmocka_unit_test(a_long_image_gives_its_middle),
        cmocka_unit_test(all_keep_to_the_contract),
        cmocka_unit_test(small_images_survive),
        cmocka_unit_test(crops_have_their_ratio),
        cmocka_unit_test(idle_options_are_refused),
        cmocka_unit_test(changes_are_those_of_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
