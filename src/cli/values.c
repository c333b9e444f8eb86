#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool cli_parse_u64(const char *text, uint64_t *out)
{
    if (!isdigit((unsigned char)*text) || text[strspn(text, "0123456789")])
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || value > UINT64_MAX)
        return false;
    *out = value;
    return true;
}

bool cli_parse_real(const char *text, double *out)
{
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return false;
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool cli_parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

bool cli_in_range_real(const char *range, double x)
{
    char *rest = NULL;
    double low = strtod(range + 1, &rest);
    double high = strtod(rest + 1, &rest);
    return (range[0] == '[' ? x >= low : x > low) && (*rest == ']' ? x <= high : x < high);
}

bool cli_in_range_u64(const char *range, uint64_t x)
{
    char *rest = NULL;
    uint64_t low = strtoull(range + 1, &rest, 10);
    uint64_t high = strtoull(rest + 1, &rest, 10);
    return x >= low && x <= high;
}

enum { LONGEST_WORD = 63 };

/* Levenshtein distance of the first LONGEST_WORD bytes, letters' case ignored. */
static size_t distance(const char *a, const char *b)
{
    size_t na = strnlen(a, LONGEST_WORD), nb = strnlen(b, LONGEST_WORD);
    size_t row[LONGEST_WORD + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const char *cli_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t len = strnlen(word, LONGEST_WORD), least = len / 3 + 1;
    for (; *names; names++) {
        size_t d = distance(word, *names);
        /* A beginning such as --batch is nearer to --batch-size than its distance says. */
        if (len >= 3 && strncasecmp(word, *names, len) == 0)
            d = 1;
        if (d <= least && (!best || d < least)) {
            best = *names;
            least = d;
        }
    }
    return best;
}
