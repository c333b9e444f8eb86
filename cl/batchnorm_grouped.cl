/* Batch normalisation over the channels of `pixels` x `channels` (NHWC, or (n, c)), with optional
 * residual and ReLU, for GPUs; src/op/batchnorm.c has the formulas.
 *
 * Work. The pixels are divided into parts of `rows`. A group of LX x LY items, LX neighbouring vectors
 * of channels by LY rows, walks a part of its channels. An item takes blocks of ROWS pixels, LY apart:
 * it asks for all that it reads of a block, then works on it in registers. Where sums are wanted it
 * keeps its own, and a tree joins those of the group, which is a part of the result.
 * Finishing kernels join parts: FINISH_LY items to a channel in turns, then a tree. Parts of the
 * statistics are moments.clh's, those of the sums [part][2][channels]; either may be what the epilogue
 * of a convolution left, thousands of them.
 *
 * Kernels: batchnorm_fwd_stats, batchnorm_fwd_join, batchnorm_fwd_finish, batchnorm_fwd_apply;
 * batchnorm_bwd_sums, batchnorm_bwd_finish, batchnorm_bwd_data. Groups: on x one for each part, on y for each LX vectors of
 * channels; of finishing kernels on x one for each FINISH_LX vectors. */
#include "batchnorm.clh"
#include "relumask.clh"

/* As in src/op/batchnorm.c. Of more, the registers leave fewer groups to a unit, and no more loads on
 * their way. */
#define ROWS 2

#define GROUP_KERNEL kernel __attribute__((reqd_work_group_size(WG, 1, 1))) WIDTH
#define LY           (WG / LX)
#define ROW_OF_ITEM  (get_local_id(0) / LX)
#define PART         get_group_id(0)
#define CHANNEL      ((uint)(get_group_id(1) * LX + get_local_id(0) % LX) * VW)
#define FOR_BLOCKS(row, k, first, last)                                                            \
    for (uint row = (k) < channels ? (first) + ROW_OF_ITEM : (last); row < (last); row += ROWS * LY)

/* The rows of a block: `n` of them exist, `stride` floats apart, with `part` channels of a vector. */
typedef struct block {
    uint stride, n, part;
} block;

#define BLOCK_AT(row, last, part)                                                                  \
    ((block){LY * channels, min((uint)ROWS, ((last) - (row) + LY - 1) / LY), (part)})

/* Of src and of dst. Rows that do not exist repeat the last. */
#define ROWS_ACCESS(side)                                                                          \
    RS_INLINE void side##_load_rows(vfloat v[ROWS], const global side##_t *from, block b)          \
    {                                                                                              \
        _Pragma("unroll") for (uint r = 0; r < ROWS; r++) v[r] =                                   \
            side##_load_part(from + min(r, b.n - 1) * b.stride, b.part);                           \
    }                                                                                              \
    RS_INLINE void side##_store_rows(const vfloat v[ROWS], global side##_t *to, block b)           \
    {                                                                                              \
        _Pragma("unroll") for (uint r = 0; r < ROWS; r++) if (r < b.n)                             \
            side##_store_part(v[r], to + r * b.stride, b.part);                                    \
    }
ROWS_ACCESS(src)
ROWS_ACCESS(dst)

RS_INLINE void src_put_rows(const vfloat v[ROWS], global src_t *to, block b, int accumulate)
{
    vfloat sum[ROWS];
    if (accumulate)
        src_load_rows(sum, to, b);
#pragma unroll
    for (uint r = 0; r < ROWS; r++)
        sum[r] = accumulate ? sum[r] + v[r] : v[r];
    src_store_rows(sum, to, b);
}

/* ---- statistics ---------------------------------------------------------------------------- */

#define MOMENTS_TREE(i, rest)                                                                      \
    local vfloat t_mean[WG], t_m2[WG];                                                             \
    local float t_count[WG];                                                                       \
    t_mean[i] = mean;                                                                              \
    t_m2[i] = m2;                                                                                  \
    t_count[i] = count;                                                                            \
    LOCAL_TREE(i, WG, rest, JOIN_MOMENTS)
#define JOIN_MOMENTS(a, b)                                                                         \
    join_moments(&mean, &m2, &count, t_mean[b], t_m2[b], t_count[b]);                              \
    t_mean[a] = mean;                                                                              \
    t_m2[a] = m2;                                                                                  \
    t_count[a] = count

