#include "exportfile.h"

#include "dtype.h"
#include "error.h"
#include "filtershape.h"
#include "layout.h"
#include "str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RUNNING_VAR "running_var" /* a normalisation's role: batchnorm.c */

/* What is common to the tensors of an export. */
typedef struct job {
    const char *path;
    const rs_graph *graph;
    const rs_weights *weights;
    rs_export_options o;
    const rs_naming_info *library; /* of o.naming */
    double bn_shift;               /* to be added to variances */
    rs_export_tensor *tensor;
    size_t count;
} job;

static rescl_status name_tensor(const job *j, const rs_param *p, rs_export_tensor *t)
{
    rescl_status st = RESCL_OK;
    const rs_node *n = &j->graph->node[p->node];
    const char *role = rs_role_name(n, p, j->o.naming);
    t->layer = rs_layer_name(j->graph, (size_t)p->node, j->o.naming);
    RS_FAIL_IF(!t->layer, RESCL_ERR_UNSUPPORTED, "%s: the model's '%s' has no name in %s", j->path,
               p->name, j->library->name);
    RS_OOM(t->source.name = rs_strf(j->library->keras ? "%s/%s:0" : "%s.%s", t->layer, role));
out:
    return st;
}

static void set_shape(const job *j, const rs_shape *s, rs_st_source *t)
{
    t->ndim = (size_t)s->ndim;
    if (j->library->kcrs)
        rs_layout_dims_to_kcrs(t->ndim, s->dim, t->dim);
    else
        memcpy(t->dim, s->dim, t->ndim * sizeof *t->dim);
}

static rescl_status shift_variances(const job *j, const rs_param *p, float *x, size_t n)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i] + j->bn_shift;
        RS_FAIL_IF(v < 0.0, RESCL_ERR_ARG,
                   "%s: '%s' has the variance %g, too small for the epsilon %g of %s's batch "
                   "normalisation; keep the model's own names (rescl)",
                   j->path, p->name, (double)x[i], j->library->bn_eps, j->library->name);
        x[i] = (float)v;
    }
out:
    return st;
}

static rescl_status fill_tensor(const job *j, size_t param, rs_export_tensor *t)
{
    rescl_status st = RESCL_OK;
    const rs_param *p = &j->graph->param[param];
    const rs_shape filter = rs_filter_shape(j->graph, param);
    const size_t count = j->weights->elems[param];
    float *x = NULL;
    void *data = NULL;
    size_t bad = 0;
    RS_OOM(x = calloc(count, sizeof *x));
    if (j->library->kcrs)
        rs_layout_to_kcrs((size_t)filter.ndim, filter.dim, j->weights->data[param], x);
    else
        memcpy(x, j->weights->data[param], count * sizeof *x);
    if (j->bn_shift != 0.0 && strcmp(p->spec.role, RUNNING_VAR) == 0)
        RS_TRY(shift_variances(j, p, x, count));
    RS_OOM(data = malloc(count * rs_st_dtype_bytes(j->o.dtype)));
    RS_FAIL_IF(!rs_floats_encode(j->o.dtype, x, count, data, &bad), RESCL_ERR_ARG,
               "%s: '%s' holds %g, too large for %s; fp32 has room", j->path, p->name,
               (double)x[bad], rs_st_dtype_name(j->o.dtype));
    set_shape(j, &p->spec.shape, &t->source);
    t->source.dtype = j->o.dtype;
    t->source.data = data;
    data = NULL;
out:
    free(data);
    free(x);
    return st;
}

/* Adds the parameters of a node, but for those that the options leave out. */
static rescl_status add_node(job *j, const rs_node *n)
{
    rescl_status st = RESCL_OK;
    for (int i = 0; i < n->nparam + n->nstate; i++) {
        const int p = i < n->nparam ? n->param[i] : n->state[i - n->nparam];
        if (j->o.no_top && rs_graph_in_head(j->graph, (size_t)p))
            continue;
        RS_TRY(name_tensor(j, &j->graph->param[p], &j->tensor[j->count]));
        RS_TRY(fill_tensor(j, (size_t)p, &j->tensor[j->count++]));
    }
out:
    return st;
}

