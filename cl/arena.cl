/* What is done with whole arenas of parameters or gradients, elementwise; src/op/arena.h says what. `count`
 * and `chunk` are multiples of 16. */
#include "common.clh"

#define ARENA_KERNEL(name)                                                                         \
    SPREAD_KERNEL void arena_##name(global float *restrict a, global float *restrict b,            \
                                    uint count, uint chunk, float gain)

ARENA_KERNEL(add)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        gstore(gload(a + u * VW) + gload(b + u * VW), a + u * VW);
    }
}

ARENA_KERNEL(average)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const vfloat mean = gload(a + u * VW);
        gstore(fma((vfloat)(gain), gload(b + u * VW) - mean, mean), a + u * VW);
    }
}

ARENA_KERNEL(swap)
{
    FOR_UNITS(u, count / VW, chunk / VW)
    {
        const vfloat x = gload(a + u * VW), y = gload(b + u * VW);
        gstore(y, a + u * VW);
        gstore(x, b + u * VW);
    }
}
