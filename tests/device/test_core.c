/* What is known of a GPU's cores: a device that answers as the vendors' do. clGetDeviceInfo below takes
 * the place of the loader's. */
#include "clinternal.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>

typedef struct fake {
    const char *name, *version, *extensions;
    unsigned compute_units, clock_mhz;
    struct {
        unsigned what, value;
    } numbers[8];
    size_t subgroups[4];
    cl_int unknown; /* what another question is answered with */
} fake;

static const fake *asked;

static cl_int answer(const void *data, size_t have, size_t cap, void *value, size_t *bytes)
{
    if (bytes)
        *bytes = have;
    if (value && cap < have)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, data, have);
    return CL_SUCCESS;
}

cl_int CL_API_CALL clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t cap, void *value,
                                   size_t *bytes)
{
    (void)id;
    size_t widths = 0;
    if (what == CL_DEVICE_EXTENSIONS)
        return answer(asked->extensions, strlen(asked->extensions) + 1, cap, value, bytes);
    while (widths < RS_COUNT(asked->subgroups) && asked->subgroups[widths])
        widths++;
    if (what == 0x4108 && widths > 0)
        return answer(asked->subgroups, widths * sizeof(size_t), cap, value, bytes);
    for (size_t i = 0; i < RS_COUNT(asked->numbers) && asked->numbers[i].what; i++)
        if (asked->numbers[i].what == what) {
            const cl_uint number = asked->numbers[i].value;
            return answer(&number, sizeof number, cap, value, bytes);
        }
    return asked->unknown;
}

static rs_hw ask(const fake *device)
{
    rs_hw hw = {.info = {.type = RESCL_DEVICE_GPU,
                         .compute_units = device->compute_units,
                         .clock_mhz = device->clock_mhz,
                         .local_bytes = 48 << 10}};
    rs_asking asking = {0};
    asked = device;
    snprintf(hw.info.name, sizeof hw.info.name, "%s", device->name);
    snprintf(hw.device_version, sizeof hw.device_version, "%s", device->version);
    rs_cores_ask(&hw, &asking);
    assert_int_equal(asking.code, CL_SUCCESS);
    return hw;
}

typedef struct expected {
    fake device;
    const char *architecture;
    unsigned cores, subgroup, lanes, items, groups, register_kib, local_kib;
    double bandwidth; /* about; GB/s */
} expected;

/* clang-format off */
static const expected table[] = {
    {{"NVIDIA H100 80GB HBM3", "OpenCL 3.0 CUDA", "cl_khr_icd cl_nv_device_attribute_query", 132, 1980,
      {{0x4000, 9}, {0x4001, 0}, {0x4002, 65536}, {0x4003, 32}}, {0}, CL_INVALID_VALUE},
     "sm_90", 132, 32, 128, 2048, 32, 256, 228, 3350},
    {{"NVIDIA T4", "OpenCL 1.2 CUDA", "cl_nv_device_attribute_query", 40, 1590,
      {{0x4000, 7}, {0x4001, 5}, {0x4002, 65536}, {0x4003, 32}}, {0}, CL_INVALID_VALUE},
     "sm_75", 40, 32, 64, 1024, 16, 256, 64, 320},
    {{"gfx1100", "OpenCL 2.0", "cl_amd_device_attribute_query", 48, 2500,
      {{0x4040, 4}, {0x4043, 32}}, {0}, CL_INVALID_VALUE},
     "gfx1100", 48, 32, 128, 2048, 32, 768, 128, 960},
    {{"gfx1100", "OpenCL 2.0", "cl_amd_device_attribute_query", 96, 2500,
      {{0x4040, 2}, {0x4043, 32}}, {0}, CL_INVALID_VALUE},
     "gfx1100", 96, 32, 64, 1024, 16, 384, 64, 960},
    {{"gfx90a:sramecc+:xnack-", "OpenCL 2.0", "cl_amd_device_attribute_query", 104, 1700,
      {{0x4040, 4}, {0x4043, 64}}, {0}, CL_INVALID_VALUE},
     "gfx90a", 104, 64, 64, 2048, 32, 512, 64, 1600},
    {{"Intel(R) Arc(TM) A770 Graphics", "OpenCL 3.0 NEO", "cl_intel_device_attribute_query", 512, 2100,
      {{0x4250, 12u << 22 | 55 << 14}, {0x4254, 16}, {0x4255, 8}}, {32, 8, 16}, CL_INVALID_VALUE},
     "xe_12.55", 32, 8, 128, 1024, 64, 512, 128, 540},
    {{"Intel(R) Data Center GPU Max 1550", "OpenCL 3.0 NEO", "cl_intel_device_attribute_query", 1024,
      1600, {{0x4250, 12u << 22 | 60 << 14}, {0x4254, 8}, {0x4255, 8}}, {16, 32}, CL_INVALID_VALUE},
     "xe_12.60", 128, 16, 128, 1024, 64, 512, 128, 3070},
    {{"Intel(R) UHD Graphics 630", "OpenCL 3.0 NEO", "cl_intel_device_attribute_query", 24, 1150,
      {{0x4250, 9u << 22}, {0x4254, 8}, {0x4255, 7}}, {8, 16, 32}, CL_INVALID_VALUE},
     "xe_9.0", 3, 8, 64, 448, 16, 224, 64, 38},
    {{"a newer one", "OpenCL 3.0", "cl_khr_icd", 8, 900, {{0x1067, 64}}, {0}, CL_INVALID_VALUE},
     "", 8, 64, 0, 0, 0, 0, 0, 0},
    {{"an older one", "OpenCL 1.2", "cl_khr_icd", 8, 900, {{0x1067, 64}}, {0}, CL_INVALID_VALUE},
     "", 8, 0, 0, 0, 0, 0, 0, 0},
    {{"an extension without answers", "OpenCL 1.2", "cl_nv_device_attribute_query", 8, 900, {{0}},
      {0}, CL_INVALID_VALUE},
     "", 8, 0, 0, 0, 0, 0, 0, 0},
};
/* clang-format on */

