/* Knowledge distillation: src 0 logits x (n, classes), src 1 the teacher's y (n, classes), src 2 losses (n)
 * -> dst (n).
 *
 * Hinton et al., "Distilling the Knowledge in a Neural Network" (2015): with p = softmax(x / tau) and
 * q = softmax(y / tau), dst = (1 - alpha) loss + alpha tau^2 sum(q log(q / p)), as torch's kl_div has it with
 * reduction batchmean. With `hard`, Touvron et al., "Training data-efficient image transformers" (2021):
 * dst = (1 - alpha) loss - alpha log softmax(x)[argmax y], the first of equal ones.
 * ws 0 when training: tau (p - q), or softmax(x) - 1 at the teacher's class.
 * diff_src 0 = alpha ws 0 diff_dst, diff_src 2 = (1 - alpha) diff_dst; the teacher has none.
 * diff_dst may be absent: args.loss_diff then stands for each row. */
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
    const rs_distillation_attr *a = p->attr;
    const rs_shape *x = &p->src[0], *y = &p->src[1], *loss = &p->src[2];
    char tx[96], ty[96];
    RS_FAIL_IF(x->ndim != 2, RESCL_ERR_SHAPE, "distillation: logits are %s, expected (n, classes)",
               rs_shape_text(x, tx));
    RS_FAIL_IF(!rs_shape_equal(x, y), RESCL_ERR_SHAPE,
               "distillation: the teacher's logits are %s, expected those of the student: %s",
               rs_shape_text(y, ty), rs_shape_text(x, tx));
    RS_FAIL_IF(loss->ndim != 1 || loss->dim[0] != x->dim[0], RESCL_ERR_SHAPE,
               "distillation: losses are %s, expected one for each row of the logits %s",
               rs_shape_text(loss, ty), rs_shape_text(x, tx));
    RS_FAIL_IF(!(a->alpha >= 0 && a->alpha <= 1) || !(a->tau > 0), RESCL_ERR_ARG,
               "distillation: alpha is %g and tau %g, expected 0 to 1 and above 0",
               (double)a->alpha, (double)a->tau);
    p->constants = 1u << 1;
    p->dst = *loss;
    if (p->training) {
        p->nws = 1;
        p->ws[0] = *x;
    }
out:
    return st;
}

static unsigned reads(const rs_problem *p, rs_pass pass)
{
    (void)p, (void)pass;
    return 0;
}

/* log sum exp(x / tau): log softmax is x / tau less that. */
static double log_sum(const double *x, size_t classes, double tau)
{
    double most = -INFINITY;
    for (size_t k = 0; k < classes; k++)
        most = fmax(most, x[k] / tau);
    double sum = exp(x[0] / tau - most);
    for (size_t k = 1; k < classes; k++)
        sum += exp(x[k] / tau - most);
    return most + log(sum);
}

/* Of a row from its teacher; into `slope` its derivative by the logits. */
static double divergence(const rs_distillation_attr *a, const double *x, const double *y,
                         size_t classes, double *slope)
{
    const double tau = a->hard ? 1 : (double)a->tau;
    const double sx = log_sum(x, classes, tau), sy = log_sum(y, classes, tau);
    double sum = 0;
    size_t label = 0;
    for (size_t k = 1; k < classes; k++)
        label = y[k] > y[label] ? k : label;
    for (size_t k = 0; k < classes; k++) {
        const double zx = x[k] / tau - sx, zy = y[k] / tau - sy;
        const double wanted = a->hard ? k == label : exp(zy);
        if (a->hard)
            sum -= k == label ? zx : 0;
        else if (wanted > 0)
            sum += tau * tau * wanted * (zy - zx);
        slope[k] = tau * (exp(zx) - wanted);
    }
    return sum;
}

static void reference(const rs_problem *p, rs_pass pass, const rs_ref *ref)
{
    const rs_distillation_attr *a = p->attr;
    const size_t classes = p->src[0].dim[1];
    const double alpha = (double)a->alpha;
    for (size_t i = 0; i < p->src[0].dim[0]; i++) {
        if (pass == RS_FWD && !p->training)
            ref->dst[i] = ref->src[2][i];
        else if (pass == RS_FWD)
            ref->dst[i] =
                (1 - alpha) * ref->src[2][i] +
                alpha * divergence(a, ref->src[0] + i * classes, ref->src[1] + i * classes, classes,
                                   ref->ws[0] + i * classes);
        for (size_t k = i * classes;
             pass == RS_BWD_DATA && p->want_diff[0] && k < (i + 1) * classes; k++)
            ref->diff_src[0][k] = (p->accumulate[0] ? ref->diff_src[0][k] : 0) +
                                  alpha * ref->ws[0][k] * ref->diff_dst[i];
        if (pass == RS_BWD_DATA && p->want_diff[2])
            ref->diff_src[2][i] =
                (p->accumulate[2] ? ref->diff_src[2][i] : 0) + (1 - alpha) * ref->diff_dst[i];
    }
}

