#include "weightfile.h"

#include "alloc.h"
#include "catalogue.h"
#include "dtype.h"
#include "error.h"
#include "filtershape.h"
#include "keyprefix.h"
#include "layout.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGENET_CLASSES 1000

struct rs_wfile {
    const rs_format *format;
    char *path, *prefix, *head;
    rs_wfile_list list;
    rs_wfile_about about;
};

/* ---- what is in it ------------------------------------------------------------------------- */

/* The shape that the tensor has in rescl's layout. */
static rs_shape shape_of(const rs_wfile *f, const rs_wfile_tensor *t)
{
    rs_shape s = {0};
    if (t->ndim > RS_MAX_DIMS)
        return s;
    s.ndim = (int)t->ndim;
    if (f->list.kcrs)
        rs_layout_dims_to_rsck(t->ndim, t->dim, s.dim);
    else
        memcpy(s.dim, t->dim, t->ndim * sizeof *t->dim);
    return s;
}

/* The library that explains the most of the tensors' names, and by it the number of classes. Where
 * two explain as many, the names are of none. Users name the last layer as they like: it decides
 * only where the body leaves it open. */
static rs_naming recognise_naming(rs_wfile *f, const rs_name_index *layers)
{
    enum { BODY = 1000 }; /* what a tensor of it counts in those of the last layer */
    size_t explained[RS_NAMINGS] = {0};
    rs_naming best = RS_NAMING_RESCL;
    bool tied = false;
    for (size_t i = 0; i < f->list.count; i++) {
        const rs_wfile_tensor *t = &f->list.tensor[i];
        for (rs_naming n = RS_NAMING_TORCHVISION; t->named && n < RS_NAMINGS; n++) {
            const rs_name_entry *e = rs_name_index_find(layers, n, t->parts.layer, t->parts.len);
            explained[n] += !e ? 0 : e->output ? 1 : BODY;
            if (e && e->output && t->shape.ndim == 2) /* the weight */
                f->about.classes = t->shape.dim[1];
        }
    }
    for (rs_naming n = RS_NAMING_TORCHVISION; n < RS_NAMINGS; n++) {
        if (explained[n] > explained[best]) {
            best = n;
            tied = false;
        } else {
            tied = tied || explained[n] == explained[best];
        }
    }
    return tied ? RS_NAMING_RESCL : best;
}

static void parse_names(rs_wfile *f)
{
    const size_t len = f->prefix ? strlen(f->prefix) : 0;
    for (size_t i = 0; i < f->list.count; i++) {
        rs_wfile_tensor *t = &f->list.tensor[i];
        t->key = len > 0 && strncmp(t->name, f->prefix, len) == 0 ? t->name + len : t->name;
        t->named = rs_tensor_name_parse(t->key, &t->parts);
    }
}

static bool has_layer(const rs_name_index *layers, const rs_tensor_name *t)
{
    for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++)
        if (rs_name_index_find(layers, n, t->layer, t->len))
            return true;
    return false;
}

static bool is_layer(const rs_tensor_name *t, const char *name)
{
    return name && strlen(name) == t->len && memcmp(name, t->layer, t->len) == 0;
}

/* The matrix of a layer, or NULL. */
static const rs_wfile_tensor *matrix_of(const rs_wfile *f, const char *layer)
{
    for (size_t i = 0; i < f->list.count; i++) {
        const rs_wfile_tensor *t = &f->list.tensor[i];
        if (t->shape.ndim == 2 && t->named && t->parts.role &&
            strcmp(t->parts.role, "weight") == 0 && is_layer(&t->parts, layer))
            return t;
    }
    return NULL;
}

/* The head as the file describes it. */
static void take_head(rs_wfile *f)
{
    rs_wfile_about *a = &f->about;
    const rs_wfile_tensor *output = matrix_of(f, f->list.output);
    const rs_wfile_tensor *hidden = matrix_of(f, f->list.hidden);
    if (!output)
        return;
    a->classes = output->shape.dim[1];
    a->head = f->list.output;
    if (hidden) {
        a->before_head = f->list.hidden;
        a->hidden = hidden->shape.dim[1];
    }
}

/* Users call the last layer as they like: where it has no library's name, it is the only matrix
 * whose layer no library has. */
static rescl_status find_head(rs_wfile *f, const rs_name_index *layers)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_tensor *head = NULL;
    if (f->about.classes > 0)
        goto out;
    for (size_t i = 0; i < f->list.count; i++) {
        const rs_wfile_tensor *t = &f->list.tensor[i];
        if (t->shape.ndim != 2 || (t->named && (!t->parts.role || has_layer(layers, &t->parts))))
            continue;
        if (head || !t->named || strcmp(t->parts.role, "weight") != 0)
            goto out;
        head = t;
    }
    if (head) {
        RS_OOM(f->head = rs_strf("%.*s", (int)head->parts.len, head->parts.layer));
        f->about.head = f->head;
        f->about.classes = head->shape.dim[1];
    }
