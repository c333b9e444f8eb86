#include "replica.h"

#include "alloc.h"
#include "arena.h"
#include "average.h"
#include "clip.h"
#include "error.h"
#include "gradients.h"
#include "log.h"
#include "lossscale.h"
#include "trust.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A view of the graph whose loss has what the replica is given for it. */
static rs_graph view_of(const rs_graph *g, const rs_replica_options *o)
{
    rs_graph view = *g;
    rs_graph_set_weighted(&view, o->class_weights != NULL);
    rs_graph_set_distillation(&view, o->teacher ? &o->teacher->loss : NULL);
    return view;
}

static rs_block_form form_of(const rs_graph *g)
{
    const rs_shape *input = &g->value[g->input].shape;
    return (rs_block_form){.values = rs_shape_count(input),
                           .channels = input->dim[3],
                           .bit_depth = g->bit_depth,
                           .classes = g->criterion.rows ? g->value[g->output].shape.dim[1] : 0};
}

static rescl_status plan_nets(rs_replica *r, const rs_graph *graph, const rs_replica_options *o)
{
    const size_t batch[RS_REPLICA_NETS] = {o->train_batch,   o->train_tail, o->train_more[0],
                                           o->train_more[1], o->eval_batch, o->eval_tail};
    rescl_status st = RESCL_OK;
    rs_net *planned[RS_REPLICA_NETS + RS_TEACHER_NETS] = {NULL};
    const rs_shape *input = &graph->value[graph->input].shape;
    const rs_graph view = view_of(graph, o);
    size_t count = 0, largest = 0, block;

    for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
        r->mode[i] = i < RS_REPLICA_NETS - 2 ? RS_MODE_TRAIN : RS_MODE_EVAL;
        if (batch[i] == 0)
            continue;
        RS_TRY(rs_net_plan(r->store, &view, batch[i], r->mode[i], o->precision, &r->net[i]));
        if (o->check_numerics)
            rs_net_check_numerics(r->net[i]);
        planned[count++] = r->net[i];
        largest = batch[i] > largest ? batch[i] : largest;
    }
    if (o->teacher)
        RS_TRY(rs_teacher_create(r->dev, o->teacher, batch, RS_REPLICA_NETS - 2, o->precision,
                                 &r->teacher));
    for (size_t i = 0; r->teacher && i < r->teacher->nets; i++) {
        if (o->check_numerics)
            rs_net_check_numerics(r->teacher->net[i]);
        planned[count++] = r->teacher->net[i];
    }
    RS_TRY(rs_workspace_create(r->dev, planned, count, &r->workspace));
    r->form = form_of(graph);
    r->bytes =
        r->form.values / r->form.channels * rs_pixel_bytes(r->form.channels, r->form.bit_depth);
    block = rs_images_bytes(largest, &r->form);
    RS_FAIL_IF(block == 0, RESCL_ERR_MEMORY, "a batch of %zu images of %zux%zu is too large",
               largest, input->dim[1], input->dim[2]);
    if (count > 0)
        RS_TRY(rs_normalize_kernel(r->dev, rs_net_input(planned[0]).dtype,
                                   rs_normalize_choice(r->form.channels, r->form.bit_depth),
                                   &r->normalize));
    RS_TRY(rs_staging_create(r->dev, block, &r->staging));
    RS_OOM(r->logits = rs_aligned_calloc(largest, r->classes * sizeof *r->logits));
    RS_OOM(r->losses = rs_aligned_calloc(largest, sizeof *r->losses));
out:
    return st;
}

/* What was asked for and cannot be had is worth a word, once for the replicas of a device. */
static void tell_math(const rs_replica *r)
{
    static _Atomic(const rescl_device *) told;
    bool uses = false;

    for (size_t i = 0; i < RS_REPLICA_NETS; i++)
        uses = uses || (r->net[i] && rs_net_uses_tf32(r->net[i]));
    if (!uses && atomic_exchange(&told, r->dev) != r->dev)
        rs_log(RESCL_LOG_WARN,
               "tf32: %s has no engine for such products that this network could use; they are "
               "computed in fp32",
               rescl_device_get_info(r->dev)->name);
}

