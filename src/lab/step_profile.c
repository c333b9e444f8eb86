/* Where the time of a step goes. Commands come with the times of the device's clock; the host's is compared
 * with it by when each command was enqueued, so that both share a time line. */
#include "alloc.h"
#include "cldevice.h"
#include "clock.h"
#include "error.h"
#include "modelstep.h"
#include "optionvalue.h"
#include "str.h"
#include "tuning.h"

#include <math.h>
#include <rescl/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1e-6 /* in a nanosecond */

/* A kernel of a pass of a layer, while it is summed up. */
typedef struct kernel_row {
    char *label;      /* "<op> <pass> <layer>"; cut into its words at the end. Owned */
    const char *name; /* of the kernel */
    char *kernel;     /* a copy of that; owned */
    rescl_profile_row row;
} kernel_row;

/* The public struct is the first member, so that it is the whole. */
typedef struct profile {
    rescl_profile public;
    kernel_row *kernel;
    rescl_profile_row *row, *op;
    rescl_profile_event *event;
    size_t kernels, kernel_cap, event_cap, op_cap;
    size_t tunable, tuned; /* passes of layers; those for which there is a tuning */
    rs_model_steps steps;
    uint64_t begin; /* rs_clock_ns of the first step */
    double offset;  /* ns by which the host's clock is ahead of the device's */
} profile;

/* ---- clocks ------------------------------------------------------------------------------ */

/* Each command was queued between the host's times before and after its call. */
static double clock_offset(const rs_profile_command *c, size_t count)
{
    double low = -INFINITY, high = INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fmax(low, (double)c[i].asked - (double)c[i].queued);
        high = fmin(high, (double)c[i].enqueued - (double)c[i].queued);
    }
    return low <= high ? 0.5 * (low + high) : low; /* drivers may take the time a little late */
}

/* ns since the first step. */
static double host_time(const profile *p, uint64_t ns)
{
    return (double)ns - (double)p->begin;
}

static double device_time(const profile *p, uint64_t ns)
{
    return (double)ns + p->offset - (double)p->begin;
}

/* ---- rows -------------------------------------------------------------------------------- */

static rescl_status find_kernel(profile *p, const rs_profile_command *c, kernel_row **out)
{
    rescl_status st = RESCL_OK;
    const char *label = c->label ? c->label : "";
    kernel_row *k;

    for (size_t i = 0; i < p->kernels; i++)
        if (p->kernel[i].name == c->name && strcmp(p->kernel[i].label, label) == 0) {
            *out = &p->kernel[i];
            goto out;
        }
    RS_TRY(rs_array_reserve(&p->kernel, &p->kernel_cap, p->kernels + 1, sizeof *p->kernel));
    k = &p->kernel[p->kernels];
    *k = (kernel_row){.name = c->name};
    RS_OOM(k->label = strdup(label));
    k->kernel = strdup(c->name);
    p->kernels++;
    RS_OOM(k->kernel);
    *out = k;
out:
    return st;
}

/* Adds the cost of a pass to its longest kernel. */
static void give_cost(profile *p, const char *label, double flop, double bytes)
{
    kernel_row *longest = NULL;
    for (size_t i = 0; i < p->kernels; i++)
        if (strcmp(p->kernel[i].label, label) == 0 &&
            (!longest || p->kernel[i].row.ms > longest->row.ms))
            longest = &p->kernel[i];
    if (longest) {
        longest->row.flop += flop;
        longest->row.bytes += bytes;
    }
}

static rescl_status count_tuned(profile *p, const rs_plan *plan)
{
    rescl_status st = RESCL_OK;
    const char *choice = NULL;
    if (!plan->problem.op->key)
        goto out;
    RS_TRY(rs_tuning_find(p->steps.dev, &plan->problem, plan->pass, &choice));
    p->tunable++;
    p->tuned += choice != NULL;
out:
    return st;
}

