/* The HDF5 layout of the SIGNS set of hands: "signs_h5". `path` is a folder with <split>_signs.h5,
 * or such a file itself, which holds
 *
 *     <split>_set_x   uint8 (N, H, W, 3)    pictures
 *     <split>_set_y   integers (N) or (1,N) labels, indices of classes
 *     list_classes    integers (C)          names of the classes
 *
 * What a file may be and how it is read: source_h5.h. The pictures are held in memory as bytes;
 * HDF5, which is not thread-safe, is used while opening only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset.h"
#include "error.h"
#include "path.h"
#include "source_h5.h"
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

#define MAX_SIDE    65535
#define MAX_CLASSES 65536
#define MAX_BYTES   ((uint64_t)16 << 30) /* of all pictures */

typedef struct state {
    size_t height, width;
    uint8_t *pixels; /* count * height * width * 3 */
    int32_t *labels;
} state;

/* Labels, and that each names a class. */
static rescl_status read_labels(const rs_h5_source *s, size_t classes, int32_t **out)
{
    rescl_status st = RESCL_OK;
    int64_t *wide = NULL;
    int32_t *labels = NULL;
    RS_OOM(wide = calloc(s->count, sizeof *wide));
    RS_OOM(labels = calloc(s->count, sizeof *labels));
    RS_TRY(rs_h5_source_read_int64(s, wide));
    for (size_t i = 0; i < s->count; i++) {
        RS_FAIL_IF(wide[i] < 0 || (uint64_t)wide[i] >= classes, RESCL_ERR_FORMAT,
                   "%s: %s: label %zu is %lld; with %zu classes it must be 0 to %zu", s->file->path,
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

static rescl_status read_classes(const rs_h5_source *s, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    int64_t *value = NULL;
    const size_t count = (size_t)s->count;
    RS_OOM(value = calloc(count, sizeof *value));
    RS_TRY(rs_h5_source_read_int64(s, value));
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
static rescl_status check_together(const rs_h5_source *x, const rs_h5_source *y,
                                   const rs_h5_source *c)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(x->value_bytes != 1 || x->is_signed, RESCL_ERR_FORMAT,
               "%s: %s holds another type of values than the expected uint8", x->file->path,
               x->name);
    RS_FAIL_IF(x->ndim != 4 || x->dim[3] != 3, RESCL_ERR_FORMAT,
               "%s: %s has %d dimensions, the last of %llu; expected (N, H, W, 3)", x->file->path,
               x->name, x->ndim, (unsigned long long)x->dim[x->ndim - 1]);
    RS_FAIL_IF(x->dim[1] > MAX_SIDE || x->dim[2] > MAX_SIDE || x->dim[0] > INT32_MAX ||
                   x->count > MAX_BYTES,
               RESCL_ERR_FORMAT,
               "%s: %s holds %llu pictures of %llux%llu, %llu bytes; at most %llu are loaded",
               x->file->path, x->name, (unsigned long long)x->dim[0], (unsigned long long)x->dim[2],
               (unsigned long long)x->dim[1], (unsigned long long)x->count,
               (unsigned long long)MAX_BYTES);
    RS_FAIL_IF(!(y->ndim == 1 || (y->ndim == 2 && y->dim[0] == 1)) || y->count != x->dim[0],
               RESCL_ERR_FORMAT, "%s: %s holds %llu labels for %llu pictures", y->file->path,
               y->name, (unsigned long long)y->count, (unsigned long long)x->dim[0]);
    RS_FAIL_IF(c->ndim != 1 || c->count > MAX_CLASSES, RESCL_ERR_FORMAT,
               "%s: %s holds %llu classes in %d dimensions; expected one of at most %d",
               c->file->path, c->name, (unsigned long long)c->count, c->ndim, MAX_CLASSES);
out:
    return st;
}

static rescl_status open_source(rs_h5_source *s, const rs_h5_file *file, const char *name)
{
    rescl_status st = rs_h5_source_open(s, file, name);
    RS_FAIL_IF(st == RESCL_ERR_NOT_FOUND, RESCL_ERR_FORMAT,
               "%s: has no dataset %s; a SIGNS file holds <split>_set_x, <split>_set_y and "
               "list_classes, with the split \"train\" or \"test\"",
               file->path, name);
out:
    return st;
}

static rescl_status read_sets(const rs_h5_file *file, const char *split, rescl_dataset *set,
                              state *s)
{
    rescl_status st = RESCL_OK;
    rs_h5_source x = RS_H5_CLOSED, y = RS_H5_CLOSED, c = RS_H5_CLOSED;
    char name[64];
    RS_FAIL_IF(strlen(split) > 32, RESCL_ERR_ARG, "%s: no split \"%s\"", file->path, split);
    snprintf(name, sizeof name, "%s_set_x", split);
    RS_TRY(open_source(&x, file, name));
    snprintf(name, sizeof name, "%s_set_y", split);
    RS_TRY(open_source(&y, file, name));
    RS_TRY(open_source(&c, file, "list_classes"));
    RS_TRY(check_together(&x, &y, &c));
    RS_TRY(read_classes(&c, set));
    RS_TRY(read_labels(&y, set->classes, &s->labels));
    RS_OOM(s->pixels = malloc((size_t)x.count));
    RS_TRY(rs_h5_source_read(&x, s->pixels));
    s->height = (size_t)x.dim[1];
    s->width = (size_t)x.dim[2];
    set->count = (size_t)x.dim[0];
out:
    rs_h5_source_close(&x);
    rs_h5_source_close(&y);
    rs_h5_source_close(&c);
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    rs_h5_file file;
    bool opened = false;
    RS_OOM(path = file_of(options));
    RS_OOM(set->state = calloc(1, sizeof(state)));
    opened = true;
    RS_TRY(rs_h5_open(&file, path));
    RS_TRY(read_sets(&file, options->split, set, set->state));
out:
    if (opened)
        rs_h5_close(&file);
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