/* Those that have to do with a replica, at once: each alone would start a process of its own. */
static rescl_status check_supports(rescl_device *dev, const rs_graph *g,
                                   const rs_replica_options *o)
{
    const rs_block_form form = form_of(g);
    rs_support_use use[5 + RS_ARENA_OPS];
    size_t n = 0;

    use[n++] = (rs_support_use){&rs_support_normalize, rs_precision_storage(o->precision),
                                rs_normalize_choice(form.channels, form.bit_depth)};
    if (o->hyper)
        use[n++] = (rs_support_use){&rs_support_optimiser, RS_F32, o->hyper->def->name};
    if (o->hyper && o->precision == RESCL_PRECISION_FP16)
        use[n++] = (rs_support_use){&rs_support_unscale, RS_F32, rs_support_unscale.choice[0]};
    if (o->clip_norm > 0.0 || o->clip_value > 0.0)
        use[n++] = (rs_support_use){&rs_support_clip, RS_F32, rs_clip_choice(o->clip_norm)};
    for (int i = 0; i < RS_ARENA_OPS; i++)
        if (i == RS_ARENA_ADD ? o->accumulates : o->averages)
            use[n++] = (rs_support_use){&rs_support_arena, RS_F32, rs_arena_choice((rs_arena_op)i)};
    if (o->eval_batch > 0 || o->teacher)
        use[n++] = (rs_support_use){&rs_support_fold, RS_F32, rs_support_fold.choice[0]};
    return rs_trust_supports(dev, use, n);
}

static rescl_status upload_class_weights(rs_replica *r, const float *weights)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = r->classes * sizeof *weights;

    if (!weights)
        goto out;
    RS_TRY(rs_buffer_create(r->dev, bytes, &r->class_weights));
    RS_TRY(rs_write(r->dev, r->class_weights, 0, weights, bytes));
out:
    return st;
}

/* What its store needs for what is done with gradients and parameters besides updates. */
static rescl_status prepare_store(rs_store *s, const rs_replica_options *o)
{
    rescl_status st = RESCL_OK;

    if (o->precision == RESCL_PRECISION_FP16 && o->hyper)
        RS_TRY(rs_store_prepare_unscale(s));
    if (o->accumulates)
        RS_TRY(rs_store_prepare_sum(s));
    if (o->clip_norm > 0.0 || o->clip_value > 0.0)
        RS_TRY(rs_store_prepare_clip(s, o->clip_norm, o->clip_value));
    if (o->averages)
        RS_TRY(rs_store_prepare_average(s));
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
    RS_TRY(check_supports(dev, graph, options));
    const rs_store_rule rule = options->rule ? *options->rule : rs_store_rule_of(dev);
    RS_TRY(rs_store_create_by(dev, graph, options->hyper, &rule, &r->store));
    rs_store_set_recompute(r->store, options->recompute);
    RS_TRY(plan_nets(r, graph, options));
    if (options->precision == RESCL_PRECISION_TF32)
        tell_math(r);
    RS_TRY(prepare_store(r->store, options));
    RS_TRY(upload_class_weights(r, options->class_weights));
    RS_TRY(rs_store_upload(r->store, weights));
    if (options->averages)
        RS_TRY(rs_store_update_average(r->store, 1.0));
    *out = r, r = NULL;
out:
    rs_replica_destroy(r);
    return st;
}

rescl_status rs_replica_bytes(rescl_device *dev, const rs_graph *graph,
                              const rs_replica_options *options, uint64_t *out)
{
    const size_t batch[RS_REPLICA_NETS] = {options->train_batch,   options->train_tail,
                                           options->train_more[0], options->train_more[1],
                                           options->eval_batch,    options->eval_tail};
    rescl_status st = RESCL_OK;
    rs_net *net[RS_REPLICA_NETS + RS_TEACHER_NETS] = {NULL};
    size_t count = 0, largest = 0, block;
    const rs_graph view = view_of(graph, options);
    const rs_block_form form = form_of(graph);
    uint64_t teacher = 0;

    RS_TRY(
        rs_store_bytes(dev, graph, options->hyper, options->accumulates, options->averages, out));
    for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
        const rs_mode mode = i < RS_REPLICA_NETS - 2 ? RS_MODE_TRAIN : RS_MODE_EVAL;
        if (batch[i] == 0)
            continue;
        RS_TRY(rs_net_outline(dev, &view, batch[i], mode, options->precision, &net[count]));
        if (mode == RS_MODE_TRAIN && options->recompute)
            RS_TRY(rs_net_recompute(net[count]));
        RS_TRY(rs_net_lay_out(net[count++]));
        largest = batch[i] > largest ? batch[i] : largest;
        if (mode == RS_MODE_TRAIN && options->teacher) {
            RS_TRY(rs_net_outline(dev, options->teacher->graph, batch[i], RS_MODE_EVAL,
                                  options->precision, &net[count]));
            RS_TRY(rs_net_lay_out(net[count++]));
        }
    }
    if (options->teacher)
        RS_TRY(rs_teacher_bytes(dev, options->teacher, largest, &teacher));
    *out += teacher;
    *out += rs_workspace_bytes(net, count);
    block = rs_images_bytes(largest, &form);
    RS_FAIL_IF(block == 0 || block > rescl_device_get_info(dev)->max_alloc_bytes, RESCL_ERR_MEMORY,
               "a batch of %zu images is too large for one allocation", largest);
    *out += (uint64_t)block * RS_STAGING_BLOCKS;
