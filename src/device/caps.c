#include "clinternal.h"

rescl_status rs_caps_probe(const rs_hw *hw, rs_caps *out)
{
    rescl_status st = RESCL_OK;
    rs_asking asking = {.id = hw->id};
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
        .subgroups = rs_ask_extension(&asking, "cl_khr_subgroups") ||
                     rs_ask_extension(&asking, "cl_intel_subgroups"),
    };
    if (out->fp16)
        out->half_width =
            (unsigned)rs_ask_number(&asking, CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, info->float_width);
    RS_CL_CODE(asking.code, asking.call);
out:
    return st;
}

const rs_caps *rs_device_caps(const rescl_device *dev)
{
    return &dev->caps;
}
