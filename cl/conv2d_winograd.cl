/* 3x3 convolutions of stride 1 on CPUs by Winograd's F(4x4, 3x3): 36 products for the 144 of a tile
 * of 4x4 output pixels. One work-item per group.
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015). Each tile reads 6x6
 * pixels d; with the filter g of 3x3
 *
 *     forward, backward data   y  = A' [ (G g G') . (B' d B) ] A          A: 6x4, G: 6x3
 *     backward weights         dg = A3' [ (B' d B) . (G4 dy G4') ] A3     A3: 6x3, G4: 6x4
 *
 * where . multiplies element by element and is summed over channels, or tiles: 36 matrix products,
 * one for each of the 6x6 positions. The polynomials are evaluated at 0, +-1/sqrt(2), +-sqrt(2) and
 * infinity: in float32 that has half of the error of the usual 0, +-1, +-2, and about twice that of
 * the plain sum.
 *
 * Work. A group walks blocks of tiles: transforms a block's pixels into V, multiplies, transforms
 * back. V and the products lie in the group's own slab of scratch, which stays in its core's cache.
 * Padding is dealt with where tiles are read and written; what is outside of the map reads as zero.
 * Transforms and products are float however src and dst, which have one type, are stored: of factors
 * in bf16 this one's errors would be ten times those of a plain sum.
 *
 * Layout: activations NHWC, filters RSCK. packed[panel][position][channel][NR], then one bias for
 * each channel. V[position][tile][channel], with vrow floats from tile to tile and vstep from
 * position to position.
 *
 * Kernels: conv2d_winograd_product (forward, backward data), conv2d_winograd_weights (its panels),
 * conv2d_winograd_bwd_params. What is tuned are arguments; src/op/conv2d_winograd.c lists it. */
#define MW (RS_VW >= 16 ? 8 : 6) /* divides the usual numbers of channels */
#include "conv2d.clh"
#include "moments.clh"
#include "regtile.clh"

#define POSITIONS 36
#define ROOT      1.41421356f /* sqrt(2); the other point is half of it */
#define HALF_ROOT 0.70710678f

/* Distance of V's positions and of its rows: whole vectors, and odd multiples of them, so that what
 * is written together lies in different cache sets. */
#define ROUND_UP(n, to) (((n) + (to)-1) / (to) * (to))
#define ODD_VECTORS(n)  (((n) + VW - 1) / VW % 2 ? ROUND_UP(n, VW) : ROUND_UP(n, VW) + VW)

/* ---- one-dimensional transforms ------------------------------------------------------------ */

RS_INLINE void input_6(const vfloat d[6], vfloat t[6]) /* B' */
{
    const vfloat e1 = fma(d[2], (vfloat)(-2.0f), d[4]), e2 = fma(d[2], (vfloat)(-0.5f), d[4]);
    const vfloat o1 = fma(d[3], (vfloat)(HALF_ROOT), d[1] * -ROOT);
    const vfloat o2 = fma(d[3], (vfloat)(ROOT), d[1] * -HALF_ROOT);
    t[0] = fma(d[2], (vfloat)(-2.5f), d[0] + d[4]);
    t[1] = e1 + o1;
    t[2] = e1 - o1;
    t[3] = e2 + o2;
    t[4] = e2 - o2;
    t[5] = fma(d[3], (vfloat)(-2.5f), d[1] + d[5]);
}

/* The values at the points of g0 + g1 x + g2 x^2 + g3 x^3, given its even and odd parts at
 * 1/sqrt(2) and sqrt(2), times what makes B' simple. */
RS_INLINE void at_points(vfloat even1, vfloat odd1, vfloat even2, vfloat odd2, vfloat t[6])
{
    t[1] = (even1 + odd1) * (-2.0f / 3.0f);
    t[2] = (even1 - odd1) * (-2.0f / 3.0f);
    t[3] = (even2 + odd2) * (1.0f / 6.0f);
    t[4] = (even2 - odd2) * (1.0f / 6.0f);
}

