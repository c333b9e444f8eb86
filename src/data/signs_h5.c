/* The HDF5 layout of the SIGNS set of hands: "signs_h5". `path` is a folder with <split>_signs.h5,
 * or such a file itself, which holds
 *
 *     <split>_set_x   uint8 (N, H, W, 3)    pictures
 *     <split>_set_y   integers (N) or (1,N) labels, indices of classes
 *     list_classes    integers (C)          names of the classes
 *
 * A file comes from anywhere, so what it says is checked before anything is allocated by it: hard
 * links only, data within the file only, no filter but deflate, no more values than the file's
 * bytes can hold, every chunk present. The pictures are held in memory as bytes; HDF5, which is not
 * thread-safe, is used while opening only. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset.h"
#include "error.h"
#include "path.h"
#include "str.h"

/* path/<split>_signs.h5 when path is a folder, else path. Heap; NULL when memory is short. */
static char *file_of(const rescl_data_options *options)
{
    if (!rs_path_is_dir(options->path))
        return rs_strf("%s", options->path);
    char *name = rs_strf("%s_signs.h5", options->split);
    char *path = name ? rs_path_join(options->path, name) : NULL;
    free(name);
    return path;
}

static bool recognises(const rescl_data_options *options)
{
    struct stat info;
    char *path = file_of(options);
    const size_t n = path ? strlen(path) : 0;
    const bool named = (n > 3 && strcmp(path + n - 3, ".h5") == 0) ||
                       (n > 5 && strcmp(path + n - 5, ".hdf5") == 0);
    const bool found = named && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    free(path);
    return found;
}

#ifdef RS_HAVE_HDF5

#include <hdf5.h>

#include "alloc.h"

#define MAX_DEFLATE 1032 /* zlib's largest ratio of expansion */
#define MAX_SIDE    65535
#define MAX_CLASSES 65536
#define MAX_BYTES   ((uint64_t)16 << 30) /* of all pictures */
#define MAX_DIMS    4

typedef struct state {
    size_t height, width;
    uint8_t *pixels; /* count * height * width * 3 */
    int32_t *labels;
} state;

/* One dataset of the file, checked. */
typedef struct source {
    const char *file;
    char name[64];
    hid_t id, space, type, plist;
    int ndim;
    hsize_t dim[MAX_DIMS];
    uint64_t count; /* values */
    size_t value_bytes;
} source;

static void source_fini(source *s)
{
    if (s->plist >= 0)
        H5Pclose(s->plist);
    if (s->type >= 0)
        H5Tclose(s->type);
    if (s->space >= 0)
        H5Sclose(s->space);
    if (s->id >= 0)
        H5Dclose(s->id);
}

static source source_of(const char *file)
{
    return (source){.file = file, .id = -1, .space = -1, .type = -1, .plist = -1};
}

/* Storage within the file, as plain bytes or deflated. *deflated tells which. */
static rescl_status check_storage(const source *s, bool *deflated, uint64_t *chunk_values)
{
    rescl_status st = RESCL_OK;
    const H5D_layout_t layout = H5Pget_layout(s->plist);
    const int filters = H5Pget_nfilters(s->plist);
    hsize_t chunk[MAX_DIMS];
    *deflated = false;
    *chunk_values = 0;
    RS_FAIL_IF(layout == H5D_VIRTUAL, RESCL_ERR_FORMAT,
               "%s: %s is a virtual dataset, whose data lies in other files; copy the data into it",
               s->file, s->name);
    RS_FAIL_IF(layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED,
               RESCL_ERR_FORMAT, "%s: %s has an unknown storage layout", s->file, s->name);
    RS_FAIL_IF(H5Pget_external_count(s->plist) != 0, RESCL_ERR_FORMAT,
               "%s: %s keeps its data in other files (external storage); copy the data into it",
               s->file, s->name);
    RS_FAIL_IF(filters < 0 || filters > 1, RESCL_ERR_FORMAT,
               "%s: %s goes through %d filters; write it plain or with gzip alone", s->file,
               s->name, filters);
    for (int i = 0; i < filters; i++) {
        unsigned flags = 0;
        size_t values = 0;
        char name[32] = "";
        const H5Z_filter_t id =
            H5Pget_filter2(s->plist, (unsigned)i, &flags, &values, NULL, sizeof name, name, NULL);
        RS_FAIL_IF(id != H5Z_FILTER_DEFLATE, RESCL_ERR_FORMAT,
                   "%s: %s goes through the filter %d %s; write it plain or with gzip alone",
                   s->file, s->name, (int)id, name);
        *deflated = true;
    }
    if (layout != H5D_CHUNKED)
        goto out;
    RS_FAIL_IF(H5Pget_chunk(s->plist, MAX_DIMS, chunk) != s->ndim, RESCL_ERR_FORMAT,
               "%s: %s is corrupted: its chunks have other dimensions than its data", s->file,
               s->name);
    *chunk_values = 1;
    for (int i = 0; i < s->ndim; i++) {
        RS_FAIL_IF(chunk[i] == 0 || *chunk_values > UINT64_MAX / chunk[i], RESCL_ERR_FORMAT,
                   "%s: %s is corrupted: impossible chunks", s->file, s->name);
        *chunk_values *= chunk[i];
    }
out:
    return st;
}

