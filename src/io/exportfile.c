#include "exportfile.h"

#include "dtype.h"
#include "error.h"
#include "layout.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

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
    const rs_shape *shape = &p->spec.shape;
    const size_t count = j->weights->elems[param];
    float *x = NULL;
    void *data = NULL;
    size_t bad = 0;
    RS_OOM(x = calloc(count, sizeof *x));
    if (j->library->kcrs)
        rs_layout_to_kcrs((size_t)shape->ndim, shape->dim, j->weights->data[param], x);
    else
        memcpy(x, j->weights->data[param], count * sizeof *x);
    if (j->bn_shift != 0.0 && strcmp(p->spec.role, RUNNING_VAR) == 0)
        RS_TRY(shift_variances(j, p, x, count));
    RS_OOM(data = malloc(count * rs_st_dtype_bytes(j->o.dtype)));
    RS_FAIL_IF(!rs_floats_encode(j->o.dtype, x, count, data, &bad), RESCL_ERR_ARG,
               "%s: '%s' holds %g, too large for %s; bf16 and f32 have room", j->path, p->name,
               (double)x[bad], rs_st_dtype_name(j->o.dtype));
    set_shape(j, shape, &t->source);
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

static rescl_status write_safetensors(const job *j, const char *model)
{
    rescl_status st = RESCL_OK;
    const bool own = j->o.naming == RS_NAMING_RESCL;
    rs_st_source *list = NULL;
    const rs_st_meta meta[] = {
        {"format", own ? "rescl" : "pt"},
        {own ? "format_version" : "filter_layout", own ? "1" : "KCRS"},
        {own ? "model" : RS_MODEL_KEY, model},
        {"filter_layout", "RSCK"},
    };
    RS_OOM(list = calloc(j->count + 1, sizeof *list));
    for (size_t i = 0; i < j->count; i++)
        list[i] = j->tensor[i].source;
    RS_TRY(rs_st_write(j->path, meta, own ? 4 : 3, list, j->count));
out:
    free(list);
    return st;
}

static rescl_status check_options(const char *path, const rs_export_options *o)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(o->hdf5 != rs_naming_get(o->naming)->keras, RESCL_ERR_ARG,
               "%s: %s has no names of %s; HDF5 goes with keras or keras1, safetensors with rescl, "
               "torchvision or timm",
               path, o->hdf5 ? "HDF5" : "safetensors", rs_naming_get(o->naming)->name);
    RS_FAIL_IF(o->hdf5 && o->dtype == RS_ST_BF16, RESCL_ERR_ARG,
               "%s: HDF5 has no bf16; take f32 or f16", path);
out:
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
    if (options->hdf5)
        RS_TRY(rs_keras_write(path, text, j.tensor, j.count));
    else
        RS_TRY(write_safetensors(&j, text));
out:
    for (size_t i = 0; j.tensor && i <= j.count && i < g->nparams; i++) {
        free((void *)(uintptr_t)j.tensor[i].source.name);
        free((void *)(uintptr_t)j.tensor[i].source.data);
    }
    free(j.tensor);
    free(text);
    return st;
}
