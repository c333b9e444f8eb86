/* SGD, elementwise over flat arenas; src/op/optim_sgd.c has the formula.
 * Kernel: optim_sgd (velocity is null without momentum). `chunk` is a multiple of 16. */
#include "common.clh"

SPREAD_KERNEL void optim_sgd(global float *restrict param, const global float *restrict grad,
                             global float *restrict velocity, uint count, uint chunk, float lr,
                             float momentum, int nesterov, float weight_decay)
{
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint at = u * VW, n = min((uint)VW, count - at);
        const vfloat w = load_part(param + at, n);
        vfloat g = fma((vfloat)(weight_decay), w, load_part(grad + at, n));
        if (velocity) {
            const vfloat v = fma((vfloat)(momentum), load_part(velocity + at, n), g);
            store_part(v, velocity + at, n);
            g = nesterov ? fma((vfloat)(momentum), v, g) : v;
        }
        store_part(fma((vfloat)(-lr), g, w), param + at, n);
    }
}
