/* RMSprop (Tieleman and Hinton, 2012) as in torch.optim.RMSprop: with s the running mean of g^2, and of g
 * too where it is centered, v = momentum * v + g / (sqrt(s) + eps), where s is s - mean^2 if centered, and
 * the step goes along v. Rounding can make s - mean^2 negative: then it counts as 0, where PyTorch's step
 * is NaN. */
#include "optim.h"

#include <math.h>

enum { ALPHA, EPS, MOMENTUM };

static const rescl_option alpha = {.name = "alpha",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "0.99",
                                   .range = "(0,1)",
                                   .group = "optimiser",
                                   .metavar = "A",
                                   .help = "rmsprop, rmsprop_centered: decay rate of the running "
                                           "means (Keras' rho, there 0.9)"};

static rescl_status launch(const rs_optim_call *c, const double *number, const rs_update *u,
                           rs_buffer *mean, rs_buffer *velocity)
{
    return RS_LAUNCH(c->dev, c->kernel[0], c->grid, RS_BUF(c->param), RS_BUF(c->grad),
                     RS_BUF(c->state[0]), RS_BUF(mean), RS_BUF(velocity), RS_UINT(c->count),
                     RS_UINT(c->chunk), RS_FLOAT(u->lr), RS_FLOAT(number[ALPHA]),
                     RS_FLOAT(1 - number[ALPHA]), RS_FLOAT(number[EPS]), RS_FLOAT(number[MOMENTUM]),
                     RS_FLOAT(u->weight_decay));
}

static void reference(const double *number, const rs_update *u, double *w, double g, double *square,
                      double *mean, double *velocity)
{
    const double gain = 1 - number[ALPHA];

    g += u->weight_decay * *w;
    *square = number[ALPHA] * *square + gain * g * g;
    double spread = *square;
    if (mean) {
        *mean += gain * (g - *mean);
        spread = fmax(spread - *mean * *mean, 0.0);
    }
    g /= sqrt(spread) + number[EPS];
    if (velocity)
        g = *velocity = number[MOMENTUM] * *velocity + g;
    *w -= u->lr * g;
}

static int states_plain(const double *number)
{
    return 1 + (number[MOMENTUM] > 0);
}

static rescl_status launch_plain(const rs_optim_call *c, const double *number, const rs_update *u)
{
    return launch(c, number, u, NULL, c->state[1]);
}

static void reference_plain(const double *number, const rs_update *u, double *w, double g,
                            double *const *state)
{
    reference(number, u, w, g, state[0], NULL, state[1]);
}

const rs_optim_def rs_optim_rmsprop = {
    .name = "rmsprop",
    .about = "RMSprop, with momentum",
    .options = {&alpha, &rs_optim_eps, &rs_optim_momentum},
    .state_name = {"square", "momentum"},
    .file = "optim_rmsprop",
    .kernel = {"optim_rmsprop"},
    .states = states_plain,
    .launch = launch_plain,
    .reference = reference_plain,
};

static int states_centered(const double *number)
{
    return 2 + (number[MOMENTUM] > 0);
}

static rescl_status launch_centered(const rs_optim_call *c, const double *number,
                                    const rs_update *u)
{
    return launch(c, number, u, c->state[1], c->state[2]);
}

static void reference_centered(const double *number, const rs_update *u, double *w, double g,
                               double *const *state)
{
    reference(number, u, w, g, state[0], state[1], state[2]);
}

const rs_optim_def rs_optim_rmsprop_centered = {
    .name = "rmsprop_centered",
    .about = "RMSprop by the variance of the gradients",
    .options = {&alpha, &rs_optim_eps, &rs_optim_momentum},
    .state_name = {"square", "mean", "momentum"},
    .file = "optim_rmsprop",
    .kernel = {"optim_rmsprop"},
    .states = states_centered,
    .launch = launch_centered,
    .reference = reference_centered,
};
