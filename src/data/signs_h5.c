/* The HDF5 layout of the SIGNS set of hands: "signs_h5". `path` is a folder with <split>_signs.h5,
 * or such a file itself, which holds
 *
 *     <split>_set_x   (N, H, W, 3)             images: whole numbers or floats, 0 to 255, or floats
 *                                              of 0 to 1
 *     <split>_set_y   (N), (1, N) or (N, 1)    labels, whole numbers: indices of classes
 *     list_classes    (C), (1, C) or (C, 1)    names of the classes: strings, or whole numbers
 *
 * What a file may be and how it is read: h5file.h. The images are held in memory as bytes. */
#include "dataset.h"
#include "error.h"
#include "h5file.h"
#include "log.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* path/<split>_signs.h5 when path is a folder, else path. Heap; NULL when memory is short. */
static char *file_of(const char *path, const char *split)
{
    if (!rs_path_is_dir(path))
        return rs_strf("%s", path);
    char *name = rs_strf("%s_signs.h5", split);
    char *file = name ? rs_path_join(path, name) : NULL;
    free(name);
    return file;
}

/* The split as names in files have it. */
static const char *split_of(const rescl_data_options *options)
{
    const char *split = rs_split_of(options->split);
    return split ? split : options->split;
}

/* Whichever split is asked for: a folder may lack it. */
static bool recognises(const rescl_data_options *options)
{
    const char *const splits[] = {split_of(options), "train", "val", "test"};
    bool found = false;
    for (size_t i = 0; !found && i < RS_COUNT(splits); i++) {
        struct stat info;
        char *path = file_of(options->path, splits[i]);
        const bool named = path && (rs_ends_with(path, ".h5") || rs_ends_with(path, ".hdf5"));
        found = named && stat(path, &info) == 0 && S_ISREG(info.st_mode);
        free(path);
    }
    return found;
}

#define MAX_SIDE    65535
#define MAX_CLASSES 65536
#define MAX_BYTES   ((uint64_t)16 << 30) /* of all images */

/* The datasets of a split, in the order in which they are added to the index; names that are strings
 * are added as notes. */
enum { IMAGES, LABELS, CLASSES, DATASETS };

typedef struct state {
    size_t height, width;
    uint8_t *pixels; /* count * height * width * 3 */
    int32_t *labels;
} state;

/* Labels, and that each names a class. */
static rescl_status read_labels(const rs_h5_file *f, const rs_h5_array *y, size_t classes,
                                int32_t **out)
{
    rescl_status st = RESCL_OK;
    int64_t *wide = NULL;
    int32_t *labels = NULL;
    RS_OOM(wide = calloc(y->count, sizeof *wide));
    RS_OOM(labels = calloc(y->count, sizeof *labels));
    RS_TRY(rs_h5_read_int64(f, y, wide));
    for (size_t i = 0; i < y->count; i++) {
        RS_FAIL_IF(wide[i] < 0 || (uint64_t)wide[i] >= classes, RESCL_ERR_FORMAT,
                   "%s: %s: label %zu is %lld; with %zu classes it must be 0 to %zu", f->path,
                   y->name, i, (long long)wide[i], classes, classes - 1);
        labels[i] = (int32_t)wide[i];
    }
    *out = labels;
    labels = NULL;
out:
    free(wide);
    free(labels);
    return st;
}

/* The names of the classes: strings are notes of the index. */
static rescl_status read_classes(const rs_h5_file *f, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const rs_h5_array *c = f->count > CLASSES ? &f->array[CLASSES] : NULL;
    const size_t count = c ? (size_t)c->count : f->notes;
    int64_t *value = NULL;
    RS_OOM(value = calloc(count, sizeof *value));
    if (c)
        RS_TRY(rs_h5_read_int64(f, c, value));
    RS_OOM(set->class_name = calloc(count, sizeof *set->class_name));
    for (size_t i = 0; i < count; i++) {
        RS_FAIL_IF(!c && f->note[i].value[0] == '\0', RESCL_ERR_FORMAT,
                   "%s: list_classes: class %zu has no name", f->path, i);
        set->class_name[i] =
            c ? rs_strf("%lld", (long long)value[i]) : rs_strf("%s", f->note[i].value);
        RS_OOM(set->class_name[i]);
        set->classes = i + 1;
    }
out:
    free(value);
    return st;
}

