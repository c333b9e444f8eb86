/* Text to values: strict numbers, intervals, near names. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole of `text` as a number; no blanks, no sign for u64, no hexadecimal, no overflow. */
bool cli_parse_u64(const char *text, uint64_t *out);
bool cli_parse_real(const char *text, double *out);
bool cli_parse_bool(const char *text, bool *out);

/* Whether x lies in an interval written as "[0,1)". The bounds come from options.def. */
bool cli_in_range_real(const char *range, double x);
bool cli_in_range_u64(const char *range, uint64_t x);

/* The nearest of `names` (NULL-terminated) if it is near enough to suggest, else NULL. */
const char *cli_nearest(const char *word, const char *const *names);

#endif
