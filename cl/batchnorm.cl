/* Batch normalisation over the channels of `pixels` x `channels` (NHWC, or (n, c)), with optional
 * residual and ReLU, for CPUs; src/op/batchnorm.c has the formulas.
 *
 * Work. The pixels are divided into parts of `rows`. A part belongs to one work-item, which walks its
 * rows in memory order, reads blocks of ROWS pixels by VW channels into registers once, and keeps sums
 * for all channels in its own lines of scratch, close in cache. A finishing kernel joins the parts,
 * again in a fixed order. Those of the statistics are moments.clh's, and may come from the convolution
 * that made src; those of the sums are [part][2][channels].
 *
 * Kernels: batchnorm_fwd_stats, batchnorm_fwd_join, batchnorm_fwd_finish, batchnorm_fwd_apply;
 * batchnorm_bwd_sums, batchnorm_bwd_finish, batchnorm_bwd_data. */
#include "batchnorm.clh"

#ifndef ROWS
#define ROWS 8 /* 4, 8, 16 */
#endif

#define ONE_ITEM kernel __attribute__((reqd_work_group_size(1, 1, 1)))
#define PART     get_global_id(0)
#define FOR_BLOCKS(k, row, first, last)                                                            \
    for (uint row = (first); row < (last); row += ROWS)                                            \
        for (uint k = 0; k < channels; k += VW)
#define ROWS_OF_BLOCK(row, last) min((uint)ROWS, (last) - (row))

/* Asks for the block below the one at (row, k), or rather for as many numbers of its rows, which follow each
 * other in memory: read a few of each row at a time, processors do not foresee them. */
#define ASK_BELOW(array, row, k)                                                                   \
    ask((uintptr_t)((array) + ((row) + ROWS) * channels + (k)*ROWS), ROWS, sizeof((array)[0]))

RS_INLINE void ask(uintptr_t from, uint rows, uint size)
{
#pragma unroll
    for (uint b = 0; b < rows * VW * size; b += 64)
        PREFETCH_FAR(from + b);
}

/* ---- statistics ---------------------------------------------------------------------------- */

RS_INLINE void block_moments(const global src_t *x, uint stride, uint n, uint part, vfloat *mean,
                             vfloat *m2)
{
    vfloat sum = VZERO, square = VZERO;
    for (uint r = 0; r < n; r++)
        sum += src_load_part(x + r * stride, part);
    const vfloat m = sum / (float)n;
    for (uint r = 0; r < n; r++) {
        const vfloat d = src_load_part(x + r * stride, part) - m;
        square = fma(d, d, square);
    }
    *mean = m;
    *m2 = square;
}

ONE_ITEM void batchnorm_fwd_stats(const global src_t *restrict src, global float *restrict moments,
                                  uint pixels, uint channels, uint rows, uint parts)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    global float *means = moments + PART * 2 * channels;
    moments[parts * 2 * channels + PART] = (float)(last - first);
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const global src_t *x = src + row * channels + k;
        vfloat b_mean, b_m2;
        ASK_BELOW(src, row, k);
        if (n == ROWS && part == VW)
            block_moments(x, channels, ROWS, VW, &b_mean, &b_m2);
        else
            block_moments(x, channels, n, part, &b_mean, &b_m2);
        add_moments(means + k, channels, part, (float)(row - first), b_mean, b_m2, (float)n);
    }
}

/* ---- finishing: an item for each block of channels ------------------------------------------- */

/* Of the channels from k on, over all parts. */
RS_INLINE void join_parts(const global float *moments, uint channels, uint parts, uint k, uint part,
                          vfloat *mean, vfloat *m2)
{
    float count = 0.0f;
    *mean = *m2 = VZERO;
    for (uint p = 0; p < parts; p++) {
        const global float *from = moments + p * 2 * channels + k;
        join_moments(mean, m2, &count, load_part(from, part), load_part(from + channels, part),
                     moments[parts * 2 * channels + p]);
    }
}

ONE_ITEM void batchnorm_fwd_join(global float *restrict moments, uint channels, uint parts,
                                 uint pixels)
{
    const uint k = get_global_id(0) * VW, part = min((uint)VW, channels - k);
    vfloat mean, m2;
    join_parts(moments, channels, parts, k, part, &mean, &m2);
    store_joined(mean, m2, moments, channels, parts, k, part, pixels);
}

