#include "team.h"

#include "average.h"
#include "error.h"
#include "gradients.h"
#include "team_internal.h"

#include <stdlib.h>

static rs_replica_options replica_options(const rs_team_plan *plan)
{
    const rs_split train = rs_split_batches(plan->train_images, plan->batch, plan->train_least);
    const rs_split eval = rs_split_batches(plan->eval_images, plan->batch, 0);
    return (rs_replica_options){.hyper = plan->hyper,
                                .train_batch = train.full ? plan->batch : 0,
                                .train_tail = train.tail,
                                .eval_batch = eval.full ? plan->batch : 0,
                                .eval_tail = eval.tail,
                                .precision = plan->precision,
                                .check_numerics = plan->check_numerics,
                                .clip_norm = plan->clip_norm,
                                .clip_value = plan->clip_value,
                                .accumulates = plan->accumulates,
                                .averages = plan->averages,
                                .recompute = plan->recompute,
                                .class_weights = plan->class_weights,
                                .teacher = plan->teacher};
}

rescl_status rs_team_bytes(rescl_device *dev, const rs_graph *graph, const rs_team_plan *plan,
                           uint64_t *out)
{
    const rs_replica_options options = replica_options(plan);
    return rs_replica_bytes(dev, graph, &options, out);
}

/* Frees what it holds; what is left has no members. */
static void clear(rs_team *t)
{
    if (t->several)
        rs_several_destroy(t);
    else
        rs_replica_destroy(t->replica);
    *t = (rs_team){0};
}

static rescl_status make(rs_team *t, rescl_device *const *devices, size_t count,
                         const rs_graph *graph, const rs_weights *weights, const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(count < 1 || count > RS_TEAM_MOST, RESCL_ERR_ARG,
               "%zu devices were given, expected 1 to %d", count, RS_TEAM_MOST);
    t->plan = replica_options(plan);
    t->graph = graph;
    if (plan->hyper && plan->precision == RESCL_PRECISION_FP16)
        t->scale.scale = RS_LOSS_SCALE_FIRST;
    if (count > 1 || (plan->hyper && (plan->shards > 1 || plan->ranks)))
        RS_TRY(rs_several_create(t, devices, count, graph, weights, plan));
    else
        RS_TRY(rs_replica_create(devices[0], graph, weights, &t->plan, &t->replica));
out:
    if (st != RESCL_OK)
        clear(t);
    return st;
}

rescl_status rs_team_create(rescl_device *const *devices, size_t count, const rs_graph *graph,
                            const rs_weights *weights, const rs_team_plan *plan, rs_team **out)
{
    rescl_status st = RESCL_OK;
    rs_team *t = NULL;

    RS_OOM(t = calloc(1, sizeof *t));
    RS_TRY(make(t, devices, count, graph, weights, plan));
    *out = t, t = NULL;
out:
    rs_team_destroy(t);
    return st;
}

rescl_status rs_team_remake(rs_team *t, rescl_device *const *devices, size_t count,
                            const rs_graph *graph, const rs_weights *weights,
                            const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    if (t->replica)
        RS_TRY(rs_team_check_whole(t));
    clear(t);
    RS_TRY(rs_team_spoil(t, make(t, devices, count, graph, weights, plan)));
out:
    return st;
}

void rs_team_destroy(rs_team *t)
{
    if (!t)
        return;
    clear(t);
    free(t);
}

size_t rs_team_classes(const rs_team *t)
{
    return t->replica->classes;
}

size_t rs_team_size(const rs_team *t)
{
    return t->several ? t->several->members : t->replica != NULL;
}

rescl_device *rs_team_device(const rs_team *t, size_t member)
{
    return member < rs_team_size(t) ? rs_team_replica(t, member)->dev : NULL;
}

rescl_status rs_team_fingerprint(const rs_team *t, char out[33])
{
    rescl_status st = RESCL_OK;
    const size_t batch[] = {t->plan.train_batch, t->plan.train_tail};

    out[0] = '\0';
    if (t->several)
        return rs_several_fingerprint(t, out);
    for (size_t i = 0; i < RS_COUNT(batch); i++)
        if (batch[i])
            RS_TRY(rs_net_fingerprint(rs_replica_net(t->replica, RS_MODE_TRAIN, batch[i]), out));
out:
    return st;
}

/* ---- steps ------------------------------------------------------------------------------- */

/* A step that fails half-way has moved some of the running statistics, the parameters and the
 * optimiser's state, and not the others: nothing more comes of them. */
rescl_status rs_team_spoil(rs_team *t, rescl_status st)
{
    if (st != RESCL_OK && !t->spoiled) {
        t->spoiled = true;
        t->why = *rescl_last_error();
    }
    return st;
}

