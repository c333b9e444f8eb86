/* What the unpickler (pickle.c) runs on: its memory, its stack, and the bytes of the pickle. */
#ifndef RS_PICKLESTACK_H
#define RS_PICKLESTACK_H

#include "error.h"
#include "pickle.h"

#include <inttypes.h>
#include <stddef.h>

typedef struct rs_pickle_block {
    struct rs_pickle_block *next;
    size_t used, bytes;
    max_align_t data[];
} rs_pickle_block;

struct rs_pickle {
    rs_pickle_block *blocks;
    const rs_pickle_value *root;
    size_t bytes;
    rs_pickle_value **persistent;
    size_t persistents, persistent_cap;
};

typedef struct rs_pickle_machine {
    rs_pickle *p;
    const char *path;
    uint64_t origin; /* of data, in the file */
    const unsigned char *data;
    size_t bytes, at, values, steps;
    bool *cut;
    rs_pickle_global_fn allow;
    const void *arg;
    rs_pickle_value **stack;
    size_t depth, stack_cap;
    size_t *mark; /* heights of the stack */
    size_t marks, mark_cap;
    rs_pickle_value **memo;
    size_t memos, memo_cap;
} rs_pickle_machine;

#define RS_PICKLE_FAIL_IF(cond, text, ...)                                                         \
    RS_FAIL_IF(cond, RESCL_ERR_FORMAT, "%s: the pickle " text " (byte %" PRIu64 ")", m->path,      \
               __VA_ARGS__, m->origin + m->at)

/* ---- memory, which rs_pickle_free gives back ---------------------------------------------- */

/* Zeroed bytes; `out` is the address of the pointer to them. */
rescl_status rs_pickle_take(rs_pickle *p, size_t bytes, void *out) RESCL_CHECK;
rescl_status rs_pickle_make(rs_pickle_machine *m, rs_pickle_kind kind, rs_pickle_value **out)
    RESCL_CHECK;
rescl_status rs_pickle_add_item(rs_pickle_machine *m, rs_pickle_value *v, rs_pickle_value *item)
    RESCL_CHECK;

/* ---- the stack ----------------------------------------------------------------------------- */

rescl_status rs_pickle_push(rs_pickle_machine *m, rs_pickle_value *v) RESCL_CHECK;
rescl_status rs_pickle_push_new(rs_pickle_machine *m, rs_pickle_kind kind, rs_pickle_value **out)
    RESCL_CHECK;
/* The height of the last mark, below which nothing is taken. */
size_t rs_pickle_floor_of(const rs_pickle_machine *m);
rescl_status rs_pickle_pop(rs_pickle_machine *m, rs_pickle_value **out) RESCL_CHECK;
/* What lies above the last mark, which is removed: m->stack[*first] up to m->depth, which the caller
 * lowers. */
rescl_status rs_pickle_pop_mark(rs_pickle_machine *m, size_t *first) RESCL_CHECK;
rescl_status rs_pickle_top(rs_pickle_machine *m, rs_pickle_value **out) RESCL_CHECK;

/* ---- bytes of the pickle; where it ends before, *m->cut becomes true ------------------------ */

rescl_status rs_pickle_get_bytes(rs_pickle_machine *m, uint64_t count, const unsigned char **out)
    RESCL_CHECK;
/* A little-endian number of 1 to 8 bytes. */
rescl_status rs_pickle_get_number(rs_pickle_machine *m, size_t width, uint64_t *out) RESCL_CHECK;
/* A line, without its end, that is not ended by NUL. */
rescl_status rs_pickle_get_line(rs_pickle_machine *m, const char **text, size_t *len) RESCL_CHECK;

#endif
