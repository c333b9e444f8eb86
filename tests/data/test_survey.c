#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "path.h"

#include <rescl/survey.h>

static const char *at(const char *name)
{
    return rs_test_path("%s/%s", rs_test_dir, name);
}

/* Train has 12 images of "a" and 4 of "b", test two of each and one of "c". Test's a/0 is train's a/3,
 * train's b/1 is train's a/5, test's b/1 and b/0 are alike. */
static int make_set(void **state)
{
    rs_test_dir_setup(state);
    const char *const folders[] = {"train/a", "train/b", "test/a", "test/b", "test/c"};
    for (size_t i = 0; i < 5; i++)
        assert_ok(rs_mkdirs(at(folders[i])));
    for (int i = 0; i < 12; i++)
        put_image(rs_test_path("%s/train/a/%02d.png", rs_test_dir, i), (uint8_t)(10 + i));
    for (int i = 0; i < 4; i++)
        put_image(rs_test_path("%s/train/b/%d.png", rs_test_dir, i),
                  (uint8_t)(i == 1 ? 15 : 50 + i));
    put_image(at("test/a/0.png"), 13);
    put_image(at("test/a/1.png"), 101);
    put_image(at("test/b/0.png"), 102);
    put_image(at("test/b/1.png"), 102);
    put_image(at("test/c/0.png"), 103);
    return 0;
}

static rescl_survey *survey_of(const rescl_survey_options *options)
{
    rescl_data_options data;
    rescl_survey *s = NULL;
    rescl_data_options_default(&data);
    data.path = rs_test_dir;
    assert_ok(rescl_survey_create(&data, options, &s));
    return s;
}

/* Images in archives are called by these, and their kinds are those of the files. */
static void looks_into_archives(void **state)
{
    (void)state;
    rescl_data_options data;
    rescl_survey *s = NULL;
    rescl_survey_image_info image;
    rescl_data_options_default(&data);
    data.path = rs_test_path("%s/tests/data/shards/wds-001.tar", RESCL_TEST_SOURCE_DIR);
    assert_ok(rescl_survey_create(&data, NULL, &s));
    assert_true(rescl_survey_image(s, 0, &image));
    assert_string_equal(image.kind, "PNG");
    assert_null(image.path);
    assert_non_null(strstr(rescl_survey_image_name(s, 0), "wds-001.tar: "));
    assert_null(rescl_survey_image_name(s, 2));
    rescl_survey_destroy(s);
}

static void counts_classes_of_all_splits(void **state)
{
    (void)state;
    rescl_survey *s = survey_of(NULL);
    rescl_survey_summary sum;
    rescl_survey_get_summary(s, &sum);
    assert_int_equal(rescl_survey_splits(s), 2);
    assert_string_equal(rescl_dataset_split(rescl_survey_set(s, 1)), "test");
    assert_null(rescl_survey_set(s, 2));
    assert_int_equal(sum.images, 21);
    assert_int_equal(sum.unreadable, 0);
    assert_int_equal(rescl_survey_classes(s), 3);
    assert_string_equal(rescl_survey_class_name(s, 2), "c");
    assert_int_equal(rescl_survey_class_count(s, 0, 0), 12);
    assert_int_equal(rescl_survey_class_count(s, 0, 2), 0);
    assert_int_equal(rescl_survey_class_count(s, 1, 2), 1);
    assert_int_equal(sum.largest, 0);
    assert_int_equal(sum.smallest, 2);
    rescl_survey_destroy(s);
}

static void finds_copies(void **state)
{
    (void)state;
    rescl_survey *s = survey_of(NULL);
    rescl_survey_summary sum;
    rescl_copies g;
    rescl_survey_image_info i;
    rescl_survey_get_summary(s, &sum);
    assert_int_equal(sum.groups, 3);
    assert_int_equal(sum.copies, 3);
    assert_int_equal(sum.shared, 1);
    assert_int_equal(sum.contradictions, 1);
    assert_int_equal(rescl_survey_shared(s, 0, 1), 1);
    assert_true(rescl_survey_copies(s, 0, &g));
    assert_true(g.shared && !g.contradict && g.count == 2 && g.image[0] == 3 && g.image[1] == 16);
    assert_true(rescl_survey_image(s, g.image[1], &i));
    assert_true(i.split == 1 && i.sample == 0 && i.class_index == 0);
    assert_non_null(strstr(i.path, "test/a/0.png"));
    assert_true(rescl_survey_copies(s, 1, &g));
    assert_true(!g.shared && g.contradict && g.image[0] == 5 && g.image[1] == 13);
    assert_true(rescl_survey_copies(s, 2, &g));
    assert_true(!g.shared && !g.contradict);
    assert_false(rescl_survey_copies(s, 3, &g));
    rescl_survey_destroy(s);
}

