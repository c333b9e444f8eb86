#include "planner.h"

#include "alloc.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    rs_block *block;
    size_t index;
} item;

/* Larger first; then the order of the caller, so that the result is unique. */
static int by_size(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->block->bytes != y->block->bytes)
        return x->block->bytes < y->block->bytes ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static bool live_together(const rs_block *a, const rs_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

typedef struct place {
    bool found;
    size_t arena, offset;
    size_t growth; /* bytes that the arena grows by */
    size_t waste;  /* bytes of the gap that stay free */
} place;

static bool better(const place *a, const place *b)
{
    if (!b->found || a->growth != b->growth)
        return !b->found || a->growth < b->growth;
    return a->waste < b->waste;
}

/* Weighs the gap [from, to) of an arena; to == SIZE_MAX is the open end. */
static void try_gap(const rs_block *b, size_t arena, size_t from, size_t to, size_t arena_bytes,
                    size_t max_arena, place *best)
{
    size_t end;
    if (!rs_add_size(from, b->bytes, &end) || end > max_arena || end > to)
        return;
    if (to == SIZE_MAX)
        to = end > arena_bytes ? end : arena_bytes;
    place p = {true, arena, from, end > arena_bytes ? end - arena_bytes : 0, to - end};
    if (better(&p, best))
        *best = p;
}

/* The best place for `b` in one arena. `placed` is ordered by offset. */
static void search_arena(const rs_block *b, size_t arena, rs_block *const *placed, size_t count,
                         size_t align, size_t max_arena, size_t arena_bytes, place *best)
{
    size_t free_from = 0;
    for (size_t i = 0; i < count; i++) {
        const rs_block *other = placed[i];
        if (other->arena != arena || !live_together(b, other))
            continue;
        if (other->offset > free_from)
            try_gap(b, arena, free_from, other->offset, arena_bytes, max_arena, best);
        size_t end = rs_round_up(other->offset + other->bytes, align);
        if (end > free_from)
            free_from = end;
    }
    try_gap(b, arena, free_from, SIZE_MAX, arena_bytes, max_arena, best);
}

rescl_status rs_plan_memory(rs_block *blocks, size_t count, size_t align, size_t max_arena,
                            rs_layout *out)
{
    rescl_status st = RESCL_OK;
    item *order = NULL;
    rs_block **placed = NULL;
    size_t placed_count = 0;
    memset(out, 0, sizeof *out);

    RS_FAIL_IF(align == 0, RESCL_ERR_ARG, "the alignment of a memory plan is 0");
    RS_OOM(order = rs_aligned_calloc(count, sizeof *order));
    RS_OOM(placed = rs_aligned_calloc(count, sizeof *placed));
    for (size_t i = 0; i < count; i++) {
        RS_FAIL_IF(blocks[i].first > blocks[i].last, RESCL_ERR_ARG,
                   "block %zu of a memory plan ends (step %d) before it begins (step %d)", i,
                   blocks[i].last, blocks[i].first);
        RS_FAIL_IF(blocks[i].bytes > max_arena, RESCL_ERR_MEMORY,
                   "a block of %zu bytes is needed, but the device allocates at most %zu at once",
                   blocks[i].bytes, max_arena);
        order[i] = (item){&blocks[i], i};
    }
    qsort(order, count, sizeof *order, by_size);

    for (size_t i = 0; i < count; i++) {
        rs_block *b = order[i].block;
        b->arena = b->offset = 0;
        if (b->bytes == 0)
            continue;
        place best = {0};
        for (size_t a = 0; a < out->arenas; a++)
            search_arena(b, a, placed, placed_count, align, max_arena, out->arena_bytes[a], &best);
        if (!best.found) {
            RS_FAIL_IF(out->arenas == RS_MAX_ARENAS, RESCL_ERR_MEMORY,
                       "the plan needs more than %d allocations of at most %zu bytes; a smaller "
                       "batch needs less",
                       RS_MAX_ARENAS, max_arena);
            best.arena = out->arenas++;
        }
        b->arena = best.arena;
        b->offset = best.offset;
        if (b->offset + b->bytes > out->arena_bytes[b->arena])
            out->arena_bytes[b->arena] = b->offset + b->bytes;

        size_t at = placed_count++;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = b;
    }
out:
    rs_aligned_free(placed);
    rs_aligned_free(order);
    return st;
}
