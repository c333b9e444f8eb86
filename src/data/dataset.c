/* The registry of dataset formats and the public functions on datasets. */
#include "dataset.h"
#include "alloc.h"
#include "classmap.h"

#include "error.h"
#include "optionvalue.h"
#include "path.h"
#include "rng.h"
#include "splits.h"
#include "str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const rs_dataset_format *const formats[] = {
#define RS_DATASET(stem) &rs_dataset_##stem,
#include "datasets.def"
#undef RS_DATASET
};

static const char *const format_names[] = {
#define RS_DATASET(stem) #stem,
#include "datasets.def"
#undef RS_DATASET
    NULL};

const char *const *rescl_dataset_formats(void)
{
    return format_names;
}

/* "a, b, c" */
static rescl_status append_formats(rs_str *text)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; format_names[i]; i++)
        RS_TRY(rs_str_appendf(text, "%s%s", i ? ", " : "", format_names[i]));
out:
    return st;
}

static rescl_status find_by_name(const char *name, const rs_dataset_format **out)
{
    rescl_status st = RESCL_OK;
    rs_str list = {0};
    for (size_t i = 0; i < RS_COUNT(formats); i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            *out = formats[i];
            goto out;
        }
    }
    RS_TRY(append_formats(&list));
    const char *near = rs_nearest(name, format_names);
    RS_FAIL(RESCL_ERR_ARG, "there is no dataset format \"%s\"%s%s%s; the formats are %s", name,
            near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "", list.text);
out:
    rs_str_fini(&list);
    return st;
}

