/* Times whole steps of a model on synthetic input. */
#include "clock.h"
#include "error.h"
#include "measure.h"
#include "modelstep.h"
#include "netcheck.h"
#include "optionvalue.h"

#include <rescl/bench.h>
#include <stdio.h>

#define DEFAULT_SIZE 224

void rescl_bench_options_init(rescl_bench_options *out, size_t struct_size)
{
    const rescl_bench_options usual = {.model = "resnet50",
                                       .size = DEFAULT_SIZE,
                                       .batch = 32,
                                       .classes = 1000,
                                       .opt = "sgd",
                                       .warmup = 2,
                                       .repeats = 7,
                                       .min_seconds = 1.0,
                                       .precision = "fp32",
                                       .max_noise = 0.05,
                                       .target_accuracy = 0.9,
                                       .epochs = 30};
    rs_options_init(out, struct_size, &usual, sizeof usual);
}

static rescl_status run_step(void *user, size_t i)
{
    (void)i;
    return rs_model_step(user);
}

static rescl_status measure(rs_model_steps *b, double deadline, rs_measurement *m)
{
    rescl_status st = RESCL_OK;
    const rescl_bench_options *o = b->o;
    const rs_rounds rounds = {.repeats = o->repeats,
                              .min_seconds = o->min_seconds,
                              .deadline = deadline,
                              .run = run_step,
                              .user = b};

    for (size_t i = 1; i < o->warmup && !rs_deadline_passed(deadline); i++) /* one was the first */
        RS_TRY(rs_model_step(b));
    RS_TRY(rs_measure(m, &rounds, 1));
out:
    return st;
}

/* What is known when the steps are done. */
typedef struct outcome {
    double first_ms;
    uint64_t peak_bytes;
    rescl_status status; /* of the check */
    rs_netcheck check;
} outcome;

/* Losses that are no numbers make the row wrong, whoever is to blame. */
static rescl_status check_losses(rs_model_steps *b, outcome *out)
{
    const rescl_status st = rs_model_steps_check(b);
    const bool lost = st == RESCL_ERR_DEVICE && rescl_last_error()->cl_code != 0;

    if (lost || (st != RESCL_ERR_DEVICE && st != RESCL_ERR_NUMERIC))
        return st;
    const rescl_error was = *rescl_last_error();
    out->status = rs_error_set(RESCL_ERR_NUMERIC, 0, was.file, was.line, "%s", was.message);
    return RESCL_OK;
}

/* Behind the steps, whose memory is free again. What cannot be checked is not told. */
static rescl_status check_network(rs_model_steps *b, outcome *out)
{
    out->status =
        rs_net_check(b->dev, b->model->graph, b->o->batch, b->o->train, b->precision, &out->check);
    if (out->status == RESCL_OK)
        return RESCL_OK;
    const bool memory = out->status == RESCL_ERR_MEMORY;
    rs_error_prefix("%s", memory ? "it cannot be checked" : b->o->model);
    if (memory)
        out->status = RESCL_ERR_UNSUPPORTED;
    return out->status == RESCL_ERR_NUMERIC || memory ? RESCL_OK : out->status;
}

static void tell(const rs_model_steps *b, rs_measurement *m, const outcome *of, rescl_bench_fn fn,
                 void *user)
{
    const rescl_bench_options *o = b->o;
    rescl_bench_row row = rs_row_empty("model", o->model);
    rescl_model_info info;
    char checked[128];

    rescl_model_get_info(b->model, &info);
    row.model = o->model;
    row.precision = rescl_precision_name(b->precision);
    row.mode = o->train ? "train" : "infer";
    row.input = o->host_input ? "host" : "device";
    row.opt = o->train ? o->opt : NULL;
    row.size = o->size;
    row.batch = o->batch;
    row.first_ms = of->first_ms;
    row.peak_bytes = of->peak_bytes;
    row.flop = 2.0 * info.macs * (double)o->batch * (o->train ? 3.0 : 1.0);
    row.status = of->status;
    if (row.status == RESCL_OK) {
        snprintf(checked, sizeof checked,
                 "finite losses; %zu passes of its layers against the reference in double",
                 of->check.problems);
        row.checked = checked;
        row.error = of->check.share;
        row.tolerance = 1.0;
        rs_measurement_tell(m, 0, &row);
        rs_row_rate(&row, (double)o->batch, "img/s");
    } else {
        row.reason = rescl_last_error()->message;
    }
    fn(&row, user);
}

rescl_status rescl_bench_model(rescl_device *device, const rescl_bench_options *options,
                               rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    rs_model_steps b = {.o = &o, .dev = device};
    rs_measurement m = {0};
    outcome of = {0};
    rescl_device_stats stats;
    const double start = rs_clock_seconds();

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    const double deadline = rs_deadline_after(o.time_limit);
    m = rs_measurement_of(device, &o);
    rs_device_trim(device);
    RS_TRY(rs_model_steps_open(&b));
    RS_TRY(rs_model_step(&b));
    of.first_ms = (rs_clock_seconds() - start) * 1e3;
    RS_TRY(measure(&b, deadline, &m));
    RS_TRY(check_losses(&b, &of));
    rescl_device_get_stats(device, &stats);
    of.peak_bytes = stats.peak_bytes;
    rs_replica_destroy(b.replica); /* the check needs memory, too */
    b.replica = NULL;
    rs_device_trim(device);
    if (of.status == RESCL_OK)
        RS_TRY(check_network(&b, &of));
    tell(&b, &m, &of, fn, user);
out:
    rs_model_steps_close(&b);
    rs_measurement_fini(&m);
    return st;
}
