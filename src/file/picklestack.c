#include "picklestack.h"

#include "alloc.h"

#include <stdlib.h>
#include <string.h>

typedef rs_pickle_value value;

#define MAX_STEPS   (4 * RS_PICKLE_MAX_VALUES)
#define BLOCK_BYTES ((size_t)64 << 10)

/* ---- memory -------------------------------------------------------------------------------- */

rescl_status rs_pickle_take(rs_pickle *p, size_t bytes, void *out)
{
    rescl_status st = RESCL_OK;
    const size_t wanted = rs_round_up(bytes, sizeof(max_align_t));
    rs_pickle_block *b = p->blocks;
    if (!b || b->bytes - b->used < wanted) {
        const size_t room = wanted > BLOCK_BYTES ? wanted : BLOCK_BYTES;
        RS_FAIL_IF(room > SIZE_MAX - sizeof *b || !(b = malloc(sizeof *b + room)), RESCL_ERR_MEMORY,
                   "out of host memory");
        *b = (rs_pickle_block){.next = p->blocks, .bytes = room};
        p->blocks = b;
    }
    void *const taken = (char *)b->data + b->used;
    b->used += wanted;
    memset(taken, 0, bytes);
    memcpy(out, &taken, sizeof taken);
out:
    return st;
}

rescl_status rs_pickle_make(rs_pickle_machine *m, rs_pickle_kind kind, value **out)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->values >= RS_PICKLE_MAX_VALUES, "makes more than %zu values",
                      RS_PICKLE_MAX_VALUES);
    m->values++;
    RS_TRY(rs_pickle_take(m->p, sizeof **out, out));
    (*out)->kind = kind;
out:
    return st;
}

/* One value may be put into many places by a byte each. */
static rescl_status count_step(rs_pickle_machine *m)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->steps++ >= MAX_STEPS, "takes more than %zu steps", MAX_STEPS);
out:
    return st;
}

rescl_status rs_pickle_add_item(rs_pickle_machine *m, value *v, value *item)
{
    rescl_status st = RESCL_OK;
    RS_TRY(count_step(m));
    if (v->count == v->cap) {
        const size_t cap = v->cap ? v->cap * 2 : 4;
        value **grown;
        RS_TRY(rs_pickle_take(m->p, cap * sizeof *grown, &grown));
        if (v->count > 0)
            memcpy(grown, v->item, v->count * sizeof *grown);
        v->item = grown;
        v->cap = cap;
    }
    v->item[v->count++] = item;
out:
    return st;
}

/* ---- the stack ----------------------------------------------------------------------------- */

rescl_status rs_pickle_push(rs_pickle_machine *m, value *v)
{
    rescl_status st = RESCL_OK;
    RS_TRY(count_step(m));
    RS_TRY(rs_array_reserve(&m->stack, &m->stack_cap, m->depth + 1, sizeof *m->stack));
    m->stack[m->depth++] = v;
out:
    return st;
}

rescl_status rs_pickle_push_new(rs_pickle_machine *m, rs_pickle_kind kind, value **out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_pickle_make(m, kind, out));
    RS_TRY(rs_pickle_push(m, *out));
out:
    return st;
}

size_t rs_pickle_floor_of(const rs_pickle_machine *m)
{
    return m->marks > 0 ? m->mark[m->marks - 1] : 0;
}

rescl_status rs_pickle_pop(rs_pickle_machine *m, value **out)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->depth <= rs_pickle_floor_of(m), "%s",
                      "takes more values than it made; it is damaged");
    *out = m->stack[--m->depth];
out:
    return st;
}

rescl_status rs_pickle_pop_mark(rs_pickle_machine *m, size_t *first)
{
    rescl_status st = RESCL_OK;
    RS_PICKLE_FAIL_IF(m->marks == 0, "%s", "lacks a mark; it is damaged");
    *first = m->mark[--m->marks];
out:
    return st;
}

rescl_status rs_pickle_top(rs_pickle_machine *m, value **out)
{
    rescl_status st = RESCL_OK;
    RS_TRY(rs_pickle_pop(m, out));
    m->depth++;
out:
    return st;
}

/* ---- bytes --------------------------------------------------------------------------------- */

rescl_status rs_pickle_get_bytes(rs_pickle_machine *m, uint64_t count, const unsigned char **out)
{
    rescl_status st = RESCL_OK;
    if (count > m->bytes - m->at) {
        *m->cut = true;
        RS_FAIL(RESCL_ERR_FORMAT,
                "%s: the pickle that begins at byte %" PRIu64 " does not end; "
                "the file was cut or is damaged",
                m->path, m->origin);
    }
    *out = m->data + m->at;
    m->at += (size_t)count;
out:
    return st;
}

rescl_status rs_pickle_get_number(rs_pickle_machine *m, size_t width, uint64_t *out)
{
    rescl_status st = RESCL_OK;
    const unsigned char *from;
    RS_TRY(rs_pickle_get_bytes(m, width, &from));
    *out = 0;
    for (size_t i = width; i > 0; i--)
        *out = *out << 8 | from[i - 1];
out:
    return st;
}

rescl_status rs_pickle_get_line(rs_pickle_machine *m, const char **text, size_t *len)
{
    rescl_status st = RESCL_OK;
    const unsigned char *from = m->data + m->at, *end = memchr(from, '\n', m->bytes - m->at);
    RS_TRY(rs_pickle_get_bytes(m, end ? (size_t)(end - from) + 1 : UINT64_MAX, &from));
    *text = (const char *)from;
    *len = (size_t)(end - from);
out:
    return st;
}
