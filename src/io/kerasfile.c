#include "kerasfile.h"

#include "dtype.h"
#include "error.h"
#include "h5file.h"
#include "kerasconfig.h"
#include "str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MODEL "model_weights" /* the group of a whole model that holds its weights */
#define CONFIG      "model_config"
#define MAX_DEPTH   32 /* of groups */

/* ---- the first form ------------------------------------------------------------------------ */

/* Whether `name` is `layer`, or layer_<n>: TensorFlow 1 counts what has the same name in a graph. */
static bool is_called(const char *name, size_t len, const char *layer)
{
    const size_t n = strlen(layer);
    if (len < n || memcmp(name, layer, n) != 0)
        return false;
    size_t i = n + (len > n && name[n] == '_');
    if (len > n && i == len)
        return false;
    while (i < len && isdigit((unsigned char)name[i]))
        i++;
    return len == n || (name[n] == '_' && i == len);
}

/* "layer/role:0" of a weight's name below the group of `layer`: a path, whose last two parts these
 * are, but that the group has the layer's name. Keras 1's has no slash. */
static rescl_status put_name(rs_str *out, const char *layer, const char *weight)
{
    rescl_status st = RESCL_OK;
    const char *role = strrchr(weight, '/'), *inner = role;
    while (inner && inner > weight && inner[-1] != '/')
        inner--;
    out->len = 0;
    if (!role || is_called(inner, (size_t)(role - inner), layer))
        RS_TRY(rs_str_appendf(out, "%s/%s", layer, role ? role + 1 : weight));
    else
        RS_TRY(rs_str_append(out, inner));
out:
    return st;
}

/* Weights of one layer, or of a model that is one. */
static rescl_status scan_named_layer(rs_h5_scan *scan, const char *group, const char *layer)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings weights = {0};
    rs_str path = {0}, name = {0};
    RS_TRY(rs_h5_scan_strings(scan, group, "weight_names", &weights));
    for (size_t i = 0; i < weights.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s/%s", group, weights.text[i]));
        RS_TRY(put_name(&name, layer, weights.text[i]));
        RS_TRY(rs_h5_scan_array(scan, path.text, name.text));
    }
out:
    rs_str_fini(&path);
    rs_str_fini(&name);
    rs_h5_strings_fini(&weights);
    return st;
}

static rescl_status check_backend(rs_h5_scan *scan, const char *root)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings backend = {0};
    RS_TRY(rs_h5_scan_strings(scan, root, "backend", &backend));
    RS_FAIL_IF(
        backend.count > 0 && strcmp(backend.text[0], "theano") == 0, RESCL_ERR_UNSUPPORTED,
        "%s: was saved with Keras' Theano backend, whose kernels are mirrored; save it again "
        "with the TensorFlow backend",
        rs_h5_scan_path(scan));
out:
    rs_h5_strings_fini(&backend);
    return st;
}

/* A text of the root, if it has it: what rescl or Keras wrote of the model. */
static rescl_status scan_text(rs_h5_scan *scan, const char *key)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings text = {0};
    RS_TRY(rs_h5_scan_strings(scan, "/", key, &text));
    if (text.count > 0)
        RS_TRY(rs_h5_scan_note(scan, key, text.text[0]));
out:
    rs_h5_strings_fini(&text);
    return st;
}

static rescl_status scan_named(rs_h5_scan *scan, const rs_h5_strings *layers, bool whole)
{
    rescl_status st = RESCL_OK;
    rs_str path = {0};
    RS_TRY(check_backend(scan, whole ? WHOLE_MODEL : "/"));
    RS_TRY(scan_text(scan, RS_MODEL_KEY));
    RS_TRY(scan_text(scan, CONFIG));
    for (size_t i = 0; i < layers->count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s%s", whole ? WHOLE_MODEL "/" : "", layers->text[i]));
        RS_TRY(scan_named_layer(scan, path.text, layers->text[i]));
    }
out:
    rs_str_fini(&path);
    return st;
}

/* ---- the second form ----------------------------------------------------------------------- */

/* What a class's weights are, in their order. */
static const struct {
    const char *group; /* but for its number */
    const char *role[4];
} classes[] = {
    {"conv2d", {"kernel", "bias"}},
    {"dense", {"kernel", "bias"}},
    {"batch_normalization", {"gamma", "beta", "moving_mean", "moving_variance"}},
};

