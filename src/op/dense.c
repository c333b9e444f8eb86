/* dense: src (n,in) or (n,h,w,c), flattened; weight (in,out), bias (out) -> dst (n,out) = src *
 * weight + bias.
 *
 * A 1x1 convolution of n one-pixel images: everything but the shapes is conv2d's. */
#include "cases.h"
#include "conv2d.h"
#include "error.h"

static rescl_status dense_infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_dense_attr *a = p->attr;
    const rs_shape *src = &p->src[0];
    char text[96];

    RS_FAIL_IF(src->ndim != 2 && src->ndim != 4, RESCL_ERR_SHAPE,
               "dense: takes (n,in) or (n,h,w,c), got %s", rs_shape_text(src, text));
    RS_FAIL_IF(a->units == 0, RESCL_ERR_ARG, "dense: the number of units must be at least 1");
    const size_t in = rs_shape_count(src) / src->dim[0];
    p->dst = rs_shape_2(src->dim[0], a->units);
    p->param[p->nparam++] = (rs_param_spec){.role = "weight",
                                            .shape = rs_shape_2(in, a->units),
                                            .init = RS_INIT_WEIGHT,
                                            .fan_in = in,
                                            .fan_out = a->units};
    if (a->bias)
        p->param[p->nparam++] = (rs_param_spec){.role = "bias",
                                                .shape = rs_shape_1(a->units),
                                                .init = RS_INIT_BIAS,
                                                .fan_in = in,
                                                .fan_out = a->units};
out:
    return st;
}

#define DENSE(impl) impl,
#define NOT_DENSE(impl)
#define RS_CONV_IMPL(stem, who) who(&rs_conv_##stem)
static const rs_impl *const impls[] = {
#include "conv_impls.def"
    NULL};
#undef RS_CONV_IMPL

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_dense_attr six = {.units = 6, .bias = true}, plain = {.units = 40},
                           thousand = {.units = 1000, .bias = true},
                           one = {.units = 1, .bias = true};

static const rs_case case_list[] = {
    {.name = "one number", .src = {{2, {1, 1}}}, .attr = &one},
    {.name = "6 classes of 300", .src = {{2, {5, 300}}}, .attr = &six},
    {.name = "no bias", .src = {{2, {15, 33}}}, .attr = &plain},
    {.name = "flattened images", .src = {{4, {3, 2, 2, 11}}}, .attr = &six},
    {.name = "1000 classes", .src = {{2, {32, 64}}}, .attr = &thousand},
    {.name = "single unit, many samples", .src = {{2, {67, 19}}}, .attr = &one},
};

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list)};

const rs_op rs_op_dense = {.name = "dense",
                           .layer = "Dense",
                           .src_min = 1,
                           .src_max = 1,
                           .infer = dense_infer,
                           .reads = rs_conv_reads,
                           .reference = rs_conv_reference,
                           .macs = rs_conv_macs,
                           .reduction = rs_conv_reduction,
                           .key = rs_conv_key,
                           .reference_at = rs_conv_reference_at,
                           .impls = impls,
                           .cases = &cases};