out:
    return st;
}

static void take_normalize(rs_wfile_about *a, const rescl_normalize *n)
{
    bool unit = true;
    for (size_t c = 0; c < 3; c++)
        unit = unit && n->mean[c] <= 0.0 && n->std[c] >= 1.0;
    a->has_preprocess = true;
    a->preprocess = unit ? RESCL_PREPROCESS_UNIT : RESCL_PREPROCESS_NORMALIZE;
    a->normalize = *n;
}

/* What the names tell; what the file says itself goes before. */
static rescl_status conclude(rs_wfile *f)
{
    rescl_status st = RESCL_OK;
    rs_wfile_about *a = &f->about;
    rs_catalogue all = {0};
    for (size_t i = 0; i < f->list.count; i++)
        f->list.tensor[i].shape = shape_of(f, &f->list.tensor[i]);
    parse_names(f);
    if (!f->list.own || !a->model) {
        RS_TRY(rs_catalogue_init(&all));
        RS_TRY(rs_key_prefix(f->path, &f->list, &all.index, &f->prefix));
        a->prefix = f->prefix;
        parse_names(f);
        const rs_naming naming = recognise_naming(f, &all.index);
        a->naming = f->list.own ? RS_NAMING_RESCL : naming;
        take_head(f);
        RS_TRY(find_head(f, &all.index));
    }
    if (a->model) {
        a->classes = a->model->classes;
        a->hidden = a->model->hidden;
    }
    a->unlike = f->list.unlike;
    a->keras = f->list.keras;
    const rs_naming_info *library = rs_naming_get(a->naming);
    a->bn_eps = a->model               ? a->model->bn_eps
                : f->list.bn_eps > 0.0 ? f->list.bn_eps
                                       : library->bn_eps;
    a->image_size = a->model ? a->model->image_size : f->list.image_size;
    a->has_preprocess =
        a->model || a->naming == RS_NAMING_TORCHVISION ||
        ((a->classes == 0 || a->classes == IMAGENET_CLASSES) && a->naming != RS_NAMING_RESCL);
    a->preprocess = a->model ? a->model->preprocess : library->preprocess;
    a->says_preprocess = a->model || f->list.rescales;
    if (a->model)
        a->normalize = a->model->normalize;
    else if (f->list.rescales)
        take_normalize(a, &f->list.normalize);
out:
    rs_catalogue_fini(&all);
    return st;
}

rescl_status rs_wfile_open(const char *path, rs_wfile **out)
{
    rescl_status st = RESCL_OK;
    rs_wfile *f = NULL;
    RS_OOM(f = calloc(1, sizeof *f));
    RS_OOM(f->path = strdup(path));
    f->about.path = f->path;
    RS_TRY(rs_format_find(path, &f->format));
    f->about.format = f->format->name;
    RS_TRY(f->format->open(path, &f->list));
    f->about.model = f->list.model;
    f->about.kcrs = f->list.kcrs;
    RS_TRY(conclude(f));
    *out = f;
    f = NULL;
out:
    rs_wfile_close(f);
    return st;
}

void rs_wfile_close(rs_wfile *f)
{
    if (!f)
        return;
    if (f->list.file)
        f->format->close(f->list.file);
    free(f->list.tensor);
    free(f->head);
    free(f->prefix);
    free(f->path);
    free(f);
}

const rs_wfile_about *rs_wfile_describe(const rs_wfile *f)
{
    return &f->about;
}

size_t rs_wfile_count(const rs_wfile *f)
{
    return f->list.count;
}

const rs_wfile_tensor *rs_wfile_at(const rs_wfile *f, size_t index)
{
    return index < f->list.count ? &f->list.tensor[index] : NULL;
}

/* ---- values -------------------------------------------------------------------------------- */