static void the_vendors_devices(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(table); i++) {
        const expected *e = &table[i];
        const rs_hw hw = ask(&e->device);
        const rescl_device_info *info = &hw.info;
        assert_string_equal(info->architecture, e->architecture);
        assert_int_equal(info->cores, e->cores);
        assert_int_equal(info->subgroup, e->subgroup);
        assert_int_equal(info->core_lanes, e->lanes);
        assert_int_equal(info->core_items, e->items);
        assert_int_equal(info->core_groups, e->groups);
        assert_int_equal(info->core_register_bytes, e->register_kib << 10);
        assert_int_equal(info->core_local_bytes, e->local_kib << 10);
        assert_true((double)info->bandwidth >= 0.9e9 * e->bandwidth);
        assert_true((double)info->bandwidth <= 1.1e9 * e->bandwidth);
    }
}

/* A device that stops answering is none that lacks an extension. */
static void a_failure_is_kept(void **state)
{
    (void)state;
    const fake lost = {.extensions = "cl_nv_device_attribute_query",
                       .compute_units = 8,
                       .unknown = CL_OUT_OF_RESOURCES};
    rs_hw hw = {.info = {.type = RESCL_DEVICE_GPU, .compute_units = 8}};
    rs_asking asking = {0};
    asked = &lost;
    rs_cores_ask(&hw, &asking);
    assert_int_equal(asking.code, CL_OUT_OF_RESOURCES);
}

static void a_cpu_is_not_asked(void **state)
{
    (void)state;
    rs_hw hw = {.info = {.type = RESCL_DEVICE_CPU, .compute_units = 16}};
    rs_asking asking = {0};
    asked = &table[0].device;
    rs_cores_ask(&hw, &asking);
    assert_int_equal(hw.info.cores, 16);
    assert_int_equal(hw.info.subgroup, 0);
    assert_string_equal(hw.info.architecture, "");
}

/* What is planned with is never nothing. */
static void what_is_not_known_is_assumed(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(table); i++) {
        const rs_hw hw = ask(&table[i].device);
        rs_caps caps;
        assert_ok(rs_caps_probe(&hw, &caps));
        assert_int_equal(caps.compute_units, hw.info.cores);
        assert_true(caps.subgroup > 0 && caps.unit_lanes > 0 && caps.unit_items > 0);
        assert_true(caps.unit_groups > 0 && caps.unit_register_bytes > 0);
        assert_true(caps.unit_local_bytes >= caps.local_bytes);
        assert_true(caps.clock_hz > 0.0 && caps.bandwidth > 0.0);
        assert_int_equal(caps.sets_subgroup, strncmp(hw.info.architecture, "xe_", 3) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vendors_devices),
        cmocka_unit_test(a_failure_is_kept),
        cmocka_unit_test(a_cpu_is_not_asked),
        cmocka_unit_test(what_is_not_known_is_assumed),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
