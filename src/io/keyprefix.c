#include "keyprefix.h"

#include "alloc.h"
#include "error.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PARTS = 8 }; /* of a prefix, such as "module._orig_mod." of two */

/* The first `len` bytes of a tensor's name, behind which the name of a layer stands. */
typedef struct vote {
    const char *name;
    size_t len, count;
} vote;

typedef struct votes {
    vote *item;
    size_t count, cap;
} votes;

static int by_prefix(const void *a, const void *b)
{
    const vote *x = a, *y = b;
    const int order = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static bool is_layer(const rs_name_index *layers, const rs_tensor_name *t)
{
    for (rs_naming n = RS_NAMING_RESCL; n < RS_NAMINGS; n++)
        if (rs_name_index_find(layers, n, t->layer, t->len))
            return true;
    return false;
}

/* A vote for each beginning of the name that leaves a layer's. */
static rescl_status collect(votes *all, const char *name, const rs_name_index *layers)
{
    rescl_status st = RESCL_OK;
    rs_tensor_name t;
    const char *from = name;
    for (int part = 0; part <= MOST_PARTS && rs_tensor_name_parse(from, &t); part++) {
        if (!t.counter && is_layer(layers, &t)) {
            RS_TRY(rs_array_reserve(&all->item, &all->cap, all->count + 1, sizeof *all->item));
            all->item[all->count++] = (vote){name, (size_t)(from - name), 1};
        }
        from += strcspn(from, ".") + 1;
    }
out:
    return st;
}

/* Adds up equal ones. */
static void count_votes(votes *all)
{
    size_t kept = 0;
    if (all->count > 0)
        qsort(all->item, all->count, sizeof *all->item, by_prefix);
    for (size_t i = 0; i < all->count; i++) {
        if (kept > 0 && by_prefix(&all->item[kept - 1], &all->item[i]) == 0)
            all->item[kept - 1].count++;
        else
            all->item[kept++] = all->item[i];
    }
    all->count = kept;
}

static bool begins_with(const vote *x, const vote *prefix)
{
    return x->len >= prefix->len && memcmp(x->name, prefix->name, prefix->len) == 0;
}

rescl_status rs_key_prefix(const char *path, const rs_wfile_list *list, const rs_name_index *layers,
                           char **out)
{
    rescl_status st = RESCL_OK;
    votes all = {0};
    const vote *best = NULL, *other = NULL;
    size_t dotted = 0;
    *out = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->tensor[i].name;
        if (strchr(name, '/'))
            continue;
        dotted++;
        RS_TRY(collect(&all, name, layers));
    }
    count_votes(&all);
    for (size_t i = 0; i < all.count; i++) { /* in the order of letters: the shorter first */
        const vote *v = &all.item[i];
        if (!best || v->count > best->count)
            best = v, other = NULL;
        else if (v->count == best->count && !begins_with(v, best))
            other = v;
    }
    if (!best || best->count < dotted / 4 + 1)
        goto out;
    RS_FAIL_IF(other, RESCL_ERR_FORMAT,
               "%s: holds two networks, under '%.*s' and '%.*s'; make a file of one of them", path,
               (int)best->len, best->name, (int)other->len, other->name);
    if (best->len > 0)
        RS_OOM(*out = rs_strf("%.*s", (int)best->len, best->name));
out:
    free(all.item);
    return st;
}
