#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <rescl/data.h>

#include "error.h"
#include "fixed.h"
#include "handsigns.h"
#include "hash.h"

static rescl_dataset *open_hands(const char *split, size_t samples, size_t size, uint64_t seed)
{
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = "handsigns",
                                        .split = split,
                                        .image_size = size,
                                        .samples = samples,
                                        .seed = seed};
    rescl_dataset *set = NULL;
    assert_ok(rescl_dataset_open(&options, &set));
    return set;
}

/* Image `index` and its label, as a hash. */
static void hash_image(const rescl_dataset *set, size_t index, char hex[33], int32_t *label)
{
    rescl_image image;
    assert_ok(rescl_dataset_get(set, index, &image, label));
    rs_hash_hex(rs_hash_bytes(image.pixels, image.width * image.height * 3), hex);
    rescl_image_free(&image);
}

/* The pixels are part of the format: these were computed once, and every machine must agree. */
static void draws_the_same_everywhere(void **state)
{
    (void)state;
    static const struct {
        const char *split;
        size_t size, index;
        uint64_t seed;
        int32_t label;
        const char *hash;
    } golden[] = {
        {"train", 64, 0, 0u, 5, "b68366eac278c74a13fa7e87fd4b46d6"},
        {"train", 64, 1, 0u, 0, "d24ce7aa7f3d163e52d4e5ca6dbe82b0"},
        {"train", 64, 2, 0u, 2, "8e02182960af7ebacb4c9042af6bdfab"},
        {"train", 64, 3, 0u, 4, "198723cbc98013d9f8f18b2012f20583"},
        {"train", 64, 4, 0u, 1, "04952346be2d1e9b65d931d646de8b1e"},
        {"train", 64, 5, 0u, 3, "94d3b4739f0f2ae0134b6f0f809ffc83"},
        {"train", 64, 999999, 0u, 3, "f86c24e612cb9305dd79ce9c8e3cbdbd"},
        {"test", 64, 0, 0u, 2, "140a80f4804d419febb64b6bd1c0a267"},
        {"test", 64, 119, 0u, 5, "87fbb43bed5c15712fb302b0f0d965bb"},
        {"train", 64, 17, 81985529216486895u, 1, "818cdc9acf10b85b8ab4d4baf0c7638e"},
        {"test", 97, 3, 7u, 3, "86355356783e033631ef08e58c191735"},
        {"train", 8, 40, 1u, 5, "4219903c8581f4ba61a7bd00b3a80889"},
        {"train", 224, 12, 0u, 5, "c7a39600ec4130ad7f8195bd97a40931"},
        {"test", 1024, 1, 2u, 4, "d65bb5e3fc8985a9f3e9a644f354d6b6"},
    };
    for (size_t i = 0; i < RS_COUNT(golden); i++) {
        rescl_dataset *set = open_hands(golden[i].split, 1000000, golden[i].size, golden[i].seed);
        char hex[33];
        int32_t label;
        hash_image(set, golden[i].index, hex, &label);
        assert_int_equal(label, golden[i].label);
        assert_string_equal(hex, golden[i].hash);
        rescl_dataset_close(set);
    }
}

static void shows_each_class_alike_often(void **state)
{
    (void)state;
    size_t in_order = 0;
    rescl_dataset *set = open_hands("train", 60, 8, 5);
    for (size_t block = 0; block < 10; block++) {
        unsigned seen = 0;
        for (size_t i = 0; i < 6; i++) {
            char hex[33];
            int32_t label;
            hash_image(set, block * 6 + i, hex, &label);
            assert_in_range(label, 0, 5);
            seen |= 1u << label;
            in_order += (size_t)label == i;
        }
        assert_int_equal(seen, 63);
    }
    assert_true(in_order < 30); /* 10 are expected of a shuffle */
    rescl_dataset_close(set);
}

static void does_not_depend_on_how_many(void **state)
{
    (void)state;
    rescl_dataset *few = open_hands("test", 7, 16, 1), *many = open_hands("test", 1000, 16, 1);
    for (size_t i = 0; i < 7; i++) {
        char a[33], b[33];
        int32_t la, lb;
        hash_image(few, i, a, &la);
        hash_image(many, i, b, &lb);
        assert_string_equal(a, b);
        assert_int_equal(la, lb);
    }
    rescl_dataset_close(few);
    rescl_dataset_close(many);
}

/* Splits, seeds and indices share no image. */
static void repeats_nothing(void **state)
{
    (void)state;
    enum { EACH = 50 };
    static char hex[4 * EACH][33];
    rescl_dataset *sets[4] = {open_hands("train", EACH, 16, 0), open_hands("test", EACH, 16, 0),
                              open_hands("train", EACH, 16, 1), open_hands("test", EACH, 16, 1)};
    for (size_t i = 0; i < 4 * EACH; i++) {
        int32_t label;
        hash_image(sets[i / EACH], i % EACH, hex[i], &label);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hex[i], hex[k]);
    }
    for (size_t i = 0; i < 4; i++)
        rescl_dataset_close(sets[i]);
}

static void has_defaults(void **state)
{
    (void)state;
    rescl_dataset *train = open_hands("train", 0, 0, 0), *test = open_hands("test", 0, 0, 0);
    assert_int_equal(rescl_dataset_count(train), 1080);
    assert_int_equal(rescl_dataset_count(test), 120);
    assert_int_equal(rescl_dataset_classes(train), 6);
    assert_string_equal(rescl_dataset_class_name(train, 0), "0");
    assert_string_equal(rescl_dataset_class_name(train, 5), "5");
    assert_null(rescl_dataset_class_name(train, 6));
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(train, 1079, &image, &label));
    assert_int_equal(image.width, 64);
    assert_int_equal(image.height, 64);
    rescl_image_free(&image);
    assert_fails(rescl_dataset_get(train, 1080, &image, &label), RESCL_ERR_ARG, "handsigns",
                 "1080");
    rescl_dataset_close(train);
    rescl_dataset_close(test);
}

