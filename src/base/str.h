/* Strings: growing buffer, strict number parsing, near matches. */
#ifndef RS_STR_H
#define RS_STR_H

#include <rescl/status.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing, always terminated string. {0} is empty and valid; rs_str_fini frees. */
typedef struct rs_str {
    char *text; /* NULL while empty */
    size_t len, cap;
} rs_str;

rescl_status rs_str_append(rs_str *s, const char *text) RESCL_CHECK;
rescl_status rs_str_appendv(rs_str *s, const char *fmt, va_list args) RESCL_CHECK;
rescl_status rs_str_appendf(rs_str *s, const char *fmt, ...) RESCL_CHECK RESCL_PRINTF(2, 3);
void rs_str_fini(rs_str *s);

/* A heap copy of printf output; NULL when memory is short. */
char *rs_strf(const char *fmt, ...) RESCL_PRINTF(1, 2);

/* The whole of `text` as a number: no blanks around, no rest, no overflow. */
bool rs_parse_u64(const char *text, uint64_t *out);
bool rs_parse_f64(const char *text, double *out);

/* The fewest digits that rs_parse_f64 gives `x` back for; "nan", "inf" and "-inf" for what has
 * none. */
#define RS_F64_CHARS 32
void rs_format_f64(double x, char out[RS_F64_CHARS]);

/* Levenshtein distance, for "did you mean". Strings are cut at 64 bytes. */
size_t rs_edit_distance(const char *a, const char *b);

/* The nearest of `names` (a NULL-terminated list) if near enough to suggest, else NULL. */
const char *rs_nearest(const char *word, const char *const *names);

/* Fails with RESCL_ERR_ARG: "there is no <what> '<name>'", the nearest name, and all of them. */
rescl_status rs_no_such_name(const char *what, const char *name, const char *const *names)
    RESCL_CHECK;

#endif