/* `shape` has as many values as the tensor: its own, or that of the filter that a matrix is. */
static rescl_status read_as(const rs_wfile *f, size_t index, const rs_shape *shape, float *dst)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_tensor *t = &f->list.tensor[index];
    const size_t count = rs_shape_count(&t->shape);
    const bool turn = f->list.kcrs && rs_layout_differs(t->ndim);
    float *straight = NULL;
    void *raw = NULL;

    RS_FAIL_IF(t->shape.ndim == 0, RESCL_ERR_SHAPE, "%s: tensor '%.80s' has %zu dimensions",
               f->path, t->name, t->ndim);
    if (t->dtype == RS_ST_F32 && !turn) {
        RS_TRY(f->format->read(f->list.file, t->source, dst));
        goto out;
    }
    RS_OOM(raw = malloc(count * rs_st_dtype_bytes(t->dtype) + 1));
    RS_TRY(f->format->read(f->list.file, t->source, raw));
    if (!turn) {
        rs_floats_decode(t->dtype, raw, count, dst);
        goto out;
    }
    RS_OOM(straight = malloc(count * sizeof *straight + 1));
    rs_floats_decode(t->dtype, raw, count, straight);
    rs_layout_to_rsck((size_t)shape->ndim, shape->dim, straight, dst);
out:
    free(straight);
    free(raw);
    return st;
}

rescl_status rs_wfile_read(const rs_wfile *f, size_t index, float *dst)
{
    return read_as(f, index, &f->list.tensor[index].shape, dst);
}

/* ---- held against a graph ------------------------------------------------------------------ */

/* Counters do not: torch's, also those that stand alone, such as n_averaged of its AveragedModel. */
static bool takes_part(const rs_wfile_tensor *t)
{
    const bool number = t->ndim == 0 && !rs_dtype_readable(t->dtype);
    return !number && !(t->named && t->parts.counter);
}

size_t rs_wfile_candidates(const rs_wfile *f)
{
    size_t count = 0;
    for (size_t i = 0; i < f->list.count; i++)
        count += takes_part(&f->list.tensor[i]);
    return count;
}

/* The parameter of a node that has the role, or -1. */
static int param_of(const rs_graph *g, const rs_node *n, const char *role)
{
    for (int i = 0; i < n->nparam; i++)
        if (strcmp(g->param[n->param[i]].spec.role, role) == 0)
            return n->param[i];
    for (int i = 0; i < n->nstate; i++)
        if (strcmp(g->param[n->state[i]].spec.role, role) == 0)
            return n->state[i];
    return -1;
}

/* Of the layer that models have before the last one where they are asked for it. */
static int find_hidden(const rs_graph *g, const char *role)
{
    char name[64];
    snprintf(name, sizeof name, "hidden.%s", role);
    return rs_graph_find_param(g, name);
}

/* The graph's parameter that tensor `t` is, or -1. */
static int find_param(const rs_wfile *f, const rs_graph *g, const rs_name_index *layers,
                      const rs_wfile_tensor *t)
{
    const rs_tensor_name *name = &t->parts;
    const int same_name = rs_graph_find_param(g, t->key);
    if (same_name >= 0 || !t->named || name->counter)
        return same_name;
    if (is_layer(name, f->about.head))
        return param_of(g, &g->node[g->value[g->output].producer], name->role);
    if (is_layer(name, f->about.before_head))
        return find_hidden(g, name->role);
    const rs_name_entry *e = rs_name_index_find(layers, f->about.naming, name->layer, name->len);
    for (rs_naming n = RS_NAMING_RESCL; !e && n < RS_NAMINGS; n++)
        e = rs_name_index_find(layers, n, name->layer, name->len);
    return e ? param_of(g, &g->node[e->node], name->role) : -1;
}

/* Whether parameter `p` and `t` are the first convolution of networks for images of `own` channels and
 * of `other`. */
static bool is_stem(const rs_graph *g, const rs_param *p, const rs_shape *t, size_t own,
                    size_t other)
{
    const rs_shape *s = &p->spec.shape;
    return s->ndim == 4 && t->ndim == 4 && g->node[p->node].src[0] == g->input &&
           s->dim[2] == own && t->dim[2] == other && t->dim[0] == s->dim[0] &&
           t->dim[1] == s->dim[1] && t->dim[3] == s->dim[3];
}

/* A tensor against the parameter of its name. */
static rs_match hold(const rs_graph *g, int param, const rs_shape *shape, size_t tensor)
{
    const rs_param *p = &g->param[param];
    rs_match m = {.state = RS_MATCHED, .param = param, .tensor = tensor};
    m.spread = is_stem(g, p, shape, 3, 1);
    m.summed = is_stem(g, p, shape, 1, 3);
    m.repeated = is_stem(g, p, shape, 4, 3);
    if (!m.spread && !m.summed && !m.repeated && !rs_shape_equal(shape, &p->spec.shape))
        m.state = RS_RESHAPED;
    return m;
}

