/* Problems of operations as text, as bench prints and takes them:
 *
 *     conv2d:32x56x56x64->256,3x3/1      n x h x w x c -> filters, kernel / stride
 *     conv2d:32x56x56x64->64,3x3/1,32groups,pad0,bf16
 *     dense:32x2048->1000                rows x inputs -> units
 *
 * Padding is half the kernel where it is not written. A type behind the rest is that of the
 * activations, tf32 how products may be computed; without, all is f32. Blanks count for nothing. */
#ifndef RS_PROBLEMTEXT_H
#define RS_PROBLEMTEXT_H

#include "attr.h"
#include "op.h"

#include <rescl/precision.h>

#define RS_PROBLEM_TEXT 128
void rs_problem_text(const rs_problem *p, char text[RS_PROBLEM_TEXT]);

/* What a text says. */
typedef struct rs_problem_spec {
    const rs_op *op;
    union {
        rs_conv2d_attr conv2d;
        rs_dense_attr dense;
    } attr;
    rs_shape src;
    bool typed; /* it names a precision */
    rescl_precision precision;
} rs_problem_spec;

/* RESCL_ERR_ARG says what was expected. */
rescl_status rs_problem_parse(const char *text, rs_problem_spec *out) RESCL_CHECK;

/* The problem of a spec, which it borrows, in the precision that the text names, else in `usual`. */
rescl_status rs_problem_of_spec(const rs_problem_spec *spec, bool training, rescl_precision usual,
                                rs_problem *out) RESCL_CHECK;

#endif
