/* What a call that fails is reported as, and that the next try finds nothing of it. */
#include "cldevice.h"
#include "faultcl.h"
#include "fixtures.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Options with which nobody built a program before. */
static const char *new_options(void)
{
    static char text[64];
    static int count;
    snprintf(text, sizeof text, "-DFAULT=%ld%03d", (long)getpid(), count++);
    return text;
}

static rescl_status get_fold(const char *options)
{
    rs_kernel *k = NULL;
    return rs_kernel_get(rs_test_device(), "fold", options, "fold_batchnorm", &k);
}

static void a_program_that_was_not_built_is_built_when_asked_again(void **state)
{
    (void)state;
    static const char *const calls[] = {"clCreateProgramWithSource", "clBuildProgram"};
    (void)rs_test_device();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *options = new_options();
        fault_arm(&(fault_plan){.at = 1, .function = calls[i], .code = -5});
        assert_fails(get_fold(options), RESCL_ERR_DEVICE, calls[i], "CL_OUT_OF_RESOURCES");
        assert_ok(get_fold(options));
    }
}

static void what_does_not_compile_is_remembered(void **state)
{
    (void)state;
    const char *options = new_options();
    fault_arm(&(fault_plan){.at = 1, .function = "clBuildProgram", .code = -11});
    assert_fails(get_fold(options), RESCL_ERR_BUILD, "fold");
    assert_fails(get_fold(options), RESCL_ERR_BUILD, "fold");
}

static void a_kernel_that_was_not_made_is_made_when_asked_again(void **state)
{
    (void)state;
    static const char *const calls[] = {"clCreateKernel", "clGetKernelInfo",
                                        "clGetKernelWorkGroupInfo"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *options = new_options();
        fault_arm(&(fault_plan){.at = 1, .function = calls[i]});
        assert_fails(get_fold(options), RESCL_ERR_DEVICE, calls[i], "CL_OUT_OF_RESOURCES");
        assert_ok(get_fold(options));
    }
    fault_arm(&(fault_plan){.at = 1, .function = "clCreateKernel", .code = -46});
    assert_fails(get_fold(new_options()), RESCL_ERR_DEVICE, "kernel fold_batchnorm of fold.cl",
                 "clCreateKernel: CL_INVALID_KERNEL_NAME");
}

static void an_argument_that_the_driver_refuses_names_kernel_and_argument(void **state)
{
    (void)state;
    static const int codes[] = {-49, -50, -51, -52, -5, -48};
    rs_kernel *k = NULL;
    rs_buffer *buf = NULL;
    rescl_device *dev = rs_test_device();
    const rs_grid grid = {.items = {1}, .group = {1}};
    fault_arm(NULL);
    assert_ok(rs_kernel_get(dev, "fold", "", "fold_batchnorm", &k));
    assert_ok(rs_buffer_create(dev, 64, &buf));
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fault_arm(&(fault_plan){.at = 1, .function = "clSetKernelArg", .code = codes[i]});
        assert_fails(RS_LAUNCH(dev, k, grid, RS_BUF(buf), RS_BUF(NULL), RS_BUF(buf), RS_BUF(buf),
                               RS_BUF(buf), RS_BUF(buf), RS_FLOAT(1), RS_BUF(buf), RS_BUF(buf),
                               RS_UINT(1), RS_UINT(1), RS_UINT(1), RS_UINT(1)),
                     RESCL_ERR_DEVICE, "clSetKernelArg", "fold_batchnorm", "argument 0");
        assert_int_equal(rescl_last_error()->cl_code, codes[i]);
    }
    rs_buffer_release(buf);
}