RS_INLINE void filter_3(const vfloat g[3], vfloat t[6]) /* G */
{
    at_points(fma(g[2], (vfloat)(0.5f), g[0]), g[1] * HALF_ROOT, fma(g[2], (vfloat)(2.0f), g[0]),
              g[1] * ROOT, t);
    t[0] = g[0];
    t[5] = g[2];
}

RS_INLINE void filter_4(const vfloat g[4], vfloat t[6]) /* G4 */
{
    at_points(fma(g[2], (vfloat)(0.5f), g[0]),
              fma(g[3], (vfloat)(0.5f * HALF_ROOT), g[1] * HALF_ROOT),
              fma(g[2], (vfloat)(2.0f), g[0]), fma(g[3], (vfloat)(2.0f * ROOT), g[1] * ROOT), t);
    t[0] = g[0];
    t[5] = g[3];
}

RS_INLINE void output_4(const vfloat m[6], vfloat y[4]) /* A' */
{
    const vfloat s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = fma(d2, (vfloat)(ROOT), d1 * HALF_ROOT);
    y[2] = fma(s2, (vfloat)(2.0f), s1 * 0.5f);
    y[3] = fma(d2, (vfloat)(2.0f * ROOT), fma(d1, (vfloat)(0.5f * HALF_ROOT), m[5]));
}

RS_INLINE void output_3(const vfloat m[6], vfloat y[3]) /* A3' */
{
    const vfloat s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = fma(d2, (vfloat)(ROOT), d1 * HALF_ROOT);
    y[2] = fma(s2, (vfloat)(2.0f), fma(s1, (vfloat)(0.5f), m[5]));
}

/* ---- tiles of a map ------------------------------------------------------------------------ */

typedef struct tile_map {
    int h, w, c;           /* of the map */
    int tiles_h, tiles_w;  /* tiles of an image */
    int pad_top, pad_left; /* the first tile begins that far outside of the map */
} tile_map;

/* The upper left pixel of a tile, which may lie in the padding. */
RS_INLINE void tile_at(const tile_map *m, int tile, int *image, int *y, int *x)
{
    const int row = tile / m->tiles_w;
    *image = row / m->tiles_h;
    *y = row % m->tiles_h * 4 - m->pad_top;
    *x = tile % m->tiles_w * 4 - m->pad_left;
}

/* Where size x size pixels of channels k..k+VW-1 can be read: in the map itself, or, zeros filled
 * in, in `corner`. Sets the distances of rows and columns. */
RS_INLINE const global src_t *tile_pixels(const tile_map *m, const global src_t *map, int image,
                                          int y, int x, int k, int size, global src_t *corner,
                                          int *row, int *col)
{
    const global src_t *at = map + ((image * m->h + y) * m->w + x) * m->c + k;
    *row = m->w * m->c;
    *col = m->c;
    if (y >= 0 && x >= 0 && y + size <= m->h && x + size <= m->w && k + VW <= m->c)
        return at;
    const uint part = clamp(m->c - k, 0, VW);
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            const int inside = (uint)(y + i) < (uint)m->h && (uint)(x + j) < (uint)m->w;
            src_store(inside ? src_load_part(at + i * *row + j * *col, part) : VZERO,
                      corner + (i * size + j) * VW);
        }
    *row = size * VW;
    *col = VW;
    return corner;
}

/* v[position][tile][channel] = B' d B of tiles t0 .. t0 + count, channels c0 .. c0 + channels. */
RS_INLINE void transform_input(const tile_map *m, const global src_t *x, int t0, int count, int c0,
                               int channels, global float *v, int vrow, int step,
                               global src_t *corner)
{
    for (int t = 0; t < count; t++) {
        int image, py, px;
        tile_at(m, t0 + t, &image, &py, &px);
        for (int k = 0; k < channels; k += VW) {
            int row, col;
            const global src_t *from =
                tile_pixels(m, x, image, py, px, c0 + k, 6, corner, &row, &col);
            global float *to = v + t * vrow + k;
#define ONED               input_6
#define FROM               6
#define TO                 6
#define LOAD(i, j)         src_load(from + (i)*row + (j)*col)
#define STORE(i, j, value) fstore(value, to + ((i)*6 + (j)) * step)
#include "winograd_transform.clh"
        }
    }
}

/* ---- forward and backward data ------------------------------------------------------------- */

