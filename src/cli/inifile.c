#include "inifile.h"

#include "output.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

typedef struct reader {
    const char *path;
    int line; /* the one that is read, from 1 */
    const char *section;
    const char *key; /* whose value may go on; NULL: none */
    int key_line;
    size_t indent; /* of that key */
    bool quoted;   /* its value cannot go on */
    char *value;   /* so far, within the text */
    size_t value_len;
    cli_ini_enter enter;
    cli_ini_take take;
    void *user;
} reader;

/* Cuts blanks at the end. */
static void trim(char *text)
{
    for (size_t len = strlen(text); len > 0 && strchr(BLANKS, text[len - 1]); len--)
        text[len - 1] = '\0';
}

/* Cuts a comment, which a ';' behind a blank begins. */
static void cut_comment(char *text)
{
    for (char *p = text; *p; p++) {
        if (strchr(BLANKS, *p) && p[1] == ';') {
            *p = '\0';
            break;
        }
    }
    trim(text);
}

/* Hands over the key whose value is whole. */
static bool finish(reader *r)
{
    const char *key = r->key;
    r->key = NULL;
    return !key || r->take(r->user, r->key_line, r->section, key, r->value);
}

/* The value of a hexadecimal digit, or -1. */
static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static const char escapes[] = "nrt\\\"", unescaped[] = "\n\r\t\\\"";

/* The character that the escape at `p` stands for, -1 if it is none; `len` is its length. */
static int unescape(const char *p, size_t *len)
{
    const char *at = p[1] ? strchr(escapes, p[1]) : NULL;
    *len = 2;
    if (at)
        return unescaped[at - escapes];
    if (p[1] != 'x' || digit_of(p[2]) < 0 || digit_of(p[3]) < 0)
        return -1;
    *len = 4;
    return digit_of(p[2]) * 16 + digit_of(p[3]);
}

/* Unquotes in place what stands behind a '"'; no more than a comment may follow. */
static bool unquote(const reader *r, char *text)
{
    char *to = text, *p = text + 1;
    while (*p && *p != '"') {
        size_t len = 1;
        const int c = *p == '\\' ? unescape(p, &len) : (unsigned char)*p;
        if (c <= 0) {
            cli_error(
                "%s:%d: found '%.4s' in quotes, expected \\n, \\r, \\t, \\\\, \\\" or \\x and "
                "two digits that are not 00",
                r->path, r->line, p);
            return false;
        }
        *to++ = (char)c;
        p += len;
    }
    if (!*p) {
        cli_error("%s:%d: the quotes are not closed", r->path, r->line);
        return false;
    }
    p++;
    cut_comment(p);
    p += strspn(p, BLANKS);
    if (*p) {
        cli_error("%s:%d: found '%s' behind the quotes, expected the end of the line", r->path,
                  r->line, p);
        return false;
    }
    *to = '\0';
    return true;
}

static bool read_section(reader *r, char *text)
{
    char *end = strchr(text, ']');
    if (!finish(r))
        return false;
    if (!end) {
        cli_error("%s:%d: found '%s', expected a ']' behind the name of the section", r->path,
                  r->line, text);
        return false;
    }
    *end = '\0';
    char *rest = end + 1;
    rest += strspn(rest, BLANKS);
    if (*rest && *rest != ';' && *rest != '#') {
        cli_error("%s:%d: found '%s' behind [%s], expected it on a line of its own", r->path,
                  r->line, rest, text + 1);
        return false;
    }
    text += 1 + strspn(text + 1, BLANKS);
    trim(text);
    r->section = text;
    return r->enter(r->user, r->line, text);
}

/* Where the key of "key = value" or "key: value" ends; NULL if the line has none. */
static char *key_end(char *text)
{
    char *mark = text + strcspn(text, "=:");
    return *mark && mark != text ? mark : NULL;
}

/* Whether a line that continues a value was meant as a key, and is worth an error. */
static bool looks_like_key(char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const size_t len = strspn(text, letters), gap = strspn(text + len, BLANKS);
    return len > 0 && (text[len + gap] == '=' || text[len + gap] == ':');
}

