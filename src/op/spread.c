#include "spread.h"

#include "alloc.h"
#include "error.h"

#include <stdio.h>

#define CHUNKS_PER_UNIT 8    /* enough that uneven cores even out, few enough to cost nothing */
#define CHUNK_ELEMS     4096 /* below this a work-item costs more than its work */
#define GROUPS_PER_UNIT 64   /* several times what a unit holds at once: units end together */
#define CPU_SUM_UNITS   16   /* parts beyond those that the cores need cost little */

size_t rs_group_size(const rs_caps *caps, size_t want)
{
    size_t n = 1;
    while (n * 2 <= want && n * 2 <= caps->max_group)
        n *= 2;
    return n;
}

size_t rs_tree_size(const rs_caps *caps, size_t want, size_t floats)
{
    size_t n = rs_group_size(caps, want);
    while (n > 1 && n * floats * sizeof(float) > caps->local_bytes)
        n /= 2;
    return n;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t rs_sum_units(const rs_caps *caps)
{
    return caps->type == RESCL_DEVICE_CPU ? CPU_SUM_UNITS : max_size(caps->compute_units, 1);
}

size_t rs_vector_width(const rs_caps *caps, const rs_problem *p)
{
    const bool narrow = p && *rs_storage_options(p) != '\0';
    return caps->float_width >= 16 ? 16 : caps->float_width >= 8 || narrow ? 8 : 4;
}

const char *rs_subgroup_option(const rs_caps *caps, char text[RS_SUBGROUP_OPTION])
{
    text[0] = '\0';
    if (caps->sets_subgroup)
        snprintf(text, RS_SUBGROUP_OPTION, " -DSUBGROUP=%u", caps->subgroup);
    return text;
}

const char *rs_vector_options(const rs_caps *caps, const rs_problem *p, size_t run,
                              char text[RS_VECTOR_OPTIONS])
{
    const size_t width = rs_vector_width(caps, p);
    char own[48] = "", subgroup[RS_SUBGROUP_OPTION];
    if (width != rs_vector_width(caps, NULL))
        snprintf(own, sizeof own, " -DVECTOR=%zu%s", width, rs_subgroup_option(caps, subgroup));
    snprintf(text, RS_VECTOR_OPTIONS, "%s%s%s", own, run % width == 0 ? " -DALIGNED" : "",
             p ? rs_storage_options(p) : "");
    return text;
}

/* With 2^(shift - 1) < d <= 2^shift and mul = 2^(31 + shift) / d, rounded up, n * mul / 2^(31 + shift)
 * rounds to n / d while n < 2^31 (Granlund and Montgomery, "Division by Invariant Integers using
 * Multiplication", 1994, theorem 4.2). */
rs_divisor rs_divisor_of(size_t d)
{
    rs_divisor r = {0};
    while (((size_t)1 << r.shift) < d)
        r.shift++;
    r.mul = (uint32_t)((((uint64_t)1 << (31 + r.shift)) + d - 1) / d);
    return r;
}

/* The most rows of row_elems floats that one work-item may take. */
static size_t most_rows(const rs_caps *caps, size_t row_elems, size_t grain)
{
    const size_t turns = rs_div_up(row_elems, rs_vector_width(caps, NULL)) + 1;
    return caps->max_turns == 0 ? SIZE_MAX : max_size(caps->max_turns / turns / grain, 1) * grain;
}

rs_spread rs_spread_over(const rs_caps *caps, const rs_problem *p, bool cpu, size_t rows,
                         size_t row_elems, size_t grain, size_t run)
{
    rs_spread s = {.grid = {{1, 1, 1}, {1, 1, 1}}};
    const size_t units = max_size(caps->compute_units, 1);
    char vectors[RS_VECTOR_OPTIONS];
    rs_vector_options(caps, p, cpu ? 1 : run, vectors);
    if (cpu) {
        const size_t even = rs_div_up(rows, units * CHUNKS_PER_UNIT);
        s.chunk = rs_round_up(max_size(even, rs_div_up(CHUNK_ELEMS, row_elems)), grain);
        if (s.chunk > most_rows(caps, row_elems, grain))
            s.chunk = most_rows(caps, row_elems, grain);
        s.grid.items[0] = rs_div_up(rows, s.chunk);
        snprintf(s.options, sizeof s.options, "-DSPREAD=0%s", vectors);
    } else {
        const size_t group = rs_group_size(caps, RS_SPREAD_GROUP);
        const size_t groups =
            rs_div_up(rs_div_up(row_elems, rs_vector_width(caps, p)) * rows, group);
        const size_t most = units * GROUPS_PER_UNIT;
        s.chunk = 1;
        s.grid.group[0] = group;
        s.grid.items[0] = group * (groups < most ? groups : most);
        snprintf(s.options, sizeof s.options, "-DSPREAD=1 -DWG=%zu%s", group, vectors);
    }
    return s;
}

rs_walk rs_walk_over(const rs_caps *caps, const rs_problem *p, bool cpu, size_t images, size_t rows,
                     size_t cols, size_t depth, size_t items, size_t run)
{
    const size_t pixels = images * rows * cols, shared = cpu ? 1 : items;
    return (rs_walk){.spread = rs_spread_over(caps, p, cpu, pixels, depth * shared, 1, run),
                     .pixels = pixels,
                     .rows = rows,
                     .cols = cols,
                     .depth = depth,
                     .by_rows = rs_divisor_of(rows),
                     .by_cols = rs_divisor_of(cols),
                     .by_blocks = rs_divisor_of(rs_div_up(depth, rs_vector_width(caps, p)))};
}

bool rs_plan_chunked(const rs_plan *plan)
{
    return plan->choice.impl->prefers & (1u << RESCL_DEVICE_CPU);
}

rescl_status rs_spread_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name,
                            size_t rows, size_t row_elems, size_t grain)
{
    const rs_spread s = rs_spread_over(caps, &plan->problem, rs_plan_chunked(plan), rows, row_elems,
                                       grain, grain == 1 ? row_elems : rows * row_elems);
    RS_PLAN_KEEP(plan, s);
    return rs_plan_kernel_add(plan, file, name, "%s", s.options);
}

rs_grid rs_spread_grid(const rs_plan *plan)
{
    rs_spread s;
    RS_PLAN_RECALL(plan, s);
    return s.grid;
}

size_t rs_spread_chunk(const rs_plan *plan)
{
    rs_spread s;
    RS_PLAN_RECALL(plan, s);
    return s.chunk;
}

const char *rs_can_index32(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)pass, (void)caps;
    bool fits = rs_shape_count(&p->dst) <= INT32_MAX;
    for (int i = 0; i < p->nsrc; i++)
        fits = fits && rs_shape_count(&p->src[i]) <= INT32_MAX;
    return fits ? NULL : "a tensor has more than 2^31 - 1 elements";
}

unsigned rs_diff_flags(const rs_problem *p)
{
    unsigned flags = 0;
    for (int i = 0; i < p->nsrc; i++)
        flags |= ((unsigned)p->want_diff[i] | (unsigned)p->accumulate[i] << 1) << 2 * i;
    return flags;
}
