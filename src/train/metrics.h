/* Sums over the samples of an epoch, and the metrics they make. */
#ifndef RS_METRICS_H
#define RS_METRICS_H

#include "team.h"

#include <rescl/train.h>

typedef struct rs_tally {
    uint64_t samples, top1, top5;
    double loss_sum;
    bool
        multi_label; /* top1 counts images all of whose labels are predicted, and there is no top5 */
} rs_tally;

/* Adds n samples: logits (n, classes), their losses and labels. Equal logits rank by class index,
 * as argmax and torch.topk have it; a label whose logit is NaN is wrong. Labels lie in [0,
 * classes). */
void rs_tally_add(rs_tally *t, const float *logits, const float *losses, const int32_t *labels,
                  size_t n, size_t classes);

/* The same of images of several labels: rows (n, classes), above RS_MIXED_ONE / 2 where a class is one. */
void rs_tally_add_rows(rs_tally *t, const float *logits, const float *losses, const int32_t *rows,
                       size_t n, size_t classes);
/* One of the two, of samples `first` to before `end` of a batch whose outputs are given. */
void rs_tally_add_batch(rs_tally *t, const rs_batch *batch, const rs_outputs *o, size_t first,
                        size_t end);

/* Means so far; all NaN without samples. top5 is NaN below 6 classes. */
void rs_tally_metrics(const rs_tally *t, size_t classes, double seconds, double data_wait,
                      rescl_metrics *out);

bool rs_all_finite(const float *x, size_t count);

#endif
