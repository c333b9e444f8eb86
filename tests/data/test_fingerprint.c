#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rescl/data.h>

#include "data_support.h"
#include "dataset.h"
#include "error.h"
#include "path.h"

static const char *fingerprint_of(const char *folder, size_t samples, double share, uint64_t seed)
{
    static char prints[4][RESCL_FINGERPRINT_BYTES];
    static unsigned turn;
    char *print = prints[turn++ % 4];
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = rs_test_path("%s/%s", rs_test_dir, folder),
                                        .split = "train",
                                        .samples = samples,
                                        .validation_split = share,
                                        .seed = seed};
    rescl_dataset *set;
    assert_ok(rescl_dataset_open(&options, &set));
    assert_ok(rescl_dataset_fingerprint(set, print));
    rescl_dataset_close(set);
    return print;
}

static void put_set(const char *name)
{
    for (int i = 0; i < 40; i++) {
        const char *class_name = i < 20 ? "ant" : "bee";
        assert_ok(rs_mkdirs(rs_test_path("%s/%s/%s", rs_test_dir, name, class_name)));
        put_image(rs_test_path("%s/%s/%s/%02d.png", rs_test_dir, name, class_name, i), (uint8_t)i);
    }
}

static void move(const char *from, const char *to)
{
    assert_int_equal(
        rename(rs_test_path("%s/%s", rs_test_dir, from), rs_test_path("%s/%s", rs_test_dir, to)),
        0);
}

/* One of forty images, a class's name, a label. */
static void notices_each_change(void **state)
{
    (void)state;
    char first[RESCL_FINGERPRINT_BYTES];
    put_set("set");
    snprintf(first, sizeof first, "%s", fingerprint_of("set", 0, 0, 0));
    assert_false(rs_fingerprint_is_old(first));
    assert_string_equal(fingerprint_of("set", 8, 0, 3), first);
    for (int i = 0; i < 40; i += 13) {
        const char *class_name = i < 20 ? "ant" : "bee";
        put_image(rs_test_path("%s/set/%s/%02d.png", rs_test_dir, class_name, i), 200);
        assert_string_not_equal(fingerprint_of("set", 0, 0, 0), first);
        put_image(rs_test_path("%s/set/%s/%02d.png", rs_test_dir, class_name, i), (uint8_t)i);
        assert_string_equal(fingerprint_of("set", 0, 0, 0), first);
    }
    move("set/bee", "set/wasp");
    assert_string_not_equal(fingerprint_of("set", 0, 0, 0), first);
    move("set/wasp", "set/bee");
    move("set/ant/19.png", "set/bee/19.png"); /* the same images in the same order */
    assert_string_not_equal(fingerprint_of("set", 0, 0, 0), first);
    move("set/bee/19.png", "set/ant/19.png");
    assert_int_equal(unlink(rs_test_path("%s/set/bee/30.png", rs_test_dir)), 0);
    assert_string_not_equal(fingerprint_of("set", 0, 0, 0), first);
}

static void stays_where_nothing_changed(void **state)
{
    (void)state;
    char first[RESCL_FINGERPRINT_BYTES];
    put_set("here");
    put_set("there");
    snprintf(first, sizeof first, "%s", fingerprint_of("here", 0, 0, 0));
    assert_string_equal(fingerprint_of("there", 0, 0, 0), first);
    snprintf(first, sizeof first, "%s", fingerprint_of("here", 0, 0.25, 1));
    assert_string_equal(fingerprint_of("there", 0, 0.25, 1), first);
    assert_string_not_equal(fingerprint_of("there", 0, 0.25, 2), first);
    assert_string_not_equal(fingerprint_of("there", 0, 0.3, 1), first);
}

/* What cannot be read does not stop it, and a FIFO is not waited for. */
static void bears_what_cannot_be_read(void **state)
{
    (void)state;
    put_set("odd");
    assert_int_equal(symlink("nowhere", rs_test_path("%s/odd/ant/x.png", rs_test_dir)), 0);
    assert_true(*fingerprint_of("odd", 0, 0, 0));
}

static void knows_arrays_and_drawn_images(void **state)
{
    (void)state;
    uint8_t pixels[20 * 12] = {0};
    int32_t labels[20] = {0};
    char print[3][RESCL_FINGERPRINT_BYTES];
    for (int i = 0; i < 3; i++) {
        rescl_dataset *set;
        const rescl_data_arrays arrays = {.struct_size = sizeof arrays,
                                          .images = pixels,
                                          .labels = labels,
                                          .count = 20,
                                          .height = 2,
                                          .width = 2,
                                          .classes = 2};
        pixels[17 * 12 + 5] = (uint8_t)(i == 1);
        labels[3] = i == 2;
        assert_ok(rescl_dataset_from_arrays(&arrays, &set));
        assert_ok(rescl_dataset_fingerprint(set, print[i]));
        rescl_dataset_close(set);
    }
    assert_string_not_equal(print[0], print[1]);
    assert_string_not_equal(print[0], print[2]);
    for (int i = 0; i < 2; i++) {
        rescl_dataset *set;
        const rescl_data_options hands = {.struct_size = sizeof hands,
                                          .path = "handsigns",
                                          .split = "test",
                                          .image_size = 8,
                                          .seed = (uint64_t)i};
        assert_ok(rescl_dataset_open(&hands, &set));
        assert_ok(rescl_dataset_fingerprint(set, print[i]));
        rescl_dataset_close(set);
    }
    assert_string_not_equal(print[0], print[1]);
}

