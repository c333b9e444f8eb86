#define _GNU_SOURCE /* strtod_l */
#include "text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *rs_vstrf(const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

char *rs_strf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = rs_vstrf(fmt, args);
    va_end(args);
    return text;
}

/* ---- numbers ------------------------------------------------------------------------------ */

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

bool rs_parse_bool(const char *text, bool *out)
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

bool rs_parse_f64(const char *text, double *out)
{
    size_t len = strlen(text);
    /* Decimal digits only: strtod alone would also take blanks, "nan", "inf" and hexadecimal. */
    if (len == 0 || strspn(text, "0123456789+-.eE") != len)
        return false;
    /* Numbers are written with a point whatever the host program's locale. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        return false;
    char *end;
    double value = strtod_l(text, &end, c_locale);
    freelocale(c_locale);
    if (*end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

void rs_point_decimals(char *number)
{
    char *mark = strchr(number, *localeconv()->decimal_point);
    if (mark)
        *mark = '.';
}

void rs_format_f64(double x, char out[RS_F64_CHARS])
{
    double back = 0;

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, RS_F64_CHARS, "%.*g", digits, x);
        rs_point_decimals(out);
        if (!rs_parse_f64(out, &back) || (back >= x && back <= x))
            return;
    }
}

/* ---- intervals ----------------------------------------------------------------------------- */

typedef struct interval {
    char low[32], high[32];
    bool low_open, high_open;
} interval;

static interval read_interval(const char *text)
{
    interval i = {.low_open = text[0] == '('};
    const size_t low = strcspn(text + 1, ","), high = strcspn(text + low + 2, ")]");
    snprintf(i.low, sizeof i.low, "%.*s", (int)low, text + 1);
    snprintf(i.high, sizeof i.high, "%.*s", (int)high, text + low + 2);
    i.high_open = text[low + 2 + high] == ')';
    return i;
}

static double real_bound(const char *text)
{
    double x = INFINITY; /* "inf" */
    return rs_parse_f64(text, &x) ? x : INFINITY;
}

static uint64_t whole_bound(const char *text)
{
    uint64_t x = UINT64_MAX; /* "inf" */
    return rs_parse_u64(text, &x) ? x : UINT64_MAX;
}

bool rs_in_range_f64(const char *range, double x)
{
    const interval i = read_interval(range);
    const double low = real_bound(i.low), high = real_bound(i.high);
    return (i.low_open ? x > low : x >= low) && (i.high_open ? x < high : x <= high);
}

bool rs_in_range_u64(const char *range, uint64_t x)
{
    const interval i = read_interval(range);
    const uint64_t low = whole_bound(i.low), high = whole_bound(i.high);
    return (i.low_open ? x > low : x >= low) &&
           (x <= high && (x < high || !i.high_open || high == UINT64_MAX));
}

/* ---- near names ---------------------------------------------------------------------------- */

#define LONGEST 64

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

size_t rs_edit_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, LONGEST), b_len = strnlen(b, LONGEST);
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
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

/* Whether `name` begins with `word`. */
static bool begins(const char *word, const char *name)
{
    while (*word && lower(*word) == lower(*name))
        word++, name++;
    return !*word;
}

const char *rs_nearest(const char *word, const char *const *names)
{
    size_t len = strnlen(word, LONGEST);
    size_t least = len / 3 + 1; /* one slip in two letters, two in three, three in six */
    const char *best = NULL;
    for (; *names; names++) {
        size_t distance = rs_edit_distance(word, *names);
        /* A beginning such as "batch" is nearer to "batch-size" than its distance says. */
        if (len >= 3 && distance > 1 && begins(word, *names))
            distance = 1;
        if (distance < len && distance <= least && (!best || distance < least)) {
            best = *names;
            least = distance;
        }
    }
    return best;
}

bool rs_ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

bool rs_are_numbers(const char *const *name, size_t count)
{
    char number[24];
    for (size_t i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%zu", i);
        if (strcmp(name[i], number) != 0)
            return false;
    }
    return true;
}

/* ---- encodings ----------------------------------------------------------------------------- */

