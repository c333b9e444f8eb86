#include "head.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

/* Tensors of one image by graph value; NULL where a value lies before the head. */
typedef struct head {
    const rs_graph *g;
    const rs_weights *w;
    size_t first; /* node */
    double **value, **diff;
    double **ws; /* RS_OP_WS by node: what forward keeps for backward */
} head;

static size_t count_of(const head *h, rs_value v)
{
    return rs_shape_count(&h->g->value[v].shape);
}

static double *widen(const float *x, size_t count)
{
    double *out = calloc(count, sizeof *out);
    for (size_t i = 0; out && i < count; i++)
        out[i] = (double)x[i];
    return out;
}

/* In inference, but for a node that has to keep something for its backward pass. A normalisation
 * goes by its running statistics. */
static rescl_status problem_of(const head *h, size_t node, rs_problem *p)
{
    rescl_status st = RESCL_OK;
    const bool by_statistics = h->g->node[node].nstate > 0;
    if (!by_statistics)
        RS_TRY(rs_graph_problem(h->g, node, 1, true, p));
    if (by_statistics || p->nws == 0)
        RS_TRY(rs_graph_problem(h->g, node, 1, false, p));
out:
    return st;
}

/* Every tensor that the nodes of the head read or write. */
static rescl_status allocate(head *h)
{
    rescl_status st = RESCL_OK;
    rs_problem p;
    for (size_t i = h->first; i < h->g->nnodes; i++) {
        const rs_node *n = &h->g->node[i];
        if (n->dst == h->g->loss)
            continue;
        for (int k = 0; k < n->nsrc; k++)
            RS_FAIL_IF(!h->value[n->src[k]], RESCL_ERR_UNSUPPORTED,
                       "layer '%s' reads around the map; the network cannot be explained by it",
                       n->name);
        RS_TRY(problem_of(h, i, &p));
        for (int k = 0; k < p.nws; k++)
            RS_OOM(h->ws[i * RS_OP_WS + (size_t)k] =
                       calloc(rs_shape_count(&p.ws[k]), sizeof **h->ws));
        RS_OOM(h->value[n->dst] = calloc(count_of(h, n->dst), sizeof **h->value));
    }
out:
    return st;
}

/* One pass of a node. Its parameters are widened for as long as it runs. */
static rescl_status run(const head *h, size_t node, const rs_problem *p, rs_pass pass)
{
    rescl_status st = RESCL_OK;
    const rs_node *n = &h->g->node[node];
    double *wide[RS_OP_PARAM + RS_OP_STATE] = {NULL};
    rs_ref ref = {.dst = h->value[n->dst], .diff_dst = h->diff[n->dst]};
    for (int k = 0; k < n->nsrc; k++) {
        ref.src[k] = h->value[n->src[k]];
        ref.diff_src[k] = h->diff[n->src[k]];
    }
    for (int k = 0; k < n->nparam; k++) {
        RS_OOM(wide[k] = widen(h->w->data[n->param[k]], h->w->elems[n->param[k]]));
        ref.param[k] = wide[k];
    }
    for (int k = 0; k < n->nstate; k++) {
        RS_OOM(ref.state[k] = wide[RS_OP_PARAM + k] =
                   widen(h->w->data[n->state[k]], h->w->elems[n->state[k]]));
    }
    for (size_t k = 0; k < RS_OP_WS; k++)
        ref.ws[k] = h->ws[node * RS_OP_WS + k];
    n->op->reference(p, pass, &ref);
out:
    for (size_t k = 0; k < RS_COUNT(wide); k++)
        free(wide[k]);
    return st;
}

static rescl_status forward(const head *h)
{
    rescl_status st = RESCL_OK;
    rs_problem p;
    for (size_t i = h->first; i < h->g->nnodes; i++) {
        const rs_node *n = &h->g->node[i];
        if (n->dst == h->g->loss)
            continue;
        RS_TRY(problem_of(h, i, &p));
        RS_TRY(run(h, i, &p, RS_FWD));
    }
out:
    return st;
}

/* A gradient comes into being with its first contribution; what does not lead to the logits has
 * none. */
static rescl_status backward(const head *h, size_t class_index)
{
    rescl_status st = RESCL_OK;
    const rs_value out = h->g->output;
    rs_problem p;
    RS_OOM(h->diff[out] = calloc(count_of(h, out), sizeof **h->diff));
    h->diff[out][class_index] = 1.0;
    for (size_t i = h->g->nnodes; i-- > h->first;) {
        const rs_node *n = &h->g->node[i];
        if (n->dst == h->g->loss || !h->diff[n->dst])
            continue;
        RS_TRY(problem_of(h, i, &p));
        for (int k = 0; k < n->nsrc; k++) {
            double **diff = &h->diff[n->src[k]];
            p.accumulate[k] = *diff != NULL;
            if (!*diff)
                RS_OOM(*diff = calloc(count_of(h, n->src[k]), sizeof **diff));
        }
        RS_TRY(run(h, i, &p, RS_BWD_DATA));
    }
out:
    return st;
}

static void free_all(double **list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i]);
    free(list);
}

rescl_status rs_head_gradient(const rs_graph *g, const rs_weights *w, const float *features,
                              size_t class_index, double *logits, double *diff)
{
    rescl_status st = RESCL_OK;
    head h = {.g = g, .w = w};
    RS_FAIL_IF(g->features < 0 || g->value[g->features].producer < 0, RESCL_ERR_UNSUPPORTED,
               "the network has no map before its output");
    h.first = (size_t)g->value[g->features].producer + 1;
    RS_OOM(h.value = calloc(g->nvalues, sizeof *h.value));
    RS_OOM(h.diff = calloc(g->nvalues, sizeof *h.diff));
    RS_OOM(h.ws = calloc(g->nnodes * RS_OP_WS, sizeof *h.ws));
    RS_OOM(h.value[g->features] = widen(features, count_of(&h, g->features)));
    RS_TRY(allocate(&h));
    RS_FAIL_IF(class_index >= count_of(&h, g->output), RESCL_ERR_ARG,
               "class %zu: the network has %zu", class_index, count_of(&h, g->output));
    RS_TRY(forward(&h));
    RS_TRY(backward(&h, class_index));
    RS_FAIL_IF(!h.diff[g->features], RESCL_ERR_UNSUPPORTED,
               "the network's last map does not lead to its output");
    memcpy(diff, h.diff[g->features], count_of(&h, g->features) * sizeof *diff);
    if (logits)
        memcpy(logits, h.value[g->output], count_of(&h, g->output) * sizeof *logits);
out:
    free_all(h.value, g->nvalues);
    free_all(h.diff, g->nvalues);
    free_all(h.ws, g->nnodes * RS_OP_WS);
    return st;
}