/* Every chunk is there: HDF5 would give zeros for those that are not. */
static rescl_status check_chunks(const source *s)
{
    rescl_status st = RESCL_OK;
#if H5_VERSION_GE(1, 10, 5)
    hsize_t chunk[MAX_DIMS], found = 0, expected = 1;
    RS_FAIL_IF(H5Pget_chunk(s->plist, MAX_DIMS, chunk) != s->ndim ||
                   H5Dget_num_chunks(s->id, s->space, &found) < 0,
               RESCL_ERR_FORMAT, "%s: %s is corrupted: its chunks cannot be listed", s->file,
               s->name);
    for (int i = 0; i < s->ndim; i++)
        expected *= (s->dim[i] + chunk[i] - 1) / chunk[i];
    RS_FAIL_IF(found != expected, RESCL_ERR_FORMAT,
               "%s: %s is incomplete: %llu of %llu chunks were written", s->file, s->name,
               (unsigned long long)found, (unsigned long long)expected);
#else
    (void)s;
#endif
out:
    return st;
}

/* The declared values fit what is stored, and that fits into the file. */
static rescl_status check_room(const source *s, uint64_t file_bytes)
{
    rescl_status st = RESCL_OK;
    bool deflated;
    uint64_t chunk_values;
    RS_TRY(check_storage(s, &deflated, &chunk_values));
    const uint64_t stored = H5Dget_storage_size(s->id);
    const uint64_t ratio = deflated ? MAX_DEFLATE : 1;
    const uint64_t most = stored < file_bytes ? stored : file_bytes;
    RS_FAIL_IF(
        s->count > most * ratio / s->value_bytes, RESCL_ERR_FORMAT,
        "%s: %s says it has %llu values of %zu bytes, which its %llu stored bytes in a file of "
        "%llu cannot hold; the file is cut short or corrupted",
        s->file, s->name, (unsigned long long)s->count, s->value_bytes, (unsigned long long)stored,
        (unsigned long long)file_bytes);
    RS_FAIL_IF(chunk_values > file_bytes * ratio / s->value_bytes, RESCL_ERR_FORMAT,
               "%s: %s has chunks of %llu values, which a file of %llu bytes cannot hold; it is "
               "corrupted",
               s->file, s->name, (unsigned long long)chunk_values, (unsigned long long)file_bytes);
    if (chunk_values > 0)
        RS_TRY(check_chunks(s));
out:
    return st;
}

static rescl_status check_shape(source *s)
{
    rescl_status st = RESCL_OK;
    s->ndim = H5Sget_simple_extent_ndims(s->space);
    RS_FAIL_IF(H5Sget_simple_extent_type(s->space) != H5S_SIMPLE || s->ndim < 1 ||
                   s->ndim > MAX_DIMS || H5Sget_simple_extent_dims(s->space, s->dim, NULL) < 0,
               RESCL_ERR_FORMAT, "%s: %s has %d dimensions; 1 to %d are expected", s->file, s->name,
               s->ndim, MAX_DIMS);
    s->count = 1;
    for (int i = 0; i < s->ndim; i++) {
        RS_FAIL_IF(s->dim[i] == 0, RESCL_ERR_FORMAT, "%s: %s is empty", s->file, s->name);
        RS_FAIL_IF(s->count > UINT64_MAX / s->dim[i], RESCL_ERR_FORMAT,
                   "%s: %s says it has more values than any file can hold; it is corrupted",
                   s->file, s->name);
        s->count *= s->dim[i];
    }
out:
    return st;
}

