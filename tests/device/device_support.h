/* What the tests of the device room share. */
#ifndef RS_DEVICE_SUPPORT_H
#define RS_DEVICE_SUPPORT_H

#include "cldevice.h"

/* The folder of the test kernels. */
#define TEST_KERNELS RESCL_TEST_SOURCE_DIR "/tests/device/kernels"

/* Opens a device of its own by rs_test_selector, with RESCL_KERNEL_DIR set to the test kernels. */
rescl_device *test_device_open(rescl_runtime **runtime);
void test_device_close(rescl_runtime *runtime, rescl_device *dev);

/* Such a device for a test, or for all tests of a program: cmocka's setup and teardown. */
extern rescl_runtime *test_runtime;
extern rescl_device *test_dev;
int test_device_setup(void **state);
int test_device_teardown(void **state);

/* Opens the device again to profile it; NULL, after saying so, where the driver cannot: then
 * skip(). */
rescl_device *test_device_open_profiling(rescl_runtime *runtime, const rescl_device *like);

rescl_device_stats test_stats(const rescl_device *dev);

#endif
