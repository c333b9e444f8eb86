/* Convolution on CPUs: implicit matrix products over register tiles, one work-item per group.
 *
 * Forward and backward data are one product. A grid of gh x gw output pixels per image sums, over
 * a window of rows x cols source pixels and their c channels, window value * packed weight:
 *
 *     y[n, o + ostep * g, k] = sum over (dr, ds, ci) of x[n, istep * g + d + (dr, ds), ci]
 *                                                       * packed[k / NR][(dr, ds, ci)][k % NR]
 *
 * Backward data at stride s is s * s such grids, one for each residue of the pixel's position.
 * Padding and stride are dealt with only where windows are gathered into the scratch A. What
 * remains is a pure product of MR pixels by NR channels, held in MR x NV vector registers over kc
 * values.
 *
 * Layout: activations NHWC, filters RSCK. A window has rows * cols * c values, and `packed` is cut
 * into blocks of kc of them. A block holds, for each panel of NR output channels, its values with
 * the channels side by side, so that a group reads it from one end to the other. After the blocks
 * comes one float per channel, its bias; channels past the last are zero.
 *
 * All activations of a problem have one type: what is read is src_t, what is written dst_t, wherever
 * that lies in the network. Windows become floats in the scratch; with an engine, which multiplies
 * pairs of bf16, they lie there as they are, and in backward weights pairs of pixels do. Of more than kc
 * values the sums so far are kept in y, or, where that is narrower than they, in floats of their own.
 *
 * In training weights serve once between two updates. Where the pixels are few, a group of the product
 * has them all in its scratch and packs one panel after the other, into a slab that its core's own
 * cache holds, while the next panel's weights are on their way: panels in memory would be written and
 * read for nothing.
 *
 * Kernels: conv2d_packed_product (forward, backward data), conv2d_packed_weights (their panels),
 * conv2d_packed_bwd_params. Macros are upper bounds of what the arguments may be;
 * src/op/conv2d_packed.c lists what is tuned.
 */
#include "conv2d.clh"
#include "moments.clh"
#include "regtile.clh"

#if defined DST_BF16 || defined DST_F16
#define NARROW /* y does not hold a sum without loss */
#endif

#ifndef KC /* most window values in the scratch at once: a power of two from 32 */
#define KC 256
#endif
#ifndef TB /* most pixel tiles in the scratch at once */
#define TB 1
#endif
#ifndef PB /* most pixel tiles of a group: 8, 16, 32 */
#define PB 16
#endif
#ifndef LDA /* values between the rows of a tile: whole vectors */
#define LDA (KC + 16)
#endif

/* The first pixel, and the next ones, of a walk over gh x gw pixels of each image: image by image,
 * or, by position, the images' pixels of one position side by side. */
RS_INLINE void pixel_set(pixel *p, int index, int images, int gh, int gw, int by_position)
{
    const int g = by_position ? index / images : index % (gh * gw);
    p->n = by_position ? index % images : index / (gh * gw);
    p->a = g / gw;
    p->b = g % gw;
}

RS_INLINE void pixel_next(pixel *p, int images, int gh, int gw, int by_position)
{
    if (by_position) {
        if (++p->n < images)
            return;
        p->n = 0;
    }
    if (++p->b < gw)
        return;
    p->b = 0;
    if (++p->a < gh)
        return;
    p->a = 0;
    p->n++;
}

/* One number, and VW, of a window on their way into the scratch. */
#ifdef ENGINE
#define TAKE(s)    (*(s))
#define MOVE(s, d) (((__local vushort_any *)(d))->all = LOAD_BITS(s))
#else
#define TAKE(s)    src_get(s)
#define MOVE(s, d) fstore(src_load(s), d)
#endif

/* d[0..n) = s[0..n) */
RS_INLINE void copy(__local tile_t *d, __global const src_t *s, int n)
{
    int i = 0;
    for (; i + 4 * VW <= n; i += 4 * VW)
#pragma unroll
        for (int v = 0; v < 4; v++)
            MOVE(s + i + v * VW, d + i + v * VW);
    for (; i + VW <= n; i += VW)
        MOVE(s + i, d + i);
    if (i < n && n >= VW) { /* the last vector lies partly over the one before */
        MOVE(s + n - VW, d + n - VW);
        return;
    }
#pragma unroll 1
    for (; i < n; i++)
        d[i] = TAKE(s + i);
}

RS_INLINE void clear(__local tile_t *d, int n)
{
#pragma unroll 1
    for (int i = 0; i < n; i++)
        d[i] = 0;
}

/* Values f0..f1 of the windows of `pixels` pixels, each window `lda` values after the last one. A
 * window is runs of `run` values, one in each of some image rows of `width` values; the first
 * begins at x + start[i], which is value first[i] of image row top[i]. Zeros outside the image. */
