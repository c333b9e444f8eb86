/* Measures what the device can do at most, with the kernels of cl/peak.cl. */
#include "error.h"
#include "optionvalue.h"
#include "peak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LOOPS (1 << 28)

/* The width of common.clh's vfloat. */
static size_t vector_width(const rescl_device_info *info)
{
    return info->float_width >= 16 ? 16 : info->float_width >= 8 ? 8 : 4;
}

/* CPUs run one work-item per group, several for each unit so that all finish together; GPUs need
 * enough groups to hide latency. */
static void set_grid(rs_peak *p, const rescl_device_info *info, size_t max_group)
{
    const bool cpu = info->type == RESCL_DEVICE_CPU;
    const size_t group = cpu ? 1 : max_group < 256 ? max_group : 256;

    p->width = vector_width(info);
    p->items = cpu ? (size_t)info->compute_units * 4 : (size_t)info->compute_units * 16 * group;
    p->grid = (rs_grid){.items = {p->items, 1, 1}, .group = {group, 1, 1}};
}

rescl_status rs_peak_kernel(const rs_peak *p, const char *name, rs_kernel **out)
{
    const bool cpu = rescl_device_get_info(p->dev)->type == RESCL_DEVICE_CPU;
    return rs_kernel_get(p->dev, "peak", cpu ? "" : "-DALIGNED", name, out);
}

rescl_status rs_peak_open(rs_peak *p, rescl_device *dev)
{
    rescl_status st = RESCL_OK;
    rs_kernel *fma = NULL;

    p->dev = dev;
    RS_TRY(rs_peak_kernel(p, "peak_fma", &fma));
    set_grid(p, rescl_device_get_info(dev), rs_kernel_max_group(fma));
    RS_TRY(rs_buffer_create(dev, p->items * p->width * sizeof(float), &p->out));
out:
    return st;
}

void rs_peak_close(rs_peak *p)
{
    rs_buffer_release(p->out);
    p->out = NULL;
}

rescl_status rs_peak_calibrate(const rs_rounds *run, int *loops)
{
    rescl_status st = RESCL_OK;
    rs_stats ms;

    RS_TRY(run->run(run->user, 0));
    do {
        *loops *= 2;
        RS_TRY(rs_rounds_time(run, 1, &ms));
    } while (ms.median < RS_PEAK_ROUND_MS && *loops < MAX_LOOPS);
out:
    return st;
}

static rescl_bench_row row_of(const rs_limit *limit)
{
    rescl_bench_row row = rs_row_empty("peak", limit->what);
    row.precision = limit->flop > 0.0 ? rescl_precision_name(limit->precision) : NULL;
    row.flop = limit->flop;
    row.bytes = limit->bytes;
    row.checked = limit->checked;
    row.error = limit->error;
    row.tolerance = limit->tolerance;
    return row;
}

static void tell_limit(const rs_peak *p, rs_measurement *m, size_t i, const rs_limit *limit)
{
    rescl_bench_row row = row_of(limit);
    char reason[128];

    if (limit->error <= limit->tolerance) {
        rs_measurement_tell(m, i, &row);
        rs_row_rate(&row, limit->amount, limit->unit);
    } else {
        snprintf(reason, sizeof reason, "%s: the result is off by %.3g, tolerated is %.3g",
                 limit->what, limit->error, limit->tolerance);
        row.status = rs_error_set(RESCL_ERR_NUMERIC, 0, __FILE__, __LINE__, "%s", reason);
        row.reason = reason;
    }
    p->fn(&row, p->user);
}

rescl_status rs_peak_measure(const rs_peak *p, const rs_rounds *how, rs_limit *limits, size_t count,
                             rescl_status (*check)(void *user, rs_limit *limits))
{
    rescl_status st = RESCL_OK;
    rs_measurement m = rs_measurement_of(p->dev, p->o);
    rs_rounds rounds = *how;

    rounds.repeats = p->o->repeats;
    rounds.min_seconds = p->o->min_seconds;
    rounds.max_seconds = p->o->min_seconds + RS_PEAK_BUDGET_S;
    rounds.deadline = p->deadline;
    RS_TRY(rs_measure(&m, &rounds, count));
    if (check)
        RS_TRY(check(how->user, limits));
    for (size_t i = 0; i < count; i++)
        tell_limit(p, &m, i, &limits[i]);
out:
    rs_measurement_fini(&m);
    return st;
}

rescl_status rescl_bench_peak(rescl_device *device, rescl_bench_limits *out)
{
    rescl_status st = RESCL_OK;
    rs_peak p = {0};
    rescl_bench_limits result = {0};

    RS_TRY(rs_peak_open(&p, device));
    RS_TRY(rs_peak_fma_quick(&p, &result.fma_gflops));
    RS_TRY(rs_peak_memory_quick(&p, &result.read_gbs, &result.triad_gbs));
    *out = result;
out:
    rs_peak_close(&p);
    return st;
}

rescl_status rescl_bench_peaks(rescl_device *device, const rescl_bench_options *options,
                               rescl_bench_fn fn, void *user)
{
    static rescl_status (*const all[])(rs_peak *) = {rs_peak_fma, rs_peak_memory, rs_peak_local,
                                                     rs_peak_launch, rs_peak_transfer};
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    rs_peak p = {.o = &o, .fn = fn, .user = user};

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_FAIL_IF(o.repeats == 0, RESCL_ERR_ARG, "bench: repeats 0: expected at least 1");
    p.deadline = rs_deadline_after(o.time_limit);
    RS_TRY(rs_peak_open(&p, device));
    for (size_t i = 0; i < RS_COUNT(all); i++) {
        RS_FAIL_IF(i > 0 && rs_deadline_passed(p.deadline), RESCL_ERR_INTERRUPTED,
                   "the time limit is reached: %zu of %zu kinds of limits were not measured",
                   RS_COUNT(all) - i, RS_COUNT(all));
        RS_TRY(all[i](&p));
    }
out:
    rs_peak_close(&p);
    return st;
}
