/* RMSprop, elementwise over flat arenas; src/op/optim_rmsprop.c has the formula.
 * Kernel: optim_rmsprop (mean is null unless centered, velocity without momentum). `count` and `chunk` are
 * multiples of 16. gain = 1 - alpha, rounded once from double. */
#include "common.clh"

SPREAD_KERNEL void optim_rmsprop(global float *restrict param, const global float *restrict grad,
                                 global float *restrict square, global float *restrict mean,
                                 global float *restrict velocity, uint count, uint chunk, float lr,
                                 float alpha, float gain, float eps, float momentum,
                                 float weight_decay)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const uint at = u * VW;
        const vfloat w = gload(param + at);
        vfloat g = fma((vfloat)(weight_decay), w, gload(grad + at));
        const vfloat s = fma(gain * g, g, alpha * gload(square + at));
        gstore(s, square + at);
        vfloat spread = s;
        if (mean) {
            const vfloat m0 = gload(mean + at), m = fma((vfloat)(gain), g - m0, m0);
            gstore(m, mean + at);
            spread = fmax(fma(-m, m, s), VZERO);
        }
        g = g / (sqrt(spread) + eps);
        if (velocity) {
            g = fma((vfloat)(momentum), gload(velocity + at), g);
            gstore(g, velocity + at);
        }
        gstore(fma((vfloat)(-lr), g, w), param + at);
    }
}
