/* Engines: what RESCL_ENGINES says, and what may become of trying one, by tests/device/kernels/trials.cl. */
#include "clinternal.h"
#include "command.h"
#include "device_support.h"
#include "path.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void with_engines(const char *list, unsigned want, bool emulated)
{
    rescl_runtime *rt = NULL;
    setenv("RESCL_ENGINES", list, 1);
    rescl_device *dev = test_device_open(&rt);
    assert_int_equal(rs_device_caps(dev)->engines, want);
    assert_int_equal(rs_device_caps(dev)->emulates, emulated);
    test_device_close(rt, dev);
    unsetenv("RESCL_ENGINES");
}

static void are_those_that_the_environment_lists(void **state)
{
    (void)state;
    with_engines("none", 0, false);
    with_engines("nv_tf32,amd_wmma", 1u << RS_ENGINE_nv_tf32 | 1u << RS_ENGINE_amd_wmma, false);
    with_engines("x86_bf16", 1u << RS_ENGINE_x86_bf16, false);
    with_engines("emulate,x86_amx", 1u << RS_ENGINE_x86_amx, true);
    with_engines("emulate,arm_bf16", 1u << RS_ENGINE_arm_bf16, true);
    with_engines("emulate,nv_bf16,x86_bf16", 1u << RS_ENGINE_nv_bf16 | 1u << RS_ENGINE_x86_bf16,
                 true);
    rescl_runtime *rt = NULL;
    rescl_device *dev = NULL;
    setenv("RESCL_ENGINES", "nv_tf32,nv_fp8", 1);
    assert_ok(rescl_runtime_create(&rt));
    assert_fails(rescl_device_open(rt, NULL, 0, &dev), RESCL_ERR_ARG, "nv_fp8", "nv_bf16");
    rescl_runtime_destroy(rt);
    unsetenv("RESCL_ENGINES");
}

static void are_emulated_as_the_architecture_has_them(void **state)
{
    static const struct {
        const char *class, *architecture;
        unsigned want;
    } devices[] = {
        {"cpu", "", 1u << RS_ENGINE_x86_bf16},
        {"gpu", "", 1u << RS_ENGINE_nv_tf32 | 1u << RS_ENGINE_nv_bf16 | 1u << RS_ENGINE_nv_f16},
        {"gpu", "sm_90",
         1u << RS_ENGINE_nv_tf32 | 1u << RS_ENGINE_nv_bf16 | 1u << RS_ENGINE_nv_f16},
        {"gpu", "gfx1100", 1u << RS_ENGINE_amd_wmma},
        {"gpu", "gfx942", 1u << RS_ENGINE_amd_mfma},
        {"gpu", "xe_12.60", 1u << RS_ENGINE_intel_dpas}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(devices); i++) {
        setenv("RESCL_DEVICE_CLASS", devices[i].class, 1);
        setenv("RESCL_ARCHITECTURE", devices[i].architecture, 1);
        with_engines("emulate", devices[i].want, true);
    }
    unsetenv("RESCL_DEVICE_CLASS");
    unsetenv("RESCL_ARCHITECTURE");
}

/* Of the device at hand, which is no GPU with an engine: each has a reason. */
static void are_told_with_the_reason_why_not(void **state)
{
    (void)state;
    rescl_engine engine[RS_ENGINE_COUNT];
    size_t count = 0, index = 0;
    char selector[48];
    const rescl_device_info *info = rescl_device_get_info(test_dev);
    snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
    assert_ok(rescl_runtime_select(test_runtime, selector, &index));
    assert_ok(rescl_runtime_probe(test_runtime, index, engine, RS_ENGINE_COUNT, &count));
    assert_int_equal(count, RS_ENGINE_COUNT);
    for (size_t i = 0; i < count; i++)
        assert_true(engine[i].usable == (engine[i].reason[0] == '\0'));
    assert_string_equal(engine[RS_ENGINE_nv_tf32].name, "nv_tf32");
    assert_fails(rescl_runtime_probe(test_runtime, 1000, engine, RS_ENGINE_COUNT, &count),
                 RESCL_ERR_ARG, "1000");
}

