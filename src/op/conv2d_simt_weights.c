/* Backward weights of simt_gemm; the host side of cl/conv2d_simt_weights.cl. */
#include "conv2d_simt.h"
#include "error.h"

/* kernel[] of a plan, which has those only that it needs. */
enum { PARAMS = 0, SUM, BIAS };

rescl_status rs_simt_weights_plan(rs_plan *plan, const rs_caps *caps, const rs_simt_kept *d)
{
    rescl_status st = RESCL_OK;
    const bool grouped = d->v.groups != d->p.blocks;
    plan->scratch_bytes = rs_conv_parts_bytes(&d->v, caps, (size_t)d->t.parts);
    RS_TRY(rs_simt_kernel_add(plan, &d->t, "conv2d_simt_weights", "conv2d_simt_bwd_params",
                              d->p.depth % 4 == 0 ? 4 : 1, d->p.width % 4 == 0 ? 4 : 1,
                              grouped ? " -DGROUPS" : ""));
    RS_TRY(rs_conv_sum_kernels_add(plan, &d->v, caps, 0, (size_t)d->t.parts));
out:
    return st;
}

rescl_status rs_simt_weights_enqueue(const rs_plan *plan, const rs_args *args)
{
    rescl_status st = RESCL_OK;
    rs_simt_kept d;
    RS_PLAN_RECALL(plan, d);
    const rs_conv v = d.v;
    const size_t items = d.items, parts = (size_t)d.t.parts;
    const rs_grid grid = {.items = {rs_simt_groups(&d.p, &d.t) * items, parts, 1},
                          .group = {items, 1, 1}};

    RS_TRY(RS_LAUNCH(
        plan->dev, plan->kernel[PARAMS].kernel, grid, RS_BUF(args->src[0].buf),
        RS_BUF(args->diff_dst.buf), RS_BUF(parts > 1 ? args->scratch : args->diff_param[0].buf),
        RS_CONV_SHAPE_ARGS(&v), RS_INT(d.p.depth), RS_INT(d.p.width), RS_INT(rs_conv_group_in(&v)),
        RS_INT(rs_conv_group_out(&v)), RS_INT(parts), RS_ULONG(rs_conv_weight_count(&v))));
    RS_TRY(rs_conv_sum_params(plan, &v, SUM, BIAS, args, 0, parts));
out:
    return st;
}
