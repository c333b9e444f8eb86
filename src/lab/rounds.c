#include "rounds.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>

double (*rs_rounds_clock)(void) = rs_clock_seconds;

static rescl_status time_one(const rs_rounds *r, size_t i, double *ms)
{
    const double begin = rs_rounds_clock();
    const rescl_status st = r->time ? r->time(r->user, i, ms) : r->run(r->user, i);
    if (!r->time)
        *ms = (rs_rounds_clock() - begin) * 1e3;
    return st;
}

double rs_deadline_after(double seconds)
{
    return seconds > 0.0 ? rs_rounds_clock() + seconds : INFINITY;
}

bool rs_deadline_passed(double deadline)
{
    return rs_rounds_clock() >= deadline;
}

/* Runs each contender that has not failed once. ms[i] is NaN for the others. */
static rescl_status run_round(const rs_rounds *r, size_t contenders, bool *failed, double *ms)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < contenders; i++) {
        ms[i] = NAN;
        if (failed[i])
            continue;
        st = time_one(r, i, &ms[i]);
        if (st == RESCL_OK)
            continue;
        ms[i] = NAN;
        if (!r->failed)
            goto out;
        RS_TRY(r->failed(r->user, i));
        failed[i] = true;
    }
out:
    return st;
}

static bool any_left(const bool *failed, size_t contenders)
{
    for (size_t i = 0; i < contenders; i++)
        if (!failed[i])
            return true;
    return false;
}

void rs_samples_fini(rs_samples *s)
{
    free(s->ms);
    *s = (rs_samples){0};
}

/* From a row for each round to one for each contender, and what these say. */
static rescl_status sum_up(const double *ms, size_t rounds, size_t contenders, const bool *failed,
                           rs_stats *stats, rs_samples *samples)
{
    rescl_status st = RESCL_OK;
    double *column = NULL;

    RS_OOM(samples->ms = calloc(rounds * contenders + 1, sizeof *samples->ms));
    RS_OOM(column = calloc(rounds + 1, sizeof *column));
    samples->count = rounds;
    for (size_t i = 0; i < contenders; i++) {
        for (size_t k = 0; k < rounds; k++)
            samples->ms[i * rounds + k] = column[k] = failed[i] ? NAN : ms[k * contenders + i];
        stats[i] = failed[i] ? (rs_stats){0, NAN, NAN, NAN, NAN} : rs_stats_of(column, rounds);
    }
out:
    free(column);
    if (st != RESCL_OK)
        rs_samples_fini(samples);
    return st;
}

rescl_status rs_rounds_sample(const rs_rounds *r, size_t contenders, rs_stats *stats,
                              rs_samples *samples)
{
    rescl_status st = RESCL_OK;
    double *ms = NULL; /* a row of all contenders for each round */
    bool *failed = NULL;
    size_t cap = 0, rounds = 0;

    RS_OOM(failed = calloc(contenders + 1, sizeof *failed));
    const double start = rs_rounds_clock();
    double gone = 0.0;
    while (any_left(failed, contenders) && (rounds < r->repeats || gone < r->min_seconds) &&
           (rounds == 0 || ((r->max_seconds <= 0.0 || gone < r->max_seconds) &&
                            (r->deadline <= 0.0 || start + gone < r->deadline)))) {
        RS_TRY(rs_array_reserve(&ms, &cap, (rounds + 1) * contenders, sizeof *ms));
        RS_TRY(run_round(r, contenders, failed, ms + rounds * contenders));
        rounds++;
        gone = rs_rounds_clock() - start;
    }
    RS_TRY(sum_up(ms, rounds, contenders, failed, stats, samples));
out:
    free(ms);
    free(failed);
    return st;
}

rescl_status rs_rounds_time(const rs_rounds *r, size_t contenders, rs_stats *stats)
{
    rs_samples samples = {0};
    const rescl_status st = rs_rounds_sample(r, contenders, stats, &samples);
    rs_samples_fini(&samples);
    return st;
}
