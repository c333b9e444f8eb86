/* Convolution in groups on CPUs: MR pixels by VW output channels of sums in registers, one
 * work-item to a group. conv2d.clh describes grids, which forward and backward data are made of.
 *
 * RUN neighbouring lanes of a vector of output channels belong to one group. Where RUN is VW, all
 * lanes meet the same source channel at a time, which is broadcast. Where it is less, a group has
 * RUN channels on either side, and the lanes' source channels lie in one vector: the j-th meeting
 * takes the j-th element of each run.
 *
 * Layout: activations NHWC. `packed` holds for each block of VW output channels, each tap (r, s)
 * and each source channel of the group VW weights; then one bias per output channel; then zeros,
 * as many as are read of a pixel, for what lies outside the map. All activations of a problem have one
 * type.
 *
 * Kernels: conv2d_grouped_product (forward, backward data), conv2d_grouped_pack,
 * conv2d_grouped_bwd_params. */
#include "conv2d.clh"

#ifndef RUN
#define RUN VW
#endif
#ifndef MR /* pixels in a register tile: 4, 6, 8, 12 */
#define MR 8
#endif
#define JB (RUN < VW ? RUN : 8) /* backward weights: source channels in a register tile */

#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1)))

/* MEETS(p, j): of the source channels from p on, each lane's j-th. */
#if RUN < VW
#if VW == 16
#define LANES ((vuint)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif VW == 8
#define LANES ((vuint)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANES ((vuint)(0, 1, 2, 3))
#endif
#define MEETS(p, j) shuffle(src_load(p), LANES / RUN * RUN + (uint)(j))
#else
#define MEETS(p, j) ((vfloat)(src_get((p) + (j))))
#endif

