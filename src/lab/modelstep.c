#include "modelstep.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "optionvalue.h"
#include "rng.h"

#include <math.h>

#define LEARNING_RATE 1e-6 /* small: a hundred steps on noise must not diverge */
#define STREAM_PIXELS 0x62656e63u

static rescl_status make_input(rs_model_steps *s)
{
    rescl_status st = RESCL_OK;
    const size_t count = s->o->batch * s->replica->bytes;
    rs_rng r;

    RS_OOM(s->pixels = rs_aligned_calloc(count, sizeof *s->pixels));
    RS_OOM(s->labels = rs_aligned_calloc(s->o->batch, sizeof *s->labels));
    rs_rng_init(&r, 0, STREAM_PIXELS);
    for (size_t i = 0; i < count; i++)
        s->pixels[i] = (uint8_t)rs_rng_below(&r, 256);
    for (size_t i = 0; i < s->o->batch; i++)
        s->labels[i] = (int32_t)(i % s->model->classes);
    for (size_t i = 0; i < RS_PIXEL_CHANNELS * 256; i++)
        s->table[i / 256][i % 256] = (float)(i % 256) / 255.0f;
out:
    return st;
}

static rescl_status send_input(rs_model_steps *s)
{
    const rs_images images = {s->o->batch, s->pixels, (const float(*)[256])s->table,
                              s->labels,   NULL,      NULL};
    return rs_replica_send(s->replica, &images);
}

rescl_status rs_train_step(rs_store *store, rs_net *net, rescl_precision precision,
                           rs_loss_scale *scale, uint64_t count)
{
    rescl_status st = RESCL_OK;
    const rs_rates rates = rs_rates_uniform(LEARNING_RATE, 0.0);
    const bool scaled = precision == RESCL_PRECISION_FP16;
    rs_step step = RS_STEP(0, count);
    bool good = true;

    step.scale = scaled ? scale->scale : 1.0;
    RS_TRY(rs_net_backward(net, &step, NULL));
    if (scaled) {
        RS_TRY(rs_store_unscale(store, step.scale));
        RS_TRY(rs_store_judge(store, scale, &good));
    }
    if (good)
        RS_TRY(rs_store_update(store, &rates, count + 1));
out:
    return st;
}

static void end_part(rs_model_steps *s, rs_step_part part)
{
    s->mark[part + 1] = rs_clock_ns();
}

/* The input of this step, where it lies not on the device already. With a feed it goes up when it is
 * there, as in a training. */
static rescl_status take_input(rs_model_steps *s)
{
    rescl_status st = RESCL_OK;
    rs_images images;

    if (s->feed) {
        RS_TRY(rs_feed_next(s->feed, &images));
        end_part(s, RS_PART_DATA);
        RS_TRY(rs_replica_send(s->replica, &images));
    } else {
        end_part(s, RS_PART_DATA);
    }
    if (s->feed || s->o->host_input || s->step == 0)
        RS_TRY(rs_replica_receive(s->replica, s->net));
    end_part(s, RS_PART_RECEIVE);
out:
    return st;
}

/* With the host's input a step takes the batch that was sent in the step before, and sends the next. */
rescl_status rs_model_step(rs_model_steps *s)
{
    rescl_status st = RESCL_OK;

    s->mark[0] = rs_clock_ns();
    RS_TRY(take_input(s));
    RS_TRY(rs_replica_forward(s->replica, s->net, 0, s->step));
    end_part(s, RS_PART_FORWARD);
    if (s->o->train)
        RS_TRY(rs_train_step(s->replica->store, s->net, s->precision, &s->scale, s->step));
    end_part(s, RS_PART_BACKWARD);
    if (s->o->host_input && !s->feed)
        RS_TRY(send_input(s));
    end_part(s, RS_PART_SEND);
    RS_TRY(rs_replica_settle(s->replica));
    end_part(s, RS_PART_SETTLE);
    RS_TRY(rs_finish(s->dev));
    end_part(s, RS_PART_FINISH);
    s->step++;
out:
    return st;
}

/* Steps whose numbers are not numbers say nothing of a device's speed. */
rescl_status rs_model_steps_check(rs_model_steps *s)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;
    bool finite = true;

    for (size_t i = 0; i < s->o->batch; i++)
        finite = finite && isfinite(s->replica->losses[i]);
    if (finite)
        goto out;
    RS_TRY(rs_store_upload(s->replica->store, &s->model->weights)); /* those of the first step */
    RS_TRY(rs_net_find_nonfinite(s->net, 0, 0, &layer));
    RS_FAIL(RESCL_ERR_NUMERIC,
            "bench: after %llu %s steps the loss is not finite%s%s%s; 'rescl bench op' shows whose "
            "results are wrong on this device",
            (unsigned long long)s->step, s->o->train ? "training" : "inference",
            layer ? "; first seen in layer '" : "", layer ? layer : "", layer ? "'" : "");
out:
    return st;
}

rescl_status rs_model_steps_open(rs_model_steps *s)
{
    rescl_status st = RESCL_OK;
    const rescl_bench_options *o = s->o;
    const rescl_model_options about = {.struct_size = sizeof about,
                                       .name = o->model,
                                       .classes = o->classes,
                                       .image_size = o->size,
                                       .channels = o->channels};
    rs_replica_options plan = {0};
    const rs_optim_def *optimiser = NULL;
    rs_optim_hyper hyper;

    RS_FAIL_IF(o->batch == 0 || o->repeats == 0, RESCL_ERR_ARG,
               "bench: batch %zu, repeats %zu: expected at least 1", o->batch, o->repeats);
    RS_TRY(rs_precision_take(o->precision, &s->precision));
    plan.precision = s->precision;
    RS_TRY(rs_optim_find(o->opt ? o->opt : "sgd", &optimiser));
    hyper = rs_optim_default(optimiser);
    s->scale.scale = RS_LOSS_SCALE_FIRST;
    RS_TRY(rescl_model_create(&about, &s->model));
    RS_FAIL_IF(s->feed && rs_feed_classes(s->feed) > s->model->classes, RESCL_ERR_ARG,
               "the data has %zu classes, the network %zu: give it as many",
               rs_feed_classes(s->feed), s->model->classes);
    if (o->train) {
        plan.hyper = &hyper;
        plan.train_batch = o->batch;
    } else {
        plan.eval_batch = o->batch;
    }
    RS_TRY(rs_replica_create(s->dev, s->model->graph, &s->model->weights, &plan, &s->replica));
    s->net = rs_replica_net(s->replica, o->train ? RS_MODE_TRAIN : RS_MODE_EVAL, o->batch);
    if (s->feed)
        goto out;
    RS_TRY(make_input(s));
    RS_TRY(send_input(s));
out:
    return st;
}

void rs_model_steps_close(rs_model_steps *s)
{
    rs_replica_destroy(s->replica);
    rescl_model_destroy(s->model);
    rs_aligned_free(s->pixels);
    rs_aligned_free(s->labels);
    s->replica = NULL;
    s->net = NULL;
    s->model = NULL;
    s->pixels = NULL;
    s->labels = NULL;
}
