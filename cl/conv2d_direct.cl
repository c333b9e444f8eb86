/* Convolution, one work-item for each number of the result; any groups. conv2d.h describes grids,
 * which forward and backward data are made of. Layout: activations NHWC, filters RSCK with the
 * channels of one group.
 *
 * Kernels: conv2d_direct_product (forward, backward data), conv2d_direct_bwd_params. */
#include "common.clh"

/* Item (output channel q, grid pixel): [relu](the sum over the window and the `depth` source
 * channels of q's group [+ bias] [+ residual]), written, or added where `accumulate`. The weight of
 * channel i in group g to channel j is step_g * g + step_q * i + step_c * j floats into its tap. */
__kernel void conv2d_direct_product(
    __global const float *restrict src, __global const float *restrict weight,
    __global const float *restrict bias, __global const float *restrict residual,
    __global float *restrict dst, int pixels, int h, int w, int c, int rows, int cols, int dh,
    int dw, int istep_h, int istep_w, int gh, int gw, int oh, int ow, int k, int first_h,
    int first_w, int ostep_h, int ostep_w, int filter_cols, int r0, int s0, int rstep, int sstep,
    int depth, int group_out, int step_g, int step_c, int step_q, int tap, int accumulate, int relu)
{
    const int q = get_global_id(0), p = get_global_id(1);
    if (q >= k || p >= pixels)
        return;
    const int b = p % gw, a = p / gw % gh, n = p / gw / gh;
    const int group = q / group_out, y0 = a * istep_h + dh, x0 = b * istep_w + dw;
    weight += group * step_g + (q - group * group_out) * step_q;
    src += group * depth;
    float sum = bias ? bias[q] : 0.0f;
    for (int dr = 0; dr < rows; dr++)
        for (int ds = 0; ds < cols; ds++) {
            const int y = y0 + dr, x = x0 + ds;
            if ((uint)y >= (uint)h || (uint)x >= (uint)w)
                continue;
            __global const float *from = src + ((n * h + y) * w + x) * c;
            __global const float *f =
                weight + ((r0 + dr * rstep) * filter_cols + s0 + ds * sstep) * tap;
            for (int j = 0; j < depth; j++)
                sum = fma(from[j], f[j * step_c], sum);
        }
    const int to = ((n * oh + first_h + a * ostep_h) * ow + first_w + b * ostep_w) * k + q;
    if (residual)
        sum += residual[to];
    if (accumulate)
        sum += dst[to];
    dst[to] = relu && sum < 0.0f ? 0.0f : sum;
}

/* Item (filter k, row (r, s, channel of the group), part): one weight's gradient over one of the
 * parts of the output pixels, to out[part * stride ..]. */
__kernel void conv2d_direct_bwd_params(__global const float *restrict src,
                                       __global const float *restrict diff_dst,
                                       __global float *restrict out, int pixels, int h, int w,
                                       int c, int oh, int ow, int k, int filter_rows,
                                       int filter_cols, int stride_h, int stride_w, int pad_top,
                                       int pad_left, int depth, int group_out, int parts,
                                       ulong stride)
{
    const int q = get_global_id(0), row = get_global_id(1), part = get_global_id(2);
    if (q >= k || row >= filter_rows * filter_cols * depth || part >= parts)
        return;
    const int j = row % depth, s = row / depth % filter_cols, r = row / depth / filter_cols;
    const int p0 = (int)((long)pixels * part / parts),
              p1 = (int)((long)pixels * (part + 1) / parts);
    src += q / group_out * depth + j;
    float sum = 0.0f;
    for (int p = p0; p < p1; p++) {
        const int b = p % ow, a = p / ow % oh, n = p / ow / oh;
        const int y = a * stride_h - pad_top + r, x = b * stride_w - pad_left + s;
        if ((uint)y < (uint)h && (uint)x < (uint)w)
            sum = fma(src[((n * h + y) * w + x) * c], diff_dst[p * k + q], sum);
    }
    out[part * stride + row * k + q] = sum;
}
