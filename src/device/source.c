#include "source.h"

#include "alloc.h"
#include "embedded.h"
#include "error.h"
#include "path.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_DEPTH = 16, MAX_FILES = 64, FILE_LIMIT = 4 << 20 };

/* ---- reading ----------------------------------------------------------------------------- */

static bool valid_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '.')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("_-.", *name))
            return false;
    return true;
}

/* The file's text on the heap, or NULL with RESCL_OK when it is nowhere. */
static rescl_status read_source(const char *name, char **text)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    size_t bytes = 0;
    const char *embedded = NULL;
    const char *dir = getenv("RESCL_KERNEL_DIR");
    *text = NULL;
    if (dir && dir[0] != '\0') {
        RS_FAIL_IF(!rs_path_is_dir(dir), RESCL_ERR_NOT_FOUND,
                   "RESCL_KERNEL_DIR=%s is not a folder; unset it to use the built-in kernels",
                   dir);
        RS_OOM(path = rs_path_join(dir, name));
        if (access(path, F_OK) == 0) {
            RS_TRY(rs_file_read(path, FILE_LIMIT, text, &bytes));
            RS_FAIL_IF(strlen(*text) != bytes, RESCL_ERR_FORMAT, "%s: holds a NUL byte", path);
            goto out;
        }
    }
    embedded = rs_embedded_source(name);
    if (embedded)
        RS_OOM(*text = strdup(embedded));
out:
    if (st != RESCL_OK)
        free(*text), *text = NULL;
    free(path);
    return st;
}

/* The index of the file in s->files; reads it the first time. */
static rescl_status get_file(rs_source *s, const char *name, const char *where, size_t line,
                             size_t *index)
{
    rescl_status st = RESCL_OK;
    rs_source_file f = {NULL, NULL};
    char place[128] = "";
    for (*index = 0; *index < s->nfiles; ++*index)
        if (strcmp(s->files[*index].name, name) == 0)
            return RESCL_OK;
    if (where)
        snprintf(place, sizeof place, "%.100s:%zu: ", where, line);
    RS_FAIL_IF(!valid_name(name), RESCL_ERR_ARG, "%s\"%.80s\" is not a kernel file's name", place,
               name);
    RS_FAIL_IF(s->nfiles >= MAX_FILES, RESCL_ERR_BUILD, "%smore than %d files included", place,
               MAX_FILES);
    RS_TRY(read_source(name, &f.text));
    RS_FAIL_IF(!f.text, RESCL_ERR_NOT_FOUND, "%sthere is no kernel file %s%s%s", place, name,
               getenv("RESCL_KERNEL_DIR") ? ", neither built in nor in RESCL_KERNEL_DIR=" : "",
               getenv("RESCL_KERNEL_DIR") ? getenv("RESCL_KERNEL_DIR") : "");
    RS_OOM(f.name = strdup(name));
    RS_TRY(rs_array_reserve(&s->files, &s->files_cap, s->nfiles + 1, sizeof *s->files));
    s->files[s->nfiles++] = f;
    f = (rs_source_file){NULL, NULL};
out:
    free(f.name);
    free(f.text);
    return st;
}

/* ---- expanding --------------------------------------------------------------------------- */

/* Follows comments over one line; `in_comment` is whether a block comment is open before and after.
 */
static void scan_comments(const char *line, size_t len, bool *in_comment)
{
    char quote = '\0';
    for (size_t i = 0; i < len; i++) {
        const char c = line[i], next = i + 1 < len ? line[i + 1] : '\0';
        if (*in_comment) {
            if (c == '*' && next == '/')
                *in_comment = false, i++;
        } else if (quote != '\0') {
            if (c == '\\')
                i++;
            else if (c == quote)
                quote = '\0';
        } else if (c == '/' && next == '/') {
            return;
        } else if (c == '/' && next == '*') {
            *in_comment = true, i++;
        } else if (c == '"' || c == '\'') {
            quote = c;
        }
    }
}

