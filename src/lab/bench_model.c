/* Times whole steps of a model on synthetic input. */
#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "lossscale.h"
#include "measure.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "replica.h"
#include "rng.h"

#include <math.h>
#include <rescl/bench.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SIZE  224
#define LEARNING_RATE 1e-6 /* small: a hundred steps on noise must not diverge */
#define STREAM_PIXELS 0x62656e63u

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

typedef struct bench {
    const rescl_bench_options *o;
    rescl_device *dev;
    rescl_model *model;
    rs_replica *replica;
    rs_net *net;
    uint8_t *pixels;
    int32_t *labels;
    float table[3][256];
    uint64_t step;
    rescl_precision precision;
    rs_loss_scale scale; /* of fp16 */
} bench;

static rescl_status make_input(bench *b)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(b->net);
    const size_t count = rs_shape_count(&input.shape);
    rs_rng r;

    RS_OOM(b->pixels = rs_aligned_calloc(count, sizeof *b->pixels));
    RS_OOM(b->labels = rs_aligned_calloc(b->o->batch, sizeof *b->labels));
    rs_rng_init(&r, 0, STREAM_PIXELS);
    for (size_t i = 0; i < count; i++)
        b->pixels[i] = (uint8_t)rs_rng_below(&r, 256);
    for (size_t i = 0; i < b->o->batch; i++)
        b->labels[i] = (int32_t)(i % b->model->classes);
    for (size_t i = 0; i < 3 * 256; i++)
        b->table[i / 256][i % 256] = (float)(i % 256) / 255.0f;
out:
    return st;
}

static rescl_status send_input(bench *b)
{
    const rs_images images = {b->o->batch, b->pixels, (const float(*)[256])b->table, b->labels,
                              NULL};
    return rs_replica_send(b->replica, &images);
}

/* As a run does it: in fp16 an update waits until it is known that no gradient overflowed. */
static rescl_status train(bench *b, const rs_rates *rates)
{
    rescl_status st = RESCL_OK;
    rs_store *store = b->replica->store;
    const bool scaled = b->precision == RESCL_PRECISION_FP16;
    rs_step step = RS_STEP(0, b->step);
    bool good = true;

    step.scale = scaled ? b->scale.scale : 1.0;
    RS_TRY(rs_net_backward(b->net, &step, NULL));
    if (scaled) {
        RS_TRY(rs_store_unscale(store, step.scale));
        RS_TRY(rs_store_judge(store, &b->scale, &good));
    }
    if (good)
        RS_TRY(rs_store_update(store, rates, b->step + 1));
out:
    return st;
}

/* With the host's input a step takes the batch that was sent in the step before, and sends the next. */
static rescl_status one_step(bench *b)
{
    rescl_status st = RESCL_OK;
    const rs_rates rates = rs_rates_uniform(LEARNING_RATE, 0.0);

    if (b->o->host_input || b->step == 0)
        RS_TRY(rs_replica_receive(b->replica, b->net));
    RS_TRY(rs_replica_forward(b->replica, b->net, 0, b->step));
    if (b->o->train)
        RS_TRY(train(b, &rates));
    if (b->o->host_input)
        RS_TRY(send_input(b));
    RS_TRY(rs_replica_settle(b->replica));
    RS_TRY(rs_finish(b->dev));
    b->step++;
out:
    return st;
}

/* Steps whose numbers are not numbers say nothing of a device's speed. */
static rescl_status check_numbers(bench *b)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;
    bool finite = true;

    for (size_t i = 0; i < b->o->batch; i++)
        finite = finite && isfinite(b->replica->losses[i]);
    if (finite)
        goto out;
    RS_TRY(rs_store_upload(b->replica->store, &b->model->weights)); /* those of the first step */
    RS_TRY(rs_net_find_nonfinite(b->net, 0, 0, &layer));
    RS_FAIL(RESCL_ERR_NUMERIC,
            "bench: after %llu %s steps the loss is not finite%s%s%s; 'rescl bench op' shows whose "
            "results are wrong on this device",
            (unsigned long long)b->step, b->o->train ? "training" : "inference",
            layer ? "; first seen in layer '" : "", layer ? layer : "", layer ? "'" : "");
out:
    return st;
}

