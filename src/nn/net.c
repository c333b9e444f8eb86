/* Plans a graph for a batch size and a mode: which passes, by which implementations. */
#include "net.h"

#include "alloc.h"
#include "choice.h"
#include "error.h"
#include "fold.h"
#include "hash.h"
#include "net_internal.h"
#include "str.h"
#include "threadpool.h"
#include "trust.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- which passes ------------------------------------------------------------------------ */

/* A value wants a gradient when a trainable parameter lies upstream. */
static void mark_diffs(rs_net *n)
{
    const rs_graph *g = n->graph;
    if (n->mode != RS_MODE_TRAIN)
        return;
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_node *node = &g->node[i];
        bool wants = rs_graph_trains(g, node);
        for (int k = 0; k < node->nsrc; k++)
            wants = wants || n->wants_diff[node->src[k]];
        n->wants_diff[node->dst] = wants;
    }
}

static rescl_status plan_pass(rs_net *n, size_t i, rs_pass pass, const rs_problem *p)
{
    rescl_status st = RESCL_OK;
    rs_stage *stage = &n->stage[i];
    st = rs_choice_plan(n->dev, p, pass, NULL, &stage->call[pass].plan);
    if (st != RESCL_OK) {
        rs_error_prefix("layer '%s'", stage->node->name);
        goto out;
    }
    stage->has[pass] = true;
    snprintf(stage->label[pass], sizeof stage->label[pass], "%s %s %s", p->op->name,
             rs_pass_name(pass), stage->node->name);
out:
    return st;
}

int rs_sums_sink(const rs_net *n, size_t i)
{
    const rs_graph *g = n->graph;
    const rs_value v = g->node[i].src[0];
    const int sink = g->value[v].producer;
    if (sink < 0 || !g->node[sink].op->takes_sums || !rs_graph_trains(g, &g->node[sink]))
        return -1;
    for (size_t k = (size_t)sink + 1; k <= i; k++)
        for (int j = k == i; j < g->node[k].nsrc; j++) /* but for node i's own src[0] */
            if (g->node[k].src[j] == v)
                return -1;
    return sink;
}

static rescl_status plan_bwd_data(rs_net *n, size_t i, rs_problem *problem)
{
    rescl_status st = RESCL_OK;
    const int sink = rs_sums_sink(n, i);
    const bool takes = sink >= 0 && n->graph->node[sink].op->takes_sums(&problem[sink], NULL, NULL);
    problem[i].want_sums = takes && problem[i].want_diff[0];
    RS_TRY(plan_pass(n, i, RS_BWD_DATA, &problem[i]));
    if (problem[i].want_sums)
        problem[sink].sums_parts = n->stage[i].call[RS_BWD_DATA].plan.sums_parts;
out:
    return st;
}

/* Backward in reverse order: the first contribution to a value's gradient writes it, later ones
 * add. A value that does not lead to the loss gets none. */
static rescl_status plan_backward(rs_net *n, rs_problem *problem)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    bool *written = NULL;
    RS_OOM(written = calloc(g->nvalues, sizeof *written));
    for (size_t i = g->nnodes; i-- > 0;) {
        const rs_node *node = &g->node[i];
        rs_problem *p = &problem[i];
        bool any = false;
        if (node->dst != g->loss && !written[node->dst])
            n->wants_diff[node->dst] = false;
        if (!n->wants_diff[node->dst])
            continue;
        for (int k = 0; k < node->nsrc; k++) {
            const rs_value v = node->src[k];
            p->want_diff[k] = n->wants_diff[v];
            p->accumulate[k] = p->want_diff[k] && written[v];
            written[v] = written[v] || p->want_diff[k];
            any = any || p->want_diff[k];
        }
        if (rs_graph_trains(g, node))
            RS_TRY(plan_pass(n, i, RS_BWD_PARAMS, p));
        if (any)
            RS_TRY(plan_bwd_data(n, i, problem));
    }
out:
    free(written);
    return st;
}

int rs_moments_source(const rs_graph *g, const rs_problem *p, size_t i)
{
    const rs_node *node = &g->node[i];
    const bool takes = node->op->takes_moments && node->op->takes_moments(p);
    return takes ? g->value[node->src[0]].producer : -1;
}

