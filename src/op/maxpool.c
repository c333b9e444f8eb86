/* Max pooling: dst = the largest src of each window (pool.h has the geometry).
 *
 * Padding counts as -infinity (torch), or as zeros with `zero_pad` (Keras' ZeroPadding2D before the
 * pool). Of equal values the first in row-major order wins, and NaN wins over all, as in PyTorch.
 *
 * ws 0: where in its window each maximum lies, r * kernel_w + s; u8 while a window has at most 256
 * places, else i32. A zero of the padding that wins is a place of no pixel: its gradient goes
 * nowhere. Backward gathers: diff_src = the sum of diff_dst of the windows whose maximum the pixel
 * is, in a fixed order.
 */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "pool.h"
#include "spread.h"

#include <math.h>

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_pool_attr *a = p->attr;
    RS_FAIL_IF(a->global, RESCL_ERR_ARG, "maxpool: `global` is for average pooling");
    RS_TRY(rs_pool_infer(p));
    if (p->training) {
        p->nws = 1;
        p->ws[0] = p->dst;
        p->ws_type[0] = a->kernel_h * a->kernel_w <= 256 ? RS_U8 : RS_I32;
    }
out:
    return st;
}

static void reference_window(const rs_problem *p, const rs_ref *ref, const rs_pool_geom *g,
                             const int64_t at[4])
{
    const rs_pool_attr *a = p->attr;
    const int64_t top = at[1] * g->stride_h - g->pad_top, left = at[2] * g->stride_w - g->pad_left;
    const int64_t out = ((at[0] * g->out_h + at[1]) * g->out_w + at[2]) * g->c + at[3];
    double best = -INFINITY;
    int64_t place = -1;
    for (int64_t r = 0; r < g->kernel_h; r++)
        for (int64_t s = 0; s < g->kernel_w; s++) {
            const int64_t y = top + r, x = left + s;
            const bool inside = y >= 0 && y < g->h && x >= 0 && x < g->w;
            if (!inside && !(a->zero_pad && y < g->end_h && x < g->end_w))
                continue;
            const double v =
                inside ? ref->src[0][((at[0] * g->h + y) * g->w + x) * g->c + at[3]] : 0;
            if (place < 0 || v > best || isnan(v)) {
                best = v;
                place = r * g->kernel_w + s;
            }
        }
    ref->dst[out] = best;
    if (p->training)
        ref->ws[0][out] = (double)place;
}

static void reference_diff(const rs_problem *p, const rs_ref *ref, const rs_pool_geom *g)
{
    const size_t count = rs_shape_count(&p->src[0]), windows = rs_shape_count(&p->dst);
    for (size_t i = 0; i < count && !p->accumulate[0]; i++)
        ref->diff_src[0][i] = 0;
    for (size_t i = 0; i < windows; i++) {
        const int64_t k = (int64_t)i % g->c, ox = (int64_t)i / g->c % g->out_w;
        const int64_t line = (int64_t)i / g->c / g->out_w;
        const int64_t place = (int64_t)ref->ws[0][i];
        const int64_t y = line % g->out_h * g->stride_h - g->pad_top + place / g->kernel_w;
        const int64_t x = ox * g->stride_w - g->pad_left + place % g->kernel_w;
        if (y >= 0 && y < g->h && x >= 0 && x < g->w)
            ref->diff_src[0][((line / g->out_h * g->h + y) * g->w + x) * g->c + k] +=
                ref->diff_dst[i];
    }
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_pool_geom g = rs_pool_geometry(p);
    int64_t at[4];
    if (pass == RS_BWD_DATA && p->want_diff[0])
        reference_diff(p, ref, &g);
    for (at[0] = 0; pass == RS_FWD && at[0] < g.n; at[0]++)
        for (at[1] = 0; at[1] < g.out_h; at[1]++)
            for (at[2] = 0; at[2] < g.out_w; at[2]++)
                for (at[3] = 0; at[3] < g.c; at[3]++)
                    reference_window(p, ref, &g, at);
}

static size_t reduction(const rs_problem *p, rs_pass pass)
{
    const rs_pool_attr *a = p->attr;
    return pass == RS_FWD ? 1 : (a->kernel_h / a->stride_h + 1) * (a->kernel_w / a->stride_w + 1);
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_pool_plan(plan, caps, "maxpool",
                        plan->pass == RS_FWD ? "maxpool_fwd" : "maxpool_bwd_data", true);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_pool_attr *attr = p->attr;
    const bool bytes = p->training && p->ws_type[0] == RS_U8;
    rs_buffer *places = p->training ? a->ws[0].buf : NULL;
    rs_buffer *u8 = bytes ? places : NULL, *i32 = bytes ? NULL : places;
    if (plan->pass == RS_FWD) {
        const rs_arg args[] = {RS_BUF(a->src[0].buf), RS_BUF(a->dst.buf), RS_BUF(u8), RS_BUF(i32),
                               RS_INT(attr->zero_pad)};
        return rs_pool_launch(plan, args, RS_COUNT(args));
    }
    if (!p->want_diff[0])
        return RESCL_OK;
    const rs_arg args[] = {RS_BUF(a->diff_dst.buf), RS_BUF(u8), RS_BUF(i32),
                           RS_BUF(a->diff_src[0].buf), RS_INT(p->accumulate[0])};
    return rs_pool_launch(plan, args, RS_COUNT(args));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_pool_attr k1 = RS_POOL_OF(1, 1, RS_POOL_PAD(0, 0, 0, 0));
static const rs_pool_attr k2s2 = RS_POOL_OF(2, 2, RS_POOL_PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2 = RS_POOL_OF(3, 2, RS_POOL_PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2p1 = RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1));
static const rs_pool_attr k3s2p1_ceil =
    RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1), .ceil_mode = true);
