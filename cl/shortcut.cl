/* The shortcut of a residual block without parameters, NHWC: dst[y, x] is src[y * stride,
 * x * stride] in the channels from `before` on, between zeros (src/op/shortcut.c). A unit of work
 * is a pixel of what is written, or one of its blocks of VW channels where SPREAD is 1.
 * Kernels: shortcut_fwd, shortcut_bwd_data. */
#include "pixels.clh"

#if SPREAD
/* `part` numbers of src from `k` on, zeros where it has none. */
RS_INLINE vfloat load_or_zeros(const global float *src, int k, uint part, uint c)
{
#ifdef ALIGNED
    return (uint)k < c ? gload(src + k) : VZERO;
#else
    float t[VW];
    UNROLL
    for (int i = 0; i < VW; i++)
        t[i] = i < (int)part && (uint)(k + i) < c ? src[k + i] : 0.0f;
    return fload(t);
#endif
}
#else
/* n numbers: from `from`, or zeros where it is NULL; written or added. */
RS_INLINE void put_run(const global float *from, global float *to, uint n, int accumulate)
{
    for (uint i = 0; i < n; i += VW) {
        const uint part = min((uint)VW, n - i);
        put_part(from ? load_part(from + i, part) : VZERO, to + i, part, accumulate);
    }
}
#endif

SPREAD_KERNEL void shortcut_fwd(WALK_PARAMS, const global float *restrict src,
                                global float *restrict dst, int h, int w, uint c, int stride,
                                uint before)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const global float *from = src + ((n * h + y * stride) * w + x * stride) * c;
        global float *to = dst + PIXEL(u) * depth;
#if SPREAD
        FOR_CHANNELS(u, k, part)
        store_part(load_or_zeros(from, k - (int)before, part, c), to + k, part);
#else
        put_run(0, to, before, 0);
        put_run(from, to + before, c, 0);
        put_run(0, to + before + c, depth - before - c, 0);
#endif
    }
}

SPREAD_KERNEL void shortcut_bwd_data(WALK_PARAMS, const global float *restrict diff_dst,
                                     global float *restrict diff_src, int out_h, int out_w,
                                     uint channels, int stride, DIVISOR_PARAM(stride), uint before,
                                     int accumulate)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const int oy = QUOTIENT(y, stride), ox = QUOTIENT(x, stride);
        const bool kept = oy * stride == y && ox * stride == x;
        const global float *from = diff_dst + ((n * out_h + oy) * out_w + ox) * channels + before;
        global float *to = diff_src + PIXEL(u) * depth;
#if SPREAD
        FOR_CHANNELS(u, k, part)
        if (kept || !accumulate)
            put_part(kept ? load_part(from + k, part) : VZERO, to + k, part, accumulate);
#else
        if (kept || !accumulate)
            put_run(kept ? from : 0, to, depth, accumulate);
#endif
    }
}
