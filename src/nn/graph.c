#include "graph.h"

#include "alloc.h"
#include "attr.h"
#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

rescl_status rs_graph_create(rs_graph **out)
{
    rescl_status st = RESCL_OK;
    rs_graph *g = NULL;
    RS_OOM(g = calloc(1, sizeof *g));
    g->input = g->labels = g->output = g->loss = g->features = g->class_weights = g->teacher = -1;
    *out = g;
out:
    return st;
}

void rs_graph_destroy(rs_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->nnodes; i++) {
        free(g->node[i].name);
        free(g->node[i].attr);
    }
    for (size_t i = 0; i < g->nparams; i++)
        free(g->param[i].name);
    for (size_t i = 0; i < g->naliases; i++)
        free(g->alias[i].name);
    free(g->alias);
    free(g->node);
    free(g->value);
    free(g->param);
    free(g);
}

static rescl_status add_value(rs_graph *g, const rs_shape *shape, rs_dtype type, int producer,
                              rs_value *out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&g->value, &g->value_cap, g->nvalues + 1, sizeof *g->value));
    g->value[g->nvalues] = (rs_value_info){*shape, type, producer, false};
    *out = (rs_value)g->nvalues++;
out:
    return st;
}

rescl_status rs_graph_input(rs_graph *g, size_t h, size_t w, size_t c, rs_value *out)
{
    rescl_status st = RESCL_OK;
    const rs_shape shape = rs_shape_4(1, h, w, c);
    RS_TRY(rs_shape_check(&shape, "the network's input"));
    RS_TRY(add_value(g, &shape, RS_F32, -1, &g->input));
    *out = g->input;
out:
    return st;
}

static rescl_status add_param(rs_graph *g, const rs_node *node, const rs_param_spec *spec,
                              rs_init_scheme scheme, bool trainable, int *index)
{
    rescl_status st = RESCL_OK;
    char *name = NULL;
    RS_TRY(rs_array_reserve(&g->param, &g->param_cap, g->nparams + 1, sizeof *g->param));
    RS_OOM(name = rs_strf("%s.%s", node->name, spec->role));
    g->param[g->nparams] =
        (rs_param){.name = name,
                   .spec = *spec,
                   .scheme = scheme,
                   .trainable = trainable,
                   .group = node->part == RS_PART_HEAD ? RS_GROUP_HEAD : RS_GROUP_BODY,
                   .node = (int)g->nnodes};
    *index = (int)g->nparams++;
out:
    return st;
}

rs_shape rs_graph_shape(const rs_graph *g, rs_value v, size_t batch)
{
    rs_shape shape = g->value[v].shape;
    if (!g->value[v].whole)
        shape.dim[0] = batch;
    return shape;
}

static void batched_sources(const rs_graph *g, const rs_value *src, int nsrc, size_t batch,
                            rs_shape out[RS_OP_SRC])
{
    for (int i = 0; i < nsrc; i++)
        out[i] = rs_graph_shape(g, src[i], batch);
}

static bool name_taken(const rs_graph *g, const char *name)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (strcmp(g->node[i].name, name) == 0)
            return true;
    return false;
}

/* Fills a node that owns a name and attributes, and its problem for one image. On failure too it
 * is the caller's to drop. */
static rescl_status make_node(const rs_graph *g, const char *name, const rs_op *op,
                              const void *attr, size_t attr_bytes, bool training,
                              const rs_value *src, int nsrc, rs_node *node, rs_problem *problem)
{
    rescl_status st = RESCL_OK;
    rs_shape shapes[RS_OP_SRC];

    *node = (rs_node){.op = op, .attr_bytes = attr_bytes, .nsrc = nsrc, .dst = -1};
    RS_FAIL_IF(name_taken(g, name), RESCL_ERR_ARG, "layer name '%s' is used twice", name);
    RS_FAIL_IF(nsrc < 1 || nsrc > RS_OP_SRC, RESCL_ERR_ARG, "layer '%s': %d inputs", name, nsrc);
    for (int i = 0; i < nsrc; i++) {
        RS_FAIL_IF(src[i] < 0 || (size_t)src[i] >= g->nvalues, RESCL_ERR_ARG,
                   "layer '%s': input %d does not exist", name, i);
        node->src[i] = src[i];
    }
    RS_OOM(node->name = rs_strf("%s", name));
    if (attr_bytes) {
        RS_OOM(node->attr = malloc(attr_bytes));
        memcpy(node->attr, attr, attr_bytes);
    }
    batched_sources(g, src, nsrc, 1, shapes);
    st = rs_problem_init(problem, op, node->attr, training, shapes, nsrc);
    if (st != RESCL_OK)
        rs_error_prefix("layer '%s'", name);
out:
    return st;
}

/* Moves a node into the graph. */
static rescl_status push_node(rs_graph *g, rs_node *node, const rs_shape *shape, rs_value *dst)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_array_reserve(&g->node, &g->node_cap, g->nnodes + 1, sizeof *g->node));
    RS_TRY(add_value(g, shape, RS_F32, (int)g->nnodes, &node->dst));
    *dst = node->dst;
    g->node[g->nnodes++] = *node;
    *node = (rs_node){0};
