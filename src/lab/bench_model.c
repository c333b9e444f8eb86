/* Times whole steps of a model on synthetic input. */
#include "clock.h"
#include "error.h"
#include "measure.h"
#include "modelstep.h"
#include "optionvalue.h"

#include <rescl/bench.h>

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
                                       .max_noise = 0.05};
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

static void tell(const rs_model_steps *b, rs_measurement *m, double first_ms, rescl_bench_fn fn,
                 void *user)
{
    const rescl_bench_options *o = b->o;
    rescl_bench_row row = rs_row_empty("model", o->model);
    rescl_model_info info;
    rescl_device_stats stats;

    rescl_model_get_info(b->model, &info);
    rescl_device_get_stats(b->dev, &stats);
    row.precision = rescl_precision_name(b->precision);
    row.model = o->model;
    row.mode = o->train ? "train" : "infer";
    row.input = o->host_input ? "host" : "device";
    row.opt = o->train ? o->opt : NULL;
    row.size = o->size;
    row.batch = o->batch;
    row.first_ms = first_ms;
    row.peak_bytes = stats.peak_bytes;
    row.flop = 2.0 * info.macs * (double)o->batch * (o->train ? 3.0 : 1.0);
    row.checked = "the losses of all steps are finite";
    rs_measurement_tell(m, 0, &row);
    rs_row_rate(&row, (double)o->batch, "img/s");
    fn(&row, user);
}

rescl_status rescl_bench_model(rescl_device *device, const rescl_bench_options *options,
                               rescl_bench_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    rs_model_steps b = {.o = &o, .dev = device};
    rs_measurement m = {.dev = device};
    const double start = rs_clock_seconds();

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    const double deadline = rs_deadline_after(o.time_limit);
    m.max_noise = o.max_noise;
    rs_device_trim(device);
    RS_TRY(rs_model_steps_open(&b));
    RS_TRY(rs_model_step(&b));
    const double first_ms = (rs_clock_seconds() - start) * 1e3;
    RS_TRY(measure(&b, deadline, &m));
    RS_TRY(rs_model_steps_check(&b));
    tell(&b, &m, first_ms, fn, user);
out:
    rs_model_steps_close(&b);
    rs_measurement_fini(&m);
    return st;
}