static const rs_pool_attr k3s2z1 = RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1), .zero_pad = true);
static const rs_pool_attr k3s2z1_ceil =
    RS_POOL_OF(3, 2, RS_POOL_PAD(1, 0, 1, 0), .zero_pad = true, .ceil_mode = true);
static const rs_pool_attr k3s1 = RS_POOL_OF(3, 1, RS_POOL_PAD(1, 1, 1, 1));
static const rs_pool_attr k2s3 = RS_POOL_OF(2, 3, RS_POOL_PAD(0, 0, 0, 0), .ceil_mode = true);
static const rs_pool_attr k17 = RS_POOL_OF(17, 5, RS_POOL_PAD(8, 2, 0, 16));
static const rs_pool_attr oblong = {
    .kernel_h = 2, .kernel_w = 5, .stride_h = 1, .stride_w = 3, RS_POOL_PAD(1, 0, 2, 4)};

enum { TIES = 1, NEGATIVE, SPECIAL };

static const rs_case case_list[] = {
    {.name = "1x1", .src = {{4, {1, 1, 1, 1}}}, .attr = &k1},
    {.name = "2x2/2", .src = {{4, {2, 8, 8, 16}}}, .attr = &k2s2},
    {.name = "2x2/2, a row and a column beyond", .src = {{4, {2, 7, 9, 32}}}, .attr = &k2s2},
    {.name = "3x3/1", .src = {{4, {2, 6, 7, 32}}}, .attr = &k3s1},
    {.name = "3x3/2", .src = {{4, {2, 9, 7, 5}}}, .attr = &k3s2},
    {.name = "3x3/2 pad 1", .src = {{4, {2, 8, 9, 37}}}, .attr = &k3s2p1},
    {.name = "3x3/2 pad 1, all negative",
     .src = {{4, {2, 8, 9, 21}}},
     .attr = &k3s2p1,
     .variant = NEGATIVE},
    {.name = "3x3/2 pad 1, ceil", .src = {{4, {1, 8, 10, 19}}}, .attr = &k3s2p1_ceil},
    {.name = "3x3/2 zeros 1", .src = {{4, {2, 8, 9, 20}}}, .attr = &k3s2z1},
    {.name = "3x3/2 zeros 1, all negative",
     .src = {{4, {2, 8, 9, 20}}},
     .attr = &k3s2z1,
     .variant = NEGATIVE},
    {.name = "3x3/2 zeros before, ceil",
     .src = {{4, {1, 7, 8, 3}}},
     .attr = &k3s2z1_ceil,
     .variant = NEGATIVE},
    {.name = "stride above kernel", .src = {{4, {1, 7, 8, 18}}}, .attr = &k2s3},
    {.name = "289 places, i32", .src = {{4, {1, 23, 19, 17}}}, .attr = &k17},
    {.name = "oblong", .src = {{4, {3, 5, 11, 33}}}, .attr = &oblong},
    {.name = "several chunks", .src = {{4, {4, 32, 32, 64}}}, .attr = &k3s2p1},
    {.name = "ties",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &k3s2p1,
     .no_gradient = true,
     .variant = TIES},
    {.name = "NaN and infinities",
     .src = {{4, {1, 9, 9, 4}}},
     .attr = &k3s2p1,
     .no_gradient = true,
     .variant = SPECIAL},
};

static void fill_case(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng)
{
    const size_t n = rs_shape_count(&p->src[0]);
    for (size_t i = 0; i < n && c->variant == TIES; i++)
        d->src[0][i] = rs_rng_below(rng, 3);
    for (size_t i = 0; i < n && c->variant == NEGATIVE; i++)
        d->src[0][i] -= 1.5;
    for (size_t i = 0; i < n && c->variant == SPECIAL; i++) {
        const double special[] = {-INFINITY, NAN, INFINITY, 1};
        if (i % 4 == 0 || rs_rng_below(rng, 8) == 0)
            d->src[0][i] = i % 4 == 0 ? -INFINITY : special[rs_rng_below(rng, 4)];
    }
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_maxpool = {.name = "maxpool",
                             .layer = "MaxPooling2D",
                             .src_min = 1,
                             .src_max = 1,
                             .infer = infer,
                             .reference = reference,
                             .reduction = reduction,
                             .impls = impls,
                             .cases = &cases};
