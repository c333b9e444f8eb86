#include "clinternal.h"

void rs_caps_probe(const rs_hw *hw, rs_caps *out)
{
    const rescl_device_info *info = &hw->info;
    *out = (rs_caps){
        .type = info->type,
        .compute_units = info->compute_units,
        .float_width = info->float_width,
        .max_group = info->max_group,
        .local_bytes = info->local_bytes,
        .max_alloc_bytes = info->max_alloc_bytes,
        .fp16 = info->fp16,
        .fp64 = info->fp64,
        .subgroups = rs_hw_has_extension(hw->id, "cl_khr_subgroups") ||
                     rs_hw_has_extension(hw->id, "cl_intel_subgroups"),
    };
    if (out->fp16)
        out->half_width =
            (unsigned)rs_hw_number(hw->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, info->float_width);
}

const rs_caps *rs_device_caps(const rescl_device *dev)
{
    return &dev->caps;
}
