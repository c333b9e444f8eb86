/* Where NaN or infinity begins, and whether the device is to blame for it. */
#include "nonfinite.h"

#include "error.h"
#include "lossscale.h"
#include "net_internal.h"
#include "replay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURE                                                                                       \
    "choose another device (--device), another version of its driver or, by RESCL_IMPL, another "  \
    "way"

/* Of numbers below this neither products nor sums nor squared deviations overflow; */
#define TAME 1e15
/* nor, in backward, do products of three. */
#define TAME_BACKWARD 1e10
/* And these are stored as they are, even in fp16, with room for errors. */
#define TAME_F16 6e4

const char *rs_device_text(const rescl_device *dev, char text[RS_DEVICE_TEXT])
{
    const rescl_device_info *info = rescl_device_get_info(dev);
    snprintf(text, RS_DEVICE_TEXT, "device %zu:%zu, %s (driver %s),", info->platform, info->device,
             info->name, info->driver);
    return text;
}

const char *rs_nonfinite_name(double value)
{
    return isnan(value) ? "NaN" : value < 0.0 ? "-infinity" : "infinity";
}

/* The first that is not finite, else `count`. */
static size_t find_bad(const float *x, size_t count)
{
    size_t i = 0;
    while (i < count && isfinite(x[i]))
        i++;
    return i;
}

/* ---- the first number that is not finite ----------------------------------------------------- */

/* A number that a pass wrote. */
typedef struct culprit {
    rs_net *net;
    size_t node;
    rs_pass pass;
    rs_written written;
    size_t index;
    double value;
} culprit;

static rescl_status look_at(rescl_device *dev, const rs_tensor *t, size_t *bad, double *value)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    float *x = NULL;

    RS_OOM(x = malloc(count * sizeof *x));
    RS_TRY(rs_tensor_read(dev, t, 0, count, x));
    *bad = find_bad(x, count);
    if (*bad < count)
        *value = (double)x[*bad];
out:
    free(x);
    return st;
}

/* Of all that pass `c->pass` of node `c->node`, which just ran, wrote. */
static rescl_status look_at_pass(culprit *c, bool *found)
{
    rescl_status st = RESCL_OK;
    rs_written written[RS_WRITTEN];
    const size_t n = rs_written_by(rs_net_plan_at(c->net, c->node, c->pass),
                                   &c->net->stage[c->node].args, written);

    *found = false;
    for (size_t i = 0; i < n && !*found; i++) {
        c->written = written[i];
        if (!rs_dtype_is_float(written[i].tensor.dtype))
            continue;
        RS_TRY(look_at(c->net->dev, &written[i].tensor, &c->index, &c->value));
        *found = c->index < rs_shape_count(&written[i].tensor.shape);
    }
out:
    return st;
}

/* ---- as text --------------------------------------------------------------------------------- */

#define PART 192

/* "[n 3, h 2, w 1, c 7]" of activations, "[h 2, w 1, in 0, out 7]" of parameters. */
static const char *place_text(const rs_shape *shape, bool parameter, size_t index, char text[PART])
{
    static const char *const axis[2][RS_MAX_DIMS][RS_MAX_DIMS] = {
        {{"n"}, {"n", "c"}, {"n", "h", "c"}, {"n", "h", "w", "c"}},
        {{"c"}, {"in", "out"}, {"h", "in", "out"}, {"h", "w", "in", "out"}}};
    const int n = shape->ndim;
    size_t at[RS_MAX_DIMS] = {0}, used = 0;

    for (int d = n; d-- > 0;) {
        at[d] = index % shape->dim[d];
        index /= shape->dim[d];
    }
    for (int d = 0; d < n; d++)
        used += (size_t)snprintf(text + used, PART - used, "%s%s %zu", d ? ", " : "[",
                                 axis[parameter][n - 1][d], at[d]);
    snprintf(text + used, PART - used, "]");
    return text;
}

/* Of what it is an element. */
static const char *written_text(const culprit *c, char text[PART])
{
    const rs_problem *p = &rs_net_plan_at(c->net, c->node, c->pass)->problem;
    const int i = c->written.index;

    switch (c->written.kind) {
    case RS_WRITES_STATE:
        snprintf(text, PART, "its %s", p->state[i].role);
        break;
    case RS_WRITES_WS:
        snprintf(text, PART, "what it keeps for backward (array %d)", i);
        break;
    case RS_WRITES_DIFF_PARAM:
        snprintf(text, PART, "the gradient of its %s", p->param[i].role);
        break;
    case RS_WRITES_DIFF_SRC:
        snprintf(text, PART, "the gradient of its input%s", i ? " (the second)" : "");
        break;
    case RS_WRITES_MOMENTS:
        return "the moments of its output";
    case RS_WRITES_SUMS:
        return "the sums of the gradient of its input";
    default:
        return "its output";
    }
    return text;
}

