/* Listing devices. What the ICD loader sees is settled at a process's first OpenCL call, so each
 * case that needs another environment runs in a child: this program again, with the case's name. */
#include "device_support.h"
#include "testing.h"

#include "path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *self;
static rescl_runtime *runtime;

/* ---- cases that run in a child ----------------------------------------------------------- */

static void child_empty_folder(void **state)
{
    (void)state;
    assert_fails(rescl_runtime_create(&runtime), RESCL_ERR_NOT_FOUND, "no OpenCL platform",
                 "pocl-opencl-icd", getenv("OCL_ICD_VENDORS"), "holds no .icd file");
    assert_null(runtime);
}

static void child_missing_folder(void **state)
{
    (void)state;
    assert_fails(rescl_runtime_create(&runtime), RESCL_ERR_NOT_FOUND, "no OpenCL platform",
                 getenv("OCL_ICD_VENDORS"), "does not exist");
}

static void child_broken_files(void **state)
{
    (void)state;
    assert_fails(rescl_runtime_create(&runtime), RESCL_ERR_NOT_FOUND, "no OpenCL platform",
                 "gone.icd names libno_such_driver.so.1, which does not open",
                 "empty.icd is empty");
}

static const rescl_device_info *find(const char *part)
{
    size_t index = 0;
    assert_ok(rescl_runtime_select(runtime, part, &index));
    return rescl_runtime_get_device_info(runtime, index);
}

/* Two devices of one platform, used at once, give the same. */
static void child_two_devices(void **state)
{
    (void)state;
    static const char *const selectors[] = {"pthread", "basic"};
    float result[2][64];
    assert_ok(rescl_runtime_create(&runtime));
    assert_string_not_equal(find("pthread")->name, find("basic")->name);
    assert_int_not_equal(find("pthread")->device, find("basic")->device);
    assert_int_equal(setenv("RESCL_KERNEL_DIR", TEST_KERNELS, 1), 0);
    rescl_device *devs[2] = {NULL, NULL};
    rs_buffer *bufs[2] = {NULL, NULL};
    for (int d = 0; d < 2; d++) {
        rs_kernel *k = NULL;
        const rs_grid grid = {.items = {64}, .group = {8}};
        for (int i = 0; i < 64; i++)
            result[d][i] = (float)i;
        assert_ok(rescl_device_open(runtime, selectors[d], 0, &devs[d]));
        assert_ok(rs_kernel_get(devs[d], "basic", "", "scale", &k));
        assert_ok(rs_buffer_create(devs[d], sizeof result[d], &bufs[d]));
        assert_ok(rs_write(devs[d], bufs[d], 0, result[d], sizeof result[d]));
        assert_ok(RS_LAUNCH(devs[d], k, grid, RS_BUF(bufs[d]), RS_BUF(bufs[d]), RS_FLOAT(0.1f),
                            RS_INT(64)));
    }
    for (int d = 0; d < 2; d++) {
        assert_ok(rs_read(devs[d], bufs[d], 0, result[d], sizeof result[d]));
        rs_buffer_release(bufs[d]);
        rescl_device_close(devs[d]);
    }
    assert_memory_equal(result[0], result[1], sizeof result[0]);
    assert_float_equal(result[0][63], 2.0f * 63.0f * 0.1f, 1e-5f);
    rescl_runtime_destroy(runtime);
}

static const struct {
    const char *name;
    const struct CMUnitTest test;
} children[] = {
    {"empty-folder", cmocka_unit_test(child_empty_folder)},
    {"missing-folder", cmocka_unit_test(child_missing_folder)},
    {"broken-files", cmocka_unit_test(child_broken_files)},
    {"two-devices", cmocka_unit_test(child_two_devices)},
};

static int run_as_child(const char *name)
{
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        const struct CMUnitTest tests[] = {children[i].test};
        if (strcmp(children[i].name, name) == 0)
            return cmocka_run_group_tests(tests, NULL, NULL);
    }
    return 127;
}

