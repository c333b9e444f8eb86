/* Both networks become steps, and equal steps on equal inputs get the same number: those of the graph
 * first. What the configuration computes and the graph does not is then a step without a number of the
 * graph's. */
#include "kerasgraph.h"

#include "attr.h"
#include "error.h"
#include "naming.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

typedef enum kind {
    KIND_OTHER = 0, /* never equal to another */
    KIND_INPUT,
    KIND_CONV,
    KIND_NORM,
    KIND_RELU,
    KIND_ADD,
    KIND_MAXPOOL,
    KIND_AVGPOOL,
    KIND_MEAN, /* of a whole map */
    KIND_DENSE,
    KIND_SHORTCUT
} kind;

enum { KERNEL = 0, STRIDE = 2, PAD = 4, DILATION = 8, GROUPS = 10, ZEROS, NUMBERS };
enum { UNKNOWN = -1 };

/* Compared byte by byte, so it starts as zeros. */
typedef struct step {
    size_t number[NUMBERS]; /* of a convolution or pool */
    int kind, src[2];
    int node; /* of the graph: a layer with a name has its own place; else -1 */
} step;

/* What a layer of the configuration gives. */
typedef struct flow {
    int id;        /* of the step; UNKNOWN: none of the graph's */
    size_t side;   /* of the map; 0: not known, or no map */
    size_t pad[4]; /* zeros around it that the next layer reads */
    bool softmax;  /* applied to the step */
} flow;

typedef struct work {
    const rs_keras_config *config;
    const rs_graph *graph;
    const char *prefix;
    rs_name_index names;
    step *step; /* of the graph, without repetition */
    int *node;  /* that made it; -1: the input */
    size_t count;
    int *value; /* the step of each value of the graph */
    flow *flow; /* of each layer */
    char *clause;
} work;

static int find_step(const work *w, const step *s)
{
    for (size_t i = 0; i < w->count; i++)
        if (memcmp(&w->step[i], s, sizeof *s) == 0)
            return (int)i;
    return UNKNOWN;
}

static void set_pair(step *s, int at, size_t h, size_t w)
{
    s->number[at] = h;
    s->number[at + 1] = w;
}

static size_t sum_of(const size_t pad[4])
{
    return pad[0] + pad[1] + pad[2] + pad[3];
}

/* Zeros around what a ReLU gives are as good as nothing there to a maximum. */
static void settle_zeros(const work *w, step *s, bool zeros)
{
    s->number[ZEROS] = zeros && sum_of(&s->number[PAD]) > 0 &&
                       !(s->src[0] >= 0 && w->step[s->src[0]].kind == KIND_RELU);
}

static void sort_sources(step *s)
{
    if (s->src[0] > s->src[1]) {
        const int first = s->src[0];
        s->src[0] = s->src[1];
        s->src[1] = first;
    }
}

/* ---- the graph ----------------------------------------------------------------------------- */

static void take_conv(step *s, const rs_conv2d_attr *a)
{
    set_pair(s, KERNEL, a->kernel_h, a->kernel_w);
    set_pair(s, STRIDE, a->stride_h, a->stride_w);
    set_pair(s, PAD, a->pad_top, a->pad_bottom);
    set_pair(s, PAD + 2, a->pad_left, a->pad_right);
    set_pair(s, DILATION, 1, 1);
    s->number[GROUPS] = a->groups ? a->groups : 1;
}

static void take_pool(const work *w, step *s, const rs_pool_attr *a, const rs_shape *src)
{
    const bool whole = a->global || (a->kernel_h == src->dim[1] && a->kernel_w == src->dim[2]);
    if (s->kind == KIND_AVGPOOL && whole) {
        s->kind = KIND_MEAN;
        return;
    }
    set_pair(s, KERNEL, a->kernel_h, a->kernel_w);
    set_pair(s, STRIDE, a->stride_h, a->stride_w);
    set_pair(s, PAD, a->pad_top, a->pad_bottom);
    set_pair(s, PAD + 2, a->pad_left, a->pad_right);
    settle_zeros(w, s, a->zero_pad);
}

