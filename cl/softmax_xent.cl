/* Softmax with cross-entropy; src/op/softmax_xent.c has the formulas.
 *
 * Forward: a row belongs to a team of LANES work-items, one where SPREAD is 0, else a group, which
 * sums by a tree. Kernels: softmax_xent_fwd (probs null in inference), softmax_xent_bwd_data
 * (diff_dst null: loss_diff for each row). */
#include "common.clh"

#if SPREAD
#define LANE           get_local_id(0)
#define LANES          WG
#define JOIN_MAX(i, j) part[i] = fmax(part[i], part[j])
#define JOIN_SUM(i, j) part[i] += part[j]
/* value := the team's sum or maximum of value */
#define TEAM(value, JOIN)                                                                          \
    do {                                                                                           \
        part[LANE] = (value);                                                                      \
        LOCAL_TREE(LANE, WG, 1, JOIN);                                                             \
        (value) = part[0];                                                                         \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    } while (0)
#define FOR_ROWS(row, rows, chunk)                                                                 \
    for (uint row = get_group_id(0); row < (rows); row += get_num_groups(0))
#else
#define LANE  0u
#define LANES 1u
#define TEAM(value, JOIN)
#define FOR_ROWS FOR_UNITS
#endif

#ifdef ALIGNED
#define FOR_REST(k) for (uint k = classes; k < classes;)
#else
#define FOR_REST(k) for (uint k = whole + LANE; k < classes; k += LANES)
#endif

/* What a row is to be: a label alone (`words` is 1), or two with the share of the other one. */
typedef struct {
    int label, other;
    float share;
    bool known; /* both are classes */
} target_t;

RS_INLINE target_t target_at(const global int *labels, uint row, uint words, uint classes)
{
    const global int *at = labels + row * words;
    target_t t = {at[0], at[0], 0.0f, true};
    if (words > 1) {
        t.other = at[1];
        t.share = (float)at[2] * (1.0f / (1 << 24));
    }
    t.known = (uint)t.label < classes && (uint)t.other < classes;
    return t;
}

SPREAD_KERNEL void softmax_xent_fwd(const global float *restrict logits,
                                    const global int *restrict labels, global float *restrict dst,
                                    global float *restrict probs, uint rows, uint classes,
                                    uint chunk, uint words, float smoothing)
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
            all_v += v;
            if (p)
                gstore(e, p + k);
        }
        float sum = vsum(sum_v), all = vsum(all_v);
        FOR_REST(k)
        {
            const float v = x[k] - most, e = exp(v);
            sum += e;
            all += v;
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
        if (LANE == 0) {
            const target_t t = target_at(labels, row, words, classes);
            float loss = NAN;
            if (t.known) {
                loss = -(1.0f - smoothing) * (x[t.label] - most - log(sum));
                if (t.share > 0.0f)
                    loss = (1.0f - t.share) * loss -
                           t.share * (1.0f - smoothing) * (x[t.other] - most - log(sum));
                if (smoothing > 0.0f)
                    loss -= smoothing * (all / (float)classes - log(sum));
            }
            dst[row] = loss;
        }
    }
}

SPREAD_KERNEL void softmax_xent_bwd_data(const global float *restrict probs,
                                         const global int *restrict labels,
                                         const global float *restrict diff_dst,
                                         global float *restrict diff_src, uint rows, uint classes,
                                         uint chunk, uint words, float smoothing, int accumulate,
                                         float loss_diff)
{
    FOR_ROWS(row, rows, chunk)
    {
        const target_t t = target_at(labels, row, words, classes);
        const float own = diff_dst ? diff_dst[row] : loss_diff;
        const float scale = t.known ? own : NAN;
        const float rest = smoothing / (float)classes;
        const float one = (1.0f - smoothing) * (1.0f - t.share) + rest;
        const float other = (1.0f - smoothing) * t.share;
        const global float *p = probs + row * classes;
        global float *d = diff_src + row * classes;
        for (uint k = LANE * VW; k < classes; k += LANES * VW) {
            const uint n = min((uint)VW, classes - k);
            float target[VW];
            for (uint i = 0; i < VW; i++)
                target[i] =
                    (k + i == (uint)t.label ? one : rest) + (k + i == (uint)t.other ? other : 0.0f);
            put_part((load_part(p + k, n) - VLOAD(target)) * scale, d + k, n, accumulate);
        }
    }
}
