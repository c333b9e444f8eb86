/* Batch normalisation over the channels of `pixels` x `channels` (NHWC, or (n, c)), with optional
 * residual and ReLU; src/op/batchnorm.c has the formulas.
 *
 * Work. The pixels are divided into parts of `rows`. Blocks of ROWS pixels by VW channels are read
 * into registers once.
 *   SPREAD 0: a part belongs to one work-item, which walks its rows in memory order and keeps sums
 *             for all channels in its own lines of scratch, close in cache.
 *   SPREAD 1: a group of LX x LY items, LX neighbouring blocks of channels by LY rows, walks a part
 *             of its channels, keeps sums in registers and joins them by a tree.
 * A finishing kernel joins the parts, again in a fixed order. Those of the statistics are
 * moments.clh's, and may come from the convolution that made src; those of the sums are
 * [part][2][channels].
 *
 * Kernels: batchnorm_fwd_stats, batchnorm_fwd_finish, batchnorm_fwd_apply; batchnorm_bwd_sums,
 * batchnorm_bwd_finish, batchnorm_bwd_data. */
#include "moments.clh"

#ifndef ROWS
#define ROWS 8 /* 4, 8, 16 */
#endif

/* Bits of `flags`, as in src/op/batchnorm.c. */
#define RELU     16u /* dst was clamped */
#define MASK_DST 32u /* backward: its mask is read from dst, not computed again from src */
#define RUNNING  64u /* the statistics are the running ones: variances, not ws' 1 / deviations */

#if SPREAD
#define LY            (WG / LX)
#define CHANNEL_BLOCK (get_group_id(0) * LX + get_local_id(0) % LX)
#define ROW_OF_ITEM   (get_local_id(0) / LX)
#define PART          get_group_id(1)
#define FOR_BLOCKS(k, row, first, last)                                                            \
    const uint k = CHANNEL_BLOCK * VW;                                                             \
    if (k < channels)                                                                              \
        for (uint row = (first) + ROW_OF_ITEM; row < (last); row += ROWS * LY)
#else
#define LX   1
#define LY   1
#define PART get_global_id(0)
#define FOR_BLOCKS(k, row, first, last)                                                            \
    for (uint row = (first); row < (last); row += ROWS)                                            \
        for (uint k = 0; k < channels; k += VW)
#endif
/* 1 / deviation of the channels from k on. */
#define INV_STD(spreads, k, part, flags, eps)                                                      \
    ((flags)&RUNNING ? 1.0f / sqrt(load_part((spreads) + (k), part) + (eps))                       \
                     : load_part((spreads) + (k), part))
#define STRIDE                   (LY * channels) /* between the rows of a block */
#define ROWS_OF_BLOCK(row, last) min((uint)ROWS, ((last) - (row) + LY - 1) / LY)

/* ---- statistics ---------------------------------------------------------------------------- */

RS_INLINE void block_moments(const global float *x, uint stride, uint n, uint part, vfloat *mean,
                             vfloat *m2)
{
    vfloat sum = VZERO, square = VZERO;
    for (uint r = 0; r < n; r++)
        sum += load_part(x + r * stride, part);
    const vfloat m = sum / (float)n;
    for (uint r = 0; r < n; r++) {
        const vfloat d = load_part(x + r * stride, part) - m;
        square = fma(d, d, square);
    }
    *mean = m;
    *m2 = square;
}

SPREAD_KERNEL void batchnorm_fwd_stats(const global float *restrict src,
                                       global float *restrict moments, uint pixels, uint channels,
                                       uint rows, uint parts)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    global float *means = moments + PART * 2 * channels;
#if SPREAD
    if (CHANNEL_BLOCK == 0 && ROW_OF_ITEM == 0)
#endif
        moments[parts * 2 * channels + PART] = (float)(last - first);
#if SPREAD
    vfloat mean = VZERO, m2 = VZERO;
    float count = 0.0f;
