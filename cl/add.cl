/* Residual add, elementwise: dst = src0 + src1; each wanted diff_src = diff_dst.
 * Kernels: add_fwd, add_bwd_data. `chunk` is a multiple of 16. */
#include "storage.clh"

SPREAD_KERNEL void add_fwd(const global src_t *restrict src0, const global src_t *restrict src1,
                           global dst_t *restrict dst, uint count, uint chunk)
{
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint n = min((uint)VW, count - u * VW);
        dst_store_part(src_load_part(src0 + u * VW, n) + src_load_part(src1 + u * VW, n),
                       dst + u * VW, n);
    }
}

SPREAD_KERNEL void add_bwd_data(const global dst_t *restrict diff_dst, global src_t *diff_src0,
                                global src_t *diff_src1, uint count, uint chunk, uint flags)
{
    FOR_UNITS(u, (count + VW - 1) / VW, chunk / VW)
    {
        const uint n = min((uint)VW, count - u * VW);
        const vfloat d = dst_load_part(diff_dst + u * VW, n);
        if (flags & DIFF_WANTED(0))
            src_put_part(d, diff_src0 + u * VW, n, flags & DIFF_ADDED(0));
        if (flags & DIFF_WANTED(1))
            src_put_part(d, diff_src1 + u * VW, n, flags & DIFF_ADDED(1));
    }
}
