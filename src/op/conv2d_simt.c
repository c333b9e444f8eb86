/* simt_gemm: implicit matrix products with tiles in local memory, for GPUs; the host side of
 * cl/conv2d_simt.cl, cl/conv2d_simt_join.cl and cl/conv2d_simt_pack.cl. conv2d_simt_expect.c chooses the
 * tiles, of those that conv2d_simt_tiles.c lets pass, and conv2d_simt_weights.c does backward weights. */
#include "conv2d_simt.h"

#include "alloc.h"
#include "error.h"
#include "spread.h"

#include <limits.h>
#include <stdio.h>

/* kernel[] of a plan for forward and backward data. PACK is the last where weights are packed. */
enum { PRODUCT = 0, JOIN };

enum { LEAST_LOCAL = 512 };

static const rs_tunable tunables[] = {
    [RS_SIMT_TM] = {"tm", RS_CONV_PASSES, 4, 256, {32, 64, 128}},
    [RS_SIMT_TN] = {"tn", RS_CONV_PASSES, 4, 256, {32, 64, 128}},
    [RS_SIMT_TK] = {"tk", RS_CONV_PASSES, 4, 32, {8, 16}},
    [RS_SIMT_RM] = {"rm", RS_CONV_PASSES, 4, 8, {4, 8}},
    [RS_SIMT_RN] = {"rn", RS_CONV_PASSES, 4, 8, {4, 8}},
    [RS_SIMT_UNROLL] = {"unroll", RS_CONV_PASSES, 1, 32, {1, 4, 16}},
    {0}};

/* Weights of the blocks, with the zeros between groups; 0: those of one group serve as they are. */
static size_t packed_floats(const rs_conv *v, const rs_simt_product *p)
{
    return v->groups > 1 ? p->blocks * v->r * v->s * p->depth * p->width : 0;
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const rs_simt_product product = rs_simt_product_of(&v, pass);
    if (caps->local_bytes < LEAST_LOCAL)
        return "needs 512 bytes of local memory";
    if (p->src_type[0] != p->dst_type && p->src_type[0] != RS_F32 && p->dst_type != RS_F32)
        return "src and dst are of different types of 16 bits";
    if (packed_floats(&v, &product) > INT_MAX / 2)
        return "the weights of groups in blocks have more than 2^30 elements";
    return rs_conv_fits_int(&v);
}

rescl_status rs_simt_kernel_add(rs_plan *plan, const rs_simt_tiles *t, const char *file,
                                const char *name, int c_by, int k_by, const char *more)
{
    char width[RS_SUBGROUP_OPTION];
    return rs_plan_kernel_add(plan, file, name,
                              "-DTM=%d -DTN=%d -DTK=%d -DRM=%d -DRN=%d -DTERMS=%d -DC_BY=%d "
                              "-DK_BY=%d%s%s%s",
                              t->tm, t->tn, t->tk, t->rm, t->rn, t->unroll, c_by, k_by, more,
                              rs_subgroup_option(rs_device_caps(plan->dev), width),
                              rs_conv_storage_options(&plan->problem, plan->pass));
}

/* ---- forward and backward data ----------------------------------------------------------- */

void rs_simt_product_options(const rs_plan *plan, const rs_simt_kept *d, char options[32])
{
    const bool fwd = plan->pass == RS_FWD, split = d->t.parts > 1;
    const bool narrow = rs_storage_options(&plan->problem)[0] != '\0';
    const char *beside = fwd && plan->problem.want_moments ? " -DMOMENTS"
                         : !fwd && plan->problem.want_sums ? " -DNORM"
                                                           : "";
    snprintf(options, 32, "%s%s", fwd ? "" : " -DBWD",
             !split   ? beside
             : narrow ? " -DPARTIAL"
                      : "");
}