/* One more label contradicts; the same ones of another table, whose classes are others, do not. */
static void compares_all_labels(void **state)
{
    (void)state;
    static const char train[] = "path,labels\n../train/a/00.png,a;b\n../train/a/03.png,b;c\n";
    static const char test[] = "path,labels\n../test/a/0.png,c;b\n../train/a/00.png,a\n";
    rescl_data_options data;
    rescl_survey *s = NULL;
    rescl_survey_summary sum;
    rescl_copies g;
    rescl_data_options_default(&data);
    assert_ok(rs_mkdirs(at("tables")));
    put_bytes(at("tables/train.csv"), train, sizeof train - 1);
    put_bytes(at("tables/test.csv"), test, sizeof test - 1);
    data.path = at("tables");
    assert_ok(rescl_survey_create(&data, NULL, &s));
    rescl_survey_get_summary(s, &sum);
    assert_int_equal(sum.groups, 2);
    assert_int_equal(sum.contradictions, 1);
    assert_true(rescl_survey_copies(s, 0, &g) && g.contradict);
    assert_true(rescl_survey_copies(s, 1, &g) && !g.contradict);
    rescl_survey_destroy(s);
}

static void tells_sizes_kinds_and_reasons(void **state)
{
    (void)state;
    put_bytes(at("train/a/zz.jpg"), "no image", 8);
    rescl_survey *s = survey_of(NULL);
    rescl_survey_summary sum;
    rescl_size_count size;
    rescl_kind_count kind;
    rescl_survey_image_info i;
    rescl_survey_get_summary(s, &sum);
    assert_int_equal(sum.images, 22);
    assert_int_equal(sum.unreadable, 1);
    assert_true(rescl_survey_size(s, 0, &size) && size.images == 21);
    assert_false(rescl_survey_size(s, 1, &size));
    assert_true(sum.width.min == size.width && sum.width.median == size.width);
    assert_true(rescl_survey_kind(s, 0, &kind) && kind.images == 21 && kind.bits == 8);
    assert_string_equal(kind.kind, "PNG");
    assert_true(rescl_survey_image(s, 12, &i));
    assert_non_null(strstr(i.reason, "or PNM, but"));
    assert_int_equal(i.width, 0);
    rescl_survey_destroy(s);
}

/* Threads change nothing. */
static void is_the_same_by_any_threads(void **state)
{
    (void)state;
    const rescl_survey_options one = {.struct_size = sizeof one, .workers = 1};
    const rescl_survey_options more = {.struct_size = sizeof more, .workers = 7};
    rescl_survey *a = survey_of(&one), *b = survey_of(&more);
    rescl_survey_summary x, y;
    rescl_copies g, h;
    rescl_survey_get_summary(a, &x);
    rescl_survey_get_summary(b, &y);
    assert_memory_equal(&x, &y, sizeof x);
    for (size_t k = 0; rescl_survey_copies(a, k, &g); k++) {
        assert_true(rescl_survey_copies(b, k, &h) && g.count == h.count);
        assert_memory_equal(g.image, h.image, g.count * sizeof *g.image);
    }
    rescl_survey_destroy(a);
    rescl_survey_destroy(b);
}

static bool stop(size_t done, size_t images, void *user)
{
    (*(size_t *)user)++;
    return done > images;
}

