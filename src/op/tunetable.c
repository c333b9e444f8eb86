#include "tunetable.h"

#include "alloc.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

static void entry_fini(rs_tune_entry *e)
{
    free(e->key);
    free(e->choice);
    free(e->note);
    *e = (rs_tune_entry){0};
}

void rs_tune_table_fini(rs_tune_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        entry_fini(&t->entry[i]);
    free(t->entry);
    *t = (rs_tune_table){0};
}

/* Where a key is, or else belongs. */
static size_t place_of(const rs_tune_table *t, const char *key, bool *found)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (strcmp(t->entry[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < t->count && strcmp(t->entry[low].key, key) == 0;
    return low;
}

const char *rs_tune_table_get(const rs_tune_table *t, const char *key)
{
    bool found;
    const size_t at = place_of(t, key, &found);
    return found ? t->entry[at].choice : NULL;
}

rescl_status rs_tune_table_set(rs_tune_table *t, const char *key, const char *choice,
                               const char *note)
{
    rescl_status st = RESCL_OK;
    rs_tune_entry e = {0};
    bool found;
    const size_t at = place_of(t, key, &found);

    RS_OOM(e.key = strdup(key));
    RS_OOM(e.choice = strdup(choice));
    RS_OOM(e.note = strdup(note ? note : ""));
    if (found) {
        entry_fini(&t->entry[at]);
    } else {
        RS_TRY(rs_array_reserve(&t->entry, &t->cap, t->count + 1, sizeof *t->entry));
        memmove(t->entry + at + 1, t->entry + at, (t->count - at) * sizeof *t->entry);
        t->count++;
    }
    t->entry[at] = e;
    e = (rs_tune_entry){0};
out:
    entry_fini(&e);
    return st;
}
