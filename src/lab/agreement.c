/* Runs a network on several devices pass by pass, and compares what they make of the same numbers. */
#include "alloc.h"
#include "error.h"
#include "lossscale.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "replay.h"
#include "replica.h"
#include "rng.h"

#include <math.h>
#include <rescl/compare.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM_PIXELS 0x61677265u
#define STREAM_DRAW   0x64726177u
#define DRAWN         64 /* numbers of a large result that the host computes, beside the corners */

void rescl_agreement_options_init(rescl_agreement_options *out, size_t struct_size)
{
    const rescl_agreement_options usual = {.batch = 4};
    rs_options_init(out, struct_size, &usual, sizeof usual);
}

/* One of the devices. */
typedef struct member {
    rescl_device *dev;
    rs_replica *replica;
    rs_net *net; /* the one that runs */
    rs_replay replay;
} member;

typedef struct session {
    const rescl_agreement_options *o;
    member *m;
    size_t members;
    rescl_agreement *result;
    rescl_agreement_cell *cell;
    size_t *worst; /* by member: where an output is farthest from the first's */
    rescl_agreement_fn fn;
    void *user;
    uint8_t *pixels;
    int32_t *labels;
    float table[RS_PIXEL_CHANNELS][256];
} session;

/* ---- one output of one pass -------------------------------------------------------------- */

/* NaN and infinity agree with themselves only. */
static double distance(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return 0.0;
    const double d = fabs(a - b);
    return isfinite(d) ? d : INFINITY;
}

static double root_mean_square(const double *x, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += isfinite(x[i]) ? x[i] * x[i] : 0.0;
    return sqrt(sum / (double)count);
}

/* The largest distance to the first device's numbers by their root mean square; *at is where. */
static double find_difference(const double *x, const double *first, size_t count, size_t *at)
{
    double most = 0.0;
    *at = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = distance(x[i], first[i]);
        if (d > most) {
            most = d;
            *at = i;
        }
    }
    const double rms = root_mean_square(first, count);
    return most > 0.0 ? most / fmax(rms, 1e-300) : 0.0;
}

/* Keeps the number with the largest error. */
static void judge_number(const rs_replay *r, const rs_replay_output *o, size_t index, double want,
                         double rms, rescl_agreement_cell *cell)
{
    const double got = o->got[index], d = distance(got, want);
    const double tolerance = rs_replay_tolerance(r, o, index, want, rms);
    const double error = d > 0.0 ? d / fmax(tolerance, 1e-300) : 0.0;
    if (!(error <= cell->error)) {
        cell->error = isnan(error) ? INFINITY : error;
        cell->got = got;
        cell->want = want;
    }
}

static void judge_all(const rs_replay *r, const rs_replay_output *o, rescl_agreement_cell *cell)
{
    const double rms = root_mean_square(o->want, o->count);
    for (size_t i = 0; i < o->count; i++)
        judge_number(r, o, i, o->want[i], rms, cell);
}

/* The first and the last number, some in between, and where any device differs most. */
static rescl_status judge_some(const session *s, const rs_replay *r, const rs_replay_output *o,
                               rescl_agreement_cell *cell)
{
    rescl_status st = RESCL_OK;
    const size_t most = DRAWN + 2 + s->members;
    size_t *index = NULL, n = 0;
    double *want = NULL;
    rs_rng rng;

    RS_OOM(index = calloc(most, sizeof *index));
    RS_OOM(want = calloc(most, sizeof *want));
    rs_rng_init(&rng, o->count, STREAM_DRAW);
    index[n++] = 0;
    index[n++] = o->count - 1;
    for (size_t i = 0; i < DRAWN; i++)
        index[n++] = (size_t)rs_rng_range(&rng, 0.0, (double)o->count);
    for (size_t i = 0; i < s->members; i++)
        index[n++] = s->worst[i];
    for (size_t i = 0; i < n; i++) {
        index[i] = index[i] < o->count ? index[i] : o->count - 1;
        want[i] = rs_replay_want(r, o, index[i]);
    }
    const double rms = root_mean_square(want, n);
    for (size_t i = 0; i < n; i++)
        judge_number(r, o, index[i], want[i], rms, cell);
out:
    free(index);
    free(want);
    return st;
}

static rescl_status compare_output(session *s, size_t which)
{
    rescl_status st = RESCL_OK;
    const rs_replay_output *first = &s->m[0].replay.output[which];

    for (size_t i = 0; i < s->members; i++) {
        const rs_replay_output *o = &s->m[i].replay.output[which];
        s->cell[i].difference = fmax(s->cell[i].difference,
                                     find_difference(o->got, first->got, o->count, &s->worst[i]));
    }
    for (size_t i = 0; i < s->members; i++) {
        const rs_replay *r = &s->m[i].replay;
        if (r->output[which].want)
            judge_all(r, &r->output[which], &s->cell[i]);
        else
            RS_TRY(judge_some(s, r, &r->output[which], &s->cell[i]));
    }
out:
    return st;
}

