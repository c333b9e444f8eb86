#include "device_support.h"
#include "testing.h"

#include <string.h>

static rescl_runtime *runtime;
static rescl_device *plain, *dev;

static int open_device(void **state)
{
    (void)state;
    plain = test_device_open(&runtime);
    dev = test_device_open_profiling(runtime, plain);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    rescl_device_close(dev);
    test_device_close(runtime, plain);
    return 0;
}

static rs_buffer *buf;

static void launch(const char *name, size_t items, const char *label)
{
    rs_kernel *k = NULL;
    const rs_grid grid = {.items = {items}, .group = {4}};
    assert_ok(rs_kernel_get(dev, "basic", "", name, &k));
    rs_profile_label(dev, label);
    if (strcmp(name, "scale") == 0)
        assert_ok(
            RS_LAUNCH(dev, k, grid, RS_BUF(buf), RS_BUF(buf), RS_FLOAT(1), RS_INT((int)items)));
    else
        assert_ok(RS_LAUNCH(dev, k, grid, RS_BUF(buf)));
}

static const rs_profile_row *find(const rs_profile_row *rows, size_t count, const char *kernel,
                                  const char *label)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].kernel, kernel) == 0 &&
            (label ? rows[i].label && strcmp(rows[i].label, label) == 0 : rows[i].label == NULL))
            return &rows[i];
    fail_msg("no row for %s, %s", kernel, label ? label : "no label");
    return NULL;
}

static void sums_by_kernel_and_label(void **state)
{
    (void)state;
    const rs_profile_row *rows = NULL;
    size_t count = 99;
    char same_text[] = "first";
    if (dev == NULL)
        skip();
    assert_ok(rs_buffer_create(dev, 1 << 20, &buf));
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(count, 0);
    launch("of_four", 4, NULL);
    launch("scale", 1 << 18, "first");
    launch("scale", 1 << 18, same_text);
    memset(same_text, 'x', sizeof same_text - 1); /* what a label stood in is the caller's again */
    launch("scale", 64, "second");
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(count, 3);
    assert_int_equal(find(rows, count, "of_four", NULL)->launches, 1);
    assert_int_equal(find(rows, count, "scale", "first")->launches, 2);
    assert_int_equal(find(rows, count, "scale", "second")->launches, 1);
    assert_true(find(rows, count, "scale", "first")->total_ns > 0);
    for (size_t i = 1; i < count; i++)
        assert_true(rows[i - 1].total_ns >= rows[i].total_ns);

    launch("scale", 64, "second");
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(find(rows, count, "scale", "second")->launches, 2);
    launch("scale", 64, "second");
    rs_profile_reset(dev);
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(count, 0);
    rs_buffer_release(buf);
}

/* More launches than events are kept for. */
static void sums_many(void **state)
{
    (void)state;
    enum { LAUNCHES = 9000 };
    const rs_profile_row *rows = NULL;
    size_t count = 0;
    if (dev == NULL)
        skip();
    assert_ok(rs_buffer_create(dev, 64, &buf));
    for (int i = 0; i < LAUNCHES; i++)
        launch("of_four", 4, i % 2 ? "odd" : "even");
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].launches, LAUNCHES / 2);
    assert_int_equal(rows[1].launches, LAUNCHES / 2);
    rs_buffer_release(buf);
}

static void needs_the_flag(void **state)
{
    (void)state;
    const rs_profile_row *rows = NULL;
    size_t count = 0;
    rs_profile_label(plain, "x");
    rs_profile_reset(plain);
    assert_fails(rs_profile_get(plain, &rows, &count), RESCL_ERR_ARG, "RESCL_DEVICE_PROFILE");
}

/* Times for a while, on a device that was opened without. */
static void times_for_a_while(void **state)
{
    (void)state;
    rescl_device *const profiling = dev;
    const rs_profile_row *rows = NULL;
    size_t count = 0;
    double all = -1, one = -1, none = -1;
    if (dev == NULL)
        skip();
    dev = plain;
    assert_ok(rs_buffer_create(dev, 1 << 20, &buf));
    launch("scale", 1 << 18, NULL); /* on the other queue */
    assert_ok(rs_profile_begin(dev));
    assert_true(rs_profile_is_on(dev));
    assert_ok(rs_profile_span(dev, &none));
    assert_true(!(none > 0.0) && !(none < 0.0));
    launch("scale", 1 << 18, NULL);
    assert_ok(rs_profile_span(dev, &one));
    for (int i = 0; i < 50; i++)
        launch("scale", 1 << 18, NULL);
    assert_ok(rs_profile_get(dev, &rows, &count));
    assert_int_equal(count, 1);
    const double sum = (double)rows[0].total_ns * 1e-6;
    for (int i = 0; i < 50; i++)
        launch("scale", 1 << 18, NULL);
    assert_ok(rs_profile_begin(dev)); /* changes nothing */
    assert_ok(rs_profile_span(dev, &all));
    assert_true(one > 0.0 && all > one && sum > 0.0);
    rs_profile_end(dev);
    assert_false(rs_profile_is_on(dev));
    assert_fails(rs_profile_span(dev, &all), RESCL_ERR_ARG, "not profiled");
    launch("scale", 1 << 18, NULL);
    assert_ok(rs_finish(dev));
    rs_profile_end(dev);
    assert_ok(rs_profile_begin(dev)); /* closing the device ends it */
    rs_buffer_release(buf);
    dev = profiling;
}

/* One by one, transfers too, in the order in which they were enqueued. */
static void keeps_commands(void **state)
{
    (void)state;
    const rs_profile_command *c = NULL;
    size_t count = 99;
    uint32_t numbers[64] = {0};
    if (dev == NULL)
        skip();
    rs_profile_reset(dev);
    assert_ok(rs_buffer_create(dev, 1 << 20, &buf));
    launch("scale", 64, "before"); /* is summed up and not kept */
    assert_ok(rs_profile_commands(dev, &c, &count));
    assert_int_equal(count, 0);
    static const rs_command_kind kinds[] = {RS_COMMAND_WRITE, RS_COMMAND_KERNEL, RS_COMMAND_READ};
    rs_profile_keep(dev, true);
    assert_ok(rs_write(dev, buf, 0, numbers, sizeof numbers));
    launch("scale", 64, "here");
    assert_ok(rs_read(dev, buf, 0, numbers, sizeof numbers));
    assert_ok(rs_profile_commands(dev, &c, &count));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        const bool kernel = kinds[i] == RS_COMMAND_KERNEL;
        assert_int_equal(c[i].kind, kinds[i]);
        assert_int_equal(c[i].bytes, kernel ? 0 : sizeof numbers);
        assert_true(c[i].asked <= c[i].enqueued && c[i].start <= c[i].end);
        assert_true(i == 0 || c[i - 1].end <= c[i].end);
        assert_true(!kernel || strcmp(c[i].label, "here") == 0);
    }
    assert_string_equal(c[1].name, "scale");
    assert_string_equal(c[2].name, "read");
    rs_profile_keep(dev, false);
    rs_profile_reset(dev);
    rs_buffer_release(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_by_kernel_and_label), cmocka_unit_test(sums_many),
        cmocka_unit_test(needs_the_flag),           cmocka_unit_test(times_for_a_while),
        cmocka_unit_test(keeps_commands),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
