/* Learning rates by epoch, as text: "1:0.1, 31:0.01, 61:0.001". */
#ifndef RS_RATETABLE_H
#define RS_RATETABLE_H

#include <rescl/status.h>
#include <stddef.h>

typedef struct rs_rate_table {
    size_t count;
    struct rs_rate_entry {
        size_t epoch; /* from 0 */
        double rate;
    } * entry; /* by epoch, each once */
} rs_rate_table;

/* Reads pairs of an epoch, which counts from 1 and grows, and a rate. RESCL_ERR_ARG says what was found and
 * expected. NULL or "" is the empty table. */
rescl_status rs_rate_table_init(rs_rate_table *t, const char *text) RESCL_CHECK;
void rs_rate_table_fini(rs_rate_table *t);

/* What a text without a colon stands for: the pairs of the file that it names, "EPOCH RATE" or "EPOCH:RATE"
 * a line, also with a comma between; a line of words above them and what follows '#' is left out. Others,
 * NULL and "" are copied (NULL: NULL). On the heap. */
rescl_status rs_rate_table_text(const char *given, char **out) RESCL_CHECK;

/* Reads epochs that are done, "30,60,80", growing, from 1: a table of how many of them have passed.
 * `name` is the option's. */
rescl_status rs_milestones_init(rs_rate_table *t, const char *name, const char *text) RESCL_CHECK;

/* The last rate that is not of a later epoch; `before` where there is none. `t` may be NULL. */
double rs_rate_table_at(const rs_rate_table *t, size_t epoch, double before);

#endif
