/* Softmax with cross-entropy; src/op/softmax_xent.c has the formulas.
 *
 * Forward: a row belongs to a team of LANES work-items, one where SPREAD is 0, else a group, which
 * sums by a tree. Kernels: softmax_xent_fwd (probs null in inference), softmax_xent_bwd_data
 * (diff_dst null: loss_diff for each row). `weights` of the classes may be null. */
#include "target.clh"

#ifdef ALIGNED
#define FOR_REST(k) for (uint k = classes; k < classes;)
#else
#define FOR_REST(k) for (uint k = whole + LANE; k < classes; k += LANES)
#endif

RS_INLINE float class_weight(const global float *weights, int k)
{
    return weights ? weights[k] : 1.0f;
}

/* A work-item's part of the sum of all; `whole` of them are taken in vectors. */
RS_INLINE float weight_sum(const global float *weights, uint classes, uint whole)
{
    vfloat sum_v = VZERO;
    for (uint k = LANE * VW; k < whole; k += LANES * VW)
        sum_v += gload(weights + k);
    float sum = vsum(sum_v);
    FOR_REST(k)
    {
        sum += weights[k];
    }
    return sum;
}

SPREAD_KERNEL void softmax_xent_fwd(const global float *restrict logits,
                                    const global int *restrict labels,
                                    const global float *restrict weights,
                                    global float *restrict dst, global float *restrict probs,
                                    uint rows, uint classes, uint chunk, uint words,
                                    float smoothing)
{
#if SPREAD
    local float part[WG];
#endif
    const uint whole = classes / VW * VW; /* the rest is taken one by one */
    FOR_ROWS(row, rows, chunk)
    {
        const global float *x = logits + row * classes;
        global float *p = probs ? probs + row * classes : 0;
        vfloat most_v = (vfloat)(-INFINITY), sum_v = VZERO, all_v = VZERO;
        for (uint k = LANE * VW; k < whole; k += LANES * VW)
            most_v = fmax(most_v, gload(x + k));
        float most = vmax(most_v);
        FOR_REST(k)
        {
            most = fmax(most, x[k]);
        }
        TEAM(most, JOIN_MAX);

        for (uint k = LANE * VW; k < whole; k += LANES * VW) {
            const vfloat v = gload(x + k) - most, e = exp(v);
            sum_v += e;
            all_v += weights ? v * gload(weights + k) : v;
            if (p)
                gstore(e, p + k);
        }
        float sum = vsum(sum_v), all = vsum(all_v);
        FOR_REST(k)
        {
            const float v = x[k] - most, e = exp(v);
            sum += e;
            all += weights ? v * weights[k] : v;
            if (p)
                p[k] = e;
        }
        TEAM(sum, JOIN_SUM);
        TEAM(all, JOIN_SUM);

        const float scale = 1.0f / sum;
        for (uint k = LANE * VW; p && k < whole; k += LANES * VW)
            gstore(gload(p + k) * scale, p + k);
        FOR_REST(k)
        {
            if (p)
                p[k] *= scale;
        }
        float count = (float)classes;
        if (weights) {
            count = weight_sum(weights, classes, whole);
            TEAM(count, JOIN_SUM);
        }
        if (LANE == 0) {
            target_t t;
            target_at(&t, labels, row, words, classes);
            float loss = NAN;
            if (t.known) {
                loss = -(1.0f - smoothing) * (x[t.label] - most - log(sum)) *
                       class_weight(weights, t.label);
                if (t.share > 0.0f)
                    loss = (1.0f - t.share) * loss - t.share * (1.0f - smoothing) *
                                                         (x[t.other] - most - log(sum)) *
                                                         class_weight(weights, t.other);
                if (smoothing > 0.0f)
                    loss -= smoothing * (all / (float)classes - count / (float)classes * log(sum));
            }
            dst[row] = loss * t.weight;
        }
    }
}

SPREAD_KERNEL void
softmax_xent_bwd_data(const global float *restrict probs, const global int *restrict labels,
                      const global float *restrict weights, const global float *restrict diff_dst,
                      global float *restrict diff_src, uint rows, uint classes, uint chunk,
                      uint words, float smoothing, int accumulate, float loss_diff)
{
#if SPREAD
    local float part[WG];
#endif
    const uint whole = classes / VW * VW;
    FOR_ROWS(row, rows, chunk)
    {
        target_t t;
        target_at(&t, labels, row, words, classes);
        const float own = diff_dst ? diff_dst[row] : loss_diff;
        const float scale = t.known ? own * t.weight : NAN;
        const float rest = smoothing / (float)classes;
        const float one = (1.0f - smoothing) * (1.0f - t.share) + rest;
        const float other = (1.0f - smoothing) * t.share;
        const global float *p = probs + row * classes;
        global float *d = diff_src + row * classes;
        float total = 1.0f;
        if (weights) {
            total = weight_sum(weights, classes, whole);
            TEAM(total, JOIN_SUM);
            total *= rest;
            if (t.known)
                total += weights[t.label] * (one - rest) + weights[t.other] * other;
        }
        for (uint k = LANE * VW; k < classes; k += LANES * VW) {
            const uint n = min((uint)VW, classes - k);
            float target[VW];
            for (uint i = 0; i < VW; i++)
                target[i] =
                    (k + i == (uint)t.label ? one : rest) + (k + i == (uint)t.other ? other : 0.0f);
            vfloat wanted = VLOAD(target);
            if (weights)
                wanted *= load_part(weights + k, n);
            put_part((load_part(p + k, n) * total - wanted) * scale, d + k, n, accumulate);
        }
    }
}
