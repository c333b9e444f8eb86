/* Average pooling: dst = the mean of src over each window (pool.h has the geometry), or with
 * `global` over the whole map, dst (n, c).
 *
 * Divisor, as in torch: the window's places inside the padded image when `count_pad`, else those
 * inside the image. Backward: each pixel gathers diff_dst / divisor from the windows that cover it.
 */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "pool.h"
#include "spread.h"

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Runs forward (diff false) or the scatter of diff_dst for one window and channel. */
static void reference_window(const rs_problem *p, const rs_ref *ref, const rs_pool_geom *g,
                             const int64_t at[4], bool diff)
{
    const rs_pool_attr *a = p->attr;
    const int64_t top = at[1] * g->stride_h - g->pad_top, left = at[2] * g->stride_w - g->pad_left;
    const int64_t bottom = min_i64(top + g->kernel_h, g->end_h);
    const int64_t right = min_i64(left + g->kernel_w, g->end_w);
    const int64_t y0 = max_i64(top, 0), y1 = min_i64(bottom, g->h);
    const int64_t x0 = max_i64(left, 0), x1 = min_i64(right, g->w);
    const int64_t out = ((at[0] * g->out_h + at[1]) * g->out_w + at[2]) * g->c + at[3];
    const double divisor =
        (double)(a->count_pad ? (bottom - top) * (right - left) : (y1 - y0) * (x1 - x0));
    double sum = 0;
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            const int64_t i = ((at[0] * g->h + y) * g->w + x) * g->c + at[3];
            if (diff)
                ref->diff_src[0][i] += ref->diff_dst[out] / divisor;
            else
                sum += ref->src[0][i];
        }
    if (!diff)
        ref->dst[out] = sum / divisor;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_pool_geom g = rs_pool_geometry(p);
    const size_t count = rs_shape_count(&p->src[0]);
    int64_t at[4];
    if (pass != RS_FWD && !p->want_diff[0])
        return;
    for (size_t i = 0; i < count && pass != RS_FWD && !p->accumulate[0]; i++)
        ref->diff_src[0][i] = 0;
    for (at[0] = 0; at[0] < g.n; at[0]++)
        for (at[1] = 0; at[1] < g.out_h; at[1]++)
            for (at[2] = 0; at[2] < g.out_w; at[2]++)
                for (at[3] = 0; at[3] < g.c; at[3]++)
                    reference_window(p, ref, &g, at, pass != RS_FWD);
}

static size_t reduction(const rs_problem *p, rs_pass pass)
{
    const rs_pool_geom g = rs_pool_geometry(p);
    if (pass == RS_FWD)
        return (size_t)(g.kernel_h * g.kernel_w);
    return (size_t)((g.kernel_h / g.stride_h + 1) * (g.kernel_w / g.stride_w + 1));
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_pool_plan(plan, caps, "avgpool",
                        plan->pass == RS_FWD ? "avgpool_fwd" : "avgpool_bwd_data", false);
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_pool_attr *attr = p->attr;
    const bool fwd = plan->pass == RS_FWD;
    if (!fwd && !p->want_diff[0])
        return RESCL_OK;
    const rs_arg args[] = {RS_BUF(fwd ? a->src[0].buf : a->diff_dst.buf),
                           RS_BUF(fwd ? a->dst.buf : a->diff_src[0].buf),
                           RS_INT(attr->count_pad && !attr->global), RS_INT(p->accumulate[0])};
    return rs_pool_launch(plan, args, fwd ? 3 : 4);
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, RS_STORAGE_TYPES, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_pool_attr global = {.global = true};
static const rs_pool_attr k2s2 = RS_POOL_OF(2, 2, RS_POOL_PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2p1 = RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1));
static const rs_pool_attr k3s2p1_count =
    RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1), .count_pad = true);
static const rs_pool_attr k3s2_ceil = RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1), .ceil_mode = true);
static const rs_pool_attr k3s2_ceil_count =
    RS_POOL_OF(3, 2, RS_POOL_PAD(1, 1, 1, 1), .ceil_mode = true, .count_pad = true);
static const rs_pool_attr k3s1 = RS_POOL_OF(3, 1, RS_POOL_PAD(2, 0, 0, 2));

static const rs_case case_list[] = {
    {.name = "global, one pixel", .src = {{4, {1, 1, 1, 1}}}, .attr = &global},
    {.name = "global", .src = {{4, {5, 7, 7, 131}}}, .attr = &global},
    {.name = "global, aligned", .src = {{4, {3, 11, 9, 64}}}, .attr = &global},
    {.name = "global 2x2", .src = {{4, {32, 2, 2, 256}}}, .attr = &global},
    {.name = "2x2/2", .src = {{4, {2, 9, 8, 19}}}, .attr = &k2s2},
    {.name = "3x3/2 pad 1", .src = {{4, {2, 8, 9, 33}}}, .attr = &k3s2p1},
    {.name = "3x3/2 pad 1 counted", .src = {{4, {2, 8, 9, 33}}}, .attr = &k3s2p1_count},
    {.name = "3x3/2 ceil", .src = {{4, {1, 8, 10, 7}}}, .attr = &k3s2_ceil},
    {.name = "3x3/2 ceil, pad counted", .src = {{4, {1, 8, 10, 7}}}, .attr = &k3s2_ceil_count},
    {.name = "3x3/1 uneven pads", .src = {{4, {2, 5, 4, 16}}}, .attr = &k3s1},
    {.name = "several chunks", .src = {{4, {4, 31, 32, 64}}}, .attr = &k3s2p1},
};

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .mixed = true};

const rs_op rs_op_avgpool = {.name = "avgpool",
                             .layer = "AveragePooling2D",
                             .src_min = 1,
                             .src_max = 1,
                             .infer = rs_pool_infer,
                             .reference = reference,
                             .reduction = reduction,
                             .impls = impls,
                             .cases = &cases};
