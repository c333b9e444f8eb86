/* Images that lie in the caller's memory as a dataset. */
#include "alloc.h"
#include "dataset.h"
#include "error.h"
#include "image.h"
#include "optionvalue.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES ((size_t)1000000)

typedef struct state {
    const uint8_t *images; /* (count, height, width, channels) */
    const int32_t *labels;
    size_t height, width, channels, bit_depth, image_bytes;
    uint8_t *images_copy; /* NULL when the arrays are borrowed */
    int32_t *labels_copy;
} state;

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    if (!s)
        return;
    free(s->images_copy);
    free(s->labels_copy);
    free(s);
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    rescl_status st = RESCL_OK;
    const state *s = set->state;
    uint8_t *pixels = NULL;

    RS_OOM(pixels = malloc(s->image_bytes));
    memcpy(pixels, s->images + index * s->image_bytes, s->image_bytes);
    *image = (rescl_image){.width = s->width,
                           .height = s->height,
                           .pixels = pixels,
                           .channels = s->channels,
                           .bit_depth = s->bit_depth};
    *label = s->labels[index];
out:
    return st;
}

static int32_t label_at(const rescl_dataset *set, size_t index)
{
    const state *s = set->state;
    return s->labels[index];
}

static rescl_status identify(const rescl_dataset *set, size_t index, rs_hash *out)
{
    const state *s = set->state;
    const size_t bytes = s->image_bytes;
    *out = rs_hash_bytes(s->images + index * bytes, bytes);
    return RESCL_OK;
}

/* Not in datasets.def: it is not opened by a path. */
static const rs_dataset_format arrays_format = {
    .name = "arrays",
    .held = true,
    .get = get,
    .label = label_at,
    .identify = identify,
    .close = close_set,
};

static rescl_status check(const rescl_data_arrays *a, size_t *image_bytes, size_t *bytes)
{
    rescl_status st = RESCL_OK;
    size_t pixels = 0;

    RS_FAIL_IF(!a->images || !a->labels, RESCL_ERR_ARG, "%s: there are no %s", a->name,
               a->images ? "labels" : "images");
    RS_FAIL_IF(a->count == 0, RESCL_ERR_ARG, "%s: expected at least 1 image, found a count of 0",
               a->name);
    RS_FAIL_IF(!rs_mul_size(a->height, a->width, &pixels) || pixels == 0 || pixels > RS_MAX_PIXELS,
               RESCL_ERR_ARG, "%s: images of %zux%zu: expected 1 to %zu pixels", a->name, a->width,
               a->height, RS_MAX_PIXELS);
    RS_FAIL_IF(a->channels != 0 && a->channels != 3 && a->channels != 4, RESCL_ERR_ARG,
               "%s: channels %zu: expected 3 or 4, or 0 for 3", a->name, a->channels);
    RS_FAIL_IF(a->bit_depth != 0 && a->bit_depth != 8 && a->bit_depth != 16, RESCL_ERR_ARG,
               "%s: bit_depth %zu: expected 8 or 16, or 0 for 8", a->name, a->bit_depth);
    *image_bytes = pixels * rs_pixel_bytes(a->channels, a->bit_depth);
    RS_FAIL_IF(!rs_mul_size(*image_bytes, a->count, bytes), RESCL_ERR_ARG,
               "%s: %zu images of %zux%zu are more than memory can hold", a->name, a->count,
               a->width, a->height);
    RS_FAIL_IF(a->classes == 0 || a->classes > MAX_CLASSES, RESCL_ERR_ARG,
               "%s: %zu classes: expected 1 to %zu", a->name, a->classes, MAX_CLASSES);
    for (size_t i = 0; a->class_names && i < a->classes; i++)
        RS_FAIL_IF(!a->class_names[i], RESCL_ERR_ARG,
                   "%s: class %zu has no name; give all %zu, or NULL for \"0\", \"1\", ...",
                   a->name, i, a->classes);
    for (size_t i = 0; i < a->count; i++)
        RS_FAIL_IF(a->labels[i] < 0 || (size_t)a->labels[i] >= a->classes, RESCL_ERR_ARG,
                   "%s: image %zu has the label %ld: expected 0 to %zu", a->name, i,
                   (long)a->labels[i], a->classes - 1);
out:
    return st;
}

static rescl_status take_arrays(rescl_dataset *set, const rescl_data_arrays *a, size_t bytes)
{
    rescl_status st = RESCL_OK;
    state *s = set->state;

    s->images = a->images;
    s->labels = a->labels;
    if (a->copy) {
        RS_OOM(s->images_copy = malloc(bytes));
        RS_OOM(s->labels_copy = calloc(a->count, sizeof *s->labels_copy));
        s->images = memcpy(s->images_copy, a->images, bytes);
        s->labels = memcpy(s->labels_copy, a->labels, a->count * sizeof *a->labels);
    }
    RS_OOM(set->class_name = calloc(a->classes, sizeof *set->class_name));
    set->classes = a->classes;
    for (size_t i = 0; i < a->classes; i++)
        RS_OOM(set->class_name[i] =
                   a->class_names ? rs_strf("%s", a->class_names[i]) : rs_strf("%zu", i));
    set->count = set->total = a->count;
out:
    return st;
}

void rescl_data_arrays_init(rescl_data_arrays *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_data_arrays){0}, sizeof *out);
}

rescl_status rescl_dataset_from_arrays(const rescl_data_arrays *arrays, rescl_dataset **out)
{
    rescl_status st = RESCL_OK;
    rescl_data_arrays a = {0};
    rescl_dataset *set = NULL;
    state *s = NULL;
    size_t image_bytes, bytes;

    *out = NULL;
    RS_TRY(rs_options_take(&a, sizeof a, arrays, "rescl_data_arrays"));
    if (!a.name)
        a.name = "arrays";
    RS_TRY(check(&a, &image_bytes, &bytes));
    RS_OOM(set = calloc(1, sizeof *set));
    set->format = &arrays_format;
    RS_OOM(set->origin = rs_strf("%s", a.name));
    RS_OOM(set->state = s = calloc(1, sizeof *s));
    s->height = a.height;
    s->width = a.width;
    s->channels = a.channels;
    s->bit_depth = a.bit_depth;
    s->image_bytes = image_bytes;
    RS_TRY(take_arrays(set, &a, bytes));
    RS_TRY(rs_dataset_check_names(set));
    *out = set;
    set = NULL;
out:
    rescl_dataset_close(set);
    return st;
}