static void stops_when_asked(void **state)
{
    (void)state;
    size_t calls = 0;
    const rescl_survey_options o = {
        .struct_size = sizeof o, .workers = 1, .on_progress = stop, .user = &calls};
    rescl_data_options data;
    rescl_survey *s = NULL;
    rescl_data_options_default(&data);
    data.path = rs_test_dir;
    assert_fails(rescl_survey_create(&data, &o, &s), RESCL_ERR_INTERRUPTED, "stopped", "of 21");
    assert_null(s);
    assert_int_equal(calls, 1);
}

static size_t count_split(const char *const *split, size_t from, size_t to, const char *name)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        count += strcmp(split[i], name) == 0;
    return count;
}

static void divides_each_class(void **state)
{
    (void)state;
    const rescl_survey_options labels = {.struct_size = sizeof labels, .labels_only = true};
    rescl_survey *s = survey_of(&labels);
    rescl_divide_options o = {
        .struct_size = sizeof o, .validation_split = 0.25, .seed = 5, .test_split = 0};
    const char *split[21], *again[21];
    assert_ok(rescl_survey_divide(s, &o, split));
    assert_int_equal(count_split(split, 0, 12, "val"), 3);
    assert_int_equal(count_split(split, 12, 16, "val"), 1);
    assert_int_equal(count_split(split, 0, 16, "train"), 12);
    assert_int_equal(count_split(split, 16, 21, "test"), 5);
    assert_ok(rescl_survey_divide(s, &o, again));
    assert_memory_equal(split, again, sizeof split);

    /* What training holds out by the same share and seed. */
    rescl_data_options data;
    rescl_dataset *val = NULL;
    rescl_data_options_default(&data);
    data.path = rs_test_dir;
    data.split = "val";
    data.validation_split = 0.25;
    data.seed = 5;
    assert_ok(rescl_dataset_open(&data, &val));
    assert_int_equal(rescl_dataset_count(val), 4);
    rescl_survey_image_info info;
    for (size_t i = 0, at_val = 0; i < 16; i++) {
        rescl_image mine, theirs;
        int32_t label;
        assert_true(rescl_survey_image(s, i, &info));
        if (strcmp(split[i], "val") != 0)
            continue;
        assert_ok(rescl_image_read(info.path, &mine));
        assert_ok(rescl_dataset_get(val, at_val++, &theirs, &label));
        assert_int_equal(mine.pixels[0], theirs.pixels[0]);
        rescl_image_free(&mine);
        rescl_image_free(&theirs);
    }
    rescl_dataset_close(val);

    o.test_split = 0.1;
    assert_fails(rescl_survey_divide(s, &o, split), RESCL_ERR_ARG, "a split test of its own",
                 "of 5 images");
    o.test_split = 0.8;
    assert_fails(rescl_survey_divide(s, &o, split), RESCL_ERR_ARG, "leave nothing to train on");
    o = (rescl_divide_options){
        .struct_size = sizeof o, .validation_split = 0.5, .group_copies = true};
    assert_fails(rescl_survey_divide(s, &o, split), RESCL_ERR_ARG, "labels_only");
    rescl_survey_destroy(s);
}

/* Whatever is drawn, images with the same pixels are on one side. */
static void keeps_copies_together(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        put_image(rs_test_path("%s/train/a/copy%d.png", rs_test_dir, i), (uint8_t)(10 + i % 3));
    rescl_survey *s = survey_of(NULL);
    const char *split[27];
    rescl_copies g;
    for (uint64_t seed = 0; seed < 10; seed++) {
        const rescl_divide_options o = {
            .struct_size = sizeof o, .validation_split = 0.4, .seed = seed, .group_copies = true};
        assert_ok(rescl_survey_divide(s, &o, split));
        for (size_t k = 0; rescl_survey_copies(s, k, &g); k++)
            for (size_t i = 1; i < g.count && g.image[i] < 22; i++)
                assert_string_equal(split[g.image[0]], split[g.image[i]]);
        assert_true(count_split(split, 0, 22, "val") >= 8);
    }
    rescl_survey_destroy(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_set, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(looks_into_archives),
        TEST(counts_classes_of_all_splits),
        TEST(finds_copies),
        TEST(compares_all_labels),
        TEST(tells_sizes_kinds_and_reasons),
        TEST(is_the_same_by_any_threads),
        TEST(stops_when_asked),
        TEST(divides_each_class),
        TEST(keeps_copies_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
