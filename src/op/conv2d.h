/* What the implementations of conv2d and dense share. Private to their files.
 *
 * A dense layer is a 1x1 convolution of n images of one pixel, so both ops reach every
 * implementation through rs_conv. */
#ifndef RS_CONV2D_H
#define RS_CONV2D_H

#include "attr.h"
#include "op.h"

typedef struct rs_conv {
    size_t n, h, w, c; /* src */
    size_t oh, ow, k;  /* dst */
    size_t r, s;       /* filter height and width */
    size_t stride_h, stride_w, pad_top, pad_left;
    size_t groups; /* divides c and k */
    bool bias;
    bool residual, relu; /* the epilogue of inference */
    bool accumulate;     /* add to diff_src */
} rs_conv;

/* The convolution that a problem of conv2d or dense is. */
rs_conv rs_conv_of(const rs_problem *p);

static inline size_t rs_conv_src_count(const rs_conv *v)
{
    return v->n * v->h * v->w * v->c;
}
static inline size_t rs_conv_dst_count(const rs_conv *v)
{
    return v->n * v->oh * v->ow * v->k;
}
static inline size_t rs_conv_group_in(const rs_conv *v) /* channels of src in a group */
{
    return v->c / v->groups;
}
static inline size_t rs_conv_group_out(const rs_conv *v) /* channels of dst in a group */
{
    return v->k / v->groups;
}
static inline size_t rs_conv_weight_count(const rs_conv *v)
{
    return v->r * v->s * rs_conv_group_in(v) * v->k;
}
static inline bool rs_conv_is_matrix(const rs_conv *v) /* a 1x1, stride 1, without padding */
{
    return v->r == 1 && v->s == 1 && v->stride_h == 1 && v->stride_w == 1 && v->oh == v->h &&
           v->ow == v->w;
}

/* Forward and backward data as matrix products over grids of output pixels. "Output" is what the
 * pass computes (dst or diff_src), "source" what it reads (src or diff_dst). Pixel (a, b) of the
 * grid is output pixel (first_h + a * ostep_h, first_w + b * ostep_w); it sums a window of rows x
 * cols source pixels from (a * istep_h + dh, b * istep_w + dw) on, those outside the map being
 * zero. Row dr and column ds of the window meet filter tap (r0 + dr * rstep, s0 + ds * sstep).
 *
 * Forward is one grid. Backward data is stride_h * stride_w: the pixels of one residue share their
 * taps. A grid may have no pixels (skip it) or no taps (its pixels are zero). */
typedef struct rs_conv_grid {
    int gh, gw, first_h, first_w, ostep_h, ostep_w;
    int rows, cols, dh, dw, istep_h, istep_w;
    int r0, s0, rstep, sstep;
} rs_conv_grid;

size_t rs_conv_grids(const rs_conv *v, rs_pass pass);
rs_conv_grid rs_conv_grid_at(const rs_conv *v, rs_pass pass, size_t index);

/* The maps of a pass in those terms, and how its weights lie: the floats from one tap to the next,
 * and from one source and output channel (of one group) to the next. */
typedef struct rs_conv_maps {
    size_t h, w, c;   /* source */
    size_t oh, ow, k; /* output */
    size_t step_tap, step_c, step_q;
} rs_conv_maps;

rs_conv_maps rs_conv_maps_of(const rs_conv *v, rs_pass pass);

/* Arguments of RS_LAUNCH for the parameters CONV_MAPS_PARAMS, CONV_GRID_PARAMS, CONV_TAPS_PARAMS and
 * CONV_SHAPE_PARAMS of cl/conv2d.clh, from pointers to the convolution v, its maps m and a grid g. */
#define RS_CONV_MAPS_ARGS(v, m)                                                                    \
    RS_INT((v)->n), RS_INT((m)->h), RS_INT((m)->w), RS_INT((m)->c), RS_INT((m)->oh),               \
        RS_INT((m)->ow), RS_INT((m)->k)

#define RS_CONV_GRID_ARGS(v, m, g)                                                                 \
    RS_CONV_MAPS_ARGS(v, m), RS_INT((g)->gh), RS_INT((g)->gw), RS_INT((g)->first_h),               \
        RS_INT((g)->first_w), RS_INT((g)->ostep_h), RS_INT((g)->ostep_w), RS_INT((g)->rows),       \
        RS_INT((g)->cols), RS_INT((g)->dh), RS_INT((g)->dw), RS_INT((g)->istep_h),                 \
        RS_INT((g)->istep_w)

#define RS_CONV_TAPS_ARGS(v, m, g)                                                                 \
    RS_INT((v)->s), RS_INT((g)->r0), RS_INT((g)->s0), RS_INT((g)->rstep), RS_INT((g)->sstep),      \
        RS_INT((m)->step_tap), RS_INT((m)->step_c), RS_INT((m)->step_q)

#define RS_CONV_SHAPE_ARGS(v)                                                                      \
    RS_CONV_MAPS_ARGS(v, v), RS_INT((v)->r), RS_INT((v)->s), RS_INT((v)->stride_h),                \
        RS_INT((v)->stride_w), RS_INT((v)->pad_top), RS_INT((v)->pad_left)

/* Bits of a kernel's `flags`: what cl/conv2d.clh calls by the same names. */
typedef enum rs_conv_flag {
    RS_CONV_ACCUMULATE = 1,
    RS_CONV_POSITION_MAJOR = 2,
    RS_CONV_RELU = 4
} rs_conv_flag;

