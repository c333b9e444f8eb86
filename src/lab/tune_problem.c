/* Finds the fastest right way to do one pass of one problem.
 *
 *   1. The default and the candidates of candidates.h, in turns.
 *   2. Unless their numbers are chosen already, those of the implementations within NEAR of the
 *      fastest, one number after the other: each value that its implementation names, beside the best
 *      so far.
 *   3. The best of all against the default in rounds of their own. Among many noisy medians the
 *      smallest is smaller than it should be; a win counts only if it is won again.
 *
 * A result is judged before it is timed. */
#include "tune_problem.h"

#include "alloc.h"
#include "candidates.h"
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
#define HOPELESS 3.0  /* a first run slower than this is not timed again ... */
#define BEHIND   2.0  /* ... on a device whose clock knows nothing of the host */
#define NOTICE   0.99 /* a number is taken when it helps at all */

typedef struct candidate {
    char choice[RS_CHOICE];
    rs_trial trial;
    double median, error; /* infinity: not timed; not judged */
    bool good;            /* it ran, and its result is right */
    bool timed;           /* takes part in the rounds */
    size_t row;           /* of the result */
} candidate;

typedef struct tuner {
    rescl_device *dev;
    const rs_problem *p;
    rs_pass pass;
    const rescl_tune_options *o;
    double deadline;
    rs_args args;
    rs_judge judge;
    candidate *c; /* the first is the default */
    size_t n, cap;
    double fastest;      /* of the first runs, ms */
    size_t *taking;      /* candidates that take part in the rounds */
    rescl_error failure; /* of the default; status RESCL_OK: it ran */
    size_t rows_cap;
    rs_tune_result *out;
} tuner;

/* ---- what is told ------------------------------------------------------------------------ */

/* The row of a choice, which is made where there is none. */
static rescl_status find_row(tuner *t, const char *choice, size_t *row)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;

    for (*row = 0; *row < r->rows; ++*row)
        if (strcmp(r->row[*row].choice, choice) == 0)
            goto out;
    RS_TRY(rs_array_reserve(&r->row, &t->rows_cap, r->rows + 1, sizeof *r->row));
    r->row[r->rows] = (rescl_tune_candidate){.ms = NAN, .error = NAN, .reason = ""};
    RS_OOM(r->row[r->rows].choice = strdup(choice));
    r->rows++;
out:
    return st;
}

/* Keeps why a choice is out. The first reason stays. */
static rescl_status reject(tuner *t, size_t row, rescl_status status, const char *reason)
{
    rescl_status st = RESCL_OK;
    rescl_tune_candidate *c = &t->out->row[row];

    if (c->status != RESCL_OK)
        goto out;
    RS_OOM(c->reason = strdup(reason));
    c->status = status;
out:
    return st;
}

static rescl_status list_rejected(rs_tune_result *r)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};

    for (size_t i = 0; i < r->rows; i++)
        if (r->row[i].status != RESCL_OK)
            RS_TRY(rs_str_appendf(&text, "%s%s: %s", text.len ? "; " : "", r->row[i].choice,
                                  r->row[i].reason));
    RS_OOM(r->rejected = strdup(text.text ? text.text : ""));
out:
    rs_str_fini(&text);
    return st;
}

/* ---- the end ----------------------------------------------------------------------------- */

rescl_status rs_tune_may_go_on(const rescl_tune_options *o, double deadline)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(o->stop && o->stop(o->stop_user), RESCL_ERR_INTERRUPTED, "stopped on request");
    RS_FAIL_IF(deadline > 0.0 && rs_deadline_passed(deadline), RESCL_ERR_INTERRUPTED,
               "not measured within the time limit");
out:
    return st;
}

