#include "metrics.h"

#include "mixed.h"
#include "scoring.h"

#include <math.h>

/* How many classes rank before `label`; if its logit is NaN, more than any rank that counts. */
static size_t rank_of(const float *logits, size_t classes, int32_t label)
{
    const float own = logits[label];
    size_t before = 0;

    if (isnan(own))
        return SIZE_MAX;
    for (size_t k = 0; k < classes; k++)
        before += logits[k] > own || (k < (size_t)label && logits[k] >= own);
    return before;
}

void rs_tally_add(rs_tally *t, const float *logits, const float *losses, const int32_t *labels,
                  size_t n, size_t classes)
{
    for (size_t i = 0; i < n; i++) {
        const size_t rank = rank_of(logits + i * classes, classes, labels[i]);
        t->top1 += rank < 1;
        t->top5 += rank < 5;
        t->loss_sum += (double)losses[i];
    }
    t->samples += n;
}

static bool is_exact(const float *logits, const int32_t *row, size_t classes)
{
    float p;
    for (size_t c = 0; c < classes; c++) {
        rs_class_probs(RESCL_LOSS_BCE, logits + c, 1, &p);
        if (rs_predicts(p) != (row[c] > RS_MIXED_ONE / 2))
            return false;
    }
    return true;
}

void rs_tally_add_rows(rs_tally *t, const float *logits, const float *losses, const int32_t *rows,
                       size_t n, size_t classes)
{
    for (size_t i = 0; i < n; i++) {
        t->top1 += is_exact(logits + i * classes, rows + i * classes, classes);
        t->loss_sum += (double)losses[i];
    }
    t->samples += n;
    t->multi_label = true;
}

void rs_tally_add_batch(rs_tally *t, const rs_batch *b, const rs_outputs *o, size_t first,
                        size_t end)
{
    const float *logits = o->logits + first * o->classes, *losses = o->losses + first;
    if (b->rows)
        rs_tally_add_rows(t, logits, losses, b->rows + first * o->classes, end - first, o->classes);
    else
        rs_tally_add(t, logits, losses, b->labels + first, end - first, o->classes);
}

void rs_tally_metrics(const rs_tally *t, size_t classes, double seconds, double data_wait,
                      rescl_metrics *out)
{
    const double n = t->samples ? (double)t->samples : (double)NAN;

    *out =
        (rescl_metrics){.samples = (size_t)t->samples,
                        .loss = t->loss_sum / n,
                        .top1 = (double)t->top1 / n,
                        .top5 = classes > 5 && !t->multi_label ? (double)t->top5 / n : (double)NAN,
                        .multi_label = t->multi_label,
                        .map = (double)NAN,
                        .f1_micro = (double)NAN,
                        .f1_macro = (double)NAN,
                        .seconds = seconds,
                        .img_s = seconds > 0.0 ? (double)t->samples / seconds : 0.0,
                        .data_wait = data_wait};
}

bool rs_all_finite(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}
