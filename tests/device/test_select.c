/* The selector's grammar, on lists of devices that are made up. */
#include "clinternal.h"
#include "testing.h"

#include <stdio.h>
#include <string.h>

static const rs_hw gpu_small = {.info = {.platform = 0,
                                         .device = 0,
                                         .name = "Vega 10",
                                         .vendor = "AMD",
                                         .platform_name = "ROCm",
                                         .type = RESCL_DEVICE_GPU,
                                         .compute_units = 10,
                                         .clock_mhz = 1500,
                                         .usable = true}};
static const rs_hw gpu_big = {.info = {.platform = 1,
                                       .device = 0,
                                       .name = "H200",
                                       .vendor = "NVIDIA Corporation",
                                       .platform_name = "NVIDIA CUDA",
                                       .type = RESCL_DEVICE_GPU,
                                       .compute_units = 132,
                                       .clock_mhz = 1900,
                                       .usable = true}};
static const rs_hw gpu_twin = {.info = {.platform = 1,
                                        .device = 1,
                                        .name = "H200",
                                        .vendor = "NVIDIA Corporation",
                                        .platform_name = "NVIDIA CUDA",
                                        .type = RESCL_DEVICE_GPU,
                                        .compute_units = 132,
                                        .clock_mhz = 1900,
                                        .usable = true}};
static const rs_hw gpu_old = {.info = {.platform = 2,
                                       .device = 0,
                                       .name = "Cayman",
                                       .vendor = "AMD",
                                       .platform_name = "Clover",
                                       .type = RESCL_DEVICE_GPU,
                                       .compute_units = 9999,
                                       .clock_mhz = 9999,
                                       .usable = false,
                                       .reason = "needs OpenCL 1.2"}};
static const rs_hw accelerator = {.info = {.platform = 3,
                                           .device = 0,
                                           .name = "Stratix",
                                           .vendor = "Intel",
                                           .platform_name = "FPGA",
                                           .type = RESCL_DEVICE_ACCELERATOR,
                                           .compute_units = 1,
                                           .clock_mhz = 300,
                                           .usable = true}};
static const rs_hw cpu = {.info = {.platform = 4,
                                   .device = 0,
                                   .name = "pthread-Xeon",
                                   .vendor = "GenuineIntel",
                                   .platform_name = "Portable Computing Language",
                                   .opencl_c = "OpenCL C 1.2 PoCL",
                                   .type = RESCL_DEVICE_CPU,
                                   .compute_units = 2,
                                   .clock_mhz = 0,
                                   .usable = true}};
static const rs_hw cpu_emulated = {.quirks = RS_QUIRK_LAST_RESORT,
                                   .info = {.platform = 5,
                                            .device = 0,
                                            .name = "llvmpipe",
                                            .vendor = "Mesa",
                                            .platform_name = "rusticl",
                                            .type = RESCL_DEVICE_CPU,
                                            .compute_units = 8,
                                            .clock_mhz = 300,
                                            .usable = true}};

static const rs_hw cpu_again = {.info = {.platform = 6,
                                         .device = 0,
                                         .name = "Xeon",
                                         .vendor = "Intel",
                                         .platform_name = "Intel OpenCL",
                                         .type = RESCL_DEVICE_CPU,
                                         .compute_units = 2,
                                         .clock_mhz = 2500,
                                         .usable = true}};

static rs_hw list[8];
static rescl_runtime rt = {.devices = list};

#define DEVICES(...)                                                                               \
    do {                                                                                           \
        const rs_hw *const given[] = {__VA_ARGS__};                                                \
        rt.count = RS_COUNT(given);                                                                \
        for (size_t i_ = 0; i_ < rt.count; i_++)                                                   \
            list[i_] = *given[i_];                                                                 \
    } while (0)

static void check_chosen(const char *selector, const char *pair)
{
    size_t index = 99;
    char got[64];
    assert_ok(rescl_runtime_select(&rt, selector, &index));
    assert_true(index < rt.count);
    snprintf(got, sizeof got, "%zu:%zu", list[index].info.platform, list[index].info.device);
    assert_string_equal(got, pair);
}

