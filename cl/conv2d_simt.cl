/* Convolution on GPUs: forward and backward data as implicit matrix products, in the tiles of
 * conv2d_simt.clh. Rows are the pixels of a grid (conv2d.clh), columns output channels, and the sum
 * runs over (row, column, channel) of the window. Layout: NHWC, RSCK.
 *
 * Channels are cut into k / width blocks of which each is a convolution of its own, from `depth`
 * source channels to `width` output channels: one block, or groups gathered into blocks with zeros
 * between them (conv2d_simt_pack.cl). A block's weights are [taps][depth][width] in forward; backward data
 * reads the same array as [taps][width][depth].
 *
 * Kernel: conv2d_simt_product, with BWD for backward data, MOMENTS to leave those of y, and NORM to leave
 * the sums over y of the batch normalisation whose diff_dst it is. */
#include "conv2d_simt.clh"

/* The terms that an item brings in a step are the four from `at` on. Where C_BY is TK each step lies
 * within one tap, and `at` is the step's first term, the same for all items; elsewhere it is the
 * item's own, a tap ends in the midst of a step, and the sum may end there too. */
#define WHOLE_STEPS (C_BY == TK)

#include "conv2d_window.clh"

/* ---- bringing the factors -------------------------------------------------------------------- */

#if C_BY == 1
/* The four terms from `at` on, in windows of `cols` columns and `depth` channels. */
RS_INLINE void find_terms(digits at, int cols, int depth, digits term[4])
{
    const digits one = {0, 0, 1};
    term[0] = at;
#pragma unroll
    for (int i = 1; i < 4; i++) {
        term[i] = term[i - 1];
        add_digits(&term[i], one, cols, depth);
    }
}
#endif

RS_INLINE void fetch_source(const source *s, digits at, int depth, float4 piece[QA])
{
#if C_BY == 1
    digits term[4];
    find_terms(at, s->cols, depth, term);
#pragma unroll
    for (int i = 0; i < QA; i++)
        piece[i] = (float4)(in_map(s, i, term[0]) ? number_at(source_at(s, i, term[0])) : 0.0f,
                            in_map(s, i, term[1]) ? number_at(source_at(s, i, term[1])) : 0.0f,
                            in_map(s, i, term[2]) ? number_at(source_at(s, i, term[2])) : 0.0f,
                            in_map(s, i, term[3]) ? number_at(source_at(s, i, term[3])) : 0.0f);
#else
#pragma unroll
    for (int i = 0; i < QA; i++)
        piece[i] = in_map(s, i, at) ? quad_at(source_at(s, i, at)) : QZERO;
#endif
}

/* The weights that an item brings. Forward: piece i is four columns, from `column` on, of row
 * `row` + i * ITEMS / (TN / 4) of a step. Backward data: four terms, as of the source, of column
 * `column` + i * ITEMS / (TK / 4). */
typedef struct weights {
    global const float *w; /* of the block */
    int depth, width, row, column;
    int total;                                         /* terms of the sum */
    int taps, cols, filter_cols, r0, s0, rstep, sstep; /* backward data: the taps of its window */
} weights;

#ifdef BWD
RS_INLINE int weight_at(const weights *v, digits at)
{
    const int tap = (v->r0 + at.high * v->rstep) * v->filter_cols + v->s0 + at.mid * v->sstep;
    return tap * v->width * v->depth + at.low;
}

RS_INLINE int in_window(const weights *v, digits at)
{
    return WHOLE_STEPS | (at.high < v->taps);
}

RS_INLINE void fetch_weights(const weights *v, digits at, int step, float4 piece[QB])
{
#if C_BY == 1
    digits term[4];
    find_terms(at, v->cols, v->depth, term);
#endif
#pragma unroll
    for (int i = 0; i < QB; i++) {
        const int q = v->column + i * (ITEMS / (TK / 4)), inside = q < v->width;
        global const float *from = v->w + q * v->depth;
#if C_BY == 1
        piece[i] = (float4)(inside & in_window(v, term[0]) ? from[weight_at(v, term[0])] : 0.0f,
                            inside & in_window(v, term[1]) ? from[weight_at(v, term[1])] : 0.0f,
                            inside & in_window(v, term[2]) ? from[weight_at(v, term[2])] : 0.0f,
                            inside & in_window(v, term[3]) ? from[weight_at(v, term[3])] : 0.0f);
#else
        piece[i] = inside & in_window(v, at) ? QUAD(global const, from + v->row + weight_at(v, at))
                                             : QZERO;
#endif
    }
}
#define PUT_WEIGHTS(to, piece) put_across(to, LDB, ITEMS / (TK / 4), QB, piece)
#else
RS_INLINE void fetch_weights(const weights *v, digits at, int step, float4 piece[QB])
{
#pragma unroll
    for (int i = 0; i < QB; i++) {
        const int f = step * TK + v->row + i * (ITEMS / (TN / 4));
        piece[i] = (WHOLE_STEPS | (f < v->total))
                       ? load_quad(v->w + f * v->width, v->column, v->width)
                       : QZERO;
    }
}
#define PUT_WEIGHTS(to, piece) put_along(to, ITEMS / (TN / 4) * LDB, QB, piece)
#endif

