/* What the tests of conv2d share: test_conv2d.c has a case of each kind, test_conv2d_shapes.c the
 * shapes that implementations treat differently. */
#ifndef CONV2D_SUITE_H
#define CONV2D_SUITE_H

#include "op_harness.h"

#include "conv2d_cases.h"

/* Runs the suite of so many of conv2d's cases (op_harness.h), from number `first` on, and what else holds
 * for each of them, then `extra`. Returns main's result. */
int conv2d_suite_main(size_t first, size_t count, const struct CMUnitTest *extra, size_t nextra);

#endif