/* The step of a node; KIND_OTHER for one that inference passes over. */
static step step_of_node(const work *w, size_t index)
{
    static const struct {
        const rs_op *op;
        kind kind;
    } kinds[] = {{&rs_op_conv2d, KIND_CONV},     {&rs_op_batchnorm, KIND_NORM},
                 {&rs_op_relu, KIND_RELU},       {&rs_op_add, KIND_ADD},
                 {&rs_op_maxpool, KIND_MAXPOOL}, {&rs_op_avgpool, KIND_AVGPOOL},
                 {&rs_op_dense, KIND_DENSE},     {&rs_op_shortcut, KIND_SHORTCUT}};
    const rs_node *n = &w->graph->node[index];
    step s;
    memset(&s, 0, sizeof s);
    s.node = -1;
    for (size_t i = 0; i < RS_COUNT(kinds); i++)
        if (n->op == kinds[i].op)
            s.kind = (int)kinds[i].kind;
    s.src[0] = w->value[n->src[0]];
    s.src[1] = n->nsrc > 1 ? w->value[n->src[1]] : 0;
    if (s.kind == KIND_ADD)
        sort_sources(&s);
    if (s.kind == KIND_CONV || s.kind == KIND_NORM || s.kind == KIND_SHORTCUT)
        s.node = (int)index;
    if (s.kind == KIND_CONV)
        take_conv(&s, n->attr);
    else if (s.kind == KIND_MAXPOOL || s.kind == KIND_AVGPOOL)
        take_pool(w, &s, n->attr, &w->graph->value[n->src[0]].shape);
    return s;
}

static rescl_status number_graph(work *w)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = w->graph;
    RS_OOM(w->step = calloc(g->nnodes + 1, sizeof *w->step));
    RS_OOM(w->node = calloc(g->nnodes + 1, sizeof *w->node));
    RS_OOM(w->value = calloc(g->nvalues + 1, sizeof *w->value));
    w->step[w->count].kind = KIND_INPUT;
    w->step[w->count].node = -1;
    w->node[w->count++] = -1;
    for (size_t i = 0; i < g->nnodes; i++) {
        const step s = step_of_node(w, i);
        int id = s.kind == KIND_OTHER ? s.src[0] : find_step(w, &s);
        if (id == UNKNOWN) {
            id = (int)w->count++;
            w->step[id] = s;
            w->node[id] = (int)i;
        }
        w->value[g->node[i].dst] = id;
    }
out:
    return st;
}

/* ---- the configuration --------------------------------------------------------------------- */

static bool is_class(const rs_keras_layer *l, const char *class_name)
{
    return strcmp(l->class_name, class_name) == 0;
}

static bool is_conv(const rs_keras_layer *l)
{
    return is_class(l, "Conv2D") || is_class(l, "Convolution2D");
}

/* The graph's node of that name, or -1. */
static int node_of(const work *w, const char *name)
{
    const size_t len = w->prefix ? strlen(w->prefix) : 0;
    if (len > 0 && strncmp(name, w->prefix, len) == 0)
        name += len;
    for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
        const rs_name_entry *e = rs_name_index_find(&w->names, n, name, strlen(name));
        if (e)
            return e->node;
    }
    return -1;
}

/* What "same" adds before and after a map's rows or columns; SIZE_MAX where that is not known. */
static void same_padding(size_t side, size_t kernel, size_t stride, size_t *before, size_t *after)
{
    size_t total = stride == 1 ? kernel - 1 : 0;
    *before = *after = SIZE_MAX;
    if (side == 0 && stride > 1 && kernel > 1)
        return;
    if (side > 0) {
        const size_t span = (side - 1) / stride * stride + kernel;
        total = span > side ? span - side : 0;
    }
    *before = total / 2;
    *after = total - total / 2;
}