/* ---- candidates -------------------------------------------------------------------------- */

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
    char text[RS_VERDICT_TEXT];
    double ms;

    RS_TRY(rs_trial_init(t->dev, t->p, t->pass, c->choice, &c->trial));
    RS_TRY(rs_judge_reset(&t->judge));
    RS_TRY(run_packed(t, c, true, NULL)); /* libraries build their kernels */
    RS_TRY(rs_judge_result(&t->judge, c->trial.plan.choice.impl, &verdict));
    t->out->row[c->row].error = c->error = verdict.share;
    RS_FAIL_IF(!(c->error <= 1.0), RESCL_ERR_NUMERIC, "%s",
               rs_verdict_text(&t->judge, &verdict, text));
    RS_TRY(run_packed(t, c, false, &ms));
    c->good = true;
    t->out->row[c->row].ms = ms;
    t->fastest = fmin(t->fastest, ms);
    c->timed = ms < t->fastest * (rs_profile_is_on(t->dev) ? BEHIND : HOPELESS);
out:
    return st;
}

/* Adds a candidate. One that fails or is wrong is rejected; only short memory of the host and the time
 * limit end the search, and a device that fails altogether shows in the next candidate. */
static rescl_status add(tuner *t, const char *choice)
{
    rescl_status st = RESCL_OK;
    candidate *c;

    RS_TRY(rs_tune_may_go_on(t->o, t->deadline));
    RS_TRY(rs_array_reserve(&t->c, &t->cap, t->n + 1, sizeof *t->c));
    c = &t->c[t->n];
    *c = (candidate){.median = INFINITY, .error = INFINITY};
    snprintf(c->choice, sizeof c->choice, "%s", choice);
    RS_TRY(find_row(t, choice, &c->row));
    const rescl_status tried = try_out(t, c);
    const rescl_error why = *rescl_last_error();
    if (tried != RESCL_OK && why.sys_errno == ENOMEM) {
        rs_trial_fini(&c->trial);
        rs_error_prefix("%s", choice);
        RS_TRY(tried);
    }
    if (tried != RESCL_OK && tried != RESCL_ERR_NUMERIC && t->n == 0)
        t->failure = why;
    /* The default keeps its place: it is what the others are compared with. */
    if (c->timed || t->n == 0)
        t->n++;
    else
        rs_trial_fini(&c->trial);
    if (tried != RESCL_OK)
        RS_TRY(reject(t, c->row, tried, why.message));
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
    rescl_status st = RESCL_OK;
    tuner *t = user;

    RS_TRY(rs_tune_may_go_on(t->o, 0.0)); /* the rounds heed the deadline */
    RS_TRY(run_packed(t, &t->c[t->taking[i]], false, ms));
out:
    return st;
}

/* One that ran before fails in the rounds. */
static rescl_status reject_taking(void *user, size_t i)
{
    tuner *t = user;
    candidate *c = &t->c[t->taking[i]];
    const rescl_error why = *rescl_last_error();

    if (why.status == RESCL_ERR_INTERRUPTED)
        return why.status;
    if (c == t->c)
        t->failure = why;
    c->good = c->timed = false;
    c->median = INFINITY;
    return reject(t, c->row, why.status, why.message);
}

