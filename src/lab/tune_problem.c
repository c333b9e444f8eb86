/* Finds the fastest right way to do one pass of one problem.
 *
 *   1. The default and each implementation, in turns.
 *   2. The numbers of those within NEAR of the fastest, one after the other: each value that its
 *      implementation names, beside the best so far.
 *   3. The best of all against the default in rounds of their own. Among many noisy medians the
 *      smallest is smaller than it should be; a win counts only if it is won again.
 *
 * A result is judged before it is timed. */
#include "tune_problem.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "judge.h"
#include "rounds.h"
#include "str.h"
#include "trial.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR     1.15 /* medians within this of the fastest are looked at closer */
#define HOPELESS 3.0  /* a first run slower than this is not timed again */
#define NOTICE   0.99 /* a number is taken when it helps at all */

typedef struct candidate {
    char choice[RS_CHOICE];
    rs_trial trial;
    double median, error;        /* infinity: not timed; not judged */
    bool good;                   /* it ran, and its result is right */
    char wrong[RS_VERDICT_TEXT]; /* what is wrong with its result; "": nothing */
    bool timed;                  /* takes part in the rounds */
} candidate;

typedef struct tuner {
    rescl_device *dev;
    const rs_problem *p;
    rs_pass pass;
    const rescl_tune_options *o;
    rs_args args;
    rs_judge judge;
    candidate *c; /* the first is the default */
    size_t n, cap;
    double fastest;      /* of the first runs, ms */
    size_t *taking;      /* candidates that take part in the rounds */
    rs_str rejected;     /* "name: why; ..." */
    rescl_error failure; /* of the default; status RESCL_OK: it ran */
    rs_tune_result *out;
} tuner;

/* ---- candidates -------------------------------------------------------------------------- */

static RESCL_PRINTF(3, 4) rescl_status reject(tuner *t, const char *choice, const char *fmt, ...)
{
    rescl_status st = RESCL_OK;
    va_list args;

    RS_TRY(rs_str_appendf(&t->rejected, "%s%s: ", t->rejected.len ? "; " : "", choice));
    va_start(args, fmt);
    st = rs_str_appendv(&t->rejected, fmt, args);
    va_end(args);
out:
    return st;
}

static const char *rejected(const tuner *t)
{
    return t->rejected.text ? t->rejected.text : "";
}

/* A training step changes the parameters, so it pays for packing them; inference packs once. */
static rescl_status run_packed(tuner *t, const candidate *c, bool pack, double *ms)
{
    return rs_trial_run(&c->trial, &t->args, pack || t->p->training, ms);
}

/* Makes a candidate ready, judges its result, and sees whether timing it is worth while. */
static rescl_status try_out(tuner *t, candidate *c)
{
    rescl_status st = RESCL_OK;
    rs_verdict verdict;
    double ms;

    RS_TRY(rs_trial_init(t->dev, t->p, t->pass, c->choice, &c->trial));
    RS_TRY(rs_judge_reset(&t->judge));
    RS_TRY(run_packed(t, c, true, NULL)); /* libraries build their kernels */
    RS_TRY(rs_judge_result(&t->judge, c->trial.plan.choice.impl, &verdict));
    c->error = verdict.share;
    if (!(c->error <= 1.0)) {
        rs_verdict_text(&t->judge, &verdict, c->wrong);
        goto out;
    }
    RS_TRY(run_packed(t, c, false, &ms));
    c->good = true;
    t->fastest = fmin(t->fastest, ms);
    c->timed = ms < HOPELESS * t->fastest;
out:
    return st;
}

/* Adds a candidate. One that fails or is wrong is rejected; only short memory of the host ends the
 * search, and a device that fails altogether shows in the next candidate. */