static void takes_the_fastest(void **state)
{
    (void)state;
    DEVICES(&cpu, &gpu_small, &gpu_old, &gpu_big, &accelerator);
    check_chosen(NULL, "1:0");
    check_chosen("auto", "1:0");
    check_chosen("AUTO", "1:0");
    check_chosen("gpu", "1:0");
    check_chosen("cpu", "4:0");
    check_chosen("accelerator", "3:0");
    DEVICES(&cpu, &accelerator, &gpu_old);
    check_chosen("auto", "3:0");
    DEVICES(&gpu_old, &cpu);
    check_chosen("auto", "4:0");
    DEVICES(&cpu, &cpu_again); /* one processor: the clock does not count, the order does */
    check_chosen("auto", "4:0");
    DEVICES(&cpu_again, &cpu);
    check_chosen("cpu", "6:0");
    DEVICES(&cpu_emulated, &cpu);
    check_chosen("auto", "4:0");
    check_chosen("cpu", "4:0");
    DEVICES(&cpu_emulated);
    check_chosen("auto", "5:0");
}

static void takes_pairs_and_names(void **state)
{
    (void)state;
    DEVICES(&gpu_small, &gpu_big, &gpu_twin, &gpu_old, &cpu);
    check_chosen("1:1", "1:1");
    check_chosen("0:0", "0:0");
    check_chosen("vega", "0:0");
    check_chosen("H200", "1:0"); /* twins: the first */
    check_chosen("nvidia", "1:0");
    check_chosen("Computing", "4:0");
    check_chosen("pocl", "4:0");
    check_chosen("AMD", "0:0"); /* the other one is not usable */
}

static void explains_refusals(void **state)
{
    (void)state;
    size_t index = 0;
    DEVICES(&gpu_small, &gpu_big, &gpu_old, &cpu);
    assert_fails(rescl_runtime_select(&rt, "cayman", &index), RESCL_ERR_UNSUPPORTED, "2:0",
                 "Cayman", "needs OpenCL 1.2");
    assert_fails(rescl_runtime_select(&rt, "2:0", &index), RESCL_ERR_UNSUPPORTED, "needs OpenCL");
    assert_fails(rescl_runtime_select(&rt, "7:0", &index), RESCL_ERR_NOT_FOUND, "\"7:0\"",
                 "0:0  Vega 10", "4:0  pthread-Xeon");
    assert_fails(rescl_runtime_select(&rt, "1:-1", &index), RESCL_ERR_NOT_FOUND, "1:-1");
    assert_fails(rescl_runtime_select(&rt, "1:18446744073709551616", &index), RESCL_ERR_NOT_FOUND,
                 "P:D");
    assert_fails(rescl_runtime_select(&rt, "", &index), RESCL_ERR_NOT_FOUND, "P:D");
    assert_fails(rescl_runtime_select(&rt, "gppu", &index), RESCL_ERR_NOT_FOUND,
                 "did you mean \"gpu\"");
    assert_fails(rescl_runtime_select(&rt, "accelerator", &index), RESCL_ERR_NOT_FOUND,
                 "of type accelerator");
    DEVICES(&gpu_old);
    assert_fails(rescl_runtime_select(&rt, "auto", &index), RESCL_ERR_NOT_FOUND, "no usable",
                 "needs OpenCL 1.2");
}

static void asks_when_names_are_ambiguous(void **state)
{
    (void)state;
    size_t index = 0;
    DEVICES(&gpu_small, &gpu_big, &cpu, &cpu_emulated, &accelerator);
    assert_fails(rescl_runtime_select(&rt, "p", &index), RESCL_ERR_ARG, "several", "4:0", "5:0");
    assert_null(strstr(rescl_last_error()->message, "0:0"));
    assert_fails(rescl_runtime_select(&rt, "Intel", &index), RESCL_ERR_ARG, "several", "3:0");
    check_chosen("xeon", "4:0");
    check_chosen("200", "1:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_fastest),
        cmocka_unit_test(takes_pairs_and_names),
        cmocka_unit_test(explains_refusals),
        cmocka_unit_test(asks_when_names_are_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
