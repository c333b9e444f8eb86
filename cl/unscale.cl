/* Gradients of a scaled loss become those of the loss, elementwise over flat arenas;
 * src/nn/lossscale.h says why. Kernel: unscale (`count` and `chunk` are multiples of 16). *overflow
 * becomes 1 where one of them is not finite; the host clears it before. */
#include "common.clh"

SPREAD_KERNEL void unscale(global float *restrict grad, global uint *restrict overflow, uint count,
                           uint chunk, float factor)
{
    vfloat lost = VZERO; /* 0 times what is not finite is NaN */
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const vfloat g = gload(grad + u * VW);
        lost = fma(g, VZERO, lost);
        gstore(g * factor, grad + u * VW);
    }
    if (isnan(vsum(lost)))
        atomic_or(overflow, 1u);
}
