#include "exportfile.h"

#include "dtype.h"
#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

/* What is common to the tensors of an export. */
typedef struct job {
    const char *path;
    const rs_graph *graph;
    const rs_weights *weights;
    rs_export_options o;
    size_t classes;
    double bn_eps;   /* that the file's variances are for */
    double bn_shift; /* to be added to them */
    rs_export_tensor *tensor;
    size_t count;
} job;

static bool keras_names(rs_naming naming)
{
    return naming == RS_NAMING_KERAS || naming == RS_NAMING_KERAS1;
}

static rescl_status name_tensor(const job *j, const rs_param *p, rs_export_tensor *t)
{
    rescl_status st = RESCL_OK;
    const char *role;
    char *name;
    if (j->o.naming == RS_NAMING_RESCL) {
        RS_OOM(name = strdup(p->name));
    } else {
        RS_FAIL_IF(!rs_tensor_parse(p->name, &t->place, NULL), RESCL_ERR_UNSUPPORTED,
                   "%s: the model's '%s' has no name in %s", j->path, p->name,
                   rs_naming_name(j->o.naming));
        rs_layer_format(&t->place.layer, j->o.naming, j->classes, t->layer);
        role = rs_role_format(&t->place, j->o.naming);
        RS_OOM(name = j->o.hdf5 ? rs_strf("%s/%s:0", t->layer, role)
                                : rs_strf("%s.%s", t->layer, role));
    }
    t->source.name = name;
out:
    return st;
}

/* (r, s, c, k) -> (k, c, r, s); (in, out) -> (out, in). */
static void transpose(const rs_shape *from, const float *src, float *dst)
{
    const bool filter = from->ndim == 4;
    const size_t taps = filter ? from->dim[0] * from->dim[1] : 1;
    const size_t in = filter ? from->dim[2] : from->dim[0], out = from->dim[from->ndim - 1];
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < in; c++)
            for (size_t k = 0; k < out; k++)
                dst[(k * in + c) * taps + tap] = src[(tap * in + c) * out + k];
}

static void set_shape(const job *j, const rs_shape *s, rs_st_source *t)
{
    const size_t *d = s->dim;
    const bool kcrs = j->o.naming == RS_NAMING_TORCHVISION;
    t->ndim = (size_t)s->ndim;
    memcpy(t->dim, d, t->ndim * sizeof *d);
    if (kcrs && s->ndim == 4)
        t->dim[0] = d[3], t->dim[1] = d[2], t->dim[2] = d[0], t->dim[3] = d[1];
    else if (kcrs && s->ndim == 2)
        t->dim[0] = d[1], t->dim[1] = d[0];
}

static rescl_status shift_variances(const job *j, const rs_param *p, float *x, size_t n)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i] + j->bn_shift;
        RS_FAIL_IF(v < 0.0, RESCL_ERR_ARG,
                   "%s: '%s' has the variance %g, too small for the epsilon %g of %s's batch "
                   "normalisation; keep the model's own names (rescl)",
                   j->path, p->name, (double)x[i], j->bn_eps, rs_naming_name(j->o.naming));
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
    const bool kcrs = j->o.naming == RS_NAMING_TORCHVISION;
    float *x = NULL;
    void *data = NULL;
    size_t bad = 0;
    RS_OOM(x = calloc(count, sizeof *x));
    if (kcrs && (shape->ndim == 4 || shape->ndim == 2))
        transpose(shape, j->weights->data[param], x);
    else
        memcpy(x, j->weights->data[param], count * sizeof *x);
    if (j->bn_shift != 0.0 && t->place.role == RS_ROLE_RUNNING_VAR)
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

/* ---- order --------------------------------------------------------------------------------- */

/* Keras reads weights by the order of its layers. In a block the shortcut's layers stand beside
 * those of the last unit: before them since 2019, after them until then. A basic block has two units,
 * and 2 comes before 3 there too. */
static int compare(const rs_export_tensor *a, const rs_export_tensor *b, bool shortcut_first)
{
    const rs_layer_place *x = &a->place.layer, *y = &b->place.layer;
    const long key[][2] = {
        {x->kind == RS_LAYER_DENSE, y->kind == RS_LAYER_DENSE},
        {!x->stem, !y->stem},
        {(long)x->stage, (long)y->stage},
        {(long)x->block, (long)y->block},
        {x->unit ? (long)x->unit : 3, y->unit ? (long)y->unit : 3},
        {x->kind, y->kind},
        {(x->unit == 0) != shortcut_first, (y->unit == 0) != shortcut_first},
        {a->place.role, b->place.role},
    };
    for (size_t i = 0; i < RS_COUNT(key); i++)
        if (key[i][0] != key[i][1])
            return key[i][0] < key[i][1] ? -1 : 1;
    return 0;
}

static int by_keras(const void *a, const void *b)
{
    return compare(a, b, true);
}

static int by_keras1(const void *a, const void *b)
{
    return compare(a, b, false);
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
    RS_FAIL_IF(o->hdf5 != keras_names(o->naming), RESCL_ERR_ARG,
               "%s: %s has no names of %s; HDF5 goes with keras or keras1, safetensors with rescl, "
               "torchvision or timm",
               path, o->hdf5 ? "HDF5" : "safetensors", rs_naming_name(o->naming));
    RS_FAIL_IF(o->hdf5 && o->dtype == RS_ST_BF16, RESCL_ERR_ARG,
               "%s: HDF5 has no bf16; take f32 or f16", path);
out:
    return st;
}

rescl_status rs_export(const char *path, const rs_graph *g, const rs_weights *w,
                       const rs_ckpt_model *model, const rs_export_options *options)
{
    rescl_status st = RESCL_OK;
    const double eps = rs_naming_bn_eps(options->naming);
    job j = {.path = path, .graph = g, .weights = w, .o = *options, .classes = model->classes};
    rs_ckpt_model about = *model;
    char *text = NULL;

    RS_TRY(check_options(path, options));
    j.bn_eps = eps;
    if (eps > 0.0 && model->bn_eps > 0.0 && (float)eps != (float)model->bn_eps) {
        j.bn_shift = model->bn_eps - eps;
        about.bn_eps = (double)(float)eps; /* as the model that is read again has it */
    }
    RS_OOM(j.tensor = calloc(g->nparams + 1, sizeof *j.tensor));
    for (size_t i = 0; i < g->nparams; i++) {
        if (options->no_top && g->param[i].head)
            continue;
        RS_TRY(name_tensor(&j, &g->param[i], &j.tensor[j.count]));
        RS_TRY(fill_tensor(&j, i, &j.tensor[j.count++]));
    }
    if (options->hdf5)
        qsort(j.tensor, j.count, sizeof *j.tensor,
              options->naming == RS_NAMING_KERAS ? by_keras : by_keras1);
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