/* "relu of layer 'r4', fwd by 'vector' (kernel relu_fwd), gives NaN at [n 3, h 2, w 1, c 7] of its
 * output" */
static const char *describe(const culprit *c, char text[768])
{
    const rs_plan *plan = rs_net_plan_at(c->net, c->node, c->pass);
    const bool row = c->written.kind >= RS_WRITES_MOMENTS;
    const bool parameter =
        c->written.kind == RS_WRITES_STATE || c->written.kind == RS_WRITES_DIFF_PARAM;
    char kernels[256] = "", place[PART], what[PART];
    size_t used = 0;

    for (int k = 0; k < plan->nkernels && used < sizeof kernels; k++)
        used += (size_t)snprintf(kernels + used, sizeof kernels - used, "%s%s", k ? ", " : "",
                                 plan->kernel[k].name);
    if (row)
        snprintf(place, sizeof place, "number %zu", c->index);
    else
        place_text(&c->written.tensor.shape, parameter, c->index, place);
    snprintf(text, 768, "%s of layer '%s', %s by '%s' (kernel%s %s), gives %s at %s of %s",
             plan->problem.op->name, c->net->stage[c->node].node->name, rs_pass_name(c->pass),
             plan->choice.impl->name, plan->nkernels > 1 ? "s" : "", kernels,
             rs_nonfinite_name(c->value), place, written_text(c, what));
    return text;
}

static const char *read_text(const rs_replay *r, const rs_replay_read *read, char text[PART])
{
    const rs_problem *p = &r->plan->problem;
    switch (read->kind) {
    case RS_READ_SRC:
        return read->index ? "its second input" : "its input";
    case RS_READ_PARAM:
        snprintf(text, PART, "its %s", p->param[read->index].role);
        return text;
    case RS_READ_STATE:
        snprintf(text, PART, "its %s", p->state[read->index].role);
        return text;
    case RS_READ_WS:
        return "what forward kept for it";
    case RS_READ_DST:
        return "its output";
    case RS_READ_DIFF_DST:
        return "the gradient of its output";
    case RS_READ_DIFF_SRC:
        return "the gradient that it adds to";
    default:
        return "a gradient of its parameters";
    }
}

/* ---- what the host makes of the same numbers ------------------------------------------------- */

typedef enum blame { BLAME_NOBODY = 0, BLAME_DEVICE, BLAME_CHANCE, BLAME_MATHEMATICS } blame;

/* Running statistics that training only writes do not enter its outputs. */
static bool enters(const rs_replay *r, const culprit *c, const rs_replay_read *read)
{
    const rs_problem *p = &r->plan->problem;
    const unsigned reads = p->op->reads ? p->op->reads(p, r->plan->pass) : 0;
    return read->kind != RS_READ_STATE || !p->training || reads & RS_READS_STATE ||
           c->written.kind == RS_WRITES_STATE;
}

/* The first that is not finite of what the pass read, else the largest. */
static rs_replay_read extreme(const rs_replay *r, const culprit *c)
{
    rs_replay_read most = {0};
    for (size_t i = 0; i < r->reads; i++) {
        const rs_replay_read *read = &r->read[i];
        if (!enters(r, c, read) || (most.shape && !isfinite(most.value)))
            continue;
        if (!most.shape || !(fabs(read->value) <= fabs(most.value)))
            most = *read;
    }
    return most;
}

static const rs_replay_output *output_of(const rs_replay *r, const rs_written *w)
{
    for (size_t i = 0; i < r->outputs; i++)
        if (r->output[i].kind == w->kind && r->output[i].index == w->index)
            return &r->output[i];
    return NULL;
}

static bool all_tame(const double *x, size_t count, double limit)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs(x[i]) < limit))
            return false;
    return true;
}

/* Moments and sums, of numbers that the pass wrote; of sums also what the normalisation read. */
static rescl_status judge_row(const culprit *c, const rs_replay *r, bool *tame)
{
    rescl_status st = RESCL_OK;
    const rs_replay_output *o = &r->output[0];
    const int sink = c->written.kind == RS_WRITES_SUMS ? rs_sums_sink(c->net, c->node) : -1;
    float *x = NULL;

    *tame = r->outputs > 0 && all_tame(o->got, o->count, TAME_BACKWARD);
    if (!*tame || sink < 0)
        goto out;
    const rs_tensor *src = &c->net->stage[sink].args.src[0];
    const size_t count = rs_shape_count(&src->shape);
    RS_OOM(x = malloc(count * sizeof *x));
    RS_TRY(rs_tensor_read(c->net->dev, src, 0, count, x));
    for (size_t i = 0; i < count; i++)
        *tame = *tame && fabs((double)x[i]) < TAME_BACKWARD;
out:
    free(x);
    return st;
}