/* Times all candidates that take part in turns and sets their medians. */
static rescl_status time_rounds(tuner *t, size_t repeats)
{
    rescl_status st = RESCL_OK;
    const rs_rounds rounds = {.repeats = repeats,
                              .min_seconds = t->o->min_seconds,
                              .deadline = t->deadline,
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
        if (stats[i].count > 0) {
            candidate *c = &t->c[t->taking[i]];
            t->out->row[c->row].ms = c->median = stats[i].median;
        }
    RS_TRY(rs_tune_may_go_on(t->o, t->deadline)); /* it may have ended the rounds */
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
static rescl_status search(tuner *t, bool ranked, char best[RS_CHOICE], bool *other)
{
    rescl_status st = RESCL_OK;
    char(*near)[RS_CHOICE] = NULL;
    size_t count = 0;

    RS_OOM(near = calloc(t->n, sizeof *near));
    const size_t first = fastest_of(t);
    double least = t->c[first].median;
    memcpy(best, t->c[first].choice, RS_CHOICE);
    *other = first != 0;
    for (size_t i = 0; t->o->params && !ranked && i < t->n; i++)
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
    rescl_status st = RESCL_OK;
    const rescl_error *why = &t->failure;

    RS_TRY(list_rejected(t->out));
    st = why->status == RESCL_OK ? rs_error_set(RESCL_ERR_NUMERIC, 0, __FILE__, __LINE__,
                                                "no result is right: %s", t->out->rejected)
                                 : rs_error_set(why->status, why->cl_code, __FILE__, __LINE__,
                                                "nothing can serve: %s", t->out->rejected);
out:
    return st;
}

/* What was fastest failed in the end: of those that looked slow one may serve. */
static rescl_status revive(tuner *t)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;
    const size_t rows = r->rows;

    keep_first(t, 1);
    t->c[0].timed = false;
    for (size_t i = 1; i < rows; i++) {
        t->fastest = INFINITY; /* each is timed */
        if (r->row[i].status == RESCL_OK)
            RS_TRY(add(t, r->row[i].choice));
    }
    RS_TRY(time_rounds(t, t->o->repeats));
    const candidate *best = &t->c[fastest_of(t)];
    if (best->good && best->timed) {
        memcpy(r->choice, best->choice, RS_CHOICE);
        r->best_ms = best->median;
        r->error = best->error;
    }
out:
    return st;
}

static rescl_status run_search(tuner *t)
{
    rescl_status st = RESCL_OK;
    rs_tune_result *r = t->out;
    rs_candidates list = {0};
    char best[RS_CHOICE];
    bool other;

    RS_TRY(rs_candidates_list(t->dev, t->p, t->pass, t->o, &list));
    for (size_t i = 0; i < list.count; i++)
        RS_TRY(add(t, list.choice[i]));
    if (!t->c[0].trial.plan.choice.impl)
        RS_TRY(fail_all(t));
    rs_choice_text(&t->c[0].trial.plan.choice, r->untuned);
    RS_TRY(time_rounds(t, t->o->repeats));
    r->default_ms = r->best_ms = t->c[0].timed ? t->c[0].median : NAN;
    r->error = t->c[0].error;
    RS_TRY(search(t, list.ranked, best, &other));
    if (other)
        RS_TRY(confirm(t, best));
    if (isnan(r->best_ms))
        RS_TRY(revive(t));
    if (isnan(r->best_ms))
        RS_TRY(fail_all(t));
    r->failed = t->failure.status != RESCL_OK;
out:
    rs_candidates_fini(&list);
    return st;
}

rescl_status rs_tune_problem(rescl_device *dev, const rs_problem *p, rs_pass pass,
                             const rescl_tune_options *options, rs_tune_result *out)
{
    rescl_status st = RESCL_OK;
    tuner t = {.dev = dev,
               .p = p,
               .pass = pass,
               .o = options,
               .deadline = rs_deadline_after(options->time_limit),
               .out = out,
               .fastest = INFINITY};

    *out = (rs_tune_result){.choice = RS_CHOICE_DEFAULT};
    rs_device_trim(dev); /* what the problem before has used rarely fits this one */
    RS_TRY(rs_trial_args_make(dev, p, pass != RS_FWD, &t.args));
    RS_TRY(rs_judge_init(dev, p, pass, &t.args, &t.judge));
    RS_TRY(run_search(&t));
    RS_TRY(list_rejected(out));
out:
    keep_first(&t, 0);
    free(t.c);
    rs_judge_fini(&t.judge);
    rs_trial_args_release(&t.args);
    if (st != RESCL_OK)
        rs_tune_result_fini(out);
    return st;
}

void rs_tune_result_fini(rs_tune_result *r)
{
    for (size_t i = 0; i < r->rows; i++) {
        free((char *)(uintptr_t)r->row[i].choice);
        if (r->row[i].status != RESCL_OK)
            free((char *)(uintptr_t)r->row[i].reason);
    }
    free(r->row);
    free(r->rejected);
    *r = (rs_tune_result){0};
}