static rescl_status recognise(const rescl_data_options *options, const rs_dataset_format **out)
{
    rescl_status st = RESCL_OK;
    rs_str list = {0}, expected = {0};
    struct stat info;
    for (size_t i = 0; i < RS_COUNT(formats); i++) {
        if (formats[i]->recognises(options)) {
            const bool drawn = !formats[i]->expects;
            RS_FAIL_IF(drawn && stat(options->path, &info) == 0, RESCL_ERR_ARG,
                       "data \"%s\": is a built-in set, and a %s here has the same name: give "
                       "./%s for this, or --format %s (format) for the set",
                       options->path, S_ISDIR(info.st_mode) ? "folder" : "file", options->path,
                       formats[i]->name);
            *out = formats[i];
            goto out;
        }
    }
    RS_TRY(append_formats(&list));
    for (size_t i = 0; i < RS_COUNT(formats); i++)
        if (formats[i]->expects)
            RS_TRY(rs_str_appendf(&expected, "%s%s", expected.len ? "; or " : "",
                                  formats[i]->expects));
    if (stat(options->path, &info) != 0) {
        const char *near = rs_nearest(options->path, format_names);
        const int missing = errno == ENOENT || errno == ENOTDIR;
        RS_FAIL(missing ? RESCL_ERR_NOT_FOUND : RESCL_ERR_IO,
                "data \"%s\": %s%s%s%s; give a folder, a file, or a built-in set (handsigns, "
                "synthetic)",
                options->path, missing ? "no such file or folder" : strerror(errno),
                near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    }
    RS_FAIL(RESCL_ERR_FORMAT,
            "data \"%s\": found a %s that no dataset format recognises for the split \"%s\" "
            "(formats: %s). It must be %s",
            options->path,
            S_ISDIR(info.st_mode)   ? "folder"
            : S_ISREG(info.st_mode) ? "file"
                                    : "special file",
            options->split, list.text, expected.text);
out:
    rs_str_fini(&list);
    rs_str_fini(&expected);
    return st;
}

/* ---- what is held out -------------------------------------------------------------------- */

/* How many of `count` samples are held out: a share, but never all, and at least one where there are two. */
static size_t share_of(const rescl_dataset *set, size_t count)
{
    const size_t take = (size_t)(set->validation_split * (double)count + 0.5);
    return count < 2 ? 0 : take < 1 ? 1 : take < count ? take : count - 1;
}

/* Marks the samples of one class, listed in `of_class`, that are held out. */
static rescl_status hold_out(const rescl_dataset *set, size_t label, const size_t *of_class,
                             size_t count, bool *held)
{
    rescl_status st = RESCL_OK;
    uint32_t *order = NULL;
    rs_rng rng;
    const size_t take = share_of(set, count);
    if (take == 0)
        goto out;
    RS_OOM(order = calloc(count, sizeof *order));
    rs_rng_init(&rng, set->seed, RS_SPLIT_STREAM | label);
    rs_rng_permutation(&rng, order, count);
    for (size_t i = 0; i < take; i++)
        held[of_class[order[i]]] = true;
out:
    free(order);
    return st;
}

static rescl_status hold_out_of_classes(const rescl_dataset *set, bool *held)
{
    rescl_status st = RESCL_OK;
    size_t *first = NULL, *of_class = NULL;
    RS_OOM(first = calloc(set->classes + 2, sizeof *first));
    RS_OOM(of_class = calloc(set->count + 1, sizeof *of_class));
    for (size_t i = 0; i < set->count; i++)
        first[(size_t)set->format->label(set, i) + 2]++;
    for (size_t c = 2; c < set->classes + 2; c++)
        first[c] += first[c - 1];
    /* Moves first[c + 1] from the class's first to its end. */
    for (size_t i = 0; i < set->count; i++)
        of_class[first[(size_t)set->format->label(set, i) + 1]++] = i;
    for (size_t c = 0; c < set->classes; c++)
        RS_TRY(hold_out(set, c, of_class + first[c], first[c + 1] - first[c], held));
out:
    free(first);
    free(of_class);
    return st;
}

/* How many images have each label. */
static void count_labels(const rescl_dataset *set, size_t *counts)
{
    for (size_t i = 0; i < set->count; i++) {
        int32_t own;
        const int32_t *label = NULL;
        for (size_t n = rs_dataset_labels(set, i, &own, &label); n-- > 0;)
            counts[label[n]]++;
    }
}

/* Takes an image's labels from what is left of them, unless one of them would be the last. */
static bool spare(const rescl_dataset *set, size_t index, size_t *left)
{
    int32_t own;
    const int32_t *label = NULL;
    const size_t n = rs_dataset_labels(set, index, &own, &label);
    for (size_t k = 0; k < n; k++)
        if (left[label[k]] < 2)
            return false;
    for (size_t k = 0; k < n; k++)
        left[label[k]]--;
    return true;
}

/* Images of several labels are drawn from all of them, for they belong to no single class; the last one of a
 * label stays, or nothing would be learned of it. */
static rescl_status hold_out_of_all(const rescl_dataset *set, bool *held)
{
    rescl_status st = RESCL_OK;
    size_t take = share_of(set, set->count), *left = NULL;
    uint32_t *order = NULL;
    rs_rng rng;
    RS_OOM(left = calloc(set->classes + 1, sizeof *left));
    RS_OOM(order = calloc(set->count + 1, sizeof *order));
    count_labels(set, left);
    rs_rng_init(&rng, set->seed, RS_SPLIT_STREAM);
    rs_rng_permutation(&rng, order, set->count);
    for (size_t i = 0; i < set->count && take > 0; i++) {
        held[order[i]] = spare(set, order[i], left);
        take -= held[order[i]];
    }
out:
    free(left);
    free(order);
    return st;
}

/* Leaves in the set what is held out of it, or all else. */
static rescl_status divide(rescl_dataset *set, bool keep_held)
{
    rescl_status st = RESCL_OK;
    size_t kept = 0;
    bool *held = NULL;
    RS_FAIL_IF(set->count > UINT32_MAX, RESCL_ERR_ARG, "%s: %zu images are too many to be split",
               set->origin, set->count);
    RS_OOM(held = calloc(set->count + 1, sizeof *held));
    RS_TRY(set->multi_label ? hold_out_of_all(set, held) : hold_out_of_classes(set, held));
    RS_OOM(set->index = calloc(set->count + 1, sizeof *set->index));
    for (size_t i = 0; i < set->count; i++)
        if (held[i] == keep_held)
            set->index[kept++] = i;
    RS_FAIL_IF(
        kept == 0, RESCL_ERR_NOT_FOUND,
        "%s: no class has two images, so none can be held out as \"val\"; give it more, or no "
        "validation_split",
        set->origin);
    set->count = kept;
out:
    free(held);
    return st;
}

/* Where none of its images has a label mean average precision says nothing. */
static rescl_status tell_unlabelled(rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    int32_t own;
    const int32_t *label = NULL;
    for (size_t i = 0; i < set->count; i++)
        if (rs_dataset_labels(set, set->index ? set->index[i] : i, &own, &label) > 0)
            goto out;
    RS_TRY(
        rs_dataset_note(set, RESCL_LOG_WARN,
                        "%s: no image of the split \"%s\" has a label: mean average precision is "
                        "0 there, whatever is predicted",
                        set->origin, set->split));
out:
    return st;
}

/* Opens the split, or the share of "train" that is asked for. */
static rescl_status open_split(const rescl_data_options *o, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = rs_split_of(o->split) ? rs_split_of(o->split) : o->split;
    const bool divided = o->validation_split > 0.0 && strcmp(split, "test") != 0;
    rescl_data_options inner = *o;
    snprintf(set->split, sizeof set->split, "%s", split);
    if (divided) {
        inner.split = "train";
        inner.samples = 0;
        set->validation_split = o->validation_split;
        set->seed = o->seed;
    }
    RS_TRY(set->format->open(&inner, set));
    if (divided) {
        snprintf(set->split, sizeof set->split, "%s", split);
        RS_TRY(divide(set, strcmp(split, "val") == 0));
    }
out:
    return st;
}

rescl_status rs_dataset_check_names(const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_str shown = {0};
    size_t i = 0;
    for (size_t k = 0; set->multi_label && k < set->classes; k++)
        RS_FAIL_IF(strchr(set->class_name[k], ';'), RESCL_ERR_FORMAT,
                   "%s: the class '%.200s': semicolons part the labels of an image that has "
                   "several, in predictions.csv, too; give it another name",
                   set->origin, set->class_name[k]);
    while (i < set->classes && rs_is_utf8(set->class_name[i]))
        i++;
    if (i == set->classes)
        goto out;
    for (const char *p = set->class_name[i]; *p; p++)
        RS_TRY(
            rs_str_appendf(&shown, (unsigned char)*p < 0x80 ? "%c" : "\\x%02x", (unsigned char)*p));
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s: the name of class %zu, '%.200s', is not UTF-8, and files of weights keep no other "
            "names; rename it (folders for instance with convmv -r -f latin1 -t utf8 --notest %s)",
            set->origin, i, shown.text, set->origin);
out:
    rs_str_fini(&shown);
    return st;
}

