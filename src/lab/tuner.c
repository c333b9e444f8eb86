/* Finds the fastest right way to do one pass of one problem.
 *
 *   1. The default and each implementation, in turns.
 *   2. The numbers of those within NEAR of the fastest, one after the other: each value that its
 *      implementation names, beside the best so far.
 *   3. The best of all against the default in rounds of their own. Among many noisy medians the
 *      smallest is smaller than it should be; a win counts only if it is won again.
 *
 * A result is judged before it is timed. */
#include "tuner.h"

#include "alloc.h"
#include "benchstat.h"
#include "clock.h"
#include "error.h"
#include "judge.h"
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, MOST_ROUNDS = 10000 };
#define NEAR      1.15 /* medians within this of the fastest are looked at closer */
#define HOPELESS  3.0  /* a first run slower than this is not timed again */
#define NOTICE    0.99 /* a number is taken when it helps at all */
#define WHY_BYTES 160

typedef struct candidate {
    char choice[RS_CHOICE];
    rs_trial trial;
    double *ms;
    size_t cap;
    double median, error;
    bool timed; /* takes part in the rounds */
} candidate;

typedef struct tuner {
    rescl_device *dev;
    const rs_problem *p;
    rs_pass pass;
    const rescl_tune_options *o;
    rs_args args;
    rs_judge judge;
    candidate c[MOST]; /* the first is the default */
    size_t n;
    double fastest; /* of the first runs, ms */
    rs_tune_result *out;
} tuner;

/* ---- candidates -------------------------------------------------------------------------- */

static void drop(candidate *c)
{
    rs_trial_fini(&c->trial);
    free(c->ms);
    *c = (candidate){0};
}

static void reject(tuner *t, const char *choice, const char *why)
{
    char *text = t->out->rejected;
    const size_t used = strlen(text), room = sizeof t->out->rejected - used;
    const int n = snprintf(text + used, room, "%s%s: %s", used ? "; " : "", choice, why);
    if (n < 0 || (size_t)n >= room)
        text[used] = '\0';
}

static rescl_status run_ms(tuner *t, candidate *c, bool pack, double *ms)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();
    /* A training step changes the parameters, so it pays for packing them; inference packs once. */
    RS_TRY(rs_trial_run(&c->trial, &t->args, pack || t->p->training));
    *ms = (rs_clock_seconds() - start) * 1e3;
out:
    return st;
}

/* Makes a candidate ready, judges its result, and sees whether timing it is worth while. */
static rescl_status try_out(tuner *t, candidate *c)
{
    rescl_status st = RESCL_OK;
    double ms;

    RS_TRY(rs_trial_init(t->dev, t->p, t->pass, c->choice, &c->trial));
    RS_TRY(rs_judge_reset(&t->judge));
    RS_TRY(run_ms(t, c, true, &ms)); /* libraries build their kernels */
    RS_TRY(rs_judge_result(&t->judge, c->trial.plan.impl, &c->error));
    if (!(c->error <= 1.0))
        goto out;
    RS_TRY(run_ms(t, c, false, &ms));
    t->fastest = fmin(t->fastest, ms);
    c->timed = ms < HOPELESS * t->fastest;
out:
    return st;
}

/* Adds a candidate. One that fails or is wrong is rejected; only short memory of the host ends the
 * search, and a device that fails altogether shows in the next candidate. */
static rescl_status add(tuner *t, const char *choice)
{
    candidate *c = &t->c[t->n];
    char why[WHY_BYTES];

    if (t->n == MOST)
        return RESCL_OK;
    *c = (candidate){.median = INFINITY};
    snprintf(c->choice, sizeof c->choice, "%s", choice);
    const rescl_status st = try_out(t, c);
    t->out->tried++;
    if (st != RESCL_OK) {
        snprintf(why, sizeof why, "%.150s", rescl_last_error()->message);
        reject(t, choice, why);
    } else if (!(c->error <= 1.0)) {
        snprintf(why, sizeof why, "off by %.3g times what is tolerated", c->error);
        reject(t, choice, why);
    }
    /* The default keeps its place: it is what the others are compared with. */
    if (c->timed || t->n == 0)
        t->n++;
    else
        drop(c);
    return RESCL_OK;
}

static void keep_first(tuner *t, size_t n)
{
    while (t->n > n)
        drop(&t->c[--t->n]);
}

/* ---- timing ------------------------------------------------------------------------------ */

/* Times all candidates that take part in turns and sets their medians. */
static rescl_status time_rounds(tuner *t, size_t repeats)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();
    size_t r = 0;

    for (; r < repeats || (rs_clock_seconds() - start < t->o->min_seconds && r < MOST_ROUNDS); r++)
        for (size_t i = 0; i < t->n; i++) {
            candidate *c = &t->c[i];
            if (!c->timed)
                continue;
            RS_TRY(rs_array_reserve(&c->ms, &c->cap, r + 1, sizeof *c->ms));
            RS_TRY(run_ms(t, c, false, &c->ms[r]));
        }
    for (size_t i = 0; i < t->n; i++)
        if (t->c[i].timed)
            t->c[i].median = rs_benchstat_of(t->c[i].ms, r).median;
out:
    return st;
}

static size_t fastest_of(const tuner *t)
{
    size_t best = 0;
    for (size_t i = 1; i < t->n; i++)
        if (t->c[i].median < t->c[best].median)
            best = i;
    return best;
}

/* ---- the search -------------------------------------------------------------------------- */

