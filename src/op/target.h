/* A row of a loss's targets, for references: see RS_TARGET_WORDS. */
#ifndef RS_TARGET_H
#define RS_TARGET_H

#include "rng.h"
#include "tensor.h"

typedef struct rs_target {
    double label, other, share, weight;
} rs_target;

/* Row `row` of labels (n) or targets (n, RS_TARGET_WORDS). */
rs_target rs_target_at(const rs_shape *shape, const double *targets, size_t row);

/* Whether both labels are classes. */
bool rs_target_is_known(const rs_target *t, size_t classes);

/* What class `k` is to be, smoothed: from 0 to 1. */
double rs_target_of(const rs_target *t, size_t k, size_t classes, double smoothing);

/* Gives the rows of a case, whose labels stand there, random shares and weights. The first is not mixed, the
 * second with its own class. */
void rs_target_mix(double *targets, size_t n, rs_rng *rng);

#endif
