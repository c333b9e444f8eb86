/* The learning-rate range test: steps at growing rates. lrcurve.c has what is made of them. */
#include <rescl/lrfind.h>

#include "error.h"
#include "groups.h"
#include "optionvalue.h"
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set_defaults(rescl_lr_find_options *o)
{
    *o = (rescl_lr_find_options){.struct_size = sizeof *o,
                                 .start = 1e-7,
                                 .end = 10.0,
                                 .steps = 100,
                                 .smoothing = 0.98,
                                 .divergence = 4.0};
}

void rescl_lr_find_options_init(rescl_lr_find_options *out, size_t struct_size)
{
    rescl_lr_find_options defaults;
    set_defaults(&defaults);
    rs_options_init(out, struct_size, &defaults, sizeof defaults);
}

static rescl_status take_options(const rescl_lr_find_options *given, rescl_lr_find_options *o)
{
    rescl_status st = RESCL_OK;

    set_defaults(o);
    if (given)
        RS_TRY(rs_options_take(o, sizeof *o, given, "rescl_lr_find_options"));
    RS_FAIL_IF(!(o->start > 0.0 && o->start < o->end && isfinite(o->end)), RESCL_ERR_ARG,
               "rates from %g to %g: expected to grow from above 0", o->start, o->end);
    RS_FAIL_IF(o->steps < 2 || o->steps > 1000000, RESCL_ERR_ARG,
               "%zu steps: expected 2 to 1000000", o->steps);
    RS_FAIL_IF(!(o->smoothing >= 0.0 && o->smoothing < 1.0), RESCL_ERR_ARG,
               "smoothing %g: expected at least 0 and below 1", o->smoothing);
    RS_FAIL_IF(!(isfinite(o->divergence) && (o->divergence > 1.0 || !(o->divergence > 0.0))),
               RESCL_ERR_ARG, "divergence %g: expected above 1, or 0", o->divergence);
out:
    return st;
}

/* A test that is under way. */
typedef struct test {
    rescl_trainer *t;
    const rescl_lr_find_options *o;
    rescl_lr_point *point;
    size_t count;
    double average, least; /* not corrected; the least that was corrected */
} test;

static rescl_status next_batch(test *x, uint64_t *epoch, const rs_batch **out)
{
    rescl_status st = RESCL_OK;
    rs_loader *loader = x->t->train_loader;

    RS_TRY(rs_loader_next(loader, out));
    if (!*out) {
        RS_TRY(rs_loader_start(loader, ++*epoch, 0));
        RS_TRY(rs_loader_next(loader, out));
    }
out:
    return st;
}

static double mean_of(const float *losses, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)losses[i];
    return sum / (double)n;
}

/* A step at the next rate; *ends: its loss says that there is no use in larger ones. */
static rescl_status take_step(test *x, const rs_batch *batch, bool *ends)
{
    rescl_status st = RESCL_OK;
    const rescl_lr_find_options *o = x->o;
    rescl_trainer *t = x->t;
    const double body =
        t->options.lr_body > 0.0 && t->options.lr > 0.0 ? t->options.lr_body / t->options.lr : 1.0;
    const double part = (double)x->count / (double)(o->steps - 1);
    rescl_lr_point *p = &x->point[x->count];
    rs_outputs outputs;

    p->lr = o->start * pow(o->end / o->start, part);
    RS_TRY(rs_team_gradients(t->team, batch, NULL, t->options.seed, t->progress.step, &outputs));
    p->loss = mean_of(outputs.losses, batch->n);
    x->average = o->smoothing * x->average + (1.0 - o->smoothing) * p->loss;
    p->smoothed = x->average / (1.0 - pow(o->smoothing, (double)(x->count + 1)));
    x->count++;
    *ends = !isfinite(p->loss);
    if (*ends)
        goto out;
    const rs_rates rates = rs_groups_rates(&t->options, p->lr, p->lr * body, 0.0);
    RS_TRY(rs_trainer_update(t, &rates, t->progress.step + 1));
    t->progress.step++;
    x->least = x->count == 1 ? p->smoothed : fmin(x->least, p->smoothed);
    *ends = o->divergence > 0.0 && p->smoothed > o->divergence * x->least;
out:
    return st;
}

static rescl_status take_steps(test *x, rescl_lr_find_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    const rs_batch *batch = NULL;
    uint64_t epoch = 0;
    bool ends = false;

    RS_TRY(rs_loader_start(x->t->train_loader, epoch, 0));
    while (x->count < x->o->steps && !ends) {
        RS_TRY(next_batch(x, &epoch, &batch));
        RS_TRY(take_step(x, batch, &ends));
        rs_loader_release(x->t->train_loader, batch);
        batch = NULL;
        RS_FAIL_IF(fn && !fn(&x->point[x->count - 1], x->count, x->o->steps, user),
                   RESCL_ERR_INTERRUPTED, "stopped on request after step %zu", x->count);
    }
out:
    if (batch)
        rs_loader_release(x->t->train_loader, batch);
    return st;
}

rescl_status rescl_lr_find(rescl_device *device, rescl_model *model, const rescl_dataset *train_set,
                           const rescl_train_options *options, const rescl_lr_find_options *find,
                           rescl_lr_find_fn fn, void *user, rescl_lr_curve **out)
{
    rescl_status st = RESCL_OK;
    rescl_lr_find_options o;
    rescl_train_options own;
    rs_model_undo undo = {0};
    test x = {.o = &o};

    RS_TRY(take_options(find, &o));
    RS_FAIL_IF(!train_set, RESCL_ERR_ARG, "a range test needs a training set");
    rescl_train_options_default(&own);
    RS_TRY(rs_options_take(&own, sizeof own, options, "rescl_train_options"));
    own.struct_size = sizeof own;
    own.output_dir = own.resume = own.args_ini = NULL;
    RS_TRY(rs_model_undo_begin(model, &undo));
    RS_OOM(x.point = calloc(o.steps, sizeof *x.point));
    RS_TRY(rescl_trainer_create(device, model, train_set, NULL, &own, &x.t));
    RS_TRY(take_steps(&x, fn, user));
    RS_TRY(rescl_lr_curve_create(x.point, x.count, o.steps, out));
out:
    rescl_trainer_destroy(x.t);
    rs_model_undo_end(&undo, true);
    free(x.point);
    return st;
}
