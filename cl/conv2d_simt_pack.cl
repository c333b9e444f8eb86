/* The weights of groups in blocks, for the products of conv2d_simt.cl.
 *
 * Kernel: conv2d_simt_pack. */
#include "common.clh"

/* packed[block][tap][channel of src][filter], of blocks of depth x width: the weights of the groups
 * within a block, whose filters read group_in channels and are group_out, and 0 between groups. Item
 * i < count. */
kernel WIDTH void conv2d_simt_pack(global const float *restrict weight,
                                   global float *restrict packed, int count, int taps, int depth,
                                   int width, int k, int group_in, int group_out)
{
    const int i = get_global_id(0);
    if (i >= count)
        return;
    const int q = i % width, ci = i / width % depth, tap = i / width / depth % taps;
    const int block = i / width / depth / taps;
    const int same = ci / group_in == q / group_out;
    packed[i] = same ? weight[(tap * group_in + ci % group_in) * k + block * width + q] : 0.0f;
}
