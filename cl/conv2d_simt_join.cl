/* Ends split sums of the products of conv2d_simt.cl.
 *
 * Kernel: conv2d_simt_join. */
#include "conv2d_simt.clh"

/* Adds the `parts` partial sums, `stride` floats apart, of `count` pixels of k channels, in this
 * order, and ends them as the product would have. Group (tile). */
kernel GROUP void conv2d_simt_join(global const float *restrict partial,
                                   global const float *restrict bias,
                                   global const src_t *restrict residual, global out_t *restrict y,
                                   global float *restrict moments, int count, int k, int parts,
                                   ulong stride, int accumulate, int relu NORM_PARAMS)
{
#if defined MOMENTS || defined NORM
    local float4 work[SUMS / 4];
#endif
    const int tiles = DIV_UP(k, TN), row = (int)get_group_id(0) / tiles;
    const int n0 = ((int)get_group_id(0) - row * tiles) * TN, p0 = row * TM;
    place here;
    find_place(get_local_id(0), &here);
    float4 acc[RM][RN / 4];
    int to[RM];
    clear(acc);
#pragma unroll
    for (int i = 0; i < RM; i++) {
        const int p = p0 + TILE_ROW(here, i);
        to[i] = p < count ? p * k : -1;
    }
    for (int part = 0; part < parts; part++, partial += stride)
#pragma unroll
        for (int i = 0; i < RM; i++)
#pragma unroll
            for (int j = 0; j < RN / 4; j++)
                if (to[i] >= 0)
                    acc[i][j] += load_quad(partial + to[i], n0 + TILE_COL(here, j), k);
    const epilogue e = {bias, residual, accumulate, relu};
    put_tile(acc, to, y, here, n0, k, e);
#ifdef MOMENTS
    put_moments(acc, (local float *)work, here, moments, k, n0, k, row, DIV_UP(count, TM),
                min(TM, count - p0));
#endif
#ifdef NORM
    put_sums(acc, to, (local float *)work, here, sums, NORM_OF_PARAMS, k, n0, k, row);
#endif
}
