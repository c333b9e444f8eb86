/* The shortcut of a residual block without parameters, NHWC: dst[y, x] is src[y * stride,
 * x * stride] in the channels from `before` on, between zeros (src/op/shortcut.c). A unit of work
 * is a pixel of what is written, or one of its blocks of VW channels where SPREAD is 1.
 * Kernels: shortcut_fwd, shortcut_bwd_data. */
#include "pixels.clh"

#if SPREAD
/* `part` numbers of src from `k` on, zeros where it has none. */
RS_INLINE vfloat load_or_zeros(const global src_t *src, int k, uint part, uint c)
{
#ifdef ALIGNED
    return (uint)k < c ? src_load(src + k) : VZERO;
#else
    float t[VW];
    UNROLL
    for (int i = 0; i < VW; i++)
        t[i] = i < (int)part && (uint)(k + i) < c ? src_get(src + k + i) : 0.0f;
    return fload(t);
#endif
}
#else
/* n numbers of `to`: from `from`, or zeros where it is NULL; written or added. */
#define PUT_RUN(from_side, from, to_side, to, n, accumulate)                                       \
    for (uint i_ = 0; i_ < (n); i_ += VW) {                                                        \
        const uint part_ = min((uint)VW, (n)-i_);                                                  \
        to_side##_put_part((from) ? from_side##_load_part((from) + i_, part_) : VZERO, (to) + i_,  \
                           part_, accumulate);                                                     \
    }
#endif

SPREAD_KERNEL void shortcut_fwd(WALK_PARAMS, const global src_t *restrict src,
                                global dst_t *restrict dst, int h, int w, uint c, int stride,
                                uint before)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const global src_t *from = src + ((n * h + y * stride) * w + x * stride) * c;
        global dst_t *to = dst + PIXEL(u) * depth;
#if SPREAD
        FOR_CHANNELS(u, k, part)
        dst_store_part(load_or_zeros(from, k - (int)before, part, c), to + k, part);
#else
        const global src_t *nothing = 0;
        PUT_RUN(src, nothing, dst, to, before, 0)
        PUT_RUN(src, from, dst, to + before, c, 0)
        PUT_RUN(src, nothing, dst, to + before + c, depth - before - c, 0)
#endif
    }
}

SPREAD_KERNEL void shortcut_bwd_data(WALK_PARAMS, const global dst_t *restrict diff_dst,
                                     global src_t *restrict diff_src, int out_h, int out_w,
                                     uint channels, int stride, DIVISOR_PARAM(stride), uint before,
                                     int accumulate)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const int oy = QUOTIENT(y, stride), ox = QUOTIENT(x, stride);
        const bool kept = oy * stride == y && ox * stride == x;
        const global dst_t *from = diff_dst + ((n * out_h + oy) * out_w + ox) * channels + before;
        global src_t *to = diff_src + PIXEL(u) * depth;
#if SPREAD
        FOR_CHANNELS(u, k, part)
        if (kept || !accumulate)
            src_put_part(kept ? dst_load_part(from + k, part) : VZERO, to + k, part, accumulate);
#else
        if (kept || !accumulate) {
            const global dst_t *kept_from = kept ? from : 0;
            PUT_RUN(dst, kept_from, src, to, (uint)depth, accumulate)
        }
#endif
    }
}
