#include "testing.h"

#include <string.h>

#include <rescl/data.h>

#include "error.h"
#include "loader.h"

#define COUNT  3
#define HEIGHT 2
#define WIDTH  4
#define PIXELS (HEIGHT * WIDTH * 3)

typedef struct fixture {
    uint8_t images[COUNT * PIXELS];
    int32_t labels[COUNT];
    rescl_data_arrays arrays;
} fixture;

static const char *const names[] = {"cat", "dog"};

/* Byte i of the images is i. */
static fixture make(void)
{
    fixture f = {.labels = {1, 0, 1}};
    for (size_t i = 0; i < sizeof f.images; i++)
        f.images[i] = (uint8_t)i;
    rescl_data_arrays_default(&f.arrays);
    f.arrays.count = COUNT;
    f.arrays.height = HEIGHT;
    f.arrays.width = WIDTH;
    f.arrays.classes = 2;
    f.arrays.class_names = names;
    return f;
}

/* The arrays of a fixture lie in it: it must not move any more. */
static rescl_dataset *open_set(fixture *f)
{
    rescl_dataset *set = NULL;
    f->arrays.images = f->images;
    f->arrays.labels = f->labels;
    assert_ok(rescl_dataset_from_arrays(&f->arrays, &set));
    return set;
}

static void check_image(const rescl_dataset *set, size_t index, uint8_t first, int32_t expected)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    assert_int_equal(image.height, HEIGHT);
    assert_int_equal(image.width, WIDTH);
    assert_int_equal(label, expected);
    for (size_t i = 0; i < PIXELS; i++)
        assert_int_equal(image.pixels[i], first + i);
    rescl_image_free(&image);
}

static void gives_the_arrays_images(void **state)
{
    (void)state;
    fixture f = make();
    rescl_dataset *set = open_set(&f);

    assert_int_equal(rescl_dataset_count(set), COUNT);
    assert_int_equal(rescl_dataset_classes(set), 2);
    assert_string_equal(rescl_dataset_class_name(set, 1), "dog");
    assert_ptr_not_equal(rescl_dataset_class_name(set, 1), names[1]);
    check_image(set, 0, 0, 1);
    check_image(set, 2, 2 * PIXELS, 1);
    rescl_image image;
    int32_t label;
    assert_fails(rescl_dataset_get(set, COUNT, &image, &label), RESCL_ERR_ARG, "arrays", "3");
    rescl_dataset_close(set);
}

static void borrows_or_copies_as_told(void **state)
{
    (void)state;
    fixture borrowed = make(), copied = make();
    copied.arrays.copy = true;
    rescl_dataset *a = open_set(&borrowed), *b = open_set(&copied);

    memset(borrowed.images, 0, sizeof borrowed.images);
    memset(&copied, 0xff, sizeof copied);
    check_image(b, 1, PIXELS, 0);
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(a, 1, &image, &label));
    assert_int_equal(image.pixels[5], 0);
    rescl_image_free(&image);
    rescl_dataset_close(a);
    rescl_dataset_close(b);
}

static void names_classes_by_number_and_itself_as_told(void **state)
{
    (void)state;
    fixture f = make();
    f.arrays.class_names = NULL;
    f.arrays.name = "my camera";
    rescl_dataset *set = open_set(&f);
    rescl_image image;
    int32_t label;

    assert_string_equal(rescl_dataset_class_name(set, 0), "0");
    assert_null(rescl_dataset_class_name(set, 2));
    assert_fails(rescl_dataset_get(set, 9, &image, &label), RESCL_ERR_ARG, "my camera");
    rescl_dataset_close(set);
}

/* Any dataset is staged by the loader: what it stages is the arrays' bytes over 255. */
static void is_staged_as_any_dataset(void **state)
{
    (void)state;
    fixture f = make();
    rescl_dataset *set = open_set(&f);
    const rs_loader_options options = {.batch = 2, .height = HEIGHT, .width = WIDTH, .workers = 1};
    rs_loader *l = NULL;
    const rs_batch *batch = NULL;

    assert_ok(rs_loader_create(set, &options, &l));
    assert_int_equal(rs_loader_batches(l), 2);
    assert_ok(rs_loader_start(l, 0, 0));
    assert_ok(rs_loader_next(l, &batch));
    assert_int_equal(batch->n, 2);
    assert_int_equal(batch->labels[0], 1);
    assert_int_equal(batch->pixels[PIXELS], PIXELS);
    rs_loader_release(l, batch);
    rs_loader_destroy(l);
    rescl_dataset_close(set);
}

static void fails(const rescl_data_arrays *arrays, const char *word, const char *word2)
{
    rescl_dataset *set = NULL;
    assert_fails(rescl_dataset_from_arrays(arrays, &set), RESCL_ERR_ARG, word, word2);
    assert_null(set);
}

static void says_what_does_not_fit(void **state)
{
    (void)state;
    static const char *const nameless[] = {"cat", NULL};
    fixture f = make();
    rescl_data_arrays good, a;
    rescl_dataset_close(open_set(&f));
    good = f.arrays;

#define BAD(member, value, word, word2)                                                            \
    do {                                                                                           \
        a = good;                                                                                  \
        a.member = (value);                                                                        \
        fails(&a, word, word2);                                                                    \
    } while (0)
    fails(NULL, "rescl_data_arrays", "NULL");
    BAD(struct_size, 0, "struct_size", "rescl_data_arrays_default");
    BAD(images, NULL, "no images", "arrays");
    BAD(labels, NULL, "no labels", "arrays");
    BAD(count, 0, "at least 1", "0");
    BAD(width, 0, "0x2", "pixels");
    BAD(height, SIZE_MAX, "67108864", "pixels");
    BAD(count, SIZE_MAX, "more than memory", "4x2");
    BAD(classes, 0, "0 classes", "1000000");
    BAD(classes, 1, "image 0 has the label 1", "0 to 0");
    BAD(class_names, nameless, "class 1 has no name", "all 2");
#undef BAD
    f.labels[2] = -1;
    fails(&good, "image 2", "label -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_arrays_images),
        cmocka_unit_test(borrows_or_copies_as_told),
        cmocka_unit_test(names_classes_by_number_and_itself_as_told),
        cmocka_unit_test(is_staged_as_any_dataset),
        cmocka_unit_test(says_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