rescl_status rs_simt_product_plan(rs_plan *plan, const rs_simt_kept *d)
{
    rescl_status st = RESCL_OK;
    const bool fwd = plan->pass == RS_FWD, split = d->t.parts > 1;
    const bool moments = fwd && plan->problem.want_moments;
    const bool sums = !fwd && plan->problem.want_sums;

    if (split) {
        RS_TRY(rs_simt_kernel_add(plan, &d->join, "conv2d_simt_join", "conv2d_simt_join", 1,
                                  d->p.width % 4 == 0 ? 4 : 1,
                                  moments ? " -DMOMENTS"
                                  : sums  ? " -DNORM"
                                          : ""));
        plan->scratch_bytes = (size_t)d->t.parts *
                              (fwd ? rs_conv_dst_count(&d->v) : rs_conv_src_count(&d->v)) *
                              sizeof(float);
    }
    if (moments)
        plan->moments_parts = rs_div_up(d->p.rows, (size_t)(split ? d->join.tm : d->t.tm));
    if (sums)
        plan->sums_parts = split ? rs_div_up(d->v.n * d->m.oh * d->m.ow, (size_t)d->join.tm)
                                 : d->p.residues * rs_div_up(d->p.rows, (size_t)d->t.tm);
out:
    return st;
}

static rescl_status product_plan(rs_plan *plan, const rs_simt_kept *d)
{
    rescl_status st = RESCL_OK;
    const int depth = (int)d->p.depth, k_by = d->p.width % 4 == 0 ? 4 : 1;
    const int c_by = depth % d->t.tk == 0 ? d->t.tk : depth % 4 == 0 ? 4 : 1;
    char more[32], width[RS_SUBGROUP_OPTION];

    rs_simt_product_options(plan, d, more);
    RS_TRY(rs_simt_kernel_add(plan, &d->t, "conv2d_simt", "conv2d_simt_product", c_by, k_by, more));
    RS_TRY(rs_simt_product_plan(plan, d));
    plan->packed_bytes = packed_floats(&d->v, &d->p) * sizeof(float);
    if (plan->packed_bytes)
        RS_TRY(rs_plan_kernel_add(plan, "conv2d_simt_pack", "conv2d_simt_pack", "%s",
                                  rs_subgroup_option(rs_device_caps(plan->dev), width)));
out:
    return st;
}

static rescl_status pack(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    rs_simt_kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const bool fwd = plan->pass == RS_FWD;
    const size_t count = packed_floats(&v, &d.p);
    const rs_grid grid = rs_conv_items(plan->dev, count, 1);
    if (count > 0)
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[plan->nkernels - 1].kernel, grid,
                         RS_BUF(args->param[0].buf), RS_BUF(args->packed), RS_INT(count),
                         RS_INT(v.r * v.s), RS_INT(fwd ? d.p.depth : d.p.width),
                         RS_INT(fwd ? d.p.width : d.p.depth), RS_INT(v.k),
                         RS_INT(rs_conv_group_in(&v)), RS_INT(rs_conv_group_out(&v))));
out:
    return st;
}

/* NORM_PARAMS of the kernels, which come last. */
#define NORM_ARGS(a)                                                                               \
    RS_BUF((a)->sums), RS_BUF((a)->norm.src), RS_BUF((a)->norm.gamma), RS_BUF((a)->norm.beta),     \
        RS_BUF((a)->norm.mean), RS_BUF((a)->norm.inv_std), RS_BUF((a)->norm.mask),                 \
        RS_INT((a)->norm.relu)
enum { NORM_ARG_COUNT = 8 };

