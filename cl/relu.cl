/* Rectified linear unit, elementwise: dst = max(src, 0); diff_src = diff_dst where dst > 0, else 0.
 * NaN passes through both ways. Kernels: relu_fwd, relu_bwd_data. `chunk` is a multiple of 16. */
#include "storage.clh"

SPREAD_KERNEL void relu_fwd(const global src_t *restrict src, global dst_t *restrict dst,
                            uint count, uint chunk)
{
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint n = min((uint)VW, count - u * VW);
        const vfloat v = src_load_part(src + u * VW, n);
        dst_store_part(v < VZERO ? VZERO : v, dst + u * VW, n);
    }
}

SPREAD_KERNEL void relu_bwd_data(const global dst_t *restrict dst,
                                 const global dst_t *restrict diff_dst,
                                 global src_t *restrict diff_src, uint count, uint chunk,
                                 int accumulate)
{
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint n = min((uint)VW, count - u * VW);
        const vfloat y = dst_load_part(dst + u * VW, n), d = dst_load_part(diff_dst + u * VW, n);
        src_put_part(y <= VZERO ? VZERO : d, diff_src + u * VW, n, accumulate);
    }
}
