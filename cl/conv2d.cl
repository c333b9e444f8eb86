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
    const pixel at = pixel_at(p, oh, ow);
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
    const pixel at = pixel_at(p, h, w);
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

/* dst[i] = bias[i % k]. Item i < count. */
__kernel void conv2d_bias_rows(__global const float *restrict bias, __global float *restrict dst,
                               int count, int k)
{
    const int i = get_global_id(0);
    if (i < count)
        dst[i] = bias[i % k];
}

/* dst[i] = [relu](dst[i] [+ residual[i]]). Item i < count. */
__kernel void conv2d_epilogue(__global const float *restrict residual, __global float *restrict dst,
                              int count, int relu)
{
    const int i = get_global_id(0);
    if (i >= count)
        return;
    const float sum = dst[i] + (residual ? residual[i] : 0.0f);
    dst[i] = relu && sum < 0.0f ? 0.0f : sum;
}

/* partial[first + part * k + q] = the sum of channel q over one of the parts of diff_dst's pixels.
 * Item (q, part). */
__kernel void conv2d_bwd_bias(__global const float *restrict diff_dst,
                              __global float *restrict partial, int first, int pixels, int k,
                              int parts)
{
    const int q = get_global_id(0), part = get_global_id(1);
    if (q >= k || part >= parts)
        return;
    const int p0 = part_begin(pixels, part, parts), p1 = part_begin(pixels, part + 1, parts);
    float sum = 0.0f;
    for (int p = p0; p < p1; p++)
        sum += diff_dst[p * k + q];
    partial[first + part * k + q] = sum;
}

/* out[i] = partial[first + i] + partial[first + stride + i] + ..., `parts` terms in this order.
 * Item i < count. */
__kernel void conv2d_sum(__global const float *restrict partial, int first,
                         __global float *restrict out, int count, int parts, ulong stride)
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
