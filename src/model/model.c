/* Creating models by name and describing them. */
#include "attr.h"
#include "error.h"
#include "grey.h"
#include "netmodel.h"
#include "optionvalue.h"
#include "str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const rs_model_def *const families[] = {
#define RS_FAMILY(stem) rs_family_##stem,
#include "models.def"
#undef RS_FAMILY
};

#define MOST_MODELS 127

/* Names of all models, made once. */
static const char *model_names[MOST_MODELS + 1];

static void make_names(void)
{
    size_t count = 0;
    for (size_t f = 0; f < RS_COUNT(families); f++)
        for (const rs_model_def *d = families[f]; d->name && count < MOST_MODELS; d++)
            model_names[count++] = d->name;
}

const char *const *rescl_model_names(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_names);
    return model_names;
}

static const rs_model_def *find_model(const char *name)
{
    for (size_t f = 0; f < RS_COUNT(families); f++)
        for (const rs_model_def *d = families[f]; d->name; d++)
            if (strcmp(d->name, name) == 0)
                return d;
    return NULL;
}

bool rs_model_is_published(const rescl_model *m, rs_naming library)
{
    const rs_model_def *d = find_model(m->name);
    return d && m->hidden == 0 && (d->libraries >> library & 1) != 0;
}

const char *rescl_model_about(const char *name)
{
    const rs_model_def *d = find_model(name);
    return d ? d->about : NULL;
}

/* "a, b, c": every model. */
static rescl_status list_models(rs_str *all)
{
    rescl_status st = RESCL_OK;
    for (const char *const *n = rescl_model_names(); *n; n++)
        RS_TRY(rs_str_appendf(all, "%s%s", all->len ? ", " : "", *n));
out:
    return st;
}

const char *rescl_loss_name(rescl_loss loss)
{
    switch (loss) {
    case RESCL_LOSS_CROSS_ENTROPY:
        return "cross_entropy";
    case RESCL_LOSS_BCE:
        return "bce";
    case RESCL_LOSS_FOCAL:
        return "focal";
    }
    return NULL;
}

/* A threshold divides the image's class from the others, whose targets label smoothing brings together. */
static rescl_status check_threshold(const rescl_model_options *o)
{
    rescl_status st = RESCL_OK;
    const double others = o->label_smoothing / (double)o->classes;
    const double own = 1.0 - o->label_smoothing + others;
    RS_FAIL_IF(!(o->bce_target_thresh >= 0.0 && o->bce_target_thresh < 1.0), RESCL_ERR_ARG,
               "bce_target_thresh %g: expected at least 0 and below 1", o->bce_target_thresh);
    RS_FAIL_IF(
        o->bce_target_thresh > 0.0 &&
            !(o->bce_target_thresh > others && o->bce_target_thresh < own),
        RESCL_ERR_ARG,
        "bce_target_thresh %g: label smoothing of %g makes the targets of %zu classes %g and "
        "%g, expected a threshold between",
        o->bce_target_thresh, o->label_smoothing, o->classes, others, own);
out:
    return st;
}

/* The numbers of other losses become 0. */
static rescl_status settle_loss(rescl_model_options *o)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!rescl_loss_name(o->loss), RESCL_ERR_ARG, "there is no loss number %d",
               (int)o->loss);
    RS_FAIL_IF(
        o->multi_label && o->loss == RESCL_LOSS_CROSS_ENTROPY, RESCL_ERR_ARG,
        "the loss cross_entropy chooses one class, and multi_label takes any number: expected "
        "bce or focal (--loss bce)");
    RS_FAIL_IF(o->multi_label && o->label_smoothing > 0.0, RESCL_ERR_ARG,
               "label smoothing of %g and multi_label: smoothing shares one label out among all "
               "classes, and here each class has a target of its own; expected 0",
               o->label_smoothing);
    if (o->loss == RESCL_LOSS_BCE)
        RS_TRY(check_threshold(o));
    else
        o->bce_target_thresh = 0.0;
    if (o->loss != RESCL_LOSS_FOCAL)
        o->focal_gamma = o->focal_alpha = 0.0;
    RS_FAIL_IF(!(o->focal_gamma >= 0.0 && o->focal_gamma <= 100.0), RESCL_ERR_ARG,
               "focal_gamma %g: expected 0 to 100", o->focal_gamma);
    RS_FAIL_IF(!(o->focal_alpha <= 1.0), RESCL_ERR_ARG, "focal_alpha %g: expected 1 at most",
               o->focal_alpha);
    if (o->focal_alpha < 0.0)
        o->focal_alpha = -1.0;
out:
    return st;
}

