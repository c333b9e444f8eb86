/* Convolution by matrix engines: forward and backward data as implicit matrix products, in the tiles of
 * conv2d_mma.clh. Rows are the pixels of a grid (conv2d.clh), columns output channels, and the sum runs over
 * (row, column, channel) of the window, of whose `depth` channels each step takes some that are whole words.
 * Layout: NHWC.
 *
 * Kernels: conv2d_mma_product, with BWD, MOMENTS, NORM and the parameters of conv2d_simt_product, but for
 * the weights, which conv2d_mma_pack writes as words [tap][depth words][width]. */
#include "conv2d_mma.clh"

#define QA          SOME(TM *TK / 4)
#define QB          SOME(TN *TK / 4)
#define WHOLE_STEPS 1
#include "conv2d_window.clh"

RS_INLINE void fetch_source(const source *s, digits at, uint4 piece[QA])
{
#pragma unroll
    for (int i = 0; i < QA; i++)
        piece[i] = in_map(s, i, at) ? WORD4(global const, source_at(s, i, at)) : (uint4)(0);
}

/* Four columns from p + column on of each of QB rows of words; 0 from `width` on. */
RS_INLINE void fetch_weights(global const uint *p, int column, int width, uint4 piece[QB])
{
#pragma unroll
    for (int i = 0; i < QB; i++)
        piece[i] = column < width ? WORD4(global const, p + i * (ITEMS / (TN / 4)) * width + column)
                                  : (uint4)(0);
}

RS_INLINE void put_source(local uint *to, const uint4 piece[QA])
{
#pragma unroll
    for (int i = 0; i < QA; i++)
        WORD4(local, to + i * (ITEMS / (TK / 4)) * LDA) = factors(piece[i]);
}

RS_INLINE void put_weights(local uint *to, const uint4 piece[QB])
{
#pragma unroll
    for (int i = 0; i < QB; i++)
        WORD4(local, to + i * (ITEMS / (TN / 4)) * LDB) = piece[i];
}

