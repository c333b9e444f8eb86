/* Merges [add and] relu into the batch normalisation before them.
 *
 *   bn -> relu                bn with relu
 *   bn -> add(other)          bn with a residual
 *   bn -> add(other) -> relu  both
 *
 * Only where nobody else reads what lies between. Of two normalisations that meet in an add the
 * later one takes it, since by then the other's result is there. For inference a dropout of whole samples
 * behind a normalisation goes, which then hands on what it reads, and a convolution takes over from a
 * normalisation that alone reads it: it folds it into its weights and bias (fold.h) and does the rest in
 * its epilogue. */
#include "alloc.h"
#include "attr.h"
#include "error.h"
#include "graph.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

/* What becomes of each node of the old graph. */
typedef struct merge {
    bool gone;         /* another node does its work */
    bool relu;         /* for a normalisation, or the convolution that folds one */
    rs_value residual; /* old value, or -1 */
    rs_value dst;      /* old value that it now produces */
    int fold;          /* for a convolution: the normalisation it folds, or -1 */
} merge;

typedef struct fusion {
    const rs_graph *from;
    rs_graph *to;
    merge *merge;  /* by old node */
    rs_value *map; /* old value to new */
} fusion;

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

/* Whether a node hands on what it reads in inference. */
static bool drops_rows(const rs_graph *g, int node)
{
    const rs_dropout_attr *attr = node >= 0 ? g->node[node].attr : NULL;
    return attr && g->node[node].op == &rs_op_dropout && attr->rows;
}

static void merge_after(const rs_graph *g, size_t bn, bool inference, merge *m)
{
    int reader = sole_reader(g, m[bn].dst);
    if (inference && drops_rows(g, reader)) {
        m[reader].gone = true;
        m[bn].dst = g->node[reader].dst;
        reader = sole_reader(g, m[bn].dst);
    }
    if (reader >= 0 && g->node[reader].op == &rs_op_add && !m[reader].gone) {
        const rs_node *add = &g->node[reader];
        const rs_value other = add->src[add->src[0] == m[bn].dst ? 1 : 0];
        if (g->value[other].producer < (int)bn) {
            m[reader].gone = true;
            m[bn].residual = other;
            m[bn].dst = add->dst;
            reader = sole_reader(g, m[bn].dst);
        }
    }
    if (reader >= 0 && g->node[reader].op == &rs_op_relu && !m[reader].gone) {
        m[reader].gone = true;
        m[bn].relu = true;
        m[bn].dst = g->node[reader].dst;
    }
}

/* Hands the work of normalisation `bn` to the convolution before it, if that can be. */
static void fold_into_conv(const rs_graph *g, size_t bn, merge *m)
{
    const rs_value src = g->node[bn].src[0];
    const int conv = g->value[src].producer;
    if (conv < 0 || g->node[conv].op != &rs_op_conv2d || g->node[conv].nsrc != 1 ||
        sole_reader(g, src) != (int)bn)
        return;
    if (m[bn].residual >= 0 && g->value[m[bn].residual].producer >= conv)
        return;
    m[bn].gone = true;
    m[conv].fold = (int)bn;
    m[conv].relu = m[bn].relu;
    m[conv].residual = m[bn].residual;
    m[conv].dst = m[bn].dst;
}

static void plan_merges(const rs_graph *g, bool inference, merge *m)
{
    for (size_t i = 0; i < g->nnodes; i++)
        m[i] = (merge){.residual = -1, .dst = g->node[i].dst, .fold = -1};
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_batchnorm_attr *attr = g->node[i].attr;
        if (g->node[i].op != &rs_op_batchnorm || g->node[i].nsrc != 1 || attr->relu)
            continue;
        merge_after(g, i, inference, m);
        if (inference)
            fold_into_conv(g, i, m);
    }
}

static rescl_status copy_params(const rs_graph *g, rs_graph *to)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&to->param, &to->param_cap, g->nparams, sizeof *to->param));
    for (size_t i = 0; i < g->nparams; i++) {
        to->param[i] = g->param[i];
        RS_OOM(to->param[i].name = rs_strf("%s", g->param[i].name));
        to->nparams++;
    }
out:
    return st;
}

/* A convolution that folds a normalisation has a bias, even where it had none. */
static void set_fold(const rs_node *bn, rs_node *conv)
{
    const rs_batchnorm_attr *attr = bn->attr;
    if (conv->nparam == 1)
        conv->param[conv->nparam++] = -1;
    conv->folds = true;
    conv->fold_eps = attr->eps;
    memcpy(conv->fold, bn->param, 2 * sizeof *conv->fold);
    memcpy(conv->fold + 2, bn->state, 2 * sizeof *conv->fold);
}

static rescl_status copy_node(fusion *f, size_t i)
{
    const merge *m = &f->merge[i];
    rs_node like = f->from->node[i];
    rs_value src[RS_OP_SRC];
    int nsrc = like.nsrc;
    rs_batchnorm_attr bn;
    rs_conv2d_attr conv;
    const void *attr = like.attr;

    for (int k = 0; k < nsrc; k++)
        src[k] = f->map[like.src[k]];
    if (m->residual >= 0)
        src[nsrc++] = f->map[m->residual];
    if (like.op == &rs_op_batchnorm) {
        memcpy(&bn, like.attr, sizeof bn);
        bn.relu = bn.relu || m->relu;
        attr = &bn;
    } else if (m->fold >= 0) {
        memcpy(&conv, like.attr, sizeof conv);
        conv.bias = true;
        conv.relu = m->relu;
        attr = &conv;
        set_fold(&f->from->node[m->fold], &like);
    }
    return rs_graph_append(f->to, &like, attr, src, nsrc, &f->map[m->dst]);
}

rescl_status rs_graph_fuse(const rs_graph *g, bool inference, rs_graph **out)
{
    rescl_status st = RESCL_OK;
    fusion f = {.from = g};
    const rs_shape *in = &g->value[g->input].shape;
    rs_loss criterion = g->criterion;

    RS_OOM(f.merge = calloc(g->nnodes, sizeof *f.merge));
    RS_OOM(f.map = calloc(g->nvalues, sizeof *f.map));
    criterion.weighted = criterion.weighted && !inference;
    criterion.distils = criterion.distils && !inference;
    plan_merges(g, inference, f.merge);
    RS_TRY(rs_graph_create(&f.to));
    RS_TRY(copy_params(g, f.to));
    RS_TRY(rs_graph_input(f.to, in->dim[1], in->dim[2], in->dim[3], &f.map[g->input]));
    for (size_t i = 0; i < g->nnodes; i++) {
        if (g->node[i].dst == g->loss)
            RS_TRY(rs_graph_finish(f.to, f.map[g->output], &criterion));
        else if (!f.merge[i].gone)
            RS_TRY(copy_node(&f, i));
    }
    *out = f.to;
    f.to = NULL;
out:
    rs_graph_destroy(f.to);
    free(f.merge);
    free(f.map);
    return st;
}