RS_INLINE void gather(__local tile_t *a, int lda, int pixels, __local const int *top,
                      __local const int *first, __local const int *start, __global const src_t *x,
                      int h, int width, int run, int f0, int f1)
{
    for (int f = f0; f < f1;) {
        const int r = f / run, from = f - r * run, n = min(run - from, f1 - f);
        for (int i = 0; i < pixels; i++) {
            __local tile_t *d = a + i * lda + f - f0;
            const int column = first[i] + from;
            if ((uint)(top[i] + r) >= (uint)h) {
                clear(d, n);
                continue;
            }
            __global const src_t *s = x + start[i] + r * width + from;
            if (column >= 0 && column + n <= width) {
                copy(d, s, n);
                continue;
            }
            const int lo = clamp(-column, 0, n), hi = clamp(width - column, lo, n);
            clear(d, lo);
            copy(d + lo, s + lo, hi - lo);
            clear(d + hi, n - hi);
        }
        f += n;
    }
}

/* Stores *v, and leaves there what was stored. An engine's machine stores 0 for numbers below the normal ones,
 * as its products take them. */
RS_INLINE void put(vfloat *v, __global dst_t *p)
{
#if defined ENGINE && defined NARROW
    const vushort bits = ROUND_BF16(*v);
#elif defined NARROW
    const vushort bits = float_to_dst(*v);
#endif
#ifdef NARROW
    STORE_BITS(bits, p);
    *v = dst_to_float(bits);
#else
    dst_store(*v, p);
#endif
}