/* ---- passes ------------------------------------------------------------------------------ */

/* Takes what one pass gave into each device's result. */
static void keep_cells(session *s, const rescl_agreement_row *row, bool backward)
{
    for (size_t i = 0; i < s->members; i++) {
        const rescl_agreement_cell *c = &s->cell[i];
        rescl_agreement *a = &s->result[i];
        double *most = backward ? &a->backward : &a->forward;
        *most = fmax(*most, c->difference);
        a->error = fmax(a->error, c->error);
        if (c->error <= 1.0 || *a->layer)
            continue;
        snprintf(a->layer, sizeof a->layer, "%s", row->layer);
        snprintf(a->op, sizeof a->op, "%s", row->op);
        snprintf(a->pass, sizeof a->pass, "%s", row->pass);
        snprintf(a->impl, sizeof a->impl, "%s", c->impl);
        a->got = c->got;
        a->want = c->want;
    }
}

static rescl_status run_pass(session *s, size_t node, rs_pass pass, const char *name,
                             const rs_step *step)
{
    rescl_status st = RESCL_OK;
    const rs_node *first = rs_net_node(s->m[0].net, node);
    const rescl_agreement_row row = {.layer = first->name,
                                     .op = first->op->name,
                                     .pass = name,
                                     .devices = s->members,
                                     .device = s->cell};

    for (size_t i = 0; i < s->members; i++) {
        st = rs_replay_run(s->m[i].net, node, pass, step, &s->m[i].replay);
        if (st != RESCL_OK)
            rs_error_prefix("%s", rescl_device_get_info(s->m[i].dev)->name);
        RS_TRY(st);
        s->cell[i] = (rescl_agreement_cell){.impl = s->m[i].replay.plan->choice.impl->name};
    }
    for (size_t k = 0; k < s->m[0].replay.outputs; k++)
        RS_TRY(compare_output(s, k));
    keep_cells(s, &row, pass != RS_FWD);
    if (s->fn)
        s->fn(&row, s->user);
out:
    for (size_t i = 0; i < s->members; i++)
        rs_replay_fini(&s->m[i].replay);
    return st;
}

static rescl_status run_forward(session *s, const char *name, const rs_step *step)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < rs_net_nodes(s->m[0].net); i++)
        RS_TRY(run_pass(s, i, RS_FWD, name, step));
out:
    return st;
}

static rescl_status run_backward(session *s, const rs_step *step)
{
    rescl_status st = RESCL_OK;
    for (size_t i = rs_net_nodes(s->m[0].net); i-- > 0;)
        for (rs_pass pass = RS_BWD_PARAMS; pass < RS_PASS_COUNT; pass++)
            if (rs_net_plan_at(s->m[0].net, i, pass))
                RS_TRY(run_pass(s, i, pass, rs_pass_name(pass), step));
out:
    return st;
}

/* ---- the whole --------------------------------------------------------------------------- */

static rescl_status make_input(session *s)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = s->o->model;
    size_t count = 0;
    rs_rng r;

    RS_FAIL_IF(!rs_mul_size(s->o->batch, rs_model_input_bytes(m), &count), RESCL_ERR_ARG,
               "compare: a batch of %zu images is too large", s->o->batch);
    RS_OOM(s->pixels = malloc(count));
    RS_OOM(s->labels = calloc(s->o->batch, sizeof *s->labels));
    rs_rng_init(&r, s->o->seed, STREAM_PIXELS);
    for (size_t i = 0; i < count; i++)
        s->pixels[i] = (uint8_t)rs_rng_below(&r, 256);
    for (size_t i = 0; i < s->o->batch; i++)
        s->labels[i] = (int32_t)(i % m->classes);
    for (size_t i = 0; i < RS_PIXEL_CHANNELS * 256; i++)
        s->table[i / 256][i % 256] = (float)(i % 256) / 255.0f;
out:
    return st;
}

static rescl_status open_member(const session *s, member *m)
{
    const rescl_model *model = s->o->model;
    const rs_optim_hyper hyper = rs_optim_default(&rs_optim_sgd);
    const rs_replica_options plan = {.hyper = &hyper,
                                     .train_batch = s->o->batch,
                                     .eval_batch = s->o->batch,
                                     .precision = model->precision};
    return rs_replica_create(m->dev, model->graph, &model->weights, &plan, &m->replica);
}

/* The net of a mode on each device, with the images as its input. */
static rescl_status begin(session *s, rs_mode mode)
{
    rescl_status st = RESCL_OK;
    const rs_images images = {s->o->batch, s->pixels, (const float(*)[256])s->table,
                              s->labels,   NULL,      NULL};

    for (size_t i = 0; i < s->members; i++) {
        member *m = &s->m[i];
        m->net = rs_replica_net(m->replica, mode, s->o->batch);
        RS_TRY(rs_replica_send(m->replica, &images));
        RS_TRY(rs_replica_receive(m->replica, m->net));
        RS_TRY(rs_finish(m->dev));
    }
out:
    return st;
}

