/* Dropout: out = in * (kept ? scale : 0); element i is kept where the upper 24 bits of word i % 4
 * of philox(seed, stream, base + i / 4) are at least `threshold`. Forward and backward apply one
 * mask. Kernels: dropout_fwd, dropout_bwd_data. `chunk` is a multiple of 4. */
#include "common.clh"

RS_INLINE void apply_mask(const global float *in, global float *out, uint count, uint chunk,
                          ulong seed, ulong stream, ulong base, uint threshold, float scale,
                          int accumulate)
{
    FOR_UNITS(u, (count + 3) / 4, chunk / 4)
    {
        const uint4 word = philox(seed, stream, base + u);
        const float4 mask = select((float4)(0.0f), (float4)(scale), (word >> 8) >= threshold);
#ifdef ALIGNED
        const global float4 *from = (const global float4 *)in + u;
        global float4 *to = (global float4 *)out + u;
        *to = (accumulate ? *to : (float4)(0.0f)) + *from * mask;
#else
        const float m[4] = {mask.x, mask.y, mask.z, mask.w};
        const uint n = min(4u, count - 4 * u);
        for (uint i = 0; i < n; i++) {
            const uint at = 4 * u + i;
            out[at] = (accumulate ? out[at] : 0.0f) + in[at] * m[i];
        }
#endif
    }
}

SPREAD_KERNEL void dropout_fwd(const global float *restrict src, global float *restrict dst,
                               uint count, uint chunk, ulong seed, ulong stream, ulong base,
                               uint threshold, float scale, int accumulate)
{
    apply_mask(src, dst, count, chunk, seed, stream, base, threshold, scale, accumulate);
}

SPREAD_KERNEL void dropout_bwd_data(const global float *restrict diff_dst,
                                    global float *restrict diff_src, uint count, uint chunk,
                                    ulong seed, ulong stream, ulong base, uint threshold,
                                    float scale, int accumulate)
{
    apply_mask(diff_dst, diff_src, count, chunk, seed, stream, base, threshold, scale, accumulate);
}
