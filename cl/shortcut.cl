/* The shortcut of a residual block without parameters, NHWC: dst[y, x] is src[y * stride,
 * x * stride] in the channels from `before` on, between zeros (src/op/shortcut.c). A unit of work
 * is a pixel of what is written. Kernels: shortcut_fwd, shortcut_bwd_data. */
#include "common.clh"

/* n numbers: from `from`, or zeros where it is NULL; written or added. */
RS_INLINE void put_run(const global float *from, global float *to, uint n, int accumulate)
{
    for (uint i = 0; i < n; i += VW) {
        const uint part = min((uint)VW, n - i);
        put_part(from ? load_part(from + i, part) : VZERO, to + i, part, accumulate);
    }
}

SPREAD_KERNEL void shortcut_fwd(const global float *restrict src, global float *restrict dst,
                                uint batch, uint h, uint w, uint c, uint out_h, uint out_w,
                                uint channels, uint stride, uint before, int accumulate, uint chunk)
{
    FOR_UNITS(u, batch * out_h * out_w, chunk)
    {
        const uint line = u / out_w, x = u % out_w, y = line % out_h, n = line / out_h;
        global float *to = dst + u * channels;
        put_run(0, to, before, 0);
        put_run(src + ((n * h + y * stride) * w + x * stride) * c, to + before, c, 0);
        put_run(0, to + before + c, channels - before - c, 0);
    }
}

SPREAD_KERNEL void shortcut_bwd_data(const global float *restrict diff_dst,
                                     global float *restrict diff_src, uint batch, uint h, uint w,
                                     uint c, uint out_h, uint out_w, uint channels, uint stride,
                                     uint before, int accumulate, uint chunk)
{
    FOR_UNITS(u, batch * h * w, chunk)
    {
        const uint line = u / w, x = u % w, y = line % h, n = line / h;
        const uint from = (n * out_h + y / stride) * out_w + x / stride;
        if (x % stride == 0 && y % stride == 0)
            put_run(diff_dst + from * channels + before, diff_src + u * c, c, accumulate);
        else if (!accumulate)
            put_run(0, diff_src + u * c, c, 0);
    }
}
