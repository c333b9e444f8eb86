/* Convolution on GPUs: implicit matrix products with tiles in local memory.
 *
 * A group of WN x WM items makes a tile of TM rows by TN columns, each item RM x RN numbers of it.
 * The factors are read into local memory TK terms of the sum at a time, and padding and stride are
 * dealt with as they are read.
 *
 *     forward, backward data: rows: output pixels, columns: output channels, sum over the window
 *     backward weights:       rows: (r, s, ci), columns: k, sum over pixels
 *
 * Grids and windows are those of conv2d.clh. Layout: NHWC, RSCK. Any group size works, 1 too.
 *
 * Kernels: conv2d_tiled_product, conv2d_tiled_bwd_params. */
#include "conv2d.clh"

#ifndef WM /* items along rows and columns: 1, 4, 8, 16 */
#define WM 16
#endif
#ifndef WN
#define WN 16
#endif
#ifndef RM /* rows and columns of an item: 2, 4, 8 */
#define RM 4
#endif
#ifndef RN
#define RN 4
#endif
#ifndef TK /* terms in local memory: 8, 16, 32 */
#define TK 16
#endif
#define TM    (WM * RM)
#define TN    (WN * RN)
#define ITEMS (WM * WN)
#define LDA   (TM + 1) /* off the power of two: A is written across its rows */
#define LDB   (TN + 1)

#define GROUP __attribute__((reqd_work_group_size(WN, WM, 1)))

/* acc[i][j] += sum over t of A[t][row i] * B[t][column j], this item's rows being ly + WM * i and
 * its columns lx + WN * j. */
RS_INLINE void multiply(__local const float *A, __local const float *B, float acc[RM][RN])
{
    const int lx = get_local_id(0), ly = get_local_id(1);
    for (int t = 0; t < TK; t++) {
        float a[RM], b[RN];
#pragma unroll
        for (int i = 0; i < RM; i++)
            a[i] = A[t * LDA + ly + WM * i];
#pragma unroll
        for (int j = 0; j < RN; j++)
            b[j] = B[t * LDB + lx + WN * j];
#pragma unroll
        for (int i = 0; i < RM; i++)
#pragma unroll
            for (int j = 0; j < RN; j++)
                acc[i][j] = fma(a[i], b[j], acc[i][j]);
    }
}

/* Group (column tile, row tile). Adds to y where `accumulate`, else writes. `bias` and
 * `residual` may be NULL; the sums are clamped at 0 where `relu`. */
__kernel GROUP void conv2d_tiled_product(__global const float *restrict x,
                                         __global const float *restrict weight,
                                         __global const float *restrict bias,
                                         __global const float *restrict residual,
                                         __global float *restrict y, CONV_GRID_PARAMS,
                                         CONV_TAPS_PARAMS, int accumulate, int relu)
{
    __local float A[TK * LDA], B[TK * LDB];
    __local int in_h[TM], in_w[TM], image[TM], offset[TM];
    const int lx = get_local_id(0), ly = get_local_id(1), item = ly * WN + lx;
    const int n0 = (int)get_group_id(0) * TN, p0 = (int)get_group_id(1) * TM;
    const int count = images * gh * gw, total = rows * cols * c;

    for (int i = item; i < TM; i += ITEMS) {
        const pixel at = pixel_at(min(p0 + i, count - 1), gh, gw);
        in_h[i] = at.a * istep_h + dh;
        in_w[i] = at.b * istep_w + dw;
        image[i] = at.n * h * w * c;
        offset[i] = GRID_OUTPUT(at);
    }
    barrier(CLK_LOCAL_MEM_FENCE); /* a grid without taps does not enter the loop below */
    float acc[RM][RN];
    for (int i = 0; i < RM; i++)
        for (int j = 0; j < RN; j++)
            acc[i][j] = 0.0f;

    for (int k0 = 0; k0 < total; k0 += TK) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < TK * TM; i += ITEMS) {
            const int t = i % TK, m = i / TK, f = k0 + t;
            const int ci = f % c, s = f / c % cols, r = f / c / cols;
            const int row = in_h[m] + r, column = in_w[m] + s;
            const int inside = f < total && (uint)row < (uint)h && (uint)column < (uint)w;
            A[t * LDA + m] = inside ? x[image[m] + (row * w + column) * c + ci] : 0.0f;
        }
        for (int i = item; i < TK * TN; i += ITEMS) { /* neighbours read neighbouring weights */
            const int t = step_q == 1 ? i / TN : i % TK, q = step_q == 1 ? i % TN : i / TK;
            const int f = k0 + t, tap = f / c;
            const int at =
                GRID_TAP(tap / cols, tap % cols) * step_tap + f % c * step_c + (n0 + q) * step_q;
            B[t * LDB + q] = f < total && n0 + q < k ? weight[at] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(A, B, acc);
    }

    for (int i = 0; i < RM; i++)
        for (int j = 0; j < RN; j++) {
            const int m = ly + WM * i, q = n0 + lx + WN * j;
            if (p0 + m >= count || q >= k)
                continue;
            const float start = accumulate ? y[offset[m] + q] : bias ? bias[q] : 0.0f;
            const float sum = start + acc[i][j] + (residual ? residual[offset[m] + q] : 0.0f);
            y[offset[m] + q] = relu && sum < 0.0f ? 0.0f : sum;
        }
}

