/* The test harness of operations. A test of an op is a table of cases and one call:
 *
 *     static const rs_pool_attr pool3 = {.kernel_h = 3, ...};
 *     static const op_case cases[] = {
 *         {.name = "3x3", .src = {{4, {2, 9, 7, 5}}}, .attr = &pool3},
 *     };
 *     int main(void)
 *     {
 *         const op_suite s = {.op = &rs_op_maxpool, .cases = cases, .ncases = RS_COUNT(cases)};
 *         return op_suite_main(&s, NULL, 0);
 *     }
 *
 * Each case is run in these modes:
 *   gradient   the reference's backward against finite differences of its forward, in double
 *   forward    every implementation, for training and for inference, against the reference
 *   backward   every implementation of both backward passes against the reference, for each mask
 *              of wanted gradients, writing and accumulating
 * forward and backward for each way to store src and dst that an implementation serves; the reference
 * gets what is stored.
 *
 * On the device every tensor lies between guard zones that must survive, inputs must come back
 * unchanged, outputs, scratch and tensors that a pass does not declare to read start as NaN, and
 * each plan runs twice and must give the same bits. RESCL_TEST_IMPL=name runs that implementation
 * alone, RESCL_TEST_TYPE=bf16 (f32, f16) that type of src alone, RESCL_TEST_TUNED=off each as it is,
 * without a number tuned: that compiles less. */
#ifndef OP_HARNESS_H
#define OP_HARNESS_H

#include "fixtures.h"
#include "testing.h"

#include "choice.h"
#include "error.h"
#include "op.h"
#include "rng.h"

typedef struct op_case {
    const char *name;
    rs_shape src[RS_OP_SRC]; /* an ndim of 0 ends them */
    const void *attr;
    bool inference_only; /* no backward pass is tested */
    bool no_gradient;    /* finite differences do not apply: ties, kinks, NaN */
    bool f32_alone;      /* narrower types cannot hold its numbers */
    double scale;        /* size of the terms that cancel within an output, when it exceeds the
                          * outputs themselves; widens the tolerance */
    int variant;         /* free, for the suite's fill */
} op_case;

/* Host copies of what goes into a call, all already filled: src, param and diff_dst uniform in
 * [-1, 1), i32 inputs 0, state uniform in [0.5, 1.5). Values are rounded to their types afterwards. */
typedef struct op_data {
    double *src[RS_OP_SRC], *param[RS_OP_PARAM], *state[RS_OP_STATE], *diff_dst;
} op_data;

typedef struct op_suite {
    const rs_op *op;
    const op_case *cases;
    size_t ncases;
    bool mixed; /* dst in f32 is tried with narrower src, too */
    /* Changes the default data of a case; NULL: nothing to change. */
    void (*fill)(const op_case *c, const rs_problem *p, op_data *d, rs_rng *rng);
} op_suite;

/* Runs the suite, then `extra` cmocka tests. Returns main's result. */
int op_suite_main(const op_suite *s, const struct CMUnitTest *extra, size_t nextra);

/* Fails, naming the worst element, unless each got[i] is within rs_tolerance of want[i]; NaN matches
 * only NaN. The magnitude of element i is the largest of |want[i]|, the root mean square of want,
 * and `scale`. */
void op_expect_close(const char *what, rs_dtype type, size_t terms, double scale,
                     const double *want, const double *got, size_t count);

/* ---- device memory between guard zones ----------------------------------------------------- */

typedef struct op_guarded {
    rs_buffer *all, *view; /* view: what the kernel gets; NULL when `bytes` is 0 */
    size_t bytes, total;   /* of the content; with its guards */
    size_t before;         /* the first guard; the rest follows the content */
} op_guarded;

/* Everything, guards and content, is filled with NaN. On Oclgrind, which checks bounds itself but
 * takes sub-buffers for uninitialised, there is only a guard behind the content. */
op_guarded op_guarded_create(rescl_device *dev, size_t bytes);
void op_guarded_free(op_guarded *g);
void op_guarded_poison(rescl_device *dev, const op_guarded *g);
/* Fails, naming `what`, when a guard zone was written. */
void op_guarded_check(rescl_device *dev, const op_guarded *g, const char *what);
/* What the device's type makes of a number. */
double op_rounded(rs_dtype type, double x);
/* Doubles to and from the device's type. */
void op_guarded_write(rescl_device *dev, const op_guarded *g, rs_dtype type, const double *host,
                      size_t count);
void op_guarded_read(rescl_device *dev, const op_guarded *g, rs_dtype type, double *host,
                     size_t count);

#endif