rescl_status rs_simt_product_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    rs_simt_kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const rs_conv_maps m = d.m;
    const bool fwd = plan->pass == RS_FWD, add = !fwd && v.accumulate, split = d.t.parts > 1;
    const size_t pixels = v.n * m.oh * m.ow, count = pixels * m.k;
    rs_buffer *src = fwd ? args->src[0].buf : args->diff_dst.buf;
    rs_buffer *dst = fwd ? args->dst.buf : args->diff_src[0].buf;
    rs_buffer *bias = fwd && v.bias ? args->param[1].buf : NULL;
    rs_buffer *residual = fwd ? args->src[1].buf : NULL;
    rs_buffer *moments = plan->moments_parts ? args->moments : NULL;
    const size_t items = d.items, join_items = rs_simt_items(&d.join);
    const size_t groups = rs_simt_groups(&d.p, &d.t) / d.p.residues;
    const rs_grid grid = {.items = {groups * items, d.p.residues, (size_t)d.t.parts},
                          .group = {items, 1, 1}};

    const size_t without = plan->sums_parts ? 0 : NORM_ARG_COUNT;
    const rs_arg product[] = {RS_BUF(src),
                              RS_BUF(plan->packed_bytes ? args->packed : args->param[0].buf),
                              RS_BUF(split ? NULL : bias),
                              RS_BUF(split ? NULL : residual),
                              RS_BUF(split ? args->scratch : dst),
                              RS_BUF(split ? NULL : moments),
                              RS_CONV_MAPS_ARGS(&v, &m),
                              RS_INT(v.r),
                              RS_INT(v.s),
                              RS_INT(v.stride_h),
                              RS_INT(v.stride_w),
                              RS_INT(v.pad_top),
                              RS_INT(v.pad_left),
                              RS_INT(d.p.depth),
                              RS_INT(d.p.width),
                              RS_INT(d.t.parts),
                              RS_ULONG(count),
                              RS_INT(add && !split),
                              RS_INT(v.relu && !split),
                              NORM_ARGS(args)};
    RS_TRY(rs_launch(plan->dev, plan->kernel[PRODUCT].kernel, &grid, product,
                     RS_COUNT(product) - (split ? NORM_ARG_COUNT : without)));
    if (split) {
        const size_t tiles =
            rs_div_up(pixels, (size_t)d.join.tm) * rs_div_up(m.k, (size_t)d.join.tn);
        const rs_grid grid_of_join = {.items = {tiles * join_items, 1, 1},
                                      .group = {join_items, 1, 1}};
        const rs_arg join[] = {RS_BUF(args->scratch), RS_BUF(bias),      RS_BUF(residual),
                               RS_BUF(dst),           RS_BUF(moments),   RS_INT(pixels),
                               RS_INT(m.k),           RS_INT(d.t.parts), RS_ULONG(count),
                               RS_INT(add),           RS_INT(v.relu),    NORM_ARGS(args)};
        RS_TRY(rs_launch(plan->dev, plan->kernel[JOIN].kernel, &grid_of_join, join,
                         RS_COUNT(join) - without));
    }
out:
    return st;
}

/* ---- all passes -------------------------------------------------------------------------- */

rs_simt_kept rs_simt_kept_of(const rs_plan *plan, const rs_caps *caps, rs_simt_tiles t,
                             size_t items)
{
    rs_simt_kept d = {.v = rs_conv_of(&plan->problem), .t = t, .items = items};
    d.m = rs_conv_maps_of(&d.v, plan->pass);
    d.p = rs_simt_product_of(&d.v, plan->pass);
    d.join = rs_simt_join_tiles(caps);
    return d;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    const rs_simt_tiles t =
        rs_simt_tiles_of(&rs_simt_items_kind, caps, &plan->problem, plan->pass, plan->choice.tune);
    const rs_simt_kept d = rs_simt_kept_of(plan, caps, t, rs_simt_items(&t));
    RS_PLAN_KEEP(plan, d);
    return plan->pass == RS_BWD_PARAMS ? rs_simt_weights_plan(plan, caps, &d)
                                       : product_plan(plan, &d);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? rs_simt_weights_enqueue(plan, args)
                                       : rs_simt_product_enqueue(plan, args);
}

static size_t expect(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                     size_t most)
{
    return rs_simt_expect(&rs_simt_items_kind, p, pass, caps, out, most);
}

const rs_impl rs_conv_simt = {.name = "simt_gemm",
                              .passes = RS_CONV_PASSES,
                              .types = RS_STORAGE_TYPES,
                              .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,
                              .tunables = tunables,
                              .can = can,
                              .expect = expect,
                              .plan = plan,
                              .pack = pack,
                              .enqueue = enqueue};