static void check_child(const char *name, const char *variable, const char *value)
{
    int status = 0;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        unsetenv("OCL_ICD_FILENAMES");
        unsetenv("OPENCL_VENDOR_PATH");
        setenv(variable, value, 1);
        execl(self, self, name, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- no platform ------------------------------------------------------------------------- */

static bool has_device(const char *part)
{
    rescl_runtime *rt = NULL;
    size_t index = 0;
    assert_ok(rescl_runtime_create(&rt));
    const bool found = rescl_runtime_select(rt, part, &index) == RESCL_OK;
    rescl_runtime_destroy(rt);
    return found;
}

static void tells_why_there_is_none(void **state)
{
    (void)state;
    if (has_device("Oclgrind")) {
        print_message("skipped: no platform found (Oclgrind takes the place of the ICD loader)\n");
        skip();
    }
    char *dir = rs_test_dir_make();
    char *gone = rs_path_join(dir, "gone.icd"), *empty = rs_path_join(dir, "empty.icd"),
         *missing = rs_path_join(dir, "missing");
    check_child("empty-folder", "OCL_ICD_VENDORS", dir);
    check_child("missing-folder", "OCL_ICD_VENDORS", missing);
    assert_ok(rs_file_write(gone, "libno_such_driver.so.1\n", 23));
    assert_ok(rs_file_write(empty, "", 0));
    check_child("broken-files", "OCL_ICD_VENDORS", dir);
    free(gone);
    free(empty);
    free(missing);
    rs_test_dir_remove(dir);
}

/* ---- devices ----------------------------------------------------------------------------- */

static void serves_two_devices(void **state)
{
    (void)state;
    if (!has_device("pthread")) {
        print_message("skipped: two PoCL devices in one process (PoCL is not installed)\n");
        skip();
    }
    check_child("two-devices", "POCL_DEVICES", "pthread basic");
}

static void describes_devices(void **state)
{
    (void)state;
    rescl_runtime *rt = NULL;
    assert_ok(rescl_runtime_create(&rt));
    const size_t count = rescl_runtime_device_count(rt);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const rescl_device_info *info = rescl_runtime_get_device_info(rt, i);
        assert_true(info->name[0] != '\0');
        assert_true(info->platform_name[0] != '\0');
        assert_true(info->float_width >= 1 && info->float_width <= 16);
        assert_int_equal(info->usable, info->reason[0] == '\0');
        if (info->usable) {
            char pair[64];
            size_t index = count;
            snprintf(pair, sizeof pair, "%zu:%zu", info->platform, info->device);
            assert_ok(rescl_runtime_select(rt, pair, &index));
            assert_int_equal(index, i);
            assert_true(info->max_alloc_bytes <= info->global_bytes);
            assert_true(info->max_group >= 1 && info->compute_units >= 1);
        }
    }
    assert_null(rescl_runtime_get_device_info(rt, count));
    rescl_runtime_destroy(rt);
    rescl_runtime_destroy(NULL);
}

static void set(const char *variable, const char *value)
{
    assert_int_equal(value ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

/* Limits set by hand lower those of the device, and hold for launches. */
static void obeys_the_environment(void **state)
{
    (void)state;
    rescl_runtime *rt = NULL;
    set("RESCL_MAX_GROUP", "2");
    set("RESCL_MAX_LOCAL", "16");
    set("RESCL_FLOAT_WIDTH", "4");
    set("RESCL_DEVICE_CLASS", "gpu");
    rescl_device *dev = test_device_open(&rt);
    const rescl_device_info *info = rescl_device_get_info(dev);
    assert_int_equal(info->max_group, 2);
    assert_int_equal(info->local_bytes, 16);
    assert_int_equal(info->float_width, 4);
    assert_int_equal(info->type, RESCL_DEVICE_GPU);

    rs_kernel *k = NULL;
    rs_buffer *buf = NULL;
    int32_t back[3] = {0};
    const rs_grid one = {.items = {2}, .group = {1}}, three = {.items = {3}, .group = {3}};
    assert_ok(rs_buffer_create(dev, 64, &buf));
    assert_ok(rs_kernel_get(dev, "basic", "", "options", &k));
    assert_int_equal(rs_kernel_max_group(k), 2);
    assert_ok(RS_LAUNCH(dev, k, one, RS_BUF(buf)));
    assert_ok(rs_read(dev, buf, 0, back, sizeof back));
    assert_int_equal(back[1], 4);
    assert_int_equal(back[2], 2);
    assert_fails(RS_LAUNCH(dev, k, three, RS_BUF(buf)), RESCL_ERR_UNSUPPORTED, "3x1x1");
    assert_ok(rs_kernel_get(dev, "basic", "", "sum_local", &k));
    assert_fails(RS_LAUNCH(dev, k, one, RS_BUF(buf), RS_BUF(buf), RS_LOCAL(32)),
                 RESCL_ERR_UNSUPPORTED, "32 bytes of local memory", "has 16");
    rs_buffer_release(buf);
    test_device_close(rt, dev);

    set("RESCL_MAX_GROUP", "0");
    assert_fails(rescl_runtime_create(&rt), RESCL_ERR_ARG, "RESCL_MAX_GROUP=0");
    set("RESCL_MAX_GROUP", "99999999");
    set("RESCL_FLOAT_WIDTH", "3");
    assert_fails(rescl_runtime_create(&rt), RESCL_ERR_ARG, "RESCL_FLOAT_WIDTH=3");
    set("RESCL_FLOAT_WIDTH", NULL);
    set("RESCL_DEVICE_CLASS", "GPU");
    assert_fails(rescl_runtime_create(&rt), RESCL_ERR_ARG, "RESCL_DEVICE_CLASS=GPU");
    set("RESCL_DEVICE_CLASS", NULL);
    set("RESCL_MAX_LOCAL", NULL);
    dev = test_device_open(&rt);
    assert_true(rescl_device_get_info(dev)->max_group < 99999999);
    test_device_close(rt, dev);
    set("RESCL_MAX_GROUP", NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_why_there_is_none),
        cmocka_unit_test(serves_two_devices),
        cmocka_unit_test(describes_devices),
        cmocka_unit_test(obeys_the_environment),
    };
    self = argv[0];
    if (argc > 1)
        return run_as_child(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
