/* What tests of every room build on: the device under test, a small model, small sets of images. */
#ifndef RS_FIXTURES_H
#define RS_FIXTURES_H

#include <rescl/rescl.h>

/* The selector of RESCL_TEST_DEVICE, else of PoCL, else of the default device. */
const char *rs_test_selector(const rescl_runtime *runtime);

/* The device under test, opened at the first call and closed after the group of tests. */
rescl_device *rs_test_device(void);

#define TEST_SIZE 16 /* height and width of images */

/* Drawn hands. */
rescl_dataset *rs_test_hands(const char *split, size_t samples, uint64_t seed);
/* resnet8 with dropout for 6 classes. */
rescl_model *rs_test_model(void);

#endif
