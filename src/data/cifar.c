/* CIFAR-10 and CIFAR-100 in the binary version of https://www.cs.toronto.edu/~kriz/cifar.html: "cifar".
 * `path` is the folder cifar-10-batches-bin or cifar-100-binary, or the one that it lies in.
 *
 *     CIFAR-10    data_batch_1.bin ... data_batch_5.bin, test_batch.bin, batches.meta.txt; a record is a
 *                 label and 3072 bytes: the planes of red, green and blue, of 32x32
 *     CIFAR-100   train.bin, test.bin, fine_label_names.txt; two labels, of which the second, the fine
 *                 one, is taken
 */
#include "error.h"
#include "heldimages.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SIDE        32
#define PLANE       ((size_t)SIDE * SIDE)
#define MAX_RECORDS ((size_t)1000000) /* in a file */
#define MAX_FILES   5

typedef struct variant {
    const char *folder,
        *names; /* the usual name of the folder, and the file of the classes' names */
    const char *train[MAX_FILES], *test;
    size_t labels; /* bytes before the pixels, the last of which is the label */
    size_t classes;
} variant;

static const variant variants[] = {
    {"cifar-10-batches-bin",
     "batches.meta.txt",
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin"},
     "test_batch.bin",
     1,
     10},
    {"cifar-100-binary", "fine_label_names.txt", {"train.bin"}, "test.bin", 2, 100},
};

static bool has_file(const char *folder, const char *name)
{
    struct stat info;
    char *path = rs_path_join(folder, name);
    const bool found = path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    free(path);
    return found;
}

/* The variant that lies in `path` or in a folder in it, which *folder gets on the heap; NULL: none, or
 * memory is short. */
static const variant *find_variant(const char *path, char **folder)
{
    for (size_t i = 0; i < 2 * RS_COUNT(variants); i++) {
        const variant *v = &variants[i % RS_COUNT(variants)];
        char *at = i < RS_COUNT(variants) ? rs_strf("%s", path) : rs_path_join(path, v->folder);
        if (at && has_file(at, v->names) && (has_file(at, v->train[0]) || has_file(at, v->test))) {
            *folder = at;
            return v;
        }
        free(at);
    }
    return NULL;
}

static bool recognises(const rescl_data_options *options)
{
    char *folder = NULL;
    const bool found = find_variant(options->path, &folder) != NULL;
    free(folder);
    return found;
}

/* A name a line; empty lines at the end are passed over. */
static rescl_status read_names(const char *folder, const variant *v, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *path = NULL, *text = NULL, *rest = NULL;
    size_t bytes;
    RS_OOM(path = rs_path_join(folder, v->names));
    RS_TRY(rs_file_read(path, 1 << 16, &text, &bytes));
    RS_OOM(set->class_name = calloc(v->classes, sizeof *set->class_name));
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        RS_FAIL_IF(set->classes == v->classes, RESCL_ERR_FORMAT,
                   "%s: more than %zu names of classes", path, v->classes);
        RS_OOM(set->class_name[set->classes] = rs_strf("%s", line));
        set->classes++;
    }
    RS_FAIL_IF(set->classes != v->classes, RESCL_ERR_FORMAT,
               "%s: %zu names of classes, expected %zu, one a line", path, set->classes,
               v->classes);
out:
    free(path);
    free(text);
    return st;
}

/* Appends the records of a file. */
static rescl_status read_records(const char *path, const variant *v, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_held_images *h = set->state;
    const size_t record = v->labels + 3 * PLANE;
    char *data = NULL;
    size_t bytes;
    RS_TRY(rs_file_read(path, record * MAX_RECORDS, &data, &bytes));
    const size_t count = bytes / record, before = set->count;
    RS_FAIL_IF(
        count == 0 || bytes % record != 0, RESCL_ERR_FORMAT,
        "%s: has %zu bytes, expected a multiple of %zu, the bytes of an image and its label; it "
        "is cut short or damaged",
        path, bytes, record);
    void *pixels = realloc(h->pixels, (before + count) * 3 * PLANE);
    RS_OOM(pixels);
    h->pixels = pixels;
    void *labels = realloc(h->labels, (before + count) * sizeof *h->labels);
    RS_OOM(labels);
    h->labels = labels;
    for (size_t n = 0; n < count; n++) {
        const uint8_t *src = (const uint8_t *)data + n * record + v->labels;
        uint8_t *dst = h->pixels + (before + n) * 3 * PLANE;
        RS_FAIL_IF(src[-1] >= v->classes, RESCL_ERR_FORMAT,
                   "%s: image %zu has the label %u; with %zu classes it must be 0 to %zu", path, n,
                   src[-1], v->classes, v->classes - 1);
        h->labels[before + n] = src[-1];
        for (size_t i = 0; i < PLANE; i++)
            for (size_t c = 0; c < 3; c++)
                dst[3 * i + c] = src[c * PLANE + i];
    }
    set->count = before + count;
out:
    free(data);
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_held_images *h = NULL;
    char *folder = NULL, *path = NULL;
    const variant *v = find_variant(options->path, &folder);
    const char *split = rs_split_of(options->split);
    const bool test = split && strcmp(split, "test") == 0;
    RS_FAIL_IF(
        !v, RESCL_ERR_NOT_FOUND,
        "data \"%s\": has no data_batch_1.bin and batches.meta.txt (CIFAR-10), nor train.bin and "
        "fine_label_names.txt (CIFAR-100); the binary version of either has them",
        options->path);
    RS_FAIL_IF(!test && (!split || strcmp(split, "train") != 0), RESCL_ERR_NOT_FOUND,
               "data \"%s\": CIFAR has no split \"%s\"; a share of its training images can be held "
               "out as \"val\" (validation_split)",
               options->path, options->split);
    RS_OOM(set->state = h = calloc(1, sizeof *h));
    h->height = h->width = SIDE;
    RS_TRY(read_names(folder, v, set));
    for (size_t i = 0; i < MAX_FILES; i++) {
        const char *name = test ? (i == 0 ? v->test : NULL) : v->train[i];
        if (!name)
            break;
        free(path);
        RS_OOM(path = rs_path_join(folder, name));
        st = read_records(path, v, set);
        RS_FAIL_IF(st == RESCL_ERR_NOT_FOUND, RESCL_ERR_FORMAT,
                   "%s: this file is missing, and others of the data are there", path);
        RS_TRY(st);
    }
out:
    free(path);
    free(folder);
    return st;
}

const rs_dataset_format rs_dataset_cifar = {
    .name = "cifar",
    .expects = "the folder of CIFAR-10 or CIFAR-100 in the binary version",
    .recognises = recognises,
    .open = open_set,
    .held = true,
    .get = rs_held_images_get,
    .label = rs_held_images_label,
    .identify = rs_held_images_identify,
    .close = rs_held_images_close,
};