static rs_loss loss_of(const rescl_model_options *o)
{
    return (rs_loss){.sigmoid = o->loss != RESCL_LOSS_CROSS_ENTROPY,
                     .label_smoothing = (float)o->label_smoothing,
                     .threshold = (float)o->bce_target_thresh,
                     .gamma = (float)o->focal_gamma,
                     .alpha = o->loss == RESCL_LOSS_FOCAL ? (float)o->focal_alpha : -1.0f,
                     .rows = o->multi_label};
}

/* Defaults filled in and ranges checked. */
static rescl_status settle_options(const rs_model_def *def, const rescl_model_options *given,
                                   rescl_model_options *o)
{
    rescl_status st = RESCL_OK;
    *o = *given;
    if (o->classes == 0)
        o->classes = def->classes;
    if (o->image_size == 0)
        o->image_size = def->image_size;
    if (o->channels == 0)
        o->channels = 3;
    if (o->bit_depth == 0)
        o->bit_depth = 8;
    RS_FAIL_IF(o->classes > 1000000, RESCL_ERR_ARG, "classes %zu: expected 1 to 1000000",
               o->classes);
    RS_FAIL_IF(o->image_size < 8 || o->image_size > 8192, RESCL_ERR_ARG,
               "image size %zu: expected 8 to 8192", o->image_size);
    RS_FAIL_IF(o->channels != 1 && o->channels != 3 && o->channels != 4, RESCL_ERR_ARG,
               "channels %zu: expected 3, for red, green and blue, 4, for those and alpha or "
               "another one, or 1, for grey images",
               o->channels);
    RS_FAIL_IF(o->bit_depth != 8 && o->bit_depth != 16, RESCL_ERR_ARG,
               "bit_depth %zu: expected 8 or 16", o->bit_depth);
    RS_FAIL_IF(o->hidden > 1000000, RESCL_ERR_ARG, "hidden %zu: expected 0 to 1000000", o->hidden);
    RS_FAIL_IF(!(o->dropout >= 0.0 && o->dropout < 1.0), RESCL_ERR_ARG,
               "dropout %g: expected at least 0 and below 1", o->dropout);
    RS_FAIL_IF(!(o->stochastic_depth >= 0.0 && o->stochastic_depth < 1.0), RESCL_ERR_ARG,
               "stochastic depth %g: expected at least 0 and below 1", o->stochastic_depth);
    RS_FAIL_IF(!(o->label_smoothing >= 0.0 && o->label_smoothing < 1.0), RESCL_ERR_ARG,
               "label smoothing %g: expected at least 0 and below 1", o->label_smoothing);
    RS_TRY(settle_loss(o));
out:
    return st;
}

static rescl_status copy_class_names(rescl_model *m, const char *const *names)
{
    rescl_status st = RESCL_OK;
    RS_OOM(m->class_name = calloc(m->classes, sizeof *m->class_name));
    for (size_t i = 0; i < m->classes; i++) {
        RS_FAIL_IF(names && !names[i], RESCL_ERR_ARG, "class_names: name %zu of %zu is NULL", i,
                   m->classes);
        RS_FAIL_IF(names && !rs_is_utf8(names[i]), RESCL_ERR_ARG,
                   "class_names: name %zu of %zu is not UTF-8, and files keep no other names", i,
                   m->classes);
        RS_OOM(m->class_name[i] = names ? rs_strf("%s", names[i]) : rs_strf("%zu", i));
    }
out:
    return st;
}

rescl_status rs_model_build(const rescl_model_options *options, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rescl_model *m = NULL;
    rescl_model_options o;
    rs_value x, logits;
    const rs_model_def *def = NULL;
    rs_str all = {0};

    RS_FAIL_IF(!options->name, RESCL_ERR_ARG, "no model is named");
    def = find_model(options->name);
    if (!def) {
        const char *near = rs_nearest(options->name, rescl_model_names());
        RS_TRY(list_models(&all));
        RS_FAIL(RESCL_ERR_NOT_FOUND, "there is no model '%s'%s%s%s; there are %s", options->name,
                near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", all.text);
    }
    RS_TRY(settle_options(def, options, &o));
    RS_OOM(m = calloc(1, sizeof *m));
    RS_OOM(m->name = rs_strf("%s", o.name));
    m->classes = o.classes;
    m->image_size = o.image_size;
    m->channels = o.channels;
    m->hidden = o.hidden;
    m->dropout = o.dropout;
    m->label_smoothing = o.label_smoothing;
    m->loss = o.loss;
    m->multi_label = o.multi_label;
    m->bce_target_thresh = o.bce_target_thresh;
    m->focal_gamma = o.focal_gamma;
    m->focal_alpha = o.focal_alpha;
    m->stochastic_depth = o.stochastic_depth;
    m->seed = o.seed;
    m->preprocess = def->preprocess;
    m->normalize = (rescl_normalize){{0, 0, 0, 0}, {1, 1, 1, 1}};
    RS_TRY(copy_class_names(m, o.class_names));
    RS_TRY(rs_graph_create(&m->graph));
    m->graph->bit_depth = o.bit_depth;
    RS_TRY(rs_graph_input(m->graph, o.image_size, o.image_size, o.channels, &x));
    st = def->build(m->graph, def->spec, &o, &logits);
    if (st != RESCL_OK) {
        rs_error_prefix("%s at %zux%zu", o.name, o.image_size, o.image_size);
        goto out;
    }
    const rs_loss loss = loss_of(&o);
    RS_TRY(rs_graph_finish(m->graph, logits, &loss));
    *out = m;
    m = NULL;
out:
    rescl_model_destroy(m);
    rs_str_fini(&all);
    return st;
}

static const rescl_model_options default_options = {.focal_gamma = 2.0, .focal_alpha = 0.25};

void rescl_model_options_init(rescl_model_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &default_options, sizeof *out);
}

