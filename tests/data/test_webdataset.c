#include "testing.h"

#include <rescl/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "dataset.h"
#include "error.h"
#include "path.h"
#include "shardnames.h"

static const char *shards(const char *name)
{
    return rs_test_path("%s/tests/data/shards/%s", RESCL_TEST_SOURCE_DIR, name);
}

static rescl_status open_split(const char *path, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {
        .struct_size = sizeof options, .path = path, .split = split};
    return rescl_dataset_open(&options, set);
}

/* Image `index` is 3x2 of `value`, and its class has a name. */
static void expect(const rescl_dataset *set, size_t index, uint8_t value, const char *class)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_int_equal(image.width, 3);
    assert_int_equal(image.height, 2);
    assert_int_equal(image.pixels[17], value);
    assert_string_equal(rescl_dataset_class_name(set, (size_t)label), class);
    rescl_image_free(&image);
}

static void reads_several_archives(void **state)
{
    (void)state;
    rescl_dataset *set;
    char print[2][RESCL_FINGERPRINT_BYTES];
    assert_ok(open_split(shards("wds-{000..001}.tar"), "train", &set));
    assert_int_equal(rescl_dataset_count(set), 6);
    assert_int_equal(rescl_dataset_classes(set), 3);
    expect(set, 0, 0, "10");
    expect(set, 4, 40, "11");
    expect(set, 5, 50, "12");
    assert_ok(rescl_dataset_fingerprint(set, print[0]));
    rescl_dataset_close(set);
    assert_ok(open_split(shards("wds-001.tar"), "train", &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    assert_ok(rescl_dataset_fingerprint(set, print[1]));
    assert_string_not_equal(print[0], print[1]);
    rescl_dataset_close(set);
    assert_fails(open_split(shards("wds-001.tar"), "val", &set), RESCL_ERR_NOT_FOUND, "{split}");
    assert_fails(open_split(shards("wds-{000..002}.tar"), "train", &set), RESCL_ERR_FORMAT,
                 "wds-002.tar: this archive is missing; 2 before it");
    assert_fails(open_split(shards("none-{0..2}.tar"), "train", &set), RESCL_ERR_NOT_FOUND,
                 "none-0.tar");
}

static void reads_classes_of_json(void **state)
{
    (void)state;
    rescl_dataset *set;
    assert_ok(open_split(shards("{split}-json.tar"), "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 3);
    expect(set, 0, 0, "c");
    expect(set, 2, 20, "a");
    rescl_dataset_close(set);
    assert_ok(open_split(shards("{split}-json.tar"), "val", &set));
    expect(set, 0, 90, "b");
    rescl_dataset_close(set);
}

static void copy(const char *name, const char *folder)
{
    char *data;
    size_t bytes;
    assert_ok(rs_file_read(shards(name), 1 << 20, &data, &bytes));
    put_bytes(rs_test_path("%s/%s", folder, name), data, bytes);
    free(data);
}

static void reads_a_folder_of_archives(void **state)
{
    (void)state;
    rescl_dataset *set;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/folder", rs_test_dir);
    assert_ok(rs_mkdirs(folder));
    copy("train-json.tar", folder);
    copy("val-json.tar", folder);
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    rescl_dataset_close(set);
    assert_ok(open_split(folder, "test", &set)); /* val stands in */
    assert_string_equal(rescl_dataset_split(set), "val");
    rescl_dataset_close(set);
    copy("gnu.tar", folder);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "names of 2 archives");
}

/* A copy of train-json.tar, of three images. */
static void put_shard(const char *folder, const char *name)
{
    assert_ok(rs_mkdirs(folder));
    copy("train-json.tar", folder);
    assert_int_equal(
        rename(rs_test_path("%s/train-json.tar", folder), rs_test_path("%s/%s", folder, name)), 0);
}

/* The split stands anywhere in a name: what is of another one is not trained on. */
static void finds_splits_within_names(void **state)
{
    (void)state;
    rescl_dataset *set;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/photos", rs_test_dir);
    put_shard(folder, "photos-train-000.tar");
    put_shard(folder, "photos_val.001.tar");
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    rescl_dataset_close(set);
    assert_ok(open_split(folder, "val", &set));
    rescl_dataset_close(set);
    put_shard(folder, "train-eval-2.tar"); /* begins with its own */
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 6);
    rescl_dataset_close(set);
    put_shard(folder, "a-train-eval.tar");
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "a-train-eval.tar",
                 "two splits");
    snprintf(folder, sizeof folder, "%s/trains", rs_test_dir);
    put_shard(folder, "trains-0.tar"); /* no split */
    put_shard(folder, "testament.tar");
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 6);
    rescl_dataset_close(set);
}

