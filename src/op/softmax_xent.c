/* Softmax with cross-entropy: src 0 logits (n, classes), src 1 labels (n) i32, or
 * targets (n, 4), src 2 optional weights (classes) -> dst (n).
 *
 * With z = log softmax(logits) and e = label_smoothing, as torch.nn.functional.cross_entropy with
 * reduction none: dst = -(1 - e) t - e / classes * sum(z), t = z[label], or of a target with another
 * label's share s, (1 - s) z[label] + s z[other]. ws 0 when training: exp(z).
 * diff_src 0 = (exp(z) - target) * diff_dst, target = e / classes, plus 1 - e at the label, or its parts
 * at both.
 * diff_dst may be absent: args.loss_diff then stands for each row.
 * With weights w each class's term counts w of it, smoothed ones too, as torch's `weight` has it:
 * dst = -(1 - e) w t - e / classes * sum(w z), diff_src 0 = (exp(z) sum(w target) - w target) * diff_dst.
 * A row's weight multiplies its dst and diff_src.
 * A label that is no class gives NaN in dst and in its row of diff_src. */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "op.h"
#include "spread.h"
#include "target.h"

#include <math.h>

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_softmax_xent_attr *a = p->attr;
    char weights[96], logits[96];
    RS_TRY(rs_target_infer(p, "softmax_xent", a->label_smoothing));
    if (p->nsrc == 3) {
        RS_FAIL_IF(p->src[2].ndim != 1 || p->src[2].dim[0] != p->src[0].dim[1], RESCL_ERR_SHAPE,
                   "softmax_xent: weights are %s, expected one for each class of the logits %s",
                   rs_shape_text(&p->src[2], weights), rs_shape_text(&p->src[0], logits));
        p->constants = 1u << 2;
    }
    if (p->training) {
        p->nws = 1;
        p->ws[0] = p->src[0];
    }
out:
    return st;
}

static unsigned reads(const rs_problem *p, rs_pass pass)
{
    const unsigned weights = p->nsrc == 3 ? RS_READS_SRC(2) : 0;
    return pass == RS_BWD_DATA ? RS_READS_SRC(1) | weights : 0;
}

/* Of class k; 1 without weights. */
static double weight_of(const double *weights, double k)
{
    return weights ? weights[(size_t)k] : 1;
}

static double reference_row(const double *x, size_t classes, const rs_target *t, double smoothing,
                            const double *weights, double *prob)
{
    double most = -INFINITY, all = 0;
    for (size_t k = 0; k < classes; k++)
        most = fmax(most, x[k]);
    double sum = exp(x[0] - most);
    for (size_t k = 1; k < classes; k++)
        sum += exp(x[k] - most);
    const double shift = most + log(sum);
    for (size_t k = 0; k < classes; k++) {
        all += weight_of(weights, (double)k) * (x[k] - shift);
        if (prob)
            prob[k] = exp(x[k] - shift);
    }
    if (!rs_target_is_known(t, classes))
        return NAN;
    const double smooth = smoothing > 0 ? smoothing / (double)classes * all : 0;
    double own = weight_of(weights, t->label) * (x[(size_t)t->label] - shift);
    if (t->share > 0)
        own = (1 - t->share) * own +
              t->share * weight_of(weights, t->other) * (x[(size_t)t->other] - shift);
    return t->weight * (-(1 - smoothing) * own - smooth);
}