/* Vectors, groups and local memory may be limited by the environment, which the trial inherits. */
static void are_known_for_a_device_as_it_is_limited(void **state)
{
    (void)state;
    const rs_hw *is = test_dev->hw;
    rs_hw limited[4] = {*is, *is, *is, *is};
    rs_cache_key key[5];
    limited[0].info.float_width = 2;
    limited[1].info.max_group = 3;
    limited[2].info.local_bytes = 5;
    limited[3].info.subgroup = 7;
    for (size_t i = 0; i < RS_COUNT(key); i++)
        assert_ok(rs_engine_key(i == 0 ? is : &limited[i - 1], RS_ENGINE_x86_bf16, &key[i]));
    for (size_t i = 0; i < RS_COUNT(key); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(&key[i], &key[k], sizeof *key);
}

/* Of a CPU with vectors of so many floats, and those of `quirks` that concern engines. */
static rs_caps find_of_cpu(unsigned float_width, unsigned quirks,
                           rescl_engine engine[RS_ENGINE_COUNT])
{
    rs_caps caps = {0};
    rs_hw hw = *test_dev->hw;
    unsetenv("RESCL_ENGINES");
    hw.info.type = RESCL_DEVICE_CPU;
    hw.info.float_width = float_width;
    hw.quirks &= ~(unsigned)(RS_QUIRK_ASSEMBLY | RS_QUIRK_SLOW_PAIRS);
    hw.quirks |= quirks;
    assert_ok(rs_engines_find(&hw, &caps, engine));
    return caps;
}

static void engines_of_x86_need_whole_vectors(void **state)
{
    rescl_engine engine[RS_ENGINE_COUNT];
    (void)state;
    (void)find_of_cpu(8, RS_QUIRK_ASSEMBLY, engine);
    assert_non_null(strstr(engine[RS_ENGINE_x86_bf16].reason, "vectors of 16"));
    assert_non_null(strstr(engine[RS_ENGINE_x86_amx].reason, "vectors of 16"));
    (void)find_of_cpu(8, 0, engine);
    assert_non_null(strstr(engine[RS_ENGINE_x86_amx].reason, "inline assembly"));
}

static void the_engine_of_arm_needs_vectors_of_four(void **state)
{
    rescl_engine engine[RS_ENGINE_COUNT];
    const char *reason = engine[RS_ENGINE_arm_bf16].reason;
    (void)state;
    (void)find_of_cpu(4, 0, engine);
    assert_non_null(strstr(reason, "inline assembly"));
    (void)find_of_cpu(8, RS_QUIRK_ASSEMBLY, engine);
    if (strcmp(reason, "needs an Arm processor with FEAT_BF16") == 0) {
        print_message("skipped: this processor has no FEAT_BF16\n");
        skip();
    }
    assert_non_null(strstr(reason, "vectors of 4"));
}

static void pairs_that_are_slow_are_left_alone(void **state)
{
    rescl_engine engine[RS_ENGINE_COUNT];
    (void)state;
    const rs_caps caps = find_of_cpu(16, RS_QUIRK_ASSEMBLY | RS_QUIRK_SLOW_PAIRS, engine);
    const char *reason = engine[RS_ENGINE_x86_bf16].reason;
    assert_false(rs_has_engine(&caps, RS_ENGINE_x86_bf16));
    if (strcmp(reason, "needs a processor with AVX512_BF16") == 0) {
        print_message("skipped: this processor has no AVX512_BF16\n");
        skip();
    }
    assert_non_null(strstr(reason, "faster than"));
}

/* From its first step on, before a driver is asked for anything. */
static void trials_are_limited(void **state)
{
    (void)state;
    struct rlimit core;
    rescl_runtime *rt = NULL;
    setenv("RESCL_PROBE_ENGINE", "nv_tf32", 1);
    assert_ok(rescl_runtime_create(&rt));
    unsetenv("RESCL_PROBE_ENGINE");
    assert_true(alarm(0) > 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(core.rlim_cur, 0);
    rescl_runtime_destroy(rt);
}

static void try_engine(rs_engine e, unsigned patience, const char *says, bool want_lasts)
{
    char reason[256];
    bool lasts = !want_lasts;
    assert_ok(rs_engine_try(test_dev->hw, e, patience, reason, &lasts));
    if (says[0] ? !strstr(reason, says) : reason[0] != '\0')
        fail_msg("engine %d: '%s' instead of '%s'", (int)e, reason, says);
    assert_int_equal(lasts, want_lasts);
}

/* Puts trials.cl into the place of engine.cl, in a folder of its own. */
static void put_trials(char folder[64])
{
    char path[96], *text = NULL;
    size_t bytes = 0;
    snprintf(folder, 64, "/tmp/rescl-engine-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/engine.cl", folder);
    assert_ok(rs_file_read(TEST_KERNELS "/trials.cl", 1 << 20, &text, &bytes));
    assert_ok(rs_file_write(path, text, bytes));
    free(text);
    setenv("RESCL_KERNEL_DIR", folder, 1);
}

static void remove_trials(const char *folder)
{
    char path[96];
    snprintf(path, sizeof path, "%s/engine.cl", folder);
    unlink(path);
    rmdir(folder);
    setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1);
}

/* A folder in the place of engine.cl: files are mended, and what came of it is not the device's fault. */
static void try_without_source(void)
{
    char folder[64] = "/tmp/rescl-engine-XXXXXX", path[96];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/engine.cl", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    setenv("RESCL_KERNEL_DIR", folder, 1);
    try_engine(RS_ENGINE_nv_tf32, 120, "not a regular file", false);
    rmdir(path);
    rmdir(folder);
    setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1);
}

