/* What is done with whole arenas of parameters or gradients, elementwise. */
#ifndef RS_ARENA_H
#define RS_ARENA_H

#include "cldevice.h"

typedef enum rs_arena_op {
    RS_ARENA_ADD,     /* a += b */
    RS_ARENA_AVERAGE, /* a += gain * (b - a): a moving average */
    RS_ARENA_SWAP,    /* a becomes b, and b a */
    RS_ARENA_OPS
} rs_arena_op;

/* As rs_support_arena calls them: "arena_add". */
const char *rs_arena_choice(rs_arena_op op);
rescl_status rs_arena_kernel(rescl_device *dev, rs_arena_op op, rs_kernel **out) RESCL_CHECK;
/* Enqueues on a kernel that rs_arena_kernel gave: `count` floats, a multiple of RS_OPTIM_GRAIN. */
rescl_status rs_arena_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *a, rs_buffer *b,
                              size_t count, double gain) RESCL_CHECK;

#endif
