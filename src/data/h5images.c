#include "h5images.h"

#include "error.h"
#include "h5file.h"
#include "log.h"
#include "str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIDE    65535
#define MAX_CLASSES 65536
#define MAX_BYTES   ((uint64_t)16 << 30) /* of all images */
#define DIM         16.0 /* floats above 1 and up to here are no usual brightness of 0 to 255 */

/* The datasets in the order in which they are added to the index; names that are strings are added as
 * notes. */
enum { IMAGES, LABELS, CLASSES };

/* How the values of an image lie. */
typedef struct layout {
    size_t height, width, channels; /* 1 or 3 */
    bool planes;                    /* (3, H, W) */
} layout;

/* ---- in the child process of h5file.h ---------------------------------------------------- */

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

static rescl_status scan_set(rs_h5_scan *scan, const void *arg)
{
    rescl_status st = RESCL_OK;
    const rs_h5_keys *keys = arg;
    const char *const name[] = {keys->images, keys->labels, keys->classes};
    for (int i = 0; i <= CLASSES && name[i]; i++) {
        st = i == CLASSES ? scan_class_names(scan, name[i])
                          : rs_h5_scan_array(scan, name[i], name[i]);
        RS_FAIL_IF(st == RESCL_ERR_NOT_FOUND,
                   i == IMAGES && keys->other_split ? RESCL_ERR_NOT_FOUND : RESCL_ERR_FORMAT,
                   "%s: has no dataset %s; %s", rs_h5_scan_path(scan), name[i], keys->cure);
        RS_TRY(st);
    }
out:
    return st;
}

/* ---- labels and classes ------------------------------------------------------------------ */

/* Labels, and that each names a class; *classes of 0 becomes as many as they say. */
static rescl_status read_labels(const rs_h5_file *f, const rs_h5_array *y, size_t *classes,
                                int32_t **out)
{
    rescl_status st = RESCL_OK;
    int64_t *wide = NULL;
    int32_t *labels = NULL;
    RS_OOM(wide = calloc(y->count, sizeof *wide));
    RS_OOM(labels = calloc(y->count, sizeof *labels));
    RS_TRY(rs_h5_read_int64(f, y, wide));
    const size_t most = *classes ? *classes : MAX_CLASSES;
    size_t said = 0;
    for (size_t i = 0; i < y->count; i++) {
        RS_FAIL_IF(wide[i] < 0 || (uint64_t)wide[i] >= most, RESCL_ERR_FORMAT,
                   "%s: %s: label %zu is %lld; with %zu classes it must be 0 to %zu", f->path,
                   y->name, i, (long long)wide[i], most, most - 1);
        labels[i] = (int32_t)wide[i];
        said = (size_t)wide[i] >= said ? (size_t)wide[i] + 1 : said;
    }
    *classes = *classes ? *classes : said;
    *out = labels;
    labels = NULL;
out:
    free(wide);
    free(labels);
    return st;
}

/* The names of the classes: strings are notes of the index. */
static rescl_status read_classes(const rs_h5_file *f, const rs_h5_keys *keys, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const rs_h5_array *c = f->count > CLASSES ? &f->array[CLASSES] : NULL;
    const size_t count = c ? (size_t)c->count : f->notes;
    int64_t *value = NULL;
    RS_FAIL_IF(count == 0, RESCL_ERR_FORMAT, "%s: names no classes", f->path);
    RS_OOM(value = calloc(count, sizeof *value));
    if (c)
        RS_TRY(rs_h5_read_int64(f, c, value));
    RS_OOM(set->class_name = calloc(count, sizeof *set->class_name));
    for (size_t i = 0; i < count; i++) {
        RS_FAIL_IF(!c && f->note[i].value[0] == '\0', RESCL_ERR_FORMAT,
                   "%s: %s: class %zu has no name", f->path, keys->classes, i);
        set->class_name[i] =
            c ? rs_strf("%lld", (long long)value[i]) : rs_strf("%s", f->note[i].value);
        RS_OOM(set->class_name[i]);
        set->classes = i + 1;
    }
out:
    free(value);
    return st;
}

static rescl_status number_classes(size_t count, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    RS_OOM(set->class_name = calloc(count, sizeof *set->class_name));
    for (size_t i = 0; i < count; i++) {
        RS_OOM(set->class_name[i] = rs_strf("%zu", i));
        set->classes = i + 1;
    }
out:
    return st;
}

