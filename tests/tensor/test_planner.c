#include "testing.h"

#include "alloc.h"
#include "planner.h"
#include "rng.h"

#include <stdbool.h>
#include <string.h>

#define MAX_BLOCKS 120

static bool alive_at(const rs_block *b, int step)
{
    return (b->first <= step && step <= b->last) ||
           (b->again && b->again_first <= step && step <= b->again_last);
}

static bool alive_together(const rs_block *a, const rs_block *b)
{
    bool together = false;
    for (int t = a->first; t <= (a->again ? a->again_last : a->last) && !together; t++)
        together = alive_at(a, t) && alive_at(b, t);
    return together;
}

static void check_layout(const rs_block *b, size_t count, size_t align, size_t max_arena,
                         const rs_layout *layout)
{
    assert_true(layout->arenas <= RS_MAX_ARENAS);
    size_t used[RS_MAX_ARENAS] = {0};
    for (size_t i = 0; i < count; i++) {
        if (b[i].bytes == 0) {
            assert_int_equal(b[i].arena, 0);
            assert_int_equal(b[i].offset, 0);
            continue;
        }
        assert_true(b[i].arena < layout->arenas);
        assert_int_equal(b[i].offset % align, 0);
        size_t end = b[i].offset + b[i].bytes;
        assert_true(end <= layout->arena_bytes[b[i].arena]);
        if (end > used[b[i].arena])
            used[b[i].arena] = end;
        for (size_t j = 0; j < i; j++) {
            bool in_time = alive_together(&b[i], &b[j]);
            bool in_space = b[i].arena == b[j].arena && b[i].offset < b[j].offset + b[j].bytes &&
                            b[j].offset < end;
            assert_false(in_time && in_space && b[j].bytes > 0);
        }
    }
    for (size_t a = 0; a < layout->arenas; a++) {
        assert_true(layout->arena_bytes[a] <= max_arena);
        assert_int_equal(layout->arena_bytes[a], used[a]); /* no arena is larger than its use */
    }
}

/* The most bytes alive in one step: no layout can be smaller. */
static size_t lower_bound(const rs_block *b, size_t count, int steps)
{
    size_t most = 0;
    for (int t = 0; t < steps; t++) {
        size_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            if (alive_at(&b[i], t))
                sum += b[i].bytes;
        }
        if (sum > most)
            most = sum;
    }
    return most;
}

static void random_lifetimes(void **state)
{
    (void)state;
    enum { STEPS = 60 };
    rs_rng r;
    rs_rng_init(&r, 2024, 1);
    for (int round = 0; round < 100; round++) {
        rs_block b[MAX_BLOCKS], again[MAX_BLOCKS];
        const size_t count = rs_rng_below(&r, MAX_BLOCKS + 1);
        const size_t align = (size_t[]){1, 64, 128, 4096, 96}[rs_rng_below(&r, 5)];
        const size_t limit = (size_t[]){SIZE_MAX, 100000, 40000}[rs_rng_below(&r, 3)];
        size_t total = 0, top = limit < 30000 ? limit : 30000;
        for (size_t i = 0; i < count; i++) {
            int a = (int)rs_rng_below(&r, STEPS), c = (int)rs_rng_below(&r, STEPS);
            b[i] = (rs_block){.bytes = rs_rng_below(&r, 10) ? rs_rng_below(&r, (uint32_t)top) : 0,
                              .first = a < c ? a : c,
                              .last = a < c ? c : a,
                              .arena = 77,
                              .offset = 77};
            if (b[i].last < STEPS - 2 && rs_rng_below(&r, 3) == 0) {
                b[i].again = true;
                b[i].again_first = b[i].last + 2;
                b[i].again_last =
                    b[i].again_first + (int)rs_rng_below(&r, (uint32_t)(STEPS - b[i].again_first));
            }
            total += rs_round_up(b[i].bytes, align);
        }
        memcpy(again, b, sizeof b);

        rs_layout layout, layout_again;
        rescl_status st = rs_plan_memory(b, count, align, limit, &layout);
        if (st != RESCL_OK) { /* only for want of arenas */
            assert_int_equal(st, RESCL_ERR_MEMORY);
            assert_true(limit < SIZE_MAX && total > limit);
            continue;
        }
        check_layout(b, count, align, limit, &layout);
        size_t bytes = 0;
        for (size_t a = 0; a < layout.arenas; a++)
            bytes += layout.arena_bytes[a];
        assert_true(bytes >= lower_bound(b, count, STEPS));
        assert_true(bytes <= total);
        if (limit == SIZE_MAX)
            assert_true(layout.arenas <= 1);

        assert_ok(rs_plan_memory(again, count, align, limit, &layout_again));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(b[i].arena, again[i].arena);
            assert_int_equal(b[i].offset, again[i].offset);
        }
    }
}

