/* Listing folders, and what was not taken of them. */
#ifndef RS_FOLDERWALK_H
#define RS_FOLDERWALK_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

/* What an entry is, links being followed. */
typedef enum rs_entry_kind {
    RS_ENTRY_FILE,
    RS_ENTRY_FOLDER,
    RS_ENTRY_NOWHERE, /* a link that leads nowhere, or in a circle */
    RS_ENTRY_SPECIAL  /* a FIFO, a socket, a device */
} rs_entry_kind;

typedef struct rs_entry {
    char *name;
    rs_entry_kind kind;
} rs_entry;

typedef struct rs_entries {
    rs_entry *at;
    size_t count, cap;
} rs_entries;

/* All entries of a folder but ".", ".." and "__MACOSX" (what macOS adds to a zip file), in the order of their names' bytes. */
rescl_status rs_entries_read(const char *path, rs_entries *out) RESCL_CHECK;
void rs_entries_fini(rs_entries *e);

/* What was left out, by kind: the ending of a file's name, or words. {0} is empty. */
typedef struct rs_leftovers {
    struct rs_leftover {
        char *kind;
        size_t count;
    } * at;
    size_t count, cap;
    char *links; /* those that lead nowhere, by name; NULL: none */
    size_t nlinks;
} rs_leftovers;

rescl_status rs_leftovers_add(rs_leftovers *l, const char *kind) RESCL_CHECK;
/* A file, by the ending of its name. */
rescl_status rs_leftovers_add_file(rs_leftovers *l, const char *name) RESCL_CHECK;
/* A link, by its path below the dataset's folder. */
rescl_status rs_leftovers_add_link(rs_leftovers *l, const char *path) RESCL_CHECK;
/* "20 .webp, 3 .heic, 1 .json", most first; NULL if nothing was left out. On the heap. */
rescl_status rs_leftovers_text(rs_leftovers *l, char **out) RESCL_CHECK;
/* Whether there are images among them: of formats that are not read. */
size_t rs_leftovers_images(const rs_leftovers *l);
void rs_leftovers_fini(rs_leftovers *l);

/* Whether a file's name ends as those of images do that are not read: ".webp". */
bool rs_is_other_image(const char *name);
/* Whether a name ends as those of images do, be they of a format that is read or of another. */
bool rs_names_image(const char *name);

#endif