/* ---- shapes ------------------------------------------------------------------------------ */

/* Whether it is a list: one extent but for those of 1, as in (N, 1, 1, 1). */
static bool is_list(const rs_h5_array *a)
{
    int extents = 0;
    for (int i = 0; i < a->ndim; i++)
        extents += a->dim[i] != 1;
    return a->ndim > 0 && extents <= 1;
}

/* Where the colours are, by the shape alone. */
static rescl_status find_layout(const char *path, const rs_h5_array *x, bool only_rgb, layout *l)
{
    rescl_status st = RESCL_OK;
    const uint64_t *d = x->dim;
    const bool last = x->ndim == 4 && d[3] == 3;
    const bool first = x->ndim == 4 && d[1] == 3 && !only_rgb;
    const bool grey = (x->ndim == 3 || (x->ndim == 4 && d[3] == 1)) && !only_rgb;
    RS_FAIL_IF(first && last, RESCL_ERR_FORMAT,
               "%s: %s is (%llu, 3, %llu, 3): its colours may come first or last; write it as "
               "(N, H, W, 3) of another height",
               path, x->name, (unsigned long long)d[0], (unsigned long long)d[2]);
    RS_FAIL_IF(
        first && grey, RESCL_ERR_FORMAT,
        "%s: %s is (%llu, 3, %llu, 1): images of three colours of one column, or grey ones of "
        "three rows; write it as (N, H, W, 3)",
        path, x->name, (unsigned long long)d[0], (unsigned long long)d[2]);
    RS_FAIL_IF(!first && !last && !grey, RESCL_ERR_FORMAT,
               "%s: %s has %d dimensions, the last of %llu; expected (N, H, W, 3)%s", path, x->name,
               x->ndim, (unsigned long long)d[x->ndim - 1],
               only_rgb ? "" : ", (N, 3, H, W) or, of grey images, (N, H, W)");
    const int rows = first ? 2 : 1;
    RS_FAIL_IF(d[rows] > MAX_SIDE || d[rows + 1] > MAX_SIDE || d[0] > INT32_MAX ||
                   x->count > MAX_BYTES / x->value_bytes / (grey ? 3 : 1),
               RESCL_ERR_FORMAT,
               "%s: %s holds %llu images of %llux%llu, %llu bytes; at most %llu are loaded", path,
               x->name, (unsigned long long)d[0], (unsigned long long)d[rows + 1],
               (unsigned long long)d[rows], (unsigned long long)(x->count * x->value_bytes),
               (unsigned long long)MAX_BYTES);
    *l = (layout){(size_t)d[rows], (size_t)d[rows + 1], grey ? 1 : 3, first};
out:
    return st;
}

/* The datasets fit together. */
static rescl_status check_together(const char *path, const rs_h5_array *x, const rs_h5_array *y,
                                   const rs_h5_array *c)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!is_list(y) || y->count != x->dim[0], RESCL_ERR_FORMAT,
               "%s: %s holds %llu labels for %llu images", path, y->name,
               (unsigned long long)y->count, (unsigned long long)x->dim[0]);
    RS_FAIL_IF(c && (!is_list(c) || c->count > MAX_CLASSES), RESCL_ERR_FORMAT,
               "%s: %s holds %llu classes in %d dimensions; expected one of at most %d", path,
               c->name, (unsigned long long)c->count, c->ndim, MAX_CLASSES);
out:
    return st;
}

/* ---- pixels ------------------------------------------------------------------------------ */

/* Pixels that are all black to the eye are seldom meant so. */
static rescl_status warn_of_black(const rs_h5_file *f, const rs_h5_array *x, double high,
                                  rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    if (high <= 1.0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                               "%s: %s holds whole numbers of at most %g, where white is 255: its "
                               "images are black",
                               f->path, x->name, high));
out:
    return st;
}

/* Bytes of pixels from numbers: of 0 to 255, to the nearest; floats of 0 to 1 are taken times 255. Floats of
 * which the largest is a little above 1 are neither. */
