#include "testing.h"

#include "device_support.h"

#include <stdlib.h>

/* What is told to users and what kernels are planned by agree. */
static void assert_like_info(const rescl_device *dev)
{
    const rescl_device_info *info = rescl_device_get_info(dev);
    const rs_caps *caps = rs_device_caps(dev);
    assert_int_equal(caps->type, info->type);
    assert_int_equal(caps->compute_units, info->cores);
    assert_int_equal(caps->float_width, info->float_width);
    assert_int_equal(caps->max_group, info->max_group);
    assert_true(caps->local_bytes == info->local_bytes);
    assert_true(caps->max_alloc_bytes == info->max_alloc_bytes);
    assert_int_equal(caps->fp16, info->fp16);
    assert_int_equal(caps->fp64, info->fp64);
    assert_int_equal(caps->half_width > 0, caps->fp16);
}

static void a_device_has_its_caps(void **state)
{
    (void)state;
    rescl_runtime *rt = NULL;
    rescl_device *dev = test_device_open(&rt);
    assert_like_info(dev);
    assert_true(rs_device_caps(dev)->float_width >= 1 && rs_device_caps(dev)->max_group >= 1);
    test_device_close(rt, dev);
}

static void limits_set_by_hand_are_in_them(void **state)
{
    static const char *const limits[][2] = {
        {"RESCL_MAX_GROUP", "2"},       {"RESCL_MAX_LOCAL", "16"},       {"RESCL_FLOAT_WIDTH", "2"},
        {"RESCL_COMPUTE_UNITS", "132"}, {"RESCL_ARCHITECTURE", "sm_90"}, {"RESCL_SUBGROUP", "16"},
        {"RESCL_DEVICE_CLASS", "gpu"}};
    (void)state;
    rescl_runtime *rt = NULL;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        setenv(limits[i][0], limits[i][1], 1);
    rescl_device *dev = test_device_open(&rt);
    const rs_caps *caps = rs_device_caps(dev);
    assert_int_equal(caps->max_group, 2);
    assert_true(caps->local_bytes == 16);
    assert_int_equal(caps->float_width, 2);
    assert_int_equal(caps->compute_units, 132);
    assert_int_equal(rescl_device_get_info(dev)->compute_units, 132);
    assert_int_equal(caps->unit_register_bytes, 256 << 10);
    assert_int_equal(caps->unit_lanes, 128);
    assert_int_equal(caps->subgroup, 16);
    assert_int_equal(caps->type, RESCL_DEVICE_GPU);
    assert_like_info(dev);
    test_device_close(rt, dev);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        unsetenv(limits[i][0]);
}

static void a_wrong_limit_is_an_error(void **state)
{
    static const char *const wrong[][2] = {{"RESCL_COMPUTE_UNITS", "0"},
                                           {"RESCL_COMPUTE_UNITS", "many"},
                                           {"RESCL_ARCHITECTURE", "sm"},
                                           {"RESCL_SUBGROUP", "257"}};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rescl_runtime *rt = NULL;
        setenv(wrong[i][0], wrong[i][1], 1);
        assert_fails(rescl_runtime_create(&rt), RESCL_ERR_ARG, wrong[i][0], wrong[i][1]);
        unsetenv(wrong[i][0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_has_its_caps),
        cmocka_unit_test(limits_set_by_hand_are_in_them),
        cmocka_unit_test(a_wrong_limit_is_an_error),
    };
    return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