/* Joins the moments of rows x cols of the vectors out to those of `count` pixels at `means`. */
RS_INLINE void tile_moments(vfloat out[4][4], int rows, int cols, global float *means, int channels,
                            uint part, int count)
{
    const float n = (float)(rows * cols);
    vfloat sum = VZERO, square = VZERO;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (i < rows && j < cols)
                sum += out[i][j];
    const vfloat mean = sum * (1.0f / n);
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (i < rows && j < cols)
                square = fma(out[i][j] - mean, out[i][j] - mean, square);
    add_moments(means, channels, part, (float)count, mean, square, n);
}

/* y = A' m A of tiles t0 .. t0 + count, channels k0 .. k0 + channels, plus bias and residual (which
 * may be NULL), as the flags say; `means`, unless it is NULL, gets the moments of y. Returns the
 * number of pixels. */
RS_INLINE int transform_output(const tile_map *m, const global float *products, int mrow, int step,
                               int t0, int count, int k0, int channels, const global float *bias,
                               const global src_t *residual, global dst_t *y, global float *means,
                               int flags)
{
    int pixels = 0;
    for (int t = 0; t < count; t++) {
        int image, py, px;
        tile_at(m, t0 + t, &image, &py, &px);
        const int rows = min(4, m->h - py), cols = min(4, m->w - px);
        for (int k = 0; k < channels; k += VW) {
            const uint part = min(VW, m->c - k0 - k);
            const int first = ((image * m->h + py) * m->w + px) * m->c + k0 + k;
            const vfloat start = fload(bias + k0 + k);
            const global float *from = products + t * mrow + k;
            vfloat out[4][4];
#define ONED               output_4
#define FROM               6
#define TO                 4
#define LOAD(i, j)         fload(from + ((i)*6 + (j)) * step)
#define STORE(i, j, value) out[i][j] = (value)
#include "winograd_transform.clh"
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (i < rows && j < cols) {
                        const int at = first + (i * m->w + j) * m->c;
                        vfloat sum = out[i][j] + start;
                        if (flags & ACCUMULATE)
                            sum += dst_load_part(y + at, part);
                        if (residual)
                            sum += src_load_part(residual + at, part);
                        out[i][j] = flags & RELU ? (sum < VZERO ? VZERO : sum) : sum;
                        dst_store_part(out[i][j], y + at, part);
#if defined DST_BF16 || defined DST_F16
                        if (means) /* of what is read later */
                            out[i][j] = dst_load_part(y + at, part);
#endif
                    }
            if (means)
                tile_moments(out, rows, cols, means + k0 + k, m->c, part, pixels);
        }
        pixels += rows * cols;
    }
    return pixels;
}

