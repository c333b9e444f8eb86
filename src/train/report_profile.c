/* Where the time of a step goes: the part of a run's page that is made of profile.json, which `rescl profile
 * --run` leaves in its folder. */
#include "reportpart.h"

#include "alloc.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LAYERS  4000 /* more are no network's */
#define MOST_KERNELS 40000
#define SHOWN        12 /* layers before the table of all */

enum { FORWARD, BACKWARD, UPDATE, WAYS };

typedef struct layer_time {
    const char *name, *op;
    double ms[WAYS];
} layer_time;

typedef struct layer_times {
    layer_time *layer;
    size_t count;
    double step; /* ms of a whole step */
} layer_times;

static double sum_of(const layer_time *l)
{
    return l->ms[FORWARD] + l->ms[BACKWARD] + l->ms[UPDATE];
}

static int longest_first(const void *a, const void *b)
{
    const double x = sum_of(a), y = sum_of(b);
    return (x < y) - (x > y);
}

static layer_time *find_layer(layer_times *t, const char *name, const char *op)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->layer[i].name, name) == 0)
            return &t->layer[i];
    if (t->count == MOST_LAYERS)
        return NULL;
    t->layer[t->count] = (layer_time){.name = name, .op = op};
    return &t->layer[t->count++];
}

/* Sums the kernels of each layer; those of none count for their operation. */
static void sum_kernels(layer_times *t, const json_t *kernels)
{
    size_t i;
    json_t *k;

    json_array_foreach(kernels, i, k)
    {
        if (i == MOST_KERNELS)
            break;
        const char *op = rs_json_string(k, "op"), *pass = rs_json_string(k, "pass");
        const char *layer = rs_json_string(k, "layer");
        const bool update = strcmp(op, "optim") == 0;
        const double ms = rs_json_number(k, "ms");
        layer_time *l = find_layer(t, update ? "update of the weights" : *layer ? layer : op, op);
        if (l && ms > 0)
            l->ms[update ? UPDATE : strncmp(pass, "bwd", 3) == 0 ? BACKWARD : FORWARD] += ms;
    }
    if (t->count > 0)
        qsort(t->layer, t->count, sizeof *t->layer, longest_first);
}

static void put_ms(rs_html *h, double ms)
{
    if (ms > 0)
        rs_html_cell(h, "%.3f", ms);
    else
        rs_html_cell(h, "%s", "");
}

static void put_row(rs_html *h, const layer_times *t, const layer_time *l)
{
    rs_html_row_begin(h, l->name);
    rs_html_cell(h, "%s", l->op);
    put_ms(h, l->ms[FORWARD]);
    put_ms(h, l->ms[BACKWARD]);
    put_ms(h, sum_of(l));
    rs_html_cell(h, "%.1f", 100 * sum_of(l) / t->step);
    rs_html_bar(h, sum_of(l), sum_of(&t->layer[0]), NAN, NAN);
    rs_html_row_end(h);
}

static void put_table(rs_html *h, const layer_times *t, const char *caption, size_t most)
{
    static const char *const heads[] = {
        "layer", "operation", "forward [ms]", "backward [ms]", "all [ms]", "of the step [%]", ""};

    rs_html_table(h, caption, heads, RS_COUNT(heads));
    for (size_t i = 0; i < t->count && i < most; i++)
        put_row(h, t, &t->layer[i]);
    rs_html_table_end(h);
}

static void put_parts(rs_html *h, const json_t *step)
{
    static const char *const parts[][2] = {{"waiting for data", "data_wait_ms"},
                                           {"until the first command began", "lead_ms"},
                                           {"kernels", "kernel_ms"},
                                           {"transfers", "transfer_ms"},
                                           {"gaps between commands", "gap_ms"},
                                           {"from the last command to the end", "tail_ms"}};
    static const char *const heads[] = {"part", "ms", "of the step [%]", ""};
    const double whole = rs_json_number(step, "ms");

    rs_html_table(h, "The parts of a step", heads, RS_COUNT(heads));
    for (size_t i = 0; i < RS_COUNT(parts); i++) {
        const double ms = rs_json_number(step, parts[i][1]);
        if (isnan(ms))
            continue;
        rs_html_row_begin(h, parts[i][0]);
        rs_html_cell(h, "%.3f", ms);
        rs_html_cell(h, "%.1f", 100 * ms / whole);
        rs_html_bar(h, ms, whole, NAN, NAN);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
}

rescl_status rs_report_profile(rs_html *h, const json_t *profile)
{
    rescl_status st = RESCL_OK;
    const json_t *step = json_object_get(profile, "step");
    layer_times t = {.step = rs_json_number(step, "ms")};
    char steps[32], batch[32], size[32];

    if (!(t.step > 0))
        goto out;
    RS_OOM(t.layer = calloc(MOST_LAYERS, sizeof *t.layer));
    sum_kernels(&t, json_object_get(profile, "kernels"));
    rs_html_section(h, "Time of a step");
    rs_html_p(h,
              "A step of %s images of %sx%s pixels took %.3f ms on %s, the mean of %s steps that "
              "rescl profile measured.",
              rs_report_number(rs_json_number(profile, "batch"), batch),
              rs_report_number(rs_json_number(profile, "size"), size), size, t.step,
              rs_json_string(profile, "device"),
              rs_report_number(rs_json_number(step, "steps"), steps));
    if (*rs_json_string(profile, "advice"))
        rs_html_p(h, "%s", rs_json_string(profile, "advice"));
    put_parts(h, step);
    if (t.count > 0)
        put_table(h, &t, "The layers that take longest", SHOWN);
    if (t.count > SHOWN) {
        rs_html_fold(h, "Time of every layer");
        put_table(h, &t, "Time of every layer", t.count);
        rs_html_fold_end(h);
    }
    rs_html_section_end(h);
out:
    free(t.layer);
    return st;
}
