/* What the cores of a GPU have: as the vendor's queries say, where the device has them, else as
 * quirks.def says of its architecture. */
#include "clinternal.h"

#include <stdio.h>
#include <string.h>

/* Of OpenCL 3.0 and of the vendors' extensions, whose headers are not everywhere. */
enum {
    PREFERRED_GROUP_MULTIPLE = 0x1067, /* CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE */
    NV_MAJOR = 0x4000,                 /* CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV */
    NV_MINOR,
    NV_REGISTERS, /* CL_DEVICE_REGISTERS_PER_BLOCK_NV: 32-bit ones */
    NV_WARP,
    AMD_SIMDS = 0x4040, /* CL_DEVICE_SIMD_PER_COMPUTE_UNIT_AMD */
    AMD_WAVEFRONT = 0x4043,
    INTEL_SUBGROUPS = 0x4108,  /* CL_DEVICE_SUB_GROUP_SIZES_INTEL */
    INTEL_IP_VERSION = 0x4250, /* CL_DEVICE_IP_VERSION_INTEL */
    INTEL_EUS = 0x4254,        /* CL_DEVICE_NUM_EUS_PER_SUB_SLICE_INTEL */
    INTEL_EU_THREADS = 0x4255
};

/* One row of quirks.def: a core of the architectures whose names begin so. */
typedef struct core {
    const char *architecture;
    unsigned subgroup, own, lanes, engines;
    unsigned registers, local; /* KiB */
    unsigned items, groups;
    double bytes;
} core;

#define RS_QUIRK(field, substring, driver, flags, options)
#define RS_CORE(architecture, subgroup, own, lanes, engines, registers, local, items, groups,      \
                bytes)                                                                             \
    {architecture, subgroup, own, lanes, engines, registers, local, items, groups, bytes},
static const core cores[] = {
#include "quirks.def"
};
#undef RS_CORE
#undef RS_QUIRK

/* A core that is `share` of that of the row. */
static bool take_row(rescl_device_info *info, double share)
{
    for (size_t i = 0; i < RS_COUNT(cores); i++) {
        const core *c = &cores[i];
        if (strncmp(info->architecture, c->architecture, strlen(c->architecture)) != 0)
            continue;
        info->subgroup = c->subgroup;
        info->item_registers = c->own;
        info->core_lanes = (unsigned)(share * c->lanes);
        info->engine_lanes = (unsigned)(share * c->engines);
        info->core_items = (unsigned)(share * c->items);
        info->core_groups = (unsigned)(share * c->groups);
        info->core_register_bytes = (uint64_t)(share * c->registers * 1024);
        info->core_local_bytes = (uint64_t)(share * c->local * 1024);
        info->bandwidth = (uint64_t)(share * c->bytes * info->cores * info->clock_mhz * 1e6);
        return true;
    }
    return false;
}

bool rs_cores_assume(rescl_device_info *info, const char *architecture)
{
    snprintf(info->architecture, sizeof info->architecture, "%s", architecture);
    return take_row(info, 1.0);
}

static void ask_nvidia(rescl_device_info *info, rs_asking *a)
{
    const unsigned major = (unsigned)rs_ask_number(a, NV_MAJOR, 0) % 1000;
    const unsigned minor = (unsigned)rs_ask_number(a, NV_MINOR, 0) % 1000;
    if (major > 0)
        snprintf(info->architecture, sizeof info->architecture, "sm_%u%u", major, minor);
    take_row(info, 1.0);
    info->subgroup = (unsigned)rs_ask_number(a, NV_WARP, info->subgroup);
    info->core_register_bytes = 4 * rs_ask_number(a, NV_REGISTERS, info->core_register_bytes / 4);
}

/* The rows are of cores of four SIMDs. Devices are named by their architecture: "gfx90a:sramecc+". */
static void ask_amd(rescl_device_info *info, rs_asking *a)
{
    if (strncmp(info->name, "gfx", 3) == 0)
        snprintf(info->architecture, sizeof info->architecture, "%.*s",
                 (int)strcspn(info->name, ":"), info->name);
    take_row(info, (double)rs_ask_number(a, AMD_SIMDS, 4) / 4.0);
    info->subgroup = (unsigned)rs_ask_number(a, AMD_WAVEFRONT, info->subgroup);
}

/* Compute units are execution units there. A thread of one has 128 registers as wide as the narrowest
 * sub-group, which is the one that leaves a work-item the most. */
static void ask_intel(rescl_device_info *info, rs_asking *a)
{
    size_t sizes[16], bytes = 0;
    const unsigned ip = (unsigned)rs_ask_number(a, INTEL_IP_VERSION, 0);
    const unsigned eus = (unsigned)rs_ask_number(a, INTEL_EUS, 0);
    const unsigned threads = (unsigned)rs_ask_number(a, INTEL_EU_THREADS, 0);
    if (ip > 0)
        snprintf(info->architecture, sizeof info->architecture, "xe_%u.%u", ip >> 22,
                 ip >> 14 & 0xff);
    if (eus > 1 && eus <= info->compute_units)
        info->cores = info->compute_units / eus;
    take_row(info, 1.0);
    if (rs_ask(a, INTEL_SUBGROUPS, sizeof sizes, sizes, &bytes)) {
        info->subgroup = 0;
        for (size_t i = 0; i < bytes / sizeof sizes[0]; i++)
            if (sizes[i] > 0 && sizes[i] <= 256 && (!info->subgroup || sizes[i] < info->subgroup))
                info->subgroup = (unsigned)sizes[i];
    }
    if (eus > 0 && threads > 0 && info->subgroup > 0) {
        info->core_lanes = eus * info->subgroup;
        info->core_items = eus * threads * info->subgroup;
        info->item_registers = info->item_registers ? info->item_registers : 116;
        info->core_register_bytes = (uint64_t)info->core_items * 128 * sizeof(float);
    }
}

void rs_cores_ask(rs_hw *hw, rs_asking *a)
{
    rescl_device_info *info = &hw->info;
    info->cores = info->compute_units;
    if (info->type == RESCL_DEVICE_CPU)
        return;
    if (rs_ask_extension(a, "cl_nv_device_attribute_query"))
        ask_nvidia(info, a);
    else if (rs_ask_extension(a, "cl_amd_device_attribute_query"))
        ask_amd(info, a);
    else if (rs_ask_extension(a, "cl_intel_device_attribute_query"))
        ask_intel(info, a);
    if (info->subgroup == 0 && strncmp(hw->device_version, "OpenCL 3", 8) == 0)
        info->subgroup = (unsigned)rs_ask_number(a, PREFERRED_GROUP_MULTIPLE, 0);
}
