/* Clipping of gradients that lie in flat arenas, by pieces of `piece` floats; src/op/clip.h has the formulas.
 * Kernels: clip_squares, which puts its sums from partial[at] on, and of whose sums of all arenas
 * tensor_sums_join makes *sum; clip_norm, which multiplies by what follows from it; clip_value. */
#include "tensorsums.clh"

#define PIECE_OF(count, piece)                                                                     \
    ((uint2)(get_group_id(0) * (piece),                                                            \
             min((uint)(piece), (count) - (uint)get_group_id(0) * (piece))))

GROUP_KERNEL void clip_squares(const global float *restrict grad, global float2 *restrict partial,
                               uint count, uint piece, uint at_piece)
{
    local float2 sums[WG];
    const uint2 mine = PIECE_OF(count, piece);
    vfloat gg = VZERO;
    FOR_PIECE(at, mine)
    {
        const vfloat g = gload(grad + at);
        gg = fma(g, g, gg);
    }
    piece_sums(gg, VZERO, sums, partial + at_piece);
}

/* A norm that is not finite makes all of them so, or 0: as in PyTorch. */
GROUP_KERNEL void clip_norm(global float *restrict grad, const global float2 *restrict sum,
                            uint count, uint piece, float most)
{
    const uint2 mine = PIECE_OF(count, piece);
    const float share = most / (sqrt(sum[0].x) + 1e-6f), factor = share > 1.0f ? 1.0f : share;
    FOR_PIECE(at, mine)
    {
        gstore(gload(grad + at) * factor, grad + at);
    }
}

GROUP_KERNEL void clip_value(global float *restrict grad, uint count, uint piece, float most)
{
    const uint2 mine = PIECE_OF(count, piece);
    const vfloat high = (vfloat)(most), low = (vfloat)(-most);
    FOR_PIECE(at, mine)
    {
        const vfloat g = gload(grad + at); /* NaN stays */
        gstore(g > high ? high : g < low ? low : g, grad + at);
    }
}