/* Kernel, strides and padding, and the side of the map that comes out. */
static size_t take_window(step *s, const rs_keras_layer *l, const flow *from)
{
    size_t side = from->side, reach = 0;
    for (int i = 0; i < 2; i++) {
        s->number[KERNEL + i] = l->kernel[i];
        s->number[STRIDE + i] = l->stride[i];
        s->number[DILATION + i] = l->kernel[i] > 1 ? l->dilation[i] : 1;
        s->number[PAD + 2 * i] = from->pad[2 * i];
        s->number[PAD + 2 * i + 1] = from->pad[2 * i + 1];
        const size_t padded = side ? side + from->pad[2 * i] + from->pad[2 * i + 1] : 0;
        size_t before, after;
        reach = (l->kernel[i] - 1) * s->number[DILATION + i] + 1;
        if (!l->same)
            continue;
        same_padding(padded, reach, l->stride[i], &before, &after);
        s->number[PAD + 2 * i] = before == SIZE_MAX ? before : before + from->pad[2 * i];
        s->number[PAD + 2 * i + 1] = after == SIZE_MAX ? after : after + from->pad[2 * i + 1];
    }
    const size_t wide = side + s->number[PAD] + s->number[PAD + 1];
    return side > 0 && wide >= reach ? (wide - reach) / l->stride[0] + 1 : 0;
}

/* Layers that change nothing in inference. */
static bool passes(const rs_keras_layer *l, const flow *from)
{
    static const char *const quiet[] = {"InputLayer",       "Dropout",
                                        "SpatialDropout2D", "GaussianDropout",
                                        "GaussianNoise",    "Activation",
                                        "RandomFlip",       "RandomRotation",
                                        "RandomZoom",       "RandomTranslation",
                                        "RandomContrast",   "RandomBrightness",
                                        "RandomCrop",       "ActivityRegularization"};
    for (size_t i = 0; i < RS_COUNT(quiet); i++)
        if (is_class(l, quiet[i]))
            return true;
    return (is_class(l, "ReLU") && l->activation) || is_class(l, "Softmax") ||
           (is_class(l, "Rescaling") && from->id == 0);
}

static bool is_mean(const work *w, int id)
{
    return id >= 0 && w->step[id].kind == KIND_MEAN;
}

/* An average over a map, or over what is left of it. */
static step step_of_average(const rs_keras_layer *l, const flow *from, flow *to)
{
    step s;
    memset(&s, 0, sizeof s);
    s.node = -1;
    s.kind = KIND_MEAN;
    to->side = 1;
    if (!is_class(l, "AveragePooling2D"))
        return s;
    const bool known = from->side > 0;
    const bool whole = l->kernel[0] == l->kernel[1] &&
                       (known ? l->kernel[0] == from->side
                              : l->kernel[0] > 1 && l->kernel[0] == l->stride[0] && !l->same);
    if (whole)
        return s;
    s.kind = KIND_AVGPOOL;
    to->side = take_window(&s, l, from);
    s.number[DILATION] = s.number[DILATION + 1] = 0;
    if (sum_of(from->pad) > 0)
        s.kind = KIND_OTHER;
    return s;
}

/* The step of a layer's class, without its activation; false: the layer passes on what it gets. */
static bool step_of_layer(const work *w, const rs_keras_layer *l, flow *to, step *s)
{
    const flow from = *to;
    const size_t pads = sum_of(from.pad);
    const bool average = is_class(l, "AveragePooling2D") || is_class(l, "GlobalAveragePooling2D");
    memset(s, 0, sizeof *s);
    s->node = -1;
    if (passes(l, &from) || (average && from.side == 1 && is_mean(w, from.id)) ||
        (is_class(l, "AveragePooling2D") && l->kernel[0] * l->kernel[1] == 1 &&
         l->stride[0] * l->stride[1] == 1))
        return false;
    if (is_class(l, "ZeroPadding2D")) {
        for (int i = 0; i < 4; i++)
            to->pad[i] += l->pad[i];
        return false;
    }
    if (is_class(l, "Flatten") && !(from.side == 1 && !is_mean(w, from.id)))
        return false;
    memset(to->pad, 0, sizeof to->pad);
    if (is_conv(l) || is_class(l, "MaxPooling2D")) {
        to->side = take_window(s, l, &from);
        s->kind = is_conv(l) ? KIND_CONV : KIND_MAXPOOL;
        s->number[GROUPS] = is_conv(l) ? l->groups : 0;
    } else if (average) {
        *s = step_of_average(l, &from, to);
    } else if (pads > 0) {
        s->kind = KIND_OTHER;
    } else {
        s->kind = is_class(l, "BatchNormalization") ? KIND_NORM
                  : is_class(l, "Dense")            ? KIND_DENSE
                  : is_class(l, "Flatten")          ? KIND_MEAN
                  : l->sums && l->inputs == 2       ? KIND_ADD
                                                    : KIND_OTHER;
    }
    s->src[0] = from.id;
    if (s->kind == KIND_MAXPOOL) {
        s->number[DILATION] = s->number[DILATION + 1] = 0;
        settle_zeros(w, s, pads > 0);
    }
    if (s->kind == KIND_CONV || s->kind == KIND_NORM)
        s->node = node_of(w, l->name);
    return true;
}