static rescl_status plan(rs_plan *plan, const rs_caps *caps)
{
    return rs_target_plan(plan, caps, "distillation",
                          plan->pass == RS_FWD ? "distillation_fwd" : "distillation_bwd_data");
}

static rescl_status enqueue(const rs_plan *plan, const rs_args *a)
{
    const rs_problem *p = &plan->problem;
    const rs_distillation_attr *attr = p->attr;
    const rs_grid grid = rs_spread_grid(plan);
    const size_t chunk = rs_spread_chunk(plan), n = p->src[0].dim[0], classes = p->src[0].dim[1];
    rs_kernel *k = plan->kernel[0].kernel;
    if (plan->pass == RS_FWD)
        return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->src[0].buf), RS_BUF(a->src[1].buf),
                         RS_BUF(a->src[2].buf), RS_BUF(a->dst.buf),
                         RS_BUF(p->training ? a->ws[0].buf : NULL), RS_UINT(n), RS_UINT(classes),
                         RS_UINT(chunk), RS_FLOAT(attr->alpha),
                         RS_FLOAT(attr->hard ? 1.0f : attr->tau), RS_INT(attr->hard));
    return RS_LAUNCH(plan->dev, k, grid, RS_BUF(a->ws[0].buf), RS_BUF(a->diff_dst.buf),
                     RS_BUF(a->diff_src[0].buf), RS_BUF(a->diff_src[2].buf), RS_UINT(n),
                     RS_UINT(classes), RS_UINT(chunk), RS_FLOAT(attr->alpha),
                     RS_UINT(rs_diff_flags(p)), RS_FLOAT(a->loss_diff));
}

static const rs_impl *const impls[] =
    RS_SPREAD_IMPLS(1u << RS_FWD | 1u << RS_BWD_DATA, 0, plan, enqueue);

/* ---- cases ------------------------------------------------------------------------------- */

static const rs_distillation_attr soft = {.alpha = 0.5f, .tau = 1};
static const rs_distillation_attr warm = {.alpha = 0.9f, .tau = 4};
static const rs_distillation_attr hard = {.alpha = 0.5f, .tau = 1, .hard = true};

enum { LARGE = 1, EQUAL };

static const rs_case case_list[] = {
    {.name = "one class", .src = {{2, {1, 1}}, {2, {1, 1}}, {1, {1}}}, .attr = &soft},
    {.name = "six classes", .src = {{2, {32, 6}}, {2, {32, 6}}, {1, {32}}}, .attr = &soft},
    {.name = "six classes, hard", .src = {{2, {32, 6}}, {2, {32, 6}}, {1, {32}}}, .attr = &hard},
    {.name = "prime, warm", .src = {{2, {5, 1009}}, {2, {5, 1009}}, {1, {5}}}, .attr = &warm},
    {.name = "prime, hard", .src = {{2, {5, 1009}}, {2, {5, 1009}}, {1, {5}}}, .attr = &hard},
    {.name = "1024 classes, warm",
     .src = {{2, {9, 1024}}, {2, {9, 1024}}, {1, {9}}},
     .attr = &warm},
    {.name = "1024 classes, hard",
     .src = {{2, {9, 1024}}, {2, {9, 1024}}, {1, {9}}},
     .attr = &hard},
    {.name = "equal logits, hard",
     .src = {{2, {7, 19}}, {2, {7, 19}}, {1, {7}}},
     .attr = &hard,
     .variant = EQUAL},
    {.name = "large logits",
     .src = {{2, {9, 33}}, {2, {9, 33}}, {1, {9}}},
     .attr = &soft,
     .no_gradient = true,
     .variant = LARGE,
     .scale = 1000},
};

static void fill_case(const rs_case *c, const rs_problem *p, rs_case_data *d, rs_rng *rng)
{
    const size_t count = rs_shape_count(&p->src[0]);
    (void)rng;
    for (size_t i = 0; i < count; i++) {
        d->src[0][i] *= c->variant == LARGE ? 200 : 4;
        d->src[1][i] *= c->variant == LARGE ? 200 : c->variant == EQUAL ? 0 : 4;
    }
}

static const rs_cases cases = {.list = case_list, .count = RS_COUNT(case_list), .fill = fill_case};

const rs_op rs_op_distillation = {.name = "distillation",
                                  .layer = "Distillation",
                                  .src_min = 3,
                                  .src_max = 3,
                                  .infer = infer,
                                  .reads = reads,
                                  .reference = reference,
                                  .reduction = rs_target_reduction,
                                  .impls = impls,
                                  .cases = &cases};