/* Of what the mathematics made: why, behind a colon. */
static void explain_input(const rs_replay *r, const rs_replay_read *worst, char why[768])
{
    const bool parameter = worst->kind == RS_READ_PARAM || worst->kind == RS_READ_STATE ||
                           worst->kind == RS_READ_DIFF_PARAM;
    char place[PART], name[PART];
    snprintf(why, 768, "%s holds %s at %s", read_text(r, worst, name),
             rs_nonfinite_name(worst->value),
             place_text(worst->shape, parameter, worst->at, place));
}

static void explain_overflow(const rs_replay *r, const rs_replay_read *worst,
                             const rs_replay_output *o, double want, char why[768])
{
    char name[PART];
    size_t used = 0;
    why[0] = '\0';
    if (o && !isfinite(want))
        used = (size_t)snprintf(why, 768, "the host gets %s, too, from ", rs_nonfinite_name(want));
    else if (o)
        used =
            (size_t)snprintf(why, 768, "the host, which computes in double, gets %g, from ", want);
    used += (size_t)snprintf(why + used, 768 - used, "numbers up to %g (%s)", fabs(worst->value),
                             read_text(r, worst, name));
    if (o && o->type == RS_F16 && isfinite(want))
        snprintf(why + used, 768 - used, ", and fp16 ends at 65504: bf16 and fp32 have room");
}

/* Does it again, on the device and on the host. `why`: of the device, what it should have given. */
static rescl_status judge(const culprit *c, const rs_step *step, blame *who, char why[768])
{
    rescl_status st = RESCL_OK;
    rs_replay r = {.plain = true};
    size_t bad = 0;
    double again = 0.0, want = 0.0;
    bool tame = true;

    *who = BLAME_NOBODY;
    why[0] = '\0';
    RS_TRY(rs_replay_run(c->net, c->node, c->pass, step, &r));
    RS_TRY(look_at(c->net->dev, &c->written.tensor, &bad, &again));
    if (bad > c->index) {
        *who = BLAME_CHANCE;
        goto out;
    }
    const rs_replay_output *o = output_of(&r, &c->written);
    const rs_replay_read worst = extreme(&r, c);
    const double limit = c->pass == RS_FWD ? TAME : TAME_BACKWARD;
    tame = !worst.shape || fabs(worst.value) < limit; /* NaN is not */
    if (o)
        want = rs_replay_want(&r, o, c->index);
    else if (c->written.kind >= RS_WRITES_MOMENTS && tame)
        RS_TRY(judge_row(c, &r, &tame));
    if (tame && fabs(want) < (o && o->type == RS_F16 ? TAME_F16 : TAME)) {
        *who = BLAME_DEVICE;
        if (o)
            snprintf(why, 768, "where the host gets %g", want);
        else
            snprintf(why, 768, "of numbers below %g", limit);
        goto out;
    }
    *who = BLAME_MATHEMATICS;
    if (worst.shape && !isfinite(worst.value))
        explain_input(&r, &worst, why);
    else
        explain_overflow(&r, &worst, o, want, why);
out:
    rs_replay_fini(&r);
    return st == RESCL_ERR_MEMORY ? RESCL_OK : st; /* then nobody is blamed */
}

/* RESCL_ERR_DEVICE if the device is to blame. */
static rescl_status accuse_device(const culprit *c, blame who, const char *why)
{
    rescl_status st = RESCL_OK;
    char device[RS_DEVICE_TEXT], what[768];

    RS_FAIL_IF(who == BLAME_DEVICE, RESCL_ERR_DEVICE, "%s computes wrong numbers: its %s %s; %s",
               rs_device_text(c->net->dev, device), describe(c, what), why, CURE);
    RS_FAIL_IF(who == BLAME_CHANCE, RESCL_ERR_DEVICE,
               "%s is unreliable: its %s, and a finite number when it does the same again; %s",
               rs_device_text(c->net->dev, device), describe(c, what), CURE);
out:
    return st;
}

/* ---- after each pass ------------------------------------------------------------------------- */

rescl_status rs_numerics_keep(rs_net *n, size_t node, rs_pass pass, rs_kept *out)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &rs_net_plan_at(n, node, pass)->problem;
    const rs_args *a = &n->stage[node].args;

    for (int i = 0; i < p->nsrc && pass == RS_BWD_DATA; i++) {
        const rs_tensor *t = &a->diff_src[i];
        if (!p->want_diff[i] || !p->accumulate[i])
            continue;
        out->bytes[i] = rs_shape_count(&t->shape) * rs_dtype_bytes(t->dtype);
        RS_OOM(out->diff_src[i] = malloc(out->bytes[i]));
        RS_TRY(rs_read(n->dev, t->buf, 0, out->diff_src[i], out->bytes[i]));
    }
