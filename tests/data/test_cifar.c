#include "testing.h"

#include <rescl/data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

enum { PLANE = 1024, PIXELS = 3 * PLANE };

static rescl_status open_split(const char *path, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {
        .struct_size = sizeof options, .path = path, .split = split};
    return rescl_dataset_open(&options, set);
}

/* Records in the layout of the official files, by https://www.cs.toronto.edu/~kriz/cifar.html: value i of
 * image n is i / 9 + n. */
static void put_records(const char *path, size_t labels, size_t first, size_t count)
{
    uint8_t *data = calloc(count, labels + PIXELS), *p = data;
    assert_non_null(data);
    for (size_t n = first; n < first + count; n++, p += labels + PIXELS) {
        for (size_t k = 0; k < labels; k++)
            p[k] = (uint8_t)(k + 1 == labels ? n : 77);
        for (size_t i = 0; i < PIXELS; i++)
            p[labels + i] = (uint8_t)(i / 9 + n);
    }
    put_bytes(path, data, count * (labels + PIXELS));
    free(data);
}

static void put_cifar10(const char *folder)
{
    static const char names[] =
        "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    assert_ok(rs_mkdirs(folder));
    put_bytes(rs_test_path("%s/batches.meta.txt", folder), names, sizeof names - 1);
    for (size_t i = 0; i < 5; i++)
        put_records(rs_test_path("%s/data_batch_%zu.bin", folder, i + 1), 1, 2 * i, 2);
    put_records(rs_test_path("%s/test_batch.bin", folder), 1, 3, 1);
}

static void expect(const rescl_dataset *set, size_t index, size_t n, const char *class)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_string_equal(rescl_dataset_class_name(set, (size_t)label), class);
    assert_int_equal(image.width, 32);
    assert_int_equal(image.height, 32);
    for (size_t i = 0; i < PIXELS; i++)
        assert_int_equal(image.pixels[i], (uint8_t)((i % 3 * PLANE + i / 3) / 9 + n));
    rescl_image_free(&image);
}

static void reads_cifar10(void **state)
{
    (void)state;
    rescl_dataset *set;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/cifar-10-batches-bin", rs_test_dir);
    put_cifar10(folder);
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_count(set), 10);
    assert_int_equal(rescl_dataset_classes(set), 10);
    expect(set, 0, 0, "airplane");
    expect(set, 9, 9, "truck");
    rescl_dataset_close(set);
    assert_ok(open_split(rs_test_dir, "test", &set)); /* the folder that it lies in */
    assert_int_equal(rescl_dataset_count(set), 1);
    expect(set, 0, 3, "cat");
    rescl_dataset_close(set);
    assert_fails(open_split(folder, "val", &set), RESCL_ERR_NOT_FOUND, "validation_split");
}

static void reads_cifar100(void **state)
{
    (void)state;
    rescl_dataset *set;
    char names[1000];
    size_t used = 0;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/100", rs_test_dir);
    assert_ok(rs_mkdirs(folder));
    for (int i = 0; i < 100; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "c%d\n", i);
    put_bytes(rs_test_path("%s/fine_label_names.txt", folder), names, used);
    put_records(rs_test_path("%s/train.bin", folder), 2, 40, 3);
    assert_ok(open_split(folder, "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 100);
    expect(set, 1, 41, "c41"); /* the fine label */
    rescl_dataset_close(set);
    assert_fails(open_split(folder, "test", &set), RESCL_ERR_FORMAT, "test.bin",
                 "this file is missing");
}

static void refuses_damage(void **state)
{
    (void)state;
    rescl_dataset *set;
    char folder[512], batch[540];
    snprintf(folder, sizeof folder, "%s/bad", rs_test_dir);
    snprintf(batch, sizeof batch, "%s/data_batch_3.bin", folder);
    put_cifar10(folder);
    char *data;
    size_t bytes;
    assert_ok(rs_file_read(batch, 1 << 20, &data, &bytes));
    put_bytes(batch, data, bytes - 1);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, batch, "multiple of 3073");
    put_bytes(batch, "", 0);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, batch, "0 bytes");
    data[0] = 10;
    put_bytes(batch, data, bytes);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, batch, "label 10");
    remove(batch);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "data_batch_3.bin",
                 "this file is missing");
    put_bytes(rs_test_path("%s/batches.meta.txt", folder), "a\nb\n", 4);
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, "batches.meta.txt",
                 "2 names of classes, expected 10");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_cifar10),
        cmocka_unit_test(reads_cifar100),
        cmocka_unit_test(refuses_damage),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
