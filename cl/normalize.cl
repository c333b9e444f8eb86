/* Bytes of images to the network's input by a table; src/op/normalize.h has the layout of `block`.
 * A unit is four values, the first of which is of channel 4 u % 3 = u % 3. */
#include "storage.clh"

#define CHANNELS     3
#define TABLE        (CHANNELS * 256)
#define TARGET_ALIGN 64

SPREAD_KERNEL void normalize_images(const global uchar *restrict block,
                                    global dst_t *restrict input, global int *restrict targets,
                                    ulong values, uint words, uint chunk)
{
    const global uchar *bytes = block + TABLE * sizeof(float);
    const global int *from =
        (const global int *)(bytes + (values + TARGET_ALIGN - 1) / TARGET_ALIGN * TARGET_ALIGN);
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
        const uint first = u % CHANNELS;
        const uint second = first == 2 ? 0 : first + 1, third = first == 0 ? 2 : first - 1;
        if (at + 4 <= values) {
            const uchar4 b = *(const global uchar4 *)(bytes + at);
            const float4 v = (float4)(table[first * 256 + b.x], table[second * 256 + b.y],
                                      table[third * 256 + b.z], table[first * 256 + b.w]);
            *(global dst4_t *)(input + at) = float_to_dst(v);
        } else {
            for (size_t i = at; i < values; i++)
                dst_set(table[i % CHANNELS * 256 + bytes[i]], input + i);
        }
    }
    FOR_UNITS(i, words, chunk)
    {
        targets[i] = from[i];
    }
}
