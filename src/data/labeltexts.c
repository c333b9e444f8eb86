#include "labeltexts.h"

#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 100000

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t value_of(const char *text)
{
    uint64_t value = 0;
    (void)rs_parse_u64(text, &value);
    return value;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = value_of(*(const char *const *)a), y = value_of(*(const char *const *)b);
    return x != y ? (x < y ? -1 : 1) : by_text(a, b);
}

static bool are_numbers(const char *const *text, size_t count)
{
    uint64_t number;
    for (size_t i = 0; i < count; i++)
        if (!rs_parse_u64(text[i], &number))
            return false;
    return true;
}

rescl_status rs_label_texts(const char *origin, const char *const *text, size_t count,
                            rescl_dataset *set, int32_t *labels)
{
    rescl_status st = RESCL_OK;
    const char **once = NULL;
    size_t classes = 0;
    RS_OOM(once = calloc(count, sizeof *once));
    memcpy(once, text, count * sizeof *once);
    qsort(once, count, sizeof *once, by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(once[i], once[classes - 1]) != 0)
            once[classes++] = once[i];
    RS_FAIL_IF(classes > MAX_CLASSES, RESCL_ERR_FORMAT, "%s: %zu classes, at most %d are taken",
               origin, classes, MAX_CLASSES);
    int (*order)(const void *, const void *) = are_numbers(once, classes) ? by_value : by_text;
    qsort(once, classes, sizeof *once, order);
    for (size_t i = 1; order == by_value && i < classes; i++)
        RS_FAIL_IF(value_of(once[i - 1]) == value_of(once[i]), RESCL_ERR_FORMAT,
                   "%s: the classes '%s' and '%s' are the same number; write it in one way", origin,
                   once[i - 1], once[i]);
    RS_OOM(set->class_name = calloc(classes, sizeof *set->class_name));
    for (size_t i = 0; i < classes; i++) {
        RS_OOM(set->class_name[i] = rs_strf("%s", once[i]));
        set->classes = i + 1;
    }
    for (size_t i = 0; i < count; i++) {
        const char **found = bsearch(&text[i], once, classes, sizeof *once, order);
        labels[i] = (int32_t)(found - once);
    }
out:
    free(once);
    return st;
}
