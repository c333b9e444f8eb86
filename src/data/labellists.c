#include "labellists.h"

#include "alloc.h"
#include "error.h"
#include "labeltexts.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

/* Texts of labels, one after another. */
typedef struct pieces {
    const char **text;
    size_t count, cap;
} pieces;

static rescl_status add_pieces(pieces *p, char *text)
{
    rescl_status st = RESCL_OK;
    for (char *next = text; next;) {
        char *one = next + strspn(next, BLANKS), *end = strchr(one, ';');
        next = end ? end + 1 : NULL;
        if (!end)
            end = one + strlen(one);
        while (end > one && strchr(BLANKS, end[-1]))
            end--;
        *end = '\0';
        if (!*one)
            continue;
        RS_TRY(rs_array_reserve(&p->text, &p->cap, p->count + 1, sizeof *p->text));
        p->text[p->count++] = one;
    }
out:
    return st;
}

static int by_number(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the labels of each image, and closes the gaps that repeated ones leave. */
static void keep_once(rs_label_lists *l, size_t count)
{
    size_t used = 0, from = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t end = l->first[i + 1], start = used;
        qsort(l->label + from, end - from, sizeof *l->label, by_number);
        for (size_t k = from; k < end; k++)
            if (used == start || l->label[used - 1] != l->label[k])
                l->label[used++] = l->label[k];
        l->repeated += used - start < end - from;
        from = end;
        l->first[i + 1] = used;
    }
}

rescl_status rs_label_lists_init(rs_label_lists *l, const char *origin, char *const *text,
                                 size_t count, rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    pieces p = {0};
    *l = (rs_label_lists){0};
    RS_OOM(l->first = calloc(count + 1, sizeof *l->first));
    for (size_t i = 0; i < count; i++) {
        RS_TRY(add_pieces(&p, text[i]));
        l->first[i + 1] = p.count;
    }
    RS_FAIL_IF(p.count == 0, RESCL_ERR_FORMAT,
               "%s: none of its %zu images has a label, by which they could be learned or measured",
               origin, count);
    RS_OOM(l->label = calloc(p.count, sizeof *l->label));
    RS_TRY(rs_label_texts(origin, p.text, p.count, set, l->label));
    keep_once(l, count);
out:
    free(p.text);
    return st;
}

size_t rs_label_lists_get(const rs_label_lists *l, size_t row, const int32_t **out)
{
    *out = l->label + l->first[row];
    return l->first[row + 1] - l->first[row];
}

int32_t rs_label_lists_first(const rs_label_lists *l, size_t row)
{
    const int32_t *label;
    return rs_label_lists_get(l, row, &label) > 0 ? label[0] : -1;
}

void rs_label_lists_fini(rs_label_lists *l)
{
    free(l->label);
    free(l->first);
    *l = (rs_label_lists){0};
}