/* 0 units, no name or no local memory are not what a device has because it does not say. */
static void a_device_that_does_not_answer_is_not_used(void **state)
{
    (void)state;
    static const char *const calls[] = {"clGetDeviceInfo", "clGetPlatformInfo"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        rescl_runtime *runtime = NULL;
        fault_arm(&(fault_plan){.function = calls[i]});
        assert_ok(rescl_runtime_create(&runtime));
        const uint64_t asked = fault_calls();
        rescl_runtime_destroy(runtime);
        for (uint64_t n = 1; n <= asked; n++) {
            size_t refused = 0;
            fault_arm(&(fault_plan){.at = n, .function = calls[i]});
            assert_ok(rescl_runtime_create(&runtime));
            for (size_t d = 0; d < rescl_runtime_device_count(runtime); d++) {
                const rescl_device_info *info = rescl_runtime_get_device_info(runtime, d);
                refused += !info->usable && strstr(info->reason, calls[i]) &&
                           strstr(info->reason, "does not answer");
            }
            rescl_runtime_destroy(runtime);
            assert_int_equal(refused, 1);
        }
    }
}

static void a_platform_that_lists_no_devices_keeps_its_code(void **state)
{
    (void)state;
    rescl_runtime *runtime = NULL;
    fault_arm(&(fault_plan){.at = 1, .times = 100, .function = "clGetDeviceIDs"});
    assert_fails(rescl_runtime_create(&runtime), RESCL_ERR_DEVICE, "clGetDeviceIDs",
                 "CL_OUT_OF_RESOURCES");
    fault_arm(&(fault_plan){.at = 1, .function = "clGetPlatformIDs"});
    assert_fails(rescl_runtime_create(&runtime), RESCL_ERR_MEMORY, "clGetPlatformIDs",
                 "CL_OUT_OF_HOST_MEMORY");
    assert_null(runtime);
}

static void opening_asks_the_device_too(void **state)
{
    (void)state;
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    fault_arm(NULL);
    assert_ok(rescl_runtime_create(&runtime));
    fault_arm(&(fault_plan){.at = 1, .function = "clGetDeviceInfo"});
    assert_fails(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device),
                 RESCL_ERR_DEVICE, "clGetDeviceInfo", "CL_OUT_OF_RESOURCES");
    assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device));
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
}

/* Within CLBlast too, which launches its kernels itself. */
static void a_launch_of_clblast_has_the_code_of_any_other(void **state)
{
    (void)state;
    rs_buffer *buf = NULL;
    fault_arm(NULL);
    assert_ok(rs_buffer_create(rs_test_device(), 3 * 64 * sizeof(float), &buf));
    const rs_gemm g = {.m = 8,
                       .n = 8,
                       .k = 8,
                       .alpha = 1,
                       .a = buf,
                       .lda = 8,
                       .b = buf,
                       .b_offset = 64,
                       .ldb = 8,
                       .c = buf,
                       .c_offset = 128,
                       .ldc = 8};
    fault_arm(&(fault_plan){.at = 1, .function = "clEnqueueNDRangeKernel", .code = -5});
    assert_fails(rs_blas_gemm(rs_test_device(), &g), RESCL_ERR_DEVICE, "CLBlastSgemm",
                 "CL_OUT_OF_RESOURCES");
    fault_arm(&(fault_plan){.at = 1, .function = "clEnqueueNDRangeKernel", .code = -4});
    assert_fails(rs_blas_gemm(rs_test_device(), &g), RESCL_ERR_MEMORY, "CLBlastSgemm");
    fault_arm(NULL);
    assert_ok(rs_blas_gemm(rs_test_device(), &g));
    assert_ok(rs_finish(rs_test_device()));
    rs_buffer_release(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_was_not_built_is_built_when_asked_again),
        cmocka_unit_test(what_does_not_compile_is_remembered),
        cmocka_unit_test(a_kernel_that_was_not_made_is_made_when_asked_again),
        cmocka_unit_test(an_argument_that_the_driver_refuses_names_kernel_and_argument),
        cmocka_unit_test(a_device_that_does_not_answer_is_not_used),
        cmocka_unit_test(a_platform_that_lists_no_devices_keeps_its_code),
        cmocka_unit_test(opening_asks_the_device_too),
        cmocka_unit_test(a_launch_of_clblast_has_the_code_of_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
