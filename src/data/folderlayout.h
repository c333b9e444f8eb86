/* Which folders of a set of images are splits and which are classes. */
#ifndef RS_FOLDERLAYOUT_H
#define RS_FOLDERLAYOUT_H

#include <rescl/status.h>
#include <stdbool.h>

enum { RS_SPLITS = 3 };
extern const char *const rs_split_names[RS_SPLITS];

/* The place of a split in that list; -1 for others and NULL. */
int rs_split_index(const char *split);

/* The folders of the splits within a path: all NULL where its folders are classes. */
typedef struct rs_layout {
    char *folder[RS_SPLITS];
    char *pictures; /* a folder with the name of a split that holds images instead of classes,
                     * beside splits; or NULL */
    bool divided;   /* there are such folders of two splits or more */
    char *others;   /* "a, b": folders beside splits; or NULL */
} rs_layout;

/* A folder with the name of a split is one if it holds folders; it is a class of that name if it
 * holds images. Where it holds both, or nothing, its neighbours decide. */
rescl_status rs_layout_find(const char *path, rs_layout *l) RESCL_CHECK;
bool rs_layout_has_splits(const rs_layout *l);
void rs_layout_fini(rs_layout *l);

#endif