rescl_status rs_team_end_wait(rs_team *t, rescl_status st)
{
    if (st == RESCL_OK)
        t->stepping = false;
    return t->stepping && rescl_last_error()->cl_code == RS_CL_COMMAND_FAILED ? rs_team_spoil(t, st)
                                                                              : st;
}

rescl_status rs_team_check_whole(const rs_team *t)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(
        t->spoiled, RESCL_ERR_DEVICE,
        "a training step failed half-way, and its weights are of no use: make another trainer, "
        "from the last checkpoint or from a model. What failed: %.600s",
        t->why.message);
out:
    return st;
}

static rescl_status send(rs_team *t, const rs_batch *batch)
{
    return rs_replica_send(t->replica,
                           &(rs_images){rs_batch_inputs(batch), batch->pixels, batch->table,
                                        batch->labels, batch->mixed, batch->rows});
}

void rs_team_forget(rs_team *t)
{
    if (t->sent)
        rs_replica_abandon(t->replica);
    t->sent = NULL;
}

static rescl_status send_ahead(rs_team *t, rs_loader *loader)
{
    rescl_status st = RESCL_OK;
    const rs_batch *next = loader ? rs_loader_peek(loader) : NULL;

    if (next)
        RS_TRY(send(t, next));
    t->sent = next;
out:
    return st;
}

/* Backward, and gradients that are those of the loss itself. */
static rescl_status enqueue_gradients(rs_team *t, rs_net *net)
{
    rescl_status st = RESCL_OK;
    const bool scaled = t->scale.scale > 0.0;
    rs_step step = RS_STEP(t->seed, t->step);

    step.scale = scaled ? t->scale.scale : 1.0;
    step.share = t->share;
    RS_TRY(rs_net_backward(net, &step, NULL));
    if (scaled)
        RS_TRY(rs_store_unscale(t->replica->store, step.scale));
out:
    return st;
}

/* Enqueues all of a batch. */
static rescl_status enqueue(rs_team *t, rs_net *net, rs_mode mode, const rs_batch *batch)
{
    rescl_status st = RESCL_OK;
    const bool sent = t->sent == batch;

    if (!sent)
        rs_team_forget(t);
    t->sent = NULL;
    if (!sent)
        RS_TRY(send(t, batch));
    RS_TRY(rs_replica_receive(t->replica, net));
    RS_TRY(rs_replica_forward(t->replica, net, t->seed, t->step));
    if (mode == RS_MODE_TRAIN)
        RS_TRY(enqueue_gradients(t, net));
out:
    return st;
}

/* Everything of a batch is enqueued before the first wait: the device goes on with backward while
 * the host looks at the outputs. */
static rescl_status run_batch(rs_team *t, rs_mode mode, const rs_batch *batch, rs_loader *ahead,
                              uint64_t seed, uint64_t step, rs_outputs *out)
{
    rescl_status st = RESCL_OK;
    rs_replica *r = t->replica;
    const size_t n = rs_batch_inputs(batch);
    rs_net *net = NULL;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    net = rs_replica_net(r, mode, n);
    RS_FAIL_IF(!net, RESCL_ERR_ARG, "batch size %zu was not planned for", n);
    t->stepping = t->stepping || mode == RS_MODE_TRAIN;
    t->last = net;
    t->seed = seed;
    t->step = step;
    st = enqueue(t, net, mode, batch);
    if (st == RESCL_OK)
        st = send_ahead(t, ahead);
    if (st == RESCL_OK)
        st = rs_replica_settle(r);
    else
        rs_replica_abandon(r);
    if (st != RESCL_OK)
        t->sent = NULL;
    RS_TRY(mode == RS_MODE_TRAIN ? rs_team_spoil(t, st) : rs_team_end_wait(t, st));
    *out = (rs_outputs){n, r->classes, r->logits, r->losses};
out:
    return st;
}

static rescl_status whole_batch(rs_team *t, const rs_batch *batch, uint64_t seed, uint64_t step,
                                rs_outputs *out)
{
    rescl_status st = RESCL_OK;

    if (!t->several)
        return run_batch(t, RS_MODE_TRAIN, batch, NULL, seed, step, out);
    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    t->stepping = true;
    RS_TRY(rs_several_gradients(t, batch, seed, step, out));
out:
    return st;
}

typedef struct adding {
    const rs_team_part *part;
    bool scaled;
} adding;

/* What a part left that is not finite has to show in the sum, whatever the last one left. */
static rescl_status add_up_replica(rs_replica *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    const adding *a = arg;

    RS_TRY(rs_store_add_up(r->store, a->part->first, a->part->last));
    if (a->scaled && a->part->last)
        RS_TRY(rs_store_unscale(r->store, 1.0));
    RS_TRY(rs_flush(r->dev));
out:
    return st;
}