/* Group (b, j): blocks b * group_blocks ... of `block` tiles (a multiple of MR), panels
 * j * group_panels ..., `chunk` panels at a time. Unless it is NULL, `moments` gets those of y, a
 * part for each block. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_product(__global const src_t *restrict x, __global const float *restrict packed,
                        int bias_first, __global const src_t *restrict residual,
                        __global dst_t *restrict y, __global float *restrict moments,
                        __global float *restrict scratch, CONV_MAPS_PARAMS, int pad_top,
                        int pad_left, int block, int group_blocks, int group_panels, int chunk,
                        ulong slab_floats, int flags)
{
    const int th = (oh + 3) / 4, tw = (ow + 3) / 4, tiles = images * th * tw;
    const tile_map from = {h, w, c, th, tw, pad_top, pad_left}, to = {oh, ow, k, th, tw, 0, 0};
    const int npanels = (k + NR - 1) / NR;
    const int j0 = (int)get_group_id(1) * group_panels, j1 = min(j0 + group_panels, npanels);
    const int vrow = ODD_VECTORS(c), vstep = ODD_VECTORS(block * vrow);
    const int mrow = chunk * NR, mstep = ODD_VECTORS(block * mrow);
    __global float *corner =
        scratch + (get_group_id(1) * get_num_groups(0) + get_group_id(0)) * slab_floats;
    __global float *v = corner + POSITIONS * VW, *products = v + POSITIONS * vstep;

    const int blocks = (tiles + block - 1) / block, b0 = (int)get_group_id(0) * group_blocks;
    for (int b = b0; b < min(b0 + group_blocks, blocks); b++) {
        const int t0 = b * block, count = min(block, tiles - t0), full = ROUND_UP(count, MR);
        __global float *means = moments ? moments + (size_t)b * 2 * k : 0;
        int pixels = 0;
        transform_input(&from, x, t0, count, 0, c, v, vrow, vstep, (__global src_t *)corner);
        for (int position = 0; position < POSITIONS; position++)
            for (int i = count * vrow; i < full * vrow; i += VW)
                fstore(VZERO, v + position * vstep + i);
        for (int j = j0; j < j1; j += chunk) {
            const int panels = min(chunk, j1 - j);
            for (int position = 0; position < POSITIONS; position++)
                for (int q = 0; q < panels; q++) {
                    __global const float *panel =
                        packed + ((size_t)(j + q) * POSITIONS + position) * c * NR;
                    for (int t = 0; t < full; t += MR) {
                        __global float *p = products + position * mstep + t * mrow + q * NR;
                        const global float *a = v + position * vstep + t * vrow;
                        vfloat acc[MR][NV];
                        multiply(MR, c, a, vrow, panel, 0, 0, (uintptr_t)(a + MR * vrow),
                                 vrow * (int)sizeof(float), 16 * sizeof(float), acc);
#pragma unroll
                        for (int i = 0; i < MR; i++)
#pragma unroll
                            for (int n = 0; n < NV; n++)
                                fstore(acc[i][n], p + i * mrow + n * VW);
                    }
                }
            pixels = transform_output(&to, products, mrow, mstep, t0, count, j * NR,
                                      min(panels * NR, k - j * NR), packed + bias_first, residual,
                                      y, means, flags);
        }
        if (moments && get_group_id(1) == 0)
            moments[(size_t)blocks * 2 * k + b] = (float)pixels;
    }
}

/* packed = G g G' of VW channels of a panel; the filter's tap (r, s), or (2 - r, 2 - s) where
 * `flip`. The strides of channel ci and of column q in `weight` are step_c and step_q, one of which
 * is 1. Group (j, channels / VW); the first of a panel writes its biases, zeros where `bias` is
 * NULL. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_weights(__global const float *restrict weight, __global const float *restrict bias,
                        __global panel_t *restrict packed, int bias_first, int c, int k, int flip,
                        int step_c, int step_q)
{
    const int j = get_group_id(0), c0 = (int)get_group_id(1) * VW;
    const int channels = min(VW, c - c0);
    for (int q0 = 0; q0 < NR; q0 += VW) {
        const int first = j * NR + q0, columns = clamp(k - first, 0, VW);
        vfloat g[9][VW];
        for (int tap = 0; tap < 9; tap++) {
            __global const float *w = weight + (size_t)(flip ? 8 - tap : tap) * c * k +
                                      (size_t)c0 * step_c + (size_t)first * step_q;
            load_square(w, step_c, step_q, channels, columns, g[tap]);
        }
        for (int i = 0; i < channels; i++) {
#define ONED       filter_3
#define FROM       3
#define TO         6
#define LOAD(r, s) g[(r)*3 + (s)][i]
#define STORE(r, s, value)                                                                         \
    panel_put(value, packed + ((size_t)j * POSITIONS + (r)*6 + (s)) * c * NR, c0 + i, q0)
#include "winograd_transform.clh"
        }
        for (int i = 0; c0 == 0 && i < VW; i++)
            packed[bias_first + first + i] = bias && i < columns ? bias[first + i] : 0.0f;
    }
}

/* ---- backward weights ---------------------------------------------------------------------- */

