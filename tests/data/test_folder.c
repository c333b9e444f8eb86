#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

static void put_class(const char *folder, const char *file, uint8_t value)
{
    assert_ok(rs_mkdirs(rs_test_path("%s/%s", rs_test_dir, folder)));
    if (file != NULL)
        put_image(rs_test_path("%s/%s/%s", rs_test_dir, folder, file), value);
}

static rescl_status open_split(const char *folder, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = folder ? rs_test_path("%s/%s", rs_test_dir, folder)
                                                       : rs_test_dir,
                                        .split = split};
    return rescl_dataset_open(&options, set);
}

static void expect_sample(const rescl_dataset *set, size_t index, uint8_t value, int32_t label)
{
    rescl_image image;
    int32_t got;
    assert_ok(rescl_dataset_get(set, index, &image, &got));
    assert_int_equal(image.width, 6);
    assert_int_equal(image.height, 4);
    assert_int_equal(image.pixels[0], value);
    assert_int_equal(got, label);
    rescl_image_free(&image);
}

/* Classes and files in the order of their names' bytes: capitals first, "10" before "9". */
static void reads_splits_in_order(void **state)
{
    (void)state;
    put_class("train/b", "2.png", 32);
    put_class("train/b", "10.PNG", 31);
    put_class("train/a", "x.png", 21);
    put_class("train/B", "y.png", 11);
    put_class("train/.hidden", "y.png", 0);
    put_class("test/B", "y.png", 41);
    put_class("test/a", "y.png", 42);
    put_class("test/b", "y.png", 43);
    put_bytes(rs_test_path("%s/train/readme.png", rs_test_dir), "?", 1);  /* no class */
    put_bytes(rs_test_path("%s/train/a/notes.txt", rs_test_dir), "?", 1); /* no image */
    put_bytes(rs_test_path("%s/train/a/.x.png", rs_test_dir), "?", 1);    /* hidden */
    rescl_dataset *set;
    assert_ok(open_split(NULL, "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 3);
    assert_string_equal(rescl_dataset_class_name(set, 0), "B");
    assert_string_equal(rescl_dataset_class_name(set, 1), "a");
    assert_string_equal(rescl_dataset_class_name(set, 2), "b");
    assert_int_equal(rescl_dataset_count(set), 4);
    expect_sample(set, 0, 11, 0);
    expect_sample(set, 1, 21, 1);
    expect_sample(set, 2, 31, 2);
    expect_sample(set, 3, 32, 2);
    rescl_dataset_close(set);
    assert_ok(open_split(NULL, "test", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 0, 41, 0);
    rescl_dataset_close(set);
}

static void reads_val_as_test(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("imagenet/train/n01", "1.png", 1);
    put_class("imagenet/val/n01", "1.png", 2);
    assert_ok(open_split("imagenet", "test", &set));
    expect_sample(set, 0, 2, 0);
    rescl_dataset_close(set);
    put_class("halves/train/n01", "1.png", 1);
    assert_fails(open_split("halves", "test", &set), RESCL_ERR_NOT_FOUND, "halves", "\"test\"");
    assert_null(set);
}

static void reads_classes_without_splits(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("flat/cat", "1.png", 1);
    put_class("flat/dog", "1.png", 2);
    assert_ok(open_split("flat", "test", &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    expect_sample(set, 1, 2, 1);
    rescl_dataset_close(set);
}

static void refuses_classes_without_images(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("gifs/cat", NULL, 0);
    put_bytes(rs_test_path("%s/gifs/cat/1.gif", rs_test_dir), "GIF89a", 6);
    put_bytes(rs_test_path("%s/gifs/cat/2.WEBP", rs_test_dir), "RIFF", 4);
    assert_fails(open_split("gifs", "train", &set), RESCL_ERR_FORMAT, "gifs/cat", "2 of other",
                 "convert");
    put_class("empty/cat", "1.png", 1);
    put_class("empty/dog", NULL, 0);
    assert_fails(open_split("empty", "train", &set), RESCL_ERR_FORMAT, "empty/dog", "no PNG");
    const rescl_data_options named = {.struct_size = sizeof named,
                                      .path = rs_test_path("%s/bare", rs_test_dir),
                                      .split = "train",
                                      .format = "folder"};
    assert_fails(rescl_dataset_open(&named, &set), RESCL_ERR_NOT_FOUND, "bare");
    assert_ok(rs_mkdirs(rs_test_path("%s/bare", rs_test_dir)));
    assert_fails(rescl_dataset_open(&named, &set), RESCL_ERR_FORMAT, "bare", "no folders");
}

/* A name may lie about the format; a class may hold both. */
static void takes_jpeg_by_name_and_reads_by_content(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("mixed/cat", "1.jpg", 5); /* a PNG */
    put_class("mixed/cat", "2.JPEG", 6);
    put_class("mixed/cat", "3.png", 7);
    assert_ok(open_split("mixed", "train", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 0, 5, 0);
    expect_sample(set, 1, 6, 0);
    expect_sample(set, 2, 7, 0);
    rescl_dataset_close(set);
}

/* A GIF that is called .png, a PNG that ends early, one that is gone: told when it is asked for. */
static void names_the_broken_file(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_image image;
    int32_t label;
    put_class("broken/cat", "3-cut.png", 7);
    assert_int_equal(truncate(rs_test_path("%s/broken/cat/3-cut.png", rs_test_dir), 50), 0);
    put_class("broken/cat", "1-good.png", 9);
    put_class("broken/cat", "4-gone.png", 9);
    put_bytes(rs_test_path("%s/broken/cat/2-gif.png", rs_test_dir), "GIF89a", 6);
    assert_ok(open_split("broken", "train", &set));
    assert_int_equal(unlink(rs_test_path("%s/broken/cat/4-gone.png", rs_test_dir)), 0);
    expect_sample(set, 0, 9, 0);
    assert_fails(rescl_dataset_get(set, 1, &image, &label), RESCL_ERR_FORMAT, "2-gif.png", "a GIF",
                 "image 1");
    assert_fails(rescl_dataset_get(set, 2, &image, &label), RESCL_ERR_FORMAT, "3-cut.png",
                 "corrupted");
    assert_fails(rescl_dataset_get(set, 3, &image, &label), RESCL_ERR_NOT_FOUND, "4-gone.png");
    rescl_dataset_close(set);
}

/* Links may lead anywhere, also in circles. */
static void bears_links(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("links/cat", "1.png", 5);
    put_class("elsewhere", "1.png", 6);
    assert_int_equal(symlink("../elsewhere", rs_test_path("%s/links/dog", rs_test_dir)), 0);
    assert_int_equal(symlink("1.png", rs_test_path("%s/links/cat/2.png", rs_test_dir)), 0);
    assert_int_equal(symlink("..", rs_test_path("%s/links/cat/up", rs_test_dir)), 0);
    assert_int_equal(symlink("loop", rs_test_path("%s/links/loop", rs_test_dir)), 0);
    assert_ok(open_split("links", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 2);
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 1, 5, 0);
    expect_sample(set, 2, 6, 1);
    rescl_dataset_close(set);
    assert_int_equal(symlink(".", rs_test_path("%s/links/self", rs_test_dir)),
                     0); /* a class without images */
    assert_fails(open_split("links", "train", &set), RESCL_ERR_FORMAT, "links/self");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_splits_in_order),
        cmocka_unit_test(reads_val_as_test),
        cmocka_unit_test(reads_classes_without_splits),
        cmocka_unit_test(refuses_classes_without_images),
        cmocka_unit_test(takes_jpeg_by_name_and_reads_by_content),
        cmocka_unit_test(names_the_broken_file),
        cmocka_unit_test(bears_links),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
