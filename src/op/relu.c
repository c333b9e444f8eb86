/* Rectified linear unit: dst = max(src, 0) for any shape.
 * Backward from dst: diff_src = diff_dst where dst > 0, else 0. NaN passes through both ways. */
#include "cases.h"
#include "error.h"
#include "op.h"
#include "spread.h"

#include <math.h>

static rescl_status infer(rs_problem *p)
{
    p->dst = p->src[0];
    return RESCL_OK;
}

static unsigned reads(const rs_problem *p, rs_pass pass)
{
    (void)p;
    return pass == RS_BWD_DATA ? RS_READS_DST : 0;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const size_t n = rs_shape_count(&p->dst);
    for (size_t i = 0; i < n; i++) {
        if (pass == RS_FWD) {
            ref->dst[i] = ref->src[0][i] < 0 ? 0 : ref->src[0][i];
        } else if (p->want_diff[0]) {
            const double old = p->accumulate[0] ? ref->diff_src[0][i] : 0;
            ref->diff_src[0][i] = old + (ref->dst[i] <= 0 ? 0 : ref->diff_dst[i]);
        }
    }
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_spread_plan(plan, caps, "relu", plan->pass == RS_FWD ? "relu_fwd" : "relu_bwd_data",
                          rs_shape_count(&plan->problem.dst), 1, 16);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const size_t count = rs_shape_count(&p->dst), chunk = rs_spread_chunk(plan);
    const rs_grid grid = rs_spread_grid(plan);
    rs_kernel *k = plan->kernel[0].kernel;
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->dst.buf),
                         RS_UINT(count), RS_UINT(chunk));
    if (!p->want_diff[0])
        return RESCL_OK;
    return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->dst.buf), RS_BUF(a->diff_dst.buf),
                     RS_BUF(a->diff_src[0].buf), RS_UINT(count), RS_UINT(chunk),
                     RS_INT(p->accumulate[0]));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_case case_list[] = {
    {.name = "one element", .src = {{1, {1}}}},
    {.name = "prime", .src = {{4, {1, 7, 11, 13}}}},
    {.name = "vectors only", .src = {{2, {32, 64}}}},
    {.name = "several chunks and a tail", .src = {{4, {3, 33, 31, 17}}}},
    {.name = "NaN and zeros", .src = {{1, {40}}}, .no_gradient = true, .variant = 1},
};

static void fill_case(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng)
{
    (void)p, (void)rng;
    if (c->variant == 1) {
        d->src[0][3] = NAN;
        d->src[0][17] = d->src[0][39] = 0;
        d->src[0][20] = INFINITY;
        d->src[0][21] = -INFINITY;
        d->diff_dst[5] = NAN;
    }
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_relu = {.name = "relu",
                          .layer = "ReLU",
                          .src_min = 1,
                          .src_max = 1,
                          .infer = infer,
                          .reads = reads,
                          .reference = reference,
                          .impls = impls,
                          .cases = &cases};