static void reads_what_tar_writes(void **state)
{
    (void)state;
    static const char *const names[] = {"gnu.tar", "pax.tar"};
    rescl_dataset *set;
    rescl_log_level level;
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        assert_ok(open_split(shards(names[i]), "train", &set));
        expect(set, 0, 0, "cat");
        expect(set, 1, 10, "dog");
        assert_non_null(strstr(rescl_dataset_note(set, 0, &level), "1 members that are neither"));
        rescl_dataset_close(set);
    }
    assert_ok(open_split(shards("ustar.tar"), "train", &set));
    assert_int_equal(rescl_dataset_count(set), 1);
    expect(set, 0, 10, "7");
    assert_non_null(strstr(rescl_dataset_note(set, 0, &level),
                           "1 images without a class (.cls, .json), 1 classes without an image"));
    assert_int_equal(level, RESCL_LOG_WARN);
    rescl_dataset_close(set);
}

static void names_what_is_damaged(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/bad.tar", rs_test_dir);
    rescl_dataset *set;
    rescl_image image;
    int32_t label;
    char *data;
    size_t bytes;
    assert_ok(rs_file_read(shards("ustar.tar"), 1 << 20, &data, &bytes));
    put_bytes(path, data, 550);
    assert_fails(open_split(path, "train", &set), RESCL_ERR_FORMAT, path, "too early");
    data[512 + 30] ^= 1; /* within the image */
    put_bytes(path, data, bytes);
    assert_ok(open_split(path, "train", &set));
    const rescl_status st = rescl_dataset_get(set, 0, &image, &label);
    assert_fails(st, RESCL_ERR_FORMAT, "bad.tar: a/x.0.png");
    assert_true(rs_dataset_passes_over(set, st)); /* another takes its place in training */
    const rescl_bad_image lost = rs_dataset_bad_image(set, 0, "damaged");
    assert_non_null(strstr(lost.path, "bad.tar: a/x.0.png"));
    assert_string_equal(lost.class_name, "7");
    size_t checked;
    assert_fails(rescl_dataset_check(set, &checked), RESCL_ERR_FORMAT,
                 "none of its 1 images can be read", "bad.tar: a/x.0.png");
    assert_int_equal(checked, 1);
    rescl_dataset_close(set);
    put_bytes(path, data + bytes - 1024, 1024);
    assert_fails(open_split(path, "train", &set), RESCL_ERR_FORMAT, path, "no image with a class");
    free(data);
}

typedef struct member {
    const char *name;
    int value; /* of an image's bytes; -1: `text` */
    const char *text;
} member;

/* A ustar archive, with the blocks that end it or without. */
static const char *put_archive(const char *name, const member *m, size_t count, bool ended)
{
    static char data[64 * 1024];
    const char *path = rs_test_path("%s/%s", rs_test_dir, name);
    const char *png = rs_test_path("%s/one.png", rs_test_dir);
    size_t used = 0;
    memset(data, 0, sizeof data);
    for (size_t i = 0; i < count; i++) {
        char *header = data + used, *bytes = NULL;
        size_t n = m[i].value < 0 ? strlen(m[i].text) : 0;
        if (m[i].value >= 0) {
            put_image(png, (uint8_t)m[i].value);
            assert_ok(rs_file_read(png, 8192, &bytes, &n));
        }
        memcpy(header + 512, bytes ? bytes : m[i].text, n);
        free(bytes);
        snprintf(header, 100, "%s", m[i].name);
        snprintf(header + 124, 12, "%011zo", n);
        memset(header + 148, ' ', 8);
        header[156] = '0';
        memcpy(header + 257, "ustar", 6);
        unsigned sum = 0;
        for (size_t k = 0; k < 512; k++)
            sum += (unsigned char)header[k];
        snprintf(header + 148, 7, "%06o", sum);
        used += 512 + (n + 511) / 512 * 512;
    }
    put_bytes(path, data, used + (ended ? 1024 : 0));
    return path;
}

static void expect_note(const rescl_dataset *set, size_t index, const char *words)
{
    rescl_log_level level;
    const char *text = rescl_dataset_note(set, index, &level);
    if (!text || !strstr(text, words))
        fail_msg("expected the note '%s', got '%s'", words, text ? text : "none");
}

/* The first pixel of the first image. */
static int first_value(const rescl_dataset *set)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, 0, &image, &label));
    const int value = image.pixels[0];
    rescl_image_free(&image);
    return value;
}