size_t rs_bom_bytes(const char *text, size_t bytes)
{
    return bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

const char *rs_wide_encoding(const char *text, size_t bytes)
{
    static const char utf16[] = "UTF-16", utf32[] = "UTF-32";
    if (bytes >= 4 &&
        (memcmp(text, "\xff\xfe\0\0", 4) == 0 || memcmp(text, "\0\0\xfe\xff", 4) == 0))
        return utf32;
    if (bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return utf16;
    if (bytes >= 4 && !text[1] && !text[2] && !text[0] != !text[3])
        return utf32;
    if (bytes >= 4 && !text[0] != !text[1] && !text[0] == !text[2] && !text[1] == !text[3])
        return utf16;
    return NULL;
}

/* ---- control characters -------------------------------------------------------------------- */

/* Bytes of the character of UTF-8 at `p`, with its number; 1 and -1 for what is none. */
static size_t decode(const unsigned char *p, long *code)
{
    const size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 0;
    *code = len == 1 ? *p : len ? *p & (0xff >> (len + 1)) : -1;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *code = -1;
            return 1;
        }
        *code = *code << 6 | (p[i] & 0x3f);
    }
    return len ? len : 1;
}

bool rs_is_utf8(const char *text)
{
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    long code;
    size_t len;
    for (const unsigned char *p = (const unsigned char *)text; *p; p += len) {
        len = decode(p, &code);
        if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
    }
    return true;
}

void rs_make_utf8(char *text)
{
    if (rs_is_utf8(text))
        return;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

/* A byte that is no UTF-8 counts where terminals of 8 bits would obey it. */
static bool is_control(unsigned char first, long code)
{
    return (code >= 0 && code < 0x20) || (code >= 0x7f && code < 0xa0) ||
           (code < 0 && first >= 0x80 && first < 0xa0);
}

bool rs_has_control(const char *text)
{
    long code;
    for (const unsigned char *p = (const unsigned char *)text; *p; p += decode(p, &code)) {
        decode(p, &code);
        if (is_control(*p, code))
            return true;
    }
    return false;
}

/* Characters that turn the direction of what follows, or that nobody sees. The joiners U+200C and
 * U+200D stay: scripts and emoji need them. */
static bool is_deceptive(long code)
{
    static const long ranges[][2] = {{0x61c, 0x61c},    {0x200b, 0x200b}, {0x200e, 0x200f},
                                     {0x2028, 0x202e},  {0x2060, 0x2069}, {0xfeff, 0xfeff},
                                     {0xe0000, 0xe007f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

size_t rs_escape(const char *text, const char *keep, char *out)
{
    static const char plain[] = "\n\r\t", letter[] = "nrt";
    char *to = out;
    long code;
    size_t len;
    for (const unsigned char *p = (const unsigned char *)text; *p; p += len) {
        len = decode(p, &code);
        const char *known = code < 0x80 ? strchr(plain, *p) : NULL;
        if (code < 0x80 && strchr(keep, *p))
            *to++ = (char)*p;
        else if (known)
            to += sprintf(to, "\\%c", letter[known - plain]);
        else if (is_control(*p, code))
            to += sprintf(to, "\\x%02lx", code < 0 ? *p : code);
        else if (is_deceptive(code))
            to += sprintf(to, code > 0xffff ? "\\U%08lx" : "\\u%04lx", code);
        else
            for (size_t i = 0; i < len; i++)
                *to++ = (char)p[i];
    }
    *to = '\0';
    return (size_t)(to - out);
}

char *rs_shell_quote(const char *word)
{
    if (*word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789_-+=:,./@%")])
        return strdup(word);
    char *quoted = malloc(4 * strlen(word) + 4), *out = quoted;
    if (!quoted)
        return NULL;
    if (rs_has_control(word)) {
        out += sprintf(out, "$'");
        for (; *word; word++) {
            const unsigned char c = (unsigned char)*word;
            out += sprintf(out,
                           c < 0x20 || c >= 0x7f ? "\\x%02x"
                           : strchr("'\\", c)    ? "\\%c"
                                                 : "%c",
                           c);
        }
        memcpy(out, "'", 2);
        return quoted;
    }
    *out++ = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(out, "'\\''", 4);
            out += 4;
        } else {
            *out++ = *word;
        }
    }
    *out++ = '\'';
    *out = '\0';
    return quoted;
}
