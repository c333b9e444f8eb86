#include "csvread.h"

#include "alloc.h"
#include "error.h"
#include "path.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static char separator_of(const char *text, size_t bytes)
{
    const char *end = memchr(text, '\n', bytes);
    const size_t n = end ? (size_t)(end - text) : bytes;
    return memchr(text, ',', n)    ? ','
           : memchr(text, '\t', n) ? '\t'
           : memchr(text, ';', n)  ? ';'
                                   : ',';
}

rescl_status rs_csv_open(const char *path, size_t limit, rs_csv_reader *r)
{
    rescl_status st = RESCL_OK;
    *r = (rs_csv_reader){.path = path, .next_line = 1};
    RS_TRY(rs_file_read(path, limit, &r->text, &r->bytes));
    const char *wide = rs_wide_encoding(r->text, r->bytes);
    RS_FAIL_IF(wide, RESCL_ERR_FORMAT, "%s: is %s, expected UTF-8", path, wide);
    RS_FAIL_IF(memchr(r->text, '\0', r->bytes), RESCL_ERR_FORMAT,
               "%s: holds NUL bytes, expected text", path);
    RS_FAIL_IF(!rs_is_utf8(r->text), RESCL_ERR_FORMAT,
               "%s: is not UTF-8; convert it (of Western Windows: iconv -f cp1252 -t utf-8)", path);
    r->at = rs_bom_bytes(r->text, r->bytes);
    r->separator = separator_of(r->text + r->at, r->bytes - r->at);
out:
    return st;
}

/* Takes blanks off both ends of what lies between two pointers, and ends it with a NUL, for which there is
 * room. */
static char *trimmed(char *begin, char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    return begin;
}

/* A field in quotes, from behind the first on; *end gets what follows the last. */
static rescl_status read_quoted(rs_csv_reader *r, char **end)
{
    rescl_status st = RESCL_OK;
    char *to = r->text + r->at;
    const size_t begun = r->next_line;
    for (;; r->at++) {
        RS_FAIL_IF(r->at >= r->bytes, RESCL_ERR_FORMAT,
                   "%s, line %zu: a quotation mark is not closed", r->path, begun);
        const char c = r->text[r->at];
        if (c == '"' && r->text[r->at + 1] == '"')
            r->at++;
        else if (c == '"')
            break;
        r->next_line += c == '\n';
        *to++ = c;
    }
    r->at++;
    while (r->at < r->bytes && r->text[r->at] == ' ')
        r->at++;
    r->at += r->text[r->at] == '\r';
    RS_FAIL_IF(
        r->at < r->bytes && r->text[r->at] != r->separator && r->text[r->at] != '\n',
        RESCL_ERR_FORMAT,
        "%s, line %zu: text behind a closing quotation mark; a quotation mark within a field is "
        "written twice",
        r->path, r->next_line);
    *end = to;
out:
    return st;
}

/* The field that begins at r->at, which moves behind it; *mark gets what it ended with. */
static rescl_status read_field(rs_csv_reader *r, char *mark)
{
    rescl_status st = RESCL_OK;
    const size_t blanks = strspn(r->text + r->at, " ");
    RS_TRY(rs_array_reserve(&r->field, &r->cap, r->count + 1, sizeof *r->field));
    const bool quoted = r->text[r->at + blanks] == '"';
    char *begin = r->text + r->at + (quoted ? blanks + 1 : 0), *end = begin;
    if (quoted) {
        r->at += blanks + 1;
        RS_TRY(read_quoted(r, &end));
    } else {
        while (r->at < r->bytes && r->text[r->at] != r->separator && r->text[r->at] != '\n')
            r->at++;
        end = r->text + r->at;
        end -= end > begin && end[-1] == '\r' && *end != r->separator;
        RS_FAIL_IF(memchr(begin, '\r', (size_t)(end - begin)), RESCL_ERR_FORMAT,
                   "%s, line %zu: a carriage return within a field; lines end in LF or CRLF, and "
                   "those of old Macs are to be converted (tr '\\r' '\\n')",
                   r->path, r->next_line);
    }
    *mark = r->at < r->bytes ? r->text[r->at] : '\n';
    r->at += r->at < r->bytes;
    if (quoted)
        *end = '\0';
    r->field[r->count++] = quoted ? begin : trimmed(begin, end);
out:
    return st;
}

rescl_status rs_csv_next(rs_csv_reader *r, bool *more)
{
    rescl_status st = RESCL_OK;
    char mark = '\n';
    do {
        *more = r->at < r->bytes;
        if (!*more)
            goto out;
        r->count = 0;
        r->line = r->next_line;
        do
            RS_TRY(read_field(r, &mark));
        while (mark == r->separator);
        r->next_line++;
    } while (r->count == 1 && r->field[0][0] == '\0');
out:
    return st;
}

void rs_csv_fini(rs_csv_reader *r)
{
    free(r->text);
    free(r->field);
    *r = (rs_csv_reader){0};
}
