/* Gradients of a scaled loss become those of the loss, elementwise over flat arenas;
 * src/nn/lossscale.h says why. Kernel: unscale (`count` and `chunk` are multiples of 16). *overflow
 * becomes 1 where one of them is not finite; the host clears it before. */
#include "common.clh"

SPREAD_KERNEL void unscale(global float *restrict grad, global uint *restrict overflow, uint count,
                           uint chunk, float factor)
{
    vfloat lost = VZERO; /* 1 where a number was not finite: compilers may take 0 times it for 0 */
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const vfloat g = gload(grad + u * VW);
        lost = fabs(g) <= (vfloat)(FLT_MAX) ? lost : (vfloat)(1.0f);
        gstore(g * factor, grad + u * VW);
    }
    if (vsum(lost) > 0.0f)
        atomic_or(overflow, 1u);
}
