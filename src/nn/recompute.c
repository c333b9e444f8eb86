/* Computes activations again in backward, in place of keeping them: Chen, Xu, Zhang, Guestrin, "Training
 * Deep Nets with Sublinear Memory Cost" (2016).
 *
 * The nodes fall into segments, between which a single value passes. It is kept; what else a segment
 * makes and its own backward reads lives twice: until forward has read it, and again from right before
 * backward of the segment, when those of its nodes run forward once more that make it. The last segment
 * is not computed again, as its backward comes right behind its forward.
 *
 * What forward leaves for backward beside values (masks, places of maxima, the statistics of a batch)
 * is small and kept: a normalisation that runs again applies the statistics that it has (rs_args.again),
 * so that running statistics move once in a step, and all numbers have the bits of before. */
#include "error.h"
#include "net_internal.h"

#include <stdlib.h>

typedef struct cutting {
    rs_net *net;
    bool *read;   /* by value: some backward pass reads it */
    int *sink;    /* by node: for whose normalisation its backward leaves sums, or -1 */
    bool *cut;    /* by node: a segment ends behind it */
    int *segment; /* by node */
    int *needed;  /* by segment: the node before whose backward it is computed again */
    bool *twice;  /* by value: it lives twice */
} cutting;

/* A node with whose value a segment may end: no other passes it by. */
static void find_cuts(cutting *c)
{
    const rs_graph *g = c->net->graph;
    size_t past = 0; /* the last reader of all values before */
    for (size_t i = 0; i + 1 < g->nnodes; i++) {
        c->cut[i] = past <= i;
        for (size_t k = i + 1; k < g->nnodes; k++)
            for (int s = 0; s < g->node[k].nsrc; s++)
                if (g->node[k].src[s] == g->node[i].dst && past < k)
                    past = k;
    }
}

/* Values that may live twice: of a segment but the last, and read in it alone. */
static void find_twice(cutting *c)
{
    const rs_graph *g = c->net->graph;
    for (size_t i = 0, s = 0; i < g->nnodes; i++) {
        c->segment[i] = (int)s;
        s += c->cut[i];
    }
    for (size_t v = 0; v < g->nvalues; v++) {
        const int producer = g->value[v].producer;
        c->twice[v] = producer >= 0 && (rs_value)v != g->output &&
                      c->segment[producer] != c->segment[g->nnodes - 1];
    }
    for (size_t i = 0; i < g->nnodes; i++)
        for (int k = 0; k < g->node[i].nsrc; k++) {
            const int producer = g->value[g->node[i].src[k]].producer;
            if (producer >= 0 && c->segment[producer] != c->segment[i])
                c->twice[g->node[i].src[k]] = false;
        }
}

/* Whether some backward pass reads a value. */
static bool backward_reads(const rs_net *n, rs_value v)
{
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        const rs_node *node = &n->graph->node[i];
        for (int pass = RS_BWD_PARAMS; pass < RS_PASS_COUNT; pass++) {
            const rs_problem *p = &n->stage[i].call[pass].plan.problem;
            const unsigned reads =
                n->stage[i].has[pass] && node->op->reads ? node->op->reads(p, (rs_pass)pass) : 0;
            if (reads & RS_READS_DST && node->dst == v)
                return true;
            for (int k = 0; k < node->nsrc; k++)
                if (reads & RS_READS_SRC(k) && node->src[k] == v)
                    return true;
        }
    }
    return false;
}

static void look_at_backward(cutting *c)
{
    const rs_net *n = c->net;
    for (size_t v = 0; v < n->graph->nvalues; v++)
        c->read[v] = backward_reads(n, (rs_value)v);
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        const rs_stage *s = &n->stage[i];
        const bool leaves = s->has[RS_BWD_DATA] && s->call[RS_BWD_DATA].plan.sums_parts;
        c->sink[i] = leaves ? rs_sums_sink(n, i) : -1;
    }
}

/* A segment is needed before backward of its last node, or of one behind it that leaves sums for a
 * normalisation in it, for which that one's input is read. */
static void find_needed(cutting *c)
{
    for (size_t i = 0; i < c->net->graph->nnodes; i++)
        c->needed[c->segment[i]] = (int)i;
    for (size_t i = 0; i < c->net->graph->nnodes; i++)
        if (c->sink[i] >= 0 && c->needed[c->segment[c->sink[i]]] < (int)i)
            c->needed[c->segment[c->sink[i]]] = (int)i;
}

/* Says of each node whether and when it runs forward again: those whose value lives twice, and those of the
 * segment that these read. */
static void set_again(cutting *c)
{
    rs_net *n = c->net;
    const rs_graph *g = n->graph;
    find_twice(c);
    find_needed(c);
    for (size_t v = 0; v < g->nvalues; v++)
        c->twice[v] = c->twice[v] && c->read[v];
    for (size_t i = g->nnodes; i-- > 0;) {
        const rs_node *node = &g->node[i];
        n->stage[i].again_before = c->twice[node->dst] ? c->needed[c->segment[i]] : -1;
        for (int k = 0; c->twice[node->dst] && k < node->nsrc; k++) {
            const int producer = g->value[node->src[k]].producer;
            if (producer >= 0 && c->segment[producer] == c->segment[i])
                c->twice[node->src[k]] = true;
        }
    }
}

static rescl_status weigh(cutting *c, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    set_again(c);
    RS_TRY(rs_net_list_blocks(c->net));
    RS_TRY(rs_live_bytes(c->net->block, c->net->nblocks, bytes));
out:
    return st;
}

/* From all cuts that there can be: drops each without which less is alive, until all are needed. */
static rescl_status choose_cuts(cutting *c)
{
    rescl_status st = RESCL_OK;
    size_t least = 0, bytes = 0;
    bool better = true;

    RS_TRY(weigh(c, &least));
    while (better) {
        better = false;
        for (size_t i = 0; i < c->net->graph->nnodes; i++) {
            if (!c->cut[i])
                continue;
            c->cut[i] = false;
            RS_TRY(weigh(c, &bytes));
            c->cut[i] = bytes >= least;
            better = better || bytes < least;
            least = bytes < least ? bytes : least;
        }
    }
    RS_TRY(weigh(c, &least));
out:
    return st;
}

rescl_status rs_net_recompute(rs_net *n)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = n->graph;
    cutting c = {.net = n};

    n->recompute = true;
    RS_OOM(c.read = calloc(g->nvalues, sizeof *c.read));
    RS_OOM(c.sink = calloc(g->nnodes, sizeof *c.sink));
    RS_OOM(c.cut = calloc(g->nnodes, sizeof *c.cut));
    RS_OOM(c.segment = calloc(g->nnodes, sizeof *c.segment));
    RS_OOM(c.needed = calloc(g->nnodes, sizeof *c.needed));
    RS_OOM(c.twice = calloc(g->nvalues, sizeof *c.twice));
    look_at_backward(&c);
    find_cuts(&c);
    RS_TRY(choose_cuts(&c));
out:
    free(c.read);
    free(c.sink);
    free(c.cut);
    free(c.segment);
    free(c.needed);
    free(c.twice);
    return st;
}