/* Of weight `i` of `count`; NULL where the class alone does not tell: a normalisation may lack gamma
 * or beta. */
static const char *role_of(const char *group, size_t i, size_t count)
{
    const char *last = strrchr(group, '/');
    const char *base = last ? last + 1 : group;
    for (size_t c = 0; c < RS_COUNT(classes); c++)
        if (is_called(base, strlen(base), classes[c].group))
            return (classes[c].role[2] && count != 4) || i >= 4 ? NULL : classes[c].role[i];
    return NULL;
}

/* By length, then by bytes: conv2d_2 comes before conv2d_10. */
static int by_number(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const size_t m = strlen(x), n = strlen(y);
    return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

static rescl_status scan_sorted(rs_h5_scan *scan, const char *group, rs_h5_strings *out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_h5_scan_members(scan, group, out));
    if (out->count > 0)
        qsort(out->text, out->count, sizeof *out->text, by_number);
out:
    return st;
}

/* The weights of the layer at `group`, which lie in its group `vars`. */
static rescl_status scan_counted_layer(rs_h5_scan *scan, const char *group, const char *vars,
                                       const rs_keras_config *config)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings weights = {0}, name = {0};
    rs_str path = {0}, as = {0};
    const rs_keras_layer *known = config ? rs_keras_config_find(config, group) : NULL;
    RS_TRY(scan_sorted(scan, vars, &weights));
    if (weights.count == 0)
        goto out;
    RS_TRY(rs_h5_scan_strings(scan, vars, "name", &name));
    const char *layer = name.count > 0 ? name.text[0] : known ? known->name : NULL;
    RS_FAIL_IF(!layer, RESCL_ERR_UNSUPPORTED,
               "%s: %s does not say which layer it is: .weights.h5 files of Keras before 3.6 keep "
               "no names of layers; load it in Keras and write it with model.save('model.keras')",
               rs_h5_scan_path(scan), group);
    for (size_t i = 0; i < weights.count; i++) {
        const char *role = role_of(group, i, weights.count);
        path.len = as.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s/%s", vars, weights.text[i]));
        RS_TRY(rs_str_appendf(&as, "%s/%s", layer, role ? role : weights.text[i]));
        RS_TRY(rs_h5_scan_array(scan, path.text, as.text));
    }
out:
    rs_str_fini(&path);
    rs_str_fini(&as);
    rs_h5_strings_fini(&weights);
    rs_h5_strings_fini(&name);
    return st;
}

/* All layers below `group`. The state of a dropout's random numbers is no weight. */
static rescl_status scan_counted(rs_h5_scan *scan, const char *group, const rs_keras_config *config,
                                 int depth)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings members = {0};
    rs_str path = {0};
    RS_FAIL_IF(depth > MAX_DEPTH, RESCL_ERR_FORMAT, "%s: its groups are nested more than %d deep",
               rs_h5_scan_path(scan), MAX_DEPTH);
    RS_TRY(scan_sorted(scan, group, &members));
    for (size_t i = 0; i < members.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s/%s", group, members.text[i]));
        if (strcmp(members.text[i], "seed_generator") == 0 ||
            !rs_h5_scan_has_group(scan, path.text))
            continue;
        if (strcmp(members.text[i], "vars") == 0)
            RS_TRY(scan_counted_layer(scan, group, path.text, config));
        else
            RS_TRY(scan_counted(scan, path.text, config, depth + 1));
    }
out:
    rs_str_fini(&path);
    rs_h5_strings_fini(&members);
    return st;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Runs in the child process of h5file.h. */