rescl_status rs_team_gradients(rs_team *t, const rs_batch *batch, const rs_team_part *part,
                               uint64_t seed, uint64_t step, rs_outputs *out)
{
    rescl_status st = RESCL_OK;
    const adding a = {part, t->scale.scale > 0.0};

    t->share = part ? part->share : 1.0;
    RS_TRY(whole_batch(t, batch, seed, step, out));
    if (!part || (part->first && part->last))
        goto out;
    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_spoil(t, rs_team_each(t, add_up_replica, &a)));
out:
    return st;
}

/* Whether the update is to be made. */
static rescl_status judge_gradients(rs_team *t, bool *good)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;

    st = rs_store_judge(t->replica->store, &t->scale, good);
    if (st != RESCL_ERR_NUMERIC) {
        st = rs_team_spoil(t, st);
        goto out;
    }
    RS_TRY(rs_team_find_nonfinite(t, &layer));
    RS_FAIL(
        RESCL_ERR_NUMERIC,
        "gradients are not finite at a loss scale of %g, the least; first seen in '%s'; a smaller "
        "learning rate may help, and bf16 has room for larger numbers",
        t->scale.scale, layer ? layer : "unknown");
out:
    return st;
}

typedef struct update {
    const rs_rates *lr;
    uint64_t step;
    bool checked;
} update;

static rescl_status update_replica(rs_replica *r, const void *arg)
{
    rescl_status st = RESCL_OK;
    const update *u = arg;

    RS_TRY(rs_store_clip(r->store));
    RS_TRY(u->checked ? rs_store_update_checked(r->store, u->lr, u->step)
                      : rs_store_update(r->store, u->lr, u->step));
    RS_TRY(rs_flush(r->dev));
out:
    return st;
}

/* Updates that were left out do not count as the optimiser's steps. */
rescl_status rs_team_update(rs_team *t, const rs_rates *lr, uint64_t step)
{
    rescl_status st = RESCL_OK;
    bool good = true;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_check_whole(t));
    t->stepping = true;
    if (t->scale.scale > 0.0)
        RS_TRY(judge_gradients(t, &good));
    if (good) {
        const update u = {lr, step - t->scale.skipped, t->plan.check_numerics};
        RS_TRY(rs_team_spoil(t, rs_team_each(t, update_replica, &u)));
    }
out:
    return st;
}

const rs_loss_scale *rs_team_loss_scale(const rs_team *t)
{
    return &t->scale;
}

void rs_team_set_loss_scale(rs_team *t, const rs_loss_scale *scale)
{
    t->scale = *scale;
}

rescl_status rs_team_evaluate(rs_team *t, const rs_batch *batch, rs_loader *ahead, rs_outputs *out)
{
    return run_batch(t, RS_MODE_EVAL, batch, ahead, 0, 0, out);
}

rescl_status rs_team_features(rs_team *t, size_t index, float *features)
{
    rescl_status st = RESCL_OK;
    const rs_tensor map = t->last ? rs_net_features(t->last) : (rs_tensor){0};

    RS_FAIL_IF(!map.buf, RESCL_ERR_UNSUPPORTED, "the network has no map to explain it by");
    const size_t count = map.shape.dim[1] * map.shape.dim[2] * map.shape.dim[3];
    RS_TRY(rs_tensor_read(t->replica->dev, &map, index * count, count, features));
out:
    return st;
}

rescl_status rs_team_find_nonfinite(rs_team *t, const char **layer)
{
    rescl_status st = RESCL_OK;

    *layer = NULL;
    RS_TRY(rs_team_join(t));
    if (t->several && !t->last)
        RS_TRY(rs_several_find_nonfinite(t, layer));
    else if (t->last)
        RS_TRY(rs_net_explain_nonfinite(t->last, t->seed, t->step, layer));
out:
    return st;
}

static rescl_status finish_replica(rs_replica *r, const void *unused)
{
    (void)unused;
    return rs_finish(r->dev);
}

rescl_status rs_team_finish(rs_team *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    RS_TRY(rs_team_end_wait(t, rs_team_each(t, finish_replica, NULL)));
out:
    return st;
}

uint64_t rs_team_peak_bytes(const rs_team *t)
{
    uint64_t bytes = 0;

    for (size_t m = 0; m < rs_team_size(t); m++) {
        rescl_device_stats stats;
        rescl_device_get_stats(rs_team_device(t, m), &stats);
        bytes += stats.peak_bytes;
    }
    return bytes;
}
