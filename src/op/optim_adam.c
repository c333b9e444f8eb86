/* Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019) as in torch.optim: Adam adds
 * weight_decay * w to the gradient, AdamW shrinks w by lr * weight_decay first. */
#include "optim.h"

#include <math.h>

enum { BETA1, BETA2, EPS };

const rescl_option rs_optim_beta1 = {.name = "beta1",
                                     .type = RESCL_OPTION_REAL,
                                     .value = "0.9",
                                     .range = "[0,1)",
                                     .group = "optimiser",
                                     .metavar = "B",
                                     .help = "adam, adamw, lamb: decay rate of the first moment"};

const rescl_option rs_optim_beta2 = {.name = "beta2",
                                     .type = RESCL_OPTION_REAL,
                                     .value = "0.999",
                                     .range = "[0,1)",
                                     .group = "optimiser",
                                     .metavar = "B",
                                     .help = "adam, adamw, lamb: decay rate of the second moment"};

const rescl_option rs_optim_eps = {.name = "eps",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "1e-8",
                                   .range = "(0,1]",
                                   .limits = "[0,inf)",
                                   .group = "optimiser",
                                   .metavar = "E",
                                   .help = "adam, adamw, rmsprop, lars, lamb: term added to the "
                                           "denominator (Keras uses 1e-7, timm 1e-6 for lamb)"};

static rescl_status launch(const rs_optim_call *c, const double *number, const rs_update *u,
                           double weight_decay, double shrink)
{
    const double b1 = number[BETA1], b2 = number[BETA2];
    const double bias1 = 1 - pow(b1, (double)u->step), bias2 = 1 - pow(b2, (double)u->step);

    return RS_LAUNCH(c->dev, c->kernel[0], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                     RS_BUF(c->state[0]), RS_BUF(c->state[1]), RS_UINT(c->count), RS_UINT(c->chunk),
                     RS_FLOAT(u->lr / bias1), RS_FLOAT(1 - b1), RS_FLOAT(b2), RS_FLOAT(1 - b2),
                     RS_FLOAT(1 / sqrt(bias2)), RS_FLOAT(number[EPS]), RS_FLOAT(weight_decay),
                     RS_FLOAT(shrink));
}

static void reference(const double *number, const rs_update *u, double *w, double g,
                      double *const *state)
{
    const double b1 = number[BETA1], b2 = number[BETA2];
    double *m = state[0], *v = state[1];

    *m = b1 * *m + (1 - b1) * g;
    *v = b2 * *v + (1 - b2) * g * g;
    const double mean = *m / (1 - pow(b1, (double)u->step));
    const double square = *v / (1 - pow(b2, (double)u->step));
    *w -= u->lr * mean / (sqrt(square) + number[EPS]);
}

static rescl_status launch_coupled(const rs_optim_call *c, const double *number, const rs_update *u)
{
    return launch(c, number, u, u->weight_decay, 1);
}

static void reference_coupled(const double *number, const rs_update *u, double *w, double g,
                              double *const *state)
{
    reference(number, u, w, g + u->weight_decay * *w, state);
}

const rs_optim_def rs_optim_adam = {
    .name = "adam",
    .about = "Adam",
    .options = {&rs_optim_beta1, &rs_optim_beta2, &rs_optim_eps},
    .state_name = {"m", "v"},
    .file = "optim_adam",
    .kernel = {"optim_adam"},
    .launch = launch_coupled,
    .reference = reference_coupled,
};

static rescl_status launch_decoupled(const rs_optim_call *c, const double *number,
                                     const rs_update *u)
{
    return launch(c, number, u, 0, 1 - u->lr * u->weight_decay);
}

static void reference_decoupled(const double *number, const rs_update *u, double *w, double g,
                                double *const *state)
{
    *w *= 1 - u->lr * u->weight_decay;
    reference(number, u, w, g, state);
}

const rs_optim_def rs_optim_adamw = {
    .name = "adamw",
    .about = "Adam with decoupled weight decay",
    .options = {&rs_optim_beta1, &rs_optim_beta2, &rs_optim_eps},
    .state_name = {"m", "v"},
    .file = "optim_adam",
    .kernel = {"optim_adam"},
    .launch = launch_decoupled,
    .reference = reference_decoupled,
};
