/* The registry of optimisers, and what all of them share. */
#include "optim.h"

#include "error.h"
#include "optionvalue.h"
#include "spread.h"
#include "str.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rs_optim {
    rescl_device *dev;
    rs_optim_hyper hyper;
    rs_kernel *kernel[RS_OPTIM_KERNELS];
};

static const rs_optim_def *const defs[] = {
#define RS_OPTIM(name) &rs_optim_##name,
#include "optims.def"
#undef RS_OPTIM
    NULL};

static const char *const names[] = {
#define RS_OPTIM(name) #name,
#include "optims.def"
#undef RS_OPTIM
    NULL};

const rs_optim_def *const *rs_optims(void)
{
    return defs;
}

const char *const *rs_optim_names(void)
{
    return names;
}

rescl_status rs_optim_find(const char *name, const rs_optim_def **out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    if (!names[i])
        RS_TRY(rs_no_such_name("optimiser", name, names));
    *out = defs[i];
out:
    return st;
}

rs_optim_hyper rs_optim_default(const rs_optim_def *def)
{
    rs_optim_hyper h = {.def = def};
    for (int i = 0; i < RS_OPTIM_NUMBERS && def->options[i]; i++)
        h.number[i] = rs_option_default_number(def->options[i]);
    return h;
}

rescl_status rs_optim_check(const rs_optim_hyper *h)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(!h->def, RESCL_ERR_ARG, "no optimiser is named");
    for (int i = 0; i < RS_OPTIM_NUMBERS && h->def->options[i]; i++)
        RS_TRY(rs_option_check_number(h->def->options[i], h->number[i]));
    if (h->def->check)
        RS_TRY(h->def->check(h->number));
out:
    return st;
}

/* Of the number that an update's momentum replaces, or -1. */
static int momentum_place(const rs_optim_def *def)
{
    for (int i = 0; i < RS_OPTIM_NUMBERS && def->options[i]; i++)
        if (def->options[i] == &rs_optim_momentum || def->options[i] == &rs_optim_beta1)
            return i;
    return -1;
}

/* The numbers of one update. */
static rs_optim_hyper hyper_of_update(const rs_optim_hyper *h, const rs_update *u)
{
    const int place = momentum_place(h->def);
    rs_optim_hyper own = *h;

    if (u->momentum > 0.0 && place >= 0)
        own.number[place] = u->momentum;
    return own;
}

rescl_status rs_optim_take_momentum(rs_optim_hyper *h)
{
    rescl_status st = RESCL_OK;
    const int place = momentum_place(h->def);

    RS_FAIL_IF(place < 0, RESCL_ERR_ARG,
               "the schedule moves the momentum, and the optimiser %s has none; set "
               "lr_base_momentum to 0, or choose another",
               h->def->name);
    h->takes_momentum = true;
out:
    return st;
}

int rs_optim_states(const rs_optim_hyper *h)
{
    int all = 0;
    if (h->def->states) {
        /* What counts is whether there is a momentum. */
        const rs_update some = {.momentum = h->takes_momentum ? 0.5 : 0.0};
        const rs_optim_hyper own = hyper_of_update(h, &some);
        return h->def->states(own.number);
    }
    while (all < RS_OPTIM_STATES && h->def->state_name[all])
        all++;
    return all;
}

const char *rs_optim_state_name(const rs_optim_hyper *h, int i)
{
    return h->def->state_name[i];
}

static rs_spread spread_over(rescl_device *dev, size_t count)
{
    const rs_caps *caps = rs_device_caps(dev);
    return rs_spread_over(caps, NULL, caps->type == RESCL_DEVICE_CPU, count, 1, 16, RS_OPTIM_GRAIN);
}

rescl_status rs_optim_create(rescl_device *dev, const rs_optim_hyper *h, rs_optim **out)
{
    rescl_status st = RESCL_OK;
    rs_optim *o = NULL;

    RS_TRY(rs_optim_check(h));
    RS_OOM(o = calloc(1, sizeof *o));
    o->dev = dev;
    o->hyper = *h;
    RS_TRY(rs_support_kernels(dev, &(rs_support_use){&rs_support_optimiser, RS_F32, h->def->name},
                              o->kernel, RS_OPTIM_KERNELS));
    *out = o, o = NULL;
out:
    rs_optim_destroy(o);
    return st;
}

