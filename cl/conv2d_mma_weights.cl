/* Convolution by matrix engines: backward weights as an implicit matrix product, in the tiles of
 * conv2d_mma.clh. Rows are (r, s, channel of src), columns filters, and the sum runs over the output pixels,
 * of which as many as a word holds numbers are joined on their way into local memory. Layout: NHWC, RSCK.
 *
 * Kernel: conv2d_mma_bwd_params, with the parameters of conv2d_simt_bwd_params. */
#include "conv2d_mma.clh"

#define WIDE    (4 * PER)        /* numbers of 16 bytes */
#define UNITS_A (TM * TK / WIDE) /* so many rows of one word of a step */
#define UNITS_B (TN * TK / WIDE)
#define QA      SOME(UNITS_A)
#define QB      SOME(UNITS_B)

/* What an item brings of the source: of some words of a step, WIDE rows, which are channels of a tap. */
typedef struct source {
    global const in_t *x;
    int h, w, c, oh, ow, stride_h, stride_w;
    int top, left, channel; /* of a pixel's window */
    digits step;
    digits at[QA]; /* the words' first pixels */
} source;

/* Of the pixels from p on up to `end`; goes on to the next step's. */
RS_INLINE void fetch_source(source *s, int p, int end, uint4 piece[QA][PER])
{
    const digits one = {0, 0, 1};
#pragma unroll
    for (int i = 0; i < QA; i++) {
        digits at = s->at[i];
#pragma unroll
        for (int k = 0; k < PER; k++) {
            const int top = at.mid * s->stride_h + s->top, left = at.low * s->stride_w + s->left;
            const int inside = p + i * (ITEMS / (TM / WIDE)) * PER + k < end &&
                               (uint)top < (uint)s->h && (uint)left < (uint)s->w;
            piece[i][k] =
                inside ? WORD4(global const,
                               s->x + ((at.high * s->h + top) * s->w + left) * s->c + s->channel)
                       : (uint4)(0);
            add_digits(&at, one, s->oh, s->ow);
        }
        add_digits(&s->at[i], s->step, s->oh, s->ow);
    }
}

/* Channels q to q + WIDE of diff_dst's pixels, 0 from channel k on. */
RS_INLINE void fetch_diff(global const dst_t *dy, int k, int p, int end, int q,
                          uint4 piece[QB][PER])
{
#pragma unroll
    for (int i = 0; i < QB; i++)
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const int at = p + i * (ITEMS / (TN / WIDE)) * PER + j;
            piece[i][j] = at < end && q < k ? WORD4(global const, dy + at * k + q) : (uint4)(0);
        }
}

/* The numbers of a word's pixels, side by side in it, to WIDE words from `to` on. */
RS_INLINE void put_words(local uint *to, const uint4 piece[PER])
{
#if PER == 1
    WORD4(local, to) = factors(piece[0]);
#else
    const uint4 a = piece[0], b = piece[1];
    const uint4 low = (a & 0xffffu) | b << 16, high = a >> 16 | (b & 0xffff0000u);
    WORD4(local, to) = (uint4)(low.x, high.x, low.y, high.y);
    WORD4(local, to + 4) = (uint4)(low.z, high.z, low.w, high.w);
#endif
}

/* Group (tile, part): the sum over one of the parts of the pixels, to out + part * stride. */
kernel GROUP void conv2d_mma_bwd_params(global const in_t *restrict x,
                                        global const dst_t *restrict dy, global float *restrict out,
                                        CONV_SHAPE_PARAMS, int depth, int width, int group_in,
                                        int group_out, int parts, ulong stride)
{
    local uint4 memory[WORDS(2 * TK * (LDW + LDB)) / 4];
    local uint *A = (local uint *)memory, *B = A + 2 * TK * LDW;
#ifdef EMULATE
    local uint exchange[SUBS_M * SUBS_N * EXCHANGE];
#endif
    const int id = get_local_id(0), piece_of = get_group_id(1);
    const int total = rows * cols * depth, pixels = images * oh * ow, tiles = DIV_UP(width, TN);
    const int m0 = (int)get_group_id(0) / tiles * TM, n0 = (int)get_group_id(0) % tiles * TN;
    const int first = part_begin(pixels, piece_of, parts);
    const int end = part_begin(pixels, piece_of + 1, parts);

    const int ta = id / (TM / WIDE), ma = id % (TM / WIDE) * WIDE;
    const int tb = id / (TN / WIDE), nb = id % (TN / WIDE) * WIDE;
    digits tap;
    find_digits(min(m0 + ma, total - WIDE), cols, depth, &tap);
    source s = {.x = x,
                .h = h,
                .w = w,
                .c = c,
                .oh = oh,
                .ow = ow,
                .stride_h = stride_h,
                .stride_w = stride_w,
                .top = tap.high - pad_top,
                .left = tap.mid - pad_left,
                .channel = tap.low};
    find_digits(TK * PER, oh, ow, &s.step);
#pragma unroll
    for (int i = 0; i < QA; i++)
        find_digits(first + (ta + i * (ITEMS / (TM / WIDE))) * PER, oh, ow, &s.at[i]);
    const int brings_a = BRINGS(id, UNITS_A), brings_b = BRINGS(id, UNITS_B);
    part here;
    find_part(id, &here);

    float sum[FM][FN][D_NUMBERS];
    uint4 piece_a[QA][PER], piece_b[QB][PER];
    clear_fragments(sum);
    local uint *to_a = A + ta * LDW + ma, *to_b = B + tb * LDB + nb;
#define FETCH(p)                                                                                   \
    do {                                                                                           \
        if (brings_a)                                                                              \
            fetch_source(&s, (p) + ta * PER, end, piece_a);                                        \
        if (brings_b)                                                                              \
            fetch_diff(dy, k, (p) + tb * PER, end, n0 + nb, piece_b);                              \
    } while (0)
#define PUT(now)                                                                                   \
    do {                                                                                           \
        _Pragma("unroll") for (int i = 0; i < QA; i++) if (brings_a)                               \
            put_words(to_a + ((now)*TK + i * (ITEMS / (TM / WIDE))) * LDW, piece_a[i]);            \
        _Pragma("unroll") for (int i = 0; i < QB; i++) if (brings_b)                               \
            put_words(to_b + ((now)*TK + i * (ITEMS / (TN / WIDE))) * LDB, piece_b[i]);            \
    } while (0)
    FETCH(first);
    PUT(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    int now = 0;
    for (int p = first; p < end; p += TK * PER) {
        const int more = p + TK * PER < end;
        if (more)
            FETCH(p + TK * PER);
        multiply(A + now * TK * LDW, 1, LDW, B + now * TK * LDB, here, sum ENGINE_ARG);
        now ^= 1;
        if (more)
            PUT(now);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    place mine;
    float4 acc[RM][RN / 4];
    find_place(id, &mine);
    pass_on(sum, (local float *)memory, here, mine, acc);
    out += piece_of * stride;
#pragma unroll
    for (int i = 0; i < RM; i++) {
        const int m = m0 + TILE_ROW(mine, i);
        if (m < total)
            store_quad(acc[i][0], out + m * k, n0 + TILE_COL(mine, 0), width);
    }
}
