/* Where NaN or infinity begins, and whether the device is to blame for it. */
#include "error.h"
#include "net.h"
#include "net_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_OF_DEVICE 320
#define CURE           "choose another device (--device) or another version of its driver"

static const char *device_text(const rescl_device *dev, char text[TEXT_OF_DEVICE])
{
    const rescl_device_info *info = rescl_device_get_info(dev);
    snprintf(text, TEXT_OF_DEVICE, "device %zu:%zu, %s (driver %s),", info->platform, info->device,
             info->name, info->driver);
    return text;
}

/* The first that is not finite, else `count`. */
static size_t find_bad(const float *x, size_t count)
{
    size_t i = 0;
    while (i < count && isfinite(x[i]))
        i++;
    return i;
}

/* ---- what the host makes of the same numbers ----------------------------------------------- */

/* Of numbers below this neither products nor sums nor squared deviations overflow. */
#define TAME 1e15
/* And these are stored as they are, even in fp16, with room for errors. */
#define TAME_F16 6e4

/* What a node read, and room for what its reference writes. */
typedef struct numbers {
    double *src[RS_OP_SRC], *param[RS_OP_PARAM], *state[RS_OP_STATE], *ws[RS_OP_WS], *dst;
    bool tame;
} numbers;

static rescl_status read_numbers(rescl_device *dev, const rs_tensor *t, numbers *x, double **out)
{
    rescl_status st = RESCL_OK;
    const size_t count = rs_shape_count(&t->shape);
    const bool floats = rs_dtype_is_float(t->dtype);
    void *raw = NULL;

    if (!t->buf)
        goto out;
    if (!floats && t->dtype != RS_I32) {
        x->tame = false;
        goto out;
    }
    RS_OOM(raw = malloc(count * sizeof(float)));
    RS_OOM(*out = malloc(count * sizeof **out));
    if (floats)
        RS_TRY(rs_tensor_read(dev, t, 0, count, raw));
    else
        RS_TRY(rs_read(dev, t->buf, 0, raw, count * sizeof(int32_t)));
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = floats ? (double)((const float *)raw)[i] : (double)((const int32_t *)raw)[i];
        x->tame = x->tame && fabs((*out)[i]) < TAME; /* NaN is not */
    }
out:
    free(raw);
    return st;
}

static rescl_status read_node(rs_net *n, const rs_stage *s, numbers *x)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &s->call[RS_FWD].plan.problem;

    x->tame = true;
    for (int i = 0; i < p->nsrc; i++)
        RS_TRY(read_numbers(n->dev, &s->args.src[i], x, &x->src[i]));
    for (int i = 0; i < p->nparam; i++)
        RS_TRY(read_numbers(n->dev, &s->args.param[i], x, &x->param[i]));
    const bool tame = x->tame;
    for (int i = 0; i < p->nstate; i++)
        RS_TRY(read_numbers(n->dev, &s->args.state[i], x, &x->state[i]));
    if (p->training) /* it was written, not read */
        x->tame = tame;
    if (p->op->reference_at)
        goto out;
    for (int i = 0; i < p->nws && i < RS_OP_WS; i++)
        RS_OOM(x->ws[i] = calloc(rs_shape_count(&p->ws[i]) + 1, sizeof(double)));
    RS_OOM(x->dst = calloc(rs_shape_count(&p->dst), sizeof(double)));
out:
    return st;
}

static void free_numbers(numbers *x)
{
    for (int i = 0; i < RS_OP_SRC; i++)
        free(x->src[i]);
    for (int i = 0; i < RS_OP_PARAM; i++)
        free(x->param[i]);
    for (int i = 0; i < RS_OP_STATE; i++)
        free(x->state[i]);
    for (int i = 0; i < RS_OP_WS; i++)
        free(x->ws[i]);
    free(x->dst);
}