/* The name in a line  #include "name"  into `name`; false for any other line. */
static bool parse_include(const char *line, size_t len, char *name, size_t cap)
{
    const char *at = line, *end = line + len;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at >= end || *at++ != '#')
        return false;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    static const char word[] = "include";
    if ((size_t)(end - at) < sizeof word || memcmp(at, word, sizeof word - 1) != 0)
        return false;
    at += sizeof word - 1;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at >= end || *at++ != '"')
        return false;
    const char *close = memchr(at, '"', (size_t)(end - at));
    if (!close || (size_t)(close - at) >= cap)
        return false;
    memcpy(name, at, (size_t)(close - at));
    name[close - at] = '\0';
    return true;
}

static rescl_status append_line(rs_source *s, const char *line, size_t len)
{
    rescl_status st = rs_str_appendf(&s->text, "%.*s\n", (int)len, line);
    s->lines++;
    return st;
}

/* From here on the text is that of `file` from `line` on. */
static rescl_status start_run(rs_source *s, size_t file, size_t line)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_str_appendf(&s->text, "#line %zu \"%s\"\n", line, s->files[file].name));
    s->lines++;
    RS_TRY(rs_array_reserve(&s->runs, &s->runs_cap, s->nruns + 1, sizeof *s->runs));
    s->runs[s->nruns++] = (rs_source_run){.first = s->lines + 1, .file = file, .line = line};
out:
    return st;
}

/* `open` holds the files that are being expanded, outermost first. */
static rescl_status expand(rs_source *s, size_t file, size_t *open, size_t depth)
{
    rescl_status st = RESCL_OK;
    bool in_comment = false;
    size_t number = 1;
    open[depth] = file;
    RS_TRY(start_run(s, file, 1));
    for (const char *line = s->files[file].text; *line != '\0'; number++) {
        size_t len = strcspn(line, "\n");
        const char *next = line + len + (line[len] == '\n');
        char name[128];
        if (len > 0 && line[len - 1] == '\r')
            len--;
        if (in_comment || !parse_include(line, len, name, sizeof name)) {
            scan_comments(line, len, &in_comment);
            RS_TRY(append_line(s, line, len));
            line = next;
            continue;
        }
        size_t child = 0;
        RS_TRY(get_file(s, name, s->files[file].name, number, &child));
        for (size_t i = 0; i <= depth; i++)
            RS_FAIL_IF(open[i] == child, RESCL_ERR_BUILD, "%s:%zu: %s includes itself",
                       s->files[file].name, number, name);
        RS_FAIL_IF(depth + 1 >= MAX_DEPTH, RESCL_ERR_BUILD,
                   "%s:%zu: includes are nested more than %d deep", s->files[file].name, number,
                   MAX_DEPTH);
        RS_TRY(expand(s, child, open, depth + 1));
        RS_TRY(start_run(s, file, number + 1));
        line = next;
    }
out:
    return st;
}

rescl_status rs_source_load(rs_source *s, const char *stem)
{
    rescl_status st = RESCL_OK;
    size_t file = 0, open[MAX_DEPTH];
    char *name = NULL;
    RS_OOM(name = rs_strf("%s.cl", stem));
    RS_TRY(get_file(s, name, NULL, 0, &file));
    RS_TRY(expand(s, file, open, 0));
out:
    free(name);
    return st;
}

void rs_source_fini(rs_source *s)
{
    for (size_t i = 0; i < s->nfiles; i++) {
        free(s->files[i].name);
        free(s->files[i].text);
    }
    free(s->files);
    free(s->runs);
    rs_str_fini(&s->text);
    *s = (rs_source){0};
}

const rs_source_file *rs_source_find(const rs_source *s, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    for (size_t i = 0; i < s->nfiles; i++)
        if (strcmp(s->files[i].name, base) == 0)
            return &s->files[i];
    return NULL;
}

bool rs_source_locate(const rs_source *s, size_t expanded, const rs_source_file **file,
                      size_t *line)
{
    for (size_t i = s->nruns; i-- > 0;) {
        const rs_source_run *run = &s->runs[i];
        if (expanded < run->first)
            continue;
        *file = &s->files[run->file];
        *line = run->line + (expanded - run->first);
        return expanded <= s->lines;
    }
    return false;
}
