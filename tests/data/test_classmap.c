#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include <rescl/data.h>

#include "classmap.h"
#include "error.h"

static const uint8_t pixels[8 * 3];

/* One image of each class, in their order. */
static rescl_dataset *make_set(size_t classes, const char *const *names)
{
    int32_t labels[8];
    rescl_dataset *set = NULL;
    for (size_t i = 0; i < classes; i++)
        labels[i] = (int32_t)i;
    const rescl_data_arrays arrays = {.struct_size = sizeof arrays,
                                      .images = pixels,
                                      .labels = labels,
                                      .count = classes,
                                      .height = 1,
                                      .width = 1,
                                      .classes = classes,
                                      .class_names = names,
                                      .name = "pets",
                                      .copy = true};
    assert_ok(rescl_dataset_from_arrays(&arrays, &set));
    return set;
}

static int32_t label_of(const rescl_dataset *set, size_t index)
{
    rescl_image image;
    int32_t label;
    assert_ok(rescl_dataset_get(set, index, &image, &label));
    rescl_image_free(&image);
    return label;
}

static char heard[1024];

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    if (level <= RESCL_LOG_INFO)
        strncat(heard, message, sizeof heard - strlen(heard) - 1);
}

static void start_hearing(void)
{
    heard[0] = '\0';
    rescl_log_set(hear, NULL);
}

static void matches_by_name(void **state)
{
    (void)state;
    static const char *const pets[] = {"bee", "cow"}, *const model[] = {"ant", "bee", "cow"};
    static const char *const turned[] = {"cow", "dog", "ant", "bee"};
    rescl_dataset *set = make_set(2, pets);
    start_hearing();
    assert_ok(rescl_dataset_match_classes(set, model, 3));
    assert_non_null(strstr(heard, "no images of 1 of the 3 classes of the model: ant"));
    assert_int_equal(rescl_dataset_classes(set), 3);
    assert_string_equal(rescl_dataset_class_name(set, 0), "ant");
    assert_int_equal(label_of(set, 0), 1);
    assert_int_equal(label_of(set, 1), 2);
    assert_ok(rescl_dataset_match_classes(set, turned, 4));
    assert_int_equal(label_of(set, 0), 3);
    assert_int_equal(label_of(set, 1), 0);
    rescl_log_set(NULL, NULL);
    rescl_dataset_close(set);
}

/* Folders called "10" and "2" come in the order of their bytes; a model without names counts. */
static void numbers_are_names_too(void **state)
{
    (void)state;
    static const char *const folders[] = {"0", "1", "10", "2"};
    static const char *const model[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    rescl_dataset *set = make_set(4, folders);
    assert_ok(rescl_dataset_match_classes(set, model, 11));
    assert_int_equal(label_of(set, 2), 10);
    assert_int_equal(label_of(set, 3), 2);
    rescl_dataset_close(set);
}

static void takes_second_names(void **state)
{
    (void)state;
    static const char *const wnids[] = {"n01440764", "n01443537"};
    static const char *const name[] = {"goldfish", "tench"};
    static const char *const other[] = {"n01443537", "n01440764"};
    const rs_class_list list = {.name = name, .other = other, .count = 2, .owner = "the model"};
    rescl_dataset *set = make_set(2, wnids);
    int32_t *map = NULL;
    assert_ok(rs_class_map(set, "dataset", &list, &map));
    assert_non_null(map);
    assert_int_equal(map[0], 1);
    assert_int_equal(map[1], 0);
    free(map);
    rescl_dataset_close(set);
}

static void refuses(const char *ours, const char *theirs, const char *word, const char *why)
{
    const char *const model[] = {"ant", theirs, "cow"};
    rescl_dataset *set = make_set(1, &ours);
    assert_fails(rescl_dataset_match_classes(set, model, 3), RESCL_ERR_FORMAT, ours, word, why);
    assert_int_equal(rescl_dataset_classes(set), 1);
    assert_int_equal(label_of(set, 0), 0);
    rescl_dataset_close(set);
}

static void names_what_may_be_meant(void **state)
{
    (void)state;
    refuses("Bee", "bee", "did you mean 'bee'", "case");
    refuses("bees", "bee", "did you mean 'bee'", "");
    refuses("bee ", "bee", "did you mean 'bee'", "blanks");
    refuses("Honey_bee", "honey bee", "did you mean 'honey bee'", "blanks");
    refuses("caf\xc3\xa9", "cafe\xcc\x81", "did you mean 'cafe\xcc\x81'", "Unicode");
    refuses("cafe\xcc\x81", "caf\xc3\xa9", "did you mean 'caf\xc3\xa9'", "Unicode");
    refuses("\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "did you mean", "Unicode");
    refuses("\xe3\x81\x8b\xe3\x82\x99", "\xe3\x81\x8c", "did you mean", "Unicode");
    refuses("zebra", "bee", "none of the 3 of the model (ant, bee, cow)", "");
}

/* Names that are no UTF-8 are bytes. */
static void bears_any_bytes(void **state)
{
    (void)state;
    const char *why, *odd[] = {"\xff\xfe", "\xe3\x81", "\xf0\x9f", "", "\xcc\x81"};
    for (size_t i = 0; i < RS_COUNT(odd); i++)
        for (size_t k = 0; k < RS_COUNT(odd); k++)
            (void)rescl_class_near(odd[i], (const char *const *)&odd[k], 1, &why);
}

static void counts_where_there_are_no_names(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0", "1", "2"}, *const names[] = {"ant", "bee", "cow"};
    rescl_dataset *set = make_set(3, names);
    start_hearing();
    assert_ok(rescl_dataset_match_classes(set, numbers, 3));
    assert_non_null(strstr(heard, "classes 0 to 2 are taken to be ant, bee, cow"));
    rescl_log_set(NULL, NULL);
    assert_int_equal(label_of(set, 2), 2);
    rescl_dataset_close(set);
    set = make_set(2, names);
    assert_fails(rescl_dataset_match_classes(set, numbers, 3), RESCL_ERR_ARG, "2 classes", "has 3");
    rescl_dataset_close(set);
    set = make_set(3, NULL);
    assert_ok(rescl_dataset_match_classes(set, names, 3));
    assert_string_equal(rescl_dataset_class_name(set, 2), "cow");
    rescl_dataset_close(set);
}

static void refuses_names_that_are_there_twice(void **state)
{
    (void)state;
    static const char *const model[] = {"crane", "tench", "crane"};
    static const char *const birds[] = {"crane"};
    rescl_dataset *set = make_set(1, birds);
    assert_fails(rescl_dataset_match_classes(set, model, 3), RESCL_ERR_FORMAT, "two of that name");
    rescl_dataset_close(set);
    set = make_set(3, model); /* the same list: each is itself */
    assert_ok(rescl_dataset_match_classes(set, model, 3));
    assert_int_equal(label_of(set, 2), 2);
    rescl_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_by_name),
        cmocka_unit_test(numbers_are_names_too),
        cmocka_unit_test(takes_second_names),
        cmocka_unit_test(names_what_may_be_meant),
        cmocka_unit_test(bears_any_bytes),
        cmocka_unit_test(counts_where_there_are_no_names),
        cmocka_unit_test(refuses_names_that_are_there_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
