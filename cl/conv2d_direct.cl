/* Convolution, one work-item for each number of the result; any groups. conv2d.clh describes grids,
 * which forward and backward data are made of. Layout: activations NHWC, filters RSCK with the
 * channels of one group.
 *
 * Kernels: conv2d_direct_product (forward, backward data), conv2d_direct_bwd_params. */
#include "conv2d.clh"

/* Item: output channel q of a grid pixel, channels first. [relu](the sum over the window and the
 * `depth` source channels of q's group [+ bias] [+ residual]), written, or added where `accumulate`. A
 * group has group_out output channels, and its weights are step_g floats from those of the next one. */
__kernel void conv2d_direct_product(__global const src_t *restrict src,
                                    __global const float *restrict weight,
                                    __global const float *restrict bias,
                                    __global const src_t *restrict residual,
                                    __global dst_t *restrict dst, CONV_GRID_PARAMS,
                                    CONV_TAPS_PARAMS, DIVISOR_PARAM(k), int depth, int group_out,
                                    int step_g, int accumulate, int relu)
{
    const int item = get_global_id(0), index = QUOTIENT(item, k), q = item - index * k;
    if (index >= images * gh * gw)
        return;
    pixel at;
    find_pixel(index, gh, gw, &at);
    const int group = q / group_out, y0 = at.a * istep_h + dh, x0 = at.b * istep_w + dw;
    weight += group * step_g + (q - group * group_out) * step_q;
    src += group * depth;
    float sum = bias ? bias[q] : 0.0f;
    for (int dr = 0; dr < rows; dr++)
        for (int ds = 0; ds < cols; ds++) {
            const int y = y0 + dr, x = x0 + ds;
            if ((uint)y >= (uint)h || (uint)x >= (uint)w)
                continue;
            __global const src_t *from = src + ((at.n * h + y) * w + x) * c;
            __global const float *f = weight + GRID_TAP(dr, ds) * step_tap;
            for (int j = 0; j < depth; j++)
                sum = fma(src_get(from + j), f[j * step_c], sum);
        }
    const int to = GRID_OUTPUT(at) + q;
    if (residual)
        sum += src_get(residual + to);
    if (accumulate)
        sum += dst_get(dst + to);
    dst_set(relu && sum < 0.0f ? 0.0f : sum, dst + to);
}

/* Item: of a part of the output pixels one weight's gradient, to out[part][weights], filters first. */
__kernel void conv2d_direct_bwd_params(__global const src_t *restrict src,
                                       __global const dst_t *restrict diff_dst,
                                       __global float *restrict out, CONV_SHAPE_PARAMS,
                                       DIVISOR_PARAM(weights), int depth, int group_out, int parts,
                                       int weights)
{
    const int item = get_global_id(0), part = QUOTIENT(item, weights);
    const int at_part = item - part * weights, q = at_part % k, row = at_part / k;
    if (part >= parts)
        return;
    const int j = row % depth, s = row / depth % cols, r = row / depth / cols;
    const int pixels = images * oh * ow;
    const int p0 = part_begin(pixels, part, parts), p1 = part_begin(pixels, part + 1, parts);
    src += q / group_out * depth + j;
    float sum = 0.0f;
    for (int p = p0; p < p1; p++) {
        pixel at;
        find_pixel(p, oh, ow, &at);
        const int y = at.a * stride_h - pad_top + r, x = at.b * stride_w - pad_left + s;
        if ((uint)y < (uint)h && (uint)x < (uint)w)
            sum = fma(src_get(src + ((at.n * h + y) * w + x) * c), dst_get(diff_dst + p * k + q),
                      sum);
    }
    out[item] = sum;
}
