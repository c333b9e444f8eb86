/* Adam and AdamW, elementwise over flat arenas; src/op/optim_adam.c has the formula.
 * Kernel: optim_adam. `chunk` is a multiple of 16.
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
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint at = u * VW, n = min((uint)VW, count - at);
        const vfloat w = load_part(param + at, n);
        const vfloat g = fma((vfloat)(weight_decay), w, load_part(grad + at, n));
        const vfloat m0 = load_part(mean + at, n);
        const vfloat m = fma((vfloat)(gain1), g - m0, m0);
        const vfloat v = fma(gain2 * g, g, beta2 * load_part(square + at, n));
        store_part(m, mean + at, n);
        store_part(v, square + at, n);
        const vfloat d = fma(sqrt(v), (vfloat)(inv_bias2), (vfloat)(eps));
        store_part(fma((vfloat)(-step_size), m / d, w * shrink), param + at, n);
    }
}
