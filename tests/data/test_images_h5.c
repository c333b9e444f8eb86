#include "testing.h"

#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "error.h"

/* Written by h5py: make_h5py_golden.py. */
static rescl_status open_keys(const char *images, const char *labels, const char *split,
                              rescl_dataset **set)
{
    const rescl_data_options options = {
        .struct_size = sizeof options,
        .path = rs_test_path("%s/tests/data/h5py_keys.h5", RESCL_TEST_SOURCE_DIR),
        .split = split,
        .h5_images = images,
        .h5_labels = labels,
    };
    return rescl_dataset_open(&options, set);
}

#ifdef RS_HAVE_HDF5

enum { COUNT = 10, HEIGHT = 5, WIDTH = 7 };

/* That of make_h5py_golden.py. */
static uint8_t value_at(size_t image, size_t i)
{
    return (uint8_t)((image * HEIGHT * WIDTH * 3 + i) / 16);
}

static void expect_images(const rescl_dataset *set, bool grey)
{
    assert_int_equal(rescl_dataset_count(set), COUNT);
    assert_int_equal(rescl_dataset_classes(set), 3);
    assert_string_equal(rescl_dataset_class_name(set, 2), "2");
    for (size_t n = 0; n < COUNT; n++) {
        rescl_image image;
        int32_t label;
        assert_ok(rescl_dataset_get(set, n, &image, &label));
        assert_int_equal(label, n * 7 % 3);
        assert_int_equal(image.height, HEIGHT);
        assert_int_equal(image.width, WIDTH);
        for (size_t i = 0; i < (size_t)HEIGHT * WIDTH * 3; i++)
            assert_int_equal(image.pixels[i], value_at(n, grey ? i / 3 * 3 : i));
        rescl_image_free(&image);
    }
}

static void reads_images_by_key(void **state)
{
    (void)state;
    rescl_dataset *set;
    assert_ok(open_keys("train/images", "train/labels", "train", &set));
    expect_images(set, false);
    rescl_dataset_close(set);
    assert_ok(open_keys("grey", "train/labels", "train", &set));
    expect_images(set, true);
    rescl_dataset_close(set);
    assert_fails(open_keys("grey", "train/labels", "val", &set), RESCL_ERR_NOT_FOUND, "{split}");
}

/* Colours come first in one of them, as floats. */
static void reads_each_split(void **state)
{
    (void)state;
    rescl_dataset *set;
    assert_ok(open_keys("{split}/images", "{split}/labels", "train", &set));
    expect_images(set, false);
    rescl_dataset_close(set);
    assert_ok(open_keys("{split}/images", "{split}/labels", "testing", &set));
    expect_images(set, false);
    rescl_dataset_close(set);
    assert_ok(open_keys("{split}/images", "{split}/labels", "val", &set)); /* as valid/images */
    assert_string_equal(rescl_dataset_split(set), "val");
    rescl_dataset_close(set);
    assert_fails(open_keys("{split}/img", "{split}/labels", "val", &set), RESCL_ERR_NOT_FOUND,
                 "val/img");
    assert_fails(open_keys("{split}/img", "{split}/labels", "train", &set), RESCL_ERR_FORMAT,
                 "train/img");
}

static void warns_of_black_images(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_log_level level;
    assert_ok(open_keys("ones", "train/labels", "train", &set));
    assert_non_null(strstr(rescl_dataset_note(set, 0, &level), "whole numbers of at most 1"));
    assert_int_equal(level, RESCL_LOG_WARN);
    rescl_dataset_close(set);
}

static void refuses_what_is_unclear(void **state)
{
    (void)state;
    rescl_dataset *set;
    assert_fails(open_keys("unclear", "train/labels", "train", &set), RESCL_ERR_FORMAT,
                 "first or last");
    assert_fails(open_keys("standardised", "train/labels", "train", &set), RESCL_ERR_FORMAT,
                 "from -1 to", "before they are standardised");
    assert_fails(open_keys("overshot", "train/labels", "train", &set), RESCL_ERR_FORMAT,
                 "floats from 0 to 1.01", "clip them to 1");
    assert_fails(open_keys("thin", "train/labels", "train", &set), RESCL_ERR_FORMAT, "one column");
    assert_fails(open_keys("train/labels", "train/labels", "train", &set), RESCL_ERR_FORMAT,
                 "expected (N, H, W, 3)");
    assert_fails(open_keys("train/images", "grey", "train", &set), RESCL_ERR_FORMAT,
                 "350 labels for 10 images");
    assert_fails(open_keys("none", "train/labels", "train", &set), RESCL_ERR_FORMAT,
                 "has no dataset none");
    assert_fails(open_keys("grey", NULL, "train", &set), RESCL_ERR_ARG, "--h5-labels KEY");
    assert_fails(open_keys("grey", "{split}/labels", "train", &set), RESCL_ERR_ARG, "both or none");
}

#else

static void says_what_to_install(void **state)
{
    (void)state;
    rescl_dataset *set;
    assert_fails(open_keys("grey", "train/labels", "train", &set), RESCL_ERR_UNSUPPORTED,
                 "RESCL_WITH_HDF5=ON");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef RS_HAVE_HDF5
        cmocka_unit_test(reads_images_by_key),
        cmocka_unit_test(reads_each_split),
        cmocka_unit_test(warns_of_black_images),
        cmocka_unit_test(refuses_what_is_unclear),
#else
        cmocka_unit_test(says_what_to_install),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
