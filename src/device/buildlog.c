#include "buildlog.h"

#include "cachefolder.h"
#include "error.h"
#include "hash.h"
#include "path.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT_LINES = 2, SHOWN_COLUMNS = 90, SHOWN_OPTIONS = 150 };

/* ---- reading the log --------------------------------------------------------------------- */

/* The word "error" in any case within [begin, end), or NULL. */
static const char *find_error(const char *begin, const char *end)
{
    static const char word[] = "error";
    const size_t len = sizeof word - 1;
    for (const char *at = begin; at + len <= end; at++) {
        size_t i = 0;
        while (i < len && tolower((unsigned char)at[i]) == word[i])
            i++;
        const bool starts = at == begin || !isalnum((unsigned char)at[-1]);
        const bool stops = at + len == end || !isalnum((unsigned char)at[len]);
        if (i == len && starts && stops)
            return at;
    }
    return NULL;
}

/* The first number in [at, end) that a line number could be: after ':', '(' or "line ". `name_end`
 * is where the file's name before it ends. 0 when there is none. */
static size_t find_line_number(const char *at, const char *end, const char **name_end)
{
    for (const char *p = at; p < end; p++) {
        const char *digits = NULL;
        if (*p == ':' || *p == '(')
            digits = p + 1;
        else if (end - p > 5 && memcmp(p, "line ", 5) == 0)
            digits = p + 5;
        if (!digits || digits >= end || !isdigit((unsigned char)*digits))
            continue;
        *name_end = p;
        return (size_t)strtoul(digits, NULL, 10);
    }
    return 0;
}

/* Copies the name in [at, end) without quotes, commas and blanks around it. */
static void copy_name(char *dst, size_t cap, const char *at, const char *end)
{
    while (at < end && (isspace((unsigned char)*at) || *at == '"'))
        at++;
    while (end > at && strchr(" \t\",", end[-1]))
        end--;
    size_t len = (size_t)(end - at);
    if (len >= cap) {
        at += len - (cap - 1); /* the end holds the file's name */
        len = cap - 1;
    }
    memcpy(dst, at, len);
    dst[len] = '\0';
}

/* Finds the place in [begin, end) and puts it into `out`; false when there is none. *name_end is
 * where the line number follows. */
static bool place_error(const rs_source *s, const char *begin, const char *end, rs_build_error *out,
                        const char **name_end)
{
    char name[256];
    const size_t line = find_line_number(begin, end, name_end);
    if (line == 0)
        return false;
    copy_name(name, sizeof name, begin, *name_end);
    out->file = rs_source_find(s, name);
    out->line = line;
    if (!out->file && !rs_source_locate(s, line, &out->file, &out->line))
        out->file = NULL;
    return out->file != NULL;
}

/* What follows the place or the word "error" in [at, end). */
static void copy_message(rs_build_error *out, const char *at, const char *end)
{
    while (at < end && (isdigit((unsigned char)*at) || strchr(":) \t", *at) != NULL))
        at++;
    if (at < end)
        snprintf(out->message, sizeof out->message, "%.*s", (int)(end - at), at);
}

void rs_build_log_parse(const rs_source *s, const char *log, rs_build_error *out)
{
    *out = (rs_build_error){.message = "the compiler gave no reason"};
    bool have_text = false;
    for (const char *line = log; *line != '\0';) {
        const char *end = line + strcspn(line, "\r\n");
        const char *word = find_error(line, end);
        if (word) {
            const char *text = word + strlen("error");
            text += *text == ':';
            const char *name_end = NULL;
            if (!place_error(s, line, word, out, &name_end) &&
                place_error(s, text, end, out, &name_end))
                text = name_end;
            copy_message(out, text, end);
            return;
        }
        if (!have_text && end > line) {
            copy_message(out, line, end);
            have_text = true;
        }
        line = end + strspn(end, "\r\n");
    }
}

/* ---- telling of it ----------------------------------------------------------------------- */

static rescl_status append_excerpt(rs_str *text, const rs_build_error *e)
{
    rescl_status st = RESCL_OK;
    size_t number = 1;
    for (const char *line = e->file->text; *line != '\0'; number++) {
        const size_t len = strcspn(line, "\r\n");
        const size_t whole = strcspn(line, "\n");
        if (number + CONTEXT_LINES >= e->line && number <= e->line + CONTEXT_LINES)
            RS_TRY(rs_str_appendf(text, "\n%c%5zu | %.*s", number == e->line ? '>' : ' ', number,
                                  (int)(len < SHOWN_COLUMNS ? len : SHOWN_COLUMNS), line));
        line += whole + (line[whole] == '\n');
    }
out:
    return st;
}

/* Writes the log with what it takes to understand it; *path is NULL when that failed. */
static void write_log(const rescl_device_info *info, const char *stem, const char *options,
                      const rs_source *s, const char *log, char **path)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    char *dir = NULL, *name = NULL, *file = NULL;
    char hex[33];
    const char *const key[] = {info->name, info->driver, options, s->text.text};
    *path = NULL;
    rs_hash_hex(rs_hash_strings(key, RS_COUNT(key)), hex);
    RS_TRY(rs_cache_folder("logs", &dir));
    RS_OOM(name = rs_strf("%s-%.8s.log", stem, hex));
    RS_OOM(file = rs_path_join(dir, name));
    RS_TRY(rs_str_appendf(&text,
                          "kernel file: %s.cl\ndevice: %s\nplatform: %s\ndriver: %s\n"
                          "options: %s\n\n---- log\n",
                          stem, info->name, info->platform_name, info->driver, options));
    RS_TRY(rs_str_append(&text, log));
    RS_TRY(rs_str_append(&text, "\n---- source after #include\n"));
    RS_TRY(rs_str_append(&text, s->text.text));
    RS_TRY(rs_file_write(file, text.text, text.len));
    *path = file, file = NULL;
out:
    (void)st;
    rs_str_fini(&text);
    free(dir);
    free(name);
    free(file);
}

rescl_status rs_build_log_fail(const rescl_device_info *info, const char *stem, const char *options,
                               const rs_source *s, const char *log)
{
    rescl_status st = RESCL_OK;
    rs_build_error error;
    rs_str text = {0};
    char *path = NULL;
    rs_build_log_parse(s, log, &error);
    write_log(info, stem, options, s, log, &path);
    if (error.file)
        RS_TRY(rs_str_appendf(&text, "%s:%zu: error: ", error.file->name, error.line));
    RS_TRY(rs_str_appendf(
        &text, "%s\nkernel file %s.cl does not compile on %.60s (driver %.40s), options: %.*s",
        error.message, stem, info->name, info->driver, SHOWN_OPTIONS, options));
    RS_TRY(rs_str_appendf(&text, "\nthe whole log: %.200s", path ? path : "could not be written"));
    if (error.file)
        RS_TRY(append_excerpt(&text, &error));
    RS_FAIL(RESCL_ERR_BUILD, "%s", text.text);
out:
    rs_str_fini(&text);
    free(path);
    return st;
}