/* While the network is there. */
static rescl_status give_costs(profile *p)
{
    rescl_status st = RESCL_OK;
    const rs_net *net = p->steps.net;
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            if (!plan)
                continue;
            give_cost(p, rs_net_label_at(net, i, (rs_pass)pass),
                      rs_pass_flop(&plan->problem, (rs_pass)pass),
                      rs_pass_bytes(&plan->problem, (rs_pass)pass));
            RS_TRY(count_tuned(p, plan));
        }
    for (int group = 0; p->steps.o->train && group < RS_MAX_GROUPS; group++)
        give_cost(p, rs_store_update_label(group), 0.0,
                  rs_store_update_bytes(p->steps.replica->store, group));
out:
    return st;
}

/* ms that the row's work takes at the limits; 0: not known. */
static double least_ms(const rescl_bench_limits *limits, rescl_profile_row *row)
{
    if (!(limits->fma_gflops > 0.0 && limits->triad_gbs > 0.0))
        return 0.0;
    const double by_flop = row->flop / (limits->fma_gflops * 1e6);
    const double by_bytes = row->bytes / (limits->triad_gbs * 1e6);
    row->memory_bound = by_bytes > by_flop;
    return fmax(by_flop, by_bytes);
}

static int longest_first(const void *a, const void *b)
{
    const rescl_profile_row *x = a, *y = b;
    const int order = (x->ms < y->ms) - (x->ms > y->ms);
    const int by_layer = order ? order : strcmp(x->layer, y->layer);
    return by_layer ? by_layer : strcmp(x->kernel, y->kernel);
}

/* The operation of a kernel; its least time is summed in of_limit. */
static rescl_status add_to_op(profile *p, const rescl_profile_row *row, double least)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;
    while (i < p->public.ops &&
           (strcmp(p->op[i].op, row->op) != 0 || strcmp(p->op[i].pass, row->pass) != 0))
        i++;
    if (i == p->public.ops) {
        RS_TRY(rs_array_reserve(&p->op, &p->op_cap, i + 1, sizeof *p->op));
        p->op[i] = (rescl_profile_row){
            .op = row->op, .pass = row->pass, .layer = "", .kernel = "", .of_limit = 0.0};
        p->public.ops++;
    }
    p->op[i].calls += row->calls;
    p->op[i].ms += row->ms;
    p->op[i].flop += row->flop;
    p->op[i].bytes += row->bytes;
    p->op[i].of_limit += least;
out:
    return st;
}

/* The words of a label are op, pass and layer; those of the update are "optim", "update" and whose. */
static void name_row(kernel_row *k)
{
    char *rest = k->label;
    k->row.op = strsep(&rest, " ");
    k->row.pass = rest ? strsep(&rest, " ") : "";
    k->row.layer = rest ? rest : "";
    k->row.kernel = k->kernel;
}

static rescl_status finish_rows(profile *p)
{
    rescl_status st = RESCL_OK;
    const double steps = (double)p->public.steps;

    RS_OOM(p->row = calloc(p->kernels + 1, sizeof *p->row));
    for (size_t i = 0; i < p->kernels; i++) {
        kernel_row *k = &p->kernel[i];
        name_row(k);
        k->row.calls /= steps;
        k->row.ms /= steps;
        const double least = least_ms(&p->public.limits, &k->row);
        k->row.of_limit = least > 0.0 ? least / k->row.ms : NAN;
        p->public.calls += k->row.calls;
        p->row[i] = k->row;
        RS_TRY(add_to_op(p, &k->row, least));
    }
    for (size_t i = 0; i < p->public.ops; i++) {
        const double least = p->op[i].of_limit;
        (void)least_ms(&p->public.limits, &p->op[i]);
        p->op[i].of_limit = least > 0.0 ? least / p->op[i].ms : NAN;
    }
    p->public.rows = p->kernels;
    qsort(p->row, p->public.rows, sizeof *p->row, longest_first);
    if (p->public.ops > 0)
        qsort(p->op, p->public.ops, sizeof *p->op, longest_first);
    p->public.row = p->row;
    p->public.op = p->op;
out:
    return st;
}