out:
    return st;
}

static void drop_node(rs_node *node)
{
    free(node->name);
    free(node->attr);
}

rescl_status rs_graph_add(rs_graph *g, const char *name, const rs_op *op, const void *attr,
                          size_t attr_bytes, rs_init_scheme scheme, const rs_value *src, int nsrc,
                          rs_value *dst)
{
    rescl_status st = RESCL_OK;
    rs_node node;
    rs_problem problem;

    RS_TRY(make_node(g, name, op, attr, attr_bytes, true, src, nsrc, &node, &problem));
    node.part = g->part;
    node.nparam = problem.nparam;
    node.nstate = problem.nstate;
    for (int i = 0; i < problem.nparam; i++)
        RS_TRY(add_param(g, &node, &problem.param[i], scheme, true, &node.param[i]));
    for (int i = 0; i < problem.nstate; i++)
        RS_TRY(add_param(g, &node, &problem.state[i], scheme, false, &node.state[i]));
    RS_TRY(push_node(g, &node, &problem.dst, dst));
out:
    if (st != RESCL_OK)
        *dst = -1;
    drop_node(&node);
    return st;
}

rescl_status rs_graph_alias(rs_graph *g, rs_value x, rs_naming naming, const char *name)
{
    rescl_status st = RESCL_OK;
    char *copy = NULL;
    RS_FAIL_IF(x < 0 || (size_t)x >= g->nvalues || g->value[x].producer < 0, RESCL_ERR_ARG,
               "'%s' is to name a layer that does not exist", name);
    RS_TRY(rs_array_reserve(&g->alias, &g->alias_cap, g->naliases + 1, sizeof *g->alias));
    RS_OOM(copy = rs_strf("%s", name));
    g->alias[g->naliases++] = (rs_alias){naming, g->value[x].producer, copy};
out:
    return st;
}

rescl_status rs_graph_append(rs_graph *g, const rs_node *like, const void *attr,
                             const rs_value *src, int nsrc, rs_value *dst)
{
    rescl_status st = RESCL_OK;
    rs_node node;
    rs_problem problem;

    RS_TRY(make_node(g, like->name, like->op, attr, like->attr_bytes, false, src, nsrc, &node,
                     &problem));
    node.part = like->part;
    node.nparam = like->nparam;
    node.nstate = like->nstate;
    node.folds = like->folds;
    node.fold_eps = like->fold_eps;
    memcpy(node.param, like->param, sizeof node.param);
    memcpy(node.state, like->state, sizeof node.state);
    memcpy(node.fold, like->fold, sizeof node.fold);
    RS_TRY(push_node(g, &node, &problem.dst, dst));
out:
    if (st != RESCL_OK)
        *dst = -1;
    drop_node(&node);
    return st;
}

/* The last map that is not a pooling's, nor what dropout makes of one. */
static rs_value last_map(const rs_graph *g)
{
    for (size_t i = g->nnodes; i-- > 0;) {
        const rs_node *n = &g->node[i];
        if (g->value[n->dst].shape.ndim == 4 && n->op != &rs_op_avgpool &&
            n->op != &rs_op_maxpool && n->op != &rs_op_dropout)
            return n->dst;
    }
    return -1;
}

static bool is_large(const rs_shape *s)
{
    return s->ndim == 4 && s->dim[1] >= RS_FEATURES_SIDE && s->dim[2] >= RS_FEATURES_SIDE;
}

/* The last map; where it is small, what the deepest stage gives whose map is not, if there is one. */
static rs_value find_features(const rs_graph *g)
{
    const rs_value last = last_map(g);
    if (last < 0 || is_large(&g->value[last].shape))
        return last;
    for (size_t i = g->nnodes; i-- > 0;) {
        const rs_node *n = &g->node[i];
        const bool ends = i + 1 == g->nnodes || g->node[i + 1].part != n->part;
        if (n->part > RS_PART_STEM && ends && is_large(&g->value[n->dst].shape))
            return n->dst;
    }
    return last;
}

/* 1 - alpha of the loss, and alpha of how far the logits are from the teacher's. */
static rescl_status add_distillation(rs_graph *g, const rs_loss *loss)
{
    rescl_status st = RESCL_OK;
    const rs_distillation_attr attr = {
        .alpha = loss->distillation_alpha, .tau = loss->tau, .hard = loss->hard};
    const rs_shape logits = g->value[g->output].shape;
    RS_TRY(add_value(g, &logits, RS_F32, -1, &g->teacher));
    RS_TRY(rs_graph_add(g, "distillation", &rs_op_distillation, &attr, sizeof attr,
                        RS_SCHEME_GLOROT_UNIFORM,
                        (const rs_value[]){g->output, g->teacher, g->loss}, 3, &g->loss));
out:
    return st;
}

