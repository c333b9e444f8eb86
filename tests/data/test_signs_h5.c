#define _GNU_SOURCE /* memmem */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"
#include "rng.h"

static rescl_status open_path(const char *path, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {
        .struct_size = sizeof options, .path = path, .split = split};
    return rescl_dataset_open(&options, set);
}

#ifdef RS_HAVE_HDF5

#include <hdf5.h>

enum { COUNT = 10, HEIGHT = 5, WIDTH = 7, CLASSES = 3, PIXELS = COUNT * HEIGHT * WIDTH * 3 };

static uint8_t pixel_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 24);
}

/* How a test file differs from a good one; zeros are a good one. */
typedef struct recipe {
    const char *name;
    const char *words; /* of the error, NULL when the file is good */
    hsize_t dim[4];    /* of the images, when dim[0] > 0; then nothing is written into them */
    int ndim;
    bool chunked, deflate, shuffle, fletcher, nbit, szip, external, virtual_set;
    bool soft_link, external_link, group, scalar, half_written, no_classes;
    hid_t type; /* of the images */
    hid_t label_type;
    bool label_row, label_column, label_cube; /* (1, N), (N, 1), (N, 1, 1, 1) */
    double low, high;                         /* of pixels that are floats, in place of 0 and 255 */
    int label_count, bad_label, classes;
} recipe;

static hid_t make_plist(const recipe *r, const hsize_t *chunk, int ndim)
{
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (r->chunked)
        assert_true(H5Pset_chunk(plist, ndim, chunk) >= 0);
    if (r->shuffle)
        assert_true(H5Pset_shuffle(plist) >= 0);
    if (r->nbit)
        assert_true(H5Pset_nbit(plist) >= 0);
    if (r->szip)
        assert_true(H5Pset_szip(plist, H5_SZIP_NN_OPTION_MASK, 4) >= 0);
    if (r->deflate)
        assert_true(H5Pset_deflate(plist, 6) >= 0);
    if (r->fletcher)
        assert_true(H5Pset_fletcher32(plist) >= 0);
    if (r->external)
        assert_true(H5Pset_external(plist, "other.bin", 0, H5F_UNLIMITED) >= 0);
    return plist;
}

static void put_images(hid_t file, const recipe *r)
{
    hsize_t dim[4] = {COUNT, HEIGHT, WIDTH, 3}, chunk[4] = {4, HEIGHT, WIDTH, 3};
    const int ndim = r->ndim ? r->ndim : 4;
    if (r->dim[0] > 0)
        memcpy(dim, r->dim, sizeof dim);
    const hid_t plist = make_plist(r, chunk, ndim);
    const hid_t space = r->scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(ndim, dim, NULL);
    if (r->virtual_set)
        assert_true(H5Pset_virtual(plist, space, "other.h5", "x", space) >= 0);
    const hid_t set = H5Dcreate2(file, "train_set_x", r->type ? r->type : H5T_STD_U8LE, space,
                                 H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(set >= 0);
    double *pixels = malloc(PIXELS * sizeof *pixels);
    const double range = r->high - r->low;
    assert_non_null(pixels);
    for (size_t i = 0; i < PIXELS; i++)
        pixels[i] = range > 0.0 ? r->low + range * pixel_at(i) / 255.0 : pixel_at(i);
    const bool plain = !r->dim[0] && !r->virtual_set && !r->external && !r->scalar;
    if (plain && r->half_written) {
        const hsize_t start[4] = {0}, some[4] = {4, HEIGHT, WIDTH, 3};
        const hid_t memory = H5Screate_simple(4, some, NULL);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, some, NULL);
        assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, pixels) >= 0);
        H5Sclose(memory);
    } else if (plain) {
        assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels) >= 0);
    }
    free(pixels);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(plist);
}

