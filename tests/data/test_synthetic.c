#include "testing.h"

#include <rescl/data.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "path.h"

static void makes_images_up(void **state)
{
    (void)state;
    rescl_data_options options;
    rescl_dataset *set, *other;
    rescl_image a, b;
    int32_t label;
    rescl_data_options_default(&options);
    options.path = "synthetic";
    options.split = "train";
    options.image_size = 40;
    options.samples = 5000;
    assert_ok(rescl_dataset_open(&options, &set));
    assert_int_equal(rescl_dataset_count(set), 5000);
    assert_int_equal(rescl_dataset_classes(set), 10);
    assert_ok(rescl_dataset_get(set, 4999, &a, &label));
    assert_int_equal(label, 9);
    assert_int_equal(a.width, 40);
    assert_int_equal(a.height, 40);
    assert_ok(rescl_dataset_open(&options, &other)); /* the same again, by the seed */
    assert_ok(rescl_dataset_get(other, 4999, &b, &label));
    assert_memory_equal(a.pixels, b.pixels, (size_t)40 * 40 * 3);
    rescl_image_free(&b);
    assert_ok(rescl_dataset_get(other, 4998, &b, &label));
    assert_memory_not_equal(a.pixels, b.pixels, (size_t)40 * 40 * 3);
    rescl_image_free(&a);
    rescl_image_free(&b);
    rescl_dataset_close(set);
    rescl_dataset_close(other);
    options.split = "val";
    assert_fails(rescl_dataset_open(&options, &set), RESCL_ERR_NOT_FOUND, "only train and test");
    options.split = "test";
    options.image_size = 100000;
    assert_fails(rescl_dataset_open(&options, &set), RESCL_ERR_ARG, "image_size 100000");
}

/* The name of a built-in set is not taken for that where files of the user are called so. */
static void leaves_files_of_its_name_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"synthetic", "handsigns10"};
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        rescl_data_options options;
        rescl_dataset *set;
        assert_int_equal(chdir(rs_test_dir), 0);
        assert_ok(rs_mkdirs(names[i]));
        rescl_data_options_default(&options);
        options.path = names[i];
        options.split = "train";
        assert_fails(rescl_dataset_open(&options, &set), RESCL_ERR_ARG, names[i], "a folder here",
                     rs_test_path("./%s", names[i]));
        options.format = i ? "handsigns" : "synthetic";
        assert_ok(rescl_dataset_open(&options, &set));
        rescl_dataset_close(set);
        options.h5_images = "x";
        assert_fails(rescl_dataset_open(&options, &set), RESCL_ERR_ARG, "which has no keys");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(makes_images_up),
                                       cmocka_unit_test(leaves_files_of_its_name_alone)};
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
