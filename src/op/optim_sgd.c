/* Stochastic gradient descent as in torch.optim.SGD: v = momentum * v + g, where the first step has
 * v = g, and the step goes along v, or along g + momentum * v (Nesterov). */
#include "error.h"
#include "optim.h"

enum { MOMENTUM };

const rescl_option rs_optim_momentum = {.name = "momentum",
                                        .type = RESCL_OPTION_REAL,
                                        .value = "0.9",
                                        .range = "[0,1)",
                                        .group = "optimiser",
                                        .metavar = "M",
                                        .help = "momentum of sgd, sgd_nesterov, rmsprop, lars"};

static int states(const double *number)
{
    return number[MOMENTUM] > 0;
}

static rescl_status launch(const rs_optim_call *c, const double *number, const rs_update *u,
                           bool nesterov)
{
    return RS_LAUNCH(c->dev, c->kernel[0], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                     RS_BUF(c->state[0]), RS_UINT(c->count), RS_UINT(c->chunk), RS_FLOAT(u->lr),
                     RS_FLOAT(number[MOMENTUM]), RS_INT(nesterov), RS_FLOAT(u->weight_decay));
}

static void reference(const double *number, const rs_update *u, double *w, double g,
                      double *velocity, bool nesterov)
{
    g += u->weight_decay * *w;
    if (velocity) {
        *velocity = number[MOMENTUM] * *velocity + g;
        g = nesterov ? g + number[MOMENTUM] * *velocity : *velocity;
    }
    *w -= u->lr * g;
}

static rescl_status launch_plain(const rs_optim_call *c, const double *number, const rs_update *u)
{
    return launch(c, number, u, false);
}

static void reference_plain(const double *number, const rs_update *u, double *w, double g,
                            double *const *state)
{
    reference(number, u, w, g, state[0], false);
}

const rs_optim_def rs_optim_sgd = {
    .name = "sgd",
    .about = "stochastic gradient descent, with momentum",
    .options = {&rs_optim_momentum},
    .state_name = {"momentum"},
    .file = "optim_sgd",
    .kernel = {"optim_sgd"},
    .states = states,
    .launch = launch_plain,
    .reference = reference_plain,
};

static rescl_status check_nesterov(const double *number)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!(number[MOMENTUM] > 0), RESCL_ERR_ARG,
               "momentum %g: sgd_nesterov needs one above 0", number[MOMENTUM]);
out:
    return st;
}

static rescl_status launch_nesterov(const rs_optim_call *c, const double *number,
                                    const rs_update *u)
{
    return launch(c, number, u, true);
}

static void reference_nesterov(const double *number, const rs_update *u, double *w, double g,
                               double *const *state)
{
    reference(number, u, w, g, state[0], true);
}

const rs_optim_def rs_optim_sgd_nesterov = {
    .name = "sgd_nesterov",
    .about = "stochastic gradient descent with Nesterov's momentum",
    .options = {&rs_optim_momentum},
    .state_name = {"momentum"},
    .file = "optim_sgd",
    .kernel = {"optim_sgd"},
    .states = states,
    .check = check_nesterov,
    .launch = launch_nesterov,
    .reference = reference_nesterov,
};
