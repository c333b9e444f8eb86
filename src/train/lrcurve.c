/* What a learning-rate range test found: rates that it suggests, and a page. The rules are those of fastai's
 * lr_find (fastai.callback.schedule: valley, steep, minimum). */
#include <rescl/lrfind.h>

#include "chart.h"
#include "error.h"
#include "path.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct rescl_lr_curve {
    rescl_lr_point *point;
    size_t count, steps;
};

rescl_status rescl_lr_curve_create(const rescl_lr_point *points, size_t count, size_t steps,
                                   rescl_lr_curve **out)
{
    rescl_status st = RESCL_OK;
    rescl_lr_curve *c = NULL;

    RS_FAIL_IF(count > steps, RESCL_ERR_ARG, "%zu points of %zu steps", count, steps);
    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(!(points[i].lr > 0.0) || (i > 0 && !(points[i].lr > points[i - 1].lr)),
                   RESCL_ERR_ARG, "the rate of point %zu is %g: expected to grow from above 0", i,
                   points[i].lr);
    RS_OOM(c = calloc(1, sizeof *c));
    RS_OOM(c->point = calloc(count + 1, sizeof *c->point));
    memcpy(c->point, points, count * sizeof *points);
    c->count = count;
    c->steps = steps;
    *out = c, c = NULL;
out:
    rescl_lr_curve_destroy(c);
    return st;
}

void rescl_lr_curve_destroy(rescl_lr_curve *c)
{
    if (!c)
        return;
    free(c->point);
    free(c);
}

size_t rescl_lr_curve_count(const rescl_lr_curve *c)
{
    return c->count;
}

const rescl_lr_point *rescl_lr_curve_points(const rescl_lr_curve *c)
{
    return c->point;
}

/* ---- what it suggests -------------------------------------------------------------------- */

const char *rescl_lr_rule_name(rescl_lr_rule rule)
{
    static const char *const names[RESCL_LR_RULES] = {"valley", "steep", "minimum"};
    return (size_t)rule < RESCL_LR_RULES ? names[rule] : NULL;
}

enum { CUT_END = 5, LEAST_POINTS = 3 };

/* The points that count: the average has not settled at first, and the loss leaps in the end. */
static size_t trimmed(const rescl_lr_curve *c, const rescl_lr_point **first)
{
    const size_t skip = c->steps / 10;
    *first = c->point + (skip < c->count ? skip : c->count);
    return c->count > skip + CUT_END ? c->count - skip - CUT_END : 0;
}

/* Of the longest subsequence of falling averages, which ends at `last` and has so many points, the point
 * half of a third behind its first third. */
static rescl_status find_valley(const rescl_lr_point *p, size_t n, size_t *at)
{
    rescl_status st = RESCL_OK;
    size_t *falls = NULL, last = 0;
    ptrdiff_t start = 0;

    RS_OOM(falls = calloc(n, sizeof *falls));
    for (size_t i = 0; i < n; i++)
        falls[i] = 1;
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            if (p[i].smoothed < p[k].smoothed && falls[i] < falls[k] + 1)
                falls[i] = falls[k] + 1;
            if (falls[last] < falls[i]) {
                last = i;
                start = (ptrdiff_t)last - (ptrdiff_t)falls[last];
            }
        }
    const double third = (double)((ptrdiff_t)last - start) / 3.0;
    const ptrdiff_t found = start + (ptrdiff_t)third + (ptrdiff_t)(third / 2.0);
    *at = found > 0 ? (size_t)found : 0;
out:
    free(falls);
    return st;
}

static size_t find_steepest(const rescl_lr_point *p, size_t n)
{
    size_t at = 0;
    double least = INFINITY;
    for (size_t i = 0; i + 1 < n; i++) {
        const double slope =
            (p[i + 1].smoothed - p[i].smoothed) / (log(p[i + 1].lr) - log(p[i].lr));
        at = slope < least ? i : at;
        least = fmin(least, slope);
    }
    return at;
}

static size_t find_least(const rescl_lr_point *p, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        at = p[i].smoothed < p[at].smoothed ? i : at;
    return at;
}

