/* Max pooling, NHWC: dst[y, x, k] = max over the window; src/op/maxpool.c has padding, ties and
 * NaN. The maximum's place r * kernel_w + s goes to the one of places8, places32 that is not null
 * (neither in inference). A small window is read at once, and its backward's unit of work is a tile of
 * STRIDE_H x STRIDE_W pixels, which the same windows cover. Kernels: maxpool_fwd, maxpool_bwd_data. */
#include "pool.clh"

#ifdef ALIGNED
#define LOAD_ALL(type, p)     (*(const global type *)(p))
#define STORE_ALL(type, v, p) (*(global type *)(p) = (v))
#else
#define LOAD_ALL(type, p)     VLOAD(p)
#define STORE_ALL(type, v, p) VSTORE(v, p)
#endif

RS_INLINE void store_places(vint place, global uchar *places8, global int *places32, uint at,
                            uint part)
{
    if (places8 && WHOLE(part)) {
        STORE_ALL(vuchar, CONVERT_VUCHAR(place), places8 + at);
        return;
    }
#ifdef ALIGNED
    if (places32)
        STORE_ALL(vint, place, places32 + at);
#else
    int t[VW];
    VSTORE(place, t);
    UNROLL
    for (uint i = 0; i < VW; i++) {
        if (i < part && places8)
            places8[at + i] = (uchar)t[i];
        else if (i < part && places32)
            places32[at + i] = t[i];
    }
#endif
}

RS_INLINE vint load_places(const global uchar *places8, const global int *places32, uint at,
                           uint part)
{
    if (places8 && WHOLE(part))
        return CONVERT_VINT(LOAD_ALL(vuchar, places8 + at));
#ifdef ALIGNED
    return LOAD_ALL(vint, places32 + at);
#else
    int t[VW];
    UNROLL
    for (uint i = 0; i < VW; i++)
        t[i] = i < part ? (places8 ? places8[at + i] : places32[at + i]) : 0;
    return VLOAD(t);
#endif
}

/* Takes v at `place` of the window if nothing so far is as large. */
RS_INLINE void take(vfloat v, int place, vfloat *best, vint *best_place)
{
    const vint better = (v > *best) | isnan(v);
    *best = better ? v : *best;
    *best_place = better ? (vint)(place) : *best_place;
}

SPREAD_KERNEL void maxpool_fwd(POOL_PARAMS, const global src_t *restrict src,
                               global dst_t *restrict dst, global uchar *restrict places8,
                               global int *restrict places32, int zero_pad)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const int top = y * STRIDE_H - pad_top, left = x * STRIDE_W - pad_left;
        const int y0 = zero_pad ? top : max(top, 0), x0 = zero_pad ? left : max(left, 0);
        const int y1 = min(top + KERNEL_H, zero_pad ? end_h : h);
        const int x1 = min(left + KERNEL_W, zero_pad ? end_w : w);
        FOR_CHANNELS(u, k, part)
        {
            vfloat best = (vfloat)(-INFINITY);
            vint place = (vint)((y0 - top) * KERNEL_W + x0 - left);
#if UNROLLED
            vfloat window[KERNEL_H][KERNEL_W]; /* reads of padding are moved into the map */
            UNROLL
            for (int r = 0; r < KERNEL_H; r++)
                UNROLL
            for (int s = 0; s < KERNEL_W; s++) {
                const int sy = clamp(top + r, 0, h - 1), sx = clamp(left + s, 0, w - 1);
                window[r][s] = src_load_part(src + ((n * h + sy) * w + sx) * depth + k, part);
            }
            UNROLL
            for (int r = 0; r < KERNEL_H; r++)
                UNROLL
            for (int s = 0; s < KERNEL_W; s++) {
                const int sy = top + r, sx = left + s;
                const int inside = (uint)sy < (uint)h && (uint)sx < (uint)w;
                const int counts = inside || (zero_pad && sy < end_h && sx < end_w);
                const float outside = counts ? 0.0f : -INFINITY;
                take(inside ? window[r][s] : (vfloat)(outside), r * KERNEL_W + s, &best, &place);
            }
#else
            for (int sy = y0; sy < y1; sy++)
                for (int sx = x0; sx < x1; sx++) {
                    const int inside = sy >= 0 && sy < h && sx >= 0 && sx < w;
                    const int at = inside ? ((n * h + sy) * w + sx) * depth + k : 0;
                    const vfloat v = inside ? src_load_part(src + at, part) : VZERO;
                    take(v, (sy - top) * KERNEL_W + sx - left, &best, &place);
                }
#endif
            const int at = ((n * out_h + y) * out_w + x) * depth + k;
            dst_store_part(best, dst + at, part);
            store_places(place, places8, places32, at, part);
        }
    }
}

