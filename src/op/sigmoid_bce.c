/* Sigmoid with binary cross-entropy, and focal loss: src 0 logits (n, classes), src 1 labels (n) i32, or
 * targets (n, 4) -> dst (n).
 *
 * With p = sigmoid(x) and a target t for each class, as torch.nn.BCEWithLogitsLoss has it: a term is
 * b = -t log(p) - (1 - t) log(1 - p), and dst the mean of a row's terms times its weight. The targets of a
 * label are 1 there and 0 elsewhere, mixed and smoothed as those of softmax_xent, as timm's
 * BinaryCrossEntropy has them; above `threshold` they become 1, else 0, where it is not 0.
 * Focal loss, Lin et al., "Focal Loss for Dense Object Detection" (2017), with torchvision's
 * sigmoid_focal_loss: a term is a b q^gamma, q = t (1 - p) + (1 - t) p, a = alpha t + (1 - alpha)(1 - t), 1
 * where alpha is below 0.
 * diff_src 0 = a ((p - t) q^gamma + b gamma q^(gamma - 1) p (1 - p) (1 - 2 t)) weight / classes * diff_dst,
 * and args.loss_diff stands for each row where diff_dst is absent.
 * A label that is no class gives NaN in dst and in its row of diff_src.
 * With attr.rows src 1 is (n, classes): the targets themselves, in units of 1 / RS_MIXED_ONE. */
#include "attr.h"
#include "cases.h"
#include "error.h"
#include "mixed.h"
#include "op.h"
#include "spread.h"
#include "target.h"

#include <math.h>

static rescl_status infer_rows(rs_problem *p, float smoothing)
{
    rescl_status st = RESCL_OK;
    const rs_shape *x = &p->src[0], *y = &p->src[1];
    char tx[96], ty[96];
    RS_FAIL_IF(x->ndim != 2 || !rs_shape_equal(x, y), RESCL_ERR_SHAPE,
               "sigmoid_bce: targets are %s, expected those of the logits %s, (n, classes)",
               rs_shape_text(y, ty), rs_shape_text(x, tx));
    RS_FAIL_IF(smoothing > 0, RESCL_ERR_ARG,
               "sigmoid_bce: label smoothing of %g, expected 0 for rows of targets",
               (double)smoothing);
    p->src_type[1] = RS_I32;
    p->dst = rs_shape_1(x->dim[0]);
out:
    return st;
}

static rescl_status infer(rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const rs_sigmoid_bce_attr *a = p->attr;
    if (a->rows)
        RS_TRY(infer_rows(p, a->label_smoothing));
    else
        RS_TRY(rs_target_infer(p, "sigmoid_bce", a->label_smoothing));
    RS_FAIL_IF(!(a->gamma >= 0), RESCL_ERR_ARG, "sigmoid_bce: gamma is %g, expected at least 0",
               (double)a->gamma);
out:
    return st;
}

static unsigned reads(const rs_problem *p, rs_pass pass)
{
    (void)p;
    return pass == RS_BWD_DATA ? RS_READS_SRC(0) | RS_READS_SRC(1) : 0;
}

/* A class's term of the loss, and its derivative by the logit. */
static double term_of(const rs_sigmoid_bce_attr *a, double x, double wanted, double *diff)
{
    const double t = a->threshold > 0 ? wanted > (double)a->threshold : wanted;
    const double gamma = (double)a->gamma, alpha = (double)a->alpha;
    const double p = 1 / (1 + exp(-x)), rest = 1 / (1 + exp(x));
    const double loss = fmax(x, 0) - x * t + log1p(exp(-fabs(x)));
    const double share = alpha < 0 ? 1 : alpha * t + (1 - alpha) * (1 - t);
    if (!(gamma > 0)) {
        *diff = share * (p - t);
        return share * loss;
    }
    const double q = t * rest + (1 - t) * p, power = pow(q, gamma);
    const double slope = q > 0 ? gamma * power / q * p * rest * (1 - 2 * t) : 0;
    *diff = share * ((p - t) * power + loss * slope);
    return share * loss * power;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_sigmoid_bce_attr *a = p->attr;
    const size_t classes = p->src[0].dim[1];
    for (size_t i = 0; i < p->src[0].dim[0]; i++) {
        rs_target t = {.weight = 1};
        if (!a->rows)
            t = rs_target_at(&p->src[1], ref->src[1], i);
        const double scale =
            rs_target_is_known(&t, classes) ? t.weight / (double)classes : (double)NAN;
        double sum = 0;
        for (size_t k = 0; k < classes; k++) {
            const size_t at = i * classes + k;
            const double wanted = a->rows
                                      ? ref->src[1][at] / RS_MIXED_ONE
                                      : rs_target_of(&t, k, classes, (double)a->label_smoothing);
            double diff;
            sum += term_of(a, ref->src[0][at], wanted, &diff);
            if (pass == RS_BWD_DATA && p->want_diff[0])
                ref->diff_src[0][at] =
                    (p->accumulate[0] ? ref->diff_src[0][at] : 0) + scale * diff * ref->diff_dst[i];
        }
        if (pass == RS_FWD)
            ref->dst[i] = scale * sum;
    }
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_target_plan(plan, caps, "sigmoid_bce",
                          plan->pass == RS_FWD ? "sigmoid_bce_fwd" : "sigmoid_bce_bwd_data");
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_sigmoid_bce_attr *attr = p->attr;
    const rs_grid grid = rs_spread_grid(plan);
    const size_t chunk = rs_spread_chunk(plan), n = p->src[0].dim[0], classes = p->src[0].dim[1];
    const size_t words = attr->rows ? 0 : rs_target_words(p);
    rs_kernel *k = plan->kernel[0].kernel;
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->src[1].buf),
                         RS_BUF(a->dst.buf), RS_UINT(n), RS_UINT(classes), RS_UINT(chunk),
                         RS_UINT(words), RS_FLOAT(attr->label_smoothing), RS_FLOAT(attr->threshold),
                         RS_FLOAT(attr->gamma), RS_FLOAT(attr->alpha));
    if (!p->want_diff[0])
        return RESCL_OK;
    return RS_LAUNCH(
        plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->src[1].buf), RS_BUF(a->diff_dst.buf),
        RS_BUF(a->diff_src[0].buf), RS_UINT(n), RS_UINT(classes), RS_UINT(chunk), RS_UINT(words),
        RS_FLOAT(attr->label_smoothing), RS_FLOAT(attr->threshold), RS_FLOAT(attr->gamma),
        RS_FLOAT(attr->alpha), RS_INT(p->accumulate[0]), RS_FLOAT(a->loss_diff));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, 0, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_sigmoid_bce_attr plain = {.alpha = -1};
