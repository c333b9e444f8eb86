/* shortcut: a residual block's shortcut without parameters (attr.h): dst[y, x] is src[y * stride,
 * x * stride] between zeros for the channels that src lacks. Backward: pixels that were skipped get
 * zeros. */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "spread.h"

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_shortcut_attr *a = p->attr;
    const rs_shape *src = &p->src[0];
    char text[96];
    RS_FAIL_IF(src->ndim != 4, RESCL_ERR_SHAPE, "shortcut: takes (n,h,w,c), got %s",
               rs_shape_text(src, text));
    RS_FAIL_IF(a->stride == 0, RESCL_ERR_ARG, "shortcut: the stride must be at least 1");
    RS_FAIL_IF(a->channels < src->dim[3], RESCL_ERR_SHAPE,
               "shortcut: %zu channels do not hold the %zu of %s", a->channels, src->dim[3],
               rs_shape_text(src, text));
    p->dst = rs_shape_4(src->dim[0], (src->dim[1] - 1) / a->stride + 1,
                        (src->dim[2] - 1) / a->stride + 1, a->channels);
out:
    return st;
}

static size_t channels_before(const rs_problem *p)
{
    return (p->dst.dim[3] - p->src[0].dim[3]) / 2;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_shortcut_attr *a = p->attr;
    const size_t *in = p->src[0].dim, *out = p->dst.dim, before = channels_before(p);
    const size_t dst_count = rs_shape_count(&p->dst), src_count = rs_shape_count(&p->src[0]);
    if (pass != RS_FWD && !p->want_diff[0])
        return;
    for (size_t i = 0; i < dst_count && pass == RS_FWD; i++)
        ref->dst[i] = 0;
    for (size_t i = 0; i < src_count && pass != RS_FWD && !p->accumulate[0]; i++)
        ref->diff_src[0][i] = 0;
    for (size_t pixel = 0; pixel < out[0] * out[1] * out[2]; pixel++)
        for (size_t c = 0; c < in[3]; c++) {
            const size_t x = pixel % out[2], y = pixel / out[2] % out[1],
                         n = pixel / out[2] / out[1];
            const size_t from = ((n * in[1] + y * a->stride) * in[2] + x * a->stride) * in[3] + c;
            const size_t to = pixel * out[3] + before + c;
            if (pass == RS_FWD)
                ref->dst[to] = ref->src[0][from];
            else
                ref->diff_src[0][from] += ref->diff_dst[to];
        }
}

/* Units of work are pixels: of dst forward, of src backward. */
static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    const rs_problem *p = &plan->problem;
    const bool fwd = plan->pass == RS_FWD;
    const size_t *dim = fwd ? p->dst.dim : p->src[0].dim;
    /* A multiple of a power of two if all three are. */
    const size_t runs = p->src[0].dim[3] | p->dst.dim[3] | channels_before(p);
    const rs_walk walk =
        rs_walk_over(caps, p, rs_plan_chunked(plan), dim[0], dim[1], dim[2], dim[3], 1, runs);
    RS_PLAN_KEEP(plan, walk);
    return rs_plan_kernel_add(plan, "shortcut", fwd ? "shortcut_fwd" : "shortcut_bwd_data", "%s",
                              walk.spread.options);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_shortcut_attr *attr = p->attr;
    const size_t *in = p->src[0].dim, *out = p->dst.dim;
    rs_kernel *k = plan->kernel[0].kernel;
    rs_walk walk;
    RS_PLAN_RECALL(plan, walk);
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, walk.spread.grid, RS_WALK_ARGS(&walk), RS_BUF(a->src[0].buf),
                         RS_BUF(a->dst.buf), RS_INT(in[1]), RS_INT(in[2]), RS_UINT(in[3]),
                         RS_INT(attr->stride), RS_UINT(channels_before(p)));
    if (!p->want_diff[0])
        return RESCL_OK;
    return RS_LAUNCH(plan->dev, k, walk.spread.grid, RS_WALK_ARGS(&walk), RS_BUF(a->diff_dst.buf),
                     RS_BUF(a->diff_src[0].buf), RS_INT(out[1]), RS_INT(out[2]), RS_UINT(out[3]),
                     RS_INT(attr->stride), RS_DIVISOR(rs_divisor_of(attr->stride)),
                     RS_UINT(channels_before(p)), RS_INT(p->accumulate[0]));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

#define ATTR(step, to)                                                                             \
    &(const rs_shortcut_attr)                                                                      \
    {                                                                                              \
        .stride = (step), .channels = (to)                                                         \
    }

static const rs_case case_list[] = {
    {.name = "one number", .src = {{4, {1, 1, 1, 1}}}, .attr = ATTR(1, 1)},
    {.name = "twice the channels", .src = {{4, {3, 8, 8, 16}}}, .attr = ATTR(2, 32)},
    {.name = "vectors of 4, in part", .src = {{4, {2, 7, 5, 12}}}, .attr = ATTR(2, 20)},
    {.name = "vectors of 4, shifted by 2", .src = {{4, {2, 7, 5, 12}}}, .attr = ATTR(2, 16)},
    {.name = "odd map, odd channels", .src = {{4, {2, 7, 5, 13}}}, .attr = ATTR(2, 24)},
    {.name = "stride 3", .src = {{4, {2, 8, 10, 3}}}, .attr = ATTR(3, 10)},
    {.name = "channels alone", .src = {{4, {1, 4, 3, 19}}}, .attr = ATTR(1, 40)},
    {.name = "pixels alone", .src = {{4, {1, 4, 3, 19}}}, .attr = ATTR(2, 19)},
    {.name = "several chunks", .src = {{4, {8, 32, 32, 16}}}, .attr = ATTR(2, 32)},
};

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list)};

const rs_op rs_op_shortcut = {.name = "shortcut",
                              .layer = "Shortcut",
                              .src_min = 1,
                              .src_max = 1,
                              .infer = infer,
                              .reference = reference,
                              .impls = impls,
                              .cases = &cases};