#if UNROLLED
#define COVER(kernel_size, stride)                                                                 \
    (((kernel_size) + (stride)-1) / (stride)) /* windows of a pixel */

SPREAD_KERNEL void maxpool_bwd_data(POOL_PARAMS, const global dst_t *restrict diff_dst,
                                    const global uchar *restrict places8,
                                    const global int *restrict places32,
                                    global src_t *restrict diff_src, int accumulate)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        /* The last window that covers the tile, and its corner, to which the tile's is equal. */
        const int last_y = y + pad_top / STRIDE_H, last_x = x + pad_left / STRIDE_W;
        const int top = last_y * STRIDE_H - pad_top, left = last_x * STRIDE_W - pad_left;
        FOR_CHANNELS(u, k, part)
        {
            vfloat sum[STRIDE_H][STRIDE_W];
            UNROLL
            for (int i = 0; i < STRIDE_H; i++)
                UNROLL
            for (int j = 0; j < STRIDE_W; j++)
                sum[i][j] = VZERO;
            UNROLL
            for (int a = COVER(KERNEL_H, STRIDE_H) - 1; a >= 0; a--)
                UNROLL
            for (int b = COVER(KERNEL_W, STRIDE_W) - 1; b >= 0; b--) {
                const int oy = last_y - a, ox = last_x - b;
                const int inside = (uint)oy < (uint)out_h && (uint)ox < (uint)out_w;
                const int cy = clamp(oy, 0, out_h - 1), cx = clamp(ox, 0, out_w - 1);
                const int at = ((n * out_h + cy) * out_w + cx) * depth + k;
                const vint place = load_places(places8, places32, at, part);
                const vfloat all = dst_load_part(diff_dst + at, part);
                const vfloat diff = inside ? all : VZERO;
                UNROLL
                for (int i = 0; i < STRIDE_H; i++)
                    UNROLL
                for (int j = 0; j < STRIDE_W; j++) {
                    const int r = a * STRIDE_H + i, s = b * STRIDE_W + j;
                    if (r < KERNEL_H && s < KERNEL_W)
                        sum[i][j] += place == r * KERNEL_W + s ? diff : VZERO;
                }
            }
            UNROLL
            for (int i = 0; i < STRIDE_H; i++)
                UNROLL
            for (int j = 0; j < STRIDE_W; j++)
                if ((uint)(top + i) < (uint)h && (uint)(left + j) < (uint)w)
                    src_put_part(sum[i][j],
                                 diff_src + ((n * h + top + i) * w + left + j) * depth + k, part,
                                 accumulate);
        }
    }
}
#else
SPREAD_KERNEL void maxpool_bwd_data(POOL_PARAMS, const global dst_t *restrict diff_dst,
                                    const global uchar *restrict places8,
                                    const global int *restrict places32,
                                    global src_t *restrict diff_src, int accumulate)
{
    FOR_PIXELS(u)
    {
        PIXEL_OF(u);
        const int oy0 = FIRST_WINDOW(y, pad_top, KERNEL_H, STRIDE_H);
        const int ox0 = FIRST_WINDOW(x, pad_left, KERNEL_W, STRIDE_W);
        const int oy1 = LAST_WINDOW(y, pad_top, STRIDE_H, out_h);
        const int ox1 = LAST_WINDOW(x, pad_left, STRIDE_W, out_w);
        FOR_CHANNELS(u, k, part)
        {
            vfloat sum = VZERO;
            for (int oy = oy0; oy <= oy1; oy++)
                for (int ox = ox0; ox <= ox1; ox++) {
                    const int r = y + pad_top - oy * STRIDE_H, s = x + pad_left - ox * STRIDE_W;
                    const int at = ((n * out_h + oy) * out_w + ox) * depth + k;
                    const vint hit = load_places(places8, places32, at, part) == r * KERNEL_W + s;
                    sum += hit ? dst_load_part(diff_dst + at, part) : VZERO;
                }
            src_put_part(sum, diff_src + ((n * h + y) * w + x) * depth + k, part, accumulate);
        }
    }
}
#endif