static void takes_the_image_and_no_other(void **state)
{
    (void)state;
    static const member depth[] = {
        {"x.cls", -1, "a"}, {"x.depth.png", 1, NULL}, {"x.png", 2, NULL}};
    static const member both[] = {{"x.a.png", 1, NULL}, {"x.cls", -1, "a"}, {"x.b.png", 2, NULL}};
    static const member aside[] = {{"._1.png", -1, "macOS"},
                                   {"1.png", 3, NULL},
                                   {"._1.cls", -1, "?"},
                                   {"1.cls", -1, "a"},
                                   {"__info__/x.cls", -1, "b"}};
    static const member classes[] = {{"x.png", 1, NULL}, {"x.cls", -1, "a"}, {"x.cls", -1, "b"}};
    static const member images[] = {{"x.png", 1, NULL}, {"x.png", 2, NULL}, {"x.cls", -1, "b"}};
    rescl_dataset *set;
    assert_ok(open_split(put_archive("depth.tar", depth, 3, true), "train", &set));
    assert_int_equal(first_value(set), 2);
    expect_note(set, 0, "1 members that are neither");
    rescl_dataset_close(set);
    assert_ok(open_split(put_archive("both.tar", both, 3, true), "train", &set));
    assert_int_equal(first_value(set), 1);
    expect_note(set, 0, "1 samples have several images");
    rescl_dataset_close(set);
    assert_ok(open_split(put_archive("aside.tar", aside, 5, false), "train", &set));
    assert_int_equal(rescl_dataset_count(set), 1);
    assert_int_equal(first_value(set), 3);
    expect_note(set, 0, "aside.tar, have no blocks of zeros");
    rescl_dataset_close(set);
    assert_fails(open_split(put_archive("twice.tar", classes, 3, true), "train", &set),
                 RESCL_ERR_FORMAT, "twice.tar: x.cls", "such a member already");
    assert_fails(open_split(put_archive("twice.tar", images, 3, true), "train", &set),
                 RESCL_ERR_FORMAT, "twice.tar: x.png", "such a member already");
}

/* Before the first step: what is no image, and what is cut short. */
static void checks_what_is_in_archives(void **state)
{
    static const member m[] = {{"v.png", 1, NULL}, {"v.cls", -1, "a"}, {"w.png", -1, "no image"},
                               {"w.cls", -1, "a"}, {"x.png", 2, NULL}, {"x.cls", -1, "b"}};
    const char *path = put_archive("checked.tar", m, RS_COUNT(m), true);
    rescl_data_options o;
    rescl_dataset *set;
    rescl_bad_image bad;
    size_t checked;
    (void)state;
    rescl_data_options_default(&o);
    o.path = path;
    o.split = "train";
    assert_ok(rescl_dataset_open(&o, &set));
    assert_ok(rescl_dataset_check(set, &checked));
    assert_int_equal(checked, 3);
    assert_int_equal(rescl_dataset_count(set), 2);
    assert_true(rescl_dataset_bad(set, 0, &bad));
    assert_non_null(strstr(bad.path, "checked.tar: w.png"));
    assert_false(rescl_dataset_bad(set, 1, &bad));
    rescl_dataset_close(set);
    o.strict_data = true;
    assert_ok(rescl_dataset_open(&o, &set));
    assert_fails(rescl_dataset_check(set, &checked), RESCL_ERR_FORMAT,
                 "1 of 3 images cannot be read", "checked.tar: w.png");
    rescl_dataset_close(set);
}

/* {split} stands for any name of a split, and val stands in for test. */
static void finds_splits_by_their_other_names(void **state)
{
    (void)state;
    static const member one[] = {{"x.png", 4, NULL}, {"x.cls", -1, "a"}};
    rescl_dataset *set;
    put_archive("w-training-0.tar", one, 2, true);
    put_archive("w-valid-0.tar", one, 2, true);
    const char *pattern = rs_test_path("%s/w-{split}-{0..0}.tar", rs_test_dir);
    assert_ok(open_split(pattern, "train", &set));
    rescl_dataset_close(set);
    assert_ok(open_split(pattern, "test", &set));
    assert_string_equal(rescl_dataset_split(set), "val");
    rescl_dataset_close(set);
    assert_fails(open_split(rs_test_path("%s/v-{split}.tar", rs_test_dir), "test", &set),
                 RESCL_ERR_NOT_FOUND, "v-test.tar");
}