void rescl_data_options_init(rescl_data_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_data_options){0}, sizeof *out);
}

rescl_status rescl_dataset_open(const rescl_data_options *options, rescl_dataset **out)
{
    rescl_status st = RESCL_OK;
    rescl_dataset *set = NULL;
    const rs_dataset_format *format = NULL;
    rescl_data_options o = {0};
    *out = NULL;
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_data_options"));
    RS_FAIL_IF(
        !o.path || o.path[0] == '\0', RESCL_ERR_ARG,
        "no dataset is named: give a folder, a file, or a built-in set (handsigns, synthetic)");
    RS_FAIL_IF(!o.split || o.split[0] == '\0', RESCL_ERR_ARG,
               "data \"%s\": no split is named; give \"train\", \"val\" or \"test\"", o.path);
    RS_FAIL_IF(strchr(o.split, '/') != NULL || strcmp(o.split, "..") == 0 ||
                   strcmp(o.split, ".") == 0,
               RESCL_ERR_ARG,
               "data \"%s\": \"%s\" is no name of a split; give \"train\", \"val\" or \"test\"",
               o.path, o.split);
    if (o.format)
        RS_TRY(find_by_name(o.format, &format));
    else
        RS_TRY(recognise(&o, &format));
    RS_FAIL_IF((o.h5_images || o.h5_labels) && format != &rs_dataset_images_h5, RESCL_ERR_ARG,
               "data \"%s\": is read as %s, which has no keys; --h5-images and --h5-labels "
               "(h5_images, h5_labels) are of an HDF5 file",
               o.path, format->name);
    RS_FAIL_IF(o.images && format != &rs_dataset_images_csv, RESCL_ERR_ARG,
               "data \"%s\": is read as %s; --images (images) names the folder of a table's images",
               o.path, format->name);
    RS_FAIL_IF(!(o.validation_split >= 0.0 && o.validation_split < 1.0), RESCL_ERR_ARG,
               "validation_split %g: expected at least 0 and below 1", o.validation_split);
    RS_FAIL_IF(o.channels == 2 || o.channels > 4, RESCL_ERR_ARG,
               "channels %zu: expected those of a network: 1, 3 or 4; or 0 for 3", o.channels);
    RS_FAIL_IF(o.bit_depth != 0 && o.bit_depth != 8 && o.bit_depth != 16, RESCL_ERR_ARG,
               "bit_depth %zu: expected 8 or 16, or 0 for 8", o.bit_depth);
    RS_OOM(set = calloc(1, sizeof *set));
    set->format = format;
    set->strict = o.strict_data;
    set->multi_label = o.multi_label;
    rescl_image_options_default(&set->images);
    set->images.max_pixels = o.max_pixels;
    set->images.sample_bits = o.sample_bits;
    set->images.channels = o.channels == 4 ? 4 : 3;
    set->images.bit_depth = o.bit_depth;
    set->images.min_side = 2 * o.image_size;
    RS_OOM(set->origin = rs_strf("%s", o.path));
    RS_TRY(open_split(&o, set));
    for (size_t i = 0; i < set->classes; i++)
        RS_FAIL_IF(rs_has_control(set->class_name[i]), RESCL_ERR_FORMAT,
                   "%s: the name of class %zu holds a control character: '%.200s'; give it another",
                   o.path, i, set->class_name[i]);
    RS_TRY(rs_dataset_check_names(set));
    if (set->multi_label)
        RS_TRY(tell_unlabelled(set));
    set->total = set->count;
    if (o.samples > 0 && o.samples < set->count)
        set->count = o.samples;
    *out = set;
    set = NULL;
out:
    rescl_dataset_close(set);
    return st;
}