static rescl_status bytes_of(const rs_h5_file *f, const rs_h5_array *x, const void *raw,
                             rescl_dataset *set, uint8_t *pixels)
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
    const bool is_float = x->kind == RS_H5_FLOAT;
    RS_FAIL_IF(
        is_float && high > 1.0 && high <= DIM, RESCL_ERR_FORMAT,
        "%s: %s holds floats from %g to %g, which may be meant as 0 to 1 or as 0 to 255; clip "
        "them to 1 or write them as bytes",
        f->path, x->name, low, high);
    if (!is_float)
        RS_TRY(warn_of_black(f, x, high, set));
    const double scale = is_float && high <= 1.0 ? 255.0 : 1.0;
    for (size_t i = 0; i < x->count; i++)
        pixels[i] = (uint8_t)lrint(rs_h5_number(x, raw, i) * scale);
    if (is_float)
        rs_log(RESCL_LOG_INFO, "%s: %s holds floats from %g to %g, which are taken %s", f->path,
               x->name, low, high, scale > 1.0 ? "times 255" : "as they are, to the nearest byte");
out:
    return st;
}

static rescl_status read_pixels(const rs_h5_file *f, const rs_h5_array *x, rescl_dataset *set,
                                uint8_t **out)
{
    rescl_status st = RESCL_OK;
    uint8_t *raw = NULL, *pixels = NULL;
    RS_OOM(raw = malloc((size_t)x->count * x->value_bytes));
    RS_TRY(rs_h5_read(f, x, raw));
    if (x->value_bytes == 1 && x->kind == RS_H5_UNSIGNED) {
        uint8_t high = 0;
        for (size_t i = 0; i < x->count; i++)
            high = raw[i] > high ? raw[i] : high;
        RS_TRY(warn_of_black(f, x, high, set));
        *out = raw;
        raw = NULL;
        goto out;
    }
    RS_OOM(pixels = malloc((size_t)x->count));
    RS_TRY(bytes_of(f, x, raw, set, pixels));
    *out = pixels;
    pixels = NULL;
out:
    free(raw);
    free(pixels);
    return st;
}

/* Makes (N, H, W, 3) of the bytes of another layout. */
static rescl_status arrange(const layout *l, size_t count, uint8_t **pixels)
{
    rescl_status st = RESCL_OK;
    const size_t size = l->height * l->width;
    uint8_t *rgb = NULL;
    if (l->channels == 3 && !l->planes)
        goto out;
    RS_OOM(rgb = malloc(count * size * 3 + 1));
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < size; i++)
            for (size_t c = 0; c < 3; c++)
                rgb[(n * size + i) * 3 + c] =
                    (*pixels)[l->channels == 1 ? n * size + i : (n * 3 + c) * size + i];
    free(*pixels);
    *pixels = rgb;
out:
    return st;
}

static rescl_status read_sets(const rs_h5_file *f, const rs_h5_keys *keys, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_held_images *h = set->state;
    const rs_h5_array *x = &f->array[IMAGES], *y = &f->array[LABELS];
    const bool named = keys->classes != NULL;
    layout l = {0};
    RS_TRY(find_layout(f->path, x, keys->only_rgb, &l));
    RS_TRY(check_together(f->path, x, y, f->count > CLASSES ? &f->array[CLASSES] : NULL));
    if (named)
        RS_TRY(read_classes(f, keys, set));
    size_t classes = set->classes;
    RS_TRY(read_labels(f, y, &classes, &h->labels));
    if (!named)
        RS_TRY(number_classes(classes, set));
    RS_TRY(read_pixels(f, x, set, &h->pixels));
    RS_TRY(arrange(&l, (size_t)x->dim[0], &h->pixels));
    h->height = l.height;
    h->width = l.width;
    set->count = (size_t)x->dim[0];
out:
    return st;
}

rescl_status rs_h5_images_open(const char *path, const rs_h5_keys *keys, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_h5_file *file = NULL;
    const bool named = keys->classes != NULL;
    RS_TRY(rs_h5_open(path, path, scan_set, keys, &file));
    RS_OOM(set->state = calloc(1, sizeof(rs_held_images)));
    RS_FAIL_IF(file->count < CLASSES || (named ? (file->count == CLASSES) == (file->notes == 0)
                                               : file->count > CLASSES || file->notes > 0),
               RESCL_ERR_FORMAT, "%s: cannot be read", path);
    RS_TRY(read_sets(file, keys, set));
out:
    rs_h5_close(file);
    return st;
}
