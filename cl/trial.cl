/* Data for operations that are timed or judged alone, and what is asked of their results.
 *
 *   trial_fill     uniform numbers in [-1, 1): number i is 2 u - 1, where u is the upper 24 bits of
 *                  word i % 4 of philox(seed, stream, i / 4); rs_trial_number is its twin
 *   trial_spoil    NaN everywhere, so that what is not written shows
 *   judge_pick     picked[i] = result[index[i]]
 *   judge_digest   for each BLOCK numbers their sum with random weights, and how many of them are not
 *                  finite: sums[2 block], sums[2 block + 1]; a group makes one
 *
 * The weights of a digest are trial_fill's numbers: what is wrong, missing or in another's place
 * changes the sum by about its own size, while roundings nearly cancel. Tensors are stored as the
 * options of dst say; with one of src, trial_fill's are f32 with numbers that its type has. */
#include "storage.clh"

#ifndef WG
#define WG 64
#endif
#ifndef BLOCK
#define BLOCK 4096
#endif

RS_INLINE float4 uniform4(ulong seed, ulong stream, ulong quad)
{
    return convert_float4(philox(seed, stream, quad) >> 8) * 0x1p-23f - 1.0f;
}

#if defined SRC_BF16
#define ROUNDED(x) bf16_to_float(float_to_bf16(x))
#elif defined SRC_F16
#define ROUNDED(x) f16_to_float(float_to_f16(x))
#else
#define ROUNDED(x) (x)
#endif

__kernel void trial_fill(__global dst_t *out, const ulong count, const ulong seed,
                         const ulong stream)
{
    for (ulong q = get_global_id(0); q < (count + 3) / 4; q += get_global_size(0)) {
        const float4 v = uniform4(seed, stream, q);
        const float part[4] = {v.x, v.y, v.z, v.w};
        for (ulong i = 4 * q; i < min(4 * q + 4, count); i++)
            dst_set(ROUNDED(part[i % 4]), out + i);
    }
}

__kernel void trial_spoil(__global dst_t *out, const ulong count)
{
    for (ulong i = get_global_id(0); i < count; i += get_global_size(0))
        dst_set(NAN, out + i);
}

__kernel void judge_pick(__global const dst_t *result, __global const ulong *index,
                         __global float *picked, const uint count)
{
    const uint i = (uint)get_global_id(0);
    if (i < count)
        picked[i] = dst_get(result + index[i]);
}

#define JOIN(i, j)                                                                                 \
    sum[i] += sum[j];                                                                              \
    lost[i] += lost[j]

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
judge_digest(__global const dst_t *result, const ulong count, const ulong seed, const ulong stream,
             __global float *sums)
{
    __local float sum[WG];
    __local uint lost[WG];
    const uint lid = (uint)get_local_id(0);
    const ulong first = get_group_id(0) * (ulong)(BLOCK / 4);
    float mine = 0.0f;
    uint mine_lost = 0;

    for (ulong q = first + lid; q < first + BLOCK / 4 && 4 * q < count; q += WG) {
        const float4 w = uniform4(seed, stream, q);
        __global const dst_t *at = result + 4 * q;
        const float4 v = (float4)(dst_get(at), 4 * q + 1 < count ? dst_get(at + 1) : 0.0f,
                                  4 * q + 2 < count ? dst_get(at + 2) : 0.0f,
                                  4 * q + 3 < count ? dst_get(at + 3) : 0.0f);
        const int4 good = isfinite(v);
        mine += dot(select((float4)(0.0f), v, good), w);
        mine_lost += (uint)(4 + good.x + good.y + good.z + good.w); /* true is -1 */
    }
    sum[lid] = mine;
    lost[lid] = mine_lost;
    LOCAL_TREE(lid, WG, 1, JOIN);
    if (lid == 0) {
        sums[2 * get_group_id(0)] = sum[0];
        sums[2 * get_group_id(0) + 1] = (float)lost[0];
    }
}
