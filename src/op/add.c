/* Residual add: dst = src 0 + src 1, of one shape. Each diff_src = diff_dst. */
#include "cases.h"
#include "error.h"
#include "op.h"
#include "spread.h"

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    char a[96], b[96];
    RS_FAIL_IF(!rs_shape_equal(&p->src[0], &p->src[1]), RESCL_ERR_SHAPE,
               "add: the inputs' shapes %s and %s differ", rs_shape_text(&p->src[0], a),
               rs_shape_text(&p->src[1], b));
    p->dst = p->src[0];
out:
    return st;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const size_t n = rs_shape_count(&p->dst);
    for (size_t i = 0; i < n && pass == RS_FWD; i++)
        ref->dst[i] = ref->src[0][i] + ref->src[1][i];
    for (int s = 0; s < 2 && pass == RS_BWD_DATA; s++)
        for (size_t i = 0; i < n && p->want_diff[s]; i++)
            ref->diff_src[s][i] = (p->accumulate[s] ? ref->diff_src[s][i] : 0) + ref->diff_dst[i];
}

static size_t reduction(const rs_problem *p, rs_pass pass)
{
    (void)p, (void)pass;
    return 2;
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_spread_plan(plan, caps, "add", plan->pass == RS_FWD ? "add_fwd" : "add_bwd_data",
                          rs_shape_count(&plan->problem.dst), 1, 16);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const size_t count = rs_shape_count(&p->dst), chunk = rs_spread_chunk(plan);
    const rs_grid grid = rs_spread_grid(plan);
    rs_kernel *k = plan->kernel[0].kernel;
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->src[1].buf),
                         RS_BUF(a->dst.buf), RS_UINT(count), RS_UINT(chunk));
    return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->diff_dst.buf), RS_BUF(a->diff_src[0].buf),
                     RS_BUF(a->diff_src[1].buf), RS_UINT(count), RS_UINT(chunk),
                     RS_UINT(rs_diff_flags(p)));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_case case_list[] = {
    {.name = "one element", .src = {{1, {1}}, {1, {1}}}},
    {.name = "prime", .src = {{4, {1, 7, 11, 13}}, {4, {1, 7, 11, 13}}}},
    {.name = "vectors only", .src = {{4, {2, 8, 7, 20}}, {4, {2, 8, 7, 20}}}},
    {.name = "several chunks and a tail", .src = {{4, {3, 33, 31, 17}}, {4, {3, 33, 31, 17}}}},
};

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list)};

const rs_op rs_op_add = {.name = "add",
                         .layer = "Add",
                         .src_min = 2,
                         .src_max = 2,
                         .infer = infer,
                         .reference = reference,
                         .reduction = reduction,
                         .impls = impls,
                         .cases = &cases};
