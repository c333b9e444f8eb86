/* What max and average pooling share: geometry, shape inference, launch.
 *
 * Output size, per axis, as torch has it: (in + pads - kernel) / stride + 1, rounded down, or up
 * with ceil_mode except that no window starts at or beyond in + leading pad. A window may reach
 * beyond the trailing pad (ceil_mode); what lies there belongs to no window. */
#ifndef RS_POOL_H
#define RS_POOL_H

#include "op.h"

/* One axis is h and w of everything; all below 2^31. */
typedef struct rs_pool_geom {
    int64_t n, h, w, c, out_h, out_w;
    int64_t kernel_h, kernel_w, stride_h, stride_w;
    int64_t pad_top, pad_left;
    int64_t end_h, end_w; /* first row and column beyond the trailing pad, counted from the image */
} rs_pool_geom;

/* Fills p->dst from src 0 and the rs_pool_attr, or says what does not fit. */
rescl_status rs_pool_infer(rs_problem *p) RESCL_CHECK;
rs_pool_geom rs_pool_geometry(const rs_problem *p);

/* Plans kernel `name` of `file` over the pixels of dst, or backward of src: over tiles of as many as the
 * strides tell, if it has `tiles` of them where pool.clh is UNROLLED. */
rescl_status rs_pool_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name,
                          bool tiles) RESCL_CHECK;

/* Launches it: POOL_PARAMS of pool.clh, then `args` (`nargs` at most RS_POOL_ARGS). */
#define RS_POOL_ARGS 8
rescl_status rs_pool_launch(const rs_plan *plan, const rs_arg *args, size_t nargs) RESCL_CHECK;

/* The attributes of a case: a square kernel and its strides, then padding and flags. */
#define RS_POOL_OF(k, s, ...)                                                                      \
    {                                                                                              \
        .kernel_h = (k), .kernel_w = (k), .stride_h = (s), .stride_w = (s), __VA_ARGS__            \
    }
#define RS_POOL_PAD(t, b, l, r) .pad_top = (t), .pad_bottom = (b), .pad_left = (l), .pad_right = (r)

#endif