/* Whether it is a list, if lying in a matrix of one row or column. */
static bool is_list(const rs_h5_array *a)
{
    return a->ndim == 1 || (a->ndim == 2 && (a->dim[0] == 1 || a->dim[1] == 1));
}

/* The datasets fit together and are of bearable size. */
static rescl_status check_together(const char *path, const rs_h5_array *x, const rs_h5_array *y,
                                   const rs_h5_array *c)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(x->ndim != 4 || x->dim[3] != 3, RESCL_ERR_FORMAT,
               "%s: %s has %d dimensions, the last of %llu; expected (N, H, W, 3)", path, x->name,
               x->ndim, (unsigned long long)x->dim[x->ndim - 1]);
    RS_FAIL_IF(x->dim[1] > MAX_SIDE || x->dim[2] > MAX_SIDE || x->dim[0] > INT32_MAX ||
                   x->count > MAX_BYTES / x->value_bytes,
               RESCL_ERR_FORMAT,
               "%s: %s holds %llu images of %llux%llu, %llu bytes; at most %llu are loaded", path,
               x->name, (unsigned long long)x->dim[0], (unsigned long long)x->dim[2],
               (unsigned long long)x->dim[1], (unsigned long long)(x->count * x->value_bytes),
               (unsigned long long)MAX_BYTES);
    RS_FAIL_IF(!is_list(y) || y->count != x->dim[0], RESCL_ERR_FORMAT,
               "%s: %s holds %llu labels for %llu images", path, y->name,
               (unsigned long long)y->count, (unsigned long long)x->dim[0]);
    RS_FAIL_IF(c && (!is_list(c) || c->count > MAX_CLASSES), RESCL_ERR_FORMAT,
               "%s: %s holds %llu classes in %d dimensions; expected one of at most %d", path,
               c->name, (unsigned long long)c->count, c->ndim, MAX_CLASSES);
out:
    return st;
}

static rescl_status scan_class_names(rs_h5_scan *scan, const char *name)
{
    rescl_status st = RESCL_OK;
    rs_h5_strings names = {0};
    RS_TRY(rs_h5_scan_texts(scan, name, MAX_CLASSES, &names));
    for (size_t i = 0; i < names.count; i++)
        RS_TRY(rs_h5_scan_note(scan, "class", names.text[i]));
    if (names.count == 0)
        RS_TRY(rs_h5_scan_array(scan, name, name));
out:
    rs_h5_strings_fini(&names);
    return st;
}

/* Runs in the child process of h5file.h. */
static rescl_status scan_set(rs_h5_scan *scan, const void *split)
{
    rescl_status st = RESCL_OK;
    char name[DATASETS][64];
    snprintf(name[IMAGES], sizeof name[0], "%s_set_x", (const char *)split);
    snprintf(name[LABELS], sizeof name[0], "%s_set_y", (const char *)split);
    snprintf(name[CLASSES], sizeof name[0], "list_classes");
    for (int i = 0; i < DATASETS; i++) {
        st = i == CLASSES ? scan_class_names(scan, name[i])
                          : rs_h5_scan_array(scan, name[i], name[i]);
        /* A file of one split is a file of SIGNS all the same. */
        RS_FAIL_IF(st == RESCL_ERR_NOT_FOUND,
                   i == IMAGES && strcmp(split, "train") != 0 ? RESCL_ERR_NOT_FOUND
                                                              : RESCL_ERR_FORMAT,
                   "%s: has no dataset %s; a SIGNS file holds <split>_set_x, <split>_set_y and "
                   "list_classes, with the split \"train\", \"val\" or \"test\"",
                   rs_h5_scan_path(scan), name[i]);
        RS_TRY(st);
    }
out:
    return st;
}