/* All layers: in the library's order, in which Keras reads them, then those that have no name there,
 * which is an error. */
static rescl_status add_layers(job *j)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = j->graph;
    bool *added = NULL;
    RS_OOM(added = calloc(g->nnodes, sizeof *added));
    for (size_t i = 0; i < g->naliases; i++) {
        const int node = g->alias[i].node;
        if (g->alias[i].naming == j->o.naming && !added[node]) {
            added[node] = true;
            RS_TRY(add_node(j, &g->node[node]));
        }
    }
    for (size_t i = 0; i < g->nnodes; i++)
        if (!added[i])
            RS_TRY(add_node(j, &g->node[i]));
out:
    free(added);
    return st;
}

/* ---- writing ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    rs_st_dtype type;
} dtypes[] = {{"f32", RS_ST_F32},
              {"f16", RS_ST_F16},
              {"bf16", RS_ST_BF16},
              {"fp32", RS_ST_F32},
              {"fp16", RS_ST_F16}};

enum { MOST_WORDS = 2 * RS_NAMINGS + RS_COUNT(dtypes) + 1 };

/* The libraries of the set, by all their names, and the types of the set; ended by NULL. */
static void list_words(unsigned namings, unsigned types, const char *word[MOST_WORDS])
{
    size_t count = 0;
    for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++) {
        if (!(namings & RS_BIT(n)))
            continue;
        word[count++] = rs_naming_get(n)->name;
        if (rs_naming_get(n)->also)
            word[count++] = rs_naming_get(n)->also;
    }
    for (size_t i = 0; i < RS_COUNT(dtypes); i++)
        if (types & RS_BIT(dtypes[i].type))
            word[count++] = dtypes[i].name;
    word[count] = NULL;
}

/* "a, b or c" */
static rescl_status append_words(rs_str *text, const char *const *word)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; word[i]; i++)
        RS_TRY(rs_str_appendf(text, "%s%s", i == 0 ? "" : word[i + 1] ? ", " : " or ", word[i]));
out:
    return st;
}

/* "safetensors goes with rescl, torchvision or timm, HDF5 goes with keras or keras1" */
static rescl_status append_formats(rs_str *text)
{
    rescl_status st = RESCL_OK;
    const char *word[MOST_WORDS];
    for (size_t i = 0; rs_formats[i]; i++) {
        if (!rs_formats[i]->write)
            continue;
        RS_TRY(rs_str_appendf(text, "%s%s goes with ", i ? ", " : "", rs_formats[i]->title));
        list_words(rs_formats[i]->namings, 0, word);
        RS_TRY(append_words(text, word));
    }
out:
    return st;
}

rescl_status rs_export_settle(const char *path, const rescl_export_options *o,
                              rs_export_options *out)
{
    rescl_status st = RESCL_OK;
    const char *dtype = o->dtype ? o->dtype : dtypes[0].name, *word[MOST_WORDS];
    size_t i = 0;
    out->no_top = o->no_top;
    out->format = o->format ? rs_format_get(o->format) : rs_format_of_path(path);
    if (!out->format) {
        st = rs_no_such_name("format", o->format, rescl_weights_formats());
        goto out;
    }
    out->naming = out->format->naming;
    list_words(~0u, 0, word);
    if (o->names && !rs_naming_parse(o->names, &out->naming))
        RS_TRY(rs_no_such_name("library with names", o->names, word));
    while (i < RS_COUNT(dtypes) && strcmp(dtypes[i].name, dtype) != 0)
        i++;
    list_words(0, ~0u, word);
    if (i == RS_COUNT(dtypes))
        RS_TRY(rs_no_such_name("type", dtype, word));
    out->dtype = dtypes[i].type;
out:
    return st;
}

