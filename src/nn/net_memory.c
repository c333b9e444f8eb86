/* The memory of a net: how long each tensor lives, where it lies, and its binding. */
#include "alloc.h"
#include "error.h"
#include "log.h"
#include "net.h"
#include "net_internal.h"

#include <stdlib.h>

/* Time as the planner sees it: forward of node i is step i; backward comes after all of forward in
 * reverse, with one step for each of its passes, and before them one for each node that runs forward
 * again there. */
static int fwd_time(size_t node)
{
    return (int)node;
}

static void set_times(rs_net *n)
{
    int time = (int)n->graph->nnodes;
    for (size_t i = n->graph->nnodes; i-- > 0; time += 2) {
        for (size_t k = 0; n->recompute && k < n->graph->nnodes; k++)
            if (n->stage[k].again_before == (int)i)
                n->stage[k].again_at = time++;
        n->stage[i].bwd_at = time;
    }
    n->end = n->mode == RS_MODE_TRAIN ? time : (int)n->graph->nnodes;
}

static int pass_time(const rs_net *n, size_t node, rs_pass pass)
{
    return pass == RS_FWD ? fwd_time(node) : n->stage[node].bwd_at + (pass == RS_BWD_DATA);
}

/* ---- what lives how long ----------------------------------------------------------------- */

static rescl_status add_block(rs_net *n, size_t bytes, int first, int last, int *index)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&n->block, &n->block_cap, n->nblocks + 1, sizeof *n->block));
    n->block[n->nblocks] = (rs_block){.bytes = bytes, .first = first, .last = last};
    *index = (int)n->nblocks++;
out:
    return st;
}

static size_t tensor_bytes(const rs_shape *shape, rs_dtype type)
{
    return rs_shape_count(shape) * rs_dtype_bytes(type);
}

static void extend(rs_net *n, int block, int time)
{
    rs_block *b = &n->block[block];
    int *last = b->again && time >= b->again_first ? &b->again_last : &b->last;
    if (*last < time)
        *last = time;
}

/* What forward of node i writes, or needs for it, where it runs again: until then something else may lie
 * there. */
static void return_block(rs_net *n, int block, size_t i)
{
    if (block < 0 || n->stage[i].again_before < 0)
        return;
    n->block[block].again = true;
    n->block[block].again_first = n->block[block].again_last = n->stage[i].again_at;
}

static rescl_status add_value_blocks(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    for (size_t v = 0; v < g->nvalues; v++) {
        const rs_shape shape = rs_graph_shape(g, (rs_value)v, n->batch);
        const int producer = g->value[v].producer;
        const int first = producer < 0 ? 0 : fwd_time((size_t)producer);
        RS_TRY(rs_shape_check(&shape, producer < 0 ? "the batch" : g->node[producer].name));
        RS_TRY(
            add_block(n, tensor_bytes(&shape, g->value[v].type), first, first, &n->value_block[v]));
        if (producer >= 0)
            return_block(n, n->value_block[v], (size_t)producer);
        if (n->wants_diff[v] && (rs_value)v != g->loss)
            RS_TRY(
                add_block(n, tensor_bytes(&shape, g->value[v].type), n->end, 0, &n->diff_block[v]));
    }
    /* Results can be read until the next forward, and the search for NaN runs this one again. */
    extend(n, n->value_block[g->input], n->end);
    extend(n, n->value_block[g->labels], n->end);
    if (g->class_weights >= 0)
        extend(n, n->value_block[g->class_weights], n->end);
    if (g->teacher >= 0)
        extend(n, n->value_block[g->teacher], n->end);
    extend(n, n->value_block[g->output], n->end);
    extend(n, n->value_block[g->loss], n->end);
    if (n->mode == RS_MODE_EVAL && g->features >= 0)
        extend(n, n->value_block[g->features], n->end);
out:
    return st;
}

/* In training a rearranged copy of the parameters is made anew right before its pass (they change
 * every step), so that it lives no longer than that; in evaluation it is made once and stays. */
static rescl_status add_call_blocks(rs_net *n, size_t i, rs_pass pass)
{
    rescl_status st = RESCL_OK;
    rs_call *c = &n->stage[i].call[pass];
    const int time = pass_time(n, i, pass);
    const bool keep = n->mode == RS_MODE_EVAL;
    c->scratch_block = c->packed_block = -1;
    if (c->plan.scratch_bytes)
        RS_TRY(add_block(n, c->plan.scratch_bytes, time, time, &c->scratch_block));
    if (c->plan.packed_bytes)
        RS_TRY(add_block(n, c->plan.packed_bytes, keep ? 0 : time, keep ? n->end : time,
                         &c->packed_block));
    if (pass == RS_FWD) {
        return_block(n, c->scratch_block, i);
        return_block(n, c->packed_block, i);
    }
out:
    return st;
}

