#include "classmap.h"

#include "error.h"
#include "log.h"
#include "str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN 5 /* names in a message */

/* ---- looking up -------------------------------------------------------------------------- */

typedef struct key {
    const char *name;
    size_t class_index;
} key;

static int by_name(const void *a, const void *b)
{
    const key *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    if (order != 0)
        return order;
    return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

/* The list's names in order, for `find`. */
static rescl_status sort_names(const rs_class_list *list, key **keys, size_t *count)
{
    rescl_status st = RESCL_OK;
    key *k = NULL;
    size_t n = 0;
    RS_OOM(k = calloc(2 * list->count + 1, sizeof *k));
    for (size_t i = 0; i < list->count; i++) {
        k[n++] = (key){list->name[i], i};
        if (list->other && list->other[i])
            k[n++] = (key){list->other[i], i};
    }
    qsort(k, n, sizeof *k, by_name);
    *keys = k;
    *count = n;
out:
    return st;
}

/* The class of that name; SIZE_MAX when there is none. *twice when two classes are called so. */
static size_t find(const key *keys, size_t count, const char *name, bool *twice)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(keys[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == count || strcmp(keys[low].name, name) != 0)
        return SIZE_MAX;
    for (size_t i = low + 1; i < count && strcmp(keys[i].name, name) == 0; i++)
        *twice = *twice || keys[i].class_index != keys[low].class_index;
    return keys[low].class_index;
}

rescl_status rs_classes_within(const rescl_dataset *set, const rs_class_list *list, bool *out)
{
    rescl_status st = RESCL_OK;
    key *keys = NULL;
    size_t count = 0, at = 0;
    bool twice = false;
    RS_TRY(sort_names(list, &keys, &count));
    for (size_t i = 0; at != SIZE_MAX && i < set->classes; i++)
        at = find(keys, count, set->class_name[i], &twice);
    *out = at != SIZE_MAX;
out:
    free(keys);
    return st;
}

/* ---- what may be meant ------------------------------------------------------------------- */

/* The code point at *p, which moves on; a byte that is no UTF-8 is itself. */
static uint32_t next_code(const unsigned char **p)
{
    const unsigned char *s = *p;
    const size_t more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC2 ? 1 : 0;
    uint32_t code = more == 3 ? s[0] & 0x07u : more == 2 ? s[0] & 0x0Fu : s[0] & 0x1Fu;
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *p = s + 1;
            return s[0];
        }
        code = code << 6 | (s[i] & 0x3Fu);
    }
    *p = s + 1 + more;
    return more ? code : s[0];
}

/* Marks that a decomposed letter has behind its base: accents, the voice marks of kana, and the
 * vowels and finals of Hangul. */
static bool is_mark(uint32_t code)
{
    return (code >= 0x300 && code <= 0x36F) || code == 0x3099 || code == 0x309A ||
           (code >= 0x1160 && code <= 0x11FF);
}

static uint32_t next_letter(const unsigned char **p, size_t *marks)
{
    const uint32_t base = next_code(p);
    for (*marks = 0; **p; ++*marks) {
        const unsigned char *after = *p;
        if (!is_mark(next_code(&after)))
            break;
        *p = after;
    }
    return base;
}

/* Whether the same letters may be written composed in one and decomposed in the other, as file
 * systems do. No table of letters: a letter beyond ASCII stands for any base with marks. */
static bool same_letters(const char *a, const char *b)
{
    const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;
    while (*p && *q) {
        size_t m, n;
        const uint32_t x = next_letter(&p, &m), y = next_letter(&q, &n);
        if (x != y && !(n > m && x >= 0xC0) && !(m > n && y >= 0xC0))
            return false;
    }
    return !*p && !*q;
}

/* Equal but for blanks, '_' and '-', and for their number. */
static bool same_words(const char *a, const char *b)
{
    static const char gaps[] = " \t\r\n_-";
    for (a += strspn(a, gaps), b += strspn(b, gaps); *a && *b;) {
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        a += 1 + strspn(a + 1, gaps);
        b += 1 + strspn(b + 1, gaps);
    }
    return !*a && !*b;
}

static bool same_but_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

const char *rescl_class_near(const char *name, const char *const *names, size_t count,
                             const char **why)
{
    static const struct {
        bool (*same)(const char *, const char *);
        const char *why;
    } looks[] = {
        {same_but_case, " (it differs in the case of letters)"},
        {same_letters, " (it differs in its Unicode form: composed or decomposed letters)"},
        {same_words, " (it differs in blanks or dashes)"},
    };
    for (size_t k = 0; k < RS_COUNT(looks); k++) {
        *why = looks[k].why;
        for (size_t i = 0; i < count; i++)
            if (names[i] && looks[k].same(name, names[i]))
                return names[i];
    }
    *why = "";
    const char *best = NULL;
    size_t least = strlen(name) / 3;
    for (size_t i = 0; i < count; i++) {
        const size_t distance = names[i] ? rs_edit_distance(name, names[i]) : SIZE_MAX;
        if (distance < strlen(name) && distance <= least && (!best || distance < least)) {
            best = names[i];
            least = distance;
        }
    }
    return best;
}

/* ---- matching ---------------------------------------------------------------------------- */

