/* Sigmoid with binary cross-entropy, and focal loss; src/op/sigmoid_bce.c has the formulas.
 *
 * A row belongs to a team (target.clh). Kernels: sigmoid_bce_fwd, sigmoid_bce_bwd_data (diff_dst null:
 * loss_diff for each row). */
#include "target.clh"

/* What the loss is. */
#define LOSS_PARAMS float smoothing, float threshold, float gamma, float alpha

/* A row's labels; where `words` is 0 it has none, and its targets are given class by class. */
RS_INLINE void labels_at(target_t *t, const global int *labels, uint row, uint words, uint classes)
{
    t->label = t->other = -1;
    t->share = 0.0f;
    t->weight = 1.0f;
    t->known = true;
    if (words > 0)
        target_at(t, labels, row, words, classes);
}

/* The target of class k; `given`: that of its row, where it has one. */
RS_INLINE float wanted_of(target_t t, const global int *given, uint k, uint classes,
                          float smoothing, float threshold)
{
    const float own =
        (k == (uint)t.label ? 1.0f - t.share : 0.0f) + (k == (uint)t.other ? t.share : 0.0f);
    const float wanted = given ? (float)given[k] * (1.0f / (1 << 24))
                               : smoothing / (float)classes + (1.0f - smoothing) * own;
    return threshold > 0.0f ? (wanted > threshold ? 1.0f : 0.0f) : wanted;
}

/* A class's term of the loss without the focal factors. */
RS_INLINE float entropy_of(float x, float t)
{
    return fmax(x, 0.0f) - x * t + log1p(exp(-fabs(x)));
}

RS_INLINE float share_of(float t, float alpha)
{
    return alpha < 0.0f ? 1.0f : alpha * t + (1.0f - alpha) * (1.0f - t);
}

SPREAD_KERNEL void sigmoid_bce_fwd(const global float *restrict logits,
                                   const global int *restrict labels, global float *restrict dst,
                                   uint rows, uint classes, uint chunk, uint words, LOSS_PARAMS)
{
#if SPREAD
    local float part[WG];
#endif
    FOR_ROWS(row, rows, chunk)
    {
        const global float *x = logits + row * classes;
        const global int *given = words == 0 ? labels + row * classes : 0;
        target_t t;
        labels_at(&t, labels, row, words, classes);
        float sum = 0.0f;
        for (uint k = LANE; k < classes; k += LANES) {
            const float wanted = wanted_of(t, given, k, classes, smoothing, threshold), v = x[k];
            float term = share_of(wanted, alpha) * entropy_of(v, wanted);
            if (gamma > 0.0f) {
                const float p = 1.0f / (1.0f + exp(-v)), rest = 1.0f / (1.0f + exp(v));
                term *= pow(wanted * rest + (1.0f - wanted) * p, gamma);
            }
            sum += term;
        }
        TEAM(sum, JOIN_SUM);
        if (LANE == 0)
            dst[row] = t.known ? sum * (t.weight / (float)classes) : NAN;
    }
}

SPREAD_KERNEL void sigmoid_bce_bwd_data(const global float *restrict logits,
                                        const global int *restrict labels,
                                        const global float *restrict diff_dst,
                                        global float *restrict diff_src, uint rows, uint classes,
                                        uint chunk, uint words, LOSS_PARAMS, int accumulate,
                                        float loss_diff)
{
    FOR_ROWS(row, rows, chunk)
    {
        const global float *x = logits + row * classes;
        global float *d = diff_src + row * classes;
        const global int *given = words == 0 ? labels + row * classes : 0;
        target_t t;
        labels_at(&t, labels, row, words, classes);
        const float own = diff_dst ? diff_dst[row] : loss_diff;
        const float scale = t.known ? own * (t.weight / (float)classes) : NAN;
        for (uint k = LANE; k < classes; k += LANES) {
            const float wanted = wanted_of(t, given, k, classes, smoothing, threshold), v = x[k];
            const float p = 1.0f / (1.0f + exp(-v)), rest = 1.0f / (1.0f + exp(v));
            float diff = p - wanted;
            if (gamma > 0.0f) {
                const float q = wanted * rest + (1.0f - wanted) * p, power = pow(q, gamma);
                const float slope =
                    q > 0.0f ? gamma * (power / q) * (p * rest) * (1.0f - 2.0f * wanted) : 0.0f;
                diff = diff * power + entropy_of(v, wanted) * slope;
            }
            diff *= share_of(wanted, alpha) * scale;
            d[k] = accumulate ? d[k] + diff : diff;
        }
    }
}
