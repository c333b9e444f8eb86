#include "device_support.h"
#include "fixtures.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

rescl_device *test_device_open(rescl_runtime **runtime)
{
    rescl_device *dev = NULL;
    assert_int_equal(setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1), 0);
    assert_ok(rescl_runtime_create(runtime));
    assert_ok(rescl_device_open(*runtime, rs_test_selector(*runtime), 0, &dev));
    return dev;
}

rescl_device *test_device_open_profiling(rescl_runtime *runtime, const rescl_device *like)
{
    rescl_device *dev = NULL;
    char pair[64];
    const rescl_device_info *info = rescl_device_get_info(like);
    snprintf(pair, sizeof pair, "%zu:%zu", info->platform, info->device);
    const rescl_status st = rescl_device_open(runtime, pair, RESCL_DEVICE_PROFILE, &dev);
    if (st == RESCL_ERR_UNSUPPORTED) {
        print_message("skipped: profiling (%s)\n", rescl_last_error()->message);
        return NULL;
    }
    assert_ok(st);
    return dev;
}

void test_device_close(rescl_runtime *runtime, rescl_device *dev)
{
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
}

rescl_runtime *test_runtime;
rescl_device *test_dev;

int test_device_setup(void **state)
{
    (void)state;
    test_dev = test_device_open(&test_runtime);
    return 0;
}

int test_device_teardown(void **state)
{
    (void)state;
    test_device_close(test_runtime, test_dev);
    return 0;
}

rescl_device_stats test_stats(const rescl_device *dev)
{
    rescl_device_stats stats;
    rescl_device_get_stats(dev, &stats);
    return stats;
}