/* ---- the time line ----------------------------------------------------------------------- */

static rescl_status add_event(profile *p, rescl_profile_track track, const char *name, double begin,
                              double end)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&p->event, &p->event_cap, p->public.events + 1, sizeof *p->event));
    p->event[p->public.events++] = (rescl_profile_event){.track = track,
                                                         .name = name,
                                                         .op = "",
                                                         .pass = "",
                                                         .layer = "",
                                                         .begin_us = begin * 1e-3,
                                                         .us = fmax(end - begin, 0.0) * 1e-3,
                                                         .step = p->public.steps};
out:
    return st;
}

static rescl_status add_host_events(profile *p)
{
    rescl_status st = RESCL_OK;
    static const char *const names[RS_STEP_PARTS] = {
        [RS_PART_DATA] = "wait for data",        [RS_PART_RECEIVE] = "input",
        [RS_PART_FORWARD] = "forward",           [RS_PART_BACKWARD] = "backward, update",
        [RS_PART_SEND] = "send the next batch",  [RS_PART_SETTLE] = "wait for the loss",
        [RS_PART_FINISH] = "wait for the device"};
    const uint64_t *mark = p->steps.mark;

    RS_TRY(add_event(p, RESCL_TRACK_HOST, "step", host_time(p, mark[0]),
                     host_time(p, mark[RS_STEP_PARTS])));
    for (size_t i = 0; i < RS_STEP_PARTS; i++)
        if (i != RS_PART_DATA || p->steps.feed)
            RS_TRY(add_event(p, RESCL_TRACK_HOST, names[i], host_time(p, mark[i]),
                             host_time(p, mark[i + 1])));
out:
    return st;
}

/* A command of the step that was made last. */
static rescl_status add_command(profile *p, const rs_profile_command *c)
{
    rescl_status st = RESCL_OK;
    rescl_profile *sum = &p->public;
    const double ms = (double)(c->end - c->start) * MS;
    const bool upload = c->kind == RS_COMMAND_UPLOAD;
    kernel_row *k = NULL;

    RS_TRY(add_event(p, upload ? RESCL_TRACK_UPLOADS : RESCL_TRACK_QUEUE, c->name,
                     device_time(p, c->start), device_time(p, c->end)));
    rescl_profile_event *e = &p->event[sum->events - 1];
    e->bytes = c->bytes;
    if (c->kind == RS_COMMAND_KERNEL) {
        RS_TRY(find_kernel(p, c, &k));
        k->row.calls += 1.0;
        k->row.ms += ms;
        sum->kernel_ms += ms;
        e->name = k->kernel;
        e->layer = k->label; /* named when all rows are */
    } else if (upload) {
        sum->upload_ms += ms;
    } else {
        sum->transfer_ms += ms;
    }
out:
    return st;
}

/* Adds what the last step did. Parts of a step add up to it by construction. */
static rescl_status add_step(profile *p)
{
    rescl_status st = RESCL_OK;
    rescl_profile *sum = &p->public;
    const uint64_t *mark = p->steps.mark;
    const rs_profile_command *c = NULL;
    size_t count = 0;
    double first = INFINITY, last = -INFINITY;
    const double busy = sum->kernel_ms + sum->transfer_ms;

    RS_TRY(rs_profile_commands(p->steps.dev, &c, &count));
    if (sum->steps == 0) {
        p->begin = mark[0];
        p->offset = clock_offset(c, count);
    }
    RS_TRY(add_host_events(p));
    for (size_t i = 0; i < count; i++) {
        RS_TRY(add_command(p, &c[i]));
        if (c[i].kind != RS_COMMAND_UPLOAD) {
            first = fmin(first, device_time(p, c[i].start));
            last = fmax(last, device_time(p, c[i].end));
        }
    }
    RS_FAIL_IF(!(last > first), RESCL_ERR_DEVICE, "the device says of no command how long it took");
    const double waited = (double)(mark[RS_PART_DATA + 1] - mark[RS_PART_DATA]) * MS;
    sum->step_ms += (double)(mark[RS_STEP_PARTS] - mark[0]) * MS;
    sum->data_wait_ms += waited;
    sum->lead_ms += (first - host_time(p, mark[0])) * MS - waited;
    sum->tail_ms += (host_time(p, mark[RS_STEP_PARTS]) - last) * MS;
    sum->gap_ms += (last - first) * MS - (sum->kernel_ms + sum->transfer_ms - busy);
    sum->steps++;
    rs_profile_reset(p->steps.dev);
out:
    return st;
}