static void expect_names(const char *pattern, const char *const *names, size_t count)
{
    rs_shard_names n = {0};
    assert_ok(rs_shard_names_expand(pattern, &n));
    assert_int_equal(n.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(n.at[i], names[i]);
    rs_shard_names_fini(&n);
}

static void expands_braces(void **state)
{
    (void)state;
    rs_shard_names n = {0};
    expect_names("a.tar", (const char *const[]){"a.tar"}, 1);
    expect_names("a{08..10}.tar", (const char *const[]){"a08.tar", "a09.tar", "a10.tar"}, 3);
    expect_names("{0..10}",
                 (const char *const[]){"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, 11);
    expect_names("{8..9}", (const char *const[]){"8", "9"}, 2);
    expect_names("{a,}{0..1}", (const char *const[]){"a0", "a1", "0", "1"}, 4);
    assert_fails(rs_shard_names_expand("a{1..x}", &n), RESCL_ERR_ARG, "whole numbers");
    assert_fails(rs_shard_names_expand("a{3..1}", &n), RESCL_ERR_ARG, "the lesser first");
    assert_fails(rs_shard_names_expand("a{1", &n), RESCL_ERR_ARG, "not closed");
    assert_fails(rs_shard_names_expand("a{b}", &n), RESCL_ERR_ARG, "stands for nothing");
    assert_fails(rs_shard_names_expand("{0..99999999}", &n), RESCL_ERR_ARG, "more than");
    assert_fails(rs_shard_names_expand("{0..999}{0..999}", &n), RESCL_ERR_ARG, "more than");
}

static void expect_labels(const rescl_dataset *set, size_t index, const char *names)
{
    int32_t label[4];
    char text[64] = "";
    const size_t n = rescl_dataset_labels(set, index, label, RS_COUNT(label));
    for (size_t i = 0; i < n; i++) {
        strcat(text, rescl_dataset_class_name(set, (size_t)label[i]));
        strcat(text, " ");
    }
    assert_string_equal(text, names);
}

/* Lists of numbers or names, and a semicolon as tables have it. */
static void reads_several_labels(void **state)
{
    (void)state;
    static const member numbers[] = {{"0.json", -1, "{\"label\": [10, 3]}"}, {"0.png", 0, ""},
                                     {"1.json", -1, "{\"labels\": []}"},     {"1.png", 1, ""},
                                     {"2.json", -1, "{\"label\": 3}"},       {"2.png", 2, ""}};
    static const member names[] = {{"0.json", -1, "{\"tags\": [\"dog\", \"cat\"]}"},
                                   {"0.png", 0, ""},
                                   {"1.cls", -1, "cat; emu"},
                                   {"1.png", 1, ""}};
    static const member plain[] = {{"0.cls", -1, "cat"}, {"0.png", 0, ""}};
    rescl_dataset *set;
    rescl_image image;
    int32_t label;
    assert_ok(open_split(put_archive("n.tar", numbers, RS_COUNT(numbers), true), "train", &set));
    assert_true(rescl_dataset_multi_label(set));
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_labels(set, 0, "3 10 ");
    expect_labels(set, 1, "");
    expect_labels(set, 2, "3 ");
    assert_ok(rescl_dataset_get(set, 1, &image, &label));
    assert_int_equal(label, -1);
    rescl_image_free(&image);
    rescl_dataset_close(set);
    assert_ok(open_split(put_archive("s.tar", names, RS_COUNT(names), true), "train", &set));
    assert_true(rescl_dataset_multi_label(set));
    expect_labels(set, 0, "cat dog ");
    expect_labels(set, 1, "cat emu ");
    rescl_dataset_close(set);
    assert_ok(open_split(put_archive("p.tar", plain, RS_COUNT(plain), true), "train", &set));
    assert_false(rescl_dataset_multi_label(set));
    expect_labels(set, 0, "cat ");
    rescl_dataset_close(set);
}

/* The archive, the member, and what is wrong with it. */
static void refuses_what_json_may_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {{"{\"label\": [1, 0, 0, 1]}", "a row of 0 and 1"},
               {"{\"label\": [0.5, 0.5]}", "entry 1 of its list"},
               {"{\"label\": [\"a\", \"b;c\"]}", "entry 2 of its list"},
               {"{\"label\": 1", "is not JSON: line 1"}};
    rescl_dataset *set;
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        const member m[] = {{"7.json", -1, bad[i].text}, {"7.png", 0, ""}};
        const char *path = put_archive("bad-json.tar", m, RS_COUNT(m), true);
        assert_fails(open_split(path, "train", &set), RESCL_ERR_FORMAT, "bad-json.tar: 7.json",
                     bad[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_several_archives),
        cmocka_unit_test(reads_classes_of_json),
        cmocka_unit_test(reads_several_labels),
        cmocka_unit_test(refuses_what_json_may_not_say),
        cmocka_unit_test(reads_a_folder_of_archives),
        cmocka_unit_test(finds_splits_within_names),
        cmocka_unit_test(reads_what_tar_writes),
        cmocka_unit_test(names_what_is_damaged),
        cmocka_unit_test(checks_what_is_in_archives),
        cmocka_unit_test(takes_the_image_and_no_other),
        cmocka_unit_test(finds_splits_by_their_other_names),
        cmocka_unit_test(expands_braces),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