void rs_optim_destroy(rs_optim *o)
{
    free(o);
}

const rs_optim_hyper *rs_optim_hyper_of(const rs_optim *o)
{
    return &o->hyper;
}

rescl_status rs_optim_enqueue(rs_optim *o, rs_buffer *param, rs_buffer *grad,
                              rs_buffer *const *state, size_t count, const rs_tensor_sums *tensors,
                              const rs_update *u)
{
    rescl_status st = RESCL_OK;
    const rs_spread s = spread_over(o->dev, count);
    const int states = rs_optim_states(&o->hyper);
    rs_buffer *needed[RS_OPTIM_STATES] = {NULL};

    RS_FAIL_IF(!(u->weight_decay >= 0), RESCL_ERR_ARG,
               "optimiser: weight decay is %g, expected 0 or more", u->weight_decay);
    RS_FAIL_IF(count > INT32_MAX, RESCL_ERR_UNSUPPORTED,
               "optimiser: %zu parameters in one arena, at most 2^31 - 1 can be served", count);
    RS_FAIL_IF(count % RS_OPTIM_GRAIN != 0, RESCL_ERR_ARG,
               "optimiser: %zu parameters in one arena, expected a multiple of %d", count,
               RS_OPTIM_GRAIN);
    if (count == 0)
        goto out;
    for (int i = 0; i < states; i++)
        needed[i] = state[i];
    const rs_optim_call call = {
        .dev = o->dev,
        .kernel = o->kernel,
        .grid = o->hyper.def->reference_tensor ? rs_pieces_grid(o->dev, tensors->pieces) : s.grid,
        .count = count,
        .chunk = s.chunk,
        .param = param,
        .grad = grad,
        .state = needed,
        .tensors = tensors};
    const rs_optim_hyper own = hyper_of_update(&o->hyper, u);
    RS_TRY(own.def->launch(&call, own.number, u));
out:
    return st;
}

void rs_optim_reference(const rs_optim_hyper *h, double *param, const double *grad,
                        double *const *state, size_t count, const rs_update *u)
{
    const int states = rs_optim_states(h);
    const rs_optim_hyper own = hyper_of_update(h, u);
    if (own.def->reference_tensor) {
        double *all[RS_OPTIM_STATES] = {NULL};
        for (int s = 0; s < states; s++)
            all[s] = state[s];
        own.def->reference_tensor(own.number, u, param, grad, all, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double *at[RS_OPTIM_STATES] = {NULL};
        for (int s = 0; s < states; s++)
            at[s] = &state[s][i];
        own.def->reference(own.number, u, &param[i], grad[i], at);
    }
}

const char *rs_optim_options(rescl_device *dev, const rs_optim_def *def,
                             char text[RS_OPTIM_OPTIONS])
{
    if (def->reference_tensor)
        return rs_pieces_options(dev, text);
    snprintf(text, RS_OPTIM_OPTIONS, "%s", spread_over(dev, RS_OPTIM_GRAIN).options);
    return text;
}

static rescl_status plan_kernel(rs_plan *plan, rs_dtype type, const char *choice)
{
    rescl_status st = RESCL_OK;
    const rs_optim_def *def = NULL;
    char options[RS_OPTIM_OPTIONS];

    (void)type;
    RS_TRY(rs_optim_find(choice, &def));
    rs_optim_options(plan->dev, def, options);
    for (int i = 0; i < RS_OPTIM_KERNELS && def->kernel[i]; i++)
        RS_TRY(rs_plan_kernel_add(plan, def->file, def->kernel[i], "%s", options));
out:
    return st;
}

static const char *const problems[] = {"272 parameters", "100016 parameters with weight decay",
                                       NULL};

const rs_support rs_support_optimiser = {.name = "optimiser",
                                         .part = "update",
                                         .choice = names,
                                         .types = 1u << RS_F32,
                                         .problem = problems,
                                         .plan = plan_kernel};