static void reference_diff(const rs_problem *p, const rs_ref *ref, size_t row, const rs_target *t,
                           const double *weights)
{
    const rs_softmax_xent_attr *a = p->attr;
    const size_t classes = p->src[0].dim[1];
    const double e = (double)a->label_smoothing;
    double total = weights ? 0 : 1;
    for (size_t k = 0; k < classes && weights; k++)
        total += weights[k] * rs_target_of(t, k, classes, e);
    for (size_t k = 0; k < classes; k++) {
        const size_t at = row * classes + k;
        const double wanted = weight_of(weights, (double)k) * rs_target_of(t, k, classes, e);
        const double d = rs_target_is_known(t, classes)
                             ? t->weight * (ref->ws[0][at] * total - wanted) * ref->diff_dst[row]
                             : NAN;
        ref->diff_src[0][at] = (p->accumulate[0] ? ref->diff_src[0][at] : 0) + d;
    }
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_softmax_xent_attr *a = p->attr;
    const size_t classes = p->src[0].dim[1];
    const double *weights = p->nsrc == 3 ? ref->src[2] : NULL;
    for (size_t i = 0; i < p->src[0].dim[0]; i++) {
        const rs_target t = rs_target_at(&p->src[1], ref->src[1], i);
        if (pass == RS_FWD)
            ref->dst[i] =
                reference_row(ref->src[0] + i * classes, classes, &t, (double)a->label_smoothing,
                              weights, p->training ? ref->ws[0] + i * classes : NULL);
        else if (pass == RS_BWD_DATA && p->want_diff[0])
            reference_diff(p, ref, i, &t, weights);
    }
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_target_plan(plan, caps, "softmax_xent",
                          plan->pass == RS_FWD ? "softmax_xent_fwd" : "softmax_xent_bwd_data");
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_softmax_xent_attr *attr = p->attr;
    const rs_grid grid = rs_spread_grid(plan);
    const size_t chunk = rs_spread_chunk(plan), n = p->src[0].dim[0], classes = p->src[0].dim[1];
    const size_t words = rs_target_words(p);
    rs_buffer *weights = p->nsrc == 3 ? a->src[2].buf : NULL;
    rs_kernel *k = plan->kernel[0].kernel;
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->src[1].buf),
                         RS_BUF(weights), RS_BUF(a->dst.buf),
                         RS_BUF(p->training ? a->ws[0].buf : NULL), RS_UINT(n), RS_UINT(classes),
                         RS_UINT(chunk), RS_UINT(words), RS_FLOAT(attr->label_smoothing));
    if (!p->want_diff[0])
        return RESCL_OK;
    return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->ws[0].buf), RS_BUF(a->src[1].buf),
                     RS_BUF(weights), RS_BUF(a->diff_dst.buf), RS_BUF(a->diff_src[0].buf),
                     RS_UINT(n), RS_UINT(classes), RS_UINT(chunk), RS_UINT(words),
                     RS_FLOAT(attr->label_smoothing), RS_INT(p->accumulate[0]),
                     RS_FLOAT(a->loss_diff));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, 0, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_softmax_xent_attr plain = {0};
static const rs_softmax_xent_attr smooth = {.label_smoothing = 0.1f};

enum { BAD_LABELS = 1, LARGE, MINUS_INFINITY, MIXED };

static const rs_case case_list[] = {
    {.name = "one class", .src = {{2, {1, 1}}, {1, {1}}}, .attr = &plain},
    {.name = "six classes", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &plain},
    {.name = "six classes, smooth", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &smooth},
    {.name = "prime", .src = {{2, {5, 1009}}, {1, {5}}}, .attr = &smooth},
    {.name = "1000 classes", .src = {{2, {8, 1000}}, {1, {8}}}, .attr = &plain},
    {.name = "1024 classes, smooth", .src = {{2, {9, 1024}}, {1, {9}}}, .attr = &smooth},
    {.name = "two labels", .src = {{2, {7, 6}}, {2, {7, 4}}}, .attr = &plain, .variant = MIXED},
    {.name = "two labels, smooth",
     .src = {{2, {5, 1009}}, {2, {5, 4}}},
     .attr = &smooth,
     .variant = MIXED},
    {.name = "weights", .src = {{2, {32, 6}}, {1, {32}}, {1, {6}}}, .attr = &plain},
    {.name = "weights, smooth", .src = {{2, {5, 1009}}, {1, {5}}, {1, {1009}}}, .attr = &smooth},
    {.name = "weights, two labels, smooth",
     .src = {{2, {7, 64}}, {2, {7, 4}}, {1, {64}}},
     .attr = &smooth,
     .variant = MIXED},
    {.name = "large logits",
     .src = {{2, {9, 33}}, {1, {9}}},
     .attr = &smooth,
     .variant = LARGE,
     .scale = 500},
    {.name = "logits of minus infinity",
     .src = {{2, {3, 20}}, {1, {3}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = MINUS_INFINITY},
    {.name = "labels out of range",
     .src = {{2, {7, 19}}, {1, {7}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = BAD_LABELS},
};

static void fill_case(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng)
{
    const size_t n = p->src[0].dim[0], classes = p->src[0].dim[1];
    for (size_t i = 0; i < rs_shape_count(&p->src[1]); i++)
        d->src[1][i] = rs_rng_below(rng, (uint32_t)classes);
    for (size_t i = 0; i < n * classes; i++)
        d->src[0][i] *= c->variant == LARGE ? 200 : 4;
    for (size_t k = 0; k < classes && p->nsrc == 3; k++)
        d->src[2][k] = 1.5 + d->src[2][k];
    if (c->variant == MIXED)
        rs_target_mix(d->src[1], n, rng);
    if (c->variant == BAD_LABELS)
        rs_target_spoil(d->src[1], classes);
    if (c->variant == MINUS_INFINITY) {
        d->src[0][classes] = -INFINITY;
        d->src[0][classes + 18] = -INFINITY;
        d->src[1][1] = 5;
    }
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_softmax_xent = {.name = "softmax_xent",
                                  .layer = "CategoricalCrossentropy",
                                  .src_min = 2,
                                  .src_max = 3,
                                  .infer = infer,
                                  .reads = reads,
                                  .reference = reference,
                                  .reduction = rs_target_reduction,
                                  .impls = impls,
                                  .cases = &cases};