rescl_status rs_graph_finish(rs_graph *g, rs_value logits, const rs_loss *loss)
{
    rescl_status st = RESCL_OK;
    const rs_softmax_xent_attr softmax = {.label_smoothing = loss->label_smoothing};
    const rs_sigmoid_bce_attr sigmoid = {.label_smoothing = loss->label_smoothing,
                                         .threshold = loss->threshold,
                                         .gamma = loss->gamma,
                                         .alpha = loss->alpha,
                                         .rows = loss->rows};
    const rs_shape target = loss->rows ? g->value[logits].shape : rs_shape_2(1, RS_TARGET_WORDS);
    rs_value src[RS_OP_SRC] = {logits};
    int nsrc = 2;
    RS_TRY(add_value(g, &target, RS_I32, -1, &g->labels));
    src[1] = g->labels;
    if (loss->weighted) {
        const rs_shape classes = rs_shape_1(g->value[logits].shape.dim[1]);
        RS_TRY(add_value(g, &classes, RS_F32, -1, &g->class_weights));
        g->value[g->class_weights].whole = true;
        src[nsrc++] = g->class_weights;
    }
    g->output = logits;
    g->criterion = *loss;
    g->features = find_features(g);
    RS_TRY(rs_graph_add(g, "loss", loss->sigmoid ? &rs_op_sigmoid_bce : &rs_op_softmax_xent,
                        loss->sigmoid ? (const void *)&sigmoid : &softmax,
                        loss->sigmoid ? sizeof sigmoid : sizeof softmax, RS_SCHEME_GLOROT_UNIFORM,
                        src, nsrc, &g->loss));
    if (loss->distils)
        RS_TRY(add_distillation(g, loss));
out:
    return st;
}

void rs_graph_set_weighted(rs_graph *g, bool weighted)
{
    g->criterion.weighted = weighted && !g->criterion.sigmoid;
}

void rs_graph_set_distillation(rs_graph *g, const rs_distillation_attr *attr)
{
    g->criterion.distils = attr != NULL;
    if (!attr)
        return;
    g->criterion.hard = attr->hard;
    g->criterion.distillation_alpha = attr->alpha;
    g->criterion.tau = attr->tau;
}

void rs_graph_set_trained(rs_graph *g, size_t node, bool parameters, bool statistics)
{
    const rs_node *n = &g->node[node];
    for (int i = 0; i < n->nparam; i++)
        g->param[n->param[i]].trainable = parameters;
    if (n->op == &rs_op_batchnorm) {
        rs_batchnorm_attr *attr = n->attr;
        attr->frozen = !statistics;
    }
}

void rs_graph_set_synced(rs_graph *g, bool synced)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].op == &rs_op_batchnorm) {
            rs_batchnorm_attr *attr = g->node[i].attr;
            attr->synced = synced;
        }
}

rescl_status rs_graph_set_group(rs_graph *g, size_t param, int group)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(param >= g->nparams || group < 0 || group >= RS_MAX_GROUPS, RESCL_ERR_ARG,
               "group %d of parameter %zu: there are %zu parameters and groups 0 to %d", group,
               param, g->nparams, RS_MAX_GROUPS - 1);
    g->param[param].group = group;
out:
    return st;
}

bool rs_graph_in_head(const rs_graph *g, size_t param)
{
    return g->node[g->param[param].node].part == RS_PART_HEAD;
}

bool rs_graph_trains(const rs_graph *g, const rs_node *node)
{
    for (int i = 0; i < node->nparam; i++)
        if (node->param[i] >= 0 && g->param[node->param[i]].trainable)
            return true;
    return false;
}

const rs_node *rs_graph_single_value(const rs_graph *g)
{
    for (size_t i = 0; i < g->nnodes; i++) {
        const rs_node *n = &g->node[i];
        const rs_batchnorm_attr *attr = n->attr;
        const rs_shape *src = &g->value[n->src[0]].shape;
        if (n->op == &rs_op_batchnorm && !attr->frozen &&
            rs_shape_count(src) == (size_t)src->dim[src->ndim - 1])
            return n;
    }
    return NULL;
}

rescl_status rs_graph_problem(const rs_graph *g, size_t node, size_t batch, bool training,
                              rs_problem *out)
{
    rescl_status st = RESCL_OK;
    const rs_node *n = &g->node[node];
    rs_shape shapes[RS_OP_SRC];
    batched_sources(g, n->src, n->nsrc, batch, shapes);
    st = rs_problem_init(out, n->op, n->attr, training, shapes, n->nsrc);
    if (st != RESCL_OK) {
        rs_error_prefix("layer '%s'", n->name);
        return st;
    }
    for (int k = 0; k < n->nsrc; k++)
        out->src_type[k] = g->value[n->src[k]].type;
    out->dst_type = g->value[n->dst].type;
    out->math = g->math;
    return st;
}

int rs_graph_find_param(const rs_graph *g, const char *name)
{
    for (size_t i = 0; i < g->nparams; i++)
        if (strcmp(g->param[i].name, name) == 0)
            return (int)i;
    return -1;
}
