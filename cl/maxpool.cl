/* Max pooling, NHWC: dst[y, x, k] = max over the window; src/op/maxpool.c has padding, ties and
 * NaN. The maximum's place r * kernel_w + s goes to the one of places8, places32 that is not null
 * (neither in inference). Kernels: maxpool_fwd, maxpool_bwd_data. */
#include "pool.clh"

RS_INLINE void store_places(vint place, global uchar *places8, global int *places32, uint at,
                            uint part)
{
    int t[VW];
    if (places8 && part == VW) {
        VSTORE(CONVERT_VUCHAR(place), places8 + at);
        return;
    }
    VSTORE(place, t);
    for (uint i = 0; i < part; i++) {
        if (places8)
            places8[at + i] = (uchar)t[i];
        else if (places32)
            places32[at + i] = t[i];
    }
}

RS_INLINE vint load_places(const global uchar *places8, const global int *places32, uint at,
                           uint part)
{
    int t[VW];
    if (places8 && part == VW)
        return CONVERT_VINT(VLOAD(places8 + at));
    for (uint i = 0; i < VW; i++)
        t[i] = i < part ? (places8 ? places8[at + i] : places32[at + i]) : 0;
    return VLOAD(t);
}

SPREAD_KERNEL void maxpool_fwd(POOL_PARAMS, const global float *restrict src,
                               global float *restrict dst, global uchar *restrict places8,
                               global int *restrict places32, int zero_pad)
{
    FOR_PIXELS(u, out_h, out_w)
    {
        PIXEL_OF(u, out_h, out_w);
        const int top = y * stride_h - pad_top, left = x * stride_w - pad_left;
        const int y0 = zero_pad ? top : max(top, 0), x0 = zero_pad ? left : max(left, 0);
        const int y1 = min(top + kernel_h, zero_pad ? end_h : h);
        const int x1 = min(left + kernel_w, zero_pad ? end_w : w);
        FOR_CHANNELS(u, k, part)
        {
            vfloat best = (vfloat)(-INFINITY);
            vint place = (vint)((y0 - top) * kernel_w + x0 - left);
            for (int sy = y0; sy < y1; sy++)
                for (int sx = x0; sx < x1; sx++) {
                    const int inside = sy >= 0 && sy < h && sx >= 0 && sx < w;
                    const int at = inside ? ((n * h + sy) * w + sx) * c + k : 0;
                    const vfloat v = inside ? load_part(src + at, part) : VZERO;
                    const vint better = (v > best) | isnan(v);
                    best = better ? v : best;
                    place = better ? (vint)((sy - top) * kernel_w + sx - left) : place;
                }
            const int at = ((n * out_h + y) * out_w + x) * c + k;
            store_part(best, dst + at, part);
            store_places(place, places8, places32, at, part);
        }
    }
}

SPREAD_KERNEL void maxpool_bwd_data(POOL_PARAMS, const global float *restrict diff_dst,
                                    const global uchar *restrict places8,
                                    const global int *restrict places32,
                                    global float *restrict diff_src, int accumulate)
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
                    const int r = y + pad_top - oy * stride_h, s = x + pad_left - ox * stride_w;
                    const int at = ((n * out_h + oy) * out_w + ox) * c + k;
                    const vint hit = load_places(places8, places32, at, part) == r * kernel_w + s;
                    sum += hit ? load_part(diff_dst + at, part) : VZERO;
                }
            put_part(sum, diff_src + ((n * h + y) * w + x) * c + k, part, accumulate);
        }
    }
}