/* Opens dataset `name`, which must be of integers (of unsigned bytes if `bytes`). */
static rescl_status source_open(source *s, hid_t file, const char *name, bool bytes,
                                uint64_t file_bytes)
{
    rescl_status st = RESCL_OK;
    H5L_info_t link;
    snprintf(s->name, sizeof s->name, "%s", name);
    RS_FAIL_IF(H5Lexists(file, name, H5P_DEFAULT) <= 0, RESCL_ERR_FORMAT,
               "%s: has no dataset %s; a SIGNS file holds <split>_set_x, <split>_set_y and "
               "list_classes, with split \"train\" or \"test\"",
               s->file, name);
    RS_FAIL_IF(H5Lget_info(file, name, &link, H5P_DEFAULT) < 0, RESCL_ERR_FORMAT,
               "%s: %s is corrupted: its link cannot be read", s->file, name);
    RS_FAIL_IF(link.type != H5L_TYPE_HARD, RESCL_ERR_FORMAT,
               "%s: %s is a link to somewhere else (%s); copy the data into the file", s->file,
               name,
               link.type == H5L_TYPE_SOFT       ? "soft link"
               : link.type == H5L_TYPE_EXTERNAL ? "external link"
                                                : "user-defined link");
    s->id = H5Dopen2(file, name, H5P_DEFAULT);
    RS_FAIL_IF(s->id < 0, RESCL_ERR_FORMAT, "%s: %s cannot be opened as a dataset", s->file, name);
    s->space = H5Dget_space(s->id);
    s->type = H5Dget_type(s->id);
    s->plist = H5Dget_create_plist(s->id);
    RS_FAIL_IF(s->space < 0 || s->type < 0 || s->plist < 0, RESCL_ERR_FORMAT,
               "%s: %s is corrupted: its description cannot be read", s->file, name);
    s->value_bytes = H5Tget_size(s->type);
    RS_FAIL_IF(H5Tget_class(s->type) != H5T_INTEGER || s->value_bytes < 1 || s->value_bytes > 8 ||
                   (bytes && (s->value_bytes != 1 || H5Tget_sign(s->type) != H5T_SGN_NONE)),
               RESCL_ERR_FORMAT, "%s: %s holds another type of values than the expected %s",
               s->file, name, bytes ? "uint8" : "integers");
    RS_TRY(check_shape(s));
    RS_TRY(check_room(s, file_bytes));
out:
    return st;
}

/* Labels, and that each names a class. */
static rescl_status read_labels(const source *s, size_t classes, int32_t **out)
{
    rescl_status st = RESCL_OK;
    int64_t *wide = NULL;
    int32_t *labels = NULL;
    RS_OOM(wide = calloc(s->count, sizeof *wide));
    RS_OOM(labels = calloc(s->count, sizeof *labels));
    RS_FAIL_IF(H5Dread(s->id, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, wide) < 0,
               RESCL_ERR_FORMAT, "%s: %s cannot be read; the file is cut short or corrupted",
               s->file, s->name);
    for (size_t i = 0; i < s->count; i++) {
        RS_FAIL_IF(wide[i] < 0 || (uint64_t)wide[i] >= classes, RESCL_ERR_FORMAT,
                   "%s: %s: label %zu is %lld; with %zu classes it must be 0 to %zu", s->file,
                   s->name, i, (long long)wide[i], classes, classes - 1);
        labels[i] = (int32_t)wide[i];
    }
    *out = labels;
    labels = NULL;
out:
    free(wide);
    free(labels);
    return st;
}

static rescl_status read_classes(const source *s, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    int64_t *value = NULL;
    const size_t count = (size_t)s->count;
    RS_OOM(value = calloc(count, sizeof *value));
    RS_FAIL_IF(H5Dread(s->id, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) < 0,
               RESCL_ERR_FORMAT, "%s: %s cannot be read; the file is cut short or corrupted",
               s->file, s->name);
    RS_OOM(set->class_name = calloc(count, sizeof *set->class_name));
    for (size_t i = 0; i < count; i++) {
        RS_OOM(set->class_name[i] = rs_strf("%lld", (long long)value[i]));
        set->classes = i + 1;
    }
out:
    free(value);
    return st;
}

/* The three datasets fit together and are of bearable size. */
static rescl_status check_together(const source *x, const source *y, const source *c)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(x->ndim != 4 || x->dim[3] != 3, RESCL_ERR_FORMAT,
               "%s: %s has %d dimensions, the last of %llu; expected (N, H, W, 3)", x->file,
               x->name, x->ndim, (unsigned long long)x->dim[x->ndim - 1]);
    RS_FAIL_IF(x->dim[1] > MAX_SIDE || x->dim[2] > MAX_SIDE || x->dim[0] > INT32_MAX ||
                   x->count > MAX_BYTES,
               RESCL_ERR_FORMAT,
               "%s: %s holds %llu pictures of %llux%llu, %llu bytes; at most %llu are loaded",
               x->file, x->name, (unsigned long long)x->dim[0], (unsigned long long)x->dim[2],
               (unsigned long long)x->dim[1], (unsigned long long)x->count,
               (unsigned long long)MAX_BYTES);
    RS_FAIL_IF(!(y->ndim == 1 || (y->ndim == 2 && y->dim[0] == 1)) || y->count != x->dim[0],
               RESCL_ERR_FORMAT, "%s: %s holds %llu labels for %llu pictures", y->file, y->name,
               (unsigned long long)y->count, (unsigned long long)x->dim[0]);
    RS_FAIL_IF(c->ndim != 1 || c->count > MAX_CLASSES, RESCL_ERR_FORMAT,
               "%s: %s holds %llu classes in %d dimensions; expected one of at most %d", c->file,
               c->name, (unsigned long long)c->count, c->ndim, MAX_CLASSES);
