/* Average pooling, NHWC: dst[y, x, k] = sum over the window / divisor; src/op/avgpool.c has the
 * divisor. Kernels: avgpool_fwd, avgpool_bwd_data. */
#include "pool.clh"

/* Places of the window in column or row `window` that count, along one axis of length `size`. */
RS_INLINE int places(int window, int stride, int pad, int kernel_size, int size, int end,
                     int count_pad)
{
    const int first = window * stride - pad, last = min(first + kernel_size, end);
    return count_pad ? last - first : min(last, size) - max(first, 0);
}

SPREAD_KERNEL void avgpool_fwd(POOL_PARAMS, const global float *restrict src,
                               global float *restrict dst, int count_pad)
{
    FOR_PIXELS(u, out_h, out_w)
    {
        PIXEL_OF(u, out_h, out_w);
        const int top = y * stride_h - pad_top, left = x * stride_w - pad_left;
        const int y1 = min(top + kernel_h, h), x1 = min(left + kernel_w, w);
        const int rows = places(y, stride_h, pad_top, kernel_h, h, end_h, count_pad);
        const int cols = places(x, stride_w, pad_left, kernel_w, w, end_w, count_pad);
        FOR_CHANNELS(u, k, part)
        {
            vfloat sum = VZERO;
            for (int sy = max(top, 0); sy < y1; sy++)
                for (int sx = max(left, 0); sx < x1; sx++)
                    sum += load_part(src + ((n * h + sy) * w + sx) * c + k, part);
            store_part(sum / ((float)rows * (float)cols),
                       dst + ((n * out_h + y) * out_w + x) * c + k, part);
        }
    }
}

SPREAD_KERNEL void avgpool_bwd_data(POOL_PARAMS, const global float *restrict diff_dst,
                                    global float *restrict diff_src, int count_pad, int accumulate)
{
    FOR_PIXELS(u, h, w)
    {
        PIXEL_OF(u, h, w);
        const int oy0 = FIRST_WINDOW(y, pad_top, kernel_h, stride_h);
        const int ox0 = FIRST_WINDOW(x, pad_left, kernel_w, stride_w);
        const int oy1 = LAST_WINDOW(y, pad_top, stride_h, out_h);
        const int ox1 = LAST_WINDOW(x, pad_left, stride_w, out_w);
        FOR_CHANNELS(u, k, part)
        {
            vfloat sum = VZERO;
            for (int oy = oy0; oy <= oy1; oy++)
                for (int ox = ox0; ox <= ox1; ox++) {
                    const int rows = places(oy, stride_h, pad_top, kernel_h, h, end_h, count_pad);
                    const int cols = places(ox, stride_w, pad_left, kernel_w, w, end_w, count_pad);
                    sum += load_part(diff_dst + ((n * out_h + oy) * out_w + ox) * c + k, part) /
                           ((float)rows * (float)cols);
                }
            put_part(sum, diff_src + ((n * h + y) * w + x) * c + k, part, accumulate);
        }
    }
}