static bool continue_value(reader *r, char *text)
{
    const bool key = looks_like_key(text) || *text == '[';
    if (key || r->quoted) {
        cli_error(
            "%s:%d: found '%s' on an indented line, which would continue the value of '%s' in "
            "line %d; %s",
            r->path, r->line, text, r->key, r->key_line,
            key ? "begin keys and sections at the start of a line"
                : "a value in quotes ends with its line");
        return false;
    }
    const size_t len = strlen(text);
    memmove(r->value + r->value_len, text, len + 1);
    r->value_len += len;
    return true;
}

static bool read_key(reader *r, char *text, size_t indent)
{
    char *mark = key_end(text);
    if (!finish(r))
        return false;
    if (!mark) {
        cli_error("%s:%d: found '%s', expected '[section]' or 'key = value'", r->path, r->line,
                  text);
        return false;
    }
    *mark = '\0';
    trim(text);
    r->key = text;
    r->key_line = r->line;
    r->indent = indent;
    r->value = mark + 1 + strspn(mark + 1, BLANKS);
    if (*r->value != '"') {
        cut_comment(mark + 1);
        r->value = mark + 1 + strspn(mark + 1, BLANKS);
    }
    r->quoted = *r->value == '"';
    if (r->quoted && !unquote(r, r->value))
        return false;
    r->value_len = strlen(r->value);
    return true;
}

/* A line without its end. */
static bool read_line(reader *r, char *line, size_t len)
{
    const char *zero = memchr(line, '\0', len);
    if (zero) {
        cli_error("%s:%d: found a NUL byte, expected text", r->path, r->line);
        return false;
    }
    for (const char *p = line; *p; p++) {
        if ((unsigned char)*p >= 0x20 ? *p == 0x7f : *p != '\t') {
            cli_error(*p == '\r' ? "%s:%d: found a carriage return within the line, expected lines "
                                   "that end with LF or CRLF"
                                 : "%s:%d: found the control character 0x%02x, expected text",
                      r->path, r->line, (unsigned char)*p);
            return false;
        }
    }
    const size_t indent = strspn(line, BLANKS);
    char *text = line + indent;
    if (!*text)
        return finish(r); /* an empty line ends a value */
    if (*text == ';' || *text == '#')
        return true;
    if (r->key && indent > r->indent) {
        cut_comment(text);
        return continue_value(r, text);
    }
    return *text == '[' ? read_section(r, text) : read_key(r, text, indent);
}

bool cli_ini_read(const char *path, char *text, size_t bytes, cli_ini_enter enter,
                  cli_ini_take take, void *user)
{
    reader r = {.path = path, .section = "", .enter = enter, .take = take, .user = user};
    const char *wide = rs_wide_encoding(text, bytes);
    if (wide) {
        cli_error("%s:1: is %s, expected UTF-8", path, wide);
        return false;
    }
    char *line = text + rs_bom_bytes(text, bytes), *end = text + bytes;
    while (line < end) {
        char *feed = memchr(line, '\n', (size_t)(end - line));
        char *stop = feed ? feed : end;
        size_t len = (size_t)(stop - line);
        r.line++;
        if (len > 0 && line[len - 1] == '\r')
            len--;
        line[len] = '\0';
        if (!read_line(&r, line, len))
            return false;
        line = stop + 1;
    }
    return finish(&r);
}

size_t cli_ini_write(FILE *f, const char *key, const char *value)
{
    const size_t len = strlen(value);
    bool plain = value[0] != '"' && value[0] != ';' && !strchr("\t ", value[0] ? value[0] : 'x') &&
                 !strchr("\t ", len ? value[len - 1] : 'x');
    const bool controls = rs_has_control(value);
    plain = plain && !controls && !strstr(value, " ;");
    if (plain)
        return (size_t)fprintf(f, "%s = %s", key, value);
    size_t n = (size_t)fprintf(f, "%s = \"", key);
    for (const char *p = value; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        const char *special = strchr(unescaped, c);
        if (special)
            n += (size_t)fprintf(f, "\\%c", escapes[special - unescaped]);
        else
            n += (size_t)fprintf(f, c < 0x20 || (controls && c >= 0x7f) ? "\\x%02x" : "%c", c);
    }
    fputc('"', f);
    return n + 1;
}
