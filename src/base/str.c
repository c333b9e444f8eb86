#define _GNU_SOURCE /* strtod_l */
#include "str.h"

#include "alloc.h"
#include "error.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rescl_status reserve(rs_str *s, size_t more)
{
    rescl_status st = RESCL_OK;
    size_t need;
    RS_FAIL_IF(!rs_add_size(s->len, more, &need) || !rs_add_size(need, 1, &need), RESCL_ERR_MEMORY,
               "a string of %zu and %zu bytes does not fit memory", s->len, more);
    RS_TRY(rs_array_reserve(&s->text, &s->cap, need, 1));
out:
    return st;
}

rescl_status rs_str_append(rs_str *s, const char *text)
{
    rescl_status st = RESCL_OK;
    size_t len = strlen(text);
    RS_TRY(reserve(s, len));
    memcpy(s->text + s->len, text, len + 1);
    s->len += len;
out:
    return st;
}

rescl_status rs_str_appendv(rs_str *s, const char *fmt, va_list args)
{
    rescl_status st = RESCL_OK;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    RS_FAIL_IF(len < 0, RESCL_ERR_ARG, "the text for the format \"%s\" cannot be made", fmt);
    RS_TRY(reserve(s, (size_t)len));
    vsnprintf(s->text + s->len, (size_t)len + 1, fmt, again);
    s->len += (size_t)len;
out:
    va_end(again);
    return st;
}

rescl_status rs_str_appendf(rs_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const rescl_status st = rs_str_appendv(s, fmt, args);
    va_end(args);
    return st;
}

void rs_str_fini(rs_str *s)
{
    free(s->text);
    *s = (rs_str){0};
}

char *rs_strf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text) {
        va_start(args, fmt);
        vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    return text;
}

bool rs_parse_u64(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* Numbers are written with a point whatever the host program's locale. */
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool rs_parse_f64(const char *text, double *out)
{
    pthread_once(&c_locale_once, make_c_locale);
    size_t len = strlen(text);
    /* Decimal digits only: strtod alone would also take blanks, "nan", "inf" and hexadecimal. */
    if (len == 0 || strspn(text, "0123456789+-.eE") != len || c_locale == (locale_t)0)
        return false;
    char *end;
    double value = strtod_l(text, &end, c_locale);
    if (*end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

void rs_format_f64(double x, char out[RS_F64_CHARS])
{
    const char point = *localeconv()->decimal_point;
    double back = 0;

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, RS_F64_CHARS, "%.*g", digits, x);
        for (char *c = out; point != '.' && *c; c++)
            if (*c == point)
                *c = '.';
        if (!rs_parse_f64(out, &back) || (back >= x && back <= x))
            return;
    }
}

#define DISTANCE_MAX 64

size_t rs_edit_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, DISTANCE_MAX), b_len = strnlen(b, DISTANCE_MAX);
    size_t row[DISTANCE_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

const char *rs_nearest(const char *word, const char *const *names)
{
    size_t len = strnlen(word, DISTANCE_MAX);
    size_t limit = (len + 2) / 3; /* two slips in a word of four letters, three in one of seven */
    const char *best = NULL;
    for (; *names; names++) {
        size_t distance = rs_edit_distance(word, *names);
        if (distance <= limit && distance < len &&
            (!best || distance < rs_edit_distance(word, best)))
            best = *names;
    }
    return best;
}

rescl_status rs_no_such_name(const char *what, const char *name, const char *const *names)
{
    rescl_status st = RESCL_OK;
    const char *near = rs_nearest(name, names);
    rs_str all = {0};

    for (size_t i = 0; names[i]; i++)
        RS_TRY(rs_str_appendf(&all, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " and ", names[i]));
    RS_FAIL(RESCL_ERR_ARG, "there is no %s '%.200s'%s%s%s; there are %s", what, name,
            near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
            all.text ? all.text : "none");
out:
    rs_str_fini(&all);
    return st;
}