static rescl_status plan_passes(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    const bool training = n->mode == RS_MODE_TRAIN;
    rs_problem *problem = NULL;

    RS_OOM(problem = calloc(g->nnodes, sizeof *problem));
    mark_diffs(n);
    for (size_t i = 0; i < g->nnodes; i++) {
        n->stage[i].node = &g->node[i];
        n->stage[i].again_before = -1;
        RS_TRY(rs_graph_problem(g, i, n->batch, training, &problem[i]));
        problem[i].want_mask = training;
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        const int source = rs_moments_source(g, &problem[i], i);
        if (source >= 0)
            problem[source].want_moments = true;
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        const int source = rs_moments_source(g, &problem[i], i);
        if (source >= 0)
            problem[i].moments_parts = n->stage[source].call[RS_FWD].plan.moments_parts;
        RS_TRY(plan_pass(n, i, RS_FWD, &problem[i]));
        problem[i].has_mask = n->stage[i].call[RS_FWD].plan.mask_bytes > 0;
    }
    if (training)
        RS_TRY(plan_backward(n, problem));
out:
    free(problem);
    return st;
}

/* The node after which each bucket is announced: the last of those that write to it or to a bucket
 * before it. The gradient of a parameter that does not lead to the loss is never written. */
static rescl_status plan_buckets(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    const size_t *bucket_of = n->store->bucket_of;

    RS_OOM(n->bucket_node = calloc(n->store->nbuckets + 1, sizeof *n->bucket_node));
    for (size_t b = 0; b < n->store->nbuckets; b++)
        n->bucket_node[b] = g->nnodes - 1;
    for (size_t i = g->nnodes; i-- > 0;)
        for (int k = 0; n->stage[i].has[RS_BWD_PARAMS] && k < g->node[i].nparam; k++)
            if (g->param[g->node[i].param[k]].trainable)
                n->bucket_node[bucket_of[g->node[i].param[k]]] = i;
    for (size_t b = 1; b < n->store->nbuckets; b++)
        if (n->bucket_node[b] > n->bucket_node[b - 1])
            n->bucket_node[b] = n->bucket_node[b - 1];
    n->store->planned = true;
out:
    return st;
}

/* ---- compiling --------------------------------------------------------------------------- */

typedef struct build_job {
    rs_plan *plan;
    rescl_status st;
} build_job;

static void build_plan(void *arg)
{
    build_job *job = arg;
    job->st = rs_plan_build(job->plan);
}

/* Distinct programs compile side by side. */
static rescl_status build_plans(rs_net *n)
{
    rescl_status st = RESCL_OK;
    build_job *job = NULL;
    rs_pool *pool = NULL;
    size_t jobs = 0;

    RS_OOM(job = calloc(n->graph->nnodes * RS_PASS_COUNT, sizeof *job));
    for (size_t i = 0; i < n->graph->nnodes; i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++)
            if (n->stage[i].has[pass])
                job[jobs++].plan = &n->stage[i].call[pass].plan;
    RS_TRY(rs_pool_create(0, &pool));
    RS_TRY(rs_pool_map(pool, build_plan, job, jobs, sizeof *job));
    /* A failure's detail lies with the thread that met it: meet it again here. */
    for (size_t i = 0; i < jobs; i++)
        if (job[i].st != RESCL_OK)
            RS_TRY(rs_plan_build(job[i].plan));
out:
    rs_pool_destroy(pool);
    free(job);
    return st;
}

rescl_status rs_net_outline(rescl_device *dev, const rs_graph *g, size_t batch, rs_mode mode,
                            rescl_precision precision, rs_net **out)
{
    rescl_status st = RESCL_OK;
    rs_net *n = NULL;
    size_t nvalues;

    RS_FAIL_IF(batch == 0, RESCL_ERR_ARG, "batch size 0: it has to be at least 1");
    RS_FAIL_IF(g->loss < 0, RESCL_ERR_ARG, "the network has no output yet");
    RS_OOM(n = calloc(1, sizeof *n));
    n->dev = dev;
    n->batch = batch;
    n->mode = mode;
    RS_TRY(rs_graph_fuse(g, mode == RS_MODE_EVAL, &n->graph));
    rs_graph_set_precision(n->graph, precision);
    nvalues = n->graph->nvalues;
    RS_OOM(n->stage = calloc(n->graph->nnodes, sizeof *n->stage));
    RS_OOM(n->value_block = calloc(nvalues, sizeof *n->value_block));
    RS_OOM(n->diff_block = calloc(nvalues, sizeof *n->diff_block));
    RS_OOM(n->wants_diff = calloc(nvalues, sizeof *n->wants_diff));
    for (size_t v = 0; v < nvalues; v++)
        n->value_block[v] = n->diff_block[v] = -1;
    RS_TRY(plan_passes(n));
    *out = n;
    n = NULL;
out:
    rs_net_destroy(n);
    return st;
}