/* Folded parameters are made with the packed ones, and once packed are not read again. */
static rescl_status add_fold_blocks(rs_net *n, size_t i)
{
    rescl_status st = RESCL_OK;
    rs_stage *s = &n->stage[i];
    const rs_plan *plan = &s->call[RS_FWD].plan;
    const int first = plan->packed_bytes ? fwd_time(i) : 0;
    const int last = plan->packed_bytes ? fwd_time(i) : n->end;
    for (int k = 0; s->node->folds && k < 2; k++)
        RS_TRY(add_block(n, tensor_bytes(&plan->problem.param[k].shape, RS_F32), first, last,
                         &s->fold_block[k]));
out:
    return st;
}

static void extend_reads(rs_net *n, size_t i, rs_pass pass)
{
    const rs_node *node = &n->graph->node[i];
    const rs_problem *p = &n->stage[i].call[pass].plan.problem;
    const int time = pass_time(n, i, pass);
    const unsigned reads = node->op->reads ? node->op->reads(p, pass) : 0;
    for (int k = 0; k < node->nsrc; k++)
        if (pass == RS_FWD || (reads & RS_READS_SRC(k)))
            extend(n, n->value_block[node->src[k]], time);
    if (reads & RS_READS_DST)
        extend(n, n->value_block[node->dst], time);
    if (pass == RS_FWD)
        return;
    for (int k = 0; k < p->nws; k++)
        extend(n, n->stage[i].ws_block[k], time);
    if (p->has_mask)
        extend(n, n->stage[i].mask_block, time);
    if (n->diff_block[node->dst] >= 0)
        extend(n, n->diff_block[node->dst], time);
    for (int k = 0; pass == RS_BWD_DATA && k < node->nsrc; k++)
        if (p->want_diff[k]) {
            rs_block *b = &n->block[n->diff_block[node->src[k]]];
            if (b->first > time)
                b->first = time;
            extend(n, n->diff_block[node->src[k]], time);
        }
}

/* What forward of node i reads and writes where it runs again, but for what comes back by then. */
static void extend_again(rs_net *n, size_t i)
{
    const rs_stage *s = &n->stage[i];
    const rs_problem *p = &s->call[RS_FWD].plan.problem;
    for (int k = 0; k < s->node->nsrc; k++)
        extend(n, n->value_block[s->node->src[k]], s->again_at);
    for (int k = 0; k < p->nws; k++)
        extend(n, s->ws_block[k], s->again_at);
    if (s->mask_block >= 0)
        extend(n, s->mask_block, s->again_at);
}

/* The moments of a node's output live until the last node that uses them. */
static rescl_status add_moments_block(rs_net *n, size_t i)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    const rs_plan *plan = &n->stage[i].call[RS_FWD].plan;
    const rs_shape *dst = &plan->problem.dst;
    int *block = &n->stage[i].moments_block;
    *block = -1;
    if (plan->moments_parts == 0)
        goto out;
    RS_TRY(add_block(n, rs_moments_bytes(plan->moments_parts, dst->dim[dst->ndim - 1]), fwd_time(i),
                     fwd_time(i), block));
    for (size_t k = i + 1; k < g->nnodes; k++)
        if (rs_moments_source(g, &n->stage[k].call[RS_FWD].plan.problem, k) == (int)i)
            extend(n, *block, fwd_time(k));
    return_block(n, *block, i);
out:
    return st;
}

/* The sums that backward of node i leaves live until those of the node before it are joined. */
static rescl_status add_sums_block(rs_net *n, size_t i)
{
    rescl_status st = RESCL_OK;
    const rs_plan *plan = &n->stage[i].call[RS_BWD_DATA].plan;
    const rs_shape *src = &plan->problem.src[0];
    n->stage[i].sums_block = -1;
    if (n->stage[i].has[RS_BWD_DATA] && plan->sums_parts)
        RS_TRY(add_block(n, rs_sums_bytes(plan->sums_parts, src->dim[src->ndim - 1]),
                         pass_time(n, i, RS_BWD_DATA),
                         pass_time(n, (size_t)rs_sums_sink(n, i), RS_BWD_PARAMS),
                         &n->stage[i].sums_block));
out:
    return st;
}