/* ---- the kernel ------------------------------------------------------------------------------ */

/* Group (tile, residue of the stride, part): tiles of one row of them follow each other, so that they
 * share their pixels in the cache. A part sums its share of the steps into y + part * stride. `bias`
 * and `residual` may be NULL. The maps are those of the pass, the filter the whole convolution's. */
kernel GROUP void conv2d_simt_product(global const in_t *restrict x,
                                      global const float *restrict weight,
                                      global const float *restrict bias,
                                      global const src_t *restrict residual,
                                      global out_t *restrict y, global float *restrict moments,
                                      CONV_SHAPE_PARAMS, int depth, int width, int parts,
                                      ulong stride, int accumulate, int relu NORM_PARAMS)
{
    local float4 memory[MEMORY / 4];
    local float *A = (local float *)memory, *B = A + 2 * TK * LDA;
    const int id = get_local_id(0), part = get_group_id(2);
    const int tiles = DIV_UP(width, TN), all_tiles = tiles * (k / width);
    const int row = (int)get_group_id(0) / all_tiles, tile = (int)get_group_id(0) - row * all_tiles;
    const int block = tile / tiles, p0 = row * TM;
    const int w0 = (tile - block * tiles) * TN, n0 = block * width + w0;
    axis down, across;
    find_axis(oh, rows, stride_h, pad_top, (int)get_group_id(1) / stride_w, &down);
    find_axis(ow, cols, stride_w, pad_left, (int)get_group_id(1) % stride_w, &across);
    const int count = images * down.pixels * across.pixels;

    /* Terms are counted by row, column and channel of the window. */
    const int window = max(across.taps, 1), total = down.taps * across.taps * depth;
    const int steps = p0 < count ? DIV_UP(total, TK) : 0;
    const int first = parts > 1 ? part_begin(steps, part, parts) : 0;
    const int last = parts > 1 ? part_begin(steps, part + 1, parts) : steps;
    const int ka = id % (TK / 4) * 4, ma = id / (TK / 4);
    digits at, step_digits;
    find_digits(first * TK + (WHOLE_STEPS ? 0 : ka), window, depth, &at);
    find_digits(TK, window, depth, &step_digits);

    source s = {.x = x, .h = h, .w = w, .c = c, .taps = down.taps, .cols = window};
    find_windows(&s, &down, &across, p0 + ma, ITEMS / (TK / 4), count,
                 block * depth + (WHOLE_STEPS ? ka : 0));
#ifdef BWD
    const int nb = ma;
    local float *to_b = B + ka * LDB + nb;
#else
    const int rb = id / (TN / 4), nb = id % (TN / 4) * 4;
    local float *to_b = B + rb * LDB + nb;
#endif
    local float *to_a = A + ka * LDA + ma;
    const weights v = {.w = weight + (size_t)block * rows * cols * depth * width,
                       .depth = depth,
                       .width = width,
#ifdef BWD
                       .row = WHOLE_STEPS ? ka : 0,
#else
                       .row = rb,
#endif
                       .column = w0 + nb,
                       .total = total,
                       .taps = down.taps,
                       .cols = window,
                       .filter_cols = cols,
                       .r0 = down.tap0,
                       .s0 = across.tap0,
                       .rstep = down.tap_step,
                       .sstep = across.tap_step};
    place here;
    find_place(id, &here);
    const int brings_a = BRINGS(id, TM * TK / 4), brings_b = BRINGS(id, TN * TK / 4);

    float4 acc[RM][RN / 4], piece_a[QA], piece_b[QB];
    clear(acc);
    if (first < last) {
        if (brings_a) {
            fetch_source(&s, at, depth, piece_a);
            put_across(to_a, LDA, ITEMS / (TK / 4), QA, piece_a);
        }
        if (brings_b) {
            fetch_weights(&v, at, first, piece_b);
            PUT_WEIGHTS(to_b, piece_b);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int now = 0;
    for (int step = first; step < last; step++) {
        const int more = step + 1 < last;
        add_digits(&at, step_digits, window, depth);
        if (more & brings_a)
            fetch_source(&s, at, depth, piece_a);
        if (more & brings_b)
            fetch_weights(&v, at, step + 1, piece_b);
        multiply(A + now * TK * LDA + here.m, B + now * TK * LDB + here.n, acc);
        now ^= 1;
        if (more & brings_a)
            put_across(to_a + now * TK * LDA, LDA, ITEMS / (TK / 4), QA, piece_a);
        if (more & brings_b)
            PUT_WEIGHTS(to_b + now * TK * LDB, piece_b);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    int to[RM];
    find_rows(to, &down, &across, here, p0, count, oh, ow, k);
    const epilogue e = {bias, residual, accumulate, relu};
    put_tile(acc, to, y + part * stride, here, n0, (block + 1) * width, e);
#ifdef MOMENTS
    put_moments(acc, A, here, moments, k, n0, (block + 1) * width, row, DIV_UP(count, TM),
                min(TM, count - p0));
#endif
#ifdef NORM
    put_sums(acc, to, A, here, sums, NORM_OF_PARAMS, k, n0, (block + 1) * width,
             (int)get_group_id(1) * ((int)get_num_groups(0) / all_tiles) + row);
#endif
}
