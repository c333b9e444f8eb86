#include "misfit.h"

#include "dtype.h"
#include "error.h"
#include "kerasgraph.h"
#include "layout.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the file is of ------------------------------------------------------------------- */

/* What a configuration, if the file has one, computes otherwise than the graph: a clause on the heap, or
 * NULL. Without a last layer the body alone counts. */
static rescl_status find_difference(const rs_wfile *f, const rs_graph *g, bool body, char **out)
{
    const rs_wfile_about *a = rs_wfile_describe(f);
    *out = NULL;
    if (!a->keras || a->model)
        return RESCL_OK;
    return rs_keras_config_differs(a->keras, a->prefix, g, body || a->classes == 0, out);
}

rescl_status rs_misfit_list_fitting(const rs_wfile *f, rs_str *out)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_about *a = rs_wfile_describe(f);
    const size_t classes = a->classes, hidden = a->hidden, tensors = rs_wfile_candidates(f);
    for (const char *const *name = rescl_model_names(); *name; name++) {
        const rescl_model_options o = {.name = *name, .classes = classes, .hidden = hidden};
        rescl_model *m = NULL;
        rs_matching found = {0};
        bool fits = false;
        /* A file of more tensors than the model has needs no comparing. */
        if (rs_model_build(&o, &m) == RESCL_OK && tensors <= m->graph->nparams &&
            rs_wfile_match(f, m->graph, &found) == RESCL_OK)
            fits = found.of[RS_RESHAPED] + found.of[RS_UNEXPECTED] == 0 &&
                   found.of[RS_MISSING] <= (classes ? 0 : 2) && found.of[RS_MATCHED] > 0;
        char *differs = NULL;
        if (fits && find_difference(f, m->graph, false, &differs) != RESCL_OK)
            fits = false;
        fits = fits && !differs;
        free(differs);
        rs_matching_fini(&found);
        rescl_model_destroy(m);
        if (fits)
            RS_TRY(rs_str_appendf(out, "%s%s", out->len ? ", " : "", *name));
    }
out:
    return st;
}

/* What parts of names tell of networks that rescl has no model of. */
static const struct {
    const char *part, *tells;
} marks[] = {
    {"cls_token", "it is of a vision transformer"},
    {"class_token", "it is of a vision transformer"},
    {"embedder.", "it has the names of Hugging Face's transformers, which rescl does not read"},
    {"denseblock", "it is of a DenseNet"},
    {"features.", "it is of a network of 'features', such as VGG, DenseNet or MobileNet"},
    {"stages.", "it is of a network of 'stages', such as ConvNeXt, RegNet or a ResNet v2 of timm"},
    {".se.conv.", "it has efficient channel attention (ecaresnet)"},
    {".se.", "it has squeeze and excitation (seresnet, resnetrs)"},
    {".attn.", "it has attention"},
    {".gn1.", "it has group normalisation"},
    {"conv1.0.", "it has a deep stem (resnet50d and its kin)"},
    {"downsample.2.", "it pools before a shortcut's convolution (resnet50d and its kin)"},
    {"downsample.0.", "its shortcuts have convolutions"},
};

/* Whether the file has a normalisation's weight and bias, but not what they are applied to. */
static bool lacks_statistics(const rs_graph *g, const rs_matching *m)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (g->node[i].nstate > 0)
            return m->item[g->node[i].param[0]].state == RS_MATCHED &&
                   m->item[g->node[i].state[0]].state == RS_MISSING;
    return false;
}

static const char *tell_kind(const rs_wfile *f, const rs_graph *g, const rs_matching *m)
{
    for (size_t k = 0; k < RS_COUNT(marks); k++)
        for (size_t i = 0; i < m->count; i++)
            if (m->item[i].state == RS_UNEXPECTED &&
                strstr(rs_wfile_at(f, m->item[i].tensor)->key, marks[k].part))
                return marks[k].tells;
    if (lacks_statistics(g, m))
        return "its normalisations have no running statistics, as group normalisation";
    return NULL;
}

/* ---- what does not fit --------------------------------------------------------------------- */

static rescl_status append_dims(rs_str *text, size_t ndim, const size_t *dim)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < ndim; i++)
        RS_TRY(rs_str_appendf(text, "%s%zu", i ? ", " : "(", dim[i]));
    RS_TRY(rs_str_append(text, ndim ? ")" : "()"));
out:
    return st;
}

/* "'layer1.0.conv1.weight' (64, 64, 1, 1)", as the file has it. */
static rescl_status append_tensor(rs_str *text, const rs_wfile_tensor *t)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_str_appendf(text, "'%.80s' ", t->name));
    RS_TRY(append_dims(text, t->ndim, t->dim));
out:
    return st;
}

