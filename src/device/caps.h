/* What a device can do, as far as choosing and planning kernels goes: probed once, when the device is
 * opened, and kept with it. Limits that are set by hand (RESCL_FLOAT_WIDTH, RESCL_MAX_LOCAL, ...) are
 * in it, and what a device does not report is assumed. To store bfloat16 and halfs takes none of this:
 * 16-bit integers, vload_half and vstore_half are part of OpenCL C. */
#ifndef RS_CAPS_H
#define RS_CAPS_H

#include <rescl/device.h>

/* Matrix engines. */
typedef enum rs_engine {
#define RS_ENGINE(name, gate, options, more) RS_ENGINE_##name,
#include "engines.def"
#undef RS_ENGINE
    RS_ENGINE_COUNT
} rs_engine;

/* Bytes of local memory that products by x86_amx take at least. */
#define RS_TILES_LOCAL (256 * 1024)

typedef struct rs_caps {
    rescl_device_type type;
    unsigned compute_units; /* that run work-groups: rescl_device_info.cores */
    unsigned float_width;   /* native vector width in floats, at least 1 */
    unsigned half_width;    /* in halfs; 0 without fp16 */
    size_t max_group;       /* work-items of a work-group */
    size_t max_turns;       /* of its loops that a work-item may make in all; 0: any number */
    uint64_t local_bytes, max_alloc_bytes;
    bool fp16, fp64; /* arithmetic on halfs, on doubles */
    bool subgroups;
    /* Of each unit, as rescl_device_info has them; never 0. */
    unsigned subgroup, unit_lanes, unit_items, unit_groups;
    bool sets_subgroup;      /* kernels may have intel_reqd_sub_group_size(subgroup) */
    unsigned item_registers; /* of 4 bytes, that a work-item may have */
    uint64_t unit_register_bytes, unit_local_bytes;
    double clock_hz, bandwidth; /* bytes per second */
    unsigned engines;           /* bits 1u << rs_engine that kernels may use: rs_has_engine */
    bool emulates;              /* by ordinary arithmetic (RESCL_ENGINES=emulate) */
    unsigned engine_lanes;      /* multiply-adds of 16-bit numbers in a clock of a unit, by engines;
                                 * 0: not known */
} rs_caps;

static inline bool rs_has_engine(const rs_caps *caps, rs_engine e)
{
    return (caps->engines & 1u << e) != 0;
}

#endif
