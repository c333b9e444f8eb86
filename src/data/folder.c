/* One folder of images per class: "folder".
 *
 *     path/<split>/<class>/<any name>.png   splits by the names of splits.h
 *     path/<class>/<any name>.jpg           without splits: all of it is "train"
 *
 * Classes and files are in the order of torchvision's ImageFolder: of their names' bytes, files of a
 * class before those of its sub-folders. Names that begin with a dot are skipped. What a folder is
 * does not depend on how many entries it has nor on their order: a split holds folders, a class
 * holds images. Images are decoded when they are asked for. */
#include "error.h"
#include "folderdoubt.h"
#include "folderlayout.h"
#include "folderwalk.h"
#include "imagefiles.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_CLASSES 100000
#define MAX_FOLDERS ((size_t)1000000) /* in a class: links may make a few folders endlessly many */
#define MAX_DEPTH   64

/* A folder with folders or images in it: what they lack is told when it is opened. */
static bool recognises(const rescl_data_options *options)
{
    rs_entries entries = {0};
    bool found = false;
    if (rs_path_is_dir(options->path) && rs_entries_read(options->path, &entries) == RESCL_OK)
        for (size_t i = 0; !found && i < entries.count; i++) {
            const rs_entry *e = &entries.at[i];
            found = e->name[0] != '.' && (e->kind == RS_ENTRY_FOLDER ||
                                          (e->kind == RS_ENTRY_FILE && rs_names_image(e->name)));
        }
    rs_entries_fini(&entries);
    return found;
}

/* ---- reading a class --------------------------------------------------------------------- */

/* The folders that a walk is in, innermost first: a link to one of them is a circle. */
typedef struct place {
    dev_t device;
    ino_t inode;
    const struct place *up;
    size_t depth;
} place;

typedef struct walk {
    rs_image_files *s;
    const char *root; /* what paths in messages are below of */
    rs_leftovers *left;
    int32_t label;
    size_t folders; /* of this class */
    size_t nested;  /* images in sub-folders, of all classes */
} walk;

static const char *below(const walk *w, const char *path)
{
    return path + strlen(w->root) + 1;
}

static rescl_status walk_folder(walk *w, const char *folder, const place *up);

/* An image is whatever is called so: what cannot be read is told with its name when it is. */
static rescl_status take_entry(walk *w, const char *folder, const rs_entry *e, const place *here)
{
    rescl_status st = RESCL_OK;
    const size_t before = w->s->count;
    const bool image = rescl_image_has_suffix(e->name);
    char *path = NULL;
    RS_OOM(path = rs_path_join(folder, e->name));
    if (e->name[0] == '.') {
        RS_TRY(rs_leftovers_add(w->left, "hidden"));
    } else if (e->kind == RS_ENTRY_FOLDER) {
        RS_TRY(walk_folder(w, path, here));
        w->nested += here->depth == 0 ? w->s->count - before : 0;
        if (!image || w->s->count > before)
            goto out;
        RS_TRY(rs_image_files_add(w->s, w->root, path, w->label));
        path = NULL;
    } else if (image) {
        RS_TRY(rs_image_files_add(w->s, w->root, path, w->label));
        path = NULL;
    } else if (e->kind == RS_ENTRY_NOWHERE) {
        RS_TRY(rs_leftovers_add_link(w->left, below(w, path)));
    } else if (e->kind == RS_ENTRY_SPECIAL) {
        RS_TRY(rs_leftovers_add(w->left, "special files"));
    } else {
        RS_TRY(rs_leftovers_add_file(w->left, e->name));
    }
out:
    free(path);
    return st;
}

/* Adds the images of a folder and of those in it. */
static rescl_status walk_folder(walk *w, const char *folder, const place *up)
{
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    struct stat info;
    RS_FAIL_IF(stat(folder, &info) != 0, RESCL_ERR_IO, "%s: cannot list the folder: %s", folder,
               strerror(errno));
    const place here = {info.st_dev, info.st_ino, up, up && up->up ? up->depth + 1 : 0};
    for (const place *p = up; p; p = p->up)
        if (p->device == here.device && p->inode == here.inode) {
            RS_TRY(rs_leftovers_add(w->left, "links in a circle"));
            goto out;
        }
    if (here.depth >= MAX_DEPTH) {
        RS_TRY(rs_leftovers_add(w->left, "folders that lie too deep"));
        goto out;
    }
    RS_FAIL_IF(++w->folders > MAX_FOLDERS, RESCL_ERR_FORMAT,
               "%s: a class with more than %zu folders; links may make them endless", folder,
               MAX_FOLDERS);
    RS_TRY(rs_entries_read(folder, &entries));
    for (size_t i = 0; i < entries.count; i++)
        RS_TRY(take_entry(w, folder, &entries.at[i], &here));
out:
    rs_entries_fini(&entries);
    return st;
}

