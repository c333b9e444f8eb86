/* Kernel times by kernel and label. Events are kept until they are asked for, and summed up in
 * between when many have gathered. */
#include "alloc.h"
#include "clinternal.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_LIMIT = 8192, LABEL_BYTES = 256 };

typedef struct pending {
    cl_event begin, end;
    size_t row;                 /* of a kernel; else NO_ROW */
    rs_profile_command command; /* what is known before it ends, if commands are kept */
} pending;

#define NO_ROW SIZE_MAX

struct rs_profile {
    char label[LABEL_BYTES]; /* "": none */
    rs_profile_row *rows;    /* which own their labels */
    size_t nrows, rows_cap;
    pending *events;
    size_t nevents, events_cap;
    bool keeps; /* commands, one by one */
    rs_profile_command *commands;
    size_t ncommands, commands_cap;
};

rescl_status rs_profile_create(const rs_hw *hw, rs_profile **out)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(hw->quirks & RS_QUIRK_NO_TIMES, RESCL_ERR_UNSUPPORTED,
               "%s cannot be profiled: its driver, version %s, does not measure kernels",
               hw->info.name, hw->info.driver);
    RS_OOM(*out = calloc(1, sizeof **out));
out:
    return st;
}

static void drop_events(rs_profile *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (p->events[i].begin)
            clReleaseEvent(p->events[i].begin);
        clReleaseEvent(p->events[i].end);
    }
    memmove(p->events, p->events + count, (p->nevents - count) * sizeof *p->events);
    p->nevents -= count;
}

static void drop_rows(rs_profile *p)
{
    for (size_t i = 0; i < p->nrows; i++)
        free((char *)(uintptr_t)p->rows[i].label);
    p->nrows = 0;
}

void rs_profile_destroy(rs_profile *p)
{
    if (!p)
        return;
    if (p->nevents > 0)
        drop_events(p, p->nevents);
    drop_rows(p);
    free(p->events);
    free(p->rows);
    free(p->commands);
    free(p);
}

void rs_profile_label(rescl_device *dev, const char *label)
{
    if (dev->profile)
        snprintf(dev->profile->label, LABEL_BYTES, "%s", label ? label : "");
}

static rescl_status find_row(rs_profile *p, const char *kernel, size_t *row)
{
    rescl_status st = RESCL_OK;
    char *label = NULL;
    for (size_t i = 0; i < p->nrows; i++) {
        const char *of_row = p->rows[i].label;
        if (p->rows[i].kernel == kernel && strcmp(of_row ? of_row : "", p->label) == 0) {
            *row = i;
            return RESCL_OK;
        }
    }
    RS_TRY(rs_array_reserve(&p->rows, &p->rows_cap, p->nrows + 1, sizeof *p->rows));
    if (p->label[0])
        RS_OOM(label = strdup(p->label));
    p->rows[p->nrows] = (rs_profile_row){.kernel = kernel, .label = label};
    *row = p->nrows++;
out:
    return st;
}

static rescl_status event_time(cl_event event, cl_profiling_info what, uint64_t *ns)
{
    rescl_status st = RESCL_OK;
    cl_ulong time = 0;
    RS_CL(clGetEventProfilingInfo(event, what, sizeof time, &time, NULL));
    *ns = time;
out:
    return st;
}

/* The time that the first of a launch's kernels starts. */
static rescl_status start_of(const pending *e, uint64_t *ns)
{
    return e->begin ? event_time(e->begin, CL_PROFILING_COMMAND_END, ns)
                    : event_time(e->end, CL_PROFILING_COMMAND_START, ns);
}

/* Uploads have a queue of their own: that a later command has ended says nothing of them. */
static rescl_status read_event(pending *e)
{
    rescl_status st = RESCL_OK;
    rs_profile_command *c = &e->command;
    if (c->kind == RS_COMMAND_UPLOAD)
        RS_CL(clWaitForEvents(1, &e->end));
    RS_TRY(event_time(e->end, CL_PROFILING_COMMAND_QUEUED, &c->queued));
    RS_TRY(event_time(e->end, CL_PROFILING_COMMAND_END, &c->end));
    RS_TRY(start_of(e, &c->start));
    if (c->end < c->start)
        c->end = c->start;
out:
    return st;
}

static rescl_status take_event(rs_profile *p, pending *e)
{
    rescl_status st = RESCL_OK;
    RS_TRY(read_event(e));
    if (p->keeps)
        RS_TRY(rs_array_reserve(&p->commands, &p->commands_cap, p->ncommands + 1,
                                sizeof *p->commands));
    if (e->row != NO_ROW) {
        rs_profile_row *row = &p->rows[e->row];
        row->launches++;
        row->total_ns += e->command.end - e->command.start;
        e->command.name = row->kernel;
        e->command.label = row->label;
    }
    if (p->keeps)
        p->commands[p->ncommands++] = e->command;
out:
    return st;
}

/* Adds the oldest `count` events to their rows. Those that fail to be read are read again the next
 * time. */
static rescl_status sum_up(rs_profile *p, size_t count)
{
    rescl_status st = RESCL_OK;
    size_t done = 0;
    if (count == 0)
        return RESCL_OK;
    RS_CL(clWaitForEvents(1, &p->events[count - 1].end));
    for (; done < count; done++)
        RS_TRY(take_event(p, &p->events[done]));
out:
    drop_events(p, done);
    return st;
}

