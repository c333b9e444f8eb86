#include "folderlayout.h"

#include "error.h"
#include "folderwalk.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const rs_split_names[RS_SPLITS] = {"train", "val", "test"};

int rs_split_index(const char *split)
{
    for (int i = 0; split && i < RS_SPLITS; i++)
        if (strcmp(split, rs_split_names[i]) == 0)
            return i;
    return -1;
}

void rs_layout_fini(rs_layout *l)
{
    for (int i = 0; i < RS_SPLITS; i++)
        free(l->folder[i]);
    free(l->pictures);
    free(l->others);
    *l = (rs_layout){0};
}

/* What lies directly in a folder. A folder that cannot be read holds nothing. */
static rescl_status look_into(const char *path, const char *name, bool *folders, bool *images)
{
    rescl_status st = RESCL_OK;
    rs_entries inside = {0};
    char *inner = NULL;
    *folders = *images = false;
    RS_OOM(inner = rs_path_join(path, name));
    st = rs_entries_read(inner, &inside);
    if (st == RESCL_ERR_IO)
        st = RESCL_OK;
    RS_TRY(st);
    for (size_t i = 0; i < inside.count; i++) {
        const rs_entry *e = &inside.at[i];
        if (e->name[0] == '.')
            continue;
        *folders = *folders || e->kind == RS_ENTRY_FOLDER;
        *images = *images || (e->kind == RS_ENTRY_FILE && rs_names_image(e->name));
    }
out:
    rs_entries_fini(&inside);
    free(inner);
    return st;
}

/* Takes a folder for its split. Of two for one split, the one of the split's own name is it. */
static rescl_status take_split(rs_layout *l, const char *path, const char *name)
{
    rescl_status st = RESCL_OK;
    const int i = rs_split_index(rs_split_of(name));
    if (i < 0)
        goto out;
    const bool own = strcmp(name, rs_split_names[i]) == 0;
    if (l->folder[i] && strcmp(l->folder[i], rs_split_names[i]) == 0)
        goto out;
    RS_FAIL_IF(
        l->folder[i] && !own, RESCL_ERR_FORMAT,
        "data \"%s\": the folders '%s' and '%s' both are its split \"%s\"; rename or move one",
        path, l->folder[i], name, rs_split_names[i]);
    free(l->folder[i]);
    RS_OOM(l->folder[i] = rs_strf("%s", name));
out:
    return st;
}

static rescl_status join_name(char **names, const char *name)
{
    rescl_status st = RESCL_OK;
    char *joined = *names ? rs_strf("%s, %s", *names, name) : rs_strf("%s", name);
    RS_OOM(joined);
    free(*names);
    *names = joined;
out:
    return st;
}

bool rs_layout_has_splits(const rs_layout *l)
{
    return l->folder[0] || l->folder[1] || l->folder[2];
}

static bool is_split_folder(const rs_entry *e)
{
    return e->kind == RS_ENTRY_FOLDER && rs_split_of(e->name) != NULL;
}

/* Folders that are no splits by their names: how many hold images, and their names. */
static rescl_status look_at_others(const char *path, const rs_entries *entries, rs_layout *l,
                                   size_t *classes, char **names)
{
    enum { SHOWN = 8 };
    rescl_status st = RESCL_OK;
    bool folders, images;
    size_t count = 0;
    char more[48];
    for (size_t i = 0; i < entries->count; i++) {
        const rs_entry *e = &entries->at[i];
        if (e->kind != RS_ENTRY_FOLDER || e->name[0] == '.' || is_split_folder(e))
            continue;
        RS_TRY(look_into(path, e->name, &folders, &images));
        if (count++ < SHOWN)
            RS_TRY(join_name(&l->others, e->name));
        if (images && (*classes)++ < 3)
            RS_TRY(join_name(names, e->name));
    }
    if (count > SHOWN) {
        snprintf(more, sizeof more, "and %zu more", count - SHOWN);
        RS_TRY(join_name(&l->others, more));
    }
out:
    return st;
}

rescl_status rs_layout_find(const char *path, rs_layout *l)
{
    rescl_status st = RESCL_OK;
    rs_entries entries = {0};
    size_t named = 0, sure = 0, taken = 0, classes = 0;
    int held = -1; /* the split whose name `pictures` has */
    char *class_names = NULL;
    const char *first = NULL;
    bool folders, images;
    RS_TRY(rs_entries_read(path, &entries));
    for (size_t i = 0; i < entries.count; i++) {
        if (!is_split_folder(&entries.at[i]))
            continue;
        RS_TRY(look_into(path, entries.at[i].name, &folders, &images));
        sure += folders && !images;
        named++;
    }
    if (named == 0)
        goto out;
    RS_TRY(look_at_others(path, &entries, l, &classes, &class_names));
    for (size_t i = 0; i < entries.count; i++) {
        const rs_entry *e = &entries.at[i];
        if (!is_split_folder(e))
            continue;
        RS_TRY(look_into(path, e->name, &folders, &images));
        if (images && !folders) {
            const int split = rs_split_index(rs_split_of(e->name));
            l->divided = l->divided || (held >= 0 && held != split);
            held = split;
            if (!l->pictures)
                RS_OOM(l->pictures = rs_strf("%s", e->name));
        }
        if (folders ? !images || sure > 0 || classes == 0 : !images && sure > 0) {
            RS_TRY(take_split(l, path, e->name));
            first = taken++ == 0 ? e->name : first;
        }
    }
    RS_FAIL_IF(
        sure == 1 && taken == 1 && classes > 0, RESCL_ERR_FORMAT,
        "data \"%s\": '%s' holds folders as a split does, and beside it are folders of images "
        "as classes are (%s): if '%s' is a split, move those away or give its own path; if it is "
        "a class, put its images directly into it",
        path, first, class_names, first);
out:
    rs_entries_fini(&entries);
    free(class_names);
    return st;
}
