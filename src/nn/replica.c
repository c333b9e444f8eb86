#include "replica.h"

#include "alloc.h"
#include "error.h"

#include <stdlib.h>

static rescl_status plan_nets(rs_replica *r, const rs_graph *graph, const rs_replica_options *o)
{
    const size_t batch[RS_REPLICA_NETS] = {o->train_batch, o->train_tail, o->eval_batch,
                                           o->eval_tail};
    rescl_status st = RESCL_OK;
    rs_net *planned[RS_REPLICA_NETS];
    size_t count = 0, largest = 0;

    for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
        r->mode[i] = i < 2 ? RS_MODE_TRAIN : RS_MODE_EVAL;
        if (batch[i] == 0)
            continue;
        RS_TRY(rs_net_plan(r->store, graph, batch[i], r->mode[i], &r->net[i]));
        planned[count++] = r->net[i];
        largest = batch[i] > largest ? batch[i] : largest;
    }
    RS_TRY(rs_workspace_create(r->dev, planned, count, &r->workspace));
    RS_OOM(r->logits = rs_aligned_calloc(largest, r->classes * sizeof *r->logits));
    RS_OOM(r->losses = rs_aligned_calloc(largest, sizeof *r->losses));
out:
    return st;
}

rescl_status rs_replica_create(rescl_device *dev, const rs_graph *graph, const rs_weights *weights,
                               const rs_replica_options *options, rs_replica **out)
{
    rescl_status st = RESCL_OK;
    rs_replica *r = NULL;

    RS_OOM(r = calloc(1, sizeof *r));
    r->dev = dev;
    r->classes = graph->value[graph->output].shape.dim[1];
    RS_TRY(rs_store_create(dev, graph, options->hyper, &r->store));
    RS_TRY(plan_nets(r, graph, options));
    RS_TRY(rs_store_upload(r->store, weights));
    *out = r, r = NULL;
out:
    rs_replica_destroy(r);
    return st;
}

void rs_replica_destroy(rs_replica *r)
{
    if (!r)
        return;
    /* Whatever is still under way reads and writes the memory that is freed here. That it fails is
     * no news for whoever gives up because of a failure. */
    const rescl_error why = *rescl_last_error();
    rs_replica_abandon(r);
    if (r->store)
        (void)!rs_finish(r->dev);
    rs_error_restore(&why);
    rs_workspace_destroy(r->workspace);
    for (size_t i = 0; i < RS_REPLICA_NETS; i++)
        rs_net_destroy(r->net[i]);
    rs_store_destroy(r->store);
    rs_aligned_free(r->logits);
    rs_aligned_free(r->losses);
    free(r);
}

rs_net *rs_replica_net(const rs_replica *r, rs_mode mode, size_t n)
{
    for (size_t i = 0; i < RS_REPLICA_NETS; i++)
        if (r->net[i] && r->mode[i] == mode && rs_net_batch(r->net[i]) == n)
            return r->net[i];
    return NULL;
}

rescl_status rs_replica_forward(rs_replica *r, rs_net *net, const float *pixels,
                                const int32_t *labels, uint64_t seed, uint64_t step)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(net), label = rs_net_labels(net);
    const rs_tensor logits = rs_net_logits(net), losses = rs_net_losses(net);
    const size_t n = rs_net_batch(net);

    RS_TRY(rs_write_async(r->dev, input.buf, 0, pixels,
                          rs_shape_count(&input.shape) * sizeof *pixels, &r->fence[0]));
    RS_TRY(rs_write_async(r->dev, label.buf, 0, labels, n * sizeof *labels, &r->fence[1]));
    RS_TRY(rs_net_forward(net, seed, step));
    RS_TRY(rs_read_async(r->dev, logits.buf, 0, r->logits, n * r->classes * sizeof *r->logits,
                         &r->fence[2]));
    RS_TRY(rs_read_async(r->dev, losses.buf, 0, r->losses, n * sizeof *r->losses, &r->fence[3]));
    RS_TRY(rs_flush(r->dev));
out:
    if (st != RESCL_OK) {
        rs_replica_abandon(r);
        rs_workspace_distrust(r->workspace);
    }
    return st;
}

/* A launch that failed on the device shows here: what it was to rearrange is not there then. */
rescl_status rs_replica_settle(rs_replica *r)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < RS_COUNT(r->fence); i++) {
        rescl_status waited = rs_fence_wait(r->fence[i]);
        r->fence[i] = NULL;
        st = st == RESCL_OK ? waited : st;
    }
    if (st != RESCL_OK && r->workspace)
        rs_workspace_distrust(r->workspace);
    return st;
}

void rs_replica_abandon(rs_replica *r)
{
    const rescl_error why = *rescl_last_error();

    (void)!rs_replica_settle(r);
    rs_error_restore(&why);
}