static int by_track(const void *a, const void *b)
{
    const rescl_profile_event *x = a, *y = b;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    if (x->begin_us < y->begin_us || x->begin_us > y->begin_us)
        return x->begin_us < y->begin_us ? -1 : 1;
    return x->us < y->us ? 1 : x->us > y->us ? -1 : 0; /* what holds another comes first */
}

/* Kernels of the time line get the names of their rows, whose labels are cut into words. */
static void finish_events(profile *p)
{
    for (size_t i = 0; i < p->public.events; i++) {
        rescl_profile_event *e = &p->event[i];
        for (size_t k = 0; k < p->kernels && *e->layer; k++)
            if (e->layer == p->kernel[k].label) {
                e->op = p->kernel[k].row.op;
                e->pass = p->kernel[k].row.pass;
                e->layer = p->kernel[k].row.layer;
                break;
            }
    }
    qsort(p->event, p->public.events, sizeof *p->event, by_track);
    p->public.event = p->event;
}

/* ---- advice ------------------------------------------------------------------------------ */

#define MUCH 0.1 /* of a step: worth a word */

/* The share of the step that kernels take which are bound by memory. */
static double memory_share(const rescl_profile *p)
{
    double ms = 0.0;
    for (size_t i = 0; i < p->rows; i++)
        if (p->row[i].memory_bound)
            ms += p->row[i].ms;
    return ms / p->step_ms;
}

static double product_share(const rescl_profile *p)
{
    double ms = 0.0;
    for (size_t i = 0; i < p->rows; i++)
        if (p->row[i].flop > 0.0)
            ms += p->row[i].ms;
    return ms / p->step_ms;
}

/* What takes most of the step of that which somebody could change. */
static void advise(profile *p, const rescl_bench_options *o)
{
    rescl_profile *s = &p->public;
    const double wait = s->data_wait_ms / s->step_ms;
    const double idle = (s->lead_ms + s->gap_ms + s->tail_ms) / s->step_ms;
    const double moved = s->transfer_ms / s->step_ms;
    const double memory = memory_share(s), products = product_share(s);
    const size_t room = sizeof s->advice;

    const char *mode = o->train ? "train" : "infer";
    char *to = s->advice;

    if (wait >= MUCH && wait >= idle && wait >= moved)
        snprintf(to, room,
                 "%.0f %% of the step waits for data: more --workers, or smaller images on disk.",
                 100 * wait);
    else if (idle >= MUCH && idle >= moved)
        snprintf(
            to, room,
            "The device stands still for %.0f %% of the step, around %.0f kernels of %.3f ms on "
            "average: a larger --batch-size has fewer and longer ones to an image.",
            100 * idle, s->calls, s->kernel_ms / s->calls);
    else if (moved >= MUCH)
        snprintf(to, room, "Transfers take %.0f %% of the step.", 100 * moved);
    else if (p->tuned < p->tunable && products >= 0.5)
        snprintf(to, room,
                 "Convolutions and dense layers take %.0f %% of the step, and %zu of their %zu "
                 "passes were not tuned on this device: 'rescl tune --model %s --size %zu "
                 "--batch-size %zu --mode %s' measures what is faster, and whether the step gains.",
                 100 * products, p->tunable - p->tuned, p->tunable, o->model, o->size, o->batch,
                 mode);
    else if (memory >= 0.5 && p->steps.precision <= RESCL_PRECISION_TF32)
        snprintf(
            to, room,
            "Kernels that are bound by memory take %.0f %% of the step: --precision bf16 moves "
            "half the bytes; 'rescl bench model --precision fp32,bf16' shows what that gains.",
            100 * memory);
    else
        snprintf(to, room,
                 "Kernels take %.0f %% of the step, '%s %s' most of it; no setting stands out that "
                 "would shorten it.",
                 100 * s->kernel_ms / s->step_ms, s->op[0].op, s->op[0].pass);
}

