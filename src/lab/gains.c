#include "gains.h"

#include "alloc.h"
#include "error.h"
#include "rounds.h"

#include <math.h>
#include <stdlib.h>

#define FAIR  0.5 /* of its promise: a group that gains less holds something that does not */
#define LOOKS 2   /* at the pairs of a comparison, the second where the first is not clear */

/* ---- a comparison ------------------------------------------------------------------------ */

/* Columns of a pair. */
enum { WITHOUT, WITH, SHARE, COLUMNS };

typedef struct duel {
    const rs_gains *p;
    double *column[COLUMNS];
    size_t pairs, cap[COLUMNS];
    double without; /* ms of the pair that is under way */
} duel;

static rescl_status run_one(void *user, size_t i, double *ms)
{
    rescl_status st = RESCL_OK;
    duel *d = user;

    RS_TRY(d->p->run(d->p->user, i, ms));
    if (i == 0) {
        d->without = *ms;
        goto out;
    }
    for (int k = 0; k < COLUMNS; k++)
        RS_TRY(rs_array_reserve(&d->column[k], &d->cap[k], d->pairs + 1, sizeof *d->column[k]));
    d->column[WITHOUT][d->pairs] = d->without;
    d->column[WITH][d->pairs] = *ms;
    d->column[SHARE][d->pairs++] = 1.0 - *ms / d->without;
out:
    return st;
}

static rs_gain gain_of(duel *d)
{
    return (rs_gain){.without_ms = rs_interval_of(d->column[WITHOUT], d->pairs).median,
                     .with_ms = rs_interval_of(d->column[WITH], d->pairs).median,
                     .share = rs_interval_of(d->column[SHARE], d->pairs)};
}

static bool is_clear(const rs_gain *g)
{
    return g->share.low > 0.0 || g->share.high < 0.0;
}

static rescl_status compare(const rs_gains *p, const bool *without, const bool *with, rs_gain *out)
{
    rescl_status st = RESCL_OK;
    const bool *const contenders[2] = {without, with};
    duel d = {.p = p};
    rs_stats unused[2]; /* the duel has its own, of all looks */
    const rs_rounds rounds = {.repeats = p->pairs,
                              .min_seconds = p->min_seconds,
                              .deadline = p->deadline,
                              .time = run_one,
                              .user = &d};

    RS_TRY(p->ready(p->user, contenders));
    for (int look = 0; look < LOOKS && (look == 0 || !is_clear(out)); look++) {
        if (!rs_deadline_passed(p->deadline))
            RS_TRY(rs_rounds_time(&rounds, 2, unused));
        RS_FAIL_IF(d.pairs == 0 || (rs_deadline_passed(p->deadline) && d.pairs < p->pairs),
                   RESCL_ERR_INTERRUPTED, "the time limit is reached");
        *out = gain_of(&d);
    }
out:
    for (int k = 0; k < COLUMNS; k++)
        free(d.column[k]);
    return st;
}

/* ---- groups ------------------------------------------------------------------------------ */

typedef struct search {
    rs_gains *p;
    bool *with, *without; /* what is in: all that was not dropped; the same without a group */
} search;

static void decide(search *v, size_t first, size_t count, bool keep)
{
    for (size_t i = first; i < first + count; i++) {
        v->p->item[i].state = keep ? RS_GAINS_KEPT : RS_GAINS_DROPPED;
        v->with[i] = keep;
    }
}

static double promise_of(const rs_gains *p, size_t first, size_t count)
{
    double ms = 0.0;
    for (size_t i = first; i < first + count; i++)
        ms += p->item[i].promise;
    return ms;
}

/* Decides on items first ... first + count - 1, one or more. */
static rescl_status examine(search *v, size_t first, size_t count)
{
    rescl_status st = RESCL_OK;
    const double promise = promise_of(v->p, first, count);
    rs_gain g;

    for (size_t i = 0; i < v->p->count; i++)
        v->without[i] = (i < first || i >= first + count) && v->with[i];
    RS_TRY(compare(v->p, v->without, v->with, &g));
    if (count == v->p->count)
        v->p->gain = g;
    const bool gains = g.share.low > 0.0;
    const double unseen = 0.5 * (g.share.high - g.share.low) * g.without_ms;
    if (count == 1 || promise <= unseen || (gains && g.without_ms - g.with_ms >= FAIR * promise)) {
        decide(v, first, count, gains);
        goto out;
    }
    RS_TRY(examine(v, first, count / 2));
    RS_TRY(examine(v, first + count / 2, count - count / 2));
out:
    return st;
}

static size_t count_kept(const rs_gains *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        kept += p->item[i].state == RS_GAINS_KEPT;
    return kept;
}

/* What is left against nothing, where that was not measured yet. */
static rescl_status confirm(search *v)
{
    rescl_status st = RESCL_OK;
    rs_gain g;

    for (size_t i = 0; i < v->p->count; i++)
        v->without[i] = false;
    RS_TRY(compare(v->p, v->without, v->with, &g));
    v->p->gain = g;
    if (!(g.share.low > 0.0))
        decide(v, 0, v->p->count, false);
out:
    return st;
}

rescl_status rs_gains_find(rs_gains *p)
{
    rescl_status st = RESCL_OK;
    search v = {.p = p};

    p->gain = (rs_gain){.without_ms = NAN, .with_ms = NAN};
    for (size_t i = 0; i < p->count; i++)
        p->item[i].state = RS_GAINS_OPEN;
    if (p->count == 0)
        goto out;
    RS_OOM(v.with = calloc(p->count, sizeof *v.with));
    RS_OOM(v.without = calloc(p->count, sizeof *v.without));
    for (size_t i = 0; i < p->count; i++)
        v.with[i] = true;
    RS_TRY(examine(&v, 0, p->count));
    const size_t kept = count_kept(p);
    if (kept > 0 && kept < p->count)
        RS_TRY(confirm(&v));
out:
    free(v.with);
    free(v.without);
    return st;
}