/* The order of torchvision: of the folders' whole paths, then of the names. */
static int by_folder(const void *a, const void *b)
{
    const char *p = ((const rs_image_file *)a)->path, *q = ((const rs_image_file *)b)->path;
    const size_t m = (size_t)(strrchr(p, '/') - p), n = (size_t)(strrchr(q, '/') - q);
    const int order = memcmp(p, q, m < n ? m : n);
    if (order != 0)
        return order;
    return m != n ? (m < n ? -1 : 1) : strcmp(p + m, q + n);
}

static rescl_status add_class(walk *w, const char *folder, const place *root)
{
    rescl_status st = RESCL_OK;
    rs_image_files *s = w->s;
    const size_t before = s->count, nested = w->nested;
    const size_t others_before = rs_leftovers_images(w->left);
    w->folders = 0;
    RS_TRY(walk_folder(w, folder, root));
    const size_t others = rs_leftovers_images(w->left) - others_before;
    RS_FAIL_IF(
        s->count == before && others > 0, RESCL_ERR_FORMAT,
        "%s: holds no image that is read but %zu of other formats; convert them, for instance "
        "with ImageMagick's mogrify -auto-orient -format png",
        folder, others);
    RS_FAIL_IF(s->count == before, RESCL_ERR_FORMAT,
               "%s: holds no image; put images of this class there or remove the folder", folder);
    if (w->nested > nested)
        qsort(s->at + before, s->count - before, sizeof *s->at, by_folder);
out:
    return st;
}

/* A folder that holds another data set is no class, nor, where the folders may be `doubted`, one that holds
 * splits of its images. */
static rescl_status check_class_folder(rescl_dataset *set, const char *folder, bool doubted)
{
    rescl_status st = RESCL_OK;
    rs_layout l = {0};
    RS_TRY(rs_layout_find(folder, &l));
    RS_FAIL_IF(rs_layout_has_splits(&l), RESCL_ERR_FORMAT,
               "%s: this folder would be a class, but it holds splits of its own (%s); give "
               "--data-path %s",
               folder,
               l.folder[0]   ? l.folder[0]
               : l.folder[1] ? l.folder[1]
                             : l.folder[2],
               folder);
    RS_FAIL_IF(
        doubted && l.divided, RESCL_ERR_FORMAT,
        "%s: this class holds splits (%s and others), which would be one split; splits lie "
        "above the classes (%s/CLASS/1.jpg): move them there, or give --format folder to take "
        "them as parts of the class",
        folder, l.pictures, l.pictures);
    if (l.pictures)
        RS_TRY(rs_dataset_note(
            set, RESCL_LOG_WARN,
            "%s/%s: a folder within a class is read as a part of the class, whatever "
            "its name; splits lie above the classes",
            folder, l.pictures));
out:
    rs_layout_fini(&l);
    return st;
}

static rescl_status tell_leftovers(rescl_dataset *set, const walk *w)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;
    RS_TRY(rs_leftovers_text(w->left, &text));
    const bool images = rs_leftovers_images(w->left) > 0;
    if (text)
        RS_TRY(rs_dataset_note(
            set, images || w->left->nlinks > 0 ? RESCL_LOG_WARN : RESCL_LOG_INFO,
            "%s: left out: %s%s", w->root, text,
            images ? "; convert the images among them, for instance with ImageMagick's "
                     "'mogrify -auto-orient -format jpg'"
                   : ""));
    if (w->nested > 0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO,
                               "%s: %zu of its images lie in sub-folders of classes", w->root,
                               w->nested));
out:
    free(text);
    return st;
}

/* Refuses what is no set of classes: images beside each other, folders of splits, and folders of
 * classes that lie one level deeper. A set that measures may well have one class or another. */