#endif
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const global float *x = src + row * channels + k;
        vfloat b_mean, b_m2;
        if (n == ROWS && part == VW)
            block_moments(x, STRIDE, ROWS, VW, &b_mean, &b_m2);
        else
            block_moments(x, STRIDE, n, part, &b_mean, &b_m2);
#if SPREAD
        join_moments(&mean, &m2, &count, b_mean, b_m2, (float)n);
#else
        add_moments(means + k, channels, part, (float)(row - first), b_mean, b_m2, (float)n);
#endif
    }
#if SPREAD
    local vfloat t_mean[WG], t_m2[WG];
    local float t_count[WG];
    const uint i = get_local_id(0);
    t_mean[i] = mean;
    t_m2[i] = m2;
    t_count[i] = count;
#define JOIN_MOMENTS(a, b)                                                                         \
    join_moments(&mean, &m2, &count, t_mean[b], t_m2[b], t_count[b]);                              \
    t_mean[a] = mean;                                                                              \
    t_m2[a] = m2;                                                                                  \
    t_count[a] = count
    LOCAL_TREE(i, WG, LX, JOIN_MOMENTS);
    if (ROW_OF_ITEM == 0 && k < channels) {
        const uint part = min((uint)VW, channels - k);
        store_part(mean, means + k, part);
        store_part(m2, means + channels + k, part);
    }
#endif
}

/* ---- finishing: for each block of channels one item, or LY where there are groups ----------- */

#if SPREAD
#define FINISH_BLOCK CHANNEL_BLOCK
#define FINISH_ITEM  ROW_OF_ITEM
#else
#define FINISH_BLOCK get_global_id(0)
#define FINISH_ITEM  0
#endif

SPREAD_KERNEL void
batchnorm_fwd_finish(const global float *restrict moments, global float *restrict batch_mean,
                     global float *restrict inv_std, global float *restrict running_mean,
                     global float *restrict running_var, uint pixels, uint channels, uint parts,
                     float eps, float momentum, float unbias)
{
    const uint k = FINISH_BLOCK * VW, part = min((uint)VW, channels - min(k, channels));
    vfloat mean = VZERO, m2 = VZERO;
    float count = 0.0f;
    for (uint p = FINISH_ITEM; k < channels && p < parts; p += LY) {
        const global float *from = moments + p * 2 * channels + k;
        join_moments(&mean, &m2, &count, load_part(from, part), load_part(from + channels, part),
                     moments[parts * 2 * channels + p]);
    }
#if SPREAD
    local vfloat t_mean[WG], t_m2[WG];
    local float t_count[WG];
    const uint i = get_local_id(0);
    t_mean[i] = mean;
    t_m2[i] = m2;
    t_count[i] = count;
    LOCAL_TREE(i, WG, LX, JOIN_MOMENTS);
#endif
    if (FINISH_ITEM == 0 && k < channels) {
        const vfloat var = m2 / (float)pixels;
        store_part(mean, batch_mean + k, part);
        store_part(1.0f / sqrt(var + eps), inv_std + k, part);
        store_part(
            fma(load_part(running_mean + k, part), (vfloat)(momentum), mean * (1.0f - momentum)),
            running_mean + k, part);
        store_part(fma(load_part(running_var + k, part), (vfloat)(momentum),
                       var * (unbias * (1.0f - momentum))),
                   running_var + k, part);
    }
}

#define JOIN_SUMS(a, b)                                                                            \
    t_sum[a] += t_sum[b];                                                                          \
    t_dot[a] += t_dot[b]

