/* Average pooling, NHWC: dst[y, x, k] = sum over the window / divisor; src/op/avgpool.c has the
 * divisor. On GPUs LY work-items of a group share a window: each sums every LY-th row, and a tree joins
 * the sums. Kernels: avgpool_fwd, avgpool_bwd_data. */
#include "pool.clh"

/* Places of the window in column or row `window` that count, along one axis of length `size`. */
RS_INLINE int places(int window, int stride, int pad, int kernel_size, int size, int end,
                     int count_pad)
{
    const int first = window * stride - pad, last = min(first + kernel_size, end);
    return count_pad ? last - first : min(last, size) - max(first, 0);
}

#if SPREAD
#define LX             (WG / LY)
#define ITEM           get_local_id(0)
#define ITEM_ROW       ((int)ITEM / LX)
#define JOIN_SUM(i, j) t_sum[i] += t_sum[j]
/* For the LX units from `first` on, one of which is u: all of a group go round equally often. */
#define FOR_WINDOWS(u)                                                                             \
    for (uint first = get_group_id(0) * LX, u;                                                     \
         u = min(first + (uint)ITEM % LX, UNITS - 1), first < UNITS;                               \
         first += get_num_groups(0) * LX)
#else
#define LY          1
#define ITEM_ROW    0
#define FOR_WINDOWS FOR_PIXELS
#endif

SPREAD_KERNEL void avgpool_fwd(POOL_PARAMS, const global src_t *restrict src,
                               global dst_t *restrict dst, int count_pad)
{
#if SPREAD
    local vfloat t_sum[WG];
#endif
    FOR_WINDOWS(u)
    {
        PIXEL_OF(u);
        const int top = y * STRIDE_H - pad_top, left = x * STRIDE_W - pad_left;
        const int y1 = min(top + KERNEL_H, h), x1 = min(left + KERNEL_W, w);
        const int height = places(y, STRIDE_H, pad_top, KERNEL_H, h, end_h, count_pad);
        const int width = places(x, STRIDE_W, pad_left, KERNEL_W, w, end_w, count_pad);
        FOR_CHANNELS(u, k, part)
        {
            vfloat sum = VZERO;
            for (int sy = max(top, 0) + ITEM_ROW; sy < y1; sy += LY)
                for (int sx = max(left, 0); sx < x1; sx++)
                    sum += src_load_part(src + ((n * h + sy) * w + sx) * depth + k, part);
#if SPREAD
            t_sum[ITEM] = sum;
            LOCAL_TREE(ITEM, WG, LX, JOIN_SUM);
            sum = t_sum[ITEM];
            if (ITEM_ROW == 0 && first + ITEM < UNITS)
#endif
                dst_store_part(sum / ((float)height * (float)width),
                               dst + ((n * out_h + y) * out_w + x) * depth + k, part);
        }
    }
}

SPREAD_KERNEL void avgpool_bwd_data(POOL_PARAMS, const global dst_t *restrict diff_dst,
                                    global src_t *restrict diff_src, int count_pad, int accumulate)
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
                    const int height = places(oy, STRIDE_H, pad_top, KERNEL_H, h, end_h, count_pad);
                    const int width = places(ox, STRIDE_W, pad_left, KERNEL_W, w, end_w, count_pad);
                    sum += dst_load_part(diff_dst + ((n * out_h + oy) * out_w + ox) * depth + k,
                                         part) /
                           ((float)height * (float)width);
                }
            src_put_part(sum, diff_src + ((n * h + y) * w + x) * depth + k, part, accumulate);
        }
    }
}
