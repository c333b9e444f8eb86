#include "folderdoubt.h"

#include "error.h"
#include "folderlayout.h"
#include "folderwalk.h"
#include "path.h"
#include "splits.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 4 /* folders of one folder each that are looked through */

rescl_status rs_check_class_names(const char *root, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const char *found[RS_SPLITS] = {0};
    size_t count = 0, splits = 0;
    bool exact = false;
    for (size_t i = 0; i < set->classes; i++) {
        const char *name = set->class_name[i], *rest = name;
        const int split = rs_split_index(rs_split_next(&rest));
        if (split < 0)
            continue;
        count++;
        exact = exact || rs_split_of(name);
        splits += !found[split];
        found[split] = name;
    }
    const bool all = count == set->classes;
    const char *one = found[0] ? found[0] : found[1] ? found[1] : found[2];
    const char *other = found[2] ? found[2] : found[1];
    RS_FAIL_IF(
        all && count == 1, RESCL_ERR_FORMAT,
        "%s: its only class would be '%s', by the name a split; put the images of each class "
        "into a folder of its own, or give --format folder if it is a class",
        root, one);
    RS_FAIL_IF(
        splits > 1 && (all || (exact && 2 * count > set->classes)), RESCL_ERR_FORMAT,
        "%s: '%s' and '%s' would be classes, but are splits by their names; rename them "
        "train, val and test, each with one folder per class, or give --format folder if they "
        "are classes",
        root, one, other);
out:
    return st;
}

/* The folders in a class, or in the only one that it holds: names in order, and nothing else. */
static rescl_status read_inner(const char *root, const char *class, rs_entries *out)
{
    rescl_status st = RESCL_OK;
    char *path = NULL, *inner = NULL;
    RS_OOM(path = rs_path_join(root, class));
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        size_t kept = 0;
        rs_entries_fini(out);
        RS_TRY(rs_entries_read(path, out));
        for (size_t i = 0; i < out->count; i++) {
            rs_entry *e = &out->at[i];
            if (e->kind == RS_ENTRY_FOLDER && e->name[0] != '.')
                out->at[kept++] = *e;
            else
                free(e->name);
        }
        out->count = kept;
        if (kept != 1)
            break;
        RS_OOM(inner = rs_path_join(path, out->at[0].name));
        free(path);
        path = inner;
    }
out:
    free(path);
    return st;
}

/* The first two names that two lists share, which are in order. */
static bool share_two(const rs_entries *a, const rs_entries *b, const char *name[2])
{
    size_t shared = 0;
    for (size_t i = 0, k = 0; shared < 2 && i < a->count && k < b->count;) {
        const int order = strcmp(a->at[i].name, b->at[k].name);
        if (order == 0)
            name[shared++] = a->at[i].name;
        i += order <= 0;
        k += order >= 0;
    }
    return shared == 2;
}

rescl_status rs_check_class_folders(const char *root, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_entries first = {0}, next = {0};
    const char *class = NULL, *shared[2];
    for (size_t i = 0; i < set->classes; i++) {
        RS_TRY(read_inner(root, set->class_name[i], &next));
        if (!class && next.count > 1) {
            class = set->class_name[i];
            first = next;
            next = (rs_entries){0};
            continue;
        }
        RS_FAIL_IF(
            class && share_two(&first, &next, shared), RESCL_ERR_FORMAT,
            "%s: '%s' and '%s' would be classes, but hold folders of the same names (%s, %s "
            "...) as splits do; rename them train, val and test, with these folders directly in "
            "them, or give --format folder if they are classes",
            root, class, set->class_name[i], shared[0], shared[1]);
    }
out:
    rs_entries_fini(&first);
    rs_entries_fini(&next);
    return st;
}