static rescl_status add(tuner *t, const char *choice)
{
    rescl_status st = RESCL_OK;
    candidate *c;

    RS_TRY(rs_array_reserve(&t->c, &t->cap, t->n + 1, sizeof *t->c));
    c = &t->c[t->n];
    *c = (candidate){.median = INFINITY, .error = INFINITY};
    snprintf(c->choice, sizeof c->choice, "%s", choice);
    const rescl_status tried = try_out(t, c);
    if (tried != RESCL_OK && rescl_last_error()->sys_errno == ENOMEM) {
        rs_trial_fini(&c->trial);
        RS_TRY(tried);
    }
    if (tried != RESCL_OK && t->n == 0)
        t->failure = *rescl_last_error();
    t->out->tried++;
    /* The default keeps its place: it is what the others are compared with. */
    if (c->timed || t->n == 0)
        t->n++;
    else
        rs_trial_fini(&c->trial);
    if (tried != RESCL_OK)
        RS_TRY(reject(t, choice, "%s", rescl_last_error()->message));
    else if (c->wrong[0])
        RS_TRY(reject(t, choice, "%s", c->wrong));
out:
    return st;
}

static void keep_first(tuner *t, size_t n)
{
    while (t->n > n)
        rs_trial_fini(&t->c[--t->n].trial);
}

/* ---- timing ------------------------------------------------------------------------------ */

static rescl_status run_taking(void *user, size_t i, double *ms)
{
    tuner *t = user;
    return run_packed(t, &t->c[t->taking[i]], false, ms);
}

/* One that ran before fails in the rounds. */
static rescl_status reject_taking(void *user, size_t i)
{
    tuner *t = user;
    candidate *c = &t->c[t->taking[i]];

    if (c == t->c)
        t->failure = *rescl_last_error();
    c->good = c->timed = false;
    c->median = INFINITY;
    return reject(t, c->choice, "%s", rescl_last_error()->message);
}

/* Times all candidates that take part in turns and sets their medians. */
static rescl_status time_rounds(tuner *t, size_t repeats)
{
    rescl_status st = RESCL_OK;
    const rs_rounds rounds = {.repeats = repeats,
                              .min_seconds = t->o->min_seconds,
                              .time = run_taking,
                              .user = t,
                              .failed = reject_taking};
    rs_stats *stats = NULL;
    size_t count = 0;

    RS_OOM(t->taking = calloc(t->n, sizeof *t->taking));
    RS_OOM(stats = calloc(t->n, sizeof *stats));
    for (size_t i = 0; i < t->n; i++)
        if (t->c[i].timed)
            t->taking[count++] = i;
    if (count > 0)
        RS_TRY(rs_rounds_time(&rounds, count, stats));
    for (size_t i = 0; i < count; i++)
        if (stats[i].count > 0)
            t->c[t->taking[i]].median = stats[i].median;
out:
    free(t->taking);
    t->taking = NULL;
    free(stats);
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
    const rs_caps *caps = rs_device_caps(t->dev);

    for (size_t i = 0; t->p->op->impls[i]; i++) {
        const rs_impl *m = t->p->op->impls[i];
        const bool ours = m->prefers == 0 || m->prefers & (1u << caps->type);
        if (t->o->impl ? strcmp(t->o->impl, m->name) != 0 : !ours)
            continue;
        if (m == t->c[0].trial.plan.choice.impl || rs_impl_refuses(m, t->p, t->pass, caps))
            continue;
        RS_TRY(add(t, m->name));
    }
out:
    return st;
}

/* `choice` with tunable i set, as text. */
static void vary(const rs_choice *choice, int i, int value, char text[RS_CHOICE])
{
    rs_choice other = *choice;
    other.tune[i] = value;
    rs_choice_text(&other, text);
}

/* Looks for better numbers of the implementation of a choice, which becomes the best of them. */
static rescl_status search_numbers(tuner *t, char choice[RS_CHOICE], double *median)
{
    rescl_status st = RESCL_OK;
    const size_t kept = t->n;
    rs_choice now;
    char other[RS_CHOICE];

    RS_TRY(rs_choice_make(t->dev, t->p, t->pass, choice, &now));
    for (int i = 0; now.impl->tunables && now.impl->tunables[i].name; i++) {
        const rs_tunable *tunable = &now.impl->tunables[i];
        if (!(tunable->passes & (1u << t->pass)))
            continue;
        RS_TRY(add(t, choice));
        for (int k = 0; k < RS_TUNABLE_VALUES && tunable->tried[k]; k++) {
            vary(&now, i, tunable->tried[k], other);
            RS_TRY(add(t, other));
        }
        RS_TRY(time_rounds(t, t->o->repeats));
        size_t best = kept;
        for (size_t k = kept + 1; k < t->n; k++)
            if (t->c[k].median < t->c[best].median * NOTICE)
                best = k;
        if (best < t->n && t->c[best].good) {
            memcpy(choice, t->c[best].choice, RS_CHOICE);
            *median = t->c[best].median;
        }
        keep_first(t, kept);
        RS_TRY(rs_choice_make(t->dev, t->p, t->pass, choice, &now));
    }
out:
    keep_first(t, kept);
    return st;
}