SPREAD_KERNEL void batchnorm_bwd_finish(const global float *restrict scratch,
                                        const global float *restrict spreads,
                                        global float *restrict diff_gamma,
                                        global float *restrict diff_beta, uint channels, uint parts,
                                        uint flags, float eps)
{
    const uint k = FINISH_BLOCK * VW, part = min((uint)VW, channels - min(k, channels));
    vfloat sum = VZERO, dot = VZERO;
    for (uint p = FINISH_ITEM; k < channels && p < parts; p += LY) {
        const global float *from = scratch + p * 2 * channels + k;
        sum += load_part(from, part);
        dot += load_part(from + channels, part);
    }
#if SPREAD
    local vfloat t_sum[WG], t_dot[WG];
    const uint i = get_local_id(0);
    t_sum[i] = sum;
    t_dot[i] = dot;
    LOCAL_TREE(i, WG, LX, JOIN_SUMS);
    sum = t_sum[i];
    dot = t_dot[i];
#endif
    if (FINISH_ITEM == 0 && k < channels) {
        store_part(dot * INV_STD(spreads, k, part, flags, eps), diff_gamma + k, part);
        store_part(sum, diff_beta + k, part);
    }
}

/* ---- normalisation ------------------------------------------------------------------------- */

RS_INLINE void block_apply(const global float *x, const global float *residual, global float *y,
                           uint stride, uint n, uint part, vfloat mean, vfloat scale, vfloat beta,
                           uint flags)
{
    for (uint r = 0; r < n; r++) {
        vfloat v = fma(load_part(x + r * stride, part) - mean, scale, beta);
        if (residual)
            v += load_part(residual + r * stride, part);
        if (flags & RELU)
            v = v < VZERO ? VZERO : v;
        store_part(v, y + r * stride, part);
    }
}

SPREAD_KERNEL void
batchnorm_fwd_apply(const global float *restrict src, const global float *restrict residual,
                    const global float *restrict gamma, const global float *restrict beta,
                    const global float *restrict means, const global float *restrict spreads,
                    global float *restrict dst, uint pixels, uint channels, uint rows, uint flags,
                    float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const uint at = row * channels + k;
        const vfloat inv = INV_STD(spreads, k, part, flags, eps);
        const vfloat mean = load_part(means + k, part), shift = load_part(beta + k, part);
        const vfloat scale = inv * load_part(gamma + k, part);
        const global float *res = residual ? residual + at : 0;
        if (n == ROWS && part == VW)
            block_apply(src + at, res, dst + at, STRIDE, ROWS, VW, mean, scale, shift, flags);
        else
            block_apply(src + at, res, dst + at, STRIDE, n, part, mean, scale, shift, flags);
    }
}

/* ---- backward ------------------------------------------------------------------------------ */

/* diff_dst behind the ReLU. Without a residual dst is computed again, by the very operations of
 * forward. */
RS_INLINE vfloat masked(vfloat diff, const global float *dst, uint part, vfloat centred,
                        vfloat scale, vfloat beta, uint flags)
{
    if (flags & RELU) {
        const vfloat y = flags & MASK_DST ? load_part(dst, part) : fma(centred, scale, beta);
        diff = y <= VZERO ? VZERO : diff;
    }
    return diff;
}

/* Sums over a block: of the masked diff, and of it times (x - mean). */
RS_INLINE void block_sums(const global float *x, const global float *diff, const global float *dst,
                          uint stride, uint n, uint part, vfloat mean, vfloat scale, vfloat beta,
                          uint flags, vfloat *sum, vfloat *dot)
{
    vfloat s = VZERO, d = VZERO;
    for (uint r = 0; r < n; r++) {
        const vfloat centred = load_part(x + r * stride, part) - mean;
        const vfloat g = masked(load_part(diff + r * stride, part), dst + r * stride, part, centred,
                                scale, beta, flags);
        s += g;
        d = fma(g, centred, d);
    }
    *sum = s;
    *dot = d;
}

