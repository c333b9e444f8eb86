#include "device_support.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

rescl_device *test_device_open(rescl_runtime **runtime)
{
    rescl_device *dev = NULL;
    size_t index = 0;
    const char *selector = getenv("RESCL_TEST_DEVICE");
    assert_int_equal(setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1), 0);
    assert_ok(rescl_runtime_create(runtime));
    if (selector == NULL) {
        selector = "Portable Computing Language";
        if (rescl_runtime_select(*runtime, selector, &index) != RESCL_OK)
            selector = "auto";
    }
    assert_ok(rescl_device_open(*runtime, selector, 0, &dev));
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

rescl_device_stats test_stats(const rescl_device *dev)
{
    rescl_device_stats stats;
    rescl_device_get_stats(dev, &stats);
    return stats;
}