static void put_integers(hid_t file, const char *name, const recipe *r, bool labels)
{
    const int usual = labels ? COUNT : CLASSES, asked = labels ? r->label_count : r->classes;
    const int count = asked ? asked : usual;
    const bool row = labels && r->label_row, cube = labels && r->label_cube;
    const bool column = cube || (labels && r->label_column);
    const hsize_t dim[4] = {row ? 1 : (hsize_t)count, column ? 1 : (hsize_t)count, 1, 1};
    const hid_t space = H5Screate_simple(cube ? 4 : row || column ? 2 : 1, dim, NULL);
    const hid_t type = labels && r->label_type ? r->label_type : H5T_STD_I64LE;
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    int values[COUNT * 2];
    for (int i = 0; i < count; i++)
        values[i] = labels ? i * 7 % CLASSES : i;
    if (labels && r->bad_label)
        values[6] = r->bad_label;
    assert_true(H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static const char *put_file(const recipe *r)
{
    const char *path = rs_test_path("%s/train_signs.h5", rs_test_dir);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    if (r->soft_link)
        assert_true(H5Lcreate_soft("/train_set_y", file, "train_set_x", H5P_DEFAULT, H5P_DEFAULT) >=
                    0);
    else if (r->external_link)
        assert_true(H5Lcreate_external("other.h5", "/x", file, "train_set_x", H5P_DEFAULT,
                                       H5P_DEFAULT) >= 0);
    else if (r->group)
        H5Gclose(H5Gcreate2(file, "train_set_x", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    else
        put_images(file, r);
    put_integers(file, "train_set_y", r, true);
    if (!r->no_classes)
        put_integers(file, "list_classes", r, false);
    assert_true(H5Fclose(file) >= 0);
    return path;
}

/* The names of the classes, which HDF5 itself reads, lie in `other`. */
static void class_names_come_from_the_file_itself(void **state)
{
    (void)state;
    const char *path, *other = rs_test_path("%s/secret.bin", rs_test_dir);
    const hsize_t count = CLASSES;
    enum { BYTES = 8 };
    FILE *f = fopen(other, "w");
    assert_non_null(f);
    for (int i = 0; i < CLASSES; i++)
        fprintf(f, "secret-%d", i);
    fclose(f);
    for (int is_virtual = 0; is_virtual <= 1; is_virtual++) {
        rescl_dataset *set = NULL;
        path = put_file(&(recipe){.no_classes = true});
        const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &count, NULL);
        const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
        assert_true(H5Tset_size(type, BYTES) >= 0);
        if (is_virtual)
            assert_true(H5Pset_virtual(plist, space, other, "x", space) >= 0);
        else
            assert_true(H5Pset_external(plist, other, 0, (hsize_t)CLASSES * BYTES) >= 0);
        H5Dclose(H5Dcreate2(file, "list_classes", type, space, H5P_DEFAULT, plist, H5P_DEFAULT));
        H5Pclose(plist);
        H5Sclose(space);
        H5Tclose(type);
        assert_true(H5Fclose(file) >= 0);
        assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, "list_classes",
                     is_virtual ? "virtual dataset" : "external storage", "other files");
    }
}

static void expect_good(const char *path)
{
    rescl_dataset *set = NULL;
    assert_ok(open_path(path, "train", &set));
    assert_int_equal(rescl_dataset_count(set), COUNT);
    assert_int_equal(rescl_dataset_classes(set), CLASSES);
    for (size_t i = 0; i < CLASSES; i++)
        assert_string_equal(rescl_dataset_class_name(set, i), rs_test_path("%zu", i));
    for (size_t i = 0; i < COUNT; i++) {
        rescl_image image;
        int32_t label;
        assert_ok(rescl_dataset_get(set, i, &image, &label));
        assert_int_equal(image.width, WIDTH);
        assert_int_equal(image.height, HEIGHT);
        assert_int_equal(label, i * 7 % CLASSES);
        for (size_t k = 0; k < HEIGHT * WIDTH * 3; k++)
            assert_int_equal(image.pixels[k], pixel_at(i * HEIGHT * WIDTH * 3 + k));
        rescl_image_free(&image);
    }
    rescl_dataset_close(set);
}

static void reads_good_files(void **state)
{
    (void)state;
    const recipe good[] = {
        {.name = "contiguous"},
        {.name = "chunked", .chunked = true},
        {.name = "gzip", .chunked = true, .deflate = true},
        {.name = "shuffle", .chunked = true, .shuffle = true, .type = H5T_STD_I32BE},
        {.name = "shuffle and gzip",
         .chunked = true,
         .shuffle = true,
         .deflate = true,
         .type = H5T_IEEE_F64LE},
        {.name = "fletcher32", .chunked = true, .fletcher = true},
        {.name = "all", .chunked = true, .shuffle = true, .deflate = true, .fletcher = true},
        {.name = "16 bits", .type = H5T_STD_U16LE},
        {.name = "float", .type = H5T_IEEE_F32LE},
        {.name = "float of 0 to 1", .type = H5T_IEEE_F32BE, .low = 0.0, .high = 1.0},
        {.name = "labels in a row", .label_row = true},
        {.name = "labels in a column", .label_column = true},
        {.name = "labels of four dimensions", .label_cube = true},
        {.name = "labels that are floats", .label_type = H5T_IEEE_F64LE},
        {.name = "labels of 8 bits", .label_type = H5T_STD_U8LE},
        {.name = "labels of another byte order", .label_type = H5T_STD_I32BE},
    };
    for (size_t i = 0; i < RS_COUNT(good); i++) {
        expect_good(put_file(&good[i]));
        expect_good(rs_test_dir);
    }
}

/* Of make_h5py_golden.py. */
static void reads_what_h5py_writes(void **state)
{
    static const char *const files[] = {"lzf", "lzf_all", "float"};
    static const char *const names[CLASSES] = {"fist", "one", "two fingers"};
    (void)state;
    for (size_t f = 0; f < RS_COUNT(files); f++) {
        rescl_dataset *set = NULL;
        assert_ok(open_path(rs_test_path(RESCL_TEST_SOURCE_DIR "/tests/data/h5py_%s.h5", files[f]),
                            "train", &set));
        assert_int_equal(rescl_dataset_count(set), COUNT);
        assert_int_equal(rescl_dataset_classes(set), CLASSES);
        for (size_t i = 0; i < CLASSES; i++)
            assert_string_equal(rescl_dataset_class_name(set, i), names[i]);
        for (size_t i = 0; i < COUNT; i++) {
            rescl_image image;
            int32_t label;
            assert_ok(rescl_dataset_get(set, i, &image, &label));
            assert_int_equal(label, i * 7 % CLASSES);
            for (size_t k = 0; k < HEIGHT * WIDTH * 3; k++)
                assert_int_equal(image.pixels[k], (i * HEIGHT * WIDTH * 3 + k) / 16 % 256);
            rescl_image_free(&image);
        }
        rescl_dataset_close(set);
    }
}

/* One byte of a chunk is another: its checksum tells. */
static void a_checksum_is_held_against_the_data(void **state)
{
    const recipe r = {.chunked = true, .fletcher = true};
    const char *path = put_file(&r);
    const uint8_t row[] = {pixel_at(0), pixel_at(1), pixel_at(2), pixel_at(3)};
    rescl_dataset *set;
    char *data, *at;
    size_t bytes;
    (void)state;
    assert_ok(rs_file_read(path, 1 << 20, &data, &bytes));
    at = memmem(data, bytes, row, sizeof row);
    assert_non_null(at);
    at[2] ^= 1;
    put_bytes(path, data, bytes);
    assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, path,
                 "the chunk from 0 on has another checksum");
    free(data);
}

static void refuses_bad_files(void **state)
{
    (void)state;
    const recipe bad[] = {
        {.words = "external link", .external_link = true},
        {.words = "soft link", .soft_link = true},
        {.words = "external storage", .external = true},
        {.words = "virtual", .virtual_set = true},
        {.words = "filter", .chunked = true, .nbit = true},
        {.words = "filter",
         .chunked = true,
         .szip = H5Zfilter_avail(H5Z_FILTER_SZIP) > 0,
         .nbit = H5Zfilter_avail(H5Z_FILTER_SZIP) <= 0},
        {.words = "from -1 to 1", .type = H5T_IEEE_F32LE, .low = -1.0, .high = 1.0},
        {.words = "from 0 to 300", .type = H5T_IEEE_F64LE, .low = 0.0, .high = 300.0},
        {.words = "from 0 to 4095", .type = H5T_STD_U16LE, .low = 0.0, .high = 4095.0},
        {.words = "cannot be opened", .group = true},
        {.words = "never written", .scalar = true},
        {.words = "is empty", .dim = {10, 0, 7, 3}},
        {.words = "cannot hold", .dim = {1000000, 1000, 1000, 3}},
        {.words = "cannot hold", .dim = {1000000, 1000, 1000, 3}, .chunked = true},
        {.words = "cannot hold", .dim = {1000000, 1000, 1000, 3}, .chunked = true, .deflate = true},
        {.words = "never written", .dim = {COUNT, HEIGHT, WIDTH, 3}},
        {.words = "never written", .dim = {COUNT, HEIGHT, WIDTH, 3}, .chunked = true},
        {.words = "from 4 on was never written", .chunked = true, .half_written = true},
        {.words = "label 6 is 3", .bad_label = 3},
        {.words = "label 6 is -1", .bad_label = -1},
        {.words = "9 labels for 10", .label_count = 9},
        {.words = "11 labels for 10", .label_count = 11},
        {.words = "list_classes", .no_classes = true},
        {.words = "label 2 is 2", .classes = 2},
    };
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        rescl_dataset *set;
        const char *path = put_file(&bad[i]);
        assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, path, bad[i].words);
        assert_null(set);
    }
}

