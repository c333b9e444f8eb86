/* Sums over the samples of an epoch, and the metrics they make. */
#ifndef RS_METRICS_H
#define RS_METRICS_H

#include <rescl/train.h>

typedef struct rs_tally {
    uint64_t samples, top1, top5;
    double loss_sum;
} rs_tally;

/* Adds n samples: logits (n, classes), their losses and labels. Equal logits rank by class index,
 * as argmax and torch.topk have it; a label whose logit is NaN is wrong. Labels lie in [0,
 * classes). */
void rs_tally_add(rs_tally *t, const float *logits, const float *losses, const int32_t *labels,
                  size_t n, size_t classes);

/* Means so far; all NaN without samples. top5 is NaN below 6 classes. */
void rs_tally_metrics(const rs_tally *t, size_t classes, double seconds, double data_wait,
                      rescl_metrics *out);

bool rs_all_finite(const float *x, size_t count);

#endif
