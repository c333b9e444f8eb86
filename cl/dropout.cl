/* Dropout: out = in * (kept ? scale : 0); element i is kept where the upper 24 bits of word i % 4
 * of philox(seed, stream, base + i / 4) are at least `threshold`. Forward and backward apply one
 * mask. Kernels: dropout_fwd, dropout_bwd_data; dropout_fwd_rows, dropout_bwd_rows, where i is that of a
 * row of `each` elements. `chunk` is a multiple of 4. */
#include "storage.clh"

/* Of 4 numbers from 4 * u on. */
RS_INLINE float4 mask_of(uint u, ulong seed, ulong stream, ulong base, uint threshold, float scale)
{
    const uint4 word = philox(seed, stream, base + u);
    return select((float4)(0.0f), (float4)(scale), (word >> 8) >= threshold);
}

/* to[4 * u + i], which are `to_side`, += or = from[4 * u + i] * mask[i], for i below 4 and the end. */
#ifdef ALIGNED
#define APPLY_MASK(from_side, from, to_side, to, u, count, mask, accumulate)                       \
    do {                                                                                           \
        const float4 x_ = from_side##_to_float(((const global from_side##4_t *)(from))[u]);        \
        global to_side##4_t *at_ = (global to_side##4_t *)(to) + (u);                              \
        const float4 old_ = (accumulate) ? to_side##_to_float(*at_) : (float4)(0.0f);              \
        *at_ = float_to_##to_side(old_ + x_ * (mask));                                             \
    } while (0)
#else
#define APPLY_MASK(from_side, from, to_side, to, u, count, mask, accumulate)                       \
    do {                                                                                           \
        const float m_[4] = {(mask).x, (mask).y, (mask).z, (mask).w};                              \
        const uint first_ = 4 * (u), end_ = min((count), first_ + 4u);                             \
        for (uint i_ = first_; i_ < end_; i_++) {                                                  \
            const float old_ = (accumulate) ? to_side##_get((to) + i_) : 0.0f;                     \
            to_side##_set(old_ + from_side##_get((from) + i_) * m_[i_ - first_], (to) + i_);       \
        }                                                                                          \
    } while (0)
#endif

SPREAD_KERNEL void dropout_fwd(const global src_t *restrict src, global dst_t *restrict dst,
                               uint count, uint chunk, ulong seed, ulong stream, ulong base,
                               uint threshold, float scale, int accumulate)
{
    FOR_UNITS(u, (count + 3) / 4, chunk / 4)
    {
        const float4 mask = mask_of(u, seed, stream, base, threshold, scale);
        APPLY_MASK(src, src, dst, dst, u, count, mask, accumulate);
    }
}

SPREAD_KERNEL void dropout_bwd_data(const global dst_t *restrict diff_dst,
                                    global src_t *restrict diff_src, uint count, uint chunk,
                                    ulong seed, ulong stream, ulong base, uint threshold,
                                    float scale, int accumulate)
{
    FOR_UNITS(u, (count + 3) / 4, chunk / 4)
    {
        const float4 mask = mask_of(u, seed, stream, base, threshold, scale);
        APPLY_MASK(dst, diff_dst, src, diff_src, u, count, mask, accumulate);
    }
}

/* What the elements of a row are multiplied by. */
RS_INLINE float keep_of(uint row, ulong seed, ulong stream, ulong base, uint threshold, float scale)
{
    const uint4 word = philox(seed, stream, base + row / 4);
    const uint2 pair = row & 2u ? word.zw : word.xy;
    return (row & 1u ? pair.y : pair.x) >> 8 >= threshold ? scale : 0.0f;
}

/* The mask of 4 elements, the first of which is of `row`, whose own is `keep`. */
#define ROWS_MASK(mask, u, row, keep)                                                              \
    float4 mask = (float4)(keep);                                                                  \
    if (QUOTIENT(4 * (u) + 3, each) != (row)) {                                                    \
        mask.y = keep_of(QUOTIENT(4 * (u) + 1, each), seed, stream, base, threshold, scale);       \
        mask.z = keep_of(QUOTIENT(4 * (u) + 2, each), seed, stream, base, threshold, scale);       \
        mask.w = keep_of(QUOTIENT(4 * (u) + 3, each), seed, stream, base, threshold, scale);       \
    }

/* A new row is drawn where one begins. */
#define APPLY_ROWS(from_side, from, to_side, to)                                                   \
    uint row = 0xffffffffu;                                                                        \
    float keep = 0.0f;                                                                             \
    FOR_UNITS(u, (count + 3) / 4, chunk / 4)                                                       \
    {                                                                                              \
        const uint at = QUOTIENT(4 * u, each);                                                     \
        if (at != row)                                                                             \
            keep = keep_of(at, seed, stream, base, threshold, scale);                              \
        row = at;                                                                                  \
        ROWS_MASK(mask, u, row, keep)                                                              \
        APPLY_MASK(from_side, from, to_side, to, u, count, mask, accumulate);                      \
    }

SPREAD_KERNEL void dropout_fwd_rows(const global src_t *restrict src, global dst_t *restrict dst,
                                    uint count, uint chunk, ulong seed, ulong stream, ulong base,
                                    uint threshold, float scale, int accumulate, uint each,
                                    DIVISOR_PARAM(each)){APPLY_ROWS(src, src, dst, dst)}

SPREAD_KERNEL void dropout_bwd_rows(const global dst_t *restrict diff_dst,
                                    global src_t *restrict diff_src, uint count, uint chunk,
                                    ulong seed, ulong stream, ulong base, uint threshold,
                                    float scale, int accumulate, uint each, DIVISOR_PARAM(each))
{
    APPLY_ROWS(dst, diff_dst, src, diff_src)
}