static rescl_status add_mask_block(rs_net *n, size_t i)
{
    rescl_status st = RESCL_OK;
    const size_t bytes = n->stage[i].call[RS_FWD].plan.mask_bytes;
    n->stage[i].mask_block = -1;
    if (bytes)
        RS_TRY(add_block(n, bytes, fwd_time(i), fwd_time(i), &n->stage[i].mask_block));
out:
    return st;
}

rescl_status rs_net_list_blocks(rs_net *n)
{
    rescl_status st = RESCL_OK;

    n->nblocks = 0;
    set_times(n);
    RS_TRY(add_value_blocks(n));
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        rs_stage *s = &n->stage[i];
        const rs_problem *p = &s->call[RS_FWD].plan.problem;
        for (int k = 0; k < p->nws; k++)
            RS_TRY(add_block(n, tensor_bytes(&p->ws[k], p->ws_type[k]), fwd_time(i), fwd_time(i),
                             &s->ws_block[k]));
        RS_TRY(add_fold_blocks(n, i));
        RS_TRY(add_moments_block(n, i));
        RS_TRY(add_mask_block(n, i));
        RS_TRY(add_sums_block(n, i));
        for (int pass = 0; pass < RS_PASS_COUNT; pass++)
            if (s->has[pass]) {
                RS_TRY(add_call_blocks(n, i, (rs_pass)pass));
                extend_reads(n, i, (rs_pass)pass);
            }
        if (s->again_before >= 0)
            extend_again(n, i);
    }
out:
    return st;
}

rescl_status rs_net_lay_out(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *info = rescl_device_get_info(n->dev);
    const size_t align = rs_device_align(n->dev);

    RS_TRY(rs_net_list_blocks(n));
    RS_TRY(rs_plan_memory(n->block, n->nblocks, align, (size_t)info->max_alloc_bytes, &n->layout));
    if (rs_verbose("plan"))
        rs_log(RESCL_LOG_INFO, "plan: batch %zu %s: %zu blocks in %zu bytes, %zu alive at most",
               n->batch, n->mode == RS_MODE_TRAIN ? "train" : "eval", n->nblocks, rs_net_bytes(n),
               rs_net_live_bytes(n));
out:
    if (st == RESCL_ERR_MEMORY)
        rs_error_prefix("batch %zu of this network (a smaller batch size needs less)", n->batch);
    return st;
}

/* ---- binding to memory ------------------------------------------------------------------- */

static rs_buffer *view_of(const rs_net *n, int block)
{
    return block < 0 ? NULL : n->view[block];
}

static rs_tensor value_tensor(const rs_net *n, rs_value v, const int *blocks)
{
    return (rs_tensor){.shape = rs_graph_shape(n->graph, v, n->batch),
                       .dtype = n->graph->value[v].type,
                       .buf = view_of(n, blocks[v])};
}

static void bind_stage(rs_net *n, rs_stage *s)
{
    const rs_node *node = s->node;
    const rs_problem *p = &s->call[RS_FWD].plan.problem;
    rs_args *a = &s->args;

    *a = (rs_args){.dst = value_tensor(n, node->dst, n->value_block),
                   .diff_dst = value_tensor(n, node->dst, n->diff_block)};
    for (int k = 0; k < node->nsrc; k++) {
        a->src[k] = value_tensor(n, node->src[k], n->value_block);
        a->diff_src[k] = value_tensor(n, node->src[k], n->diff_block);
    }
    for (int k = 0; k < node->nparam; k++) {
        if (node->folds) {
            a->param[k] = (rs_tensor){p->param[k].shape, RS_F32, view_of(n, s->fold_block[k])};
            continue;
        }
        a->param[k] = n->store->value[node->param[k]];
        a->diff_param[k] = n->store->diff[node->param[k]];
    }
    for (int k = 0; k < node->nstate; k++)
        a->state[k] = n->store->value[node->state[k]];
    for (int k = 0; k < p->nws; k++)
        a->ws[k] = (rs_tensor){p->ws[k], p->ws_type[k], view_of(n, s->ws_block[k])};
    const int source = rs_moments_source(n->graph, p, (size_t)(s - n->stage));
    a->moments = view_of(n, source < 0 ? s->moments_block : n->stage[source].moments_block);
    a->mask = view_of(n, s->mask_block);
    for (int pass = 0; pass < RS_PASS_COUNT; pass++)
        if (s->has[pass]) {
            s->call[pass].scratch = view_of(n, s->call[pass].scratch_block);
            s->call[pass].packed = view_of(n, s->call[pass].packed_block);
        }
}

