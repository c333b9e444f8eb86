/* HDF5 with Keras' weights: kerasfile.h reads them. They are written in the form that Keras 1 to 3
 * read by load_weights("x.h5").
 *
 * HDF5 itself runs in child processes only: see h5file.h. */
#include "child.h"
#include "error.h"
#include "format.h"
#include "h5file.h"
#include "kerasfile.h"
#include "path.h"

#ifdef RS_HAVE_HDF5
#include <hdf5.h>
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool recognises(const char *path, const unsigned char *first, size_t bytes)
{
    static const unsigned char mark[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    (void)path;
    return bytes >= sizeof mark && memcmp(first, mark, sizeof mark) == 0;
}

static rescl_status open_file(const char *path, rs_wfile_list *out)
{
    return rs_keras_open(path, path, NULL, out);
}

/* ---- writing ----------------------------------------------------------------------------- */

#ifdef RS_HAVE_HDF5

#define MAX_ATTRIBUTE 64000 /* bytes: HDF5 takes 64 KiB with what describes it */

#define SMALLEST_ROOM ((uint64_t)64 << 20) /* bytes, for what describes the tensors */

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

/* A string of a fixed length, as far as an attribute has room for it: HDF5 keeps one of variable length
 * elsewhere. */
static bool put_string(hid_t at, const char *key, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    const bool variable = bytes > MAX_ATTRIBUTE;
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    const bool sized = H5Tset_size(type, variable ? H5T_VARIABLE : bytes) >= 0;
    const hid_t attr = H5Acreate2(at, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const void *value = variable ? (const void *)&text : text;
    const bool good = sized && attr >= 0 && H5Awrite(attr, type, value) >= 0 && H5Aclose(attr) >= 0;
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

/* Writes job->path by way of another. */
typedef struct writing {
    const rs_export_job *job;
    const char *temp;
} writing;

/* Runs in a child process. */
static rescl_status write_all(rs_reply *reply, const void *arg)
{
    rescl_status st = RESCL_OK;
    const writing *w = arg;
    const rs_export_job *j = w->job;
    const char **layers = NULL;
    size_t count = 0, next = 0;
    hid_t file = -1;
    (void)reply;
    /* The file is locked already, by the parent. */
    RS_FAIL_IF(setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1) != 0, RESCL_ERR_MEMORY,
               "%s: out of memory", j->path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    RS_OOM(layers = calloc(j->count + 1, sizeof *layers));
    errno = 0;
    file = H5Fcreate(w->temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    (void)rs_child_confine();
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

static uint64_t bytes_of(const rs_export_job *j)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->count; i++) {
        uint64_t values = 1;
        for (size_t d = 0; d < j->tensor[i].source.ndim; d++)
            values *= j->tensor[i].source.dim[d];
        bytes += values * rs_st_dtype_bytes(j->tensor[i].source.dtype);
    }
    return bytes;
}

/* As save_weights does, layers in the order of the tensors. */
static rescl_status write_file(const rs_export_job *job)
{
    const rs_child_limits limits = {.memory = (size_t)1 << 30,
                                    .seconds = 600,
                                    .patience = 3600,
                                    .reply = 4096,
                                    .writes = 2 * bytes_of(job) + SMALLEST_ROOM};
    rescl_status st = RESCL_OK;
    rs_atomic_file file = {.fd = -1};
    rs_reply reply = {0};
    RS_TRY(rs_atomic_open(&file, job->path));
    const writing w = {job, file.temp};
    RS_TRY(rs_child_run(job->path, write_all, &w, &limits, &reply));
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
    .read = rs_keras_read,
    .close = rs_keras_close,
    .write = write_file,
};