static const rs_sigmoid_bce_attr smooth = {.label_smoothing = 0.1f, .alpha = -1};
static const rs_sigmoid_bce_attr hard = {.threshold = 0.2f, .alpha = -1};
static const rs_sigmoid_bce_attr focal = {.gamma = 2, .alpha = 0.25f};
static const rs_sigmoid_bce_attr half = {.gamma = 0.5f, .alpha = -1};

static const rs_sigmoid_bce_attr rows = {.alpha = -1, .rows = true};
static const rs_sigmoid_bce_attr focal_rows = {.gamma = 2, .alpha = 0.25f, .rows = true};
static const rs_sigmoid_bce_attr hard_rows = {.threshold = 0.2f, .alpha = -1, .rows = true};

enum { BAD_LABELS = 1, LARGE, MIXED, ROWS };

static const rs_case case_list[] = {
    {.name = "one class", .src = {{2, {1, 1}}, {1, {1}}}, .attr = &plain},
    {.name = "six classes", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &plain},
    {.name = "six classes, focal", .src = {{2, {32, 6}}, {1, {32}}}, .attr = &focal},
    {.name = "prime, smooth", .src = {{2, {5, 1009}}, {1, {5}}}, .attr = &smooth},
    {.name = "1024 classes, focal", .src = {{2, {9, 1024}}, {1, {9}}}, .attr = &half},
    {.name = "two labels, smooth",
     .src = {{2, {7, 6}}, {2, {7, 4}}},
     .attr = &smooth,
     .variant = MIXED},
    {.name = "two labels, threshold",
     .src = {{2, {7, 11}}, {2, {7, 4}}},
     .attr = &hard,
     .variant = MIXED},
    {.name = "two labels, focal",
     .src = {{2, {7, 11}}, {2, {7, 4}}},
     .attr = &focal,
     .variant = MIXED},
    {.name = "rows of 4 classes",
     .src = {{2, {7, 4}}, {2, {7, 4}}},
     .attr = &rows,
     .variant = ROWS},
    {.name = "rows, focal",
     .src = {{2, {5, 1009}}, {2, {5, 1009}}},
     .attr = &focal_rows,
     .variant = ROWS},
    {.name = "rows, threshold",
     .src = {{2, {33, 20}}, {2, {33, 20}}},
     .attr = &hard_rows,
     .variant = ROWS},
    {.name = "large logits",
     .src = {{2, {9, 33}}, {1, {9}}},
     .attr = &focal,
     .no_gradient = true,
     .variant = LARGE,
     .scale = 200},
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
    /* None, some and all of a row's classes, and shares as mixed images have them. */
    for (size_t i = 0; c->variant == ROWS && i < n * classes; i++) {
        const uint32_t what = i / classes == 0 ? 0 : i / classes == 1 ? 1 : rs_rng_below(rng, 3);
        d->src[1][i] = what == 2 ? rs_rng_below(rng, RS_MIXED_ONE) : what * RS_MIXED_ONE;
    }
    if (c->variant == MIXED)
        rs_target_mix(d->src[1], n, rng);
    if (c->variant == BAD_LABELS)
        rs_target_spoil(d->src[1], classes);
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_sigmoid_bce = {.name = "sigmoid_bce",
                                 .layer = "BinaryCrossentropy",
                                 .src_min = 2,
                                 .src_max = 2,
                                 .infer = infer,
                                 .reads = reads,
                                 .reference = reference,
                                 .reduction = rs_target_reduction,
                                 .impls = impls,
                                 .cases = &cases};