rescl_status rs_wfile_match(const rs_wfile *f, const rs_graph *g, rs_matching *out)
{
    rescl_status st = RESCL_OK;
    rs_matching m = {0};
    rs_name_index layers = {0};

    RS_TRY(rs_name_index_add(&layers, g));
    rs_name_index_sort(&layers);
    RS_OOM(m.item = calloc(g->nparams + f->list.count + 1, sizeof *m.item));
    m.count = g->nparams;
    for (size_t p = 0; p < g->nparams; p++)
        m.item[p] = (rs_match){.state = RS_MISSING, .param = (int)p, .tensor = SIZE_MAX};
    for (size_t i = 0; i < f->list.count; i++) {
        const rs_wfile_tensor *t = &f->list.tensor[i];
        const int p = rs_dtype_readable(t->dtype) ? find_param(f, g, &layers, t) : -1;
        if (!takes_part(t))
            continue;
        if (p < 0 || m.item[p].state != RS_MISSING)
            m.item[m.count++] = (rs_match){.state = RS_UNEXPECTED, .param = -1, .tensor = i};
        else
            m.item[p] = hold(g, p, &t->shape, i);
    }
    for (size_t i = 0; i < m.count; i++)
        m.of[m.item[i].state]++;
    *out = m;
    m = (rs_matching){0};
out:
    rs_matching_fini(&m);
    rs_name_index_fini(&layers);
    return st;
}

void rs_matching_fini(rs_matching *m)
{
    free(m->item);
    *m = (rs_matching){0};
}

/* A grey image as one of `shape`'s channels that are all alike gives the same sums. */
static rescl_status read_spread(const rs_wfile *f, size_t index, const rs_shape *shape, float *dst)
{
    rescl_status st = RESCL_OK;
    const size_t channels = shape->dim[2], filters = shape->dim[3];
    const size_t places = shape->dim[0] * shape->dim[1];
    float *one = NULL;
    RS_OOM(one = malloc(places * filters * sizeof *one + 1));
    RS_TRY(rs_wfile_read(f, index, one));
    for (size_t i = 0; i < places * channels; i++)
        for (size_t k = 0; k < filters; k++)
            dst[i * filters + k] = one[i / channels * filters + k] / (float)channels;
out:
    free(one);
    return st;
}

/* timm's adapt_input_conv: channels in turn, scaled so that sums stay as large. */
static rescl_status read_repeated(const rs_wfile *f, size_t index, const rs_shape *shape,
                                  float *dst)
{
    rescl_status st = RESCL_OK;
    const size_t channels = shape->dim[2], filters = shape->dim[3];
    const size_t places = shape->dim[0] * shape->dim[1];
    float *three = NULL;
    RS_OOM(three = malloc(places * 3 * filters * sizeof *three + 1));
    RS_TRY(rs_wfile_read(f, index, three));
    for (size_t i = 0; i < places; i++)
        for (size_t c = 0; c < channels; c++)
            for (size_t k = 0; k < filters; k++)
                dst[(i * channels + c) * filters + k] =
                    three[(i * 3 + c % 3) * filters + k] * (3.0f / (float)channels);
out:
    free(three);
    return st;
}

/* A grey image gives the same sums as one whose channels are all alike, by their weights' sums. */
static rescl_status read_summed(const rs_wfile *f, size_t index, const rs_shape *shape, float *dst)
{
    rescl_status st = RESCL_OK;
    const size_t filters = shape->dim[3], places = shape->dim[0] * shape->dim[1];
    float *all = NULL;
    RS_OOM(all = malloc(places * 3 * filters * sizeof *all + 1));
    RS_TRY(rs_wfile_read(f, index, all));
    for (size_t i = 0; i < places; i++)
        for (size_t k = 0; k < filters; k++) {
            const float *at = all + i * 3 * filters + k;
            dst[i * filters + k] = at[0] + at[filters] + at[2 * filters];
        }
out:
    free(all);
    return st;
}

rescl_status rs_wfile_load(const rs_wfile *f, const rs_graph *g, const rs_matching *m,
                           rs_weights *w)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < m->count; i++) {
        const rs_match *found = &m->item[i];
        if (found->state != RS_MATCHED)
            continue;
        const rs_shape filter = rs_filter_shape(g, (size_t)found->param);
        if (found->spread)
            RS_TRY(read_spread(f, found->tensor, &filter, w->data[found->param]));
        else if (found->repeated)
            RS_TRY(read_repeated(f, found->tensor, &filter, w->data[found->param]));
        else if (found->summed)
            RS_TRY(read_summed(f, found->tensor, &filter, w->data[found->param]));
        else
            RS_TRY(read_as(f, found->tensor, &filter, w->data[found->param]));
    }
out:
    return st;
}
