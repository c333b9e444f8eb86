/* Whether a result of an operation is right, for problems of any size.
 *
 * The host reference over all of a network's layers would take minutes, and so would reading their
 * results back. Three cheap looks together say as much:
 *     numbers drawn from the result (corners, borders of tiles, the last rows, and any) are computed
 *     in double one by one (rs_op.reference_at): what all implementations have in common cannot hide
 *     an error there;
 *     the device counts the numbers that are not finite: what a run does not write is NaN;
 *     the device sums each block of the result with random weights, and these sums are compared with
 *     those of the first result that passed: a wrong number changes its block's sum by about its own
 *     error wherever it lies, and two implementations do not err in the same places.
 * The tolerance is that of the operations' tests (rs_tolerance). Sums of n numbers may differ by what
 * both results may be off, times the square root of n. */
#ifndef RS_JUDGE_H
#define RS_JUDGE_H

#include "op.h"

typedef struct rs_judge {
    rescl_device *dev;
    rs_pass pass;
    const rs_problem *p;
    rs_tensor result; /* borrowed */
    size_t count, samples, blocks;
    size_t
        terms; /* of all drawn numbers together, roughly; set before rs_judge_init, 0: the usual */
    uint64_t *index; /* of the drawn numbers ... */
    double *truth;   /* ... and what they should be */
    double rms;      /* of the truth */
    bool adds;       /* to what the result holds, which is data then; else it starts as NaN */
    rs_kernel *pick, *digest;
    size_t group; /* of digest */
    rs_buffer *index_buf, *picked_buf, *sums_buf;
    float *picked, *sums; /* of the result that is judged: numbers; two for each block */
    float *trusted;       /* the sums of the first result that passed; NULL: none did yet */
    size_t trusted_terms;
} rs_judge;

typedef struct rs_verdict {
    double share;    /* the largest error as a share of what is tolerated; above 1: it is wrong */
    double distance; /* relative L2 distance to the truth over the drawn numbers */
    size_t lost;     /* numbers that are not finite, or were not written */
} rs_verdict;

/* Draws numbers of what a pass on rs_trial_args_make's tensors gives and computes them. Borrows p and
 * args. `out` is {0}, but for terms. */
rescl_status rs_judge_init(rescl_device *dev, const rs_problem *p, rs_pass pass,
                           const rs_args *args, rs_judge *out) RESCL_CHECK;
void rs_judge_fini(rs_judge *j);

/* Before a run that is to be judged: gives the result tensor its initial content. */
rescl_status rs_judge_reset(const rs_judge *j) RESCL_CHECK;
/* After it. Share and distance are infinity where numbers are not finite. */
rescl_status rs_judge_result(rs_judge *j, const rs_impl *impl, rs_verdict *out) RESCL_CHECK;

/* What a number as large as the root mean square of the truth may be off, as a share of it. */
double rs_judge_tolerance(const rs_judge *j, const rs_impl *impl);

/* Why a verdict of a share above 1 is one: "off by 12 times what is tolerated", or how many numbers
 * of the result are missing. Returns text. */
#define RS_VERDICT_TEXT 96
const char *rs_verdict_text(const rs_judge *j, const rs_verdict *v, char text[RS_VERDICT_TEXT]);

#endif