/* Bytes of pixels from numbers: of 0 to 255, to the nearest; floats of 0 to 1 are taken times 255. */
static rescl_status bytes_of(const rs_h5_file *f, const rs_h5_array *x, const void *raw,
                             uint8_t *pixels)
{
    rescl_status st = RESCL_OK;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < x->count; i++) {
        const double v = rs_h5_number(x, raw, i);
        low = v < low ? v : low;
        high = v > high ? v : high;
        RS_FAIL_IF(isnan(v), RESCL_ERR_FORMAT, "%s: %s: value %zu is no number", f->path, x->name,
                   i);
    }
    RS_FAIL_IF(
        low < 0.0 || high > 255.0, RESCL_ERR_FORMAT,
        "%s: %s holds values from %g to %g; pixels are expected to be 0 to 255, or floats of "
        "0 to 1: write them before they are standardised",
        f->path, x->name, low, high);
    const double scale = x->kind == RS_H5_FLOAT && high <= 1.0 ? 255.0 : 1.0;
    for (size_t i = 0; i < x->count; i++)
        pixels[i] = (uint8_t)lrint(rs_h5_number(x, raw, i) * scale);
    if (x->kind == RS_H5_FLOAT)
        rs_log(RESCL_LOG_INFO, "%s: %s holds floats from %g to %g, which are taken %s", f->path,
               x->name, low, high, scale > 1.0 ? "times 255" : "as they are, to the nearest byte");
out:
    return st;
}

static rescl_status read_pixels(const rs_h5_file *f, const rs_h5_array *x, uint8_t **out)
{
    rescl_status st = RESCL_OK;
    uint8_t *raw = NULL, *pixels = NULL;
    RS_OOM(raw = malloc((size_t)x->count * x->value_bytes));
    RS_TRY(rs_h5_read(f, x, raw));
    if (x->value_bytes == 1 && x->kind == RS_H5_UNSIGNED) {
        *out = raw;
        raw = NULL;
        goto out;
    }
    RS_OOM(pixels = malloc((size_t)x->count));
    RS_TRY(bytes_of(f, x, raw, pixels));
    *out = pixels;
    pixels = NULL;
out:
    free(raw);
    free(pixels);
    return st;
}

static rescl_status read_sets(const rs_h5_file *f, rescl_dataset *set, state *s)
{
    rescl_status st = RESCL_OK;
    const rs_h5_array *x = &f->array[IMAGES], *y = &f->array[LABELS];
    RS_TRY(check_together(f->path, x, y, f->count > CLASSES ? &f->array[CLASSES] : NULL));
    RS_TRY(read_classes(f, set));
    RS_TRY(read_labels(f, y, set->classes, &s->labels));
    RS_TRY(read_pixels(f, x, &s->pixels));
    s->height = (size_t)x->dim[1];
    s->width = (size_t)x->dim[2];
    set->count = (size_t)x->dim[0];
out:
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    rs_h5_file *file = NULL;
    RS_OOM(path = file_of(options->path, split_of(options)));
    RS_OOM(set->state = calloc(1, sizeof(state)));
    RS_FAIL_IF(strlen(options->split) > 32, RESCL_ERR_ARG, "%s: no split \"%s\"", path,
               options->split);
    RS_TRY(rs_h5_open(path, path, scan_set, split_of(options), &file));
    RS_FAIL_IF(file->count < CLASSES || (file->count == CLASSES) == (file->notes == 0),
               RESCL_ERR_FORMAT, "%s: cannot be read", path);
    RS_TRY(read_sets(file, set, set->state));
out:
    rs_h5_close(file);
    free(path);
    return st;
}

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    if (!s)
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

static rescl_status identify(const rescl_dataset *set, size_t index, rs_hash *out)
{
    const state *s = set->state;
    const size_t bytes = s->height * s->width * 3;
    *out = rs_hash_bytes(s->pixels + index * bytes, bytes);
    return RESCL_OK;
}

static int32_t label_at(const rescl_dataset *set, size_t index)
{
    const state *s = set->state;
    return s->labels[index];
}

const rs_dataset_format rs_dataset_signs_h5 = {
    .name = "signs_h5",
    .expects = "a folder with train_signs.h5 and test_signs.h5, or such a file",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .label = label_at,
    .identify = identify,
    .close = close_set,
};