static void refuses_bad_options(void **state)
{
    (void)state;
    static const struct {
        rescl_data_options options;
        const char *word;
    } bad[] = {
        {{.path = "handsigns", .split = "test", .image_size = 7}, "7x7"},
        {{.path = "handsigns", .split = "test", .image_size = 1025}, "1025x1025"},
        {{.path = "handsigns", .split = "test", .image_size = SIZE_MAX}, "sizes from 8 to 1024"},
        {{.path = "handsigns", .split = "test", .samples = SIZE_MAX}, "too many"},
    };
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        rescl_dataset *set;
        rescl_data_options options = bad[i].options;
        options.struct_size = sizeof options;
        assert_fails(rescl_dataset_open(&options, &set), RESCL_ERR_ARG, bad[i].word);
        assert_null(set);
    }
    const rescl_data_options val = {.struct_size = sizeof val, .path = "handsigns", .split = "val"};
    rescl_dataset *none;
    assert_fails(rescl_dataset_open(&val, &none), RESCL_ERR_NOT_FOUND, "\"val\"");
}

/* The classes of handsigns10 are ways to raise fingers: each once in ten images. */
static void tells_ways_apart(void **state)
{
    (void)state;
    static const char *const names[] = {"fist", "index", "thumb", "index-middle", "thumb-index"};
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = "handsigns10",
                                        .split = "train",
                                        .image_size = 64,
                                        .samples = 20};
    rescl_dataset *set = NULL;
    unsigned seen[2] = {0, 0};
    char hex[33];
    int32_t label;
    assert_ok(rescl_dataset_open(&options, &set));
    assert_int_equal(rescl_dataset_classes(set), RS_HAND_WAYS);
    for (size_t i = 0; i < RS_COUNT(names); i++)
        assert_string_equal(rescl_dataset_class_name(set, i), names[i]);
    for (size_t i = 0; i < 20; i++) {
        hash_image(set, i, hex, &label);
        seen[i / 10] |= 1u << label;
        if (i == 0)
            assert_string_equal(hex, "35ce7d6d35260ea70eedc2d42593c4c0");
    }
    assert_true(seen[0] == 1023 && seen[1] == 1023);
    rescl_dataset_close(set);
}

/* A hand lies inside the image and covers a part of it, whatever the size it is drawn at. */
static void draws_hands_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 9, 31, 64, 97, 224};
    for (size_t i = 0; i < RS_COUNT(sizes); i++) {
        rescl_dataset *set = open_hands("train", 6, sizes[i], 11);
        for (size_t k = 0; k < 6; k++) {
            rescl_image image;
            int32_t label;
            assert_ok(rescl_dataset_get(set, k, &image, &label));
            assert_int_equal(image.width, sizes[i]);
            double sum = 0, square = 0;
            const size_t n = sizes[i] * sizes[i] * 3;
            for (size_t v = 0; v < n; v++) {
                sum += image.pixels[v];
                square += (double)image.pixels[v] * image.pixels[v];
            }
            const double mean = sum / (double)n;
            assert_true(sqrt(square / (double)n - mean * mean) > 8); /* not one colour */
            rescl_image_free(&image);
        }
        rescl_dataset_close(set);
    }
}

/* Every raised finger reaches out, and the parts lie within reach of the image. */
static void poses_stay_in_view(void **state)
{
    (void)state;
    for (int i = 0; i < 600; i++) {
        rs_scene scene;
        rs_handsigns_pose(&scene, 42, (uint64_t)i, i % 6);
        assert_true(scene.parts > 0 && scene.parts <= RS_HAND_PARTS);
        for (size_t k = 0; k < scene.parts; k++) {
            const rs_part *p = &scene.part[k];
            if (p->kind != RS_PART_FINGER)
                continue;
            assert_in_range(p->b.x, 0, RS_HAND_SIDE);
            assert_in_range(p->b.y, 0, RS_HAND_SIDE);
            assert_true(p->ra > 0 && p->rb > 0);
        }
    }
}

static void fixed_point_is_right(void **state)
{
    (void)state;
    for (int64_t v = 0; v < 100000; v++) {
        const int64_t r = rs_fix_sqrt(v * v), s = rs_fix_sqrt(v * v + 2 * v);
        assert_true(r == v && s == v);
        assert_int_equal(rs_fix_sqrt((v + 1) * (v + 1) - 1), v);
    }
    for (int32_t a = -RS_TURN; a <= RS_TURN; a += 37) {
        const double angle = 2 * 3.14159265358979 * a / RS_TURN;
        assert_true(fabs(rs_fix_sin(a) / 16384.0 - sin(angle)) < 6e-4);
        assert_true(fabs(rs_fix_cos(a) / 16384.0 - cos(angle)) < 6e-4);
    }
    assert_int_equal(rs_fix_mul(-1, 1, 1), -1); /* floor */
    assert_int_equal(rs_fix_mix(10, 20, 128, 8), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_same_everywhere),
        cmocka_unit_test(shows_each_class_alike_often),
        cmocka_unit_test(does_not_depend_on_how_many),
        cmocka_unit_test(repeats_nothing),
        cmocka_unit_test(tells_ways_apart),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(draws_hands_of_any_size),
        cmocka_unit_test(poses_stay_in_view),
        cmocka_unit_test(fixed_point_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