/* ".pth" of a path, or NULL; what follows the last point of "resnet50-v1.5" is none. */
static const char *ending_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot > name && isalpha((unsigned char)dot[1]) ? dot : NULL;
}

/* A name that promises another format is a mistake. */
static rescl_status check_ending(const char *path, const rs_format *format)
{
    rescl_status st = RESCL_OK;
    const char *ending = ending_of(path);
    bool known = false;
    rs_str all = {0};
    RS_FAIL_IF(
        rs_ends_with(path, ".weights.h5"), RESCL_ERR_ARG,
        "%s: Keras 3 reads files of this ending in a form of its own; rescl writes the one that "
        "it reads from '.h5'",
        path);
    for (const char *const *own = format->suffix; *own; own++)
        if (!ending || strcasecmp(*own, ending) == 0)
            goto out;
    for (size_t i = 0; rs_formats[i]; i++)
        for (const char *const *own = rs_formats[i]->suffix; rs_formats[i]->write && *own; own++) {
            known = known || strcasecmp(*own, ending) == 0;
            RS_TRY(rs_str_appendf(&all, "%s%s for %s", all.len ? ", " : "", *own,
                                  rs_formats[i]->title));
        }
    RS_FAIL_IF(!known, RESCL_ERR_ARG, "%s: rescl writes no '%s' files; the endings are %s", path,
               ending, all.text);
    RS_FAIL(RESCL_ERR_ARG, "%s: %s files do not end in '%s'; the endings are %s", path,
            format->title, ending, all.text);
out:
    rs_str_fini(&all);
    return st;
}

static rescl_status check_options(const char *path, const rs_export_options *o)
{
    rescl_status st = RESCL_OK;
    const char *const title = o->format->title, *word[MOST_WORDS];
    rs_str all = {0};
    if (!(o->format->namings & RS_BIT(o->naming))) {
        RS_TRY(append_formats(&all));
        RS_FAIL(RESCL_ERR_ARG, "%s: %s has no names of %s; %s", path, title,
                rs_naming_get(o->naming)->name, all.text);
    }
    if (!(o->format->dtypes & RS_BIT(o->dtype))) {
        list_words(0, RS_BIT(o->dtype), word);
        RS_TRY(rs_str_appendf(&all, "%s; take ", word[0]));
        list_words(0, o->format->dtypes, word);
        RS_TRY(append_words(&all, word));
        RS_FAIL(RESCL_ERR_ARG, "%s: %s has no %s", path, title, all.text);
    }
    RS_TRY(check_ending(path, o->format));
out:
    rs_str_fini(&all);
    return st;
}

rescl_status rs_export(const char *path, const rs_graph *g, const rs_weights *w,
                       const rs_ckpt_model *model, const rs_export_options *options)
{
    rescl_status st = RESCL_OK;
    const rs_naming_info *library = rs_naming_get(options->naming);
    const double eps = library->bn_eps;
    job j = {.path = path, .graph = g, .weights = w, .o = *options, .library = library};
    rs_ckpt_model about = *model;
    char *text = NULL;

    RS_TRY(check_options(path, options));
    if (eps > 0.0 && model->bn_eps > 0.0 && (float)eps != (float)model->bn_eps) {
        j.bn_shift = model->bn_eps - eps;
        about.bn_eps = (double)(float)eps; /* as the model that is read again has it */
    }
    RS_OOM(j.tensor = calloc(g->nparams + 1, sizeof *j.tensor));
    RS_TRY(add_layers(&j));
    RS_TRY(rs_ckpt_model_text(&about, &text));
    const rs_export_job file = {path, text, options->naming, j.tensor, j.count};
    RS_TRY(options->format->write(&file));
out:
    for (size_t i = 0; j.tensor && i <= j.count && i < g->nparams; i++) {
        free((void *)(uintptr_t)j.tensor[i].source.name);
        free((void *)(uintptr_t)j.tensor[i].source.data);
    }
    free(j.tensor);
    free(text);
    return st;
}
