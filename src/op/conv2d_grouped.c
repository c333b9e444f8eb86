/* grouped_tile: convolution in groups for CPUs, as register tiles; the host side of
 * cl/conv2d_grouped.cl. */
#include "conv2d.h"
#include "error.h"
#include "spread.h"

#include <limits.h>

#define KERNEL_FILE "conv2d_grouped"

/* kernel[] of a plan. */
enum { PRODUCT = 0, PACK };
enum { PARAMS = 0, SUM, BIAS };

enum { MR = 8 };    /* pixels in a register tile */
enum { TILES = 8 }; /* most of them that a work-item takes */
enum { ITEMS_PER_UNIT = 4 };
#define MOST_SCRATCH ((size_t)64 << 20)

/* What a plan keeps. */
typedef struct kept {
    rs_conv v;
    rs_conv_maps m;
    size_t blocks; /* vectors of output channels; of filters for backward weights */
    size_t packed; /* floats */
    size_t parts;  /* of backward weights */
} kept;

/* Channels of a group: those that a pass reads, and those that it computes. */
static size_t depth_of(const rs_conv *v, rs_pass pass)
{
    return pass == RS_BWD_DATA ? rs_conv_group_out(v) : rs_conv_group_in(v);
}
static size_t width_of(const rs_conv *v, rs_pass pass)
{
    return pass == RS_BWD_DATA ? rs_conv_group_in(v) : rs_conv_group_out(v);
}

static const char *can(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    const rs_conv v = rs_conv_of(p);
    const size_t width = width_of(&v, pass), vw = rs_vector_width(caps, NULL);
    if (p->src_type[0] != p->dst_type)
        return "made for one type of src and dst";
    if (v.groups == 1)
        return "does more than one group only";
    if (caps->float_width < 4)
        return "made for vectors of at least 4 floats";
    if (width % vw != 0 && (vw % width != 0 || width * v.groups % vw != 0))
        return "the groups do not fit the vectors";
    if (width % vw != 0 && width != depth_of(&v, pass))
        return "groups narrower than a vector have to be as wide on both sides";
    return rs_conv_fits_int(&v);
}

static rescl_status add_kernel(rs_plan *plan, const rs_caps *caps, const char *name)
{
    const rs_conv v = rs_conv_of(&plan->problem);
    const size_t width = width_of(&v, plan->pass), vw = rs_vector_width(caps, NULL);
    return rs_plan_kernel_add(plan, KERNEL_FILE, name, "-DRUN=%zu -DMR=%d%s",
                              width < vw ? width : vw, MR, rs_storage_options(&plan->problem));
}

/* ---- forward and backward data ----------------------------------------------------------- */

/* Weights, biases, and zeros for the pixels outside the map. */
static size_t packed_floats(const rs_conv *v, rs_pass pass, const rs_caps *caps)
{
    const size_t depth = depth_of(v, pass), vw = rs_vector_width(caps, NULL);
    return rs_conv_weight_count(v) + rs_conv_maps_of(v, pass).k + (depth > vw ? depth : vw);
}

static rescl_status pack(const rs_plan *plan, const rs_args *args)
{
    kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const rs_conv_maps m = d.m;
    const rs_grid grid = rs_conv_items(plan->dev, d.packed, 1);
    return RS_LAUNCH(plan->dev, plan->kernel[PACK].kernel, grid, RS_BUF(args->param[0].buf),
                     RS_BUF(plan->pass == RS_FWD && v.bias ? args->param[1].buf : NULL),
                     RS_BUF(args->packed), RS_INT(d.packed), RS_INT(m.k), RS_INT(v.r * v.s),
                     RS_INT(depth_of(&v, plan->pass)), RS_INT(width_of(&v, plan->pass)),
                     RS_INT(rs_conv_group_out(&v)), RS_INT(m.step_c), RS_INT(m.step_q),
                     RS_INT(m.step_tap));
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
        const size_t pixels = v.n * (size_t)g.gh * (size_t)g.gw, tiles = (pixels + MR - 1) / MR;
        if (pixels == 0 || (add && g.rows == 0))
            continue;
        const rs_grid grid = {.items = {d.blocks, (tiles + TILES - 1) / TILES, 1},
                              .group = {1, 1, 1}};
        RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PRODUCT].kernel, grid,
                         RS_BUF(fwd ? args->src[0].buf : args->diff_dst.buf), RS_BUF(args->packed),
                         RS_BUF(fwd ? args->src[1].buf : NULL),
                         RS_BUF(fwd ? args->dst.buf : args->diff_src[0].buf),
                         RS_CONV_GRID_ARGS(&v, &m, &g), RS_CONV_TAPS_ARGS(&v, &m, &g),
                         RS_INT(depth_of(&v, plan->pass)), RS_INT(width_of(&v, plan->pass)),
                         RS_INT(v.r * v.s), RS_INT(TILES), RS_INT(add), RS_INT(v.relu)));
    }
