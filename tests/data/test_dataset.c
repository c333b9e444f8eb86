#include "testing.h"

#include <stdio.h>
#include <string.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

/* The line in datasets.def promises these two. */
static void every_format_has_its_files(void **state)
{
    (void)state;
    size_t count = 0;
    for (const char *const *name = rescl_dataset_formats(); *name != NULL; name++, count++) {
        const char *const paths[] = {
            rs_test_path("%s/src/data/%s.c", RESCL_TEST_SOURCE_DIR, *name),
            rs_test_path("%s/tests/data/test_%s.c", RESCL_TEST_SOURCE_DIR, *name),
        };
        for (size_t i = 0; i < RS_COUNT(paths); i++) {
            FILE *file = fopen(paths[i], "r");
            if (file == NULL)
                fail_msg("the format %s has no %s", *name, paths[i]);
            else
                fclose(file);
        }
    }
    assert_true(count >= 3);
}

/* "handsigns, synthetic, ..." */
static const char *list_of_formats(void)
{
    static char text[512];
    size_t used = 0;
    for (const char *const *f = rescl_dataset_formats(); *f; f++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "", *f);
    assert_non_null(strstr(text, "handsigns, synthetic"));
    assert_non_null(strstr(text, "folder"));
    return text;
}

static void open_fails(rescl_data_options options, rescl_status status, const char *word,
                       const char *word2)
{
    rescl_dataset *set;
    options.struct_size = sizeof options;
    if (options.split == NULL)
        options.split = "train";
    assert_fails(rescl_dataset_open(&options, &set), status, word, word2);
    assert_null(set);
}

/* What lies behind an older caller's struct is not looked at. */
static void an_older_caller_is_served(void **state)
{
    (void)state;
    rescl_data_options o;
    rescl_dataset *set = NULL;
    memset(&o, 0xff, sizeof o);
    rescl_data_options_init(&o, offsetof(rescl_data_options, samples));
    assert_int_equal(o.samples, SIZE_MAX);
    o.path = "handsigns";
    o.split = "test";
    o.image_size = 8;
    assert_ok(rescl_dataset_open(&o, &set));
    assert_int_equal(rescl_dataset_count(set), 120);
    rescl_dataset_close(set);
    o.struct_size = 0;
    assert_fails(rescl_dataset_open(&o, &set), RESCL_ERR_ARG, "rescl_data_options_default");
    assert_fails(rescl_dataset_open(NULL, &set), RESCL_ERR_ARG, "rescl_data_options", "NULL");
}

static void tells_what_it_found(void **state)
{
    (void)state;
    const char *file = rs_test_path("%s/notes.txt", rs_test_dir);
    put_bytes(file, "notes", 5);
    open_fails((rescl_data_options){.path = NULL}, RESCL_ERR_ARG, "no dataset", "handsigns");
    open_fails((rescl_data_options){.path = ""}, RESCL_ERR_ARG, "no dataset", "handsigns");
    open_fails((rescl_data_options){.path = "handsigns", .split = ""}, RESCL_ERR_ARG, "split",
               "handsigns");
    open_fails((rescl_data_options){.path = rs_test_dir, .split = "../x"}, RESCL_ERR_ARG, "../x",
               "split");
    open_fails((rescl_data_options){.path = "handsign"}, RESCL_ERR_NOT_FOUND, "handsign",
               "did you mean \"handsigns\"");
    const char *absent = rs_test_path("%s/nowhere/at all", rs_test_dir);
    open_fails((rescl_data_options){.path = absent}, RESCL_ERR_NOT_FOUND, absent, "no such");
    open_fails((rescl_data_options){.path = rs_test_dir}, RESCL_ERR_FORMAT, "a folder",
               list_of_formats());
    open_fails((rescl_data_options){.path = file}, RESCL_ERR_FORMAT, "notes.txt", "a file");
    open_fails((rescl_data_options){.path = rs_test_dir, .format = "foldr"}, RESCL_ERR_ARG,
               "\"foldr\"", "did you mean \"folder\"");
    open_fails((rescl_data_options){.path = rs_test_dir, .format = "zzzzzzzzz"}, RESCL_ERR_ARG,
               "\"zzzzzzzzz\"", list_of_formats());
}

/* Fewer samples are spread over the whole set, so that a set in the order of its classes still
 * shows them all. */
static void spreads_fewer_samples(void **state)
{
    (void)state;
    for (int c = 0; c < 3; c++) {
        assert_ok(rs_mkdirs(rs_test_path("%s/set/%c", rs_test_dir, 'a' + c)));
        for (int i = 0; i < 4; i++)
            put_image(rs_test_path("%s/set/%c/%d.png", rs_test_dir, 'a' + c, i),
                      (uint8_t)(c * 10 + i));
    }
    const char *path = rs_test_path("%s/set", rs_test_dir);
    static const int all[12] = {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
    for (size_t samples = 0; samples <= 13; samples++) {
        const rescl_data_options options = {
            .struct_size = sizeof options, .path = path, .split = "train", .samples = samples};
        const size_t count = samples == 0 || samples > 12 ? 12 : samples;
        rescl_dataset *set = NULL;
        assert_ok(rescl_dataset_open(&options, &set));
        assert_int_equal(rescl_dataset_count(set), count);
        for (size_t i = 0; i < count; i++) {
            rescl_image image;
            int32_t label;
            assert_ok(rescl_dataset_get(set, i, &image, &label));
            assert_int_equal(image.pixels[0], all[i * 12 / count]);
            assert_int_equal(label, all[i * 12 / count] / 10);
            rescl_image_free(&image);
        }
        rescl_dataset_close(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_has_its_files),
        cmocka_unit_test(an_older_caller_is_served),
        cmocka_unit_test(tells_what_it_found),
        cmocka_unit_test(spreads_fewer_samples),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
