/* Samples of images to the network's input by a table; src/op/normalize.h has the layout of `block`.
 * A unit is four values, of which value k is of channel (4 u + k) % CHANNELS. */
#include "storage.clh"

#ifndef CHANNELS
#define CHANNELS 3
#endif
#ifndef DEEP
#define DEEP 0 /* samples of 16 bits */
#endif
#define TABLE_ROWS   4 /* in the block */
#define TABLE        (CHANNELS * 256)
#define TARGET_ALIGN 64

#if DEEP
typedef ushort sample_t;
typedef ushort4 sample4_t;
#define VALUE(channel, sample)                                                                     \
    fma((float)(sample)*0x1.0001p-16f, table[(channel)*256 + 255] - table[(channel)*256],          \
        table[(channel)*256])
#else
typedef uchar sample_t;
typedef uchar4 sample4_t;
#define VALUE(channel, sample) table[(channel)*256 + (sample)]
#endif

SPREAD_KERNEL void normalize_images(const global uchar *restrict block,
                                    global dst_t *restrict input, global int *restrict targets,
                                    ulong values, uint words, uint chunk)
{
    const global sample_t *samples =
        (const global sample_t *)(block + TABLE_ROWS * 256 * sizeof(float));
    const ulong bytes = values * sizeof(sample_t);
    const global int *from =
        (const global int *)((const global uchar *)samples +
                             (bytes + TARGET_ALIGN - 1) / TARGET_ALIGN * TARGET_ALIGN);
#if SPREAD
    local float table[TABLE];
    for (uint i = get_local_id(0); i < TABLE; i += WG)
        table[i] = ((const global float *)block)[i];
    barrier(CLK_LOCAL_MEM_FENCE);
#else
    const global float *table = (const global float *)block;
#endif
    FOR_UNITS(u, (uint)((values + 3) / 4), chunk)
    {
        const size_t at = (size_t)u * 4;
#if CHANNELS == 4
        const uint first = 0, second = 1, third = 2, fourth = 3;
#else
        const uint first = u % CHANNELS, fourth = first;
        const uint second = first == 2 ? 0 : first + 1, third = first == 0 ? 2 : first - 1;
#endif
        if (at + 4 <= values) {
            const sample4_t s = *(const global sample4_t *)(samples + at);
            const float4 v = (float4)(VALUE(first, s.x), VALUE(second, s.y), VALUE(third, s.z),
                                      VALUE(fourth, s.w));
            *(global dst4_t *)(input + at) = float_to_dst(v);
        } else {
            for (size_t i = at; i < values; i++)
                dst_set(VALUE(i % CHANNELS, samples[i]), input + i);
        }
    }
    FOR_UNITS(i, words, chunk)
    {
        targets[i] = from[i];
    }
}
