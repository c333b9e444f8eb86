/* The shim itself. */
#include "faultcl.h"
#include "fixtures.h"
#include "testing.h"

#include <string.h>

/* The life of a device. */
static rescl_status open_and_close(void)
{
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_status st = rescl_runtime_create(&runtime);
    if (st == RESCL_OK)
        st = rescl_device_open(runtime, rs_test_selector(runtime), 0, &device);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return st;
}

static void calls_are_counted(void **state)
{
    (void)state;
    fault_arm(NULL);
    assert_ok(open_and_close());
    const uint64_t all = fault_calls();
    assert_true(all > 10);
    assert_null(fault_fired(NULL));
    fault_arm(&(fault_plan){.function = "clCreateContext"});
    assert_ok(open_and_close());
    assert_int_equal(fault_calls(), 1);
    assert_string_equal(fault_live(), "");
}

static void one_call_fails_and_then_none(void **state)
{
    (void)state;
    int code = 0;
    fault_arm(&(fault_plan){.at = 1, .function = "clCreateCommandQueue"});
    assert_fails(open_and_close(), RESCL_ERR_DEVICE, "clCreateCommandQueue", "CL_OUT_OF_RESOURCES");
    assert_string_equal(fault_fired(&code), "clCreateCommandQueue");
    assert_int_equal(code, -5);
    assert_ok(open_and_close());
    assert_string_equal(fault_live(), "");
}

static void the_code_and_how_many_fail_can_be_chosen(void **state)
{
    (void)state;
    fault_arm(&(fault_plan){.at = 1, .times = 2, .function = "clCreateContext", .code = -33});
    assert_fails(open_and_close(), RESCL_ERR_DEVICE, "clCreateContext", "CL_INVALID_DEVICE");
    assert_fails(open_and_close(), RESCL_ERR_DEVICE, "clCreateContext", "CL_INVALID_DEVICE");
    assert_ok(open_and_close());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_counted),
        cmocka_unit_test(one_call_fails_and_then_none),
        cmocka_unit_test(the_code_and_how_many_fail_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