rescl_status rescl_model_create(const rescl_model_options *options, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rescl_model_options o = default_options;
    rescl_model *m = NULL;

    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_model_options"));
    RS_TRY(rs_model_build(&o, &m));
    RS_TRY(rs_weights_create(m->graph, &m->weights));
    rs_weights_init(m->graph, &m->weights, m->seed);
    *out = m;
    m = NULL;
out:
    rescl_model_destroy(m);
    return st;
}

rescl_status rescl_model_describe(const rescl_model_options *options, rescl_model **out)
{
    rescl_status st = RESCL_OK;
    rescl_model_options o = default_options;

    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_model_options"));
    RS_TRY(rs_model_build(&o, out));
out:
    return st;
}

rescl_status rs_model_need_weights(const rescl_model *m)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(m->weights.count == 0, RESCL_ERR_ARG,
               "%s has no weights: it is of rescl_model_describe; make it by rescl_model_create",
               m->name);
out:
    return st;
}

void rescl_model_destroy(rescl_model *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->class_name && i < m->classes; i++)
        free(m->class_name[i]);
    free(m->class_name);
    for (size_t i = 0; m->class_alias && i < m->classes; i++)
        free(m->class_alias[i]);
    free(m->class_alias);
    free(m->frozen);
    free(m->name);
    rs_weights_fini(&m->weights);
    rs_graph_destroy(m->graph);
    free(m);
}

/* ---- describing -------------------------------------------------------------------------- */

/* Layer 0 of the summary is the input, the loss is not one. */
static size_t layer_count(const rescl_model *m)
{
    return m->graph->nnodes;
}

static void count_node(const rs_graph *g, const rs_node *n, size_t *params, size_t *trainable)
{
    *params = *trainable = 0;
    for (int i = 0; i < n->nparam; i++)
        *params += rs_shape_count(&g->param[n->param[i]].spec.shape);
    *trainable = rs_graph_trains(g, n) ? *params : 0;
    for (int i = 0; i < n->nstate; i++)
        *params += rs_shape_count(&g->param[n->state[i]].spec.shape);
}

static double node_macs(const rs_graph *g, size_t node)
{
    rs_problem p;
    const rs_op *op = g->node[node].op;
    if (!op->macs || rs_graph_problem(g, node, 1, false, &p) != RESCL_OK)
        return 0.0;
    return op->macs(&p);
}

rescl_normalize rs_model_normalize(const rescl_model *m, const rescl_normalize *n)
{
    rescl_normalize own = *n;
    for (size_t c = 0; c < RS_PIXEL_CHANNELS; c++)
        if (m->channels == 1 || (c == 3 && m->channels == 4 && !(n->std[c] > 0.0))) {
            own.mean[c] = rs_mean_of_three(n->mean);
            own.std[c] = rs_mean_of_three(n->std);
        }
    return own;
}

static rescl_normalize get_normalize(const rescl_model *m)
{
    switch (m->preprocess) {
    case RESCL_PREPROCESS_TORCH:
        return rs_model_normalize(m,
                                  &(rescl_normalize){{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}});
    case RESCL_PREPROCESS_UNIT:
        return (rescl_normalize){{0, 0, 0, 0}, {1, 1, 1, 1}};
    case RESCL_PREPROCESS_NORMALIZE:
        return m->normalize;
    default:
        return (rescl_normalize){{0, 0, 0}, {0, 0, 0}};
    }
}

