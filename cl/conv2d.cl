/* What convolution's matrix-product implementations need around the product.
 *
 * A column matrix holds for each output pixel, as one row, the window that it sums:
 *
 *     col[(n, a, b)][(r, s, ci)] = src[n, a * stride_h - pad_top + r,
 *                                         b * stride_w - pad_left + s, ci]
 *
 * zero outside the map. With it a convolution is col * weight. Layout: NHWC, RSCK.
 *
 * Kernels: conv2d_im2col, conv2d_col2im (its adjoint, as a gather: no atomics), conv2d_bias_rows,
 * conv2d_epilogue, conv2d_bwd_bias, conv2d_sum. */
#include "conv2d.clh"

/* Item i: an element of the matrix, by rows; row 0 is the first pixel of image `first`, and `images`
 * images are in the matrix. */
__kernel void conv2d_im2col(__global const float *restrict src, __global float *restrict col,
                            CONV_SHAPE_PARAMS, int first)
{
    const int i = get_global_id(0), width = rows * cols * c, p = i / width, j = i - p * width;
    if (p >= images * oh * ow)
        return;
    const int ci = j % c, s = j / c % cols, r = j / c / cols;
    pixel at;
    find_pixel(p, oh, ow, &at);
    const int y = at.a * stride_h - pad_top + r, x = at.b * stride_w - pad_left + s;
    const int inside = (uint)y < (uint)h && (uint)x < (uint)w;
    col[i] = inside ? src[(((first + at.n) * h + y) * w + x) * c + ci] : 0.0f;
}

/* Item i: an element of diff_src, from image `first` on: writes the sum of the matrix elements that
 * were read from it, or adds it where `accumulate`. */
__kernel void conv2d_col2im(__global const float *restrict col, __global float *restrict diff_src,
                            CONV_SHAPE_PARAMS, int first, int accumulate)
{
    const int i = get_global_id(0), p = i / c, ci = i - p * c;
    if (p >= images * h * w)
        return;
    pixel at;
    find_pixel(p, h, w, &at);
    float sum = 0.0f;
    for (int r = 0; r < rows; r++) {
        const int a = at.a + pad_top - r;
        if (a < 0 || a % stride_h != 0 || a / stride_h >= oh)
            continue;
        for (int s = 0; s < cols; s++) {
            const int b = at.b + pad_left - s;
            if (b < 0 || b % stride_w != 0 || b / stride_w >= ow)
                continue;
            const size_t row = (size_t)(at.n * oh + a / stride_h) * ow + b / stride_w;
            sum += col[((row * rows + r) * cols + s) * c + ci];
        }
    }
    __global float *out = diff_src + (size_t)first * h * w * c + i;
    *out = accumulate ? *out + sum : sum;
}

/* Each of the pixels of dst := bias, k channels. Item i: one block of VW channels of one pixel. */
__kernel void conv2d_bias_rows(__global const float *restrict bias, __global float *restrict dst,
                               int pixels, int k, DIVISOR_PARAM(blocks))
{
    const int i = get_global_id(0), blocks = (k + VW - 1) / VW;
    const int pixel = QUOTIENT(i, blocks), q = (i - pixel * blocks) * VW;
    const uint part = (uint)min(VW, k - q);
    if (pixel < pixels)
        store_part(load_part(bias + q, part), dst + pixel * k + q, part);
}

/* dst[i] = [relu](dst[i] [+ residual[i]]), i < count. An item takes VW numbers. */
__kernel void conv2d_epilogue(__global const float *restrict residual, __global float *restrict dst,
                              int count, int relu)
{
    const int i = (int)get_global_id(0) * VW;
    if (i >= count)
        return;
    const uint part = (uint)min(VW, count - i);
    vfloat sum = load_part(dst + i, part);
    if (residual)
        sum += load_part(residual + i, part);
    store_part(relu ? (sum < VZERO ? VZERO : sum) : sum, dst + i, part);
}

/* ---- sums of columns ------------------------------------------------------------------------- */

#ifdef RS_CPU
/* partial[first + part * k + q] = the sum of channel q over one of the parts of diff_dst's pixels.
 * Item (q, part). */
__kernel void conv2d_bwd_bias(__global const dst_t *restrict diff_dst,
                              __global float *restrict partial, int first, int pixels, int k,
                              int parts, int lanes)
{
    const int q = get_global_id(0), part = get_global_id(1);
    if (q >= k || part >= parts)
        return;
    const int p0 = part_begin(pixels, part, parts), p1 = part_begin(pixels, part + 1, parts);
    float sum = 0.0f;
    for (int p = p0; p < p1; p++)
        sum += dst_get(diff_dst + p * k + q);
    partial[first + part * k + q] = sum;
}

/* out[i] = partial[first + i] + partial[first + stride + i] + ..., `parts` terms in this order.
 * Item i < count. */
__kernel void conv2d_sum(__global const float *restrict partial, int first,
                         __global float *restrict out, int count, int parts, ulong stride,
                         int lanes)
{
    const int i = get_global_id(0);
    if (i >= count)
        return;
    partial += first + i;
    float sum = *partial;
    for (int p = 1; p < parts; p++)
        sum += partial[p * stride];
    out[i] = sum;
}
#else
/* The same on GPUs. A group takes `lanes` blocks of VW columns, a power of two; its other items take
 * rows in turns, and a tree joins their sums. Group (blocks, part). */
#ifndef ITEMS /* of a group: 1, 2, 4, ... 128 */
#define ITEMS 128
#endif
#define JOIN_SUM(i, j) t_sum[i] += t_sum[j]

/* The sums of a group's columns over `rows` rows of `count` numbers, `stride` apart, that lie as `side`. */
#define SUM_COLUMNS(side)                                                                          \
    RS_INLINE void side##_sum_columns(__global const side##_t *from, __global float *out,          \
                                      int count, int rows, ulong stride, int lanes,                \
                                      __local vfloat *t_sum)                                       \
    {                                                                                              \
        const int item = get_local_id(0), items = get_local_size(0);                               \
        const int i = ((int)get_group_id(0) * lanes + (item & (lanes - 1))) * VW;                  \
        const uint part = (uint)min(VW, count - i);                                                \
        vfloat sum = VZERO;                                                                        \
        if (i < count)                                                                             \
            for (int row = item / lanes; row < rows; row += items / lanes)                         \
                sum += side##_load_part(from + row * stride + i, part);                            \
        t_sum[item] = sum;                                                                         \
        LOCAL_TREE(item, items, lanes, JOIN_SUM);                                                  \
        if (item < lanes && i < count)                                                             \
            store_part(t_sum[item], out + i, part);                                                \
    }
SUM_COLUMNS(dst)
SUM_COLUMNS(f32)

__kernel void conv2d_bwd_bias(__global const dst_t *restrict diff_dst,
                              __global float *restrict partial, int first, int pixels, int k,
                              int parts, int lanes)
{
    __local vfloat t_sum[ITEMS];
    const int part = get_group_id(1), p0 = part_begin(pixels, part, parts);
    dst_sum_columns(diff_dst + p0 * k, partial + first + part * k, k,
                    part_begin(pixels, part + 1, parts) - p0, k, lanes, t_sum);
}

__kernel void conv2d_sum(__global const float *restrict partial, int first,
                         __global float *restrict out, int count, int parts, ulong stride,
                         int lanes)
{
    __local vfloat t_sum[ITEMS];
    f32_sum_columns(partial + first, out, count, parts, stride, lanes, t_sum);
}
#endif