/* ---- what differs -------------------------------------------------------------------------- */

static const char *name_of_source(const work *w, int layer)
{
    return layer >= 0                ? w->config->layer[layer].name
           : layer == RS_KERAS_GIVEN ? "the input"
                                     : "what it does not tell";
}

static rescl_status describe_numbers(work *w, const rs_keras_layer *l, const step *own,
                                     const step *has)
{
    static const struct {
        int at;
        const char *what;
    } pairs[] = {{KERNEL, "windows"},
                 {STRIDE, "strides"},
                 {DILATION, "a dilation"},
                 {PAD, "padding above and below"},
                 {PAD + 2, "padding left and right"}};
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < RS_COUNT(pairs) && !w->clause; i++) {
        const size_t *a = &own->number[pairs[i].at], *b = &has->number[pairs[i].at];
        if (a[0] == b[0] && a[1] == b[1])
            continue;
        if (a[0] == SIZE_MAX || a[1] == SIZE_MAX)
            RS_OOM(w->clause = rs_strf("its layer '%.80s' pads 'same' a map of a size that the "
                                       "file does not say",
                                       l->name));
        else
            RS_OOM(w->clause = rs_strf("its layer '%.80s' has %s of (%zu, %zu), where the model "
                                       "has (%zu, %zu)",
                                       l->name, pairs[i].what, a[0], a[1], b[0], b[1]));
    }
    if (!w->clause && own->number[GROUPS] != has->number[GROUPS])
        RS_OOM(w->clause = rs_strf("its layer '%.80s' has %zu groups, where the model has %zu",
                                   l->name, own->number[GROUPS], has->number[GROUPS]));
out:
    return st;
}

/* What the graph does with the same inputs, or the layer of the same name. */
static const step *find_counterpart(const work *w, const step *own)
{
    for (size_t i = 0; i < w->count; i++)
        if (own->node >= 0 ? w->step[i].node == own->node
                           : w->step[i].kind == own->kind && w->step[i].src[0] == own->src[0] &&
                                 w->step[i].src[1] == own->src[1])
            return &w->step[i];
    return NULL;
}

static const char *name_of_step(const work *w, int id)
{
    return id > 0 ? w->graph->node[w->node[id]].name : "the input";
}

static rescl_status describe(work *w, const rs_keras_layer *l, const step *own)
{
    rescl_status st = RESCL_OK;
    const step *has = find_counterpart(w, own);
    if (has && has->kind == own->kind)
        RS_TRY(describe_numbers(w, l, own, has));
    if (w->clause)
        goto out;
    if (l->calls > 1)
        RS_OOM(w->clause = rs_strf("its layer '%.80s' is applied %zu times", l->name, l->calls));
    else if (has && has->kind == own->kind && l->inputs == 1)
        RS_OOM(w->clause =
                   rs_strf("its layer '%.80s' reads '%.80s', where the model's reads "
                           "'%.80s'",
                           l->name, name_of_source(w, l->input[0]), name_of_step(w, has->src[0])));
    else if (l->inputs == 2)
        RS_OOM(w->clause = rs_strf("its layer '%.80s' (%.80s) reads '%.80s' and '%.80s', which the "
                                   "model does not put together",
                                   l->name, l->class_name, name_of_source(w, l->input[0]),
                                   name_of_source(w, l->input[1])));
    else
        RS_OOM(w->clause = rs_strf("its layer '%.80s' (%.80s) reads '%.80s', where the model has "
                                   "no such layer",
                                   l->name, l->class_name, name_of_source(w, l->input[0])));
out:
    return st;
}

