/* What stands around the products of conv2d_simt.cl.
 *
 * Kernels: conv2d_simt_join (ends split sums), conv2d_simt_pack (weights of groups in blocks). */
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

/* packed[block][tap][channel of src][filter], of blocks of depth x width: the weights of the groups
 * within a block, whose filters read group_in channels and are group_out, and 0 between groups. Item
 * i < count. */
kernel void conv2d_simt_pack(global const float *restrict weight, global float *restrict packed,
                             int count, int taps, int depth, int width, int k, int group_in,
                             int group_out)
{
    const int i = get_global_id(0);
    if (i >= count)
        return;
    const int q = i % width, ci = i / width % depth, tap = i / width / depth % taps;
    const int block = i / width / depth / taps;
    const int same = ci / group_in == q / group_out;
    packed[i] = same ? weight[(tap * group_in + ci % group_in) * k + block * width + q] : 0.0f;
}