static bool same_list(const rescl_dataset *set, const rs_class_list *list)
{
    for (size_t i = 0; i < set->classes; i++)
        if (i >= list->count || strcmp(set->class_name[i], list->name[i]) != 0)
            return false;
    return set->classes == list->count;
}

/* "a, b, c and 7 more" of those for which skip is false (NULL: of all). */
static rescl_status append_names(rs_str *text, const char *const *name, size_t count,
                                 const bool *skip)
{
    rescl_status st = RESCL_OK;
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (skip && skip[i])
            continue;
        if (shown < SHOWN)
            RS_TRY(rs_str_appendf(text, "%s%s", shown ? ", " : "", name[i]));
        shown++;
    }
    if (shown > SHOWN)
        RS_TRY(rs_str_appendf(text, " and %zu more", shown - SHOWN));
out:
    return st;
}

static rescl_status fail_unknown(const rescl_dataset *set, const char *what,
                                 const rs_class_list *list, const char *name)
{
    rescl_status st = RESCL_OK;
    rs_str all = {0};
    const char *why = "", *near = rescl_class_near(name, list->name, list->count, &why);
    if (!near && list->other)
        near = rescl_class_near(name, list->other, list->count, &why);
    RS_TRY(append_names(&all, list->name, list->count, NULL));
    RS_FAIL(RESCL_ERR_FORMAT,
            "%s '%s' has the class '%s', which is none of the %zu of %s (%s)%s%s%s%s%s Classes are "
            "matched by name: rename it, or leave it out",
            what, set->origin, name, list->count, list->owner, all.text,
            near ? "; did you mean '" : "", near ? near : "", near ? "'" : "", near ? why : "",
            near ? "?" : ".");
out:
    rs_str_fini(&all);
    return st;
}

/* Where names do not decide: the order does if there are as many, and that is said. */
static rescl_status match_by_count(const rescl_dataset *set, const char *what,
                                   const rs_class_list *list, bool list_unnamed, bool tells)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};
    RS_FAIL_IF(set->classes != list->count, RESCL_ERR_ARG,
               "%s '%s' has %zu classes, %s has %zu, and %s gives them numbers instead of names: "
               "so there have to be as many, or names (of weights: --class-index FILE)",
               what, set->origin, set->classes, list->owner, list->count,
               list_unnamed ? list->owner : what);
    if (!tells)
        goto out;
    RS_TRY(append_names(&names, list_unnamed ? (const char *const *)set->class_name : list->name,
                        list->count, NULL));
    rs_log(RESCL_LOG_INFO,
           "%s gives its %zu classes numbers instead of names; classes 0 to %zu are taken to be %s",
           list_unnamed ? list->owner : set->origin, list->count, list->count - 1, names.text);
out:
    rs_str_fini(&names);
    return st;
}

static rescl_status tell_absent(const rescl_dataset *set, const char *what,
                                const rs_class_list *list, const int32_t *map)
{
    rescl_status st = RESCL_OK;
    bool *present = NULL;
    rs_str names = {0};
    size_t count = 0;
    RS_OOM(present = calloc(list->count, sizeof *present));
    for (size_t i = 0; i < set->classes; i++)
        present[map[i]] = true;
    for (size_t i = 0; i < list->count; i++)
        count += present[i];
    if (count == list->count)
        goto out;
    RS_TRY(append_names(&names, list->name, list->count, present));
    rs_log(RESCL_LOG_INFO, "%s '%s' has no images of %zu of the %zu classes of %s: %s", what,
           set->origin, list->count - count, list->count, list->owner, names.text);
out:
    rs_str_fini(&names);
    free(present);
    return st;
}

rescl_status rs_class_map(const rescl_dataset *set, const char *what, const rs_class_list *list,
                          int32_t **out)
{
    rescl_status st = RESCL_OK;
    const bool list_unnamed = rs_are_numbers(list->name, list->count);
    const bool unnamed =
        list_unnamed || rs_are_numbers((const char *const *)set->class_name, set->classes);
    key *keys = NULL;
    size_t count = 0;
    int32_t *map = NULL;
    bool same = true, within = false;
    const bool tells = what != NULL;
    what = tells ? what : "dataset";
    *out = NULL;
    if (same_list(set, list))
        goto out;
    RS_TRY(rs_classes_within(set, list, &within));
    if (!within && unnamed) {
        RS_TRY(match_by_count(set, what, list, list_unnamed, tells));
        goto out;
    }
    RS_TRY(sort_names(list, &keys, &count));
    RS_OOM(map = calloc(set->classes, sizeof *map));
    for (size_t i = 0; i < set->classes; i++) {
        const char *name = set->class_name[i];
        bool twice = false;
        const size_t at = find(keys, count, name, &twice);
        if (at == SIZE_MAX)
            RS_TRY(fail_unknown(set, what, list, name));
        RS_FAIL_IF(twice, RESCL_ERR_FORMAT,
                   "%s '%s' has the class '%s', and %s has two of that name; give each a name of "
                   "its own",
                   what, set->origin, name, list->owner);
        map[i] = (int32_t)at;
        same = same && at == i;
    }
    if (tells)
        RS_TRY(tell_absent(set, what, list, map));
    if (!same)
        *out = map, map = NULL;
out:
    free(keys);
    free(map);
    return st;
}
