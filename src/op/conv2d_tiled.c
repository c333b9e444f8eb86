/* tiled_gemm: implicit matrix products with tiles in local memory, for GPUs; the host side of
 * cl/conv2d_tiled.cl. Tile sizes follow the device's limits, down to groups of one work-item. */
#include "conv2d.h"
#include "error.h"
#include "spread.h"

/* kernel[] of a plan for backward weights. */
enum { PARAMS = 0, SUM, BIAS };
enum { TK = 16 };

/* Groups that a compute unit should have to hide latency. */
enum { GROUPS_PER_UNIT = 4 };
#define MOST_SCRATCH ((size_t)64 << 20)

enum { T_WM = 0, T_WN, T_RM, T_RN };

static const rs_tunable tunables[] = {[T_WM] = {"wm", RS_CONV_PASSES, 1, 32, {8}},
                                      [T_WN] = {"wn", RS_CONV_PASSES, 1, 32, {8}},
                                      [T_RM] = {"rm", RS_CONV_PASSES, 1, 8, {2, 8}},
                                      [T_RN] = {"rn", RS_CONV_PASSES, 1, 8, {2, 8}},
                                      {0}};

typedef struct tiles {
    size_t wm, wn; /* work-items of a group along rows and columns */
    size_t rm, rn; /* numbers of an item */
} tiles;

/* What a plan keeps. */
typedef struct kept {
    rs_conv v;
    rs_conv_maps m;
    tiles t;
    size_t parts; /* of backward weights */
} kept;

static size_t div_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Local memory of either kernel, from above. */
static size_t local_bytes(const tiles *t)
{
    const size_t rows = t->wm * t->rm, cols = t->wn * t->rn;
    return 4 * (TK * (rows + cols + 2) + 4 * rows + 3 * TK);
}

static tiles tiles_of(const rs_caps *caps, const int *tune)
{
    tiles t = {(size_t)rs_tuned(tune[T_WM], 16), (size_t)rs_tuned(tune[T_WN], 16),
               (size_t)rs_tuned(tune[T_RM], 4), (size_t)rs_tuned(tune[T_RN], 4)};
    while (t.wm * t.wn > caps->max_group || local_bytes(&t) > caps->local_bytes) {
        if (t.wm > 1 && t.wm >= t.wn)
            t.wm /= 2;
        else if (t.wn > 1)
            t.wn /= 2;
        else if (t.rm > 4 || t.rn > 4)
            t.rm = t.rn = 4;
        else
            break;
    }
    return t;
}

static rescl_status add_kernel(rs_plan *plan, const tiles *t, const char *name)
{
    return rs_plan_kernel_add(plan, "conv2d_tiled", name,
                              "-DWM=%zu -DWN=%zu -DRM=%zu -DRN=%zu -DTK=%d", t->wm, t->wn, t->rm,
                              t->rn, TK);
}

/* A launch over row tiles, column tiles and parts. */
static rs_grid grid_of(const tiles *t, size_t rows, size_t cols, size_t parts)
{
    return (rs_grid){
        .items = {div_up(cols, t->wn * t->rn) * t->wn, div_up(rows, t->wm * t->rm) * t->wm, parts},
        .group = {t->wn, t->wm, 1}};
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)pass;
    const rs_conv v = rs_conv_of(p);
    const tiles t = tiles_of(caps, rs_untuned);
    if (v.groups > 1)
        return "does one group only";
    if (local_bytes(&t) > caps->local_bytes)
        return "needs 1 KiB of local memory";
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

    for (size_t i = 0; i < rs_conv_grids(&v, plan->pass); i++) {
        const rs_conv_grid g = rs_conv_grid_at(&v, plan->pass, i);
        const size_t pixels = v.n * (size_t)g.gh * (size_t)g.gw;
        if (pixels == 0 || (add && g.rows == 0))
            continue;
        const rs_grid grid = grid_of(&d.t, pixels, m.k, 1);
        RS_TRY(RS_LAUNCH(
            plan->dev, plan->kernel[0].kernel, grid,
            RS_BUF(fwd ? args->src[0].buf : args->diff_dst.buf), RS_BUF(args->param[0].buf),
            RS_BUF(fwd && v.bias ? args->param[1].buf : NULL),
            RS_BUF(fwd ? args->src[1].buf : NULL),
            RS_BUF(fwd ? args->dst.buf : args->diff_src[0].buf), RS_CONV_GRID_ARGS(&v, &m, &g),
            RS_CONV_TAPS_ARGS(&v, &m, &g), RS_INT(add), RS_INT(v.relu)));
    }
out:
    return st;
}

/* Parts of the pixels that are summed apart: more where the weights alone give too few groups. */
static size_t weight_parts(const rs_conv *v, const tiles *t, const rs_caps *caps)
{
    const size_t weights = rs_conv_weight_count(v), pixels = v->n * v->oh * v->ow;
    const size_t groups = div_up(v->r * v->s * v->c, t->wm * t->rm) * div_up(v->k, t->wn * t->rn);
    const size_t want = GROUPS_PER_UNIT * rs_sum_units(caps);
    size_t parts = groups >= want ? 1 : div_up(want, groups);
    if (parts > pixels / (8 * TK))
        parts = pixels / (8 * TK);
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
    const size_t weights = rs_conv_weight_count(&v), parts = d.parts;
    const rs_grid grid = grid_of(&d.t, v.r * v.s * v.c, v.k, parts);

    RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
                     RS_BUF(args->diff_dst.buf),
                     RS_BUF(parts > 1 ? args->scratch : args->diff_param[0].buf),
                     RS_CONV_SHAPE_ARGS(&v), RS_INT(parts), RS_ULONG(weights)));
    RS_TRY(rs_conv_sum_params(plan, &v, SUM, BIAS, args, 0, parts));
out:
    return st;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    kept d = {.v = rs_conv_of(&plan->problem), .t = tiles_of(caps, plan->choice.tune)};
    d.m = rs_conv_maps_of(&d.v, plan->pass);
    d.parts = plan->pass == RS_BWD_PARAMS ? weight_parts(&d.v, &d.t, caps) : 0;
    RS_PLAN_KEEP(plan, d);
    if (plan->pass != RS_BWD_PARAMS) {
        RS_TRY(add_kernel(plan, &d.t, "conv2d_tiled_product"));
        goto out;
    }
    plan->scratch_bytes = rs_conv_parts_bytes(&d.v, caps, d.parts);
    RS_TRY(add_kernel(plan, &d.t, "conv2d_tiled_bwd_params"));
    RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_sum", "%s", ""));
    RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_bwd_bias", "%s", ""));
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? params_enqueue(plan, args) : product_enqueue(plan, args);
}

const rs_impl rs_conv_tiled = {.name = "tiled_gemm",
                               .passes = RS_CONV_PASSES,
                               .prefers = 1u << RESCL_DEVICE_GPU | 1u << RESCL_DEVICE_ACCELERATOR,
                               .tunables = tunables,
                               .can = can,
                               .plan = plan,
                               .enqueue = enqueue};
