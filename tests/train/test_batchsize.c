/* The batch size that fits: devices whose memory is limited, planned for, and filled. */
#include "error.h"
#include "fixtures.h"
#include "testing.h"
#include "train_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct opened {
    rescl_runtime *runtime;
    rescl_device *dev;
} opened;

/* The device under test with so much memory, of which one allocation gets a quarter. */
static opened open_limited(const char *class, uint64_t bytes)
{
    opened o = {0};
    char text[2][32];
    snprintf(text[0], sizeof text[0], "%llu", (unsigned long long)bytes);
    snprintf(text[1], sizeof text[1], "%llu", (unsigned long long)(bytes / 4));
    setenv("RESCL_MAX_GLOBAL", text[0], 1);
    setenv("RESCL_MAX_ALLOC", text[1], 1);
    setenv("RESCL_DEVICE_CLASS", class, 1);
    assert_ok(rescl_runtime_create(&o.runtime));
    assert_ok(rescl_device_open(o.runtime, rs_test_selector(o.runtime), 0, &o.dev));
    unsetenv("RESCL_MAX_GLOBAL");
    unsetenv("RESCL_MAX_ALLOC");
    unsetenv("RESCL_DEVICE_CLASS");
    return o;
}

static void close_opened(opened *o)
{
    rescl_device_close(o->dev);
    rescl_runtime_destroy(o->runtime);
}

/* ---- plans ------------------------------------------------------------------------------- */

static void check_plan(const char *class, const char *model, size_t size, double gib,
                       const char *precision, bool recompute)
{
    const rescl_model_options mo = {
        .struct_size = sizeof mo, .name = model, .classes = 10, .image_size = size};
    const double all = gib * 1073741824.0;
    opened o = open_limited(class, (uint64_t)all);
    rescl_train_options options;
    rescl_model *m = NULL;
    rescl_batch_fit fit;

    rescl_train_options_default(&options);
    options.precision = precision;
    options.recompute = recompute;
    assert_ok(rescl_model_describe(&mo, &m));
    assert_ok(rescl_batch_size_fitting(o.dev, m, 1000000, 1000000, &options, &fit));
    print_message("%s, %s at %zu, %g GiB, %s%s: batch %zu takes %.3f\n", class, model, size, gib,
                  precision, recompute ? ", recompute" : "", fit.batch_size,
                  (double)fit.bytes / all);
    assert_true(fit.bytes <= fit.room && !fit.all);
    assert_true((double)fit.bytes >= 0.85 * all);
    rescl_model_destroy(m);
    close_opened(&o);
}

static void takes_most_of_the_memory(void **state)
{
    (void)state;
    check_plan("cpu", "resnet50", 64, 1.0, "fp32", false);
    check_plan("cpu", "resnet18", 64, 2.0, "bf16", false);
    check_plan("cpu", "resnet18", 64, 2.0, "fp32", true);
    check_plan("gpu", "resnet50", 224, 4.0, "fp32", false);
}

/* ---- runs -------------------------------------------------------------------------------- */

enum { MIB = 1 << 20, IMAGES = 90, TESTED = 50 };

/* A whole run on a device that has no more. */
static void check_run(uint64_t bytes, const char *precision, bool recompute)
{
    opened o = open_limited("cpu", bytes);
    rescl_dataset *set = rs_test_hands("train", IMAGES, 1),
                  *test = rs_test_hands("test", TESTED, 2);
    rescl_model *m = rs_test_model();
    rescl_train_options options = train_options(NULL);
    rescl_trainer *t = NULL;
    rescl_device_stats stats;

    options.epochs = 1;
    options.batch_size = 0;
    options.precision = precision;
    options.recompute = recompute;
    assert_ok(rescl_trainer_create(o.dev, m, set, test, &options, &t));
    assert_ok(rescl_trainer_run(t, NULL));
    rescl_device_get_stats(o.dev, &stats);
    print_message("%.1f MiB, %s%s: %.3f of it\n", (double)bytes / MIB, precision,
                  recompute ? ", recompute" : "", (double)stats.peak_bytes / (double)bytes);
    assert_true(stats.peak_bytes <= bytes);
    /* Pinned memory, which counts for so small a device, comes on top. */
    assert_true((double)stats.peak_bytes >= 0.65 * (double)bytes);
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
    rescl_dataset_close(set);
    rescl_dataset_close(test);
    close_opened(&o);
}

static void runs_fit(void **state)
{
    (void)state;
    check_run(4 * MIB, "fp32", false);
    check_run(7 * MIB, "fp32", false);
    check_run(7 * MIB, "fp32", true);
    check_run(5 * MIB, "fp16", false);
}

static void takes_all_images_and_not_more(void **state)
{
    rescl_model *m = rs_test_model();
    rescl_train_options options;
    rescl_batch_fit fit;
    (void)state;

    rescl_train_options_default(&options);
    assert_ok(rescl_batch_size_fitting(rs_test_device(), m, 37, 0, &options, &fit));
    assert_true(fit.all && fit.batch_size == 37);
    assert_fails(rescl_batch_size_fitting(rs_test_device(), m, 0, 0, &options, &fit), RESCL_ERR_ARG,
                 "no images");
    opened o = open_limited("cpu", MIB);
    assert_fails(rescl_batch_size_fitting(o.dev, m, 37, 0, &options, &fit), RESCL_ERR_MEMORY,
                 "has room for", "recompute");
    close_opened(&o);
    rescl_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_most_of_the_memory),
        cmocka_unit_test(runs_fit),
        cmocka_unit_test(takes_all_images_and_not_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