/* d[position][panel][tile][NR] = G4 dy G4' of tiles t0 .. t0 + count, channels k0 on. */
RS_INLINE void transform_diff(const tile_map *m, const global src_t *dy, int t0, int count, int k0,
                              int panels, int block, global float *d, int step,
                              global src_t *corner)
{
    for (int t = 0; t < count; t++) {
        int image, py, px;
        tile_at(m, t0 + t, &image, &py, &px);
        for (int q = 0; q < panels * NR; q += VW) {
            int row, col;
            const global src_t *from =
                tile_pixels(m, dy, image, py, px, k0 + q, 4, corner, &row, &col);
            global float *to = d + (q / NR * block + t) * NR + q % NR;
#define ONED               filter_4
#define FROM               4
#define TO                 6
#define LOAD(i, j)         src_load(from + (i)*row + (j)*col)
#define STORE(i, j, value) fstore(value, to + ((i)*6 + (j)) * step)
#include "winograd_transform.clh"
        }
    }
}

/* An item of work sums diff_weight over the tiles of one of `parts` parts, for `rows` filter rows
 * (input channels) and `group_panels` panels, into dw + dw_first + part * part_floats. A group
 * takes every get_num_groups(0)th item, and transforms `block` tiles at a time. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_bwd_params(__global const src_t *restrict x, __global const src_t *restrict dy,
                           __global float *dw, ulong dw_first, __global float *scratch,
                           CONV_MAPS_PARAMS, int pad_top, int pad_left, int rows, int group_panels,
                           int parts, int block, ulong part_floats, ulong slab_floats)
{
    const int th = (oh + 3) / 4, tw = (ow + 3) / 4, tiles = images * th * tw;
    const tile_map source = {h, w, c, th, tw, pad_top, pad_left}, diff = {oh, ow, k, th, tw, 0, 0};
    const int npanels = (k + NR - 1) / NR;
    const int row_blocks = (c + rows - 1) / rows;
    const int items = row_blocks * ((npanels + group_panels - 1) / group_panels) * parts;
    const int vrow = ODD_VECTORS(rows), vstep = ODD_VECTORS(block * vrow);
    const int dstep = ODD_VECTORS(group_panels * block * NR);
    const int urow = group_panels * NR, ustep = ODD_VECTORS(rows * urow);
    __global float *corner = scratch + get_group_id(0) * slab_floats;
    __global float *v = corner + POSITIONS * VW, *d = v + POSITIONS * vstep,
                   *u = d + POSITIONS * dstep;

    for (int item = get_group_id(0); item < items; item += get_num_groups(0)) {
        const int part = item % parts, c0 = item / parts % row_blocks * rows;
        const int j0 = item / parts / row_blocks * group_panels;
        const int channels = min(rows, c - c0), panels = min(group_panels, npanels - j0);
        const int first = part_begin(tiles, part, parts);
        const int end = part_begin(tiles, part + 1, parts);

        for (int t0 = first; t0 < end; t0 += block) {
            const int count = min(block, end - t0);
            transform_input(&source, x, t0, count, c0, ROUND_UP(channels, MW), v, vrow, vstep,
                            (__global src_t *)corner);
            transform_diff(&diff, dy, t0, count, j0 * NR, panels, block, d, dstep,
                           (__global src_t *)corner);
            for (int position = 0; position < POSITIONS; position++)
                for (int q = 0; q < panels; q++)
                    for (int m = 0; m < channels; m += MW) {
                        __global float *p = u + position * ustep + m * urow + q * NR;
                        vfloat acc[MW][NV];
                        outer(count, v + position * vstep + m, vrow,
                              d + position * dstep + q * block * NR, 0, 0, 0, acc);
#pragma unroll
                        for (int i = 0; i < MW; i++)
#pragma unroll
                            for (int n = 0; n < NV; n++) {
                                __global float *at = p + i * urow + n * VW;
                                fstore(t0 == first ? acc[i][n] : acc[i][n] + fload(at), at);
                            }
                    }
        }
        for (int m = 0; m < channels; m++)
            for (int q = 0; q < min(panels * NR, k - j0 * NR); q += VW) {
                const uint n = min(VW, k - j0 * NR - q);
                __global float *to =
                    dw + dw_first + part * part_floats + (size_t)(c0 + m) * k + j0 * NR + q;
#define ONED               output_3
#define FROM               6
#define TO                 3
#define LOAD(i, j)         fload(u + ((i)*6 + (j)) * ustep + m * urow + q)
#define STORE(r, s, value) store_part(value, to + (size_t)((r)*3 + (s)) * c * k, n)
#include "winograd_transform.clh"
            }
    }
}