static rescl_status scan_keras(rs_h5_scan *scan, const void *config)
{
    rescl_status st = RESCL_OK;
    const bool whole = rs_h5_scan_has_group(scan, WHOLE_MODEL);
    rs_h5_strings layers = {0};
    RS_TRY(rs_h5_scan_strings(scan, whole ? WHOLE_MODEL : "/", "layer_names", &layers));
    if (layers.count > 0) {
        RS_TRY(scan_named(scan, &layers, whole));
        goto out;
    }
    RS_FAIL_IF(
        rs_h5_scan_has_group(scan, "_layer_checkpoint_dependencies"), RESCL_ERR_UNSUPPORTED,
        "%s: was written by Keras 2.12 or 2.13, which count layers in a way of their own; load "
        "it there and write it with model.save('model.h5')",
        rs_h5_scan_path(scan));
    RS_FAIL_IF(!rs_h5_scan_has_group(scan, "layers"), RESCL_ERR_FORMAT,
               "%s: holds no weights of Keras: neither / nor " WHOLE_MODEL
               " has the attribute layer_names, and there is no group layers",
               rs_h5_scan_path(scan));
    RS_TRY(scan_counted(scan, "layers", config, 0));
out:
    rs_h5_strings_fini(&layers);
    return st;
}

static rs_st_dtype dtype_of(const rs_h5_array *a)
{
    static const rs_st_dtype of[3][4] = {
        [RS_H5_SIGNED] = {RS_ST_I8, RS_ST_I16, RS_ST_I32, RS_ST_I64},
        [RS_H5_UNSIGNED] = {RS_ST_U8, RS_ST_U16, RS_ST_U32, RS_ST_U64},
        [RS_H5_FLOAT] = {RS_ST_F8_E4M3, RS_ST_F16, RS_ST_F32, RS_ST_F64},
    };
    const size_t bytes = a->value_bytes;
    return of[a->kind][bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
}

typedef struct opened {
    rs_h5_file *file;
    rs_ckpt_doc model;
    rs_keras_config config;
    char *unlike;
} opened;

void rs_keras_close(void *file)
{
    opened *o = file;
    rs_h5_close(o->file);
    rs_ckpt_doc_fini(&o->model);
    rs_keras_config_fini(&o->config);
    free(o->unlike);
    free(o);
}

static rescl_status list_arrays(const rs_h5_file *f, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    RS_OOM(out->tensor = calloc(f->count + 1, sizeof *out->tensor));
    for (; out->count < f->count; out->count++) {
        const rs_h5_array *a = &f->array[out->count];
        rs_wfile_tensor *t = &out->tensor[out->count];
        *t = (rs_wfile_tensor){
            .name = a->name, .dtype = dtype_of(a), .ndim = (size_t)a->ndim, .source = out->count};
        for (int i = 0; i < a->ndim; i++)
            t->dim[i] = (size_t)a->dim[i];
    }
out:
    return st;
}

/* What the configuration tells beyond the weights. */
static rescl_status add_config(opened *o, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    const rs_keras_layer *hidden, *last = rs_keras_config_head(&o->config, &hidden);
    out->bn_eps = rs_keras_config_epsilon(&o->config);
    out->image_size = o->config.image_size;
    out->rescales = rs_keras_config_normalize(&o->config, &out->normalize);
    out->output = last ? last->name : NULL;
    out->hidden = hidden ? hidden->name : NULL;
    RS_TRY(rs_keras_config_unlike(&o->config, &o->unlike));
    out->unlike = o->unlike;
    out->keras = o->config.count > 0 ? &o->config : NULL;
out:
    return st;
}

rescl_status rs_keras_open(const char *path, const char *shown, const char *config,
                           rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    opened *o;
    const char *text;
    RS_OOM(out->file = o = calloc(1, sizeof *o));
    if (config)
        RS_TRY(rs_keras_config_parse(config, shown, &o->config));
    RS_TRY(rs_h5_open(path, shown, scan_keras, &o->config, &o->file));
    if ((text = rs_h5_note_get(o->file, RS_MODEL_KEY)) != NULL) {
        RS_TRY(rs_ckpt_model_parse(text, shown, &o->model));
        out->model = &o->model.model;
    }
    if (!config && (text = rs_h5_note_get(o->file, CONFIG)) != NULL)
        RS_TRY(rs_keras_config_parse(text, shown, &o->config));
    RS_TRY(add_config(o, out));
    RS_TRY(list_arrays(o->file, out));
out:
    return st;
}

rescl_status rs_keras_read(void *file, size_t source, void *dst)
{
    rescl_status st = RESCL_OK;
    const rs_h5_file *f = ((opened *)file)->file;
    const rs_h5_array *a = &f->array[source];
    RS_TRY(rs_h5_read(f, a, dst));
    if (a->big_endian)
        rs_bytes_swap(dst, (size_t)a->count, a->value_bytes);
out:
    return st;
}
