#include "roofline.h"

#include <math.h>
#include <string.h>

/* The share of the bandwidth that good kernels reach, and nanoseconds from one launch to the next. */
#define OF_BANDWIDTH 0.85
#define LAUNCH_NS    4000.0

/* Bytes of the device's cache that a unit gets in a clock, for each of its lanes. */
#define CACHE_BYTES 0.25

/* Instructions that a sub-group could issue while it waits for global memory, and for a barrier. Four
 * issue at once in a unit. */
#define LOAD_WAIT    600.0
#define BARRIER_WAIT 150.0
#define SCHEDULERS   4.0

static double least(double a, double b)
{
    return a < b ? a : b;
}

unsigned rs_roofline_resident(const rs_caps *caps, const rs_work *w)
{
    double groups = least(caps->unit_groups, caps->unit_items / (double)w->items);
    if (w->items > caps->max_group || w->local_bytes > caps->local_bytes ||
        w->registers > caps->item_registers)
        return 0;
    if (w->local_bytes > 0)
        groups = least(groups, (double)caps->unit_local_bytes / (double)w->local_bytes);
    groups = least(groups, (double)caps->unit_register_bytes /
                               (sizeof(float) * w->registers * (double)w->items));
    return groups >= 1.0 ? (unsigned)groups : 1;
}

/* Clocks in which a unit does `groups` that it holds at once. The last sub-group of a group may be part
 * empty, and few sub-groups leave lanes idle. */
static double turn(const rs_caps *caps, const rs_work *w, double groups)
{
    const double issue = fmax(1.0, SCHEDULERS * caps->subgroup / caps->unit_lanes);
    const double held = ceil((double)w->items / caps->subgroup) * caps->subgroup;
    const double lanes = least(caps->unit_lanes, groups * held / issue);
    const double busy =
        w->engine > 0.0 ? groups * w->step_fmas / (w->engine * lanes / caps->unit_lanes * w->share)
                        : groups * w->step_fmas * held / (double)w->items / (lanes * w->share);
    const double waits = issue * BARRIER_WAIT + fmax(0.0, issue * LOAD_WAIT - busy);
    /* The first load, and the last store, have the steps of other groups to hide in, if any. */
    return w->steps * (busy + waits) + 2.0 * issue * LOAD_WAIT / groups;
}

/* Clocks of the unit that gets the most groups: turns of as many as it holds, then the rest. */
static double clocks(const rs_caps *caps, const rs_work *w, double resident)
{
    const double most = ceil(w->groups / caps->compute_units);
    const double turns = floor(most / resident), rest = most - turns * resident;
    return turns * turn(caps, w, resident) + (rest > 0 ? turn(caps, w, rest) : 0.0);
}

double rs_roofline_ns(const rs_caps *caps, const rs_work *w)
{
    const double resident = rs_roofline_resident(caps, w);
    if (resident == 0)
        return INFINITY;
    const double units = least(w->groups, caps->compute_units);
    const double cache = w->groups * w->group_bytes / (CACHE_BYTES * caps->unit_lanes * units);
    const double seconds = fmax(clocks(caps, w, resident), cache) / caps->clock_hz;
    return LAUNCH_NS + 1e9 * fmax(seconds, w->bytes / (OF_BANDWIDTH * caps->bandwidth));
}

double rs_roofline_copy_ns(const rs_caps *caps, double bytes)
{
    return LAUNCH_NS + 1e9 * bytes / (OF_BANDWIDTH * caps->bandwidth);
}

size_t rs_roofline_insert(rs_expected *ways, size_t count, size_t most, const rs_expected *way)
{
    size_t at = count;
    while (at > 0 && way->ns < ways[at - 1].ns)
        at--;
    if (at >= most)
        return count;
    if (count < most)
        count++;
    memmove(&ways[at + 1], &ways[at], (count - 1 - at) * sizeof *ways);
    ways[at] = *way;
    return count;
}