static void free_names(char **name, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        free(name[i]);
    free(name);
}

void rs_dataset_forget_bad(rescl_dataset *set)
{
    for (size_t i = 0; i < set->nbad; i++)
        free(set->bad[i].reason);
    free(set->bad);
    set->bad = NULL;
    set->nbad = 0;
}

void rescl_dataset_close(rescl_dataset *set)
{
    if (!set)
        return;
    set->format->close(set);
    free_names(set->class_name, set->classes);
    for (size_t i = 0; i < set->notes_count; i++)
        free(set->notes[i].text);
    free(set->notes);
    rs_dataset_forget_bad(set);
    rs_pixel_cache_destroy(set->cache);
    free(set->index);
    free(set->label_map);
    free(set->origin);
    free(set);
}

void rescl_dataset_class_counts(const rescl_dataset *set, size_t *counts)
{
    memset(counts, 0, set->classes * sizeof *counts);
    for (size_t i = 0; i < set->count; i++) {
        int32_t own;
        const int32_t *label = NULL;
        const size_t n = rs_dataset_labels(set, rs_dataset_index(set, i), &own, &label);
        for (size_t k = 0; k < n; k++)
            counts[set->label_map ? set->label_map[label[k]] : label[k]]++;
    }
}

const char *rescl_dataset_split(const rescl_dataset *set)
{
    return set->split;
}

rescl_status rs_dataset_note(rescl_dataset *set, rescl_log_level level, const char *fmt, ...)
{
    rescl_status st = RESCL_OK;
    va_list args;
    RS_TRY(
        rs_array_reserve(&set->notes, &set->notes_cap, set->notes_count + 1, sizeof *set->notes));
    va_start(args, fmt);
    char *text = rs_vstrf(fmt, args);
    va_end(args);
    RS_OOM(text);
    set->notes[set->notes_count++] = (rs_dataset_line){text, level};
out:
    return st;
}

const char *rescl_dataset_note(const rescl_dataset *set, size_t index, rescl_log_level *level)
{
    if (index >= set->notes_count)
        return NULL;
    if (level)
        *level = set->notes[index].level;
    return set->notes[index].text;
}