/* Group (tile, residue of the stride, part), as conv2d_simt_product has them. */
kernel GROUP void conv2d_mma_product(global const in_t *restrict x,
                                     global const uint *restrict weight,
                                     global const float *restrict bias,
                                     global const src_t *restrict residual,
                                     global out_t *restrict y, global float *restrict moments,
                                     CONV_SHAPE_PARAMS, int depth, int width, int parts,
                                     ulong stride, int accumulate, int relu NORM_PARAMS)
{
    local uint4 memory[WORDS(2 * (TM * LDA + TK * LDB)) / 4];
    local uint *A = (local uint *)memory, *B = A + 2 * TM * LDA;
#ifdef EMULATE
    local uint exchange[SUBS_M * SUBS_N * EXCHANGE];
#endif
    const int id = get_local_id(0), piece_of = get_group_id(2);
    const int tiles = DIV_UP(width, TN);
    const int row = (int)get_group_id(0) / tiles, n0 = ((int)get_group_id(0) - row * tiles) * TN;
    const int p0 = row * TM;
    axis down, across;
    find_axis(oh, rows, stride_h, pad_top, (int)get_group_id(1) / stride_w, &down);
    find_axis(ow, cols, stride_w, pad_left, (int)get_group_id(1) % stride_w, &across);
    const int count = images * down.pixels * across.pixels;

    const int window = max(across.taps, 1), total = down.taps * across.taps * depth;
    const int steps = p0 < count ? total / (TK * PER) : 0;
    const int first = parts > 1 ? part_begin(steps, piece_of, parts) : 0;
    const int last = parts > 1 ? part_begin(steps, piece_of + 1, parts) : steps;
    digits at, step_digits;
    find_digits(first * TK * PER, window, depth, &at);
    find_digits(TK * PER, window, depth, &step_digits);

    const int ka = id % (TK / 4) * 4, ma = id / (TK / 4);
    const int kb = id / (TN / 4), nb = id % (TN / 4) * 4;
    source s = {.x = x, .h = h, .w = w, .c = c, .taps = down.taps, .cols = window};
    find_windows(&s, &down, &across, p0 + ma, ITEMS / (TK / 4), count, ka * PER);
    local uint *to_a = A + ma * LDA + ka, *to_b = B + kb * LDB + nb;
    const int brings_a = BRINGS(id, TM * TK / 4), brings_b = BRINGS(id, TN * TK / 4);
    part here;
    find_part(id, &here);

    float sum[FM][FN][D_NUMBERS];
    uint4 piece_a[QA], piece_b[QB];
    clear_fragments(sum);
#define FETCH()                                                                                    \
    do {                                                                                           \
        const int tap =                                                                            \
            (down.tap0 + at.high * down.tap_step) * cols + across.tap0 + at.mid * across.tap_step; \
        if (brings_a)                                                                              \
            fetch_source(&s, at, piece_a);                                                         \
        if (brings_b)                                                                              \
            fetch_weights(weight + ((tap * depth + at.low) / PER + kb) * width, n0 + nb, width,    \
                          piece_b);                                                                \
    } while (0)
#define PUT(now)                                                                                   \
    do {                                                                                           \
        if (brings_a)                                                                              \
            put_source(to_a + (now)*TM * LDA, piece_a);                                            \
        if (brings_b)                                                                              \
            put_weights(to_b + (now)*TK * LDB, piece_b);                                           \
    } while (0)
    if (first < last) {
        FETCH();
        PUT(0);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int now = 0;
    for (int step = first; step < last; step++) {
        const int more = step + 1 < last;
        add_digits(&at, step_digits, window, depth);
        if (more)
            FETCH();
        multiply(A + now * TM * LDA, LDA, 1, B + now * TK * LDB, here, sum ENGINE_ARG);
        now ^= 1;
        if (more)
            PUT(now);
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    place mine;
    float4 acc[RM][RN / 4];
    int to[RM];
    find_place(id, &mine);
    pass_on(sum, (local float *)memory, here, mine, acc);
    find_rows(to, &down, &across, mine, p0, count, oh, ow, k);
    const epilogue e = {bias, residual, accumulate, relu};
    put_tile(acc, to, y + piece_of * stride, mine, n0, width, e);
#ifdef MOMENTS
    put_moments(acc, (local float *)memory, mine, moments, k, n0, width, row, DIV_UP(count, TM),
                min(TM, count - p0));
#endif
#ifdef NORM
    put_sums(acc, to, (local float *)memory, mine, sums, NORM_OF_PARAMS, k, n0, width,
             (int)get_group_id(1) * ((int)get_num_groups(0) / tiles) + row);
#endif
}

/* Of filters that read c channels and are k: the words of one tap after the other, along the sum. */
RS_INLINE uint pack_word(float first, float second)
{
#if defined MMA_TF32
    return to_tf32(first);
#elif defined MMA_BF16
    return float_to_bf16(first) | (uint)float_to_bf16(second) << 16;
#else
    return float_to_f16(first) | (uint)float_to_f16(second) << 16;
#endif
}

/* packed[tap][word][q] of `count` words: weight[tap][channel of the word][q], q < width; in backward data
 * weight[tap][q][channel of the word]. Item i < count. */
kernel WIDTH void conv2d_mma_pack(global const float *restrict weight, global uint *restrict packed,
                                  int count, int depth, int width)
{
    const int i = get_global_id(0), q = i % width, channel = i / width % (depth / PER) * PER;
    if (i >= count)
        return;
#ifdef BWD
    const int step = 1;
    global const float *from = weight + (i / width / (depth / PER) * width + q) * depth + channel;
#else
    const int step = width;
    global const float *from = weight + (i / width * PER) * width + q;
#endif
    packed[i] = pack_word(from[0], from[(PER - 1) * step]);
}
