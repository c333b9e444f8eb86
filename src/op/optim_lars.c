/* LARS (You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017) as timm.optim.Lars
 * has it: the gradient with weight decay of each tensor is multiplied by
 *
 *     trust_coeff * ||w|| / (||g|| + weight_decay * ||w|| + eps)
 *
 * where both norms are above 0, and is then one of SGD with momentum (the rate stands before the velocity,
 * as in torch.optim.SGD, not within as in the paper). Tensors without weight decay are those of plain SGD. */
#include "error.h"
#include "optim.h"

#include <math.h>

enum { MOMENTUM, TRUST_COEFF, EPS };
enum { NORMS, JOIN, STEP };

static const rescl_option trust_coeff = {.name = "trust_coeff",
                                         .type = RESCL_OPTION_REAL,
                                         .value = "0.001",
                                         .range = "(0,1000]",
                                         .limits = "[0,inf)",
                                         .group = "optimiser",
                                         .metavar = "C",
                                         .help = "lars: how far a step may change a layer, as a "
                                                 "share of it"};

static int states(const double *number)
{
    return number[MOMENTUM] > 0;
}

static rescl_status launch(const rs_optim_call *c, const double *number, const rs_update *u)
{
    rescl_status st = RESCL_OK;
    const rs_tensor_sums *t = c->tensors;
    const bool adapt = u->weight_decay > 0;

    if (adapt) {
        RS_TRY(RS_LAUNCH(c->dev, c->kernel[NORMS], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                         RS_BUF(t->piece), RS_BUF(t->partial)));
        RS_TRY(rs_tensor_sums_join(c->dev, c->kernel[JOIN], t));
    }
    RS_TRY(RS_LAUNCH(c->dev, c->kernel[STEP], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                     RS_BUF(c->state[0]), RS_BUF(t->piece), RS_BUF(t->sum), RS_FLOAT(u->lr),
                     RS_FLOAT(number[MOMENTUM]), RS_FLOAT(u->weight_decay),
                     RS_FLOAT(number[TRUST_COEFF]), RS_FLOAT(number[EPS]), RS_INT(adapt)));
out:
    return st;
}

static double norm(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static void reference(const double *number, const rs_update *u, double *w, const double *g,
                      double *const *state, size_t count)
{
    const double wn = norm(w, count), gn = norm(g, count);
    double trust = 1;

    if (u->weight_decay > 0 && wn > 0 && gn > 0)
        trust = number[TRUST_COEFF] * wn / (gn + wn * u->weight_decay + number[EPS]);
    for (size_t i = 0; i < count; i++) {
        double v = (g[i] + u->weight_decay * w[i]) * trust;
        if (state[0])
            v = state[0][i] = number[MOMENTUM] * state[0][i] + v;
        w[i] -= u->lr * v;
    }
}

const rs_optim_def rs_optim_lars = {
    .name = "lars",
    .about = "SGD with a rate of its own for each layer, for large batches",
    .options = {&rs_optim_momentum, &trust_coeff, &rs_optim_eps},
    .state_name = {"momentum"},
    .file = "optim_lars",
    .kernel = {"optim_lars_norms", "tensor_sums_join", "optim_lars"},
    .states = states,
    .without_decay = "sgd",
    .launch = launch,
    .reference_tensor = reference,
};