size_t rescl_dataset_count(const rescl_dataset *set)
{
    return set->count;
}

size_t rescl_dataset_classes(const rescl_dataset *set)
{
    return set->classes;
}

const char *rescl_dataset_class_name(const rescl_dataset *set, size_t index)
{
    return index < set->classes ? set->class_name[index] : NULL;
}

rescl_status rescl_dataset_match_classes(rescl_dataset *set, const char *const *names, size_t count)
{
    rescl_status st = RESCL_OK;
    const rs_class_list list = {.name = names, .count = count, .owner = "the model"};
    int32_t *map = NULL;
    char **copies = NULL;
    char what[sizeof set->split + 16];
    snprintf(what, sizeof what, "split \"%s\" of", set->split);
    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(!names[i], RESCL_ERR_ARG, "%s: name %zu of %zu is NULL", set->origin, i, count);
    RS_TRY(rs_class_map(set, what, &list, &map));
    RS_OOM(copies = calloc(count + 1, sizeof *copies));
    for (size_t i = 0; i < count; i++)
        RS_OOM(copies[i] = rs_strf("%s", names[i]));
    if (!set->label_map) {
        set->labels = set->classes;
        set->label_map = map;
        map = NULL;
    }
    for (size_t i = 0; map && i < set->labels; i++)
        set->label_map[i] = map[set->label_map[i]];
    free_names(set->class_name, set->classes);
    set->class_name = copies;
    set->classes = count;
    copies = NULL;
out:
    free_names(copies, count);
    free(map);
    return st;
}

/* Image `index` of `count` spread evenly over `total`: floor(index * total / count), in parts so
 * that no product overflows. */
static size_t spread(size_t index, size_t count, size_t total)
{
    return index * (total / count) + index * (total % count) / count;
}

size_t rs_dataset_index(const rescl_dataset *set, size_t sample)
{
    const size_t at = spread(sample, set->count, set->total);
    return set->index ? set->index[at] : at;
}

int32_t rs_dataset_label(const rescl_dataset *set, size_t sample)
{
    if (!set->format->label)
        return -1;
    const int32_t label = set->format->label(set, rs_dataset_index(set, sample));
    return set->label_map && label >= 0 ? set->label_map[label] : label;
}

size_t rs_dataset_labels(const rescl_dataset *set, size_t index, int32_t *own, const int32_t **out)
{
    if (set->format->labels)
        return set->format->labels(set, index, out);
    *own = set->format->label ? set->format->label(set, index) : -1;
    *out = own;
    return *own >= 0;
}

bool rescl_dataset_multi_label(const rescl_dataset *set)
{
    return set->multi_label;
}

size_t rescl_dataset_labels(const rescl_dataset *set, size_t index, int32_t *labels, size_t room)
{
    int32_t own;
    const int32_t *label = NULL;
    if (index >= set->count)
        return 0;
    const size_t n = rs_dataset_labels(set, rs_dataset_index(set, index), &own, &label);
    for (size_t k = 0; k < n && k < room; k++)
        labels[k] = set->label_map ? set->label_map[label[k]] : label[k];
    return n;
}

rescl_status rescl_dataset_get(const rescl_dataset *set, size_t index, rescl_image *image,
                               int32_t *label)
{
    rescl_status st = RESCL_OK;
    *image = (rescl_image){0};
    RS_FAIL_IF(index >= set->count, RESCL_ERR_ARG, "%s: there is no image %zu, it has %zu",
               set->origin, index, set->count);
    bool found = false;
    if (set->cache)
        RS_TRY(rs_pixel_cache_get(set->cache, index, image, label, &found));
    if (!found)
        st = set->format->get(set, rs_dataset_index(set, index), image, label);
    if (st != RESCL_OK) {
        rs_error_prefix("%s, image %zu", set->origin, index);
        goto out;
    }
    if (set->cache && !found)
        rs_pixel_cache_put(set->cache, index, image, *label);
    if (set->label_map && *label >= 0)
        *label = set->label_map[*label];
out:
    return st;
}