ONE_ITEM void batchnorm_fwd_finish(const global float *restrict moments,
                                   global float *restrict batch_mean,
                                   global float *restrict inv_std,
                                   global float *restrict running_mean,
                                   global float *restrict running_var, uint pixels, uint channels,
                                   uint parts, float eps, float momentum, float unbias)
{
    const uint k = get_global_id(0) * VW, part = min((uint)VW, channels - k);
    vfloat mean, m2;
    join_parts(moments, channels, parts, k, part, &mean, &m2);
    store_statistics(mean, m2, batch_mean, inv_std, running_mean, running_var, k, part, pixels, eps,
                     momentum, unbias);
}

ONE_ITEM void batchnorm_bwd_finish(const global float *restrict parts_of_sums,
                                   const global float *restrict spreads,
                                   global float *restrict diff_gamma,
                                   global float *restrict diff_beta, uint channels, uint parts,
                                   uint flags, float eps)
{
    const uint k = get_global_id(0) * VW, part = min((uint)VW, channels - k);
    vfloat sum = VZERO, dot = VZERO;
    for (uint p = 0; p < parts; p++) {
        const global float *from = parts_of_sums + p * 2 * channels + k;
        sum += load_part(from, part);
        dot += load_part(from + channels, part);
    }
    store_part(dot * INV_STD(spreads, k, part, flags, eps), diff_gamma + k, part);
    store_part(sum, diff_beta + k, part);
}

/* ---- normalisation ------------------------------------------------------------------------- */

RS_INLINE void block_apply(const global src_t *x, const global src_t *residual, global dst_t *y,
                           uint stride, uint n, uint part, vfloat mean, vfloat scale, vfloat beta,
                           uint flags)
{
    for (uint r = 0; r < n; r++) {
        vfloat v = fma(src_load_part(x + r * stride, part) - mean, scale, beta);
        if (residual)
            v += src_load_part(residual + r * stride, part);
        if (flags & RELU)
            v = v < VZERO ? VZERO : v;
        dst_store_part(v, y + r * stride, part);
    }
}

ONE_ITEM void batchnorm_fwd_apply(const global src_t *restrict src,
                                  const global src_t *restrict residual,
                                  const global float *restrict gamma,
                                  const global float *restrict beta,
                                  const global float *restrict means,
                                  const global float *restrict spreads, global dst_t *restrict dst,
                                  uint pixels, uint channels, uint rows, uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const uint at = row * channels + k;
        const vfloat inv = INV_STD(spreads, k, part, flags, eps);
        const vfloat mean = load_part(means + k, part), shift = load_part(beta + k, part);
        const vfloat scale = inv * load_part(gamma + k, part);
        const global src_t *res = residual ? residual + at : 0;
        ASK_BELOW(src, row, k);
        ASK_BELOW(dst, row, k);
        if (residual)
            ASK_BELOW(residual, row, k);
        if (n == ROWS && part == VW)
            block_apply(src + at, res, dst + at, channels, ROWS, VW, mean, scale, shift, flags);
        else
            block_apply(src + at, res, dst + at, channels, n, part, mean, scale, shift, flags);
    }
}

/* ---- backward ------------------------------------------------------------------------------ */

/* diff_dst behind the ReLU. Without a residual dst is computed again, by the very operations of
 * forward. */
RS_INLINE vfloat masked(vfloat diff, const global dst_t *dst, uint part, vfloat centred,
                        vfloat scale, vfloat beta, uint flags)
{
    if (flags & RELU) {
        const vfloat y = flags & MASK_DST ? dst_load_part(dst, part) : fma(centred, scale, beta);
        diff = where_positive(diff, y);
    }
    return diff;
}

/* Sums over a block: of the masked diff, and of it times (x - mean). */
RS_INLINE void block_sums(const global src_t *x, const global dst_t *diff, const global dst_t *dst,
                          uint stride, uint n, uint part, vfloat mean, vfloat scale, vfloat beta,
                          uint flags, vfloat *sum, vfloat *dot)
{
    vfloat s = VZERO, d = VZERO;
    for (uint r = 0; r < n; r++) {
        const vfloat centred = src_load_part(x + r * stride, part) - mean;
        const vfloat g = masked(dst_load_part(diff + r * stride, part), dst + r * stride, part,
                                centred, scale, beta, flags);
        s += g;
        d = fma(g, centred, d);
    }
    *sum = s;
    *dot = d;
}