static rescl_status append_more(rs_str *text, size_t more)
{
    return more > 0 ? rs_str_appendf(text, " and %zu more", more) : RESCL_OK;
}

/* A parameter by the name that the file's library gives it. */
static rescl_status append_param(rs_str *text, const rs_wfile *f, const rs_graph *g, int param)
{
    const rs_naming naming = rs_wfile_describe(f)->naming;
    const rs_param *p = &g->param[param];
    const rs_node *n = &g->node[p->node];
    const char *layer = rs_layer_name(g, (size_t)p->node, naming);
    if (!layer)
        return rs_str_appendf(text, "'%s'", p->name);
    return rs_str_appendf(text, rs_naming_get(naming)->keras ? "'%s/%s'" : "'%s.%s'", layer,
                          rs_role_name(n, p, naming));
}

static rescl_status append_reshaped(rs_str *text, const rs_wfile *f, const rs_graph *g,
                                    const rs_match *first, size_t more)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_tensor *t = rs_wfile_at(f, first->tensor);
    const rs_shape *own = &g->param[first->param].spec.shape;
    size_t dim[RS_MAX_DIMS];
    memcpy(dim, own->dim, sizeof dim);
    if (rs_wfile_describe(f)->kcrs)
        rs_layout_dims_to_kcrs((size_t)own->ndim, own->dim, dim);
    RS_TRY(append_tensor(text, t));
    RS_TRY(rs_str_append(text, ", which has to be "));
    RS_TRY(append_dims(text, (size_t)own->ndim, dim));
    RS_TRY(append_more(text, more));
out:
    return st;
}

/* Whether the tensor is of a dense layer that Keras wrote without saying what follows it. */
static bool lacks_config(const rs_wfile *f, const rs_match *unexpected)
{
    const rs_wfile_about *a = rs_wfile_describe(f);
    const rs_wfile_tensor *t = rs_wfile_at(f, unexpected->tensor);
    return rs_naming_get(a->naming)->keras && !a->model && !a->keras && !a->head && t->ndim == 2;
}

typedef struct trouble {
    const rs_match *missing, *reshaped, *unexpected; /* the first of each, or NULL */
    size_t of[RS_MATCH_STATES];
    const rs_match *three; /* the first of three values that is passed over, or NULL */
} trouble;

/* What is there goes before what is not. */
static rescl_status describe(const rs_wfile *f, const rescl_model *model, const rs_matching *m,
                             const trouble *t, rs_str *text)
{
    rescl_status st = RESCL_OK;
    rs_str fitting = {0};
    const rs_wfile_about *a = rs_wfile_describe(f);
    const rs_graph *g = model->graph;
    const char *kind = tell_kind(f, g, m);
    if (t->unexpected) {
        const rs_wfile_tensor *first = rs_wfile_at(f, t->unexpected->tensor);
        RS_TRY(rs_str_append(text, "; it holds "));
        RS_TRY(append_tensor(text, first));
        RS_TRY(append_more(text, t->of[RS_UNEXPECTED] - 1));
        if (rs_dtype_readable(first->dtype))
            RS_TRY(rs_str_appendf(text, ", for which %s has no place", model->name));
        else
            RS_TRY(rs_str_appendf(text, " of type %s, which rescl does not read",
                                  rs_st_dtype_name(first->dtype)));
    }
    if (t->reshaped) {
        RS_TRY(rs_str_append(text, t->unexpected ? "; " : "; it holds "));
        RS_TRY(append_reshaped(text, f, g, t->reshaped, t->of[RS_RESHAPED] - 1));
    }
    if (t->missing) {
        RS_TRY(rs_str_append(text, "; it holds no tensor "));
        RS_TRY(append_param(text, f, g, t->missing->param));
        RS_TRY(append_more(text, t->of[RS_MISSING] - 1));
        RS_TRY(rs_str_appendf(text, " of the model's %zu parameters", g->nparams));
    }
    RS_TRY(rs_misfit_list_fitting(f, &fitting));
    if (t->unexpected && lacks_config(f, t->unexpected))
        RS_TRY(rs_str_append(text,
                             "; what comes between dense layers is told by a file of the whole "
                             "model alone: write it with model.save('model.keras')"));
    else if (t->unexpected && a->keras && !a->head)
        RS_TRY(rs_str_append(text, "; its dense layers are none of rescl's heads, which are one "
                                   "Dense, or a Dense with a ReLU before it"));
    else if (fitting.len > 0)
        RS_TRY(rs_str_appendf(text, "; its tensors fit %s", fitting.text));
    else if (kind)
        RS_TRY(rs_str_appendf(text, "; %s: no model of rescl's", kind));
    else
        RS_TRY(rs_str_append(text, "; its tensors fit no model of rescl's"));
out:
    rs_str_fini(&fitting);
    return st;
}

