#include "planner.h"

#include "alloc.h"
#include "error.h"
#include "rng.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rounds end when a layout is within 1 % of what is alive at once, after so many, or when they took
 * so many comparisons of blocks (about a tenth of a second). */
#define MAX_ROUNDS 256
#define MAX_WORK   2e7

typedef struct item {
    rs_block *block;
    size_t index;
    double size; /* what it is ordered by */
} item;

/* Larger first; then the order of the caller, so that the result is unique. */
static int by_size(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->size < y->size || x->size > y->size)
        return x->size < y->size ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

/* Round 0 orders by size; later ones give each size a random factor between 1 and `most`. */
static double size_factor(uint64_t round, size_t index)
{
    static const double most[] = {3.0, 1.1, 1.5};
    uint32_t word[4];
    if (round == 0)
        return 1.0;
    rs_philox(0, round, index, word);
    return 1.0 + (most[round % RS_COUNT(most)] - 1.0) * word[0] / UINT32_MAX;
}

static bool meet(int first, int last, const rs_block *b)
{
    return (first <= b->last && b->first <= last) ||
           (b->again && first <= b->again_last && b->again_first <= last);
}

static bool live_together(const rs_block *a, const rs_block *b)
{
    return meet(a->first, a->last, b) || (a->again && meet(a->again_first, a->again_last, b));
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

/* Places all items in the order of their sizes as this round sees them, each in its best gap; false
 * when they need too many arenas. `placed` has room for all. */
static bool place_all(item *items, size_t count, uint64_t round, size_t align, size_t max_arena,
                      rs_block **placed, rs_layout *out)
{
    size_t placed_count = 0;

    out->arenas = 0;
    memset(out->arena_bytes, 0, sizeof out->arena_bytes);
    for (size_t i = 0; i < count; i++)
        items[i].size = (double)items[i].block->bytes * size_factor(round, items[i].index);
    qsort(items, count, sizeof *items, by_size);
    for (size_t i = 0; i < count; i++) {
        rs_block *b = items[i].block;
        b->arena = b->offset = 0;
        if (b->bytes == 0)
            continue;
        place best = {0};
        for (size_t a = 0; a < out->arenas; a++)
            search_arena(b, a, placed, placed_count, align, max_arena, out->arena_bytes[a], &best);
        if (!best.found) {
            if (out->arenas == RS_MAX_ARENAS)
                return false;
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
    return true;
}

/* Bytes that begin or end to be alive. */
typedef struct event {
    int time;
    bool ends; /* right before the time */
    size_t bytes;
} event;

static int by_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (int)y->ends - (int)x->ends;
}

rescl_status rs_live_bytes(const rs_block *blocks, size_t count, size_t *out)
{
    rescl_status st = RESCL_OK;
    event *events = NULL;
    size_t n = 0, alive = 0;

    *out = 0;
    RS_OOM(events = rs_aligned_calloc(count, 4 * sizeof *events));
    for (size_t i = 0; i < count; i++) {
        const rs_block *b = &blocks[i];
        events[n++] = (event){b->first, false, b->bytes};
        events[n++] = (event){b->last + 1, true, b->bytes};
        if (b->again) {
            events[n++] = (event){b->again_first, false, b->bytes};
            events[n++] = (event){b->again_last + 1, true, b->bytes};
        }
    }
    qsort(events, n, sizeof *events, by_time);
    for (size_t i = 0; i < n; i++) {
        alive = events[i].ends ? alive - events[i].bytes : alive + events[i].bytes;
        *out = alive > *out ? alive : *out;
    }
out:
    rs_aligned_free(events);
    return st;
}

size_t rs_layout_bytes(const rs_layout *l)
{
    size_t bytes = 0;
    for (size_t a = 0; a < l->arenas; a++)
        bytes += l->arena_bytes[a];
    return bytes;
}

/* Whether another round may find a layout worth its time. */
static bool worth_trying(const rs_layout *found, uint64_t round, size_t count)
{
    return rs_layout_bytes(found) > found->live_bytes + found->live_bytes / 100 &&
           round < MAX_ROUNDS && (double)round * (double)count * (double)count < MAX_WORK;
}

rescl_status rs_plan_memory(rs_block *blocks, size_t count, size_t align, size_t max_arena,
                            rs_layout *out)
{
    rescl_status st = RESCL_OK;
    item *items = NULL;
    rs_block **placed = NULL;
    uint64_t best = 0;
    memset(out, 0, sizeof *out);

    RS_FAIL_IF(align == 0, RESCL_ERR_ARG, "the alignment of a memory plan is 0");
    RS_OOM(items = rs_aligned_calloc(count, sizeof *items));
    RS_OOM(placed = rs_aligned_calloc(count, sizeof *placed));
    for (size_t i = 0; i < count; i++) {
        RS_FAIL_IF(blocks[i].again && (blocks[i].again_first <= blocks[i].last ||
                                       blocks[i].again_first > blocks[i].again_last),
                   RESCL_ERR_ARG,
                   "block %zu of a memory plan lives from step %d to %d and again from %d to %d", i,
                   blocks[i].first, blocks[i].last, blocks[i].again_first, blocks[i].again_last);
        RS_FAIL_IF(blocks[i].first > blocks[i].last, RESCL_ERR_ARG,
                   "block %zu of a memory plan ends (step %d) before it begins (step %d)", i,
                   blocks[i].last, blocks[i].first);
        RS_FAIL_IF(blocks[i].bytes > max_arena, RESCL_ERR_MEMORY,
                   "a block of %zu bytes is needed, but the device allocates at most %zu at once",
                   blocks[i].bytes, max_arena);
        items[i] = (item){.block = &blocks[i], .index = i};
    }
    RS_TRY(rs_live_bytes(blocks, count, &out->live_bytes));
    RS_FAIL_IF(
        !place_all(items, count, 0, align, max_arena, placed, out), RESCL_ERR_MEMORY,
        "the plan needs more than %d allocations of at most %zu bytes; a smaller batch needs "
        "less",
        RS_MAX_ARENAS, max_arena);
    for (uint64_t round = 1; worth_trying(out, round, count); round++) {
        rs_layout layout = *out;
        if (place_all(items, count, round, align, max_arena, placed, &layout) &&
            rs_layout_bytes(&layout) < rs_layout_bytes(out)) {
            *out = layout;
            best = round;
        }
    }
    /* The blocks hold what the last round gave them. */
    RS_FAIL_IF(!place_all(items, count, best, align, max_arena, placed, out), RESCL_ERR_MEMORY,
               "a memory plan came out differently the second time");
out:
    rs_aligned_free(placed);
    rs_aligned_free(items);
    return st;
}
