/* Images of a survey that have the same pixels. */
#include "error.h"
#include "looks.h"

#include <stdlib.h>

typedef struct entry {
    rs_hash pixels;
    size_t image;
} entry;

static int by_pixels(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->pixels.hi != y->pixels.hi)
        return x->pixels.hi < y->pixels.hi ? -1 : 1;
    if (x->pixels.lo != y->pixels.lo)
        return x->pixels.lo < y->pixels.lo ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

static int by_first(const void *a, const void *b)
{
    const size_t x = ((const rescl_copies *)a)->image[0], y = ((const rescl_copies *)b)->image[0];
    return (x > y) - (x < y);
}

static bool same(const entry *a, const entry *b)
{
    return a->pixels.hi == b->pixels.hi && a->pixels.lo == b->pixels.lo;
}

typedef struct classes {
    const uint32_t *of; /* what the survey calls the labels */
    const int32_t *label;
    size_t count;
    int32_t own;
} classes;

static void find_classes(const rescl_survey *s, size_t image, classes *out)
{
    const rs_survey_part *p = &s->part[s->look[image].split];
    out->of = p->class_of;
    out->count = rs_dataset_labels(p->set, rs_dataset_index(p->set, image - p->first), &out->own,
                                   &out->label);
}

/* Splits may number the same classes differently. */
static bool agree(const rescl_survey *s, size_t one, size_t other)
{
    classes a, b;
    size_t common = 0;
    find_classes(s, one, &a);
    find_classes(s, other, &b);
    for (size_t i = 0; i < a.count; i++)
        for (size_t k = 0; k < b.count; k++)
            common += a.of[a.label[i]] == b.of[b.label[k]];
    return common == a.count && common == b.count;
}

/* `count` entries with the same pixels. */
static void add_group(rescl_survey *s, const entry *e, size_t count, size_t *used)
{
    size_t *image = s->copy + *used;
    rescl_copies g = {.image = image, .count = count};
    for (size_t i = 0; i < count; i++) {
        image[i] = e[i].image;
        g.shared = g.shared || s->look[e[i].image].split != s->look[e[0].image].split;
        g.contradict = g.contradict || !agree(s, e[0].image, e[i].image);
    }
    *used += count;
    s->group[s->groups++] = g;
}

rescl_status rs_survey_find_copies(rescl_survey *s)
{
    rescl_status st = RESCL_OK;
    entry *e = NULL;
    size_t n = 0, used = 0, copies = 0;
    RS_OOM(e = calloc(s->images + 1, sizeof *e));
    for (size_t i = 0; i < s->images; i++)
        if (s->look[i].width > 0)
            e[n++] = (entry){s->look[i].pixels, i};
    qsort(e, n, sizeof *e, by_pixels);
    for (size_t i = 1; i < n; i++)
        copies += same(&e[i - 1], &e[i]);
    RS_OOM(s->copy = calloc(2 * copies + 1, sizeof *s->copy));
    RS_OOM(s->group = calloc(copies + 1, sizeof *s->group));
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same(&e[i], &e[end]);)
            end++;
        if (end - i > 1)
            add_group(s, e + i, end - i, &used);
    }
    if (s->groups > 1)
        qsort(s->group, s->groups, sizeof *s->group, by_first);
out:
    free(e);
    return st;
}

bool rescl_survey_copies(const rescl_survey *s, size_t index, rescl_copies *out)
{
    if (index >= s->groups)
        return false;
    *out = s->group[index];
    return true;
}

size_t rescl_survey_shared(const rescl_survey *s, size_t in, size_t of)
{
    size_t shared = 0;
    for (size_t g = 0; g < s->groups; g++) {
        size_t there = 0, here = 0;
        for (size_t i = 0; i < s->group[g].count; i++) {
            there += s->look[s->group[g].image[i]].split == in;
            here += s->look[s->group[g].image[i]].split == of;
        }
        shared += there > 0 ? here : 0;
    }
    return shared;
}
