#include "device_support.h"
#include "testing.h"

#include <stdlib.h>

rescl_device *test_device_open(rescl_runtime **runtime, unsigned flags)
{
    rescl_device *dev = NULL;
    size_t index = 0;
    const char *selector = getenv("RESCL_TEST_DEVICE");
    assert_int_equal(setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1), 0);
    assert_ok(rescl_runtime_create(runtime));
    if (selector == NULL) {
        selector = "Portable Computing Language";
        if (rescl_runtime_select(*runtime, selector, &index) != RESCL_OK)
            selector = "cpu";
    }
    assert_ok(rescl_device_open(*runtime, selector, flags, &dev));
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