ONE_ITEM void
batchnorm_bwd_sums(const global src_t *restrict src, const global dst_t *restrict diff_dst,
                   const global dst_t *restrict dst, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, global float *restrict scratch,
                   uint pixels, uint channels, uint rows, uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    global float *sums = scratch + PART * 2 * channels, *dots = sums + channels;
    FOR_BLOCKS(k, row, first, last)
    {
        const uint n = ROWS_OF_BLOCK(row, last), part = min((uint)VW, channels - k);
        const uint at = row * channels + k;
        const vfloat mean = load_part(means + k, part), shift = load_part(beta + k, part);
        const vfloat inv = INV_STD(spreads, k, part, flags, eps);
        const vfloat scale = inv * load_part(gamma + k, part);
        const global dst_t *y = flags & MASK_DST ? dst + at : 0;
        vfloat b_sum, b_dot;
        ASK_BELOW(src, row, k);
        ASK_BELOW(diff_dst, row, k);
        if (y)
            ASK_BELOW(dst, row, k);
        if (n == ROWS && part == VW)
            block_sums(src + at, diff_dst + at, y, channels, ROWS, VW, mean, scale, shift, flags,
                       &b_sum, &b_dot);
        else
            block_sums(src + at, diff_dst + at, y, channels, n, part, mean, scale, shift, flags,
                       &b_sum, &b_dot);
        put_part(b_sum, sums + k, part, row > first);
        put_part(b_dot, dots + k, part, row > first);
    }
}

/* diff_src0 = scale * (g - mean(g) - centred * slope), diff_src1 = g: g the masked diff. By the
 * running statistics mean(g) and slope are 0. */
RS_INLINE void block_data(const global src_t *x, const global dst_t *diff, const global dst_t *dst,
                          global src_t *diff_src0, global src_t *diff_src1, uint stride, uint n,
                          uint part, vfloat mean, vfloat scale, vfloat beta, vfloat mean_diff,
                          vfloat slope, uint flags)
{
    for (uint r = 0; r < n; r++) {
        const uint at = r * stride;
        const vfloat centred = x ? src_load_part(x + at, part) - mean : VZERO;
        const vfloat g =
            masked(dst_load_part(diff + at, part), dst + at, part, centred, scale, beta, flags);
        if (flags & DIFF_WANTED(1))
            src_put_part(g, diff_src1 + at, part, flags & DIFF_ADDED(1));
        if (flags & DIFF_WANTED(0))
            src_put_part(scale * fma(-centred, slope, g - mean_diff), diff_src0 + at, part,
                         flags & DIFF_ADDED(0));
    }
}

ONE_ITEM void
batchnorm_bwd_data(const global src_t *restrict src, const global dst_t *restrict diff_dst,
                   const global dst_t *restrict dst, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, const global float *restrict diff_gamma,
                   const global float *restrict diff_beta, global src_t *restrict diff_src0,
                   global src_t *restrict diff_src1, uint pixels, uint channels, uint rows,
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
        const vfloat mean_diff = batch ? load_part(DIFF_BETA + k, part) * share : VZERO;
        const vfloat slope = batch ? load_part(diff_gamma + k, part) * inv * share : VZERO;
        const global src_t *x = batch && (flags & DIFF_WANTED(0)) ? src + at : 0;
        const global dst_t *y = flags & MASK_DST ? dst + at : 0;
        global src_t *d0 = flags & DIFF_WANTED(0) ? diff_src0 + at : 0;
        global src_t *d1 = flags & DIFF_WANTED(1) ? diff_src1 + at : 0;
        if (x)
            ASK_BELOW(src, row, k);
        ASK_BELOW(diff_dst, row, k);
        if (y)
            ASK_BELOW(dst, row, k);
        if (d0)
            ASK_BELOW(diff_src0, row, k);
        if (d1)
            ASK_BELOW(diff_src1, row, k);
        if (n == ROWS && part == VW)
            block_data(x, diff_dst + at, y, d0, d1, channels, ROWS, VW, mean, scale, shift,
                       mean_diff, slope, flags);
        else
            block_data(x, diff_dst + at, y, d0, d1, channels, n, part, mean, scale, shift,
                       mean_diff, slope, flags);
    }
}
