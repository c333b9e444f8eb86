/* What the device can do at most: fused multiply-adds in registers, reading and writing memory.
 *
 *   peak_fma     independent chains x = fma(x, a, b) of vectors per work-item, 48 x `loops` in all
 *   peak_read    the sum of `count` floats
 *   peak_triad   a[i] = b[i] + s * c[i]
 *   peak_copy    a[i] = b[i]
 *   peak_local   8 x `loops` vectors of local memory, combined by exclusive or
 *   peak_launch  adds 1 to a number
 *
 * Every chain depends on its own last value, a and b come from the host, and the sum of all chains
 * is stored: nothing can be left out or folded. A CPU's work-item takes a contiguous part of the
 * arrays; a GPU's neighbours read neighbouring vectors. */
#include "common.clh"

/* Enough chains to cover latency x units (4 x 2 to 5 x 2 cycles on CPUs), few enough for 16 vector
 * registers. A GPU covers latency by other work-items, whose registers lie in the same file. Separate
 * variables, not an array, so that they are registers under any compiler. */
#ifdef RS_CPU
#define CHAINS(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define STEPS     CHAINS(STEP) CHAINS(STEP) CHAINS(STEP) CHAINS(STEP)
#else
#define CHAINS(M)  M(0) M(1) M(2) M(3)
#define FOUR_STEPS CHAINS(STEP) CHAINS(STEP) CHAINS(STEP) CHAINS(STEP)
#define STEPS      FOUR_STEPS FOUR_STEPS FOUR_STEPS
#endif
#define START(k) vfloat x##k = (vfloat)((float)(id + k) * 1e-6f);
#define STEP(k)  x##k = fma(x##k, va, vb);
#define ADD(k)   sum += x##k;

__kernel void peak_fma(__global float *out, const float a, const float b, const int loops)
{
    const int id = (int)get_global_id(0);
    const vfloat va = (vfloat)(a), vb = (vfloat)(b);
    vfloat sum = VZERO;

    CHAINS(START)
    for (int i = 0; i < loops; i++) {
        STEPS
    }
    CHAINS(ADD)
    VSTORE(sum, out + (size_t)id * VW);
}

/* The vectors first, first + step, ... below end are this work-item's. */
#ifdef RS_CPU
#define SPAN(vectors)                                                                              \
    const size_t items = get_global_size(0), each = ((vectors) + items - 1) / items;               \
    const size_t first = get_global_id(0) * each;                                                  \
    const size_t end = min(first + each, (size_t)(vectors)), step = 1
#else
#define SPAN(vectors)                                                                              \
    const size_t first = get_global_id(0), end = (vectors), step = get_global_size(0)
#endif

__kernel void peak_read(__global const float *src, __global float *out, const ulong vectors)
{
    SPAN(vectors);
    vfloat s0 = VZERO, s1 = VZERO, s2 = VZERO, s3 = VZERO;
    size_t i = first;

    for (; i + 3 * step < end; i += 4 * step) {
        s0 += gload(src + i * VW);
        s1 += gload(src + (i + step) * VW);
        s2 += gload(src + (i + 2 * step) * VW);
        s3 += gload(src + (i + 3 * step) * VW);
    }
    for (; i < end; i += step)
        s0 += gload(src + i * VW);
    gstore((s0 + s1) + (s2 + s3), out + get_global_id(0) * VW);
}

__kernel void peak_triad(__global float *restrict a, __global const float *restrict b,
                         __global const float *restrict c, const float s, const ulong vectors)
{
    SPAN(vectors);
    for (size_t i = first; i < end; i += step)
        gstore(fma((vfloat)(s), gload(c + i * VW), gload(b + i * VW)), a + i * VW);
}

__kernel void peak_copy(__global float *restrict a, __global const float *restrict b,
                        const ulong vectors)
{
    SPAN(vectors);
    for (size_t i = first; i < end; i += step)
        gstore(gload(b + i * VW), a + i * VW);
}

/* `vectors`, a power of two, lie in `tile`: vector i is i times a large odd number in every lane. A
 * group's neighbours read neighbouring vectors, each from another place in every turn. */
__kernel void peak_local(__global uint *out, __local vuint *tile, const int vectors,
                         const int loops)
{
    const int place = (int)get_local_id(0), group = (int)get_local_size(0), mask = vectors - 1;
    vuint x0 = (vuint)(0u), x1 = x0, x2 = x0, x3 = x0;
    int at = place;

    for (int i = place; i < vectors; i += group)
        tile[i] = (vuint)((uint)i * 2654435761u);
    barrier(CLK_LOCAL_MEM_FENCE);
#define TAKE(x)                                                                                    \
    x ^= tile[at & mask];                                                                          \
    at += group;
    for (int i = 0; i < loops; i++) {
        TAKE(x0) TAKE(x1) TAKE(x2) TAKE(x3) TAKE(x0) TAKE(x1) TAKE(x2) TAKE(x3) at &= mask;
    }
    VSTORE((x0 ^ x1) ^ (x2 ^ x3), out + get_global_id(0) * VW);
}

__kernel void peak_launch(__global uint *count)
{
    count[0] += 1u;
}
