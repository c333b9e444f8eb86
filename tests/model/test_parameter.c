#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rescl/rescl.h>

static rescl_model *make(void)
{
    const rescl_model_options o = {.struct_size = sizeof o, .name = "resnet8", .classes = 3};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

static void lists_every_parameter(void **state)
{
    (void)state;
    rescl_model *m = make();
    rescl_parameter_info p;
    rescl_model_info info;
    size_t i = 0, values = 0, trainable = 0;

    rescl_model_get_info(m, &info);
    for (; rescl_model_get_parameter_info(m, i, &p); i++) {
        size_t product = 1;
        for (size_t d = 0; d < p.ndim; d++)
            product *= p.shape[d];
        assert_int_equal(p.count, product);
        assert_non_null(strchr(p.name, '.'));
        values += p.count;
        trainable += p.trainable ? p.count : 0;
    }
    assert_int_equal(i, rescl_model_parameter_count(m));
    assert_int_equal(values, info.params);
    assert_int_equal(trainable, info.trainable);
    assert_null(p.name);
    rescl_model_destroy(m);
}

static void refuses_a_class_without_a_name(void **state)
{
    (void)state;
    const char *const names[] = {"ant", NULL, "cow"};
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet8", .classes = 3, .class_names = names};
    rescl_model *m = NULL;

    assert_fails(rescl_model_create(&o, &m), RESCL_ERR_ARG, "name 1 of 3");
}

static void says_what_is_frozen(void **state)
{
    (void)state;
    rescl_model *m = make();
    rescl_parameter_info p;

    assert_ok(rescl_model_freeze(m, "body", false));
    assert_true(rescl_model_get_parameter_info(m, 0, &p));
    assert_false(p.trainable);
    assert_true(rescl_model_get_parameter_info(m, rescl_model_parameter_count(m) - 1, &p));
    assert_true(p.trainable);
    rescl_model_destroy(m);
}

static void gets_what_was_set(void **state)
{
    (void)state;
    rescl_model *m = make();
    rescl_parameter_info p;

    for (size_t i = 0; rescl_model_get_parameter_info(m, i, &p); i++) {
        float *values = malloc(p.count * sizeof *values);
        float *again = calloc(p.count, sizeof *again);
        assert_true(values && again);
        for (size_t k = 0; k < p.count; k++)
            values[k] = (float)i + (float)k * 1e-3f;
        assert_ok(rescl_model_set_parameter(m, p.name, values, p.count));
        assert_ok(rescl_model_get_parameter(m, p.name, again, p.count));
        assert_memory_equal(values, again, p.count * sizeof *values);
        free(values);
        free(again);
    }
    rescl_model_destroy(m);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    rescl_model *m = make();
    rescl_parameter_info p;
    float value = 0.0f;
    char near[64];

    assert_true(rescl_model_get_parameter_info(m, 0, &p));
    snprintf(near, sizeof near, "%sx", p.name);
    assert_fails(rescl_model_get_parameter(m, near, &value, 1), RESCL_ERR_NOT_FOUND, near,
                 "did you mean", p.name);
    assert_fails(rescl_model_get_parameter(m, "", &value, 1), RESCL_ERR_NOT_FOUND, "resnet8");
    assert_fails(rescl_model_set_parameter(m, p.name, &value, 1), RESCL_ERR_SHAPE, p.name,
                 "the array 1");
    assert_fails(rescl_model_set_parameter(m, p.name, NULL, p.count), RESCL_ERR_ARG, p.name,
                 "NULL");
    assert_fails(rescl_model_get_parameter(m, NULL, &value, 1), RESCL_ERR_ARG, "NULL");
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_every_parameter), cmocka_unit_test(refuses_a_class_without_a_name),
        cmocka_unit_test(says_what_is_frozen),   cmocka_unit_test(gets_what_was_set),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