static void refuses_other_shapes(void **state)
{
    (void)state;
    const struct {
        int ndim;
        hsize_t dim[4];
    } shapes[] = {{3, {COUNT, HEIGHT, WIDTH * 3}},
                  {4, {COUNT, HEIGHT, WIDTH, 4}},
                  {4, {COUNT, HEIGHT, WIDTH, 1}},
                  {1, {PIXELS}}};
    for (size_t i = 0; i < RS_COUNT(shapes); i++) {
        const recipe empty = {.group = true};
        const char *path = put_file(&empty);
        const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        assert_true(H5Ldelete(file, "train_set_x", H5P_DEFAULT) >= 0);
        const hid_t space = H5Screate_simple(shapes[i].ndim, shapes[i].dim, NULL);
        const hid_t set = H5Dcreate2(file, "train_set_x", H5T_STD_U8LE, space, H5P_DEFAULT,
                                     H5P_DEFAULT, H5P_DEFAULT);
        static const uint8_t zeros[PIXELS * 2];
        assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Fclose(file);
        rescl_dataset *opened;
        assert_fails(open_path(path, "train", &opened), RESCL_ERR_FORMAT, "(N, H, W, 3)");
    }
}

static void refuses_other_files(void **state)
{
    (void)state;
    const recipe good = {0};
    const char *path = put_file(&good);
    rescl_dataset *set;
    assert_fails(open_path(path, "test", &set), RESCL_ERR_NOT_FOUND, "test_set_x", "<split>_set_x");
    put_bytes(path, "no HDF5 at all", 14);
    assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, path, "not an HDF5 file");
    put_bytes(path, "", 0);
    assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, path, "not an HDF5 file");
    const rescl_data_options named = {
        .struct_size = sizeof named, .path = rs_test_dir, .split = "test", .format = "signs_h5"};
    assert_fails(rescl_dataset_open(&named, &set), RESCL_ERR_NOT_FOUND, "test_signs.h5");
}