static rescl_status read_floats(member *m, const rs_tensor *t, double **out)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    float *raw = NULL;

    RS_OOM(raw = calloc(count, sizeof *raw));
    RS_OOM(*out = calloc(count, sizeof **out));
    RS_TRY(rs_tensor_read(m->dev, t, 0, count, raw));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = (double)raw[i];
out:
    free(raw);
    return st;
}

static size_t largest(const double *x, size_t count)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++)
        at = x[i] > x[at] ? i : at;
    return at;
}

static rescl_status compare_predictions(session *s)
{
    rescl_status st = RESCL_OK;
    double *first = NULL, *other = NULL;
    size_t at;

    for (size_t i = 0; i < s->members; i++) {
        const rs_tensor logits = rs_net_logits(s->m[i].net);
        const size_t classes = logits.shape.dim[1], count = rs_shape_count(&logits.shape);
        free(other);
        other = NULL;
        RS_TRY(read_floats(&s->m[i], &logits, i == 0 ? &first : &other));
        const double *own = i == 0 ? first : other;
        s->result[i].logits = find_difference(own, first, count, &at);
        for (size_t k = 0; k < s->o->batch; k++)
            s->result[i].predictions +=
                largest(own + k * classes, classes) == largest(first + k * classes, classes);
    }
out:
    free(first);
    free(other);
    return st;
}

static rescl_status keep_losses(session *s)
{
    rescl_status st = RESCL_OK;
    double *loss = NULL;

    for (size_t i = 0; i < s->members; i++) {
        const rs_tensor t = rs_net_losses(s->m[i].net);
        free(loss);
        loss = NULL;
        RS_TRY(read_floats(&s->m[i], &t, &loss));
        for (size_t k = 0; k < s->o->batch; k++)
            s->result[i].loss += loss[k] / (double)s->o->batch;
    }
out:
    free(loss);
    return st;
}

/* What rounding may make of logits and loss: far more than it does in the deepest networks, and far less
 * than what is wrong. */
static double limit_of(rescl_precision precision)
{
    return precision == RESCL_PRECISION_FP32 ? 0.01 : precision == RESCL_PRECISION_TF32 ? 0.1 : 0.5;
}

static void find_agreement(session *s)
{
    const double limit = limit_of(s->o->model->precision);
    for (size_t i = 0; i < s->members; i++) {
        rescl_agreement *a = &s->result[i];
        const double moved = distance(a->loss, s->result[0].loss);
        a->agrees = !*a->layer && a->logits <= limit &&
                    moved <= limit * fmax(fabs(s->result[0].loss), 1e-3);
    }
}

static rescl_status run_all(session *s)
{
    rescl_status st = RESCL_OK;
    rs_step step = RS_STEP(s->o->seed, 1);

    if (s->o->model->precision == RESCL_PRECISION_FP16)
        step.scale = RS_LOSS_SCALE_FIRST;
    RS_TRY(begin(s, RS_MODE_EVAL));
    RS_TRY(run_forward(s, "eval", &step));
    RS_TRY(compare_predictions(s));
    RS_TRY(begin(s, RS_MODE_TRAIN));
    RS_TRY(run_forward(s, rs_pass_name(RS_FWD), &step));
    RS_TRY(keep_losses(s));
    RS_TRY(run_backward(s, &step));
    find_agreement(s);
out:
    return st;
}

rescl_status rescl_compare_devices(rescl_device *const *device, size_t devices,
                                   const rescl_agreement_options *options, rescl_agreement_fn fn,
                                   void *user, rescl_agreement *out)
{
    rescl_status st = RESCL_OK;
    rescl_agreement_options o;
    session s = {.o = &o, .members = devices, .result = out, .fn = fn, .user = user};

    rescl_agreement_options_default(&o);
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_agreement_options"));
    RS_FAIL_IF(devices == 0 || o.batch == 0 || !o.model, RESCL_ERR_ARG,
               "compare: %zu devices, batch %zu: expected at least 1, and a model", devices,
               o.batch);
    RS_TRY(rs_model_need_weights(o.model));
    RS_OOM(s.m = calloc(devices, sizeof *s.m));
    RS_OOM(s.cell = calloc(devices, sizeof *s.cell));
    RS_OOM(s.worst = calloc(devices, sizeof *s.worst));
    RS_TRY(make_input(&s));
    for (size_t i = 0; i < devices; i++) {
        out[i] = (rescl_agreement){0};
        s.m[i].dev = device[i];
        st = open_member(&s, &s.m[i]);
        if (st != RESCL_OK)
            rs_error_prefix("%s", rescl_device_get_info(device[i])->name);
        RS_TRY(st);
    }
    RS_TRY(run_all(&s));
out:
    for (size_t i = 0; s.m && i < devices; i++)
        rs_replica_destroy(s.m[i].replica);
    free(s.m);
    free(s.cell);
    free(s.worst);
    free(s.pixels);
    free(s.labels);
    return st;
}
