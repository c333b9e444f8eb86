#include "fixtures.h"

#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static rescl_runtime *runtime;
static rescl_device *device;

const char *rs_test_selector(const rescl_runtime *all)
{
    static const char pocl[] = "Portable Computing Language";
    const char *selector = getenv("RESCL_TEST_DEVICE");
    size_t index;
    if (selector)
        return selector;
    return rescl_runtime_select(all, pocl, &index) == RESCL_OK ? pocl : "auto";
}

static void close_device(void)
{
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    device = NULL;
    runtime = NULL;
}

/* A driver's libraries may have been torn down by then: Oclgrind's abort. */
static void check_closed(void)
{
    if (!device)
        return;
    fputs("the device under test is open at exit: rs_test_group closes it\n", stderr);
    _exit(1);
}

rescl_device *rs_test_device(void)
{
    static bool checked;
    if (device)
        return device;
    if (!checked)
        atexit(check_closed);
    checked = true;
    rs_test_at_end(close_device);
    if (!runtime)
        assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device));
    print_message("device: %s\n", rescl_device_get_info(device)->name);
    return device;
}

rescl_dataset *rs_test_hands(const char *split, size_t samples, uint64_t seed)
{
    const rescl_data_options o = {.struct_size = sizeof o,
                                  .path = "handsigns",
                                  .split = split,
                                  .image_size = TEST_SIZE,
                                  .samples = samples,
                                  .seed = seed};
    rescl_dataset *set = NULL;
    assert_ok(rescl_dataset_open(&o, &set));
    return set;
}

rescl_model *rs_test_model(void)
{
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = 6,
                                   .image_size = TEST_SIZE,
                                   .dropout = 0.3,
                                   .seed = 5};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}