GROUP_KERNEL void batchnorm_fwd_stats(const global src_t *restrict src,
                                      global float *restrict moments, uint pixels, uint channels,
                                      uint rows, uint parts)
{
    const uint first = PART * rows, last = min(pixels, first + rows), i = get_local_id(0);
    const uint k = CHANNEL, part = min((uint)VW, channels - min(k, channels));
    vfloat mean = VZERO, m2 = VZERO;
    float count = 0.0f;
    if (k == 0 && ROW_OF_ITEM == 0)
        moments[parts * 2 * channels + PART] = (float)(last - first);
    FOR_BLOCKS(row, k, first, last)
    {
        const block b = BLOCK_AT(row, last, part);
        vfloat x[ROWS], sum = VZERO, square = VZERO;
        src_load_rows(x, src + row * channels + k, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            sum += r < b.n ? x[r] : VZERO;
        sum /= (float)b.n;
#pragma unroll
        for (uint r = 0; r < ROWS; r++) {
            const vfloat d = r < b.n ? x[r] - sum : VZERO;
            square = fma(d, d, square);
        }
        join_moments(&mean, &m2, &count, sum, square, (float)b.n);
    }
    MOMENTS_TREE(i, LX);
    if (ROW_OF_ITEM == 0 && k < channels) {
        global float *means = moments + PART * 2 * channels + k;
        store_part(mean, means, part);
        store_part(m2, means + channels, part);
    }
}

/* ---- finishing ------------------------------------------------------------------------------- */

#define FINISH_LX      (WG < 2 ? 1 : 2) /* as in src/op/batchnorm.c: a sector of most GPUs' memory */
#define FINISH_LY      (WG / FINISH_LX)
#define FINISH_ITEM    (get_local_id(0) / FINISH_LX)
#define FINISH_CHANNEL ((uint)(get_group_id(0) * FINISH_LX + get_local_id(0) % FINISH_LX) * VW)
#define FINISH_AT_ONCE 4 /* parts that an item asks for before it joins the first */
#define FOR_PARTS(p, k, parts)                                                                     \
    for (uint p = (k) < channels ? FINISH_ITEM : (parts); p < (parts);                             \
         p += FINISH_LY * FINISH_AT_ONCE)

/* Means and squares, or sums and dots, of the parts from `p` on; the last again for those beyond. */
RS_INLINE void load_parts(vfloat a[FINISH_AT_ONCE], vfloat b[FINISH_AT_ONCE],
                          const global float *from, uint channels, uint p, uint parts, uint part)
{
#pragma unroll
    for (uint j = 0; j < FINISH_AT_ONCE; j++) {
        const global float *at = from + min(p + j * FINISH_LY, parts - 1) * 2 * channels;
        a[j] = load_part(at, part);
        b[j] = load_part(at + channels, part);
    }
}

/* Those of the parts that an item joins, of the channels from k on. */
RS_INLINE void join_own_parts(const global float *moments, uint channels, uint parts, uint k,
                              uint part, vfloat *mean, vfloat *m2, float *count)
{
    const global float *counts = moments + parts * 2 * channels;
    *mean = *m2 = VZERO;
    *count = 0.0f;
    FOR_PARTS(p, k, parts)
    {
        vfloat b_mean[FINISH_AT_ONCE], b_m2[FINISH_AT_ONCE];
        float n[FINISH_AT_ONCE];
        load_parts(b_mean, b_m2, moments + k, channels, p, parts, part);
#pragma unroll
        for (uint j = 0; j < FINISH_AT_ONCE; j++)
            n[j] = p + j * FINISH_LY < parts ? counts[p + j * FINISH_LY] : 0.0f;
#pragma unroll
        for (uint j = 0; j < FINISH_AT_ONCE; j++)
            join_moments(mean, m2, count, b_mean[j], b_m2[j], n[j]);
    }
}

GROUP_KERNEL void batchnorm_fwd_join(global float *restrict moments, uint channels, uint parts,
                                     uint pixels)
{
    const uint k = FINISH_CHANNEL, part = min((uint)VW, channels - min(k, channels));
    const uint i = get_local_id(0);
    vfloat mean, m2;
    float count;
    join_own_parts(moments, channels, parts, k, part, &mean, &m2, &count);
    barrier(CLK_GLOBAL_MEM_FENCE);
    MOMENTS_TREE(i, FINISH_LX);
    if (FINISH_ITEM == 0 && k < channels)
        store_joined(mean, m2, moments, channels, parts, k, part, pixels);
}

GROUP_KERNEL void
batchnorm_fwd_finish(const global float *restrict moments, global float *restrict batch_mean,
                     global float *restrict inv_std, global float *restrict running_mean,
                     global float *restrict running_var, uint pixels, uint channels, uint parts,
                     float eps, float momentum, float unbias)
{
    const uint k = FINISH_CHANNEL, part = min((uint)VW, channels - min(k, channels));
    const uint i = get_local_id(0);
    vfloat mean, m2;
    float count;
    join_own_parts(moments, channels, parts, k, part, &mean, &m2, &count);
    MOMENTS_TREE(i, FINISH_LX);
    if (FINISH_ITEM == 0 && k < channels)
        store_statistics(mean, m2, batch_mean, inv_std, running_mean, running_var, k, part, pixels,
                         eps, momentum, unbias);
}

#define SUMS_TREE(i, rest)                                                                         \
    local vfloat t_sum[WG], t_dot[WG];                                                             \
    t_sum[i] = sum;                                                                                \
    t_dot[i] = dot;                                                                                \
    LOCAL_TREE(i, WG, rest, JOIN_SUMS);                                                            \
    sum = t_sum[i];                                                                                \
    dot = t_dot[i]
#define JOIN_SUMS(a, b)                                                                            \
    t_sum[a] += t_sum[b];                                                                          \
    t_dot[a] += t_dot[b]

GROUP_KERNEL void batchnorm_bwd_finish(const global float *restrict sums,
                                       const global float *restrict spreads,
                                       global float *restrict diff_gamma,
                                       global float *restrict diff_beta, uint channels, uint parts,
                                       uint flags, float eps)
{
    const uint k = FINISH_CHANNEL, part = min((uint)VW, channels - min(k, channels));
    const uint i = get_local_id(0);
    vfloat sum = VZERO, dot = VZERO;
    FOR_PARTS(p, k, parts)
    {
        vfloat a[FINISH_AT_ONCE], b[FINISH_AT_ONCE];
        load_parts(a, b, sums + k, channels, p, parts, part);
#pragma unroll
        for (uint j = 0; j < FINISH_AT_ONCE; j++) {
            sum += p + j * FINISH_LY < parts ? a[j] : VZERO;
            dot += p + j * FINISH_LY < parts ? b[j] : VZERO;
        }
    }
    SUMS_TREE(i, FINISH_LX);
    if (FINISH_ITEM == 0 && k < channels) {
        store_part(dot * INV_STD(spreads, k, part, flags, eps), diff_gamma + k, part);
        store_part(sum, diff_beta + k, part);
    }
}

/* ---- normalisation ------------------------------------------------------------------------- */

/* `mask` NULL: it is not wanted. */
GROUP_KERNEL void
batchnorm_fwd_apply(const global src_t *restrict src, const global src_t *restrict residual,
                    const global float *restrict gamma, const global float *restrict beta,
                    const global float *restrict means, const global float *restrict spreads,
                    global dst_t *restrict dst, uint pixels, uint channels, uint rows, uint flags,
                    float eps, global uchar *restrict mask)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    const uint k = CHANNEL, part = min((uint)VW, channels - min(k, channels));
    if (k >= channels)
        return;
    const vfloat mean = load_part(means + k, part), shift = load_part(beta + k, part);
    const vfloat scale = INV_STD(spreads, k, part, flags, eps) * load_part(gamma + k, part);
    FOR_BLOCKS(row, k, first, last)
    {
        const block b = BLOCK_AT(row, last, part);
        const uint at = row * channels + k;
        vfloat v[ROWS], other[ROWS];
        src_load_rows(v, src + at, b);
        if (residual)
            src_load_rows(other, residual + at, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++) {
            v[r] = fma(v[r] - mean, scale, shift);
            if (residual)
                v[r] += other[r];
            if (flags & RELU)
                v[r] = v[r] < VZERO ? VZERO : v[r];
        }
        dst_store_rows(v, dst + at, b);
        if (mask)
#pragma unroll
            for (uint r = 0; r < ROWS; r++)
                if (r < b.n)
                    store_relu_mask(v[r], mask + (row + r * LY) * RELU_MASK_BYTES(channels) + k / 4,
                                    part);
    }
}

