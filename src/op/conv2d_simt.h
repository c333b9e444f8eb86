/* What the files of simt_gemm share: a pass as a matrix product, and its tiles. */
#ifndef RS_CONV2D_SIMT_H
#define RS_CONV2D_SIMT_H

#include "conv2d.h"
#include "roofline.h"

/* A pass as products of rows x terms by terms x cols: `blocks` of them, one for each block of
 * channels, times `residues`, one for each residue of backward data's stride. Forward and backward
 * data have pixels as rows, output channels as columns and the window's channels as terms; backward
 * weights have those as rows, filters as columns and pixels as terms. Where residues differ, rows and
 * terms are those of the largest. */
typedef struct rs_simt_product {
    size_t blocks, residues, rows, cols, terms;
    size_t depth, width; /* channels of a block: that the window has, and the other side's */
} rs_simt_product;

rs_simt_product rs_simt_product_of(const rs_conv *v, rs_pass pass);

/* How it is cut. A group makes tm x tn numbers of a product, each of its work-items rm x rn, over tk
 * terms at a time, of which `unroll` are multiplied without a jump. `parts` groups share the terms of
 * a tile, and a second kernel adds what they leave. */
typedef struct rs_simt_tiles {
    int tm, tn, tk, rm, rn, unroll, parts;
} rs_simt_tiles;

/* The tunables of simt_gemm, and up to TK of mma_gemm. */
enum { RS_SIMT_TM = 0, RS_SIMT_TN, RS_SIMT_TK, RS_SIMT_RM, RS_SIMT_RN, RS_SIMT_UNROLL };

/* What multiplies in such tiles: simt_gemm's work-items, or mma_gemm's engines. */
typedef struct rs_simt_kind {
    const rs_impl *impl;
    const rs_simt_tiles
        *shapes; /* among which the least expected time chooses, of equals the first */
    size_t nshapes;
    /* Tiles lowered to what the device can run. */
    rs_simt_tiles (*fit)(const rs_caps *caps, const rs_problem *p, rs_pass pass, rs_simt_tiles t);
    /* Fills items, local_bytes, registers, share and engine. */
    void (*cost)(const rs_caps *caps, const rs_problem *p, rs_pass pass, const rs_simt_tiles *t,
                 rs_work *out);
} rs_simt_kind;

extern const rs_simt_kind rs_simt_items_kind; /* of simt_gemm */

/* The tiles of a pass on a device: what `tune` says, the rest as should take the least time
 * (conv2d_simt_expect.c), all lowered to what the device can run. All but parts are powers of two that
 * the kernels can do. */
rs_simt_tiles rs_simt_tiles_of(const rs_simt_kind *kind, const rs_caps *caps, const rs_problem *p,
                               rs_pass pass, const int *tune);

/* rs_impl.expect of what has such tiles. */
size_t rs_simt_expect(const rs_simt_kind *kind, const rs_problem *p, rs_pass pass,
                      const rs_caps *caps, rs_expected *out, size_t most);

/* The largest power of two up to `value`, within the limits, which are powers of two. */
int rs_simt_power(int value, int least, int most);

/* Tiles lowered to what the device can run. */
rs_simt_tiles rs_simt_fitting(const rs_caps *caps, rs_simt_tiles t);

/* Those of the kernel that adds parts. */
rs_simt_tiles rs_simt_join_tiles(const rs_caps *caps);

static inline size_t rs_simt_items(const rs_simt_tiles *t) /* of a group */
{
    return (size_t)(t->tm / t->rm * (t->tn / t->rn));
}
size_t rs_simt_local_bytes(const rs_simt_tiles *t);

/* Tiles of the whole pass, without parts. */
size_t rs_simt_groups(const rs_simt_product *p, const rs_simt_tiles *t);

/* What a plan keeps. */
typedef struct rs_simt_kept {
    rs_conv v;
    rs_conv_maps m;
    rs_simt_product p;
    rs_simt_tiles t, join;
    size_t items; /* of a group of the product */
} rs_simt_kept;

/* That of a plan, by tiles that are chosen already. */
rs_simt_kept rs_simt_kept_of(const rs_plan *plan, const rs_caps *caps, rs_simt_tiles t,
                             size_t items);

/* Forward and backward data by a kernel with the parameters of conv2d_simt_product, plan->kernel[0]: the
 * options by which it leaves what is wanted beside its result, then what comes after it. */
void rs_simt_product_options(const rs_plan *plan, const rs_simt_kept *d, char options[32]);
rescl_status rs_simt_product_plan(rs_plan *plan, const rs_simt_kept *d) RESCL_CHECK;
rescl_status rs_simt_product_enqueue(const rs_plan *plan, const rs_args *args) RESCL_CHECK;

/* RS_BWD_PARAMS (conv2d_simt_weights.c), the latter by any kernel with the parameters of
 * conv2d_simt_bwd_params, plan->kernel[0], after which rs_conv_sum_kernels_add was called. */
rescl_status rs_simt_weights_plan(rs_plan *plan, const rs_caps *caps, const rs_simt_kept *d)
    RESCL_CHECK;
rescl_status rs_simt_weights_enqueue(const rs_plan *plan, const rs_args *args) RESCL_CHECK;

/* Adds one of the kernels of the tiles t. `c_by` and `k_by` divide the channels of the window and of
 * the columns; `more` is further options. */
rescl_status rs_simt_kernel_add(rs_plan *plan, const rs_simt_tiles *t, const char *file,
                                const char *name, int c_by, int k_by, const char *more) RESCL_CHECK;

#endif