/* Leaves the best choice that was found, and whether it is another than the default. */
static rescl_status search(tuner *t, char best[RS_CHOICE], bool *other)
{
    rescl_status st = RESCL_OK;
    char(*near)[RS_CHOICE] = NULL;
    size_t count = 0;

    RS_OOM(near = calloc(t->n, sizeof *near));
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
    t->c[0].timed = t->c[0].good;
out:
    free(near);
    return st;
}

/* The best against the default, once more. */
static rescl_status confirm(tuner *t, const char *best)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;

    t->fastest = INFINITY; /* a slow first run must not lose it here */
    RS_TRY(add(t, best));
    RS_TRY(time_rounds(t, 2 * t->o->repeats));
    const candidate *d = &t->c[0], *b = &t->c[1];
    r->default_ms = d->timed ? d->median : NAN;
    if (t->n > 1 && b->good && !(b->median > (1.0 - t->o->margin) * d->median)) {
        memcpy(r->choice, b->choice, RS_CHOICE);
        r->best_ms = b->median;
        r->error = b->error;
    } else {
        r->best_ms = r->default_ms;
    }
out:
    return st;
}

/* Nothing is left to choose. Where the default failed, that is the failure. */
static rescl_status fail_all(const tuner *t)
{
    const rescl_error *why = &t->failure;

    return why->status == RESCL_OK ? rs_error_set(RESCL_ERR_NUMERIC, 0, __FILE__, __LINE__,
                                                  "no result is right: %s", rejected(t))
                                   : rs_error_set(why->status, why->cl_code, __FILE__, __LINE__,
                                                  "nothing can serve: %s", rejected(t));
}

static rescl_status run_search(tuner *t)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;
    char best[RS_CHOICE];
    bool other;

    RS_TRY(add(t, RS_CHOICE_DEFAULT));
    if (!t->c[0].trial.plan.choice.impl)
        RS_TRY(fail_all(t));
    rs_choice_text(&t->c[0].trial.plan.choice, r->untuned);
    RS_TRY(add_impls(t));
    RS_TRY(time_rounds(t, t->o->repeats));
    r->default_ms = r->best_ms = t->c[0].timed ? t->c[0].median : NAN;
    r->error = t->c[0].error;
    RS_TRY(search(t, best, &other));
    if (other)
        RS_TRY(confirm(t, best));
    if (isnan(r->best_ms))
        RS_TRY(fail_all(t));
    r->failed = t->failure.status != RESCL_OK;
out:
    return st;
}

rescl_status rs_tune_problem(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rescl_tune_options *options, rs_tune_result *out)
{
    rescl_status st = RESCL_OK;
    tuner t = {.dev = dev, .p = p, .pass = pass, .o = options, .out = out, .fastest = INFINITY};

    *out = (rs_tune_result){.choice = RS_CHOICE_DEFAULT};
    rs_device_trim(dev); /* what the problem before has used rarely fits this one */
    RS_TRY(rs_trial_args_make(dev, p, pass != RS_FWD, &t.args));
    RS_TRY(rs_judge_init(dev, p, pass, &t.args, &t.judge));
    RS_TRY(run_search(&t));
    RS_OOM(out->rejected = strdup(rejected(&t)));
out:
    keep_first(&t, 0);
    free(t.c);
    rs_str_fini(&t.rejected);
    rs_judge_fini(&t.judge);
    rs_trial_args_release(&t.args);
    return st;
}

void rs_tune_result_fini(rs_tune_result *r)
{
    free(r->rejected);
    *r = (rs_tune_result){0};
}
