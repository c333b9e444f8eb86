/* Dropout: dst = src * mask / (1 - rate) when training, dst = src otherwise.
 *
 * Element i is kept where the upper 24 bits of word i % 4 of philox(seed, attr.stream,
 * step << 32 | i / 4), as a fraction, are at least `rate`. With `rows` a number decides on a whole sample
 * instead, i being its place in the batch: torchvision's stochastic_depth in its mode "row" (Huang et al.,
 * "Deep Networks with Stochastic Depth", 2016), timm's drop_path. Backward makes the same mask again from
 * the same seed and step: nothing is kept. Dropped elements are multiplied by 0, so NaN passes
 * through. */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "rng.h"
#include "spread.h"

#include <math.h>

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_dropout_attr *a = p->attr;
    RS_FAIL_IF(!(a->rate >= 0 && a->rate < 1), RESCL_ERR_ARG,
               "dropout: rate is %g, expected 0 <= rate < 1", (double)a->rate);
    p->dst = p->src[0];
out:
    return st;
}

/* The smallest 24-bit number that is kept; 0 keeps everything. */
static uint32_t threshold(const rs_problem *p)
{
    const rs_dropout_attr *a = p->attr;
    return p->training ? (uint32_t)ceil((double)a->rate * 0x1p24) : 0;
}

static double kept_scale(const rs_problem *p)
{
    const rs_dropout_attr *a = p->attr;
    return p->training ? 1 / (1 - (double)a->rate) : 1;
}

/* Elements that are kept or dropped together. */
static size_t elems_of(const rs_problem *p)
{
    const rs_dropout_attr *a = p->attr;
    return a->rows ? rs_shape_count(&p->dst) / p->dst.dim[0] : 1;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_dropout_attr *a = p->attr;
    const size_t n = rs_shape_count(&p->dst);
    const size_t each = elems_of(p);
    const double scale = kept_scale(p);
    uint32_t word[4] = {0};
    for (size_t i = 0; i < n; i++) {
        const size_t at = i / each;
        if (i % (4 * each) == 0)
            rs_philox(ref->seed, a->stream, ref->step << 32 | at / 4, word);
        const double mask = word[at % 4] >> 8 >= threshold(p) ? scale : 0;
        if (pass == RS_FWD)
            ref->dst[i] = ref->src[0][i] * mask;
        else if (p->want_diff[0])
            ref->diff_src[0][i] =
                (p->accumulate[0] ? ref->diff_src[0][i] : 0) + ref->diff_dst[i] * mask;
    }
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    static const char *const names[2][2] = {{"dropout_fwd", "dropout_bwd_data"},
                                            {"dropout_fwd_rows", "dropout_bwd_rows"}};
    const rs_dropout_attr *a = plan->problem.attr;
    return rs_spread_plan(plan, caps, "dropout", names[a->rows][plan->pass != RS_FWD],
                          rs_shape_count(&plan->problem.dst), 1, 4);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_dropout_attr *attr = p->attr;
    const bool fwd = plan->pass == RS_FWD;
    const rs_grid grid = rs_spread_grid(plan);
    if (!fwd && !p->want_diff[0])
        return RESCL_OK;
    const rs_divisor each = rs_divisor_of(elems_of(p));
    const rs_arg args[] = {RS_BUF(fwd ? a->src[0].buf : a->diff_dst.buf),
                           RS_BUF(fwd ? a->dst.buf : a->diff_src[0].buf),
                           RS_UINT(rs_shape_count(&p->dst)),
                           RS_UINT(rs_spread_chunk(plan)),
                           RS_ULONG(a->seed),
                           RS_ULONG(attr->stream),
                           RS_ULONG(a->step << 32),
                           RS_UINT(threshold(p)),
                           RS_FLOAT(kept_scale(p)),
                           RS_INT(!fwd && p->accumulate[0]),
                           RS_UINT(elems_of(p)),
                           RS_DIVISOR(each)};
    /* Only the kernels of rows divide. */
    return rs_launch(plan->dev, plan->kernel[0].kernel, &grid, args,
                     attr->rows ? RS_COUNT(args) : RS_COUNT(args) - 3);
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_dropout_attr half = {.rate = 0.5f, .stream = 3};
static const rs_dropout_attr tenth = {.rate = 0.1f, .stream = UINT64_C(0x8000000000000001)};
static const rs_dropout_attr third = {.rate = 0.3f, .stream = 5, .rows = true};
static const rs_dropout_attr none = {.rate = 0, .stream = 3};

static const rs_case case_list[] = {
    {.name = "one element", .src = {{1, {1}}}, .attr = &half},
    {.name = "prime", .src = {{2, {7, 1013}}}, .attr = &tenth},
    {.name = "several chunks", .src = {{2, {32, 2048}}}, .attr = &half},
    {.name = "rate 0, aligned", .src = {{2, {3, 32}}}, .attr = &none},
    {.name = "rate 0", .src = {{2, {3, 21}}}, .attr = &none},
    {.name = "rows of one element", .src = {{2, {9, 1}}}, .attr = &third},
    {.name = "rows, prime", .src = {{4, {7, 3, 5, 13}}}, .attr = &third},
    {.name = "rows, aligned", .src = {{4, {13, 9, 9, 64}}}, .attr = &third},
};

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list)};

const rs_op rs_op_dropout = {.name = "dropout",
                             .layer = "Dropout",
                             .src_min = 1,
                             .src_max = 1,
                             .infer = infer,
                             .reference = reference,
                             .impls = impls,
                             .cases = &cases};