out:
    return st;
}

void rs_kept_fini(rs_kept *k)
{
    for (int i = 0; i < RS_OP_SRC; i++)
        free(k->diff_src[i]);
    *k = (rs_kept){0};
}

static rescl_status restore(rs_net *n, size_t node, const rs_kept *kept)
{
    rescl_status st = RESCL_OK;
    for (int i = 0; i < RS_OP_SRC; i++)
        if (kept->diff_src[i])
            RS_TRY(rs_write(n->dev, n->stage[node].args.diff_src[i].buf, 0, kept->diff_src[i],
                            kept->bytes[i]));
out:
    return st;
}

rescl_status rs_numerics_check(rs_net *n, size_t node, rs_pass pass, const rs_step *step,
                               const rs_kept *kept, bool *overflow)
{
    rescl_status st = RESCL_OK;
    culprit c = {.net = n, .node = node, .pass = pass};
    char why[768], what[768];
    bool found = false;
    blame who;

    RS_TRY(look_at_pass(&c, &found));
    if (!found)
        goto out;
    RS_TRY(restore(n, node, kept));
    RS_TRY(judge(&c, step, &who, why));
    RS_TRY(accuse_device(&c, who, why));
    *overflow = pass != RS_FWD && step->scale > RS_LOSS_SCALE_LEAST;
    RS_FAIL_IF(!*overflow && who == BLAME_NOBODY, RESCL_ERR_NUMERIC,
               "%s; there is no memory to do it again on the host", describe(&c, what));
    RS_FAIL_IF(!*overflow, RESCL_ERR_NUMERIC, "%s: %s; the device is not to blame, but %s",
               describe(&c, what), why,
               n->mode == RS_MODE_TRAIN
                   ? "the weights, the learning rate or the input; a smaller learning rate may help"
                   : "the weights, which are damaged or do not fit the input");
out:
    return st;
}

rescl_status rs_numerics_check_input(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(n);
    size_t bad = 0;
    double value = 0.0;
    char place[PART];

    RS_TRY(look_at(n->dev, &input, &bad, &value));
    RS_FAIL_IF(
        bad < rs_shape_count(&input.shape), RESCL_ERR_NUMERIC,
        "the input of the network holds %s at %s, before its first layer: the mean or the "
        "standard deviation of its preprocessing is to blame, or the device's kernel normalize",
        rs_nonfinite_name(value), place_text(&input.shape, false, bad, place));
out:
    return st;
}

/* ---- after a bad loss ------------------------------------------------------------------------ */

static const char *bad_parameter(const rs_graph *g, const rs_weights *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (find_bad(w->data[i], w->elems[i]) < w->elems[i])
            return g->param[i].name;
    return NULL;
}

static rescl_status find_in_forward(rs_net *n, const rs_step *step, const char **layer)
{
    rescl_status st = RESCL_OK;
    char why[768];
    bool found = false;
    blame who;

    for (size_t i = 0; i < n->graph->nnodes && !found; i++) {
        culprit c = {.net = n, .node = i, .pass = RS_FWD};
        RS_TRY(rs_net_run_pass(n, i, RS_FWD, step));
        RS_TRY(look_at_pass(&c, &found));
        if (!found)
            continue;
        const rs_node *node = n->stage[i].node;
        *layer = c.written.kind == RS_WRITES_STATE
                     ? n->graph->param[node->state[c.written.index]].name
                     : node->name;
        RS_TRY(judge(&c, step, &who, why));
        RS_TRY(accuse_device(&c, who, why));
    }
out:
    return st;
}

rescl_status rs_net_find_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
{
    rescl_status st = RESCL_OK;
    rs_weights w = {0};

    *layer = NULL;
    RS_TRY(find_in_forward(n, &RS_STEP(seed, step), layer));
    if (!*layer) {
        RS_TRY(rs_weights_create(n->store->graph, &w));
        RS_TRY(rs_store_download(n->store, &w));
        *layer = bad_parameter(n->store->graph, &w);
        if (!*layer && n->mode == RS_MODE_TRAIN) {
            RS_TRY(rs_store_download_grads(n->store, &w));
            *layer = bad_parameter(n->store->graph, &w);
        }
    }
out:
    rs_weights_fini(&w);
    return st;
}

rescl_status rs_net_explain_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
{
    rescl_status st = RESCL_OK;
    char device[RS_DEVICE_TEXT];

    RS_TRY(rs_net_find_nonfinite(n, seed, step, layer));
    RS_FAIL_IF(
        !*layer, RESCL_ERR_DEVICE,
        "%s is unreliable: it gave a number that is not finite, and a finite one when it did "
        "the same again; %s",
        rs_device_text(n->dev, device), CURE);
out:
    return st;
}