/* A chain, each step reading one block and writing the next: two blocks' room is enough. */
static void chain_reuses_memory(void **state)
{
    (void)state;
    rs_block b[50];
    for (int i = 0; i < 50; i++)
        b[i] = (rs_block){.bytes = 1024, .first = i, .last = i + 1};
    rs_layout layout;
    assert_ok(rs_plan_memory(b, 50, 64, SIZE_MAX, &layout));
    check_layout(b, 50, 64, SIZE_MAX, &layout);
    assert_int_equal(layout.arenas, 1);
    assert_int_equal(layout.arena_bytes[0], 2048);
}

/* What a training pass looks like: block i lives from step i to step 2n - i. */
static void nested_lifetimes_stack(void **state)
{
    (void)state;
    rs_block b[40];
    size_t total = 0;
    for (int i = 0; i < 40; i++) {
        b[i] = (rs_block){.bytes = (size_t)(64 * (1 + i % 5)), .first = i, .last = 80 - i};
        total += b[i].bytes;
    }
    rs_layout layout;
    assert_ok(rs_plan_memory(b, 40, 64, SIZE_MAX, &layout));
    check_layout(b, 40, 64, SIZE_MAX, &layout);
    assert_int_equal(layout.arena_bytes[0], total); /* all are alive in the middle: no slack */
}

static void takes_the_smallest_gap(void **state)
{
    (void)state;
    /* Over step 0 the large ones leave gaps of 512 and 256 bytes in step 1. */
    rs_block b[] = {
        {.bytes = 1024, .first = 0, .last = 1}, {.bytes = 512, .first = 0, .last = 0},
        {.bytes = 500, .first = 0, .last = 1},  {.bytes = 256, .first = 0, .last = 0},
        {.bytes = 200, .first = 0, .last = 1},  {.bytes = 128, .first = 1, .last = 1},
    };
    rs_layout layout;
    assert_ok(rs_plan_memory(b, 6, 64, SIZE_MAX, &layout));
    check_layout(b, 6, 64, SIZE_MAX, &layout);
    assert_int_equal(b[5].offset, b[3].offset);
}

static void opens_arenas_when_needed(void **state)
{
    (void)state;
    rs_block b[] = {
        {.bytes = 1000, .first = 0, .last = 5},
        {.bytes = 900, .first = 0, .last = 5},
        {.bytes = 100, .first = 0, .last = 5},
        {.bytes = 900, .first = 6, .last = 9},
    };
    rs_layout layout;
    assert_ok(rs_plan_memory(b, 4, 4, 1000, &layout));
    check_layout(b, 4, 4, 1000, &layout);
    assert_int_equal(layout.arenas, 2);
    assert_int_equal(b[2].arena, 1); /* beside the 900, to the last byte */

    rs_block whole = {.bytes = 1000, .first = 0, .last = 0}; /* though not a multiple of 64 */
    assert_ok(rs_plan_memory(&whole, 1, 64, 1000, &layout));
    whole.bytes = 1001;
    assert_fails(rs_plan_memory(&whole, 1, 64, 1000, &layout), RESCL_ERR_MEMORY, "1001", "1000");

    rs_block many[RS_MAX_ARENAS + 1];
    for (size_t i = 0; i <= RS_MAX_ARENAS; i++)
        many[i] = (rs_block){.bytes = 700, .first = 0, .last = 0};
    assert_ok(rs_plan_memory(many, RS_MAX_ARENAS, 64, 1000, &layout));
    assert_int_equal(layout.arenas, RS_MAX_ARENAS);
    assert_fails(rs_plan_memory(many, RS_MAX_ARENAS + 1, 64, 1000, &layout), RESCL_ERR_MEMORY,
                 "64 allocations");
}

static void refuses_nonsense(void **state)
{
    (void)state;
    rs_layout layout;
    rs_block backwards = {.bytes = 8, .first = 3, .last = 2}, fine = {.bytes = 8};
    assert_fails(rs_plan_memory(&backwards, 1, 64, 100, &layout), RESCL_ERR_ARG, "step 3");
    rs_block twice = {.bytes = 8, .last = 2, .again = true, .again_first = 2, .again_last = 3};
    assert_fails(rs_plan_memory(&twice, 1, 64, 100, &layout), RESCL_ERR_ARG, "again from 2 to 3");
    assert_fails(rs_plan_memory(&fine, 1, 0, 100, &layout), RESCL_ERR_ARG, "alignment");
    assert_ok(rs_plan_memory(NULL, 0, 64, 100, &layout));
    assert_int_equal(layout.arenas, 0);
    /* Sizes near the end of size_t must not wrap. */
    rs_block huge[] = {{.bytes = SIZE_MAX - 8}, {.bytes = SIZE_MAX - 8}};
    assert_ok(rs_plan_memory(huge, 2, 64, SIZE_MAX, &layout));
    assert_int_equal(layout.arenas, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lifetimes),         cmocka_unit_test(chain_reuses_memory),
        cmocka_unit_test(nested_lifetimes_stack),   cmocka_unit_test(takes_the_smallest_gap),
        cmocka_unit_test(opens_arenas_when_needed), cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
