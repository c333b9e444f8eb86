/* Convolution on GPUs: backward weights as an implicit matrix product, in the tiles of
 * conv2d_simt.clh. Rows are (r, s, channel of src), columns filters, and the sum runs over the output
 * pixels. Blocks are those of conv2d_simt.cl. Layout: NHWC, RSCK.
 *
 * Kernel: conv2d_simt_bwd_params, with GROUPS where blocks hold several groups. */
#include "conv2d_simt.clh"

#if C_BY == 1
#define TAPS 4 /* each of an item's four rows has a tap of its own */
#else
#define TAPS 1
#endif

/* What an item brings of the source: of some pixels of a step, four rows. */
typedef struct source {
    global const in_t *x;
    int h, w, c, oh, ow, stride_h, stride_w, pad_top, pad_left;
    int r[TAPS], s[TAPS], offset[TAPS]; /* from a window's first pixel, and the floats from there */
    digits step;
    digits at[QA]; /* the pixels */
} source;

/* Of the pixels from p0 on up to `end`; goes on to the next step's. */
RS_INLINE void fetch_source(source *s, int p, int end, float4 piece[QA])
{
#pragma unroll
    for (int i = 0; i < QA; i++) {
        const int top = s->at[i].mid * s->stride_h - s->pad_top;
        const int left = s->at[i].low * s->stride_w - s->pad_left;
        const int from = ((s->at[i].high * s->h + top) * s->w + left) * s->c;
        const int there = p + i * (ITEMS / (TM / 4)) < end;
        int inside[TAPS];
#pragma unroll
        for (int j = 0; j < TAPS; j++)
            inside[j] =
                there && (uint)(top + s->r[j]) < (uint)s->h && (uint)(left + s->s[j]) < (uint)s->w;
#if C_BY == 1
        piece[i] = (float4)(inside[0] ? number_at(s->x + from + s->offset[0]) : 0.0f,
                            inside[1] ? number_at(s->x + from + s->offset[1]) : 0.0f,
                            inside[2] ? number_at(s->x + from + s->offset[2]) : 0.0f,
                            inside[3] ? number_at(s->x + from + s->offset[3]) : 0.0f);
#else
        piece[i] = inside[0] ? quad_at(s->x + from + s->offset[0]) : QZERO;
#endif
        add_digits(&s->at[i], s->step, s->oh, s->ow);
    }
}

/* Channels q .. q + 3 of diff_dst's pixels, up to channel q_end. */
RS_INLINE void fetch_diff(global const dst_t *dy, int k, int p, int end, int q, int q_end,
                          float4 piece[QB])
{
#pragma unroll
    for (int i = 0; i < QB; i++) {
        const int at = p + i * (ITEMS / (TN / 4));
        piece[i] = at < end ? load_quad(dy + at * k, q, q_end) : QZERO;
    }
}

#ifdef GROUPS
/* Row m's weights of filters q .. q + 3 of a block, those that are within a group. */
RS_INLINE void put_weight(float4 v, global float *out, int m, int q, int end, int k, int block,
                          int depth, int group_in, int group_out)
{
    const float t[4] = {v.x, v.y, v.z, v.w};
    const int ci = m % depth, tap = m / depth;
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (q + i < end && ci / group_in == (q + i - block) / group_out)
            out[(tap * group_in + ci % group_in) * k + q + i] = t[i];
}
#else
RS_INLINE void put_weight(float4 v, global float *out, int m, int q, int end, int k, int block,
                          int depth, int group_in, int group_out)
{
    store_quad(v, out + m * k, q, end);
}
#endif

/* Group (tile, part): the sum over one of the parts of the pixels, to out + part * stride. */
kernel GROUP void conv2d_simt_bwd_params(global const in_t *restrict x,
                                         global const dst_t *restrict dy,
                                         global float *restrict out, CONV_SHAPE_PARAMS, int depth,
                                         int width, int group_in, int group_out, int parts,
                                         ulong stride)
{
    local float4 memory[FACTORS / 4];
    local float *A = (local float *)memory, *B = A + 2 * TK * LDA;
    const int id = get_local_id(0), part = get_group_id(1);
    const int total = rows * cols * depth, pixels = images * oh * ow;
    const int across = DIV_UP(width, TN), tiles = across * DIV_UP(total, TM);
    const int block = (int)get_group_id(0) / tiles, tile = (int)get_group_id(0) - block * tiles;
    const int m0 = tile / across * TM, n0 = block * width + tile % across * TN;
    const int n_end = (block + 1) * width;
    const int first = part_begin(pixels, part, parts), end = part_begin(pixels, part + 1, parts);

    const int ta = id / (TM / 4), ma = id % (TM / 4) * 4;
    const int tb = id / (TN / 4), nb = id % (TN / 4) * 4;
    source s = {.x = x + block * depth,
                .h = h,
                .w = w,
                .c = c,
                .oh = oh,
                .ow = ow,
                .stride_h = stride_h,
                .stride_w = stride_w,
                .pad_top = pad_top,
                .pad_left = pad_left};
    find_digits(TK, oh, ow, &s.step);
#pragma unroll
    for (int j = 0; j < TAPS; j++) {
        digits m;
        find_digits(min(m0 + ma + j, total - 4 / TAPS), cols, depth, &m);
        s.r[j] = m.high;
        s.s[j] = m.mid;
        s.offset[j] = (m.high * w + m.mid) * c + m.low;
    }
#pragma unroll
    for (int i = 0; i < QA; i++)
        find_digits(first + ta + i * (ITEMS / (TM / 4)), oh, ow, &s.at[i]);
    place here;
    find_place(id, &here);
    const int brings_a = BRINGS(id, TM * TK / 4), brings_b = BRINGS(id, TN * TK / 4);

    float4 acc[RM][RN / 4], piece_a[QA], piece_b[QB];
    clear(acc);
    local float *to_a = A + ta * LDA + ma, *to_b = B + tb * LDB + nb;
    if (brings_a) {
        fetch_source(&s, first + ta, end, piece_a);
        put_along(to_a, ITEMS / (TM / 4) * LDA, QA, piece_a);
    }
    if (brings_b) {
        fetch_diff(dy, k, first + tb, end, n0 + nb, n_end, piece_b);
        put_along(to_b, ITEMS / (TN / 4) * LDB, QB, piece_b);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int now = 0;
    for (int p = first; p < end; p += TK) {
        const int more = p + TK < end;
        if (more & brings_a)
            fetch_source(&s, p + TK + ta, end, piece_a);
        if (more & brings_b)
            fetch_diff(dy, k, p + TK + tb, end, n0 + nb, n_end, piece_b);
        multiply(A + now * TK * LDA + here.m, B + now * TK * LDB + here.n, acc);
        now ^= 1;
        if (more & brings_a)
            put_along(to_a + now * TK * LDA, ITEMS / (TM / 4) * LDA, QA, piece_a);
        if (more & brings_b)
            put_along(to_b + now * TK * LDB, ITEMS / (TN / 4) * LDB, QB, piece_b);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    out += part * stride;
#pragma unroll
    for (int i = 0; i < RM; i++) {
        const int m = m0 + TILE_ROW(here, i);
#pragma unroll
        for (int j = 0; j < RN / 4; j++) {
            const int q = n0 + TILE_COL(here, j);
            if (m < total)
                put_weight(acc[i][j], out, m, q, n_end, k, block * width, depth, group_in,
                           group_out);
        }
    }
}