static rescl_status check_classes(const rescl_dataset *set, const walk *w, size_t images, bool flat,
                                  bool train)
{
    rescl_status st = RESCL_OK;
    const bool nested = w->nested == w->s->count;
    size_t splits = 0;
    for (size_t i = 0; i < set->classes; i++)
        splits += rs_split_of(set->class_name[i]) != NULL;
    RS_FAIL_IF(
        set->classes == 0 && images > 0, RESCL_ERR_FORMAT,
        "%s: has no folders of classes, but %zu image%s in it; put the images of each class into a "
        "folder of its own, which has the name of the class",
        w->root, images, images > 1 ? "s" : "");
    RS_FAIL_IF(set->classes == 0, RESCL_ERR_FORMAT,
               "%s: has no folders; it needs one folder of images per class", w->root);
    if (!train)
        goto out;
    const char *first = set->class_name[0];
    RS_FAIL_IF(
        splits == set->classes && nested, RESCL_ERR_FORMAT,
        "%s: holds nothing but '%s'%s, by the name a split, with folders in it; if these are "
        "the classes, give --data-path %s",
        w->root, first, set->classes > 1 ? " and the like" : "", w->root);
    RS_FAIL_IF(
        splits == set->classes && flat, RESCL_ERR_FORMAT,
        "%s: '%s' is a split by its name, but its images lie directly in it, without folders "
        "of classes; put the images of each class into a folder of its own, %s/%s/CLASS",
        w->root, first, w->root, first);
    RS_FAIL_IF(set->classes == 1 && nested && flat, RESCL_ERR_FORMAT,
               "%s: holds one folder, '%s', whose images lie in folders of its own; if these are "
               "the classes, give --data-path %s/%s",
               w->root, first, w->root, first);
    RS_FAIL_IF(set->classes == 1 && nested, RESCL_ERR_FORMAT,
               "%s: holds one folder, '%s', whose images lie in folders of its own; if these are "
               "the classes, move them up into %s, in each split; if '%s' is the only class, move "
               "its images directly into it",
               w->root, first, w->root, first);
out:
    return st;
}

/* Whether a folder in `root` is a link to `root` or to what it lies in. */
static bool leads_back(const char *root, const char *folder)
{
    char *inside = realpath(root, NULL), *target = realpath(folder, NULL);
    const size_t len = target ? strlen(target) : 0;
    const bool back = inside && target && strncmp(inside, target, len) == 0 &&
                      (inside[len] == '/' || inside[len] == '\0' || target[len - 1] == '/');
    free(inside);
    free(target);
    return back;
}

/* A hidden folder of images may be meant as a class. */
static rescl_status tell_hidden(rescl_dataset *set, const char *folder)
{
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    size_t images = 0;
    st = rs_entries_read(folder, &entries);
    if (st == RESCL_ERR_IO)
        st = RESCL_OK;
    RS_TRY(st);
    for (size_t i = 0; i < entries.count; i++)
        images += entries.at[i].kind == RS_ENTRY_FILE && rescl_image_has_suffix(entries.at[i].name);
    if (images > 0)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                               "%s: a name that begins with a dot is hidden: left out, with %zu "
                               "image%s; if it is a class, rename it",
                               folder, images, images > 1 ? "s" : ""));
out:
    rs_entries_fini(&entries);
    return st;
}

/* `flat`: the root has no splits; `chosen`: the user said that this is a set of folders. */
static rescl_status open_classes(const char *root, bool flat, bool train, bool chosen,
                                 rescl_dataset *set, rs_image_files *s)
{
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    rs_leftovers left = {0};
    walk w = {.s = s, .root = root, .left = &left};
    struct stat info;
    char *folder = NULL;
    size_t images = 0; /* beside the classes */
    const bool doubted = flat && train && !chosen;
    RS_FAIL_IF(stat(root, &info) != 0, RESCL_ERR_IO, "%s: %s", root, strerror(errno));
    const place here = {.device = info.st_dev, .inode = info.st_ino};
    RS_TRY(rs_entries_read(root, &entries));
    RS_OOM(set->class_name = calloc(entries.count + 1, sizeof *set->class_name));
    for (size_t i = 0; i < entries.count; i++) {
        rs_entry *e = &entries.at[i];
        free(folder);
        RS_OOM(folder = rs_path_join(root, e->name));
        if (e->name[0] == '.' || e->kind != RS_ENTRY_FOLDER) {
            images += e->kind == RS_ENTRY_FILE && rescl_image_has_suffix(e->name);
            if (e->kind == RS_ENTRY_FOLDER)
                RS_TRY(tell_hidden(set, folder));
            if (e->kind == RS_ENTRY_NOWHERE)
                RS_TRY(rs_leftovers_add_link(&left, e->name));
            else
                RS_TRY(rs_leftovers_add_file(&left, e->name));
            continue;
        }
        if (leads_back(root, folder)) {
            RS_TRY(rs_leftovers_add(&left, "links in a circle"));
            continue;
        }
        RS_FAIL_IF(set->classes >= MAX_CLASSES, RESCL_ERR_FORMAT, "%s: more than %d classes", root,
                   MAX_CLASSES);
        RS_TRY(check_class_folder(set, folder, doubted));
        w.label = (int32_t)set->classes;
        RS_TRY(add_class(&w, folder, &here));
        set->class_name[set->classes++] = e->name;
        e->name = NULL;
    }
    RS_TRY(check_classes(set, &w, images, flat, train));
    if (doubted)
        RS_TRY(rs_check_class_names(root, set));
    if (doubted && w.nested == s->count)
        RS_TRY(rs_check_class_folders(root, set));
    RS_TRY(tell_leftovers(set, &w));
out:
    free(folder);
    rs_leftovers_fini(&left);
    rs_entries_fini(&entries);
    return st;
}

