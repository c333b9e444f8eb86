/* The memory planner: places blocks with known lifetimes into as few bytes as it can.
 *
 * Greedy by size with best fit, after Pisarchyk and Lee, "Efficient Memory Management for Deep
 * Neural Net Inference" (MLSys 2020), section 5.3: large blocks first, each at the smallest gap
 * that its lifetime leaves free. Where that wastes more than 1 %, other orders are tried, drawn at
 * random but always the same, and the best is taken. No arena grows beyond `max_arena`; blocks that find no room open
 * another. */
#ifndef RS_PLANNER_H
#define RS_PLANNER_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct rs_block {
    size_t bytes;    /* in: size; 0 is legal and gets offset 0 of arena 0 */
    int first, last; /* in: first and last step (inclusive) that touch it */
    /* in: it lives a second time, later, at the same place; what it held is lost between. */
    bool again;
    int again_first, again_last;
    size_t arena;  /* out */
    size_t offset; /* out: multiple of the alignment */
} rs_block;

#define RS_MAX_ARENAS 64

typedef struct rs_layout {
    size_t arenas;
    size_t arena_bytes[RS_MAX_ARENAS];
    size_t live_bytes; /* the most that is alive at one step: no layout can do with less */
} rs_layout;

size_t rs_layout_bytes(const rs_layout *l); /* of all arenas */

/* The most that is alive at one step. */
rescl_status rs_live_bytes(const rs_block *blocks, size_t count, size_t *out) RESCL_CHECK;

/* Fails with RESCL_ERR_MEMORY when a block alone exceeds max_arena or RS_MAX_ARENAS do not do. The
 * result depends on nothing but the arguments. */
rescl_status rs_plan_memory(rs_block *blocks, size_t count, size_t align, size_t max_arena,
                            rs_layout *out) RESCL_CHECK;

#endif
