/* Enqueues the passes of a bound net. */
#include "error.h"
#include "fold.h"
#include "net.h"
#include "net_internal.h"
#include "nonfinite.h"

#include <stdlib.h>

static rescl_status fold_params(rs_net *n, const rs_stage *s)
{
    const rs_node *node = s->node;
    const rs_tensor *value = n->store->value;
    const size_t channels = rs_shape_count(&s->args.param[1].shape);
    const rs_fold f = {.rows = rs_shape_count(&s->args.param[0].shape) / channels,
                       .channels = channels,
                       .eps = node->fold_eps,
                       .weight = value[node->param[0]].buf,
                       .bias = node->param[1] < 0 ? NULL : value[node->param[1]].buf,
                       .gamma = value[node->fold[0]].buf,
                       .beta = value[node->fold[1]].buf,
                       .mean = value[node->fold[2]].buf,
                       .var = value[node->fold[3]].buf,
                       .folded_weight = s->args.param[0].buf,
                       .folded_bias = s->args.param[1].buf};
    return rs_fold_enqueue(n->store->dev, n->fold, &f);
}

static rescl_status run_pass(rs_net *n, rs_stage *s, rs_pass pass, bool pack, uint64_t seed,
                             uint64_t step)
{
    rescl_status st = RESCL_OK;
    const rs_call *c = &s->call[pass];
    s->args.scratch = c->scratch;
    s->args.packed = c->packed;
    s->args.seed = seed;
    s->args.step = step;
    s->args.loss_diff = n->loss_diff;
    s->args.meeting = n->meeting;
    s->args.again = n->again;
    rs_profile_label(n->store->dev, s->label[pass]);
    if (pack && s->node->folds)
        RS_TRY(fold_params(n, s));
    if (pack && c->packed)
        RS_TRY(rs_plan_pack(&c->plan, &s->args));
    RS_TRY(rs_plan_enqueue(&c->plan, &s->args));
out:
    if (st != RESCL_OK)
        rs_error_prefix("layer '%s', %s", s->node->name, rs_pass_name(pass));
    return st;
}

/* The same, and all that the pass wrote is looked at where the net checks numerics. *overflow: it is not,
 * since a gradient of this step's scaled loss overflowed. */
static rescl_status run_checked(rs_net *n, size_t node, rs_pass pass, bool pack,
                                const rs_step *step, bool *overflow)
{
    rescl_status st = RESCL_OK;
    const bool checks = n->check_numerics && !*overflow;
    rs_kept kept = {{NULL}, {0}};

    if (checks)
        RS_TRY(rs_numerics_keep(n, node, pass, &kept));
    RS_TRY(run_pass(n, &n->stage[node], pass, pack, step->seed, step->step));
    if (checks)
        RS_TRY(rs_numerics_check(n, node, pass, step, &kept, overflow));
out:
    rs_kept_fini(&kept);
    return st;
}

void rs_net_set_meeting(rs_net *n, const rs_meeting *meeting)
{
    n->meeting = meeting;
}

/* Two for each channel that is normalised, and one. */
size_t rs_net_meeting_floats(const rs_net *n)
{
    size_t most = 0;

    for (size_t i = 0; i < n->graph->nnodes; i++) {
        const rs_node *node = &n->graph->node[i];
        const rs_shape *shape = &n->stage[i].args.dst.shape;
        if (node->op == &rs_op_batchnorm && shape->dim[shape->ndim - 1] > most)
            most = shape->dim[shape->ndim - 1];
    }
    return 2 * most + 1;
}

void rs_net_check_numerics(rs_net *n)
{
    n->check_numerics = true;
}

/* Begins a forward: the workspace is this net's now. Whether folded and rearranged parameters have to
 * be made again; then none count until keep_packed. */
static bool must_pack(rs_net *n)
{
    const bool stale = n->mode == RS_MODE_TRAIN || n->workspace->last != n ||
                       n->packed_version != n->store->version;
    n->workspace->last = n;
    if (stale)
        n->packed_version = 0;
    return stale;
}

