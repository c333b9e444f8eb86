/* Adam and AdamW, elementwise over flat arenas; src/op/optim_adam.c has the formula.
 * Kernel: optim_adam. `count` and `chunk` are multiples of 16.
 *
 * step_size = lr / (1 - beta1^t); inv_bias2 = 1 / sqrt(1 - beta2^t); shrink: 1 - lr * weight decay
 * for AdamW. gain1 = 1 - beta1, gain2 = 1 - beta2, rounded once from double. */
#include "common.clh"

SPREAD_KERNEL void optim_adam(global float *restrict param, const global float *restrict grad,
                              global float *restrict mean, global float *restrict square,
                              uint count, uint chunk, float step_size, float gain1, float beta2,
                              float gain2, float inv_bias2, float eps, float weight_decay,
                              float shrink)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const uint at = u * VW;
        const vfloat w = gload(param + at);
        const vfloat g = fma((vfloat)(weight_decay), w, gload(grad + at));
        const vfloat m0 = gload(mean + at);
        const vfloat m = fma((vfloat)(gain1), g - m0, m0);
        const vfloat v = fma(gain2 * g, g, beta2 * gload(square + at));
        gstore(m, mean + at);
        gstore(v, square + at);
        const vfloat d = fma(sqrt(v), (vfloat)(inv_bias2), (vfloat)(eps));
        gstore(fma((vfloat)(-step_size), m / d, w * shrink), param + at);
    }
}