/* What `store` does to a tile of whole rows. */
RS_INLINE void store_rows(vfloat acc[MR][NV], __global dst_t *y, __local const int *offset,
                          const int np, __global const float *bias, __global const src_t *residual,
                          int relu)
{
#ifdef ENGINE_X86_AMX
    vfloat b[NV];
#pragma unroll
    for (int v = 0; v < NV; v++)
        b[v] = bias ? fload(bias + v * VW) : VZERO;
    for (int i = 0; i < np; i++)
#pragma unroll
        for (int v = 0; v < NV; v++) {
            __global dst_t *to = y + offset[i] + v * VW;
            vfloat x = acc[i][v] + (bias ? b[v] : dst_load(to));
            if (residual)
                x += src_load(residual + offset[i] + v * VW);
            if (relu)
                x = x < VZERO ? VZERO : x;
            put(&x, to);
            acc[i][v] = x;
        }
#else
    if (bias) {
        EACH_ROW(i, MR, MR)
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] += fload(bias + v * VW);
    } else {
        EACH_ROW(i, np, MR)
#pragma unroll
        for (int v = 0; v < NV; v++)
            acc[i][v] += dst_load(y + offset[i] + v * VW);
    }
    if (residual)
        EACH_ROW(i, np, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        acc[i][v] += src_load(residual + offset[i] + v * VW);
    if (relu)
        EACH_ROW(i, MR, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        acc[i][v] = acc[i][v] < VZERO ? VZERO : acc[i][v];
    EACH_ROW(i, np, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        put(&acc[i][v], y + offset[i] + v * VW);
#endif
}

/* Writes np x nk numbers of a tile, and leaves them in acc as they are stored, for the moments are of what
 * batch normalisation reads: its product plus `bias`, or plus what y holds where bias is NULL; plus `residual` unless NULL, and clamped
 * at 0 where `relu`. */
RS_INLINE void store(vfloat acc[MR][NV], __global dst_t *y, __local const int *offset, int np,
                     int nk, __global const float *bias, __global const src_t *residual, int relu)
{
    if (nk == NR) {
        if (np == MR) /* of known length */
            store_rows(acc, y, offset, MR, bias, residual, relu);
        else
            store_rows(acc, y, offset, np, bias, residual, relu);
        return;
    }
    float tile[MR * NR];
    EACH_ROW(i, MR, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        fstore(acc[i][v], tile + i * NR + v * VW);
#pragma unroll 1
    for (int i = 0; i < np; i++) {
        __global dst_t *p = y + offset[i];
#pragma unroll 1
        for (int q = 0; q < nk; q++) {
            const float sum = tile[i * NR + q] + (bias ? bias[q] : dst_get(p + q)) +
                              (residual ? src_get(residual + offset[i] + q) : 0.0f);
            dst_set(relu && sum < 0.0f ? 0.0f : sum, p + q);
            tile[i * NR + q] = dst_get(p + q);
        }
    }
    EACH_ROW(i, MR, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        acc[i][v] = fload(tile + i * NR + v * VW);
}

#ifdef NARROW
/* acc += the sums so far, in rows `pitch` floats apart; and their store. */
RS_INLINE void add_sums(vfloat acc[MR][NV], __global const float *sums, int pitch)
{
    EACH_ROW(i, MR, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        acc[i][v] += fload(sums + (size_t)i * pitch + v * VW);
}

RS_INLINE void put_sums(vfloat acc[MR][NV], __global float *sums, int pitch)
{
    EACH_ROW(i, MR, MR)
#pragma unroll
    for (int v = 0; v < NV; v++)
        fstore(acc[i][v], sums + (size_t)i * pitch + v * VW);
}
#endif

/* Sums over np rows of column vector v: of acc, and of the squares of its deviations from `mean`. Those of
 * tiles, which lie in memory, in fours. */
RS_INLINE vfloat sum_rows(vfloat acc[MR][NV], const int np, int v)
{
    vfloat sum = VZERO;
#ifdef ENGINE_X86_AMX
    vfloat part[4] = {VZERO, VZERO, VZERO, VZERO};
    int i = 0;
    for (; i + 4 <= np; i += 4)
#pragma unroll
        for (int q = 0; q < 4; q++)
            part[q] += acc[i + q][v];
    for (; i < np; i++)
        sum += acc[i][v];
    sum += part[0] + part[1] + (part[2] + part[3]);
#else
    EACH_ROW(i, np, MR) sum += acc[i][v];
#endif
    return sum;
}

RS_INLINE vfloat sum_squares(vfloat acc[MR][NV], const int np, int v, vfloat mean)
{
    vfloat sum = VZERO;
#ifdef ENGINE_X86_AMX
    vfloat part[4] = {VZERO, VZERO, VZERO, VZERO};
    int i = 0;
    for (; i + 4 <= np; i += 4)
#pragma unroll
        for (int q = 0; q < 4; q++)
            part[q] = fma(acc[i + q][v] - mean, acc[i + q][v] - mean, part[q]);
    for (; i < np; i++)
        sum = fma(acc[i][v] - mean, acc[i][v] - mean, sum);
    sum += part[0] + part[1] + (part[2] + part[3]);
#else
    EACH_ROW(i, np, MR) sum = fma(acc[i][v] - mean, acc[i][v] - mean, sum);
#endif
    return sum;
}

/* Joins the moments of np x nk numbers of a tile to those of `count` pixels at `means`. */
RS_INLINE void tile_moments(vfloat acc[MR][NV], int np, int nk, __global float *means, int channels,
                            int count)
{
#pragma unroll
    for (int v = 0; v < NV; v++) {
        const vfloat mean = sum_rows(acc, np, v) * (1.0f / (float)np);
        const vfloat square = sum_squares(acc, np, v, mean);
        if (nk > v * VW)
            add_moments(means + v * VW, channels, min(VW, nk - v * VW), (float)count, mean, square,
                        (float)np);
    }
}

/* Whether any of the taps first..last lies in rows [box.s0, box.s1), columns [box.s2, box.s3). */
RS_INLINE int box_has(int4 box, int first, int last, int cols)
{
    for (int t = first; t <= last; t++) {
        const int r = t / cols, s = t - r * cols;
        if (r >= box.s0 && r < box.s1 && s >= box.s2 && s < box.s3)
            return 1;
    }
    return 0;
}

/* Packs values f0 .. f1 of panel j of the weights of one grid, side by side from `to` on. Forward:
 * step_q = 1; backward data: step_c = 1, and squares of weights are transposed. */
RS_INLINE void pack_panel(__global const float *weight, int c, int k, int cols, CONV_TAPS_PARAMS,
                          int j, int f0, int f1, __global panel_t *to)
{
    const int nk = min(NR, k - j * NR);
    int channels;
    for (int f = f0; f < f1; f += channels) {
        const int tap = f / c, c0 = f - tap * c;
        __global const float *src = weight + (size_t)GRID_TAP(tap / cols, tap % cols) * step_tap +
                                    (size_t)c0 * step_c + (size_t)j * NR * step_q;
        channels = min(min(VW, c - c0), f1 - f);
        /* Rows of zeros follow the last where the panel has more. */
        const int rows = f + channels < f1 ? channels : PANEL_ROWS(f1 - f0) - (f - f0);
        const int put = min(rows, VW);
        for (int q0 = 0; q0 < NR; q0 += VW) {
            vfloat m[VW];
            load_square(src + (size_t)q0 * step_q, step_c, step_q, channels, clamp(nk - q0, 0, VW),
                        m);
            if (put == VW) { /* nearly always */
                panel_put_square(m, to, f - f0, q0);
            } else {
#pragma unroll
                for (int i = 0; i < VW; i++)
                    if (i < put)
                        panel_put(m[i], to, f - f0 + i, q0);
            }
            for (int i = put; i < rows; i++)
                panel_put(VZERO, to, f - f0 + i, q0);
        }
    }
}

/* The biases of panel j; zeros where `bias` is NULL. */
RS_INLINE void pack_bias(__global const float *bias, int k, int j, __global float *to)
{
    for (int q = 0; q < NR; q++)
        to[q] = bias && j * NR + q < k ? bias[j * NR + q] : 0.0f;
}

/* Group (p, j): pixel tiles p * tiles ..., panels j * panels ...; unless NULL, `moments` gets those
 * of y in parts p. A block of kc values is gathered for `batch` tiles, which then pass by one panel
 * after the other: with one tile it stays in the first cache and the panels in the second, with
 * several each panel stays there while the tiles do as well, and kc may be larger. `sums` has a row
 * of whole panels for each pixel, where kc is less than the window and y is narrow; else it is NULL.
 *
 * The panels of the grid lie in `packed` from packed_first on, all biases from float bias_first on; or,
 * unless it is NULL, they are made of `weight` and `bias`, one at a time, in the group's own slab_floats
 * there. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_packed_product(__global const src_t *restrict x, __global panel_t *restrict packed,
                      int packed_first, int bias_first, __global const src_t *restrict residual,
                      __global dst_t *restrict y, __global float *restrict moments,
                      __global float *restrict sums, CONV_GRID_PARAMS, int kc, int tiles, int batch,
                      int panels, int flags, __global const float *restrict weight,
                      __global const float *restrict bias, int slab_floats, CONV_TAPS_PARAMS)
{
    __local tile_t A[TB * MR * LDA] __attribute__((aligned(64)));
    __local int top[PB * MR], first[PB * MR], start[PB * MR], offset[PB * MR];
    __local int4 box[PB]; /* taps that any pixel of the tile needs */
    __local int started[PB], used[PB];

    TILES_BEGIN();
    const int count = images * gh * gw;
    const int p0 = (int)get_group_id(0) * tiles * MR;
    const int pixels = min(tiles * MR, count - p0);
    const int ntiles = (pixels + MR - 1) / MR;
    const int few = count <= 16 * MR; /* then reading weights takes as long as using them */
    for (int i = 0; i < ntiles; i++) {
        box[i] = rows * cols == 1 ? (int4)(0, 1, 0, 1) : (int4)(rows, 0, cols, 0);
        started[i] = 0;
    }
    __global float *means = moments ? moments + (size_t)get_group_id(0) * 2 * k : 0;
    if (moments && get_group_id(1) == 0)
        moments[get_num_groups(0) * 2 * k + get_group_id(0)] = (float)pixels;
    const int by_position = flags & POSITION_MAJOR;
    pixel at;
    pixel_set(&at, p0, images, gh, gw, by_position);
    for (int i = 0; i < pixels; i++, pixel_next(&at, images, gh, gw, by_position)) {
        const int ih = at.a * istep_h + dh, iw = at.b * istep_w + dw;
        top[i] = ih;
        first[i] = iw * c;
        start[i] = ((at.n * h + ih) * w + iw) * c;
        offset[i] = GRID_OUTPUT(at);
        if (rows * cols == 1)
            continue;
        const int4 t = box[i / MR];
        box[i / MR] = (int4)(min(t.s0, max(-ih, 0)), max(t.s1, min(h - ih, rows)),
                             min(t.s2, max(-iw, 0)), max(t.s3, min(w - iw, cols)));
    }

    const int total = rows * cols * c;
    /* Rows of pixels that follow each other may be tiles where they lie. */
#ifdef ENGINE_X86_AMX
    const int lies_in_place = rows * cols == 1 && istep_h == 1 && istep_w == 1 && dh == 0 &&
                              dw == 0 && gh == h && gw == w && !by_position &&
                              c % (2 * TILE_WORDS) == 0;
#else
    const int lies_in_place = 0;
#endif
    const int npanels = (k + NR - 1) / NR;
    const int j0 = (int)get_group_id(1) * panels, j1 = min(j0 + panels, npanels);
    __global float *floats = (__global float *)packed;
    if (weight)
        floats += (get_group_id(1) * get_num_groups(0) + get_group_id(0)) * slab_floats;
    __global panel_t *panel = (__global panel_t *)floats + packed_first;
    int k0 = 0;
    do {
        const int k1 = min(k0 + kc, total);
        const int last = k1 == total;
        const int depth = PANEL_ROWS(k1 - k0);
#ifdef NARROW
        const int finishes = last;
#else
        const int finishes = last && ((flags & RELU) || residual || moments);
#endif
        int any = 0;
        for (int t = 0; t < ntiles; t++)
            any |= used[t] = total == 0 || finishes || (last && !started[t]) ||
                             box_has(box[t], k0 / c, (k1 - 1) / c, cols);

        for (int t0 = 0; any && t0 < ntiles; t0 += batch) {
            const int t1 = min(t0 + batch, ntiles);
            for (int j = j0; j < j1; j++) {
                __global const panel_t *b = panel;
                if (weight) {
                    pack_panel(weight, c, k, cols, CONV_TAPS, j, k0, k1, panel);
                    pack_bias(bias, k, j, floats + bias_first);
                } else {
                    b += ((size_t)k0 * npanels + (size_t)j * depth) * NR;
                }
                __global const float *start_from = floats + bias_first + (weight ? 0 : j * NR);
                const int nk = min(NR, k - j * NR);
                for (int t = t0; t < t1; t++) {
                    if (!used[t])
                        continue;
                    __local tile_t *a = A + (t - t0) * MR * LDA;
                    const int i = t * MR, np = min(MR, pixels - i);
                    const int in_place = lies_in_place && np == MR;
#ifdef NARROW
                    const int fresh = !(flags & ACCUMULATE), stores = last;
#else
                    const int fresh = !started[t] && !(flags & ACCUMULATE), stores = 1;
#endif
#ifdef ENGINE_X86_AMX
                    const int short_tile = 0;
#else
                    const int short_tile = np <= MR / 2;
#endif
                    uintptr_t next = 0; /* what is read later, at 16 places; in bytes: */
                    int pitch = 0, skip = 16 * sizeof(src_t);
                    if (j == j0 && !in_place) {
                        gather(a, LDA, np, top + i, first + i, start + i, x, h, w * c, cols * c, k0,
                               k1);
                        for (int r = 0; depth > k1 - k0 && r < np; r++)
                            clear(a + r * LDA + k1 - k0, depth - (k1 - k0));
                        for (int r = np; r < (short_tile ? MR / 2 : MR); r++)
                            clear(a + r * LDA, depth);
#ifdef ENGINE_ARM_BF16
                        pair_rows(short_tile ? MR / 2 : MR, depth, a, LDA);
#endif
                        /* the next tile's pixels: they are a row apart at most */
                        next = (uintptr_t)(x + start[min(i + MR, pixels - 1)] + k0);
                        pitch = istep_w * c * (int)sizeof(src_t);
                    } else if (few && !weight && (t == 1 || t == 2)) {
                        /* half of the panel's next weights */
                        next = (uintptr_t)(b + depth * (npanels * NR + 16 * (t - 1)));
                        pitch = depth * (int)sizeof(panel_t);
                        skip = 16 * sizeof(panel_t);
                    }
                    if (weight && total > 0 && t < 2) { /* half of the weights of the next panel */
                        const int more = j + 1 < j1, f = more ? k0 : k1, tap = f / c;
                        pitch = max(step_c, step_q) * (int)sizeof(float);
                        skip = 16 * step_c * (int)sizeof(float);
                        next = (uintptr_t)(weight +
                                           (size_t)GRID_TAP(tap / cols, tap % cols) * step_tap +
                                           (size_t)(f - tap * c) * step_c +
                                           (size_t)((more ? j + 1 : j0) * NR + 16 * t) * step_q);
                    }
                    __global const dst_t *target = np == MR && stores ? y + j * NR : 0;
                    vfloat acc[MR][NV];
#ifdef ENGINE_X86_AMX
                    if (in_place)
                        multiply(MR, depth, x + start[i] + k0, c, b, 0, 0, 0, 0, 0, acc);
                    else
#endif
                        if (short_tile)
                        multiply(MR / 2, depth, a, LDA, b, 0, 0, 0, 0, 0, acc);
                    else
                        multiply(MR, depth, a, LDA, b, target, offset + i, next, pitch, skip, acc);
#ifdef NARROW
                    __global float *part = sums + (size_t)(p0 + i) * npanels * NR + j * NR;
                    if (started[t])
                        add_sums(acc, part, npanels * NR);
                    if (!last) {
                        put_sums(acc, part, npanels * NR);
                        continue;
                    }
#endif
                    store(acc, y + j * NR, offset + i, np, nk, fresh ? start_from : 0,
                          last && residual ? residual + j * NR : 0, last && (flags & RELU));
                    if (last && moments && np == MR) /* of known length */
                        tile_moments(acc, MR, nk, means + j * NR, k, i);
                    else if (last && moments)
                        tile_moments(acc, np, nk, means + j * NR, k, i);
                }
            }
            for (int t = t0; t < t1; t++)
                started[t] |= used[t];
        }
        k0 = k1;
    } while (k0 < total);
    TILES_END();
}

/* Packs the weights of one grid: group (panel j, block of kc values). Unless bias_first is negative
 * the first of a panel packs its biases too. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_packed_weights(__global const float *restrict weight, __global const float *restrict bias,
                      __global panel_t *restrict packed, int packed_first, int bias_first,
                      CONV_GRID_PARAMS, CONV_TAPS_PARAMS, int kc)
{
    const int j = get_group_id(0), npanels = get_num_groups(0);
    const int k0 = (int)get_group_id(1) * kc, k1 = min(k0 + kc, rows * cols * c);
    pack_panel(weight, c, k, cols, CONV_TAPS, j, k0, k1,
               packed + packed_first +
                   ((size_t)k0 * npanels + (size_t)j * PANEL_ROWS(k1 - k0)) * NR);
    if (k0 == 0 && bias_first >= 0)
        pack_bias(bias, k, j, (__global float *)packed + bias_first + j * NR);
}

/* ---- backward weights -------------------------------------------------------------------- */

#ifndef PX /* pixels in the scratch at once: 64, 128, 256, 512 */
#define PX 128
#endif
#ifndef MB /* most filter rows in the scratch, a multiple of MW: 48, 96, 192 */
#define MB 192
#endif
#ifndef JB /* most panels of NR channels in the scratch: 1, 2, 4, 8 */
#define JB 8
#endif
#if MB % MW
#error "MB is no multiple of MW"
#endif
#define LDM (MB + 16)

/* Of the scratch of the first factor: its pixels one after the other, or, for tiles, its filter rows. */
#ifdef ENGINE_X86_AMX
#define LDP      (PX / JOINED + 16) /* words from a filter row to the next */
#define A_COUNT  (MB * LDP)
#define A_ROW(m) ((m)*LDP)
#else
#define LDP      LDM
#define A_COUNT  (PX / JOINED * LDM)
#define A_ROW(m) (m)
#endif

/* Pixels that are taken at once, and that the sum is made of. */
#ifdef ENGINE_X86_AMX
#define PIXELS (2 * TILE_WORDS)
#else
#define PIXELS JOINED
#endif

/* A tile of diff_weight: MW filter rows by NR channels, summed over np pixels. `ldw` floats
 * separate rows; `fresh` writes, else adds. Unless `next` is NULL, it asks for the lines at next + place[p]. */
RS_INLINE void params_tile(int np, __local const outer_t *a, __local const outer_t *d,
                           __global const src_t *next, __local const int *place, __global float *dw,
                           int ldw, int nm, int nk, int fresh)
{
    vfloat acc[MW][NV];
    if (!fresh && nm == MW)
        EACH_ROW(i, MW, MW)
#pragma unroll
    for (int v = 0; v < NV; v++)
        PREFETCH(dw + (size_t)i * ldw + v * VW);
    if (next)
        outer(np, a, LDP, d, 1, next, place, acc);
    else
        outer(np, a, LDP, d, 0, next, place, acc);
    if (nm == MW && nk == NR) {
        EACH_ROW(i, MW, MW)
        {
            __global float *q = dw + (size_t)i * ldw;
#pragma unroll
            for (int v = 0; v < NV; v++)
                fstore(fresh ? acc[i][v] : acc[i][v] + fload(q + v * VW), q + v * VW);
        }
        return;
    }
    float tile[MW * NR];
    EACH_ROW(i, MW, MW)
#pragma unroll
    for (int v = 0; v < NV; v++)
        fstore(acc[i][v], tile + i * NR + v * VW);
#pragma unroll 1
    for (int i = 0; i < nm; i++)
#pragma unroll 1
        for (int q = 0; q < nk; q++)
            dw[(size_t)i * ldw + q] = tile[i * NR + q] + (fresh ? 0.0f : dw[(size_t)i * ldw + q]);
}

#ifdef ENGINE
RS_INLINE vfloat sum_pairs(vuint pairs)
{
    return AS_VFLOAT(pairs << 16) + AS_VFLOAT(pairs & 0xffff0000u);
}
#endif

/* sum[0..NR) += the np rows of d */
RS_INLINE void add_rows(int np, __local const outer_t *d, __local float *sum)
{
    vfloat s[NV];
#pragma unroll
    for (int v = 0; v < NV; v++)
        s[v] = fload(sum + v * VW);
#pragma unroll 1
    for (int p = 0; p < np; p++)
#pragma unroll
        for (int v = 0; v < NV; v++) {
            __local const vouter *row = (__local const vouter *)(d + p * NR + v * VW);
#if JOINED == 4
            const vfloat low = sum_pairs(row[0]), high = sum_pairs(row[1]);
            s[v] += EVENS(low, high) + ODDS(low, high);
#elif JOINED == 2
            s[v] += sum_pairs(row[0]);
#else
            s[v] += row[0];
#endif
        }
#pragma unroll
    for (int v = 0; v < NV; v++)
        fstore(s[v], sum + v * VW);
}

/* The values of a cache line. */
#define LINE ((int)(64 / sizeof(src_t)))

/* Sets the places of pixel i of the scratch, or of those that come next, by the kernel's own names. */
#define PLACE(slot, i)                                                                             \
    do {                                                                                           \
        const int a_ = a0 + at.a, b_ = b0 + at.b;                                                  \
        top[slot][i] = a_ * stride_h - pad_top;                                                    \
        left[slot][i] = (b_ * stride_w - pad_left) * c;                                            \
        start[slot][i] = (at.n * h + top[slot][i]) * w * c + left[slot][i];                        \
        out[slot][i] = ((at.n * oh + a_) * ow + b_) * k;                                           \
    } while (0)

RS_INLINE int div_up(int a, int b) /* for any a, b > 0 */
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

#ifdef ENGINE
/* Row `word` of A, or that column and those after it, = n filter rows of PIXELS pixels, JOINED of them side by
 * side; up to a vector more is written. */
RS_INLINE void join_pixels(__local outer_t *A, int word, __local const ushort *taken, int n)
{
    for (int m = 0; m < n; m += VW)
#ifdef ENGINE_X86_AMX
        for (int p = 0; p < TILE_WORDS; p += VW) {
            vfloat pairs[VW];
#pragma unroll
            for (int i = 0; i < VW; i++) {
                __local const ushort *even = taken + 2 * (p + i) * LDM + m;
                pairs[i] = AS_VFLOAT(interleave(*(__local const vushort *)even,
                                                *(__local const vushort *)(even + LDM)));
            }
            transpose(pairs);
#pragma unroll
            for (int i = 0; i < VW; i++)
                *(__local vfloat *)(A + A_ROW(m + i) + word + p) = pairs[i];
        }
#else
    {
        vushort rows[JOINED];
#pragma unroll
        for (int r = 0; r < JOINED; r++)
            rows[r] = *(__local const vushort *)(taken + r * LDM + m);
        PUT_JOINED(rows, __local, A + word * LDM + m);
    }
#endif
}

/* d[p] = nk columns of the JOINED pixels from JOINED * p on, of np at dy + at[pixel], the rest 0, and behind them
 * as many rows as the sum takes at once. */
RS_INLINE void take_rows(__local outer_t *d, int np, __local const int *at,
                         __global const dst_t *dy, int nk)
{
    for (int i = 0; i < np; i += JOINED, d += NR) {
        __global const dst_t *from[JOINED];
        ushort kept[JOINED];
#pragma unroll
        for (int r = 0; r < JOINED; r++) {
            from[r] = dy + at[min(i + r, np - 1)];
            kept[r] = i + r < np ? 0xffff : 0;
        }
#pragma unroll
        for (int v = 0; v < NV; v++) {
            if (nk >= (v + 1) * VW) {
                vushort rows[JOINED];
#pragma unroll
                for (int r = 0; r < JOINED; r++)
                    rows[r] = LOAD_BITS(from[r] + v * VW) & kept[r];
                PUT_JOINED(rows, __local, d + v * VW);
                continue;
            }
            for (int q = v * VW; q < (v + 1) * VW; q++) {
                d[q] = 0;
                for (int r = 0; q < nk && r < JOINED; r++)
                    d[q] |= (outer_t)(from[r][q] & kept[r]) << 16 * r;
            }
        }
    }
    for (int p = (np + JOINED - 1) / JOINED; p < (np + PIXELS - 1) / PIXELS * PIXELS / JOINED;
         p++, d += NR)
        for (int q = 0; q < NR; q++)
            d[q] = 0;
}
#else
/* d[p] = nk columns of pixel p of np at dy + at[p], the rest 0. */
RS_INLINE void take_rows(__local float *d, int np, __local const int *at, __global const dst_t *dy,
                         int nk)
{
    for (int i = 0; i < np; i++) {
        if (nk == NR) { /* of known length */
            copy(d + i * NR, dy + at[i], NR);
        } else {
            copy(d + i * NR, dy + at[i], nk);
            clear(d + i * NR + nk, NR - nk);
        }
    }
}
#endif

/* Group (m, j, part): filter rows m * group_rows ..., panels j * panels ..., one of the parts of
 * the pixels. Sums their diff_weight into dw + part * part_floats and, where dbias is not NULL, the
 * groups with m = 0 their diff_bias into dbias + bias_first + part * part_floats. Pixels whose
 * window lies in the padding for all of the group's filter rows are left out. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_packed_bwd_params(__global const src_t *restrict x, __global const dst_t *restrict dy,
                         __global float *restrict dw, __global float *restrict dbias,
                         CONV_SHAPE_PARAMS, int group_rows, int panels, int parts,
                         ulong part_floats, int bias_first)
{
    __local outer_t A[A_COUNT] __attribute__((aligned(64)));
    __local outer_t D[JB * PX / JOINED * NR] __attribute__((aligned(64)));
#ifdef ENGINE
    __local tile_t taken[PIXELS * LDM] __attribute__((aligned(64)));
#endif
    __local float bias[JB * NR] __attribute__((aligned(64)));
    /* Of the pixels in the scratch, and of those that come next. */
    __local int top[2][PX], left[2][PX], start[2][PX], out[2][PX];

    TILES_BEGIN();
    const int total = rows * cols * c;
    const int m0 = (int)get_group_id(0) * group_rows, m1 = min(m0 + group_rows, total);
    const int npanels = (k + NR - 1) / NR;
    const int j0 = (int)get_group_id(1) * panels, j1 = min(j0 + panels, npanels);
    const int part = get_group_id(2);
    const int with_bias = dbias != 0 && m0 == 0;
    dw += part * part_floats;

    for (int q = 0; q < JB * NR; q++)
        bias[q] = 0.0f;

    /* The output pixels that the taps of this group reach the map from. */
    int a0 = 0, a1 = oh, b0 = 0, b1 = ow;
    if (!with_bias) {
        const int t0 = m0 / c, t1 = (m1 - 1) / c, r0 = t0 / cols, r1 = t1 / cols;
        const int s0 = r0 == r1 ? t0 - r0 * cols : 0, s1 = r0 == r1 ? t1 - r0 * cols : cols - 1;
        a0 = clamp(div_up(pad_top - r1, stride_h), 0, oh);
        a1 = clamp(div_up(h + pad_top - r0, stride_h), a0, oh);
        b0 = clamp(div_up(pad_left - s1, stride_w), 0, ow);
        b1 = clamp(div_up(w + pad_left - s0, stride_w), b0, ow);
    }
    const int gw = b1 - b0, map = (a1 - a0) * gw;
    const int first = part_begin(images * map, part, parts);
    const int end = part_begin(images * map, part + 1, parts);

    /* Lines that the group reads of a pixel's dy, and of x for the last of its taps. */
    const int lines_dy = (min(panels * NR, k) + LINE - 1) / LINE;
    const int last_tap = (m1 - 1) / c, lines_x = (min(m1 - m0, c) + LINE - 1) / LINE;
    __global const src_t *last = x + (last_tap / cols * w + last_tap % cols) * c;

    int p0 = first, now = 0;
    pixel at = {0, 0, 0};
    if (map > 0)
        pixel_set(&at, first, images, a1 - a0, gw, 0);
    for (int i = 0; i < min(PX, end - first); i++, pixel_next(&at, images, a1 - a0, gw, 0))
        PLACE(0, i);
    do {
        const int np = min(PX, end - p0), more = min(PX, end - p0 - np), then = 1 - now;
        for (int i = 0; i < more; i++, pixel_next(&at, images, a1 - a0, gw, 0))
            PLACE(then, i);
        const int rows_p = (np + PIXELS - 1) / PIXELS * PIXELS / JOINED;
        for (int j = j0; j < j1; j++) {
            __local outer_t *d = D + (j - j0) * (PX / JOINED) * NR;
            take_rows(d, np, out[now], dy + j * NR, min(NR, k - j * NR));
            if (with_bias)
                add_rows(rows_p, d, bias + (j - j0) * NR);
        }
        int asked = 0; /* times that a tile's rows have each asked for a line of the next pixels */
        for (int f0 = m0; f0 < m1; f0 += MB) {
            const int f1 = min(f0 + MB, m1);
#ifdef ENGINE
            const int whole = (f1 - f0 + MW - 1) / MW * MW;
            for (int i = 0; i < np; i += PIXELS) {
                const int n = min(PIXELS, np - i);
                gather(taken, LDM, n, top[now] + i, left[now] + i, start[now] + i, x, h, w * c,
                       cols * c, f0, f1);
                for (int r = n; r < PIXELS; r++)
                    clear(taken + r * LDM, f1 - f0);
                for (int r = 0; whole > f1 - f0 && r < PIXELS; r++)
                    clear(taken + r * LDM + f1 - f0, whole - (f1 - f0));
                join_pixels(A, i / JOINED, taken, whole);
            }
#else
            gather(A, LDM, np, top[now], left[now], start[now], x, h, w * c, cols * c, f0, f1);
            if (f1 - f0 < MB)
                for (int i = 0; i < rows_p; i++)
                    for (int m = f1 - f0; m < f1 - f0 + MW; m++)
                        A[i * LDM + m] = 0;
#endif
            for (int j = j0; j < j1; j++)
                for (int m = f0; m < f1; m += MW, asked++) {
                    const int from = asked % JOINED * (PX / JOINED);
                    const int line = asked / JOINED;
                    __global const src_t *next = 0;
                    __local const int *place = out[then] + from;
                    if (more == PX && line < lines_dy) {
                        next = (__global const src_t *)dy + j0 * NR + line * LINE;
                    } else if (more == PX && line < lines_dy + lines_x) {
                        next = last + (line - lines_dy) * LINE;
                        place = start[then] + from;
                    }
                    params_tile(rows_p, A + A_ROW(m - f0), D + (j - j0) * (PX / JOINED) * NR, next,
                                place, dw + (size_t)m * k + j * NR, k, min(MW, f1 - m),
                                min(NR, k - j * NR), p0 == first);
                }
        }
        p0 += np;
        now = then;
    } while (p0 < end);
    TILES_END();
    if (with_bias)
        for (int q = j0 * NR; q < min(j1 * NR, k); q++)
            dbias[bias_first + part * part_floats + q] = bias[q - j0 * NR];
}