/* Of the normalisation before it, which is bound already. */
static void bind_sums(rs_net *n, size_t i)
{
    rs_stage *s = &n->stage[i];
    if (s->sums_block < 0)
        return;
    rs_stage *sink = &n->stage[rs_sums_sink(n, i)];
    const rs_problem *p = &sink->call[RS_BWD_PARAMS].plan.problem;
    s->args.sums = sink->args.sums = view_of(n, s->sums_block);
    (void)sink->node->op->takes_sums(p, &sink->args, &s->args.norm);
}

static rescl_status bind_net(rs_net *n, rs_workspace *w)
{
    rescl_status st = RESCL_OK;
    n->workspace = w;
    RS_OOM(n->view = calloc(n->nblocks, sizeof *n->view));
    for (size_t i = 0; i < n->nblocks; i++)
        if (n->block[i].bytes)
            RS_TRY(rs_buffer_view(w->arena[n->block[i].arena], n->block[i].offset,
                                  n->block[i].bytes, &n->view[i]));
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        bind_stage(n, &n->stage[i]);
        bind_sums(n, i);
    }
out:
    return st;
}

/* Arenas that do for each of the nets. */
static rs_layout common_layout(rs_net *const *nets, size_t count)
{
    rs_layout most = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t a = 0; a < nets[i]->layout.arenas; a++) {
            if (most.arenas <= a)
                most.arenas = a + 1;
            if (most.arena_bytes[a] < nets[i]->layout.arena_bytes[a])
                most.arena_bytes[a] = nets[i]->layout.arena_bytes[a];
        }
    return most;
}

uint64_t rs_workspace_bytes(rs_net *const *nets, size_t count)
{
    const rs_layout l = common_layout(nets, count);
    return rs_layout_bytes(&l);
}

rescl_status rs_workspace_create(rescl_device *dev, rs_net *const *nets, size_t count,
                                 rs_workspace **out)
{
    rescl_status st = RESCL_OK;
    rs_workspace *w = NULL;
    const rs_layout most = common_layout(nets, count);

    RS_OOM(w = calloc(1, sizeof *w));
    w->arenas = most.arenas;
    for (size_t a = 0; a < most.arenas; a++)
        RS_TRY(rs_buffer_create(dev, most.arena_bytes[a], &w->arena[a]));
    for (size_t i = 0; i < count; i++)
        RS_TRY(bind_net(nets[i], w));
    *out = w;
    w = NULL;
out:
    rs_workspace_destroy(w);
    return st;
}

void rs_workspace_destroy(rs_workspace *w)
{
    if (!w)
        return;
    for (size_t a = 0; a < w->arenas; a++)
        rs_buffer_release(w->arena[a]);
    free(w);
}

void rs_workspace_distrust(rs_workspace *w)
{
    w->last = NULL;
}

/* ---- what callers see -------------------------------------------------------------------- */

size_t rs_net_batch(const rs_net *n)
{
    return n->batch;
}

size_t rs_net_bytes(const rs_net *n)
{
    return rs_layout_bytes(&n->layout);
}

size_t rs_net_live_bytes(const rs_net *n)
{
    return n->layout.live_bytes;
}

rs_tensor rs_net_input(const rs_net *n)
{
    return value_tensor(n, n->graph->input, n->value_block);
}

rs_tensor rs_net_labels(const rs_net *n)
{
    return value_tensor(n, n->graph->labels, n->value_block);
}

static rs_tensor input_tensor(const rs_net *n, rs_value v)
{
    return v >= 0 ? value_tensor(n, v, n->value_block) : (rs_tensor){0};
}

rs_tensor rs_net_class_weights(const rs_net *n)
{
    return input_tensor(n, n->graph->class_weights);
}

rs_tensor rs_net_teacher(const rs_net *n)
{
    return input_tensor(n, n->graph->teacher);
}

rs_tensor rs_net_logits(const rs_net *n)
{
    return value_tensor(n, n->graph->output, n->value_block);
}

rs_tensor rs_net_losses(const rs_net *n)
{
    return value_tensor(n, n->graph->loss, n->value_block);
}

rs_tensor rs_net_features(const rs_net *n)
{
    const bool kept = n->mode == RS_MODE_EVAL && n->graph->features >= 0;
    return kept ? value_tensor(n, n->graph->features, n->value_block) : (rs_tensor){0};
}