out:
    return st;
}

static rescl_status read_sets(hid_t file, const char *path, const char *split, uint64_t file_bytes,
                              rescl_dataset *set, state *s)
{
    rescl_status st = RESCL_OK;
    source x = source_of(path), y = source_of(path), c = source_of(path);
    char name[64];
    RS_FAIL_IF(strlen(split) > 32, RESCL_ERR_ARG, "%s: no split \"%s\"", path, split);
    snprintf(name, sizeof name, "%s_set_x", split);
    RS_TRY(source_open(&x, file, name, true, file_bytes));
    snprintf(name, sizeof name, "%s_set_y", split);
    RS_TRY(source_open(&y, file, name, false, file_bytes));
    RS_TRY(source_open(&c, file, "list_classes", false, file_bytes));
    RS_TRY(check_together(&x, &y, &c));
    RS_TRY(read_classes(&c, set));
    RS_TRY(read_labels(&y, set->classes, &s->labels));
    RS_OOM(s->pixels = malloc((size_t)x.count));
    RS_FAIL_IF(H5Dread(x.id, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, s->pixels) < 0,
               RESCL_ERR_FORMAT, "%s: %s cannot be read; the file is cut short or corrupted", path,
               x.name);
    s->height = (size_t)x.dim[1];
    s->width = (size_t)x.dim[2];
    set->count = (size_t)x.dim[0];
out:
    source_fini(&x);
    source_fini(&y);
    source_fini(&c);
    return st;
}

/* Reading needs no lock, and file systems without locks would refuse. */
static hid_t open_plist(void)
{
    const hid_t plist = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    if (plist >= 0)
        H5Pset_file_locking(plist, false, true);
#endif
    return plist;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    hid_t file = -1, plist = -1;
    H5E_auto2_t print = NULL;
    void *print_data = NULL;
    struct stat info;
    state *s = NULL;
    H5Eget_auto2(H5E_DEFAULT, &print, &print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are ours to tell */
    RS_OOM(path = file_of(options));
    RS_FAIL_IF(stat(path, &info) != 0, RESCL_ERR_NOT_FOUND, "%s: no such file", path);
    RS_FAIL_IF(!S_ISREG(info.st_mode), RESCL_ERR_FORMAT, "%s: not a regular file", path);
    RS_OOM(s = calloc(1, sizeof *s));
    set->state = s;
    plist = open_plist();
    RS_FAIL_IF(plist < 0, RESCL_ERR_MEMORY, "HDF5 cannot be started");
    file = H5Fopen(path, H5F_ACC_RDONLY, plist);
    RS_FAIL_IF(file < 0, RESCL_ERR_FORMAT,
               "%s: not an HDF5 file, or one that is cut short or corrupted", path);
    RS_TRY(read_sets(file, path, options->split, (uint64_t)info.st_size, set, s));
out:
    if (file >= 0)
        H5Fclose(file);
    if (plist >= 0)
        H5Pclose(plist);
    H5Eset_auto2(H5E_DEFAULT, print, print_data);
    free(path);
    return st;
}

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    if (s == NULL)
        return;
    free(s->pixels);
    free(s->labels);
    free(s);
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    const size_t bytes = s->height * s->width * 3;
    uint8_t *pixels;
    RS_OOM(pixels = malloc(bytes));
    memcpy(pixels, s->pixels + index * bytes, bytes);
    *image = (rescl_image){.width = s->width, .height = s->height, .pixels = pixels};
    *label = s->labels[index];
out:
    return st;
}

#else

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    (void)set;
    RS_FAIL(RESCL_ERR_UNSUPPORTED,
            "%s: this rescl was built without HDF5; install its development package (Debian: "
            "libhdf5-dev) and build again with -DRESCL_WITH_HDF5=ON",
            options->path);
out:
    return st;
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    (void)image;
    (void)label;
    RS_FAIL(RESCL_ERR_UNSUPPORTED, "%s: picture %zu needs HDF5", set->origin, index);
out:
    return st;
}

static void close_set(rescl_dataset *set)
{
    (void)set;
}

#endif

const rs_dataset_format rs_dataset_signs_h5 = {
    .name = "signs_h5",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .close = close_set,
};
