/* LAMB (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020, version 5)
 * as timm.optim.Lamb has it with max_grad_norm None: with Adam's moments m and v, their bias corrected,
 * the step of each tensor goes along r = m / (sqrt(v) + eps) + weight_decay * w, by lr * ||w|| / ||r||
 * where both norms are above 0. That of tensors without weight decay is Adam's, by lr. timm's usual
 * max_grad_norm of 1 is clip_grad_norm. */
#include "error.h"
#include "optim.h"

#include <math.h>

enum { BETA1, BETA2, EPS };
enum { MOMENTS, JOIN, STEP };

/* What lies between tensors would be 0 / 0, and go into their norms. */
static rescl_status check(const double *number)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!(number[EPS] > 0), RESCL_ERR_ARG, "eps %g: lamb needs one above 0", number[EPS]);
out:
    return st;
}

static rescl_status launch(const rs_optim_call *c, const double *number, const rs_update *u)
{
    rescl_status st = RESCL_OK;
    const rs_tensor_sums *t = c->tensors;
    const double b1 = number[BETA1], b2 = number[BETA2];
    const double bias1 = 1 - pow(b1, (double)u->step), bias2 = 1 - pow(b2, (double)u->step);
    const bool adapt = u->weight_decay > 0;

    RS_TRY(RS_LAUNCH(c->dev, c->kernel[MOMENTS], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                     RS_BUF(c->state[0]), RS_BUF(c->state[1]), RS_BUF(t->piece), RS_BUF(t->partial),
                     RS_FLOAT(1 - b1), RS_FLOAT(b2), RS_FLOAT(1 - b2), RS_FLOAT(1 / bias1),
                     RS_FLOAT(1 / sqrt(bias2)), RS_FLOAT(number[EPS]), RS_FLOAT(u->weight_decay)));
    if (adapt)
        RS_TRY(rs_tensor_sums_join(c->dev, c->kernel[JOIN], t));
    RS_TRY(RS_LAUNCH(c->dev, c->kernel[STEP], c->grid, RS_BUF(c->param), RS_BUF(c->state[0]),
                     RS_BUF(c->state[1]), RS_BUF(t->piece), RS_BUF(t->sum), RS_FLOAT(u->lr),
                     RS_FLOAT(1 / bias1), RS_FLOAT(1 / sqrt(bias2)), RS_FLOAT(number[EPS]),
                     RS_FLOAT(u->weight_decay), RS_INT(adapt)));
out:
    return st;
}

/* What the step of number `i` goes along. */
static double along(const double *number, const rs_update *u, double w, double m, double v)
{
    const double mean = m / (1 - pow(number[BETA1], (double)u->step));
    const double square = v / (1 - pow(number[BETA2], (double)u->step));
    return mean / (sqrt(square) + number[EPS]) + u->weight_decay * w;
}

static void reference(const double *number, const rs_update *u, double *w, const double *g,
                      double *const *state, size_t count)
{
    const double b1 = number[BETA1], b2 = number[BETA2];
    double *m = state[0], *v = state[1], ww = 0, rr = 0, trust = 1;

    for (size_t i = 0; i < count; i++) {
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
        const double r = along(number, u, w[i], m[i], v[i]);
        ww += w[i] * w[i];
        rr += r * r;
    }
    if (u->weight_decay > 0 && ww > 0 && rr > 0)
        trust = sqrt(ww) / sqrt(rr);
    for (size_t i = 0; i < count; i++)
        w[i] -= u->lr * trust * along(number, u, w[i], m[i], v[i]);
}

const rs_optim_def rs_optim_lamb = {
    .name = "lamb",
    .about = "Adam with a rate of its own for each layer, for large batches",
    .options = {&rs_optim_beta1, &rs_optim_beta2, &rs_optim_eps},
    .state_name = {"m", "v"},
    .file = "optim_lamb",
    .kernel = {"optim_lamb_moments", "tensor_sums_join", "optim_lamb"},
    .check = check,
    .without_decay = "adam",
    .launch = launch,
    .reference_tensor = reference,
};