static rescl_status open_bench(bench *b)
{
    rescl_status st = RESCL_OK;
    const rescl_bench_options *o = b->o;
    const rescl_model_options about = {.struct_size = sizeof about,
                                       .name = o->model,
                                       .classes = o->classes,
                                       .image_size = o->size};
    rs_replica_options plan = {0};
    const rs_optim_def *optimiser = NULL;
    rs_optim_hyper hyper;

    RS_FAIL_IF(o->batch == 0 || o->repeats == 0, RESCL_ERR_ARG,
               "bench: batch %zu, repeats %zu: expected at least 1", o->batch, o->repeats);
    RS_TRY(rs_precision_take(o->precision, &b->precision));
    plan.precision = b->precision;
    RS_TRY(rs_optim_find(o->opt ? o->opt : "sgd", &optimiser));
    hyper = rs_optim_default(optimiser);
    b->scale.scale = RS_LOSS_SCALE_FIRST;
    RS_TRY(rescl_model_create(&about, &b->model));
    if (o->train) {
        plan.hyper = &hyper;
        plan.train_batch = o->batch;
    } else {
        plan.eval_batch = o->batch;
    }
    RS_TRY(rs_replica_create(b->dev, b->model->graph, &b->model->weights, &plan, &b->replica));
    b->net = rs_replica_net(b->replica, o->train ? RS_MODE_TRAIN : RS_MODE_EVAL, o->batch);
    RS_TRY(make_input(b));
    RS_TRY(send_input(b));
out:
    return st;
}

static rescl_status run_step(void *user, size_t i)
{
    (void)i;
    return one_step(user);
}

static rescl_status measure(bench *b, double deadline, rs_measurement *m)
{
    rescl_status st = RESCL_OK;
    const rescl_bench_options *o = b->o;
    const rs_rounds rounds = {.repeats = o->repeats,
                              .min_seconds = o->min_seconds,
                              .deadline = deadline,
                              .run = run_step,
                              .user = b};

    for (size_t i = 1; i < o->warmup && !rs_deadline_passed(deadline); i++) /* one was the first */
        RS_TRY(one_step(b));
    RS_TRY(rs_measure(m, &rounds, 1));
out:
    return st;
}

static void close_bench(bench *b)
{
    rs_replica_destroy(b->replica);
    rescl_model_destroy(b->model);
    rs_aligned_free(b->pixels);
    rs_aligned_free(b->labels);
}

static void tell(const bench *b, rs_measurement *m, double first_ms, rescl_bench_fn fn, void *user)
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
    bench b = {.o = &o, .dev = device};
    rs_measurement m = {.dev = device};
    const double start = rs_clock_seconds();

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    const double deadline = rs_deadline_after(o.time_limit);
    m.max_noise = o.max_noise;
    rs_device_trim(device);
    RS_TRY(open_bench(&b));
    RS_TRY(one_step(&b));
    const double first_ms = (rs_clock_seconds() - start) * 1e3;
    RS_TRY(measure(&b, deadline, &m));
    RS_TRY(check_numbers(&b));
    tell(&b, &m, first_ms, fn, user);
out:
    close_bench(&b);
    rs_measurement_fini(&m);
    return st;
}

/* Splits a net's label "<op> <pass> <layer>". */
static void report_row(const rs_profile_row *row, size_t steps, rescl_bench_step_fn fn, void *user)
{
    char text[128], *rest = text;
    rescl_bench_step_row out = {.op = "", .pass = "", .layer = "", .kernel = row->kernel};
    snprintf(text, sizeof text, "%s", row->label ? row->label : "");
    out.op = strsep(&rest, " ");
    out.pass = rest ? strsep(&rest, " ") : "";
    out.layer = rest ? rest : "";
    out.launches = (double)row->launches / (double)steps;
    out.ms = (double)row->total_ns * 1e-6 / (double)steps;
    fn(&out, user);
}

rescl_status rescl_bench_step(rescl_device *device, const rescl_bench_options *options,
                              rescl_bench_step_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    rescl_bench_options o;
    bench b = {.o = &o, .dev = device};
    const rs_profile_row *rows;
    size_t count;

    rescl_bench_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_bench_options"));
    RS_TRY(open_bench(&b));
    for (size_t i = 0; i < o.warmup + 1; i++)
        RS_TRY(one_step(&b));
    RS_TRY(rs_profile_get(device, &rows, &count));
    rs_profile_reset(device);
    for (size_t i = 0; i < o.repeats; i++)
        RS_TRY(one_step(&b));
    RS_TRY(check_numbers(&b));
    RS_TRY(rs_profile_get(device, &rows, &count));
    for (size_t i = 0; i < count; i++)
        report_row(&rows[i], o.repeats, fn, user);
out:
    close_bench(&b);
    return st;
}
