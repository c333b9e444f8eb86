/* Keras' weights in HDF5, as save_weights("x.h5") and save("x.h5") of Keras 1 to 3 write them:
 *
 *   / or /model_weights   attributes layer_names, backend, keras_version
 *   <layer>/              attribute weight_names, whose names are paths below it:
 *   <layer>/<weight>      a dataset, such as conv1/conv1/kernel:0
 *
 * Lists of names longer than 64 KiB are split over layer_names0, layer_names1, ... A rescl_model
 * attribute is ours: rs_ckpt_model_text.
 *
 * HDF5 itself runs in child processes only: see h5file.h. */
#include "child.h"
#include "dtype.h"
#include "error.h"
#include "format.h"
#include "h5file.h"
#include "path.h"
#include "str.h"

#ifdef RS_HAVE_HDF5
#include <hdf5.h>
#endif
#include <stdlib.h>
#include <string.h>

/* ---- reading ----------------------------------------------------------------------------- */

#define WHOLE_MODEL "model_weights" /* the group of a whole model that holds its weights */

/* Weights of one layer. A weight's name is a path below the layer's group; Keras 1's has no slash.
 */
static rescl_status scan_layer(rs_h5_scan *scan, const char *group)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings weights = {0};
    rs_str path = {0};
    RS_TRY(rs_h5_scan_strings(scan, group, "weight_names", &weights));
    for (size_t i = 0; i < weights.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s/%s", group, weights.text[i]));
        RS_TRY(rs_h5_scan_array(scan, path.text));
    }
out:
    rs_str_fini(&path);
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

/* What rescl wrote of the model. */
static rescl_status scan_model(rs_h5_scan *scan)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings model = {0};
    RS_TRY(rs_h5_scan_strings(scan, "/", RS_MODEL_KEY, &model));
    if (model.count > 0)
        RS_TRY(rs_h5_scan_note(scan, RS_MODEL_KEY, model.text[0]));
out:
    rs_h5_strings_fini(&model);
    return st;
}

/* Runs in the child process of h5file.h. */
static rescl_status scan_keras(rs_h5_scan *scan, const void *arg)
{
    rescl_status st = RESCL_OK;
    const bool whole = rs_h5_scan_has_group(scan, WHOLE_MODEL);
    const char *root = whole ? WHOLE_MODEL : "/";
    rs_h5_strings layers = {0};
    rs_str path = {0};
    (void)arg;
    RS_TRY(rs_h5_scan_strings(scan, root, "layer_names", &layers));
    RS_FAIL_IF(layers.count == 0 && rs_h5_scan_has_group(scan, "layers"), RESCL_ERR_UNSUPPORTED,
               "%s: is in Keras 3's .weights.h5 form, which keeps no names of layers; write the "
               "model with model.save('model.h5')",
               rs_h5_scan_path(scan));
    RS_FAIL_IF(layers.count == 0, RESCL_ERR_FORMAT,
               "%s: holds no weights of Keras: neither / nor " WHOLE_MODEL
               " has the attribute layer_names",
               rs_h5_scan_path(scan));
    RS_TRY(check_backend(scan, root));
    RS_TRY(scan_model(scan));
    for (size_t i = 0; i < layers.count; i++) {
        path.len = 0;
        RS_TRY(rs_str_appendf(&path, "%s%s%s", whole ? WHOLE_MODEL : "", whole ? "/" : "",
                              layers.text[i]));
        RS_TRY(scan_layer(scan, path.text));
    }
out:
    rs_str_fini(&path);
    rs_h5_strings_fini(&layers);
    return st;
}