rescl_status rescl_lr_curve_suggest(const rescl_lr_curve *c, rescl_lr_rule rule, double *lr)
{
    rescl_status st = RESCL_OK;
    const rescl_lr_point *p = NULL;
    const size_t n = trimmed(c, &p);
    size_t at = 0;

    RS_FAIL_IF(n < LEAST_POINTS && c->count < c->steps, RESCL_ERR_NUMERIC,
               "the loss diverged after %zu of %zu steps, which leaves %zu points to choose a rate "
               "by: begin at a smaller rate, or take more steps",
               c->count, c->steps, n);
    RS_FAIL_IF(n < LEAST_POINTS, RESCL_ERR_NUMERIC,
               "%zu steps leave %zu points to choose a rate by: take more steps", c->steps, n);
    if (rule == RESCL_LR_VALLEY)
        RS_TRY(find_valley(p, n, &at));
    else
        at = rule == RESCL_LR_STEEP ? find_steepest(p, n) : find_least(p, n);
    *lr = rule == RESCL_LR_MINIMUM ? p[at].lr / 10.0 : p[at].lr;
out:
    return st;
}

/* ---- the page ---------------------------------------------------------------------------- */

static double height_at(const rescl_lr_curve *c, double lr)
{
    size_t near = 0;
    for (size_t i = 1; i < c->count; i++)
        if (fabs(log(c->point[i].lr / lr)) < fabs(log(c->point[near].lr / lr)))
            near = i;
    return c->point[near].smoothed;
}

static void put_curve(rs_html *h, const rescl_lr_curve *c)
{
    const size_t n = c->count;
    double *x = calloc(3 * n + 1, sizeof *x), *loss, *smoothed;
    double lr[RESCL_LR_RULES][2];
    rs_series series[2 + RESCL_LR_RULES];
    size_t count = 2;

    if (!x) {
        h->failed = true;
        return;
    }
    loss = x + n;
    smoothed = loss + n;
    for (size_t i = 0; i < n; i++) {
        x[i] = c->point[i].lr;
        loss[i] = isfinite(c->point[i].loss) ? c->point[i].loss : (double)NAN;
        smoothed[i] = isfinite(c->point[i].smoothed) ? c->point[i].smoothed : (double)NAN;
    }
    series[0] = (rs_series){.name = "average", .x = x, .y = smoothed, .count = n, .exact = true};
    series[1] =
        (rs_series){.name = "loss of a batch", .x = x, .y = loss, .count = n, .points = true};
    for (int rule = 0; rule < RESCL_LR_RULES; rule++) {
        if (rescl_lr_curve_suggest(c, (rescl_lr_rule)rule, &lr[rule][0]) != RESCL_OK)
            continue;
        lr[rule][1] = height_at(c, lr[rule][0]);
        series[count] = (rs_series){.name = rescl_lr_rule_name((rescl_lr_rule)rule),
                                    .x = &lr[rule][0],
                                    .y = &lr[rule][1],
                                    .count = 1,
                                    .points = true};
        count++;
    }
    const rs_chart chart = {.title = "Loss by learning rate",
                            .about = "The loss of each step and its moving average, at rates that "
                                     "grow from step to step, and the rates that the rules choose.",
                            .x_name = "learning rate",
                            .y_name = "loss",
                            .log_x = true,
                            .series = series,
                            .count = count};
    rs_chart_draw(h, &chart);
    free(x);
}

static void put_facts(rs_html *h, const rescl_lr_curve *c)
{
    double lr = 0.0;
    rs_html_facts(h);
    for (int rule = 0; rule < RESCL_LR_RULES; rule++)
        if (rescl_lr_curve_suggest(c, (rescl_lr_rule)rule, &lr) == RESCL_OK)
            rs_html_fact(h, rescl_lr_rule_name((rescl_lr_rule)rule), "%.2e", lr);
    rs_html_fact(h, "steps", "%zu of %zu", c->count, c->steps);
    rs_html_facts_end(h);
}

rescl_status rescl_lr_curve_write(const rescl_lr_curve *c, const char *title, const char *path)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    size_t bytes = 0;
    rs_html h = {.f = open_memstream(&text, &bytes)};

    RS_OOM(h.f);
    rs_html_begin(&h, title ? title : "Learning rate");
    rs_html_section(&h, "Suggestions");
    put_facts(&h, c);
    rs_html_p(&h,
              "valley: half way down the longest run of falling averages; steep: where the average "
              "falls the most; minimum: a tenth of the rate of the least average.");
    put_curve(&h, c);
    rs_html_section_end(&h);
    rs_html_end(&h);
    const bool failed = ferror(h.f) || h.failed;
    if (fclose(h.f) != 0 || failed) {
        h.f = NULL;
        RS_FAIL(RESCL_ERR_MEMORY, "memory is short for the page of a range test");
    }
    h.f = NULL;
    RS_TRY(rs_file_write(path, text, bytes));
out:
    free(text);
    return st;
}
