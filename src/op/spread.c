#include "spread.h"

#include "alloc.h"
#include "error.h"

#include <stdio.h>

#define CHUNKS_PER_UNIT 8    /* enough that uneven cores even out, few enough to cost nothing */
#define CHUNK_ELEMS     4096 /* below this a work-item costs more than its work */
#define GROUP           128
#define GROUPS_PER_UNIT 16
#define CPU_SUM_UNITS   16 /* parts beyond those that the cores need cost little */

size_t rs_group_size(const rs_caps *caps, size_t want)
{
    size_t n = 1;
    while (n * 2 <= want && n * 2 <= caps->max_group)
        n *= 2;
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

size_t rs_vector_width(const rs_caps *caps)
{
    return caps->float_width >= 16 ? 16 : caps->float_width >= 8 ? 8 : 4;
}

const char *rs_aligned(const rs_caps *caps, size_t channels)
{
    return channels % rs_vector_width(caps) == 0 ? " -DALIGNED" : "";
}

static size_t divide_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

rs_spread rs_spread_over(const rs_caps *caps, bool cpu, size_t rows, size_t row_elems, size_t grain,
                         const char *aligned)
{
    rs_spread s = {.grid = {{1, 1, 1}, {1, 1, 1}}};
    const size_t units = max_size(caps->compute_units, 1);
    if (cpu) {
        const size_t even = divide_up(rows, units * CHUNKS_PER_UNIT);
        s.chunk = rs_round_up(max_size(even, divide_up(CHUNK_ELEMS, row_elems)), grain);
        s.grid.items[0] = divide_up(rows, s.chunk);
        snprintf(s.options, sizeof s.options, "-DSPREAD=0");
    } else {
        const size_t group = rs_group_size(caps, GROUP);
        const size_t groups = divide_up(divide_up(row_elems, 4) * rows, group);
        const size_t most = units * GROUPS_PER_UNIT;
        s.chunk = 1;
        s.grid.group[0] = group;
        s.grid.items[0] = group * (groups < most ? groups : most);
        snprintf(s.options, sizeof s.options, "-DSPREAD=1 -DWG=%zu%s", group, aligned);
    }
    return s;
}

rescl_status rs_spread_plan(rs_plan *plan, const rs_caps *caps, const char *file, const char *name,
                            size_t rows, size_t row_elems, size_t grain)
{
    const bool cpu = plan->choice.impl->prefers & (1u << RESCL_DEVICE_CPU);
    const char *aligned = rs_aligned(caps, grain == 1 ? row_elems : rows * row_elems);
    const rs_spread s = rs_spread_over(caps, cpu, rows, row_elems, grain, aligned);
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