/* The bytes of a good file, on the heap. */
static char *good_bytes(bool filters, size_t *bytes)
{
    const recipe r = {
        .chunked = filters, .deflate = filters, .shuffle = filters, .fletcher = filters};
    char *data;
    assert_ok(rs_file_read(put_file(&r), 1 << 20, &data, bytes));
    return data;
}

static void survives_truncation(void **state)
{
    (void)state;
    for (int filters = 0; filters < 2; filters++) {
        size_t bytes;
        char *data = good_bytes(filters, &bytes);
        const char *path = rs_test_path("%s/train_signs.h5", rs_test_dir);
        for (size_t n = 0; n < bytes; n += n + 64 < bytes ? 61 : 1) {
            rescl_dataset *set;
            put_bytes(path, data, n);
            assert_fails(open_path(path, "train", &set), RESCL_ERR_FORMAT, path);
            assert_null(set);
        }
        free(data);
    }
}

/* Whatever bytes are changed: a set or an error. */
static void survives_corruption(void **state)
{
    (void)state;
    rs_rng rng;
    rs_rng_init(&rng, 5, 6);
    for (int filters = 0; filters < 2; filters++) {
        size_t bytes, refused = 0;
        char *data = good_bytes(filters, &bytes);
        const char *path = rs_test_path("%s/train_signs.h5", rs_test_dir);
        for (int k = 0; k < 300; k++) {
            char *broken = malloc(bytes);
            assert_non_null(broken);
            memcpy(broken, data, bytes);
            for (uint32_t n = 1 + rs_rng_below(&rng, 4); n > 0; n--)
                broken[rs_rng_below(&rng, (uint32_t)bytes)] = (char)rs_rng_u32(&rng);
            put_bytes(path, broken, bytes);
            free(broken);
            rescl_dataset *set;
            const rescl_status st = open_path(path, "train", &set);
            assert_true(st == RESCL_OK || st == RESCL_ERR_FORMAT || st == RESCL_ERR_MEMORY);
            assert_true((st == RESCL_OK) == (set != NULL));
            refused += st != RESCL_OK;
            rescl_dataset_close(set);
        }
        assert_true(refused > 10);
        free(data);
    }
}