static rescl_status add_impls(tuner *t)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(t->dev);

    for (size_t i = 0; t->p->op->impls[i]; i++) {
        const rs_impl *m = t->p->op->impls[i];
        const bool ours = m->prefers == 0 || m->prefers & (1u << info->type);
        if (t->o->impl ? strcmp(t->o->impl, m->name) != 0 : !ours)
            continue;
        if (m == t->c[0].trial.plan.impl || rs_impl_refuses(m, t->p, t->pass, info))
            continue;
        RS_TRY(add(t, m->name));
    }
out:
    return st;
}

/* The choice of `plan` with tunable i set. */
static void vary(const rs_plan *plan, int i, int value, char choice[RS_CHOICE])
{
    rs_plan other = *plan;
    other.tune[i] = value;
    rs_plan_choice(&other, choice);
}

/* Looks for better numbers of the implementation of a choice, which becomes the best of them. */
static rescl_status search_numbers(tuner *t, char choice[RS_CHOICE], double *median)
{
    rescl_status st = RESCL_OK;
    const size_t kept = t->n;
    rs_plan plan;
    char other[RS_CHOICE];

    RS_TRY(rs_plan_make(&plan, t->p, t->pass, t->dev, choice));
    for (int i = 0; plan.impl->tunables && plan.impl->tunables[i].name; i++) {
        const rs_tunable *tunable = &plan.impl->tunables[i];
        if (!(tunable->passes & (1u << t->pass)))
            continue;
        RS_TRY(add(t, choice));
        for (int k = 0; k < RS_TUNABLE_VALUES && tunable->tried[k]; k++) {
            vary(&plan, i, tunable->tried[k], other);
            RS_TRY(add(t, other));
        }
        RS_TRY(time_rounds(t, t->o->repeats));
        size_t best = kept;
        for (size_t k = kept + 1; k < t->n; k++)
            if (t->c[k].median < t->c[best].median * NOTICE)
                best = k;
        if (best < t->n) {
            memcpy(choice, t->c[best].choice, RS_CHOICE);
            *median = t->c[best].median;
        }
        keep_first(t, kept);
        RS_TRY(rs_plan_make(&plan, t->p, t->pass, t->dev, choice));
    }
out:
    keep_first(t, kept);
    return st;
}

/* Leaves the best choice that was found, and whether it is another than the default. */
static rescl_status search(tuner *t, char best[RS_CHOICE], bool *other)
{
    rescl_status st = RESCL_OK;
    char near[MOST][RS_CHOICE];
    size_t count = 0;

    const size_t first = fastest_of(t);
    double least = t->c[first].median;
    memcpy(best, t->c[first].choice, RS_CHOICE);
    *other = first != 0;
    for (size_t i = 0; t->o->params && i < t->n; i++)
        if (t->c[i].median <= least * NEAR)
            /* The default's numbers are varied by its implementation's name. */
            memcpy(near[count++], i ? t->c[i].choice : t->out->untuned, RS_CHOICE);
    keep_first(t, 1);
    t->c[0].timed = false;
    for (size_t i = 0; i < count; i++) {
        double median = INFINITY;
        char start[RS_CHOICE];
        memcpy(start, near[i], RS_CHOICE);
        RS_TRY(search_numbers(t, near[i], &median));
        if (median < least && strcmp(near[i], start) != 0) {
            memcpy(best, near[i], RS_CHOICE);
            least = median;
            *other = true;
        }
    }
    t->c[0].timed = t->c[0].error <= 1.0;
out:
    return st;
}

/* The best against the default, once more. */
static rescl_status confirm(tuner *t, const char *best)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;

    RS_TRY(add(t, best));
    RS_TRY(time_rounds(t, 2 * t->o->repeats));
    const candidate *d = &t->c[0], *b = &t->c[1];
    r->default_ms = d->timed ? d->median : NAN;
    if (t->n > 1 && !(b->median > (1.0 - t->o->margin) * d->median)) {
        memcpy(r->choice, b->choice, RS_CHOICE);
        r->best_ms = b->median;
        r->error = b->error;
    } else {
        r->best_ms = r->default_ms;
    }
out:
    return st;
}

static rescl_status run_search(tuner *t)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;
    char best[RS_CHOICE];
    bool other;

    RS_TRY(add(t, RS_CHOICE_DEFAULT));
    RS_FAIL_IF(t->c[0].trial.plan.impl == NULL, RESCL_ERR_UNSUPPORTED, "nothing can serve: %s",
               r->rejected);
    rs_plan_choice(&t->c[0].trial.plan, r->untuned);
    RS_TRY(add_impls(t));
    RS_TRY(time_rounds(t, t->o->repeats));
    r->default_ms = r->best_ms = t->c[0].timed ? t->c[0].median : NAN;
    r->error = t->c[0].error;
    RS_TRY(search(t, best, &other));
    if (other)
        RS_TRY(confirm(t, best));
    RS_FAIL_IF(isnan(r->best_ms), RESCL_ERR_NUMERIC, "no result is right: %s", r->rejected);
out:
    return st;
}

rescl_status rs_tune_problem(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rescl_tune_options *options, rs_tune_result *out)
{
    rescl_status st = RESCL_OK;
    tuner *t = NULL;

    *out = (rs_tune_result){.choice = RS_CHOICE_DEFAULT};
    RS_OOM(t = calloc(1, sizeof *t));
    t->dev = dev;
    t->p = p;
    t->pass = pass;
    t->o = options;
    t->out = out;
    t->fastest = INFINITY;
    rs_device_trim(dev); /* what the problem before has used rarely fits this one */
    RS_TRY(rs_trial_args_make(dev, p, pass != RS_FWD, &t->args));
    RS_TRY(rs_judge_init(dev, p, pass, &t->args, &t->judge));
    RS_TRY(run_search(t));
out:
    if (t) {
        keep_first(t, 0);
        rs_judge_fini(&t->judge);
        rs_trial_args_release(&t->args);
    }
    free(t);
    return st;
}