/* The options of rs_storage_options in the terms of a pass: "src" is its source, "dst" its output. In
 * backward weights they are src and diff_dst. */
const char *rs_conv_storage_options(const rs_problem *p, rs_pass pass);

/* NULL, or why 32-bit indices do not reach the tensors. For `can`. */
const char *rs_conv_fits_int(const rs_conv *v);

/* Parts of both ops' descriptions; see rs_op. */
unsigned rs_conv_reads(const rs_problem *p, rs_pass pass);
void rs_conv_reference(const rs_problem *p, rs_pass pass, const rs_ref *ref);
double rs_conv_macs(const rs_problem *p);
size_t rs_conv_reduction(const rs_problem *p, rs_pass pass);
void rs_conv_key(const rs_problem *p, char *text, size_t size);
double rs_conv_reference_at(const rs_problem *p, rs_pass pass, const rs_ref *ref, size_t index);
extern const rs_cases rs_conv2d_cases;

/* ---- launches that several implementations make (conv2d.c) ------------------------------- */

/* A launch of one work-item per (x, y). Its group size does not depend on them: some drivers
 * compile a kernel anew for each size. */
rs_grid rs_conv_items(const rescl_device *dev, size_t x, size_t y);

/* Adds conv2d_sum, then conv2d_bwd_bias, where they are launched, for the two below and
 * rs_conv_sum_params, whose `first` and `parts` are those. */
rescl_status rs_conv_sum_kernels_add(rs_plan *plan, const rs_conv *v, const rs_caps *caps,
                                     size_t first, size_t parts) RESCL_CHECK;

/* out[i] = sum over `parts` p of partial[first + p * stride + i], i < count; plan->kernel[sum] is
 * conv2d_sum. */
rescl_status rs_conv_sum(const rs_plan *plan, int sum, rs_buffer *partial, size_t first,
                         rs_buffer *out, size_t count, size_t parts, size_t stride) RESCL_CHECK;

/* diff_param[1] from diff_dst, through rs_conv_bwd_bias_bytes of args->scratch that begin at float
 * `first`; plan->kernel[bias] is conv2d_bwd_bias, plan->kernel[sum] conv2d_sum. */
rescl_status rs_conv_bwd_bias(const rs_plan *plan, const rs_conv *v, int bias, int sum,
                              const rs_args *args, size_t first) RESCL_CHECK;
size_t rs_conv_bwd_bias_bytes(const rs_conv *v, const rs_caps *caps); /* 0 without bias */

/* Parts of the pixels that backward weights sum apart on CPUs, so that there is work for many cores
 * where the weights alone give so few groups: a power of two that does not depend on the device. */
size_t rs_conv_weight_parts(const rs_conv *v, size_t groups);

/* Ends RS_BWD_PARAMS, whose kernel left `parts` partial sums of the weights from float `first` of
 * args->scratch on, or with one part the result: sums them, and does rs_conv_bwd_bias after them.
 * Scratch from `first` on: rs_conv_parts_bytes. */
rescl_status rs_conv_sum_params(const rs_plan *plan, const rs_conv *v, int sum, int bias,
                                const rs_args *args, size_t first, size_t parts) RESCL_CHECK;
size_t rs_conv_parts_bytes(const rs_conv *v, const rs_caps *caps, size_t parts);

/* ---- register tiles ---------------------------------------------------------------------- */

/* The register tiles of cl/regtile.clh on a device. */
typedef struct rs_regtile {
    int vw;     /* floats of a vector */
    int nr;     /* columns of a panel */
    int mr, mw; /* rows of `multiply`, columns of `outer` */
} rs_regtile;

rs_regtile rs_regtile_of(const rs_caps *caps);

/* An engine that multiplies pairs or quads of bf16 in register tiles (cl/engine_x86.clh, cl/engine_arm.clh). */
typedef struct rs_pairs {
    const char *option; /* of kernels */
    int vw;             /* floats of a vector that it is made for; emulated, any number */
    int step;           /* values that a sum takes at once */
    int rows;           /* of the register tiles of either product; 0: those of rs_regtile_of */
    bool tiles;         /* it takes its factors from memory, as tiles */
    double rate;        /* of its products beside those of floats, in cl/conv2d_packed.cl's loops */
} rs_pairs;

/* The fastest that the device has, or NULL. */
const rs_pairs *rs_pairs_of(const rs_caps *caps);

static inline int rs_min_int(int a, int b)
{
    return a < b ? a : b;
}
static inline int rs_max_int(int a, int b)
{
    return a > b ? a : b;
}
static inline int rs_div_up_int(int a, int b)
{
    return (a + b - 1) / b;
}
static inline int rs_round_up_int(int a, int b)
{
    return rs_div_up_int(a, b) * b;
}

/* ---- tunables ---------------------------------------------------------------------------- */

extern const int rs_untuned[RS_PLAN_TUNABLES]; /* zeros, for `can` */

/* A tunable's value, or the implementation's own. */
static inline int rs_tuned(int value, int own)
{
    return value ? value : own;
}

/* ---- implementations --------------------------------------------------------------------- */

#define RS_CONV_PASSES (1u << RS_FWD | 1u << RS_BWD_PARAMS | 1u << RS_BWD_DATA)

/* Each at the end of its own file, conv2d_<stem>.c. */
#define RS_CONV_IMPL(stem, who) extern const rs_impl rs_conv_##stem;
#include "conv_impls.def"
#undef RS_CONV_IMPL

#endif