/* sum[m] += what MR pixels, the channels from from[m] on, add through one tap. */
RS_INLINE void add_tap(vfloat sum[MR], __global const src_t *const from[MR],
                       __global const float *w, int depth)
{
#if RUN < VW
#pragma unroll
    for (int j = 0; j < RUN; j++) {
#else
#pragma unroll 1
    for (int j = 0; j < depth; j++) {
#endif
        const vfloat wj = fload(w + j * VW);
#pragma unroll
        for (int m = 0; m < MR; m++)
            sum[m] = fma(MEETS(from[m], j), wj, sum[m]);
    }
}

/* Item (block of output channels, run of `chunk` pixel tiles of a grid). */
TILE_KERNEL void conv2d_grouped_product(__global const src_t *restrict src,
                                        __global const float *restrict packed,
                                        __global const src_t *restrict residual,
                                        __global dst_t *restrict dst, CONV_GRID_PARAMS,
                                        CONV_TAPS_PARAMS, int depth, int group_out, int taps,
                                        int chunk, int accumulate, int relu)
{
    const int q = get_global_id(0) * VW, start = get_global_id(1) * chunk * MR;
    const int pixels = images * gh * gw;
    __global const float *weight = packed + (size_t)q * taps * depth;
    __global const float *bias = packed + (size_t)k * taps * depth;
    __global const src_t *zeros = (__global const src_t *)(bias + k);
    src += q / group_out * depth;
    for (int p0 = start; p0 < min(pixels, start + chunk * MR); p0 += MR) {
        vfloat sum[MR];
        int y0[MR], x0[MR], base[MR], to[MR];
#pragma unroll
        for (int m = 0; m < MR; m++) {
            pixel at;
            find_pixel(min(p0 + m, pixels - 1), gh, gw, &at);
            y0[m] = at.a * istep_h + dh;
            x0[m] = at.b * istep_w + dw;
            base[m] = ((at.n * h + y0[m]) * w + x0[m]) * c;
            to[m] = GRID_OUTPUT(at) + q;
            sum[m] = VZERO;
        }
        for (int dr = 0; dr < rows; dr++)
            for (int ds = 0; ds < cols; ds++) {
                const int tap = GRID_TAP(dr, ds);
                __global const src_t *from[MR];
#pragma unroll
                for (int m = 0; m < MR; m++) {
                    const bool inside =
                        (uint)(y0[m] + dr) < (uint)h && (uint)(x0[m] + ds) < (uint)w;
                    from[m] = inside ? src + base[m] + (dr * w + ds) * c : zeros;
                }
                add_tap(sum, from, weight + tap * depth * VW, depth);
            }
        const vfloat plus = fload(bias + q);
#pragma unroll
        for (int m = 0; m < MR; m++) {
            if (p0 + m >= pixels)
                break;
            vfloat v = sum[m] + plus;
            if (residual)
                v += src_load(residual + to[m]);
            if (accumulate)
                v += dst_load(dst + to[m]);
            dst_store(relu ? (v < VZERO ? VZERO : v) : v, dst + to[m]);
        }
    }
}

/* Item: one float of `packed`. The weight of channel i in group g to channel j of its group is
 * step_g * g + step_q * i + step_c * j floats into its tap. */
__kernel void conv2d_grouped_pack(__global const float *restrict weight,
                                  __global const float *restrict bias,
                                  __global float *restrict packed, int count, int k, int taps,
                                  int depth, int group_out, int step_g, int step_c, int step_q,
                                  int tap_size)
{
    const int i = get_global_id(0), weights = k * taps * depth;
    if (i >= count)
        return;
    if (i >= weights) {
        packed[i] = bias && i < weights + k ? bias[i - weights] : 0.0f;
        return;
    }
    const int j = i / VW % depth, tap = i / VW / depth % taps;
    const int q = i / VW / depth / taps * VW + i % VW, g = q / group_out;
    packed[i] = weight[tap * tap_size + g * step_g + (q - g * group_out) * step_q + j * step_c];
}

/* out[j * k ..] += the sum over columns b0..b1 of diff_dst times source channel j, of the JB
 * channels from j0 on. */
RS_INLINE void add_row(__global float *out, __global const src_t *src, int src_step,
                       __global const dst_t *diff_dst, int k, int columns, int j0, int depth)
{
    vfloat sum[JB];
    int at[JB];
#pragma unroll
    for (int j = 0; j < JB; j++) {
        at[j] = min(j0 + j, depth - 1);
        sum[j] = fload(out + at[j] * k);
    }
#pragma unroll 1
    for (int b = 0; b < columns; b++) {
        const vfloat d = dst_load(diff_dst + b * k);
        __global const src_t *p = src + b * src_step;
#pragma unroll
        for (int j = 0; j < JB; j++)
            sum[j] = fma(MEETS(p, RUN < VW ? j : at[j]), d, sum[j]);
    }
#pragma unroll
    for (int j = 0; j < JB; j++)
        if (j0 + j < depth)
            fstore(sum[j], out + at[j] * k);
}

/* Item (block of output channels, part): their weights' gradients over one of the parts of the
 * images' rows, to out[part * stride ..]. */
TILE_KERNEL void conv2d_grouped_bwd_params(__global const src_t *restrict src,
                                           __global const dst_t *restrict diff_dst,
                                           __global float *restrict out, CONV_SHAPE_PARAMS,
                                           int depth, int group_out, int parts, ulong stride)
{
    const int q = get_global_id(0) * VW, part = get_global_id(1);
    const int l0 = part_begin(images * oh, part, parts);
    const int l1 = part_begin(images * oh, part + 1, parts);
    out += part * stride + q;
    src += q / group_out * depth;
    diff_dst += q;
    for (int i = 0; i < rows * cols * depth; i++)
        fstore(VZERO, out + i * k);
    for (int l = l0; l < l1; l++)
        for (int r = 0; r < rows; r++) {
            const int n = l / oh, y = (l - n * oh) * stride_h - pad_top + r;
            if ((uint)y >= (uint)h)
                continue;
            for (int s = 0; s < cols; s++) {
                /* The columns whose tap lies inside the map. */
                const int left = pad_left - s, right = w - 1 + left;
                const int b0 = left > 0 ? (left + stride_w - 1) / stride_w : 0;
                const int b1 = right < 0 ? 0 : min(right / stride_w + 1, ow);
                const int x = b0 * stride_w - left;
                for (int j0 = 0; j0 < depth && b0 < b1; j0 += JB)
                    add_row(out + (r * cols + s) * depth * k, src + ((n * h + y) * w + x) * c,
                            stride_w * c, diff_dst + (l * ow + b0) * k, k, b1 - b0, j0, depth);
            }
        }
}
