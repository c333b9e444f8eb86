#include "imageids.h"

#include "alloc.h"
#include "error.h"
#include "folderwalk.h"
#include "path.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file's name; of the word that is looked for all of it is the stem. */
typedef struct stem {
    const char *name;
    size_t len;
} stem;

typedef struct rs_image_id_folder {
    char *path;
    rs_entries entries;
    stem *image; /* by stem */
    size_t images;
} id_folder;

static int by_stem(const void *a, const void *b)
{
    const stem *x = a, *y = b;
    const size_t least = x->len < y->len ? x->len : y->len;
    const int order = memcmp(x->name, y->name, least);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int by_name(const void *a, const void *b)
{
    const int order = by_stem(a, b);
    return order ? order : strcmp(((const stem *)a)->name, ((const stem *)b)->name);
}

static rescl_status read_folder(const char *path, id_folder *f)
{
    rescl_status st = RESCL_OK;
    *f = (id_folder){0};
    RS_OOM(f->path = rs_strf("%s", path));
    if (!rs_path_is_dir(path))
        goto out;
    RS_TRY(rs_entries_read(path, &f->entries));
    RS_OOM(f->image = calloc(f->entries.count + 1, sizeof *f->image));
    for (size_t i = 0; i < f->entries.count; i++) {
        const rs_entry *e = &f->entries.at[i];
        if (e->kind == RS_ENTRY_FILE && rs_names_image(e->name))
            f->image[f->images++] = (stem){e->name, (size_t)(strrchr(e->name, '.') - e->name)};
    }
    qsort(f->image, f->images, sizeof *f->image, by_name);
out:
    return st;
}

static void free_folder(id_folder *f)
{
    free(f->path);
    free(f->image);
    rs_entries_fini(&f->entries);
}

static rescl_status find_folder(rs_image_ids *ids, const char *path, const id_folder **out)
{
    rescl_status st = RESCL_OK;
    size_t low = 0, high = ids->count;
    id_folder new = {0};
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(ids->at[middle].path, path);
        if (order == 0) {
            *out = &ids->at[middle];
            goto out;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    RS_TRY(read_folder(path, &new));
    RS_TRY(rs_array_reserve(&ids->at, &ids->cap, ids->count + 1, sizeof *ids->at));
    memmove(ids->at + low + 1, ids->at + low, (ids->count - low) * sizeof *ids->at);
    ids->at[low] = new;
    ids->count++;
    new = (id_folder){0};
    *out = &ids->at[low];
out:
    free_folder(&new);
    return st;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* The image of the folder of `whole` that its last word stands for; NULL: there is none. */
static rescl_status find_image(rs_image_ids *ids, const char *whole, const char **out)
{
    rescl_status st = RESCL_OK;
    const char *slash = strrchr(whole, '/'), *word = slash ? slash + 1 : whole;
    const stem wanted = {word, strlen(word)};
    const id_folder *f = NULL;
    char *parent = NULL;
    *out = NULL;
    RS_OOM(parent = rs_path_parent(whole));
    RS_TRY(find_folder(ids, parent, &f));
    const stem *found =
        f->images ? bsearch(&wanted, f->image, f->images, sizeof *f->image, by_stem) : NULL;
    if (!found)
        goto out;
    const stem *first = f->image, *last = first + f->images - 1;
    const stem *twin = found > first && by_stem(found, found - 1) == 0  ? found - 1
                       : found < last && by_stem(found, found + 1) == 0 ? found + 1
                                                                        : NULL;
    RS_FAIL_IF(twin, RESCL_ERR_FORMAT,
               "'%.200s' could be %s or %s, both in %s; write the name with its ending", word,
               twin < found ? twin->name : found->name, twin < found ? found->name : twin->name,
               parent);
    *out = found->name;
out:
    free(parent);
    return st;
}

/* What lies in the current folder is called as it is written. */
static char *join(const char *folder, const char *name)
{
    return strcmp(folder, ".") == 0 ? rs_strf("%s", name) : rs_path_join(folder, name);
}

rescl_status rs_image_ids_path(rs_image_ids *ids, const char *folder, const char *name, char **out)
{
    rescl_status st = RESCL_OK;
    const char *found = NULL;
    char *whole = NULL, *parent = NULL;
    RS_OOM(whole = name[0] == '/' ? rs_strf("%s", name) : join(folder, name));
    const bool is_id = !rs_names_image(name) && !is_file(whole);
    if (is_id)
        RS_TRY(find_image(ids, whole, &found));
    if (found) {
        RS_OOM(parent = rs_path_parent(whole));
        RS_OOM(*out = join(parent, found));
    } else {
        ids->missing += is_id;
        *out = whole, whole = NULL;
    }
out:
    free(whole);
    free(parent);
    return st;
}

void rs_image_ids_fini(rs_image_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free_folder(&ids->at[i]);
    free(ids->at);
    *ids = (rs_image_ids){0};
}
