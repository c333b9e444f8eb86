/* SGD, elementwise over flat arenas; src/op/optim_sgd.c has the formula.
 * Kernel: optim_sgd (velocity is null without momentum). `count` and `chunk` are multiples of 16. */
#include "common.clh"

SPREAD_KERNEL void optim_sgd(global float *restrict param, const global float *restrict grad,
                             global float *restrict velocity, uint count, uint chunk, float lr,
                             float momentum, int nesterov, float weight_decay)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const uint at = u * VW;
        const vfloat w = gload(param + at);
        vfloat g = fma((vfloat)(weight_decay), w, gload(grad + at));
        if (velocity) {
            const vfloat v = fma((vfloat)(momentum), gload(velocity + at), g);
            gstore(v, velocity + at);
            g = nesterov ? fma((vfloat)(momentum), v, g) : v;
        }
        gstore(fma((vfloat)(-lr), g, w), param + at);
    }
}