/* "layer/role:0": the last two components of an array's path. */
static const char *weight_name(const rs_h5_array *a)
{
    const char *at = a->name + strlen(a->name);
    for (int slashes = 0; at > a->name; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return at;
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
} opened;

static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    (void)path;
    static const unsigned char mark[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    return bytes >= sizeof mark && memcmp(first, mark, sizeof mark) == 0;
}

static void close_file(void *file)
{
    opened *o = file;
    rs_h5_close(o->file);
    rs_ckpt_doc_fini(&o->model);
    free(o);
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    rescl_status st = RESCL_OK;
    opened *o;
    const char *text;
    RS_OOM(out->file = o = calloc(1, sizeof *o));
    RS_TRY(rs_h5_open(path, scan_keras, NULL, &o->file));
    if ((text = rs_h5_note_get(o->file, RS_MODEL_KEY)) != NULL) {
        RS_TRY(rs_ckpt_model_parse(text, path, &o->model));
        out->model = &o->model.model;
    }
    RS_OOM(out->tensor = calloc(o->file->count + 1, sizeof *out->tensor));
    for (; out->count < o->file->count; out->count++) {
        const rs_h5_array *a = &o->file->array[out->count];
        rs_wfile_tensor *t = &out->tensor[out->count];
        *t = (rs_wfile_tensor){.name = weight_name(a),
                               .dtype = dtype_of(a),
                               .ndim = (size_t)a->ndim,
                               .source = out->count};
        for (int i = 0; i < a->ndim; i++)
            t->dim[i] = (size_t)a->dim[i];
    }
out:
    return st;
}

static rescl_status read_values(void *file, size_t source, void *dst)
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

/* ---- writing ----------------------------------------------------------------------------- */

#ifdef RS_HAVE_HDF5

/* A list of strings as h5py writes it: an array of one fixed length. */
static bool put_strings(hid_t at, const char *key, const char *const *text, size_t count)
{
    const hsize_t n = count;
    size_t longest = 1;
    bool good;
    for (size_t i = 0; i < count; i++)
        longest = strlen(text[i]) > longest ? strlen(text[i]) : longest;
    char *all = calloc(count + 1, longest);
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &n, NULL);
    hid_t attr = -1;
    good = all && type >= 0 && space >= 0 && H5Tset_size(type, longest) >= 0 &&
           H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
    for (size_t i = 0; good && i < count; i++)
        memcpy(all + i * longest, text[i], strlen(text[i]));
    if (good)
        attr = H5Acreate2(at, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    good = good && attr >= 0 && H5Awrite(attr, type, all) >= 0 && H5Aclose(attr) >= 0;
    H5Sclose(space);
    H5Tclose(type);
    free(all);
    return good;
}

static bool put_string(hid_t at, const char *key, const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    const bool sized = H5Tset_size(type, strlen(text) + 1) >= 0;
    const hid_t attr = H5Acreate2(at, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const bool good = sized && attr >= 0 && H5Awrite(attr, type, text) >= 0 && H5Aclose(attr) >= 0;
    H5Sclose(space);
    H5Tclose(type);
    return good;
}

/* IEEE binary16, which HDF5 of Debian 12 has no name for. */
static hid_t make_half(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    if (type >= 0 && H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 &&
        H5Tset_ebias(type, 15) >= 0)
        return type;
    return -1;
}

static bool put_array(hid_t group, const rs_st_source *t)
{
    hsize_t dim[RS_ST_MAX_DIMS];
    for (size_t i = 0; i < t->ndim; i++)
        dim[i] = t->dim[i];
    const hid_t type = t->dtype == RS_ST_F16 ? make_half() : H5Tcopy(H5T_IEEE_F32LE);
    const hid_t space = H5Screate_simple((int)t->ndim, dim, NULL);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    const hid_t storage = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_obj_track_times(storage, false); /* the same weights give the same bytes */
    const hid_t set = H5Dcreate2(group, t->name, type, space, links, storage, H5P_DEFAULT);
    const bool good = set >= 0 &&
                      H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data) >= 0 &&
                      H5Dclose(set) >= 0;
    H5Pclose(storage);
    H5Pclose(links);
    H5Sclose(space);
    H5Tclose(type);
    return good;
}

/* The tensors from `first` on that are of one layer; *end is the index after them. */
static bool put_layer(hid_t file, const rs_export_job *j, size_t first, size_t *end)
{
    const char *names[RS_OP_PARAM + RS_OP_STATE], *layer = j->tensor[first].layer;
    const hid_t group = H5Gcreate2(file, layer, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool good = group >= 0;
    size_t i = first;
    for (; i < j->count && i - first < RS_COUNT(names) && strcmp(j->tensor[i].layer, layer) == 0;
         i++) {
        names[i - first] = j->tensor[i].source.name;
        good = good && put_array(group, &j->tensor[i].source);
    }
    *end = i;
    return good && put_strings(group, "weight_names", names, i - first) && H5Gclose(group) >= 0;
}

/* Runs in a child process. */
static rescl_status write_all(rs_reply *reply, const void *arg)
{
    rescl_status st = RESCL_OK;
    const rs_export_job *j = arg;
    const char **layers = NULL;
    size_t count = 0, next = 0;
    hid_t file = -1;
    (void)reply;
    /* The file is locked already, by the parent. */
    RS_FAIL_IF(setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1) != 0, RESCL_ERR_MEMORY,
               "%s: out of memory", j->path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    RS_OOM(layers = calloc(j->count + 1, sizeof *layers));
    file = H5Fcreate(j->path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    bool good = file >= 0;
    while (good && next < j->count) {
        layers[count++] = j->tensor[next].layer;
        good = put_layer(file, j, next, &next);
    }
    good = good && put_strings(file, "layer_names", layers, count) &&
           put_string(file, "backend", "tensorflow") &&
           put_string(file, "keras_version", "2.3.1") && put_string(file, RS_MODEL_KEY, j->model) &&
           H5Fclose(file) >= 0;
    RS_FAIL_IF(!good, RESCL_ERR_IO, "%s: HDF5 could not write it; is the disk full?", j->path);
out:
    free(layers);
    return st;
}

/* As save_weights does, layers in the order of the tensors. */
static rescl_status write_file(const rs_export_job *job)
{
    static const rs_child_limits limits = {
        .memory = (size_t)1 << 30, .seconds = 600, .reply = 4096, .writes = true};
    rescl_status st = RESCL_OK;
    rs_atomic_file file = {.fd = -1};
    rs_reply reply = {0};
    RS_TRY(rs_atomic_open(&file, job->path));
    rs_export_job temporary = *job;
    temporary.path = file.temp;
    RS_TRY(rs_child_run(job->path, write_all, &temporary, &limits, &reply));
    RS_TRY(rs_atomic_commit(&file));
out:
    rs_reply_fini(&reply);
    rs_atomic_abort(&file);
    return st;
}

#else

static rescl_status write_file(const rs_export_job *job)
{
    rescl_status st = RESCL_OK;
    RS_FAIL(RESCL_ERR_UNSUPPORTED, RS_H5_MISSING, job->path);
out:
    return st;
}

#endif

const rs_format rs_format_hdf5 = {
    .name = "hdf5",
    .title = "HDF5",
    .suffix = {".h5", ".hdf5"},
    .naming = RS_NAMING_KERAS,
    .namings = RS_BIT(RS_NAMING_KERAS) | RS_BIT(RS_NAMING_KERAS1),
    .dtypes = RS_BIT(RS_ST_F32) | RS_BIT(RS_ST_F16),
    .recognises = recognises,
    .open = open_file,
    .read = read_values,
    .close = close_file,
    .write = write_file,
};