/* Numbers what layer `i` gives. `w->clause` tells the first that has no number. */
static rescl_status number_layer(work *w, size_t i)
{
    rescl_status st = RESCL_OK;
    const rs_keras_layer *l = &w->config->layer[i];
    flow *to = &w->flow[i];
    const flow nothing = {.id = UNKNOWN},
               input = {.side = is_class(l, "InputLayer") || l->input[0] < 0 ? w->config->image_size
                                                                             : 0};
    step s;
    *to = l->input[0] == RS_KERAS_GIVEN ? input : l->input[0] >= 0 ? w->flow[l->input[0]] : nothing;
    const bool known = to->id >= 0 && l->calls <= 1, soft = to->softmax;
    const bool acts = step_of_layer(w, l, to, &s);
    if (s.kind == KIND_ADD) {
        const flow *other = l->input[1] >= 0 ? &w->flow[l->input[1]] : &nothing;
        const bool plain = !other->softmax && sum_of(other->pad) == 0;
        s.src[1] = plain ? other->id : UNKNOWN;
        sort_sources(&s);
    }
    if (acts || !known)
        to->id = known && !soft && s.kind != KIND_OTHER ? find_step(w, &s) : UNKNOWN;
    if (to->id == UNKNOWN && !w->clause)
        RS_TRY(describe(w, l, &s));
    if (to->id == UNKNOWN || !l->activation || strcmp(l->activation, "linear") == 0)
        goto out;
    if (strcmp(l->activation, "softmax") == 0) {
        to->softmax = true;
        goto out;
    }
    memset(&s, 0, sizeof s);
    s.node = -1;
    s.kind = strcmp(l->activation, "relu") == 0 ? KIND_RELU : KIND_OTHER;
    s.src[0] = to->id;
    if (s.kind == KIND_RELU && w->step[to->id].kind == KIND_RELU)
        goto out;
    to->id = s.kind == KIND_OTHER || to->softmax ? UNKNOWN : find_step(w, &s);
    if (to->id == UNKNOWN && !w->clause)
        RS_OOM(w->clause = rs_strf("its layer '%.80s' applies %.80s, where the model does not",
                                   l->name, l->activation));
out:
    return st;
}

/* The step in which the graph's body ends. */
static int end_of_body(const work *w)
{
    for (size_t i = 0; i < w->graph->nnodes; i++)
        if (w->graph->node[i].part == RS_PART_HEAD)
            return w->value[w->graph->node[i].src[0]];
    return UNKNOWN;
}

static rescl_status conclude(work *w, bool body)
{
    rescl_status st = RESCL_OK;
    const rs_keras_config *c = w->config;
    const int end = body ? end_of_body(w) : w->value[w->graph->output];
    bool reached = !body && c->outputs == 1 && c->output >= 0 && w->flow[c->output].id == end;
    for (size_t i = 0; body && i < c->count; i++)
        reached = reached || w->flow[i].id == end;
    if (reached && (body || !w->clause)) {
        free(w->clause);
        w->clause = NULL;
    } else if (!w->clause && c->outputs > 1) {
        RS_OOM(w->clause = rs_strf("it has %zu outputs", c->outputs));
    } else if (!w->clause) {
        RS_OOM(w->clause = rs_strf("it ends in '%.80s', and the model in '%.80s'",
                                   name_of_source(w, c->output), name_of_step(w, end)));
    }
out:
    return st;
}

rescl_status rs_keras_config_differs(const rs_keras_config *c, const char *prefix,
                                     const rs_graph *g, bool body, char **out)
{
    rescl_status st = RESCL_OK;
    work w = {.config = c, .graph = g, .prefix = prefix};
    *out = NULL;
    RS_TRY(rs_name_index_add(&w.names, g));
    rs_name_index_sort(&w.names);
    RS_TRY(number_graph(&w));
    RS_OOM(w.flow = calloc(c->count + 1, sizeof *w.flow));
    for (size_t i = 0; i < c->count; i++)
        RS_TRY(number_layer(&w, i));
    RS_TRY(conclude(&w, body));
    *out = w.clause;
    w.clause = NULL;
out:
    rs_name_index_fini(&w.names);
    free(w.step);
    free(w.node);
    free(w.value);
    free(w.flow);
    free(w.clause);
    return st;
}