/* In a process of its own, which a crash or an endless loop ends, and not this one. */
static void are_tried_apart(void **state)
{
    enum { LONG = 120, SHORT = 3 };
    (void)state;
    char *program = NULL, folder[64];
    assert_ok(rs_command_find("rescl", &program));
    if (!program || rescl_device_get_info(test_dev)->type != RESCL_DEVICE_CPU) {
        print_message("skipped: the program rescl, and a CPU on which kernels may crash\n");
        free(program);
        skip();
    }
    free(program);
    put_trials(folder);
    try_engine(RS_ENGINE_nv_tf32, LONG, "", true);
    try_engine(RS_ENGINE_intel_dpas, LONG, "", true);
    try_engine(RS_ENGINE_nv_bf16, LONG, "gives wrong numbers", true);
    try_engine(RS_ENGINE_amd_wmma, LONG, "does not compile", true);
    try_engine(RS_ENGINE_nv_f16, LONG, "crashed", true);
    if (test_dev->hw->quirks & RS_QUIRK_SHORT_LOOPS)
        print_message("an endless loop: skipped, for this device leaves it\n");
    else
        try_engine(RS_ENGINE_amd_mfma, SHORT, "more than 3 seconds", false);
    remove_trials(folder);
    try_without_source();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_those_that_the_environment_lists),
        cmocka_unit_test(are_emulated_as_the_architecture_has_them),
        cmocka_unit_test(are_told_with_the_reason_why_not),
        cmocka_unit_test(are_known_for_a_device_as_it_is_limited),
        cmocka_unit_test(engines_of_x86_need_whole_vectors),
        cmocka_unit_test(the_engine_of_arm_needs_vectors_of_four),
        cmocka_unit_test(pairs_that_are_slow_are_left_alone),
        cmocka_unit_test(trials_are_limited),
        cmocka_unit_test(are_tried_apart),
    };
    return cmocka_run_group_tests_name("engine", tests, test_device_setup, test_device_teardown);
}