/* ---- backward ------------------------------------------------------------------------------ */

/* What a normalisation's backward knows of its channels. */
typedef struct norm {
    vfloat mean, scale, shift;
    uint flags;
} norm;

#define NORM_OF(k, part)                                                                           \
    ((norm){load_part(means + (k), (part)),                                                        \
            INV_STD(spreads, k, part, flags, eps) * load_part(gamma + (k), (part)),                \
            load_part(beta + (k), (part)), flags})

/* diff_dst of a block from element `at` of its tensors on, behind the ReLU, whose mask lies in bits or
 * in dst: `masks`. Without a residual dst is computed again, by the very operations of forward. */
RS_INLINE void load_masked(vfloat g[ROWS], const global dst_t *diff, const global void *masks,
                           uint at, uint mask_at, uint mask_stride, const vfloat centred[ROWS],
                           norm m, block b)
{
    dst_load_rows(g, diff + at, b);
    if (m.flags & MASK_BITS) {
        const global uchar *mask = masks;
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            g[r] = load_relu_mask(g[r], mask + mask_at + min(r, b.n - 1) * mask_stride, b.part);
    } else if (m.flags & MASK_DST) {
        vfloat y[ROWS];
        dst_load_rows(y, (const global dst_t *)masks + at, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            g[r] = where_positive(g[r], y[r]);
    } else if (m.flags & RELU) {
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            g[r] = where_positive(g[r], fma(centred[r], m.scale, m.shift));
    }
}

GROUP_KERNEL void
batchnorm_bwd_sums(const global src_t *restrict src, const global dst_t *restrict diff_dst,
                   const global void *restrict masks, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, global float *restrict sums, uint pixels,
                   uint channels, uint rows, uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows), i = get_local_id(0);
    const uint k = CHANNEL, known = k < channels ? k : 0, part = min((uint)VW, channels - known);
    const uint mask_row = RELU_MASK_BYTES(channels);
    const norm m = NORM_OF(known, part);
    vfloat sum = VZERO, dot = VZERO;
    FOR_BLOCKS(row, k, first, last)
    {
        const block b = BLOCK_AT(row, last, part);
        const uint at = row * channels + k;
        vfloat x[ROWS], g[ROWS];
        src_load_rows(x, src + at, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            x[r] -= m.mean;
        load_masked(g, diff_dst, masks, at, row * mask_row + k / 4, LY * mask_row, x, m, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++) {
            const vfloat kept = r < b.n ? g[r] : VZERO;
            sum += kept;
            dot = r < b.n ? fma(kept, x[r], dot) : dot;
        }
    }
    SUMS_TREE(i, LX);
    if (ROW_OF_ITEM == 0 && k < channels) {
        global float *to = sums + PART * 2 * channels + k;
        store_part(sum, to, part);
        store_part(dot, to + channels, part);
    }
}

/* diff_src0 = scale * (g - mean(g) - centred * slope), diff_src1 = g: g the masked diff. By the
 * running statistics mean(g) and slope are 0. */
GROUP_KERNEL void
batchnorm_bwd_data(const global src_t *restrict src, const global dst_t *restrict diff_dst,
                   const global void *restrict masks, const global float *restrict gamma,
                   const global float *restrict beta, const global float *restrict means,
                   const global float *restrict spreads, const global float *restrict diff_gamma,
                   const global float *restrict diff_beta, global src_t *restrict diff_src0,
                   global src_t *restrict diff_src1, uint pixels, uint channels, uint rows,
                   uint flags, float eps)
{
    const uint first = PART * rows, last = min(pixels, first + rows);
    const uint k = CHANNEL, part = min((uint)VW, channels - min(k, channels));
    const uint mask_row = RELU_MASK_BYTES(channels);
    const bool batch = !(flags & RUNNING);
    if (k >= channels)
        return;
    const norm m = NORM_OF(k, part);
    const float share = 1.0f / (float)pixels;
    vfloat mean_diff = VZERO, slope = VZERO;
    if (batch) {
        mean_diff = load_part(DIFF_BETA + k, part) * share;
        slope = load_part(diff_gamma + k, part) * load_part(spreads + k, part) * share;
    }
    FOR_BLOCKS(row, k, first, last)
    {
        const block b = BLOCK_AT(row, last, part);
        const uint at = row * channels + k;
        vfloat x[ROWS], g[ROWS];
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            x[r] = m.mean;
        if (batch && (flags & DIFF_WANTED(0)))
            src_load_rows(x, src + at, b);
#pragma unroll
        for (uint r = 0; r < ROWS; r++)
            x[r] -= m.mean;
        load_masked(g, diff_dst, masks, at, row * mask_row + k / 4, LY * mask_row, x, m, b);
        if (flags & DIFF_WANTED(1))
            src_put_rows(g, diff_src1 + at, b, flags & DIFF_ADDED(1));
        if (flags & DIFF_WANTED(0)) {
#pragma unroll
            for (uint r = 0; r < ROWS; r++)
                g[r] = m.scale * fma(-x[r], slope, g[r] - mean_diff);
            src_put_rows(g, diff_src0 + at, b, flags & DIFF_ADDED(0));
        }
    }
}
