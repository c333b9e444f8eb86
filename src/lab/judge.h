/* Whether a result of an operation is right, for problems of any size.
 *
 * The host reference over all of a network's layers would take minutes. Two cheaper looks together
 * say as much:
 *     numbers drawn over the whole result, corners among them, are computed in double one by one
 *     (rs_op.reference_at): what all implementations have in common cannot hide an error there;
 *     every number is compared with the first result that passed that: an error in a few places,
 *     such as the last tile, shows wherever it is, for two implementations do not make the same.
 * The tolerance is that of the operations' tests (rs_tolerance); the second comparison allows what
 * both results may be off. */
#ifndef RS_JUDGE_H
#define RS_JUDGE_H

#include "op.h"

typedef struct rs_judge {
    rescl_device *dev;
    rs_pass pass;
    const rs_problem *p;
    rs_tensor result; /* borrowed */
    size_t count, samples;
    size_t *index;  /* of the drawn numbers ... */
    double *truth;  /* ... and what they should be */
    double rms;     /* of the truth */
    float *initial; /* what the result adds to; NULL: nothing, it starts as NaN */
    float *got;
    float *trusted; /* NULL: no result passed yet */
    size_t trusted_terms;
} rs_judge;

typedef struct rs_verdict {
    double share;    /* the largest error as a share of what is tolerated; above 1: it is wrong */
    double distance; /* relative L2 distance to the truth over the drawn numbers, or to the first
                      * right result over all, whichever is larger */
} rs_verdict;

/* Draws numbers and computes them from what the tensors of `args` hold. Borrows p and args. `out` is
 * {0}. */
rescl_status rs_judge_init(rescl_device *dev, const rs_problem *p, rs_pass pass,
                           const rs_args *args, rs_judge *out) RESCL_CHECK;
void rs_judge_fini(rs_judge *j);

/* Before a run that is to be judged: gives the result tensor its initial content. */
rescl_status rs_judge_reset(const rs_judge *j) RESCL_CHECK;
/* After it. Both numbers are infinity for NaN in the wrong place. */
rescl_status rs_judge_result(rs_judge *j, const rs_impl *impl, rs_verdict *out) RESCL_CHECK;

#endif