/* ---- measuring --------------------------------------------------------------------------- */

static rescl_status make_steps(profile *p, const rescl_bench_options *o)
{
    rescl_status st = RESCL_OK;
    rs_model_steps *s = &p->steps;

    RS_TRY(rs_profile_begin(s->dev));
    RS_TRY(rs_model_steps_open(s));
    for (size_t i = 0; i < o->warmup + 1; i++)
        RS_TRY(rs_model_step(s));
    RS_TRY(rs_model_steps_check(s));
    rs_profile_reset(s->dev);
    rs_profile_keep(s->dev, true);
    for (size_t i = 0; i < o->repeats; i++) {
        RS_TRY(rs_model_step(s));
        RS_TRY(add_step(p));
    }
    rs_profile_keep(s->dev, false);
    RS_TRY(rs_model_steps_check(s));
out:
    return st;
}

/* What profiling itself costs shows in steps without it. */
static rescl_status make_bare_steps(profile *p, const rescl_bench_options *o)
{
    rescl_status st = RESCL_OK;
    rs_model_steps *s = &p->steps;

    RS_TRY(rs_finish(s->dev));
    rs_profile_end(s->dev);
    RS_TRY(rs_model_step(s)); /* on another queue than before */
    for (size_t i = 0; i < o->repeats; i++) {
        RS_TRY(rs_model_step(s));
        p->public.bare_ms += (double)(s->mark[RS_STEP_PARTS] - s->mark[0]) * MS;
    }
out:
    return st;
}

static void take_means(rescl_profile *p)
{
    double *const sums[] = {&p->step_ms, &p->bare_ms,   &p->data_wait_ms,
                            &p->lead_ms, &p->kernel_ms, &p->transfer_ms,
                            &p->gap_ms,  &p->tail_ms,   &p->upload_ms};
    for (size_t i = 0; i < RS_COUNT(sums); i++)
        *sums[i] /= (double)p->steps;
}

rescl_status rescl_profile_create(rescl_device *device, const rescl_bench_options *options,
                                  const rescl_dataset *data, size_t workers,
                                  const rescl_bench_limits *limits, rescl_profile **out)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    profile *p = NULL;
    rs_feed *feed = NULL;

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_OOM(p = calloc(1, sizeof *p));
    p->steps.o = &o;
    p->steps.dev = device;
    if (limits)
        p->public.limits = *limits;
    rs_device_trim(device);
    if (data)
        RS_TRY(rs_feed_create(data, o.batch, o.size, o.channels, workers, &feed));
    p->steps.feed = feed;
    RS_TRY(make_steps(p, &o));
    RS_TRY(make_bare_steps(p, &o));
    RS_TRY(give_costs(p));
    take_means(&p->public);
    RS_TRY(finish_rows(p));
    finish_events(p);
    advise(p, &o);
    *out = &p->public;
out:
    if (p)
        rs_model_steps_close(&p->steps);
    if (p && st != RESCL_OK)
        rescl_profile_destroy(&p->public);
    rs_feed_destroy(feed);
    rs_profile_end(device);
    return st;
}

void rescl_profile_destroy(rescl_profile *profile_)
{
    profile *p = (profile *)profile_;
    if (!p)
        return;
    for (size_t i = 0; i < p->kernels; i++) {
        free(p->kernel[i].label);
        free(p->kernel[i].kernel);
    }
    free(p->kernel);
    free(p->row);
    free(p->op);
    free(p->event);
    free(p);
}
