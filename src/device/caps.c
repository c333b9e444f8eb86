#include "clinternal.h"

#include <string.h>

/* What a GPU is taken to have that does not say: little enough that what is planned for it fits. */
enum {
    SUBGROUP = 32,
    LANES = 64,
    ITEMS = 1024,
    GROUPS = 16,
    REGISTER_BYTES = 128 << 10,
    ITEM_REGISTERS = 128,
    CLOCK_MHZ = 1000
};
/* Floating-point operations for each byte of global memory: about those of most GPUs. */
#define BALANCE 25.0

static unsigned known(unsigned number, unsigned assumed)
{
    return number ? number : assumed;
}

static void take_units(const rescl_device_info *info, rs_caps *out)
{
    out->subgroup = known(info->subgroup, SUBGROUP);
    out->unit_lanes = known(info->core_lanes, LANES);
    out->unit_items = known(info->core_items, ITEMS);
    out->unit_groups = known(info->core_groups, GROUPS);
    out->item_registers = known(info->item_registers, ITEM_REGISTERS);
    out->unit_register_bytes =
        info->core_register_bytes ? info->core_register_bytes : REGISTER_BYTES;
    out->unit_local_bytes =
        info->core_local_bytes > info->local_bytes ? info->core_local_bytes : info->local_bytes;
    out->clock_hz = known(info->clock_mhz, CLOCK_MHZ) * 1e6;
    out->bandwidth = info->bandwidth
                         ? (double)info->bandwidth
                         : 2.0 * out->unit_lanes * info->cores * out->clock_hz / BALANCE;
}

rescl_status rs_caps_probe(const rs_hw *hw, rs_caps *out)
{
    rescl_status st = RESCL_OK;
    rs_asking asking = {.id = hw->id};
    const rescl_device_info *info = &hw->info;
    *out = (rs_caps){
        .type = info->type,
        .compute_units = info->cores,
        .float_width = info->float_width,
        .max_group = info->max_group,
        .max_turns = hw->quirks & RS_QUIRK_SHORT_LOOPS ? RS_SHORT_LOOPS : 0,
        .local_bytes = info->local_bytes,
        .max_alloc_bytes = info->max_alloc_bytes,
        .fp16 = info->fp16,
        .fp64 = info->fp64,
        .subgroups = rs_ask_extension(&asking, "cl_khr_subgroups") ||
                     rs_ask_extension(&asking, "cl_intel_subgroups"),
    };
    take_units(info, out);
    /* An architecture that is emulated (RESCL_ARCHITECTURE) has its extensions. */
    out->sets_subgroup =
        info->subgroup > 0 && (rs_ask_extension(&asking, "cl_intel_required_subgroup_size") ||
                               strncmp(info->architecture, "xe_", 3) == 0);
    if (out->fp16)
        out->half_width =
            (unsigned)rs_ask_number(&asking, CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, info->float_width);
    out->engine_lanes = info->engine_lanes;
    RS_FAIL_IF(asking.out_of_memory, RESCL_ERR_MEMORY, "out of host memory");
    RS_CL_CODE(asking.code, asking.call);
out:
    return st;
}

const rs_caps *rs_device_caps(const rescl_device *dev)
{
    return &dev->caps;
}