/* Element `index` of the node's output. */
static double true_number(const rs_problem *p, const numbers *x, uint64_t seed, uint64_t step,
                          size_t index)
{
    rs_ref ref = {.dst = x->dst, .seed = seed, .step = step};
    for (int i = 0; i < RS_OP_SRC; i++)
        ref.src[i] = x->src[i];
    for (int i = 0; i < RS_OP_PARAM; i++)
        ref.param[i] = x->param[i];
    for (int i = 0; i < RS_OP_STATE; i++)
        ref.state[i] = x->state[i];
    for (int i = 0; i < RS_OP_WS; i++)
        ref.ws[i] = x->ws[i];
    if (p->op->reference_at)
        return p->op->reference_at(p, RS_FWD, &ref, index);
    p->op->reference(p, RS_FWD, &ref);
    return x->dst[index];
}

/* ---- the search ---------------------------------------------------------------------------- */

typedef struct search {
    rs_net *net;
    uint64_t seed, step;
    const char *found;
} search;

/* RESCL_ERR_DEVICE when output `index` of the stage, which just ran, should have been finite. */
static rescl_status judge_device(const search *s, const rs_stage *stage, size_t index, double got)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &stage->call[RS_FWD].plan.problem;
    numbers x = {0};
    char device[TEXT_OF_DEVICE];

    RS_TRY(read_node(s->net, stage, &x));
    if (!x.tame)
        goto out;
    const double want = true_number(p, &x, s->seed, s->step, index);
    RS_FAIL_IF(fabs(want) < (p->dst_type == RS_F16 ? TAME_F16 : TAME), RESCL_ERR_DEVICE,
               "%s computes wrong numbers: its %s of layer '%s' gives %s where the host gets %g; "
               "%s",
               device_text(s->net->dev, device), p->op->name, stage->node->name,
               isnan(got) ? "NaN" : "infinity", want, CURE);
out:
    free_numbers(&x);
    return st == RESCL_ERR_MEMORY ? RESCL_OK : st; /* then nobody is blamed */
}

static rescl_status look_at_output(const rs_node *node, const rs_shape *shape, const float *data,
                                   void *user)
{
    rescl_status st = RESCL_OK;
    search *s = user;
    const size_t count = rs_shape_count(shape), bad = s->found ? count : find_bad(data, count);
    size_t i = 0;

    if (bad == count)
        goto out;
    s->found = node->name;
    while (s->net->stage[i].node != node)
        i++;
    RS_TRY(judge_device(s, &s->net->stage[i], bad, (double)data[bad]));
out:
    return st;
}

static const char *bad_parameter(const rs_graph *g, const rs_weights *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (find_bad(w->data[i], w->elems[i]) < w->elems[i])
            return g->param[i].name;
    return NULL;
}

rescl_status rs_net_find_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
{
    rescl_status st = RESCL_OK;
    rs_weights w = {0};
    search s = {.net = n, .seed = seed, .step = step};

    RS_TRY(rs_net_visit(n, seed, step, look_at_output, &s));
    if (!s.found) {
        RS_TRY(rs_weights_create(n->store->graph, &w));
        RS_TRY(rs_store_download(n->store, &w));
        s.found = bad_parameter(n->store->graph, &w);
        if (!s.found && n->mode == RS_MODE_TRAIN) {
            RS_TRY(rs_store_download_grads(n->store, &w));
            s.found = bad_parameter(n->store->graph, &w);
        }
    }
    *layer = s.found;
out:
    rs_weights_fini(&w);
    return st;
}

rescl_status rs_net_explain_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
{
    rescl_status st = RESCL_OK;
    char device[TEXT_OF_DEVICE];

    RS_TRY(rs_net_find_nonfinite(n, seed, step, layer));
    RS_FAIL_IF(
        !*layer, RESCL_ERR_DEVICE,
        "%s is unreliable: it gave a number that is not finite, and a finite one when it did "
        "the same again; %s",
        device_text(n->dev, device), CURE);
out:
    return st;
}
