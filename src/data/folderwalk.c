#include "folderwalk.h"

#include "alloc.h"
#include "error.h"
#include "path.h"
#include "str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <rescl/data.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_ENTRIES ((size_t)50000000)
#define MAX_KINDS   1000 /* told apart */
#define MAX_ENDING  12   /* letters of a name's ending that tell a kind */
#define SHOWN_KINDS 8
#define SHOWN_LINKS 3

/* ---- listing ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rs_entry *)a)->name, ((const rs_entry *)b)->name);
}

static rs_entry_kind kind_of_mode(mode_t mode)
{
    return S_ISDIR(mode) ? RS_ENTRY_FOLDER : S_ISREG(mode) ? RS_ENTRY_FILE : RS_ENTRY_SPECIAL;
}

/* Asks the file system only where the listing does not say it: links, and some file systems. */
static rs_entry_kind kind_of(DIR *dir, const struct dirent *entry)
{
    struct stat info;
#ifdef DT_UNKNOWN
    if (entry->d_type == DT_REG)
        return RS_ENTRY_FILE;
    if (entry->d_type == DT_DIR)
        return RS_ENTRY_FOLDER;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return RS_ENTRY_SPECIAL;
#endif
    if (fstatat(dirfd(dir), entry->d_name, &info, 0) != 0)
        return RS_ENTRY_NOWHERE;
    return kind_of_mode(info.st_mode);
}

rescl_status rs_entries_read(const char *path, rs_entries *out)
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
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "__MACOSX") == 0)
            continue;
        RS_FAIL_IF(out->count >= MAX_ENTRIES, RESCL_ERR_FORMAT, "%s: more than %zu entries", path,
                   MAX_ENTRIES);
        RS_TRY(rs_array_reserve(&out->at, &out->cap, out->count + 1, sizeof *out->at));
        rs_entry *e = &out->at[out->count];
        RS_OOM(e->name = rs_strf("%s", entry->d_name));
        out->count++;
        e->kind = kind_of(dir, entry);
    }
    if (out->count > 0)
        qsort(out->at, out->count, sizeof *out->at, by_name);
out:
    if (dir)
        closedir(dir);
    return st;
}

void rs_entries_fini(rs_entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->at[i].name);
    free(e->at);
    *e = (rs_entries){0};
}

/* ---- what is left out -------------------------------------------------------------------- */

bool rs_is_other_image(const char *name)
{
    static const char *const endings[] = {".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < RS_COUNT(endings); i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

bool rs_names_image(const char *name)
{
    return rescl_image_has_suffix(name) || rs_is_other_image(name);
}

rescl_status rs_leftovers_add(rs_leftovers *l, const char *kind)
{
    rescl_status st = RESCL_OK;
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->at[i].kind, kind) == 0 || i + 1 == MAX_KINDS) {
            l->at[i].count++;
            goto out;
        }
    RS_TRY(rs_array_reserve(&l->at, &l->cap, l->count + 1, sizeof *l->at));
    RS_OOM(l->at[l->count].kind = rs_strf("%s", l->count + 1 == MAX_KINDS ? "others" : kind));
    l->at[l->count++].count = 1;
out:
    return st;
}

rescl_status rs_leftovers_add_file(rs_leftovers *l, const char *name)
{
    rescl_status st = RESCL_OK;
    char kind[MAX_ENDING + 2];
    const char *dot = strrchr(name, '.');
    const size_t len = dot ? strlen(dot) : 0;
    if (name[0] == '.') {
        RS_TRY(rs_leftovers_add(l, "hidden"));
    } else if (len < 2 || len > MAX_ENDING) {
        RS_TRY(rs_leftovers_add(l, "without a known ending"));
    } else {
        for (size_t i = 0; i <= len; i++)
            kind[i] = (char)tolower((unsigned char)dot[i]);
        RS_TRY(rs_leftovers_add(l, kind));
    }
out:
    return st;
}

rescl_status rs_leftovers_add_link(rs_leftovers *l, const char *path)
{
    rescl_status st = RESCL_OK;
    if (l->nlinks++ < SHOWN_LINKS) {
        char *links = rs_strf("%s%s%s", l->links ? l->links : "", l->links ? ", " : "", path);
        RS_OOM(links);
        free(l->links);
        l->links = links;
    }
out:
    return st;
}

static int most_first(const void *a, const void *b)
{
    const struct rs_leftover *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->kind, y->kind);
}

rescl_status rs_leftovers_text(rs_leftovers *l, char **out)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    size_t rest = 0;
    if (l->count > 0)
        qsort(l->at, l->count, sizeof *l->at, most_first);
    for (size_t i = 0; i < l->count; i++) {
        if (i < SHOWN_KINDS)
            RS_TRY(rs_str_appendf(&text, "%s%zu %s", i ? ", " : "", l->at[i].count, l->at[i].kind));
        else
            rest += l->at[i].count;
    }
    if (rest > 0)
        RS_TRY(rs_str_appendf(&text, ", %zu others", rest));
    if (l->nlinks > 0)
        RS_TRY(rs_str_appendf(&text, "%s%zu link%s that lead%s nowhere (%s%s)",
                              text.len ? ", " : "", l->nlinks, l->nlinks > 1 ? "s" : "",
                              l->nlinks > 1 ? "" : "s", l->links,
                              l->nlinks > SHOWN_LINKS ? ", ..." : ""));
    *out = text.text;
    text = (rs_str){0};
out:
    rs_str_fini(&text);
    return st;
}

size_t rs_leftovers_images(const rs_leftovers *l)
{
    size_t images = 0;
    for (size_t i = 0; i < l->count; i++)
        images += rs_is_other_image(l->at[i].kind) ? l->at[i].count : 0;
    return images;
}

void rs_leftovers_fini(rs_leftovers *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->at[i].kind);
    free(l->at);
    free(l->links);
    *l = (rs_leftovers){0};
}