out:
    return st;
}

/* ---- backward weights -------------------------------------------------------------------- */

/* Parts of the images' rows that are summed apart: more where there are few blocks. */
static size_t weight_parts(const rs_conv *v, const rs_caps *caps)
{
    const size_t blocks = v->k / rs_vector_width(caps, NULL);
    const size_t want = ITEMS_PER_UNIT * rs_sum_units(caps);
    size_t parts = (want + blocks - 1) / blocks;
    if (parts > v->n * v->oh)
        parts = v->n * v->oh;
    if (parts > MOST_SCRATCH / sizeof(float) / rs_conv_weight_count(v))
        parts = MOST_SCRATCH / sizeof(float) / rs_conv_weight_count(v);
    return parts > 1 ? parts : 1;
}

static rescl_status params_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const size_t weights = rs_conv_weight_count(&v), parts = d.parts;
    const rs_grid grid = {.items = {d.blocks, parts, 1}, .group = {1, 1, 1}};

    RS_TRY(RS_LAUNCH(plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
                     RS_BUF(args->diff_dst.buf),
                     RS_BUF(parts > 1 ? args->scratch : args->diff_param[0].buf),
                     RS_CONV_SHAPE_ARGS(&v), RS_INT(rs_conv_group_in(&v)),
                     RS_INT(rs_conv_group_out(&v)), RS_INT(parts), RS_ULONG(weights)));
    RS_TRY(rs_conv_sum_params(plan, &v, SUM, BIAS, args, 0, parts));
out:
    return st;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    rescl_status st = RESCL_OK;
    kept d = {.v = rs_conv_of(&plan->problem)};
    d.m = rs_conv_maps_of(&d.v, plan->pass == RS_BWD_PARAMS ? RS_FWD : plan->pass);
    d.blocks = d.m.k / rs_vector_width(caps, NULL);
    d.packed = packed_floats(&d.v, plan->pass, caps);
    d.parts = plan->pass == RS_BWD_PARAMS ? weight_parts(&d.v, caps) : 0;
    RS_PLAN_KEEP(plan, d);
    if (plan->pass != RS_BWD_PARAMS) {
        plan->packed_bytes = d.packed * sizeof(float);
        RS_TRY(add_kernel(plan, caps, "conv2d_grouped_product"));
        RS_TRY(add_kernel(plan, caps, "conv2d_grouped_pack"));
        goto out;
    }
    plan->scratch_bytes = rs_conv_parts_bytes(&d.v, caps, d.parts);
    RS_TRY(add_kernel(plan, caps, "conv2d_grouped_bwd_params"));
    RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_sum", "%s", ""));
    RS_TRY(rs_plan_kernel_add(plan, "conv2d", "conv2d_bwd_bias", "%s",
                              rs_storage_options(&plan->problem)));
out:
    return st;
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *args)
{
    return plan->pass == RS_BWD_PARAMS ? params_enqueue(plan, args) : product_enqueue(plan, args);
}

const rs_impl rs_conv_grouped = {.name = "grouped_tile",
                                 .passes = RS_CONV_PASSES,
                                 .types = RS_STORAGE_TYPES,
                                 .prefers = 1u << RESCL_DEVICE_CPU,
                                 .can = can,
                                 .plan = plan,
                                 .pack = pack,
                                 .enqueue = enqueue};
