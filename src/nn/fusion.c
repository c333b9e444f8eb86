/* Merges [add and] relu into the batch normalisation before them.
 *
 *   bn -> relu              bn with relu
 *   bn -> add(other)        bn with a residual
 *   bn -> add(other) -> relu  both
 *
 * Only where nobody else reads what lies between. Of two normalisations that meet in an add the later
 * one takes it, since by then the other's result is there. */
#include "attr.h"
#include "error.h"
#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* What becomes of each node of the old graph. */
typedef struct merge {
    bool folded;       /* the node is gone: a normalisation does its work */
    bool relu;         /* for a normalisation */
    rs_value residual; /* old value, or -1 */
    rs_value dst;      /* old value that it now produces */
} merge;

/* The only reader of a value, or -1 when there are none, several, or it is the output. */
static int sole_reader(const rs_graph *g, rs_value v)
{
    int reader = -1;
    if (v == g->output)
        return -1;
    for (size_t i = 0; i < g->nnodes; i++)
        for (int k = 0; k < g->node[i].nsrc; k++)
            if (g->node[i].src[k] == v) {
                if (reader >= 0)
                    return -1;
                reader = (int)i;
            }
    return reader;
}

static void plan_merge(const rs_graph *g, size_t bn, merge *m)
{
    int reader = sole_reader(g, m[bn].dst);
    if (reader >= 0 && g->node[reader].op == &rs_op_add && !m[reader].folded) {
        const rs_node *add = &g->node[reader];
        const rs_value other = add->src[add->src[0] == m[bn].dst ? 1 : 0];
        if (g->value[other].producer < (int)bn) {
            m[reader].folded = true;
            m[bn].residual = other;
            m[bn].dst = add->dst;
            reader = sole_reader(g, m[bn].dst);
        }
    }
    if (reader >= 0 && g->node[reader].op == &rs_op_relu && !m[reader].folded) {
        m[reader].folded = true;
        m[bn].relu = true;
        m[bn].dst = g->node[reader].dst;
    }
}

static rescl_status copy_node(const rs_graph *g, const rs_node *n, const merge *m, rs_value *map,
                              rs_graph *to)
{
    rescl_status st = RESCL_OK;
    rs_value src[RS_OP_SRC];
    int nsrc = n->nsrc;
    rs_batchnorm_attr bn;
    const void *attr = n->attr;
    const rs_init_scheme scheme =
        n->nparam ? g->param[n->param[0]].scheme : RS_SCHEME_GLOROT_UNIFORM;

    for (int i = 0; i < nsrc; i++)
        src[i] = map[n->src[i]];
    if (n->op == &rs_op_batchnorm) {
        memcpy(&bn, n->attr, sizeof bn);
        bn.relu = bn.relu || m->relu;
        attr = &bn;
        if (m->residual >= 0)
            src[nsrc++] = map[m->residual];
    }
    RS_TRY(rs_graph_add(to, n->name, n->op, attr, n->attr_bytes, scheme, src, nsrc, &map[m->dst]));
out:
    return st;
}

rescl_status rs_graph_fuse(const rs_graph *g, rs_graph **out)
{
    rescl_status st = RESCL_OK;
    rs_graph *to = NULL;
    merge *m = NULL;
    rs_value *map = NULL;
    const rs_shape *in = &g->value[g->input].shape;

    RS_OOM(m = calloc(g->nnodes, sizeof *m));
    RS_OOM(map = calloc(g->nvalues, sizeof *map));
    for (size_t i = 0; i < g->nnodes; i++)
        m[i] = (merge){.residual = -1, .dst = g->node[i].dst};
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_batchnorm_attr *attr = g->node[i].attr;
        if (g->node[i].op == &rs_op_batchnorm && g->node[i].nsrc == 1 && !attr->relu)
            plan_merge(g, i, m);
    }

    RS_TRY(rs_graph_create(&to));
    RS_TRY(rs_graph_input(to, in->dim[1], in->dim[2], in->dim[3], &map[g->input]));
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_node *n = &g->node[i];
        if (n->dst == g->loss) {
            const rs_softmax_xent_attr *attr = n->attr;
            RS_TRY(rs_graph_finish(to, map[g->output], attr->label_smoothing));
        } else if (!m[i].folded) {
            RS_TRY(copy_node(g, n, &m[i], map, to));
        }
    }
    *out = to;
    to = NULL;
out:
    rs_graph_destroy(to);
    free(m);
    free(map);
    return st;
}
