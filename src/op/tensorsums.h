/* Sums over each tensor of an arena, on the device, for optimisers whose step depends on norms.
 *
 * The arena is cut into pieces, of which none holds parts of two tensors. A kernel of the optimiser's sums
 * two numbers over each piece, a work-group to a piece (cl/tensorsums.clh), and rs_tensor_sums_join those of
 * each tensor's pieces: always in the same order. */
#ifndef RS_TENSORSUMS_H
#define RS_TENSORSUMS_H

#include "op.h"

#define RS_PIECE 4096 /* floats at most */

/* A tensor's place in its arena in floats; both are multiples of RS_OPTIM_GRAIN (optim.h). */
typedef struct rs_tensor_span {
    size_t offset, count;
} rs_tensor_span;

typedef struct rs_tensor_sums {
    size_t pieces, tensors;
    rs_buffer *piece;   /* uint4 of each: offset, floats, tensor, 0 */
    rs_buffer *first;   /* uint: of each tensor its first piece, and behind them `pieces` */
    rs_buffer *partial; /* float2 of each piece */
    rs_buffer *sum;     /* float2 of each tensor */
} rs_tensor_sums;

/* {0} is empty, and may be given to fini. */
rescl_status rs_tensor_sums_init(rescl_device *dev, const rs_tensor_span *tensors, size_t count,
                                 rs_tensor_sums *out) RESCL_CHECK;
void rs_tensor_sums_fini(rs_tensor_sums *s);

/* A group for each piece, and the options of a kernel that takes them; room for RS_PIECES_OPTIONS. */
#define RS_PIECES_OPTIONS 160
rs_grid rs_pieces_grid(rescl_device *dev, size_t pieces);
const char *rs_pieces_options(rescl_device *dev, char text[RS_PIECES_OPTIONS]);

/* Enqueues on the kernel tensor_sums_join of such a file: `sum` from `partial`. */
rescl_status rs_tensor_sums_join(rescl_device *dev, rs_kernel *join, const rs_tensor_sums *s)
    RESCL_CHECK;

#endif
