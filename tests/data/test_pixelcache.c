#include "testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data_support.h"
#include "dataset.h"
#include "path.h"

enum { IMAGES = 5, BYTES = 6 * 4 * 3 };

static int make_set(void **state)
{
    rs_test_dir_setup(state);
    assert_ok(rs_mkdirs(rs_test_path("%s/a", rs_test_dir)));
    for (int i = 0; i < IMAGES; i++)
        put_image(rs_test_path("%s/a/%d.png", rs_test_dir, i), (uint8_t)(20 + i));
    return 0;
}

static rescl_dataset *open_set(void)
{
    rescl_data_options o;
    rescl_dataset *set = NULL;
    rescl_data_options_default(&o);
    o.path = rs_test_dir;
    o.split = "train";
    assert_ok(rescl_dataset_open(&o, &set));
    return set;
}

static void check_image(const rescl_dataset *set, size_t index)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_int_equal(label, 0);
    assert_int_equal(image.width, 6);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(image.pixels[i], 20 + index);
    memset(image.pixels, 0, BYTES); /* the caller's own */
    rescl_image_free(&image);
}

/* What was read once needs no file. */
static void keeps_what_was_decoded(void **state)
{
    (void)state;
    rescl_dataset *set = open_set(), *const sets[] = {NULL, set};
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_cache(sets, 2, 0));
    for (size_t i = 0; i + 1 < IMAGES; i++)
        check_image(set, i);
    for (size_t i = 0; i < IMAGES; i++)
        assert_int_equal(unlink(rs_test_path("%s/a/%zu.png", rs_test_dir, i)), 0);
    for (size_t i = 0; i + 1 < IMAGES; i++)
        check_image(set, i);
    assert_int_not_equal(rescl_dataset_get(set, IMAGES - 1, &image, &label), RESCL_OK);
    rescl_dataset_close(set);
}

static void refuses_what_has_no_room(void **state)
{
    (void)state;
    rescl_dataset *set = open_set();
    assert_fails(rescl_dataset_cache(&set, 1, IMAGES * BYTES - 1), RESCL_ERR_MEMORY,
                 "the decoded images take", "the limit that was given");
    assert_null(set->cache);
    assert_ok(rescl_dataset_cache(&set, 1, IMAGES * BYTES));
    assert_non_null(set->cache);
    rescl_dataset_close(set);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_set, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {TEST(keeps_what_was_decoded),
                                       TEST(refuses_what_has_no_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
