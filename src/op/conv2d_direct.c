/* direct: one work-item for each number of the result, for any groups and any device; the host side
 * of cl/conv2d_direct.cl. What serves where nothing that is faster can: groups on GPUs, and groups
 * that do not fit the vectors of a CPU. */
#include "conv2d.h"
#include "error.h"
#include "roofline.h"
#include "spread.h"

#include <math.h>

/* kernel[] of a plan for backward weights. */
enum { PARAMS = 0, SUM, BIAS };

/* Work-items that a compute unit should have. */
enum { ITEMS_PER_UNIT = 1024 };
#define MOST_SCRATCH ((size_t)64 << 20)

/* What a plan keeps. */
typedef struct kept {
    rs_conv v;
    rs_conv_maps m;
    size_t parts; /* of backward weights */
} kept;

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)pass, (void)caps;
    const rs_conv v = rs_conv_of(p);
    return rs_conv_fits_int(&v);
}

static rescl_status product_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const rs_conv_maps m = d.m;
    const bool fwd = plan->pass == RS_FWD, add = !fwd && v.accumulate;
    const size_t in = rs_conv_group_in(&v), out = rs_conv_group_out(&v);

    for (size_t i = 0; i < rs_conv_grids(&v, plan->pass); i++) {
        const rs_conv_grid g = rs_conv_grid_at(&v, plan->pass, i);
        const size_t pixels = v.n * (size_t)g.gh * (size_t)g.gw;
        if (pixels == 0 || (add && g.rows == 0))
            continue;
        const rs_grid grid = rs_conv_items(plan->dev, pixels * m.k, 1);
        RS_TRY(RS_LAUNCH(
            plan->dev, plan->kernel[0].kernel, grid,
            RS_BUF(fwd ? args->src[0].buf : args->diff_dst.buf), RS_BUF(args->param[0].buf),
            RS_BUF(fwd && v.bias ? args->param[1].buf : NULL),
            RS_BUF(fwd ? args->src[1].buf : NULL),
            RS_BUF(fwd ? args->dst.buf : args->diff_src[0].buf), RS_CONV_GRID_ARGS(&v, &m, &g),
            RS_CONV_TAPS_ARGS(&v, &m, &g), RS_DIVISOR(rs_divisor_of(m.k)), RS_INT(fwd ? in : out),
            RS_INT(fwd ? out : in), RS_INT(out), RS_INT(add), RS_INT(v.relu)));
    }
out:
    return st;
}

/* Parts of the pixels that are summed apart: more where there are few weights. */
static size_t weight_parts(const rs_conv *v, const rs_caps *caps)
{
    const size_t weights = rs_conv_weight_count(v), pixels = v->n * v->oh * v->ow;
    size_t parts = ITEMS_PER_UNIT * rs_sum_units(caps) / weights + 1;
    if (parts > pixels / 64)
        parts = pixels / 64;
    if (parts > MOST_SCRATCH / sizeof(float) / weights)
        parts = MOST_SCRATCH / sizeof(float) / weights;
    return parts > 1 ? parts : 1;
}

static rescl_status params_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const size_t weights = rs_conv_weight_count(&v), depth = rs_conv_group_in(&v);
    const size_t parts = d.parts;
    const rs_grid grid = rs_conv_items(plan->dev, parts * weights, 1);

    RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
                     RS_BUF(args->diff_dst.buf),
                     RS_BUF(parts > 1 ? args->scratch : args->diff_param[0].buf),
                     RS_CONV_SHAPE_ARGS(&v), RS_DIVISOR(rs_divisor_of(weights)), RS_INT(depth),
                     RS_INT(rs_conv_group_out(&v)), RS_INT(parts), RS_INT(weights)));
    RS_TRY(rs_conv_sum_params(plan, &v, SUM, BIAS, args, 0, parts));
out:
    return st;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    const char *storage = rs_conv_storage_options(&plan->problem, plan->pass);
    kept d = {.v = rs_conv_of(&plan->problem)};
    d.m = rs_conv_maps_of(&d.v, plan->pass);
    d.parts = plan->pass == RS_BWD_PARAMS ? weight_parts(&d.v, caps) : 0;
    RS_PLAN_KEEP(plan, d);
    if (plan->pass != RS_BWD_PARAMS) {
        RS_TRY(rs_plan_kernel_add(plan, "conv2d_direct", "conv2d_direct_product", "%s", storage));
        goto out;
    }
    plan->scratch_bytes = rs_conv_parts_bytes(&d.v, caps, d.parts);
    RS_TRY(rs_plan_kernel_add(plan, "conv2d_direct", "conv2d_direct_bwd_params", "%s", storage));
    RS_TRY(rs_conv_sum_kernels_add(plan, &d.v, caps, 0, d.parts));
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? params_enqueue(plan, args) : product_enqueue(plan, args);
}

/* Work-items that sum alone, with two loads for each term; compilers have four terms under way. */
static size_t expect(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                     size_t most)
{
    enum { ITEMS = 64, AHEAD = 4, REGISTERS = 32 };
    const rs_conv v = rs_conv_of(p);
    const size_t src = rs_conv_src_count(&v), dst = rs_conv_dst_count(&v);
    const size_t weights = rs_conv_weight_count(&v);
    const double parts = pass == RS_BWD_PARAMS ? (double)weight_parts(&v, caps) : 1.0;
    const double results = (double)(pass == RS_FWD ? dst : pass == RS_BWD_DATA ? src : weights);
    const double src_bytes = (double)rs_dtype_bytes(p->src_type[0]);
    const double dst_bytes = (double)rs_dtype_bytes(p->dst_type);
    const double result_bytes = pass == RS_FWD        ? dst_bytes
                                : pass == RS_BWD_DATA ? src_bytes
                                                      : (double)sizeof(float);
    const double read_bytes = pass == RS_BWD_DATA ? dst_bytes : src_bytes; /* for a term */
    const double terms = (double)dst * (double)(v.r * v.s * rs_conv_group_in(&v)) / results / parts;
    const rs_work work = {.groups = ceil(parts * results / ITEMS),
                          .items = ITEMS,
                          .registers = REGISTERS,
                          .steps = ceil(terms / AHEAD),
                          .step_fmas = ITEMS * AHEAD,
                          .share = 1.0 / 8,
                          .group_bytes = read_bytes * ITEMS * terms,
                          .bytes = src_bytes * (double)src + dst_bytes * (double)dst +
                                   sizeof(float) * (double)weights +
                                   result_bytes * parts * results};
    double ns = rs_roofline_ns(caps, &work);
    if (parts > 1.0)
        ns += rs_roofline_copy_ns(caps, sizeof(float) * (parts + 1.0) * results);
    const rs_expected way = {.choice = {.impl = &rs_conv_direct}, .ns = ns};
    return rs_roofline_insert(out, 0, most, &way);
}

const rs_impl rs_conv_direct = {.name = "direct",
                                .passes = RS_CONV_PASSES,
                                .types = RS_STORAGE_TYPES,
                                .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,
                                .can = can,
                                .expect = expect,
                                .plan = plan,
                                .enqueue = enqueue};
