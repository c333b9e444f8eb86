#include "optim.h"

#include "error.h"
#include "spread.h"

#include <math.h>
#include <stdlib.h>

struct rs_optim {
    rescl_device *dev;
    rs_optim_hyper hyper;
    rs_kernel *kernel;
};

static bool is_adam(const rs_optim_hyper *h)
{
    return h->kind == RS_OPTIM_ADAM || h->kind == RS_OPTIM_ADAMW;
}

int rs_optim_states(const rs_optim_hyper *h)
{
    return is_adam(h) ? 2 : h->momentum > 0 ? 1 : 0;
}

const char *rs_optim_state_name(const rs_optim_hyper *h, int i)
{
    static const char *const adam[] = {"m", "v"};
    return is_adam(h) ? adam[i] : "momentum";
}

static rescl_status check_hyper(const rs_optim_hyper *h)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF((unsigned)h->kind >= RS_OPTIM_COUNT, RESCL_ERR_ARG, "optimiser: there is no kind %d",
               (int)h->kind);
    if (is_adam(h)) {
        RS_FAIL_IF(!(h->beta1 >= 0 && h->beta1 < 1) || !(h->beta2 >= 0 && h->beta2 < 1),
                   RESCL_ERR_ARG, "optimiser: betas are %g and %g, expected 0 <= beta < 1",
                   h->beta1, h->beta2);
        RS_FAIL_IF(!(h->eps >= 0), RESCL_ERR_ARG, "optimiser: eps is %g, expected 0 or more",
                   h->eps);
    } else {
        RS_FAIL_IF(!(h->momentum >= 0), RESCL_ERR_ARG,
                   "optimiser: momentum is %g, expected 0 or more", h->momentum);
        RS_FAIL_IF(h->nesterov && h->momentum == 0, RESCL_ERR_ARG,
                   "optimiser: Nesterov's method needs a momentum above 0");
    }
out:
    return st;
}

rescl_status rs_optim_create(rescl_device *dev, const rs_optim_hyper *h, rs_optim **out)
{
    rescl_status st = RESCL_OK;
    rs_optim *o = NULL;
    const rescl_device_info *info = rescl_device_get_info(dev);
    const rs_spread s = rs_spread_over(info, info->type == RESCL_DEVICE_CPU, 1, 1, 16);
    RS_TRY(check_hyper(h));
    RS_OOM(o = calloc(1, sizeof *o));
    o->dev = dev;
    o->hyper = *h;
    RS_TRY(rs_kernel_get(dev, "optim", s.options, is_adam(h) ? "optim_adam" : "optim_sgd",
                         &o->kernel));
    *out = o, o = NULL;
out:
    rs_optim_destroy(o);
    return st;
}

void rs_optim_destroy(rs_optim *o)
{
    free(o);
}

rescl_status rs_optim_enqueue(rs_optim *o, rs_buffer *param, rs_buffer *grad,
                              rs_buffer *const *state, size_t count, const rs_update *u)
{
    rescl_status st = RESCL_OK;
    const rs_optim_hyper *h = &o->hyper;
    const rescl_device_info *info = rescl_device_get_info(o->dev);
    const rs_spread s = rs_spread_over(info, info->type == RESCL_DEVICE_CPU, count, 1, 16);
    RS_FAIL_IF(!(u->weight_decay >= 0), RESCL_ERR_ARG,
               "optimiser: weight decay is %g, expected 0 or more", u->weight_decay);
    RS_FAIL_IF(count > INT32_MAX, RESCL_ERR_UNSUPPORTED,
               "optimiser: %zu parameters in one arena, at most 2^31 - 1 can be served", count);
    if (count == 0)
        goto out;
    if (!is_adam(h)) {
        RS_TRY(RS_LAUNCH(o->dev, o->kernel, s.grid, RS_BUF(param), RS_BUF(grad),
                         RS_BUF(rs_optim_states(h) ? state[0] : NULL), RS_UINT(count),
                         RS_UINT(s.chunk), RS_FLOAT(u->lr), RS_FLOAT(h->momentum),
                         RS_INT(h->nesterov), RS_FLOAT(u->weight_decay)));
        goto out;
    }
    const double bias1 = 1 - pow(h->beta1, (double)u->step),
                 bias2 = 1 - pow(h->beta2, (double)u->step);
    const bool decoupled = h->kind == RS_OPTIM_ADAMW;
    RS_TRY(RS_LAUNCH(o->dev, o->kernel, s.grid, RS_BUF(param), RS_BUF(grad), RS_BUF(state[0]),
                     RS_BUF(state[1]), RS_UINT(count), RS_UINT(s.chunk), RS_FLOAT(u->lr / bias1),
                     RS_FLOAT(1 - h->beta1), RS_FLOAT(h->beta2), RS_FLOAT(1 - h->beta2),
                     RS_FLOAT(1 / sqrt(bias2)), RS_FLOAT(h->eps),
                     RS_FLOAT(decoupled ? 0 : u->weight_decay),
                     RS_FLOAT(decoupled ? 1 - u->lr * u->weight_decay : 1)));
out:
    return st;
}

/* ---- reference ----------------------------------------------------------------------------- */

static void reference_sgd(const rs_optim_hyper *h, const rs_update *u, double *w, double g,
                          double *velocity)
{
    g += u->weight_decay * *w;
    if (velocity) {
        *velocity = h->momentum * *velocity + g;
        g = h->nesterov ? g + h->momentum * *velocity : *velocity;
    }
    *w -= u->lr * g;
}

static void reference_adam(const rs_optim_hyper *h, const rs_update *u, double *w, double g,
                           double *m, double *v)
{
    const double step = (double)u->step;
    if (h->kind == RS_OPTIM_ADAMW)
        *w *= 1 - u->lr * u->weight_decay;
    else
        g += u->weight_decay * *w;
    *m = h->beta1 * *m + (1 - h->beta1) * g;
    *v = h->beta2 * *v + (1 - h->beta2) * g * g;
    const double mean = *m / (1 - pow(h->beta1, step)), square = *v / (1 - pow(h->beta2, step));
    *w -= u->lr * mean / (sqrt(square) + h->eps);
}

void rs_optim_reference(const rs_optim_hyper *h, double *param, const double *grad,
                        double *const *state, size_t count, const rs_update *u)
{
    for (size_t i = 0; i < count; i++)
        if (is_adam(h))
            reference_adam(h, u, &param[i], grad[i], &state[0][i], &state[1][i]);
        else
            reference_sgd(h, u, &param[i], grad[i], rs_optim_states(h) ? &state[0][i] : NULL);
}