/* Opening turns HDF5's own messages off, and on again. */
static void leaves_error_printing_alone(void **state)
{
    (void)state;
    const recipe good = {0};
    H5E_auto2_t before, after;
    void *data;
    rescl_dataset *set = NULL;
    const char *path = put_file(&good);
    assert_true(H5Eget_auto2(H5E_DEFAULT, &before, &data) >= 0);
    assert_non_null(before);
    assert_ok(open_path(path, "train", &set));
    rescl_dataset_close(set);
    assert_true(H5Eget_auto2(H5E_DEFAULT, &after, &data) >= 0);
    assert_true(before == after);
}

static void reads_the_real_set(void **state)
{
    (void)state;
    static const struct {
        const char *split;
        size_t count, each;
    } splits[] = {{"train", 1080, 180}, {"test", 120, 20}};
    const char *data = rs_test_data_dir("the real SIGNS set");
    const char *path = data ? rs_test_path("%s/signs", data) : NULL;
    if (path == NULL || !rs_path_is_dir(path)) {
        if (path != NULL)
            print_message("skipped: the real SIGNS set (%s is absent)\n", path);
        skip();
        return;
    }
    for (size_t i = 0; i < RS_COUNT(splits); i++) {
        rescl_dataset *set = NULL;
        size_t seen[6] = {0};
        assert_ok(open_path(path, splits[i].split, &set));
        assert_int_equal(rescl_dataset_count(set), splits[i].count);
        assert_int_equal(rescl_dataset_classes(set), 6);
        assert_string_equal(rescl_dataset_class_name(set, 5), "5");
        for (size_t k = 0; k < splits[i].count; k++) {
            rescl_image image;
            int32_t label;
            assert_ok(rescl_dataset_get(set, k, &image, &label));
            assert_int_equal(image.width, 64);
            assert_int_equal(image.height, 64);
            assert_in_range(label, 0, 5);
            seen[label]++;
            rescl_image_free(&image);
        }
        for (size_t c = 0; c < 6; c++)
            assert_int_equal(seen[c], splits[i].each);
        rescl_dataset_close(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_good_files),
        cmocka_unit_test(class_names_come_from_the_file_itself),
        cmocka_unit_test(reads_what_h5py_writes),
        cmocka_unit_test(a_checksum_is_held_against_the_data),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(refuses_other_shapes),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(survives_truncation),
        cmocka_unit_test(survives_corruption),
        cmocka_unit_test(leaves_error_printing_alone),
        cmocka_unit_test(reads_the_real_set),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}

#else

static void tells_what_to_install(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/train_signs.h5", rs_test_dir);
    rescl_dataset *set;
    put_bytes(path, "x", 1);
    assert_fails(open_path(path, "train", &set), RESCL_ERR_UNSUPPORTED, path, "libhdf5-dev");
    assert_null(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_what_to_install)};
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}

#endif