/* Takes over the events of *e. */
static rescl_status add_event(rs_profile *p, pending *e)
{
    rescl_status st = RESCL_OK;
    e->command.enqueued = rs_clock_ns();
    RS_TRY(rs_array_reserve(&p->events, &p->events_cap, p->nevents + 1, sizeof *p->events));
    p->events[p->nevents++] = *e;
    e->begin = e->end = NULL;
    if (p->nevents >= PENDING_LIMIT)
        RS_TRY(sum_up(p, p->nevents / 2));
out:
    if (e->begin)
        clReleaseEvent(e->begin);
    if (e->end)
        clReleaseEvent(e->end);
    return st;
}

rescl_status rs_profile_record(rescl_device *dev, const char *name, uint64_t asked, cl_event begin,
                               cl_event end)
{
    pending e = {
        .begin = begin, .end = end, .command = {.kind = RS_COMMAND_KERNEL, .asked = asked}};
    const rescl_status st = find_row(dev->profile, name, &e.row);
    if (st == RESCL_OK)
        return add_event(dev->profile, &e);
    if (begin)
        clReleaseEvent(begin);
    clReleaseEvent(end);
    return st;
}

bool rs_profile_keeps(const rescl_device *dev)
{
    return dev->profile && dev->profile->keeps;
}

rescl_status rs_profile_transfer(rescl_device *dev, rs_command_kind kind, uint64_t bytes,
                                 uint64_t asked, cl_event event)
{
    static const char *const names[] = {
        [RS_COMMAND_KERNEL] = "kernel", [RS_COMMAND_UPLOAD] = "upload",
        [RS_COMMAND_WRITE] = "write",   [RS_COMMAND_READ] = "read",
        [RS_COMMAND_COPY] = "copy",     [RS_COMMAND_FILL] = "fill"};
    pending e = {.end = event,
                 .row = NO_ROW,
                 .command = {.name = names[kind], .kind = kind, .bytes = bytes, .asked = asked}};
    return add_event(dev->profile, &e);
}

static int by_total(const void *a, const void *b)
{
    const rs_profile_row *x = a, *y = b;
    return (x->total_ns < y->total_ns) - (x->total_ns > y->total_ns);
}

rescl_status rs_profile_get(rescl_device *dev, const rs_profile_row **rows, size_t *count)
{
    rescl_status st = RESCL_OK;
    rs_profile *p = dev->profile;
    RS_FAIL_IF(!p, RESCL_ERR_ARG, "the device was opened without RESCL_DEVICE_PROFILE");
    RS_CL(clFinish(dev->queue));
    RS_TRY(sum_up(p, p->nevents));
    if (p->nrows > 0)
        qsort(p->rows, p->nrows, sizeof *p->rows, by_total);
    *rows = p->rows;
    *count = p->nrows;
out:
    return st;
}

void rs_profile_keep(rescl_device *dev, bool keep)
{
    if (dev->profile)
        dev->profile->keeps = keep;
}

rescl_status rs_profile_commands(rescl_device *dev, const rs_profile_command **commands,
                                 size_t *count)
{
    rescl_status st = RESCL_OK;
    rs_profile *p = dev->profile;
    RS_FAIL_IF(!p, RESCL_ERR_ARG, "the device is not profiled");
    RS_CL(clFinish(dev->queue));
    RS_TRY(sum_up(p, p->nevents));
    *commands = p->commands;
    *count = p->ncommands;
out:
    return st;
}

void rs_profile_reset(rescl_device *dev)
{
    rs_profile *p = dev->profile;
    if (!p)
        return;
    p->ncommands = 0;
    if (p->nevents > 0)
        drop_events(p, p->nevents);
    drop_rows(p);
    p->label[0] = '\0';
}

/* ---- profiling for a while ------------------------------------------------------------------ */

bool rs_profile_is_on(const rescl_device *dev)
{
    return dev->profile != NULL;
}

rescl_status rs_profile_begin(rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    rs_profile *p = NULL;
    cl_int code = CL_SUCCESS;
    if (dev->profile)
        goto out;
    RS_TRY(rs_profile_create(dev->hw, &p));
    RS_CL(clFinish(dev->queue));
    const cl_command_queue queue =
        clCreateCommandQueue(dev->context, dev->hw->id, CL_QUEUE_PROFILING_ENABLE, &code);
    RS_CL_CODE(code, "clCreateCommandQueue");
    dev->unprofiled = dev->queue;
    dev->queue = queue;
    dev->profile = p, p = NULL;
out:
    rs_profile_destroy(p);
    return st;
}

void rs_profile_end(rescl_device *dev)
{
    if (!dev->unprofiled)
        return;
    clFinish(dev->queue);
    rs_profile_destroy(dev->profile);
    rs_queue_release(dev->hw, dev->queue);
    dev->queue = dev->unprofiled;
    dev->unprofiled = NULL;
    dev->profile = NULL;
}

rescl_status rs_profile_span(rescl_device *dev, double *ms)
{
    rescl_status st = RESCL_OK;
    rs_profile *p = dev->profile;
    uint64_t start = 0, end = 0;
    RS_FAIL_IF(!p, RESCL_ERR_ARG, "the device is not profiled");
    RS_CL(clFinish(dev->queue));
    if (p->nevents > 0) {
        RS_TRY(start_of(&p->events[0], &start));
        RS_TRY(event_time(p->events[p->nevents - 1].end, CL_PROFILING_COMMAND_END, &end));
    }
    *ms = end > start ? (double)(end - start) * 1e-6 : 0.0;
    rs_profile_reset(dev);
out:
    return st;
}
