/* The probe of a matrix engine: the own functions of engine.clh, engine_x86.clh and engine_arm.clh on numbers of
 * which the host knows the product.
 *
 * Kernel: engine_probe, d[16][16] = 2 * a[16][8 words] * b[8 words][16], by one work-group. */
#define SIDE 16

#if defined ENGINE_X86_BF16 || defined ENGINE_X86_AMX
#include "engine_x86.clh"
#elif defined ENGINE_ARM_BF16
#include "engine_arm.clh"
#endif

#ifdef ENGINE_X86_AMX
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
engine_probe(global const uint *restrict a, global const uint *restrict b, global float *restrict d)
{
    uint A[2 * SIDE * TILE_WORDS];
    vuint B[2 * TILE_WORDS];
    vfloat sum[2 * SIDE][2];
    for (int m = 0; m < 2 * SIDE; m++)
        for (int k = 0; k < TILE_WORDS; k++)
            A[m * TILE_WORDS + k] = a[m % SIDE * 8 + k % 8];
    for (int k = 0; k < TILE_WORDS; k++)
        for (int v = 0; v < 2; v++)
            B[2 * k + v] = vload16(k % 8, b);
    TILES_BEGIN();
    MULTIPLY_WORDS(TILE_WORDS, A, TILE_WORDS, B, sum);
    TILES_END();
    /* Each tile of sums has the product: rows are taken from all in turn. What kernels round is rounded. */
    for (int m = 0; m < SIDE; m++) {
        const vfloat row = sum[m + m / 2 % 2 * SIDE][m % 2];
        const vfloat rest = row - bf16_to_float(ROUND_BF16(row));
        vstore16(bf16_to_float(ROUND_BF16(row)) + rest, m, d);
    }
}
#elif defined ENGINE_X86_BF16

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
engine_probe(global const uint *restrict a, global const uint *restrict b, global float *restrict d)
{
    for (int m = 0; m < SIDE; m++) {
        float16 acc = (float16)(0.0f);
        for (int k = 0; k < 16; k++)
            acc = dot_pairs(acc, (uint16)(a[m * 8 + k % 8]), vload16(k % 8, b));
        vstore16(acc, m, d);
    }
}
#elif defined ENGINE_ARM_BF16

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
engine_probe(global const uint *restrict a, global const uint *restrict b, global float *restrict d)
{
    for (int m = 0; m < SIDE; m += 2)
        for (int n = 0; n < SIDE; n += VW / 2) {
            vfloat sum = VZERO;
            for (int k = 0; k < 16; k += 2) {
                global const uint *row = a + m * 8 + k % 8, *word = b + k % 8 * SIDE + n;
                uint columns[VW];
                for (int q = 0; q < VW; q++)
                    columns[q] = word[q % 2 * SIDE + q / 2];
                sum = multiply_quads(sum, (uint4)(row[0], row[1], row[8], row[9]), VLOAD(columns));
            }
            /* What kernels round is rounded. */
            const vfloat rounded = bf16_to_float(ROUND_BF16(sum));
            float got[VW];
            VSTORE(rounded + (sum - rounded), got);
            for (int q = 0; q < VW; q++)
                d[(m + q / (VW / 2)) * SIDE + n + q % (VW / 2)] = got[q];
        }
}
#else
#include "engine.clh"

kernel __attribute__((reqd_work_group_size(LANES, 1, 1))) WIDTH void
engine_probe(global const uint *restrict a, global const uint *restrict b, global float *restrict d)
{
    local uint A[SIDE * FRAG_K], B[FRAG_K * SIDE];
    local float D[SIDE * SIDE];
#ifdef EMULATE
    local uint exchange[EXCHANGE];
#endif
    const int lane = get_local_id(0);
    for (int i = lane; i < SIDE * FRAG_K; i += LANES) {
        A[i] = a[i];
        B[i] = b[i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int m = 0; m < SIDE; m += FRAG_M)
        for (int n = 0; n < SIDE; n += FRAG_N) {
            uint of_a[A_WORDS], of_b[B_WORDS];
            float sum[D_NUMBERS];
#pragma unroll
            for (int i = 0; i < D_NUMBERS; i++)
                sum[i] = 0.0f;
            load_a(A + m * FRAG_K, FRAG_K, 1, lane, of_a);
            load_b(B + n, SIDE, lane, of_b);
            engine_multiply(sum, of_a, of_b ENGINE_ARG);
            engine_multiply(sum, of_a, of_b ENGINE_ARG);
            store_d(sum, D + m * SIDE + n, SIDE, lane);
        }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = lane; i < SIDE * SIDE; i += LANES)
        d[i] = D[i];
}
#endif