/* ---- what a mode accepts ------------------------------------------------------------------- */

/* Beyond so many unexpected tensors they are taken for the network's own, unseen. */
enum { MOST_OF_HEADS = 256 };

/* The first part of a tensor's name, or all of the layer's in Keras' names. */
static const char *top_of(const rs_wfile_tensor *t, size_t *len)
{
    const bool keras = t->named && strchr(t->key, '/');
    *len = keras ? t->parts.len : strcspn(t->key, "./");
    return keras ? t->parts.layer : t->key;
}

/* Whether a layer of the model's body is called so, or its name begins so, in any library. */
static bool is_of_body(const rs_graph *g, const char *top, size_t len)
{
    for (size_t i = 0; i < g->nnodes; i++)
        for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
            const char *name = rs_layer_name(g, i, n);
            if (g->node[i].part != RS_PART_HEAD && name && strncmp(name, top, len) == 0 &&
                (name[len] == '\0' || name[len] == '.'))
                return true;
        }
    return false;
}

/* Whether the tensor is of another head, which fine-tuning replaces: it stands beside the network that
 * the prefix leads to, or under a name that the body has not and that holds matrices, but no filters. */
static bool is_of_other_head(const rs_wfile *f, const rs_graph *g, size_t index)
{
    const rs_wfile_tensor *t = rs_wfile_at(f, index);
    size_t len, other_len;
    const char *top = top_of(t, &len);
    bool matrix = false;
    if (rs_wfile_describe(f)->prefix && t->key == t->name)
        return true;
    if (is_of_body(g, top, len))
        return false;
    for (size_t i = 0; i < rs_wfile_count(f); i++) {
        const rs_wfile_tensor *other = rs_wfile_at(f, i);
        const char *other_top = top_of(other, &other_len);
        if (other_len != len || memcmp(other_top, top, len) != 0)
            continue;
        if (other->ndim > 2)
            return false;
        matrix = matrix || other->ndim == 2;
    }
    return matrix;
}

/* As a mean or standard deviation of each colour. */
static bool has_three(const rs_wfile_tensor *t)
{
    size_t values = 1;
    for (size_t i = 0; i < t->ndim; i++)
        values *= t->dim[i] <= 3 ? t->dim[i] : 0;
    return values == 3 && rs_dtype_readable(t->dtype);
}

/* Whether the first `len` bytes of a name tell of a loss or a measure: one of the words stands in them,
 * or they begin as names of Lightning's metrics. */
static bool is_measure(const char *name, size_t len)
{
    static const char *const words[] = {"criterion", "loss", "metric"}, *const starts[] = {
                                                                            "train_", "val_",
                                                                            "valid_", "test_"};
    for (size_t w = 0; w < RS_COUNT(words); w++)
        for (size_t i = 0; i + strlen(words[w]) <= len; i++)
            if (strncmp(name + i, words[w], strlen(words[w])) == 0)
                return true;
    for (size_t s = 0; s < RS_COUNT(starts); s++)
        if (strncmp(name, starts[s], strlen(starts[s])) == 0)
            return true;
    return false;
}

/* Whether the tensor is of the training alone: it stands beside the network that the prefix leads to,
 * and is of a loss or measure, of integers, or has a value for each colour. What else is of floats, such
 * as a scale of logits, may be of the network. */
static bool is_of_training(const rs_wfile *f, size_t index)
{
    const rs_wfile_tensor *t = rs_wfile_at(f, index);
    size_t len;
    const char *top = top_of(t, &len);
    if (!rs_wfile_describe(f)->prefix || t->key != t->name)
        return false;
    const bool integers = t->dtype == RS_ST_I64 || t->dtype == RS_ST_I32 || t->dtype == RS_ST_BOOL;
    return integers || is_measure(top, len) || (has_three(t) && !t->named);
}

/* Counts what the mode does not accept. */
static trouble find_trouble(const rs_wfile *f, const rs_graph *g, const rs_matching *m,
                            rescl_load_mode mode)
{
    const bool body = mode == RESCL_LOAD_BODY || mode == RESCL_LOAD_COMPLETE_BODY;
    const bool exact = mode == RESCL_LOAD_STRICT || mode == RESCL_LOAD_BODY;
    trouble t = {0};
    for (size_t i = 0; i < m->count; i++) {
        const rs_match *item = &m->item[i];
        if (item->state == RS_UNEXPECTED) {
            const bool few = m->of[RS_UNEXPECTED] <= MOST_OF_HEADS;
            if (!exact || (body && few && is_of_other_head(f, g, item->tensor)))
                continue;
            if (few && m->of[RS_MISSING] + m->of[RS_RESHAPED] == 0 &&
                is_of_training(f, item->tensor)) {
                t.three = t.three || !has_three(rs_wfile_at(f, item->tensor)) ? t.three : item;
                continue;
            }
            t.unexpected = t.unexpected ? t.unexpected : item;
        } else if (item->state != RS_MATCHED) {
            if (body && rs_graph_in_head(g, (size_t)item->param))
                continue;
            if (item->state == RS_MISSING)
                t.missing = t.missing ? t.missing : item;
            else
                t.reshaped = t.reshaped ? t.reshaped : item;
        }
        t.of[item->state]++;
    }
    return t;
}

