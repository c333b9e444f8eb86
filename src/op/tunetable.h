/* What was measured to be fastest: a table from problems to choices, both as text. */
#ifndef RS_TUNETABLE_H
#define RS_TUNETABLE_H

#include <rescl/status.h>
#include <stddef.h>

#define RS_TUNE_KEY 192 /* bytes of a key, NUL included */

/* {0} is empty and valid. Sorted by key. */
typedef struct rs_tune_entry {
    char *key, *choice, *note; /* note: the line's comment */
} rs_tune_entry;

typedef struct rs_tune_table {
    rs_tune_entry *entry;
    size_t count, cap;
} rs_tune_table;

void rs_tune_table_fini(rs_tune_table *t);
/* The choice for a key, or NULL. Borrowed. */
const char *rs_tune_table_get(const rs_tune_table *t, const char *key);
/* Adds or replaces. */
rescl_status rs_tune_table_set(rs_tune_table *t, const char *key, const char *choice,
                               const char *note) RESCL_CHECK;

#endif
