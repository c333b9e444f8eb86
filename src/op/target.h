/* What losses of logits (n, classes) and targets share: labels (n) or rows (n, RS_TARGET_WORDS). */
#ifndef RS_TARGET_H
#define RS_TARGET_H

#include "spread.h"

#include "rng.h"

typedef struct rs_target {
    double label, other, share, weight;
} rs_target;

/* infer of loss `name`: a number for each row, of logits and targets that fit. */
rescl_status rs_target_infer(rs_problem *p, const char *name, float smoothing) RESCL_CHECK;
/* Its reduction: a row's classes. */
size_t rs_target_reduction(const rs_problem *p, rs_pass pass);
/* Plans kernel `name` of `file` over the rows, spread by spread.h. */
rescl_status rs_target_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name)
    RESCL_CHECK;
/* Words of a row of targets. */
size_t rs_target_words(const rs_problem *p);

/* Row `row` of labels (n) or targets (n, RS_TARGET_WORDS). */
rs_target rs_target_at(const rs_shape *shape, const double *targets, size_t row);

/* Whether both labels are classes. */
bool rs_target_is_known(const rs_target *t, size_t classes);

/* What class `k` is to be, smoothed: from 0 to 1. */
double rs_target_of(const rs_target *t, size_t k, size_t classes, double smoothing);

/* Gives the rows of a case, whose labels stand there, random shares and weights. The first is not mixed, the
 * second with its own class. */
void rs_target_mix(double *targets, size_t n, rs_rng *rng);
/* Puts labels that are no classes into a case of 7 labels or more. */
void rs_target_spoil(double *labels, size_t classes);

#endif
