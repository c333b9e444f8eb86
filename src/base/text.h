/* Text: numbers, intervals, near names, what files of text begin with, control characters. Plain
 * functions, which the program links too. */
#ifndef RS_TEXT_H
#define RS_TEXT_H

#include <rescl/status.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A heap copy of printf output; NULL when memory is short. */
char *rs_strf(const char *fmt, ...) RESCL_PRINTF(1, 2);
char *rs_vstrf(const char *fmt, va_list args);

/* The whole of `text` as a number: no blanks around, no rest, no overflow. */
bool rs_parse_u64(const char *text, uint64_t *out);
bool rs_parse_f64(const char *text, double *out);
/* true, yes, on, 1, false, no, off or 0, in any case. */
bool rs_parse_bool(const char *text, bool *out);

/* Makes the decimal mark of a number that printf wrote a point, whatever the program's locale. */
void rs_point_decimals(char *number);

/* The fewest digits that rs_parse_f64 gives `x` back for; "nan", "inf" and "-inf" for what has
 * none. */
#define RS_F64_CHARS 32
void rs_format_f64(double x, char out[RS_F64_CHARS]);

/* Whether `x` lies in an interval such as "[0,1)" or "(0,inf)"; NaN lies in none. Intervals are
 * written by us: none is malformed. */
bool rs_in_range_f64(const char *range, double x);
bool rs_in_range_u64(const char *range, uint64_t x);

/* Levenshtein distance, for "did you mean": letters' case does not count, and strings are cut at
 * 64 bytes. */
size_t rs_edit_distance(const char *a, const char *b);

/* Whether `text` ends with `end`, in any case of letters. */
bool rs_ends_with(const char *text, const char *end);

/* Whether the names say no more than the numbers do: "0", "1", ... */
bool rs_are_numbers(const char *const *name, size_t count);

/* The nearest of `names` (a NULL-terminated list), or the first that begins with `word`, if near
 * enough to suggest, else NULL. */
const char *rs_nearest(const char *word, const char *const *names);

/* Bytes of the byte order mark of UTF-8 that `text` begins with: 3 or 0. */
size_t rs_bom_bytes(const char *text, size_t bytes);
/* "UTF-16" or "UTF-32" if a file of text that begins so is in one of these, which no file that we
 * read may be; else NULL. Their byte order mark tells, or zeros beside letters. */
const char *rs_wide_encoding(const char *text, size_t bytes);

/* Whether `text` is UTF-8, which JSON has to be. */
bool rs_is_utf8(const char *text);
/* Makes it so: of text that is not, the bytes that are not ASCII become '?'. */
void rs_make_utf8(char *text);
/* Whether `text` holds a control character of ASCII or Unicode. */
bool rs_has_control(const char *text);
/* Writes `text` so that a terminal shows it and obeys nothing in it: control characters become \n,
 * \r, \t or \x1b, those that turn the direction of writing or that nobody sees \u202e; the characters
 * of `keep` stay. `out` has RS_ESCAPED(strlen(text)) bytes. Returns its length. */
#define RS_ESCAPED(len) (4 * (len) + 1)
size_t rs_escape(const char *text, const char *keep, char *out);

/* A word for a shell, in quotes where it needs them; control characters as $'\x1b'. Heap; NULL when
 * memory is short. */
char *rs_shell_quote(const char *word);

#endif