out:
    for (size_t i = 0; i < RS_COUNT(net); i++)
        rs_net_destroy(net[i]);
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
    rs_staging_destroy(r->staging);
    rs_buffer_release(r->class_weights);
    rs_workspace_destroy(r->workspace);
    for (size_t i = 0; i < RS_REPLICA_NETS; i++)
        rs_net_destroy(r->net[i]);
    rs_teacher_destroy(r->teacher);
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

rescl_status rs_replica_send(rs_replica *r, const rs_images *images)
{
    rescl_status st = RESCL_OK;
    void *block = NULL;

    RS_TRY(rs_staging_begin(r->staging, rs_images_bytes(images->n, &r->form), &block));
    rs_images_pack(images, &r->form, block);
    RS_TRY(rs_staging_send(r->staging));
out:
    if (st != RESCL_OK)
        rs_replica_abandon(r);
    return st;
}

rescl_status rs_replica_receive(rs_replica *r, const rs_net *net)
{
    rescl_status st = RESCL_OK;
    const rs_tensor input = rs_net_input(net), labels = rs_net_labels(net);
    const rs_tensor weights = rs_net_class_weights(net), teacher = rs_net_teacher(net);
    rs_buffer *block = NULL;

    RS_TRY(rs_staging_receive(r->staging, &block));
    if (teacher.buf)
        RS_TRY(rs_teacher_run(r->teacher, rs_net_batch(net), r->normalize, block));
    rs_profile_label(r->dev, "normalize fwd input");
    RS_TRY(rs_normalize_enqueue(r->dev, r->normalize, block, &input, &labels));
    RS_TRY(rs_staging_release(r->staging));
    if (weights.buf)
        RS_TRY(rs_copy(r->dev, r->class_weights, 0, weights.buf, 0, rs_buffer_bytes(weights.buf)));
    if (teacher.buf)
        RS_TRY(rs_teacher_give(r->teacher, &teacher));
out:
    if (st != RESCL_OK)
        rs_replica_abandon(r);
    return st;
}

rescl_status rs_replica_forward(rs_replica *r, rs_net *net, uint64_t seed, uint64_t step)
{
    rescl_status st = RESCL_OK;
    const rs_tensor logits = rs_net_logits(net), losses = rs_net_losses(net);
    const size_t n = rs_net_batch(net);

    RS_TRY(rs_net_forward(net, seed, step));
    RS_TRY(rs_read_async(r->dev, logits.buf, 0, r->logits, n * r->classes * sizeof *r->logits,
                         &r->fence[0]));
    RS_TRY(rs_read_async(r->dev, losses.buf, 0, r->losses, n * sizeof *r->losses, &r->fence[1]));
    RS_TRY(rs_flush(r->dev));
out:
    if (st != RESCL_OK)
        rs_replica_abandon(r);
    return st;
}

/* Nothing that was under way counts: which launches were run is unknown. */
static void distrust(rs_replica *r)
{
    if (r->workspace)
        rs_workspace_distrust(r->workspace);
    if (r->staging)
        rs_staging_reset(r->staging);
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
    if (st != RESCL_OK)
        distrust(r);
    return st;
}

void rs_replica_abandon(rs_replica *r)
{
    const rescl_error why = *rescl_last_error();

    (void)!rs_replica_settle(r);
    distrust(r);
    rs_error_restore(&why);
}
