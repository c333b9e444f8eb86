/* The test harness of operations: what lab's proof.h runs, as tests of cmocka. A test of an op is one call:
 *
 *     int main(void)
 *     {
 *         return op_suite_main(&rs_op_maxpool, NULL, 0);
 *     }
 *
 * Each of the op's cases (cases.h) is run in these modes:
 *   gradient   the reference's backward against finite differences of its forward, in double
 *   forward    every implementation, for training and for inference, against the reference
 *   backward   every implementation of both backward passes against the reference, for each mask
 *              of wanted gradients, writing and accumulating
 * forward and backward for each way to store src and dst that an implementation serves; the reference
 * gets what is stored.
 *
 * RESCL_TEST_IMPL=name runs that implementation alone, RESCL_TEST_TYPE=bf16 (f32, f16) that type of src
 * alone, RESCL_TEST_TUNED=off each as it is, without a number tuned: that compiles less. */
#ifndef OP_HARNESS_H
#define OP_HARNESS_H

#include "fixtures.h"
#include "testing.h"

#include "cases.h"
#include "choice.h"
#include "error.h"
#include "guarded.h"
#include "proof.h"

/* Runs the suite of an op's cases, then `extra` cmocka tests. Returns main's result. */
int op_suite_main(const rs_op *op, const struct CMUnitTest *extra, size_t nextra);
/* The same of `count` of them, from number `first` on. */
int op_suite_main_of(const rs_op *op, size_t first, size_t count, const struct CMUnitTest *extra,
                     size_t nextra);

/* rs_expect_close and the functions of guarded.h, whose failure fails the test. */
void op_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                     const double *want, const double *got, size_t count);
rs_guarded op_guarded_create(rescl_device *dev, size_t bytes);
void op_guarded_poison(rescl_device *dev, const rs_guarded *g);
void op_guarded_check(rescl_device *dev, const rs_guarded *g, const char *what);
void op_guarded_write(rescl_device *dev, const rs_guarded *g, rs_dtype type, const double *host,
                      size_t count);
void op_guarded_read(rescl_device *dev, const rs_guarded *g, rs_dtype type, double *host,
                     size_t count);

#endif