/* *worse: one of its ways was found to be wrong, and it is to be planned anew. */
static rescl_status check_plans(const rs_net *n, bool *worse)
{
    rescl_status st = RESCL_OK;
    const rs_plan **plan = NULL;
    size_t count = 0;

    RS_OOM(plan = calloc(n->graph->nnodes * RS_PASS_COUNT, sizeof *plan));
    for (size_t i = 0; i < n->graph->nnodes; i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++)
            if (n->stage[i].has[pass])
                plan[count++] = &n->stage[i].call[pass].plan;
    RS_TRY(rs_trust_plans(n->dev, plan, count, worse));
out:
    free(plan);
    return st;
}

rescl_status rs_net_plan(rs_store *s, const rs_graph *g, size_t batch, rs_mode mode,
                         rescl_precision precision, rs_net **out)
{
    rescl_status st = RESCL_OK;
    rs_net *n = NULL;
    bool worse = true;

    RS_FAIL_IF(mode == RS_MODE_TRAIN && !s->training, RESCL_ERR_ARG,
               "these parameters were made for inference only");
    while (worse) {
        rs_net_destroy(n);
        n = NULL;
        RS_TRY(rs_net_outline(s->dev, g, batch, mode, precision, &n));
        RS_TRY(check_plans(n, &worse));
    }
    n->store = s;
    if (mode == RS_MODE_TRAIN)
        RS_TRY(plan_buckets(n));
    if (mode == RS_MODE_TRAIN && s->recompute)
        RS_TRY(rs_net_recompute(n));
    RS_TRY(rs_net_lay_out(n));
    RS_TRY(build_plans(n));
    for (size_t i = 0; i < n->graph->nnodes && !n->fold; i++)
        if (n->graph->node[i].folds)
            RS_TRY(rs_fold_kernel(n->dev, &n->fold));
    *out = n;
    n = NULL;
out:
    rs_net_destroy(n);
    return st;
}

void rs_net_destroy(rs_net *n)
{
    if (!n)
        return;
    for (size_t i = 0; n->view && i < n->nblocks; i++)
        rs_buffer_release(n->view[i]);
    rs_graph_destroy(n->graph);
    free(n->stage);
    free(n->value_block);
    free(n->diff_block);
    free(n->wants_diff);
    free(n->bucket_node);
    free(n->block);
    free(n->view);
    free(n);
}

size_t rs_net_nodes(const rs_net *n)
{
    return n->graph->nnodes;
}

const rs_plan *rs_net_plan_at(const rs_net *n, size_t node, rs_pass pass)
{
    const bool has = node < n->graph->nnodes && n->stage[node].has[pass];
    return has ? &n->stage[node].call[pass].plan : NULL;
}

const char *rs_net_label_at(const rs_net *n, size_t node, rs_pass pass)
{
    return n->stage[node].label[pass];
}

bool rs_net_uses_tf32(const rs_net *n)
{
    for (size_t i = 0; i < rs_net_nodes(n); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++)
            if (n->stage[i].has[pass] && n->stage[i].call[pass].plan.math == RS_MATH_TF32)
                return true;
    return false;
}

/* Nothing of a plan that is f32 throughout. */
static rescl_status append_types(const rs_plan *plan, rs_str *text)
{
    rescl_status st = RESCL_OK;
    const rs_problem *p = &plan->problem;

    for (int k = 0; k < p->nsrc; k++)
        if (p->src_type[k] != RS_F32 && rs_dtype_is_float(p->src_type[k]))
            RS_TRY(rs_str_appendf(text, "src %d %s\n", k, rs_dtype_name(p->src_type[k])));
    if (p->dst_type != RS_F32)
        RS_TRY(rs_str_appendf(text, "dst %s\n", rs_dtype_name(p->dst_type)));
    if (plan->math == RS_MATH_TF32)
        RS_TRY(rs_str_append(text, "tf32\n"));
out:
    return st;
}

rescl_status rs_net_fingerprint(const rs_net *n, char out[33])
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    char choice[RS_CHOICE];

    RS_TRY(rs_str_appendf(&text, "%s\n", out));
    for (size_t i = 0; i < rs_net_nodes(n); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(n, i, (rs_pass)pass);
            if (!plan)
                continue;
            RS_TRY(rs_str_appendf(&text, "%s %s\n", n->stage[i].label[pass],
                                  rs_choice_text(&plan->choice, choice)));
            RS_TRY(append_types(plan, &text));
            for (int k = 0; k < plan->nkernels; k++)
                if (!plan->kernel[k].moves)
                    RS_TRY(rs_str_appendf(&text, "%s %s\n", plan->kernel[k].name,
                                          plan->kernel[k].options));
        }
    rs_hash_hex(rs_hash_bytes(text.text, text.len), out);
out:
    rs_str_fini(&text);
    return st;
}