/* ---- the format -------------------------------------------------------------------------- */

/* Says so where the path is one split of a data set that has others. */
static rescl_status tell_of_siblings(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_layout l = {0};
    char *whole = NULL;
    if (!(whole = realpath(options->path, NULL)))
        goto out;
    char *slash = strrchr(whole, '/');
    const int own = rs_split_index(rs_split_of(slash + 1));
    if (own < 0 || slash == whole)
        goto out;
    *slash = '\0';
    if (rs_layout_find(whole, &l) != RESCL_OK || !l.folder[own] ||
        strcmp(l.folder[own], slash + 1) != 0)
        goto out;
    for (int i = 0; i < RS_SPLITS; i++)
        if (i != own && l.folder[i]) {
            RS_TRY(rs_dataset_note(set, RESCL_LOG_WARN,
                                   "%s is one split of %s, which has '%s' too: give that folder to "
                                   "use its splits",
                                   options->path, whole, l.folder[i]));
            break;
        }
out:
    rs_layout_fini(&l);
    free(whole);
    return st;
}

/* The folder of the classes of the split that is asked for, or of what stands in for it. */
static rescl_status find_root(const rescl_data_options *options, const rs_layout *l, char **out,
                              rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *split = rs_split_of(options->split);
    int i = rs_split_index(split);
    if (i < 0) { /* a split of the user's own */
        RS_OOM(*out = rs_path_join(options->path, options->split));
        RS_FAIL_IF(!rs_path_is_dir(*out), RESCL_ERR_NOT_FOUND, "data \"%s\": has no folder \"%s\"",
                   options->path, options->split);
        goto out;
    }
    if (!rs_layout_has_splits(l)) {
        RS_FAIL_IF(
            i != 0, RESCL_ERR_NOT_FOUND,
            "data \"%s\": its folders are classes, so it has no split \"%s\"; a share of its "
            "images can be held out as \"val\" (validation_split)",
            options->path, options->split);
        RS_OOM(*out = rs_strf("%s", options->path));
        goto out;
    }
    if (i == 2 && !l->folder[2] && l->folder[1])
        i = 1;
    if (l->folder[i]) {
        snprintf(set->split, sizeof set->split, "%s", rs_split_names[i]);
        RS_OOM(*out = rs_path_join(options->path, l->folder[i]));
        goto out;
    }
    RS_FAIL_IF(l->pictures && rs_split_index(rs_split_of(l->pictures)) == i, RESCL_ERR_NOT_FOUND,
               "data \"%s\": its folder '%s' holds images without folders for their classes",
               options->path, l->pictures);
    RS_FAIL(RESCL_ERR_NOT_FOUND, "data \"%s\": has folders of other splits but none named \"%s\"",
            options->path, options->split);
out:
    return st;
}

static rescl_status open_set(const rescl_data_options *options, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_image_files *s = NULL;
    char *root = NULL;
    rs_layout l = {0};
    RS_FAIL_IF(!rs_path_is_dir(options->path), RESCL_ERR_NOT_FOUND, "data \"%s\": no such folder",
               options->path);
    RS_TRY(rs_layout_find(options->path, &l));
    RS_TRY(find_root(options, &l, &root, set));
    RS_TRY(rs_image_files_create(options, set, &s));
    RS_TRY(open_classes(root, !rs_layout_has_splits(&l),
                        rs_split_index(rs_split_of(options->split)) == 0, options->format != NULL,
                        set, s));
    set->count = s->count;
    if (!rs_layout_has_splits(&l))
        RS_TRY(tell_of_siblings(options, set));
    else if (l.others)
        RS_TRY(rs_dataset_note(set, RESCL_LOG_INFO, "%s: left out, beside its splits: %s",
                               options->path, l.others));
out:
    rs_layout_fini(&l);
    free(root);
    return st;
}

const rs_dataset_format rs_dataset_folder = {
    .name = "folder",
    .expects = "a folder with one folder of images per class",
    .recognises = recognises,
    .open = open_set,
    .get = rs_image_files_get,
    .label = rs_image_files_label,
    .identify = rs_image_files_identify,
    .path = rs_image_files_path,
    .own_files = true,
    .close = rs_image_files_close,
};