/* Group (column tile, row tile, part): the sum over one of the parts of the pixels, to
 * out + part * stride. */
__kernel GROUP void conv2d_tiled_bwd_params(__global const float *restrict x,
                                            __global const float *restrict dy,
                                            __global float *restrict out, CONV_SHAPE_PARAMS,
                                            int parts, ulong stride)
{
    __local float A[TK * LDA], B[TK * LDB];
    __local int row_r[TM], row_s[TM], row_c[TM];
    __local int in_h[TK], in_w[TK], image[TK];
    const int lx = get_local_id(0), ly = get_local_id(1), item = ly * WN + lx;
    const int n0 = (int)get_group_id(0) * TN, m0 = (int)get_group_id(1) * TM;
    const int part = get_group_id(2), total = rows * cols * c, pixels = images * oh * ow;
    const int first = part_begin(pixels, part, parts), end = part_begin(pixels, part + 1, parts);

    for (int i = item; i < TM; i += ITEMS) {
        const int m = min(m0 + i, total - 1);
        row_c[i] = m % c;
        row_s[i] = m / c % cols;
        row_r[i] = m / c / cols;
    }
    float acc[RM][RN];
    for (int i = 0; i < RM; i++)
        for (int j = 0; j < RN; j++)
            acc[i][j] = 0.0f;

    for (int p0 = first; p0 < end; p0 += TK) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int t = item; t < TK; t += ITEMS) {
            const pixel at = pixel_at(min(p0 + t, end - 1), oh, ow);
            in_h[t] = at.a * stride_h - pad_top;
            in_w[t] = at.b * stride_w - pad_left;
            image[t] = at.n * h * w * c;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < TK * TM; i += ITEMS) {
            const int t = i / TM, m = i % TM;
            const int row = in_h[t] + row_r[m], column = in_w[t] + row_s[m];
            const int inside = p0 + t < end && (uint)row < (uint)h && (uint)column < (uint)w;
            A[t * LDA + m] = inside ? x[image[t] + (row * w + column) * c + row_c[m]] : 0.0f;
        }
        for (int i = item; i < TK * TN; i += ITEMS) {
            const int t = i / TN, q = i % TN;
            B[t * LDB + q] = p0 + t < end && n0 + q < k ? dy[(p0 + t) * k + n0 + q] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(A, B, acc);
    }

    out += part * stride;
    for (int i = 0; i < RM; i++)
        for (int j = 0; j < RN; j++) {
            const int m = m0 + ly + WM * i, q = n0 + lx + WN * j;
            if (m < total && q < k)
                out[m * k + q] = acc[i][j];
        }
}
