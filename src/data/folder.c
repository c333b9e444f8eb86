/* One folder of PNG or JPEG files per class: "folder".
 *
 *     path/<split>/<class>/<any name>.png   with "val" too for the split "test"
 *     path/<class>/<any name>.jpg           when path has no folder of a split's name
 *
 * Classes and files are in the order of their names' bytes, as torchvision's ImageFolder has them.
 * Names that begin with a dot are skipped, and class folders are not searched deeper, so links that
 * lead in circles do no harm. Images are decoded when they are asked for. */
#include "alloc.h"
#include "dataset.h"
#include "error.h"
#include "path.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_CLASSES 100000
#define MAX_FILES   ((size_t)50000000)

typedef struct sample {
    char *path;
    int32_t label;
} sample;

typedef struct state {
    sample *samples;
    size_t count, cap;
} state;

typedef struct names {
    char **name;
    size_t count, cap;
} names;

static void names_fini(names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder without those that begin with a dot, sorted. */
static rescl_status list_names(const char *path, size_t limit, names *out)
{
    rescl_status st = RESCL_OK;
    DIR *dir = opendir(path);
    RS_FAIL_IF(!dir, RESCL_ERR_IO, "%s: cannot list the folder: %s", path, strerror(errno));
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        RS_FAIL_IF(!entry && errno != 0, RESCL_ERR_IO, "%s: cannot list the folder: %s", path,
                   strerror(errno));
        if (!entry)
            break;
        if (entry->d_name[0] == '.')
            continue;
        RS_FAIL_IF(out->count >= limit, RESCL_ERR_FORMAT, "%s: more than %zu entries", path, limit);
        RS_TRY(rs_array_reserve(&out->name, &out->cap, out->count + 1, sizeof *out->name));
        RS_OOM(out->name[out->count] = rs_strf("%s", entry->d_name));
        out->count++;
    }
    if (out->count > 0)
        qsort(out->name, out->count, sizeof *out->name, by_name);
out:
    if (dir)
        closedir(dir);
    return st;
}

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcasecmp(name + n - m, suffix) == 0;
}

/* Whether it is one of a format that is not read. */
static bool is_other_image(const char *name)
{
    static const char *const suffixes[] = {".bmp",  ".gif",  ".tif", ".tiff", ".webp",
                                           ".heic", ".avif", ".jp2", ".ppm",  ".pgm"};
    for (size_t i = 0; i < RS_COUNT(suffixes); i++) {
        if (has_suffix(name, suffixes[i]))
            return true;
    }
    return false;
}

/* Whether `path` is a folder with an entry in it, or in a folder within it, that `want` accepts;
 * looks at no more than a few hundred entries. */