/* After every node of a forward made its own, or failed to. */
static void keep_packed(rs_net *n, rescl_status st)
{
    if (st == RESCL_OK)
        n->packed_version = n->store->version;
    else
        rs_workspace_distrust(n->workspace);
}

rescl_status rs_net_forward(rs_net *n, uint64_t seed, uint64_t step)
{
    rescl_status st = RESCL_OK;
    const bool pack = must_pack(n);
    bool overflow = false;
    if (n->check_numerics)
        RS_TRY(rs_numerics_check_input(n));
    for (size_t i = 0; i < n->graph->nnodes; i++)
        RS_TRY(run_checked(n, i, RS_FWD, pack, &RS_STEP(seed, step), &overflow));
    RS_TRY(rs_flush(n->store->dev));
out:
    keep_packed(n, st);
    return st;
}

static rescl_status tell_ready(const rs_net *n, size_t node, const rs_bucket_listener *listener)
{
    rescl_status st = RESCL_OK;
    for (size_t b = 0; b < n->store->nbuckets; b++)
        if (n->bucket_node[b] == node)
            RS_TRY(listener->ready(listener->user, b));
out:
    return st;
}

/* What backward of a node needs and is not there any more. */
static rescl_status run_again(rs_net *n, size_t before, const rs_step *step)
{
    rescl_status st = RESCL_OK;
    n->again = true;
    for (size_t i = 0; i <= before; i++)
        if (n->stage[i].again_before == (int)before)
            RS_TRY(run_pass(n, &n->stage[i], RS_FWD, true, step->seed, step->step));
out:
    n->again = false;
    return st;
}

rescl_status rs_net_backward(rs_net *n, const rs_step *step, const rs_bucket_listener *listener)
{
    rescl_status st = RESCL_OK;
    bool overflow = false;
    n->loss_diff = rs_net_loss_diff(n, step);
    for (size_t i = n->graph->nnodes; i-- > 0;) {
        const rs_stage *s = &n->stage[i];
        if (n->recompute)
            RS_TRY(run_again(n, i, step));
        if (s->has[RS_BWD_PARAMS])
            RS_TRY(run_checked(n, i, RS_BWD_PARAMS, true, step, &overflow));
        if (listener)
            RS_TRY(tell_ready(n, i, listener));
        if (s->has[RS_BWD_DATA])
            RS_TRY(run_checked(n, i, RS_BWD_DATA, true, step, &overflow));
    }
    RS_TRY(rs_flush(n->store->dev));
out:
    return st;
}

float rs_net_loss_diff(const rs_net *n, const rs_step *step)
{
    return (float)(step->scale * step->share / (double)n->batch);
}

const rs_node *rs_net_node(const rs_net *n, size_t node)
{
    return &n->graph->node[node];
}

rescl_status rs_net_run_pass(rs_net *n, size_t node, rs_pass pass, const rs_step *step)
{
    n->workspace->last = n;
    n->packed_version = 0;
    n->loss_diff = rs_net_loss_diff(n, step);
    return run_pass(n, &n->stage[node], pass, true, step->seed, step->step);
}

rescl_status rs_net_visit(rs_net *n, uint64_t seed, uint64_t step, rs_visit_fn fn, void *user)
{
    rescl_status st = RESCL_OK;
    float *host = NULL;
    const bool pack = must_pack(n);
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        rs_stage *s = &n->stage[i];
        const size_t count = rs_shape_count(&s->args.dst.shape);
        RS_TRY(run_pass(n, s, RS_FWD, pack, seed, step));
        free(host);
        RS_OOM(host = malloc(count * sizeof *host));
        RS_TRY(rs_tensor_read(n->store->dev, &s->args.dst, 0, count, host));
        RS_TRY(fn(s->node, &s->args.dst.shape, host, user));
    }
out:
    keep_packed(n, st);
    free(host);
    return st;
}