void rescl_model_get_info(const rescl_model *m, rescl_model_info *out)
{
    *out = (rescl_model_info){.name = m->name,
                              .classes = m->classes,
                              .image_size = m->image_size,
                              .channels = m->channels,
                              .bit_depth = m->graph->bit_depth,
                              .hidden = m->hidden,
                              .dropout = m->dropout,
                              .layers = layer_count(m),
                              .preprocess = m->preprocess,
                              .normalize = get_normalize(m),
                              .resize = m->resize,
                              .trained_on = m->trained_on,
                              .sample_bits = m->sample_bits,
                              .loss = m->loss,
                              .multi_label = m->multi_label,
                              .stochastic_depth = m->stochastic_depth};
    for (size_t i = 0; i < m->graph->nnodes; i++) {
        size_t params, trainable;
        count_node(m->graph, &m->graph->node[i], &params, &trainable);
        out->params += params;
        out->trainable += trainable;
        out->macs += node_macs(m->graph, i);
    }
}

rescl_status rescl_model_set_resize(rescl_model *m, const rescl_resize *resize)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF((unsigned)resize->interpolation > RESCL_INTERPOLATION_NEAREST, RESCL_ERR_ARG,
               "there is no interpolation number %d", (int)resize->interpolation);
    RS_FAIL_IF(resize->resize_size != 0 && resize->resize_size < m->image_size, RESCL_ERR_ARG,
               "resize size %zu: expected at least %zu, the size of the input", resize->resize_size,
               m->image_size);
    m->resize = *resize;
out:
    return st;
}

rescl_status rescl_model_set_tta(rescl_model *m, rescl_tta tta)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF((unsigned)tta > RESCL_TTA_TEN_CROP, RESCL_ERR_ARG,
               "there is no test-time augmentation number %d", (int)tta);
    RS_FAIL_IF(tta == RESCL_TTA_TEN_CROP && m->resize.resize_size <= m->image_size, RESCL_ERR_ARG,
               "ten_crop: images are resized to %zu, the size of the input, where all crops of a "
               "square image are equal; resize them to more, such as %zu (--val-resize-size)",
               m->image_size, m->image_size + m->image_size / 7);
    m->tta = tta;
out:
    return st;
}

void rescl_model_set_precision(rescl_model *m, rescl_precision precision)
{
    m->precision = precision;
}

void rescl_model_set_check_numerics(rescl_model *m, bool on)
{
    m->check_numerics = on;
}

void rescl_model_set_preprocess(rescl_model *m, rescl_preprocess preprocess)
{
    m->preprocess = preprocess;
}

rescl_status rescl_model_set_normalize(rescl_model *m, const rescl_normalize *normalize)
{
    rescl_status st = RESCL_OK;
    const size_t own = m->channels == 4 && normalize->std[3] != 0.0 ? 4 : 3;
    for (size_t c = 0; c < own; c++) {
        RS_FAIL_IF(!(normalize->mean[c] >= 0.0 && normalize->mean[c] <= 1.0), RESCL_ERR_ARG,
                   "mean %g: expected that of x / 255, from 0 to 1", normalize->mean[c]);
        RS_FAIL_IF(!(normalize->std[c] > 0.0 && normalize->std[c] <= 1.0), RESCL_ERR_ARG,
                   "std %g: expected that of x / 255, above 0 and at most 1", normalize->std[c]);
    }
    m->preprocess = RESCL_PREPROCESS_NORMALIZE;
    m->normalize = rs_model_normalize(m, normalize);
out:
    return st;
}

const char *rescl_model_class_name(const rescl_model *m, size_t index)
{
    return index < m->classes ? m->class_name[index] : NULL;
}

/* Keras tells apart what is one op here. */
static const char *layer_type(const rs_node *n)
{
    const rs_pool_attr *pool = n->attr;
    if (n->op == &rs_op_avgpool && pool->global)
        return "GlobalAveragePooling2D";
    return n->op->layer;
}

static void set_layer_shape(rescl_layer_info *layer, const rs_shape *s)
{
    layer->ndim = (size_t)s->ndim - 1;
    for (int i = 1; i < s->ndim; i++)
        layer->shape[i - 1] = s->dim[i];
}

bool rescl_model_get_layer_info(const rescl_model *m, size_t index, rescl_layer_info *out)
{
    const rs_graph *g = m->graph;
    const rs_node *n;
    *out = (rescl_layer_info){.name = "input", .type = "InputLayer"};
    if (index >= layer_count(m))
        return false;
    if (index == 0) {
        set_layer_shape(out, &g->value[g->input].shape);
        return true;
    }
    n = &g->node[index - 1];
    out->name = n->name;
    out->type = layer_type(n);
    out->macs = node_macs(g, index - 1);
    out->ninputs = (size_t)n->nsrc;
    set_layer_shape(out, &g->value[n->dst].shape);
    count_node(g, n, &out->params, &out->trainable);
    for (int i = 0; i < n->nsrc; i++) {
        const int producer = g->value[n->src[i]].producer;
        out->inputs[i] = producer < 0 ? "input" : g->node[producer].name;
    }
    return true;
}