static bool holds(const char *path, bool (*want)(const char *), int depth)
{
    bool found = false;
    DIR *dir = opendir(path);
    const struct dirent *entry;
    for (int i = 0; dir && !found && i < 300 && (entry = readdir(dir)) != NULL; i++) {
        if (entry->d_name[0] == '.')
            continue;
        if (depth == 0) {
            found = want(entry->d_name);
            continue;
        }
        char *inner = rs_path_join(path, entry->d_name);
        if (inner && rs_path_is_dir(inner))
            found = holds(inner, want, depth - 1);
        free(inner);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* The folder that holds the classes of the split, on the heap; *out is NULL if `path` has folders
 * of other splits only. */
static rescl_status find_root(const rescl_data_options *options, char **out)
{
    static const char *const splits[] = {"train", "test", "val"};
    rescl_status st = RESCL_OK;
    char *inner = NULL;
    bool split_layout = false;
    *out = NULL;
    RS_OOM(inner = rs_path_join(options->path, options->split));
    if (!rs_path_is_dir(inner) && strcmp(options->split, "test") == 0) {
        free(inner);
        RS_OOM(inner = rs_path_join(options->path, "val"));
    }
    if (rs_path_is_dir(inner)) {
        *out = inner;
        inner = NULL;
        goto out;
    }
    for (size_t i = 0; i < RS_COUNT(splits); i++) {
        free(inner);
        RS_OOM(inner = rs_path_join(options->path, splits[i]));
        split_layout = split_layout || rs_path_is_dir(inner);
    }
    if (!split_layout)
        RS_OOM(*out = rs_strf("%s", options->path));
out:
    free(inner);
    return st;
}

static bool is_image(const char *name)
{
    return rescl_image_has_suffix(name) || is_other_image(name);
}

static bool recognises(const rescl_data_options *options)
{
    char *root = NULL;
    if (!rs_path_is_dir(options->path) || find_root(options, &root) != RESCL_OK)
        return false;
    const bool found = holds(root ? root : options->path, is_image, root ? 1 : 2);
    free(root);
    return found;
}

static void close_set(rescl_dataset *set)
{
    state *s = set->state;
    for (size_t i = 0; s && i < s->count; i++)
        free(s->samples[i].path);
    if (s)
        free(s->samples);
    free(s);
}

/* Adds the images of one class folder; *others counts the images of other formats. */
static rescl_status add_class(state *s, const char *folder, int32_t label, size_t *others)
{
    rescl_status st = RESCL_OK;
    names files = {0};
    const size_t before = s->count;
    RS_TRY(list_names(folder, MAX_FILES, &files));
    for (size_t i = 0; i < files.count; i++) {
        *others += is_other_image(files.name[i]);
        if (!rescl_image_has_suffix(files.name[i]))
            continue;
        RS_FAIL_IF(s->count >= MAX_FILES, RESCL_ERR_FORMAT, "%s: more than %zu files", folder,
                   MAX_FILES);
        RS_TRY(rs_array_reserve(&s->samples, &s->cap, s->count + 1, sizeof *s->samples));
        sample *added = &s->samples[s->count];
        RS_OOM(added->path = rs_path_join(folder, files.name[i]));
        added->label = label;
        s->count++;
    }
    RS_FAIL_IF(s->count == before && *others > 0, RESCL_ERR_FORMAT,
               "%s: holds no PNG or JPEG file but %zu of other formats; convert them, for instance "
               "with ImageMagick's mogrify -format png",
               folder, *others);
    RS_FAIL_IF(s->count == before, RESCL_ERR_FORMAT,
               "%s: holds no PNG or JPEG file; put images of this class there or remove the "
               "folder",
               folder);
out:
    names_fini(&files);
    return st;
}

static rescl_status open_classes(const char *root, rescl_dataset *set, state *s)
{
    rescl_status st = RESCL_OK;
    names entries = {0};
    char *folder = NULL;
    RS_TRY(list_names(root, MAX_FILES, &entries));
    RS_OOM(set->class_name = calloc(entries.count + 1, sizeof *set->class_name));
    for (size_t i = 0; i < entries.count; i++) {
        size_t others = 0;
        free(folder);
        RS_OOM(folder = rs_path_join(root, entries.name[i]));
        if (!rs_path_is_dir(folder))
            continue;
        RS_FAIL_IF(set->classes >= MAX_CLASSES, RESCL_ERR_FORMAT, "%s: more than %d classes", root,
                   MAX_CLASSES);
        RS_TRY(add_class(s, folder, (int32_t)set->classes, &others));
        set->class_name[set->classes++] = entries.name[i];
        entries.name[i] = NULL;
    }
    RS_FAIL_IF(set->classes == 0, RESCL_ERR_FORMAT,
               "%s: has no folders; it needs one folder of images per class", root);
out:
    free(folder);
    names_fini(&entries);
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    state *s = NULL;
    char *root = NULL;
    RS_FAIL_IF(!rs_path_is_dir(options->path), RESCL_ERR_NOT_FOUND, "data \"%s\": no such folder",
               options->path);
    RS_TRY(find_root(options, &root));
    RS_FAIL_IF(!root, RESCL_ERR_NOT_FOUND,
               "data \"%s\": has folders of other splits but none named \"%s\"", options->path,
               options->split);
    RS_OOM(s = calloc(1, sizeof *s));
    set->state = s;
    RS_TRY(open_classes(root, set, s));
    set->count = s->count;
out:
    free(root);
    return st;
}

static rescl_status get(const rescl_dataset *set, size_t index, rescl_image *image, int32_t *label)
{
    const state *s = set->state;
    *label = s->samples[index].label;
    return rescl_image_read(s->samples[index].path, image);
}

const rs_dataset_format rs_dataset_folder = {
    .name = "folder",
    .expects = "a folder with one folder of PNG or JPEG files per class",
    .recognises = recognises,
    .open = open_set,
    .get = get,
    .close = close_set,
};