/* Parameters are missing because the file has them as numbers of a type that is not read. */
static rescl_status refuse_types(const rs_wfile *f, const rs_matching *m)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_tensor *first = NULL;
    rs_str others = {0};
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const rs_wfile_tensor *t = rs_wfile_at(f, m->item[i].tensor);
        if (m->item[i].state == RS_UNEXPECTED && !rs_dtype_readable(t->dtype)) {
            first = first ? first : t;
            count++;
        }
    }
    if (!first)
        goto out;
    RS_TRY(append_more(&others, count - 1));
    if (others.len)
        RS_TRY(rs_str_append(&others, " are"));
    const bool narrow = first->dtype == RS_ST_F8_E4M3 || first->dtype == RS_ST_F8_E5M2;
    RS_FAIL(RESCL_ERR_NOT_FOUND, "%s: '%.80s'%s of type %s; rescl reads F64, F32, F16 and BF16: %s",
            rs_wfile_describe(f)->path, first->name, others.len ? others.text : " is",
            rs_st_dtype_name(first->dtype),
            narrow ? "write them so, in Python: value.float()"
                   : "give the weights as they were before they were quantised");
out:
    rs_str_fini(&others);
    return st;
}

rescl_status rs_misfit_check(const rs_wfile *f, const rescl_model *model, const rs_matching *m,
                             rescl_load_mode mode)
{
    rescl_status st = RESCL_OK;
    const rs_wfile_about *a = rs_wfile_describe(f);
    const bool exact = mode == RESCL_LOAD_STRICT || mode == RESCL_LOAD_BODY;
    const bool body = mode == RESCL_LOAD_BODY || mode == RESCL_LOAD_COMPLETE_BODY;
    rs_str text = {0};
    char *differs = NULL;
    if (mode == RESCL_LOAD_PARTIAL) {
        RS_FAIL_IF(m->of[RS_MATCHED] == 0, RESCL_ERR_NOT_FOUND,
                   "%s: none of its %zu tensors is the model's; is it of another model?", a->path,
                   rs_wfile_count(f));
        goto out;
    }
    RS_FAIL_IF(exact && a->model && strcmp(a->model->name, model->name) != 0, RESCL_ERR_FORMAT,
               "%s: says that it is of %s, and is to be loaded as %s", a->path, a->model->name,
               model->name);
    RS_FAIL_IF(
        mode == RESCL_LOAD_STRICT && !a->model && a->classes == 1, RESCL_ERR_FORMAT,
        "%s: its last layer has one unit, which answers a question of yes or no by a sigmoid; "
        "rescl tells classes apart by softmax: give it a last layer of 2",
        a->path);
    RS_FAIL_IF(mode == RESCL_LOAD_STRICT && a->unlike, RESCL_ERR_FORMAT,
               "%s: is of another network than %s: %s", a->path, model->name, a->unlike);
    const trouble t = find_trouble(f, model->graph, m, mode);
    if (t.missing)
        RS_TRY(refuse_types(f, m));
    if (!t.missing && !t.reshaped && !t.unexpected) {
        RS_TRY(find_difference(f, model->graph, body, &differs));
        if (t.three)
            rs_log(RESCL_LOG_WARN,
                   "%s: if its network prepares images by '%.80s', say so with --mean and --std",
                   a->path, rs_wfile_at(f, t.three->tensor)->name);
        RS_FAIL_IF(exact && differs, RESCL_ERR_FORMAT, "%s: is of another network than %s: %s",
                   a->path, model->name, differs);
        if (differs)
            rs_log(RESCL_LOG_WARN,
                   "%s: is of another network than %s: %s; what it gives is not "
                   "what it was trained for",
                   a->path, model->name, differs);
        goto out;
    }
    RS_TRY(describe(f, model, m, &t, &text));
    RS_FAIL(t.missing    ? RESCL_ERR_NOT_FOUND
            : t.reshaped ? RESCL_ERR_SHAPE
                         : RESCL_ERR_FORMAT,
            "%s: these are no weights of %s%s", a->path, model->name, text.text);
out:
    free(differs);
    rs_str_fini(&text);
    return st;
}
