/* What the tests of choices and of tuning share: a folder, a file in it, what was warned of, and a
 * problem that tuning knows. */
#ifndef TUNE_SUPPORT_H
#define TUNE_SUPPORT_H

#include "op_harness.h"

#include "attr.h"

extern char *tune_dir, *tune_file; /* a new folder, and a path in it where nothing is */
extern char tune_heard[4096];      /* warnings and errors of a test */
extern size_t tune_messages;

/* For each test; the second forgets what the device was tuned to. */
int tune_setup(void **state);
int tune_teardown(void **state);

const rescl_device_info *tune_info(void);

/* A 3x3 convolution, and its key for training. */
extern const rs_conv2d_attr tune_attr;
#define TUNE_KEY "conv2d fwd train 2x8x8x16 -> 8x8x32, 3x3/1x1 pad 1x1"
rs_problem tune_problem(const rs_conv2d_attr *a, bool training);

/* Tunes the device to one line, TUNE_KEY = choice. */
void tune_to(const char *choice);
/* What is chosen for the forward of tune_attr without force. */
void tune_expect_choice(const char *want);

#endif