static void open_part(const char *folder, size_t samples, rescl_dataset **set)
{
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = rs_test_path("%s/%s", rs_test_dir, folder),
                                        .split = "train",
                                        .samples = samples};
    assert_ok(rescl_dataset_open(&options, set));
}

/* Every image of a small set is known, whatever set it is in. */
static void recognises_images_of_small_sets(void **state)
{
    (void)state;
    rescl_dataset *all, *some;
    rescl_sketch sketch;
    rescl_overlap seen;
    put_set("known");
    open_part("known", 0, &all);
    open_part("known", 10, &some);
    assert_ok(rescl_dataset_sketch(some, &sketch));
    assert_int_equal(sketch.count, 10);
    assert_ok(rescl_dataset_overlap(all, &sketch, &seen));
    assert_int_equal(seen.images, 10);
    assert_int_equal(seen.compared, 40);
    assert_ok(rescl_dataset_sketch(all, &sketch));
    assert_ok(rescl_dataset_overlap(some, &sketch, &seen));
    assert_int_equal(seen.images, 10);
    assert_ok(rescl_dataset_overlap(some, &(rescl_sketch){0}, &seen));
    assert_int_equal(seen.compared, 0);
    rescl_dataset_close(all);
    rescl_dataset_close(some);
}

/* An empty file, or none, is no copy of another one. */
static void empty_files_are_no_copies(void **state)
{
    (void)state;
    static const char *const parts[] = {"hollow", "void"};
    rescl_dataset *set[2];
    rescl_sketch sketch;
    rescl_overlap seen;
    for (int i = 0; i < 2; i++) {
        assert_ok(rs_mkdirs(rs_test_path("%s/%s/ant", rs_test_dir, parts[i])));
        put_image(rs_test_path("%s/%s/ant/1.png", rs_test_dir, parts[i]), (uint8_t)i);
        put_image(rs_test_path("%s/%s/ant/2.png", rs_test_dir, parts[i]), 9);
        put_bytes(rs_test_path("%s/%s/ant/3.png", rs_test_dir, parts[i]), "", 0);
        open_part(parts[i], 0, &set[i]);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(unlink(rs_test_path("%s/%s/ant/2.png", rs_test_dir, parts[i])), 0);
    assert_ok(rescl_dataset_sketch(set[0], &sketch));
    assert_int_equal(sketch.count, 1);
    assert_ok(rescl_dataset_overlap(set[1], &sketch, &seen));
    assert_int_equal(seen.compared, 1);
    assert_int_equal(seen.images, 0);
    assert_ok(rescl_dataset_overlap(set[0], &sketch, &seen));
    assert_int_equal(seen.images, 1); /* of three */
    for (int i = 0; i < 2; i++)
        rescl_dataset_close(set[i]);
}

/* Images of one pixel, numbered from `first`. */
static rescl_dataset *open_pixels(size_t first)
{
    enum { COUNT = 6000 };
    static uint8_t pixels[COUNT * 3];
    static int32_t labels[COUNT];
    rescl_dataset *set;
    for (size_t i = 0; i < COUNT; i++) {
        pixels[3 * i] = (uint8_t)((first + i) & 255);
        pixels[3 * i + 1] = (uint8_t)((first + i) >> 8);
    }
    const rescl_data_arrays arrays = {.struct_size = sizeof arrays,
                                      .images = pixels,
                                      .labels = labels,
                                      .count = COUNT,
                                      .height = 1,
                                      .width = 1,
                                      .classes = 1};
    assert_ok(rescl_dataset_from_arrays(&arrays, &set));
    return set;
}

/* The least hashes tell the share. */
static void estimates_the_share_of_large_sets(void **state)
{
    (void)state;
    rescl_sketch sketch;
    rescl_overlap seen;
    rescl_dataset *set = open_pixels(0);
    assert_ok(rescl_dataset_sketch(set, &sketch));
    rescl_dataset_close(set);
    assert_int_equal(sketch.count, RESCL_SKETCH_HASHES);
    set = open_pixels(4500); /* a quarter of them */
    assert_ok(rescl_dataset_overlap(set, &sketch, &seen));
    rescl_dataset_close(set);
    assert_in_range(seen.compared, 400, 620);
    assert_in_range(seen.images, 1200, 1800);
    set = open_pixels(6000);
    assert_ok(rescl_dataset_overlap(set, &sketch, &seen));
    rescl_dataset_close(set);
    assert_int_equal(seen.images, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_each_change),
        cmocka_unit_test(stays_where_nothing_changed),
        cmocka_unit_test(bears_what_cannot_be_read),
        cmocka_unit_test(knows_arrays_and_drawn_images),
        cmocka_unit_test(recognises_images_of_small_sets),
        cmocka_unit_test(empty_files_are_no_copies),
        cmocka_unit_test(estimates_the_share_of_large_sets),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