SPREAD_KERNEL void
batchnorm_bwd_sums(const global float *restrict src, const global float *restrict diff_dst,
                   const global float *restrict dst, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, global float *restrict scratch,
                   uint pixels, uint channels, uint rows, uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    global float *sums = scratch + PART * 2 * channels, *dots = sums + channels;
#if SPREAD
    vfloat sum = VZERO, dot = VZERO;
#endif
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const uint at = row * channels + k;
        const vfloat mean = load_part(means + k, part), shift = load_part(beta + k, part);
        const vfloat inv = INV_STD(spreads, k, part, flags, eps);
        const vfloat scale = inv * load_part(gamma + k, part);
        const global float *y = flags & MASK_DST ? dst + at : 0;
        vfloat b_sum, b_dot;
        if (n == ROWS && part == VW)
            block_sums(src + at, diff_dst + at, y, STRIDE, ROWS, VW, mean, scale, shift, flags,
                       &b_sum, &b_dot);
        else
            block_sums(src + at, diff_dst + at, y, STRIDE, n, part, mean, scale, shift, flags,
                       &b_sum, &b_dot);
#if SPREAD
        sum += b_sum;
        dot += b_dot;
#else
        put_part(b_sum, sums + k, part, row > first);
        put_part(b_dot, dots + k, part, row > first);
#endif
    }
#if SPREAD
    local vfloat t_sum[WG], t_dot[WG];
    const uint i = get_local_id(0);
    t_sum[i] = sum;
    t_dot[i] = dot;
    LOCAL_TREE(i, WG, LX, JOIN_SUMS);
    if (ROW_OF_ITEM == 0 && k < channels) {
        const uint part = min((uint)VW, channels - k);
        store_part(t_sum[i], sums + k, part);
        store_part(t_dot[i], dots + k, part);
    }
#endif
}

/* diff_src0 = scale * (g - mean(g) - centred * slope), diff_src1 = g: g the masked diff. By the
 * running statistics mean(g) and slope are 0. */
RS_INLINE void block_data(const global float *x, const global float *diff, const global float *dst,
                          global float *diff_src0, global float *diff_src1, uint stride, uint n,
                          uint part, vfloat mean, vfloat scale, vfloat beta, vfloat mean_diff,
                          vfloat slope, uint flags)
{
    for (uint r = 0; r < n; r++) {
        const uint at = r * stride;
        const vfloat centred = x ? load_part(x + at, part) - mean : VZERO;
        const vfloat g =
            masked(load_part(diff + at, part), dst + at, part, centred, scale, beta, flags);
        if (flags & DIFF_WANTED(1))
            put_part(g, diff_src1 + at, part, flags & DIFF_ADDED(1));
        if (flags & DIFF_WANTED(0))
            put_part(scale * fma(-centred, slope, g - mean_diff), diff_src0 + at, part,
                     flags & DIFF_ADDED(0));
    }
}

SPREAD_KERNEL void
batchnorm_bwd_data(const global float *restrict src, const global float *restrict diff_dst,
                   const global float *restrict dst, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, const global float *restrict diff_gamma,
                   const global float *restrict diff_beta, global float *restrict diff_src0,
                   global float *restrict diff_src1, uint pixels, uint channels, uint rows,
                   uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    const float share = 1.0f / (float)pixels;
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const uint at = row * channels + k;
        const vfloat inv = INV_STD(spreads, k, part, flags, eps), mean = load_part(means + k, part);
        const vfloat scale = inv * load_part(gamma + k, part), shift = load_part(beta + k, part);
        const bool batch = !(flags & RUNNING);
        const vfloat mean_diff = batch ? load_part(diff_beta + k, part) * share : VZERO;
        const vfloat slope = batch ? load_part(diff_gamma + k, part) * inv * share : VZERO;
        const global float *x = batch && (flags & DIFF_WANTED(0)) ? src + at : 0;
        const global float *y = flags & MASK_DST ? dst + at : 0;
        global float *d0 = flags & DIFF_WANTED(0) ? diff_src0 + at : 0;
        global float *d1 = flags & DIFF_WANTED(1) ? diff_src1 + at : 0;
        if (n == ROWS && part == VW)
            block_data(x, diff_dst + at, y, d0, d1, STRIDE, ROWS, VW, mean, scale, shift, mean_diff,
                       slope, flags);
        else
            block_data(x, diff_dst + at, y, d0, d1, STRIDE, n, part, mean, scale, shift, mean_diff,
                       slope, flags);
    }
}
