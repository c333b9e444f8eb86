#include "device_support.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

static rs_buffer *buffer(size_t bytes)
{
    rs_buffer *buf = NULL;
    assert_ok(rs_buffer_create(test_dev, bytes, &buf));
    assert_int_equal(rs_buffer_bytes(buf), bytes);
    return buf;
}

static void pools_what_is_released(void **state)
{
    (void)state;
    const size_t mib = 1 << 20;
    rs_buffer *a = buffer(mib);
    const uint64_t held = test_stats(test_dev).bytes;
    assert_int_equal(held, mib);
    assert_int_equal(test_stats(test_dev).allocations, 1);
    rs_buffer_release(a);
    assert_int_equal(test_stats(test_dev).bytes, held);

    a = buffer(mib - mib / 16); /* fits: less than 1/8 is wasted */
    assert_int_equal(test_stats(test_dev).bytes, held);
    assert_int_equal(test_stats(test_dev).allocations, 2);
    rs_buffer *b = buffer(1);
    assert_true(test_stats(test_dev).bytes > held);
    rs_buffer_release(a);
    a = buffer(mib / 2); /* would waste half of it */
    assert_true(test_stats(test_dev).bytes >= held + mib / 2);
    assert_int_equal(test_stats(test_dev).peak_bytes, test_stats(test_dev).bytes);

    /* The smaller of two that fit. */
    rs_buffer *c = buffer(mib + mib / 16), *d = buffer(mib);
    const uint64_t before = test_stats(test_dev).bytes;
    rs_buffer_release(c);
    rs_buffer_release(d);
    c = buffer(mib);
    d = buffer(mib + mib / 16);
    assert_int_equal(test_stats(test_dev).bytes, before);
    rs_buffer_release(a);
    rs_buffer_release(b);
    rs_buffer_release(c);
    rs_buffer_release(d);
    rs_buffer_release(NULL);
}

static void copies_and_fills(void **state)
{
    (void)state;
    enum { N = 1000 };
    unsigned char host[N], back[N];
    rs_buffer *a = buffer(N), *b = buffer(N);
    for (int i = 0; i < N; i++)
        host[i] = (unsigned char)(i % 251 + 1);
    assert_ok(rs_write(test_dev, a, 0, host, N));
    assert_ok(rs_fill_zero(test_dev, b, 0, N));
    assert_ok(rs_copy(test_dev, a, 100, b, 203, 300));
    assert_ok(rs_read(test_dev, b, 0, back, N));
    for (int i = 0; i < N; i++)
        assert_int_equal(back[i], i >= 203 && i < 503 ? host[i - 103] : 0);

    assert_ok(rs_fill_zero(test_dev, a, 3, 10)); /* not a multiple of four */
    assert_ok(rs_fill_zero(test_dev, a, 16, 8));
    assert_ok(rs_read(test_dev, a, 0, back, 32));
    for (int i = 0; i < 32; i++)
        assert_int_equal(back[i], (i >= 3 && i < 13) || (i >= 16 && i < 24) ? 0 : host[i]);
    assert_ok(rs_read(test_dev, a, 990, back, 10));
    assert_memory_equal(back, host + 990, 10);
    assert_ok(rs_copy(test_dev, a, 500, a, 0, 500)); /* two parts of one buffer */
    assert_ok(rs_read(test_dev, a, 0, back, 500));
    assert_memory_equal(back, host + 500, 500);
    assert_ok(rs_write(test_dev, a, N, host, 0));
    assert_ok(rs_fill_zero(test_dev, a, N, 0));

    assert_fails(rs_write(test_dev, a, 1, host, N), RESCL_ERR_ARG, "1000 bytes at 1",
                 "buffer of 1000");
    assert_fails(rs_read(test_dev, a, N + 1, back, 0), RESCL_ERR_ARG, "at 1001");
    assert_fails(rs_read(test_dev, a, SIZE_MAX, back, 2), RESCL_ERR_ARG, "read");
    assert_fails(rs_copy(test_dev, a, 0, b, 999, 2), RESCL_ERR_ARG, "copy to");
    assert_fails(rs_copy(test_dev, a, 0, a, 1, 2), RESCL_ERR_ARG, "overlap");
    assert_fails(rs_fill_zero(test_dev, NULL, 0, 1), RESCL_ERR_ARG, "no buffer");
    rs_buffer_release(a);
    rs_buffer_release(b);
}

static void reads_asynchronously(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    unsigned char *host = malloc(N), *back = calloc(N, 1);
    rs_fence *in = NULL;
    rs_buffer *a = buffer(N);
    assert_non_null(host);
    assert_non_null(back);
    for (int i = 0; i < N; i++)
        host[i] = (unsigned char)(i * 7);
    assert_ok(rs_write(test_dev, a, 0, host, N));
    assert_ok(rs_read_async(test_dev, a, 0, back, N, &in));
    assert_ok(rs_fence_wait(in));
    assert_memory_equal(host, back, N);
    assert_ok(rs_fence_wait(NULL));
    assert_ok(rs_read_async(test_dev, a, 0, back, 0, &in));
    assert_null(in);
    assert_fails(rs_read_async(test_dev, a, 1, back, N, &in), RESCL_ERR_ARG, "read");
    assert_null(in);
    assert_ok(rs_flush(test_dev));
    assert_ok(rs_finish(test_dev));
    rs_buffer_release(a);
    free(host);
    free(back);
}

static void views_share_their_parent(void **state)
{
    (void)state;
    const size_t align = rs_device_align(test_dev);
    assert_true(align >= 64);
    rs_buffer *parent = buffer(4 * align), *view = NULL, *other = NULL, *bad = NULL;
    unsigned char host[16], back[16];
    memset(host, 0x5a, sizeof host);
    const uint64_t held = test_stats(test_dev).bytes, made = test_stats(test_dev).allocations;
    assert_ok(rs_buffer_view(parent, align, align + 1, &view));
    assert_ok(rs_buffer_view(parent, 3 * align, align, &other));
    assert_int_equal(rs_buffer_bytes(view), align + 1);
    assert_int_equal(test_stats(test_dev).bytes, held);
    assert_int_equal(test_stats(test_dev).allocations, made + 2);
    assert_ok(rs_fill_zero(test_dev, parent, 0, 4 * align));
    assert_ok(rs_write(test_dev, view, 8, host, sizeof host));
    assert_ok(rs_read(test_dev, parent, align + 8, back, sizeof back));
    assert_memory_equal(host, back, sizeof host);
    assert_ok(rs_copy(test_dev, view, 8, other, 0, sizeof host));
    assert_ok(rs_read(test_dev, parent, 3 * align, back, sizeof back));
    assert_memory_equal(host, back, sizeof host);
    assert_fails(rs_copy(test_dev, view, 0, parent, align + 4, 8), RESCL_ERR_ARG, "overlap");

    assert_fails(rs_buffer_view(parent, 1, 8, &bad), RESCL_ERR_ARG, "multiple of");
    assert_fails(rs_buffer_view(parent, align, 3 * align + 1, &bad), RESCL_ERR_ARG, "in a buffer");
    assert_fails(rs_buffer_view(parent, 4 * align, 0, &bad), RESCL_ERR_ARG, "0 bytes");
    assert_fails(rs_buffer_view(view, 0, 8, &bad), RESCL_ERR_ARG, "view of a view");
    assert_null(bad);

    rs_buffer_release(parent); /* the views keep it */
    rs_buffer *fresh = buffer(4 * align);
    assert_ok(rs_fill_zero(test_dev, fresh, 0, 4 * align));
    assert_ok(rs_read(test_dev, view, 8, back, sizeof back));
    assert_memory_equal(host, back, sizeof host);
    assert_ptr_equal(rs_buffer_retain(view), view);
    rs_buffer_release(view);
    rs_buffer_release(view);
    rs_buffer_release(other);
    rs_buffer_release(fresh);
}

static void says_when_memory_is_short(void **state)
{
    (void)state;
    const size_t mib = 1 << 20;
    rs_buffer *none = NULL;
    assert_int_equal(setenv("RESCL_MAX_ALLOC", "4194304", 1), 0);
    assert_int_equal(setenv("RESCL_MAX_GLOBAL", "8388608", 1), 0);
    test_device_setup(state);
    assert_int_equal(unsetenv("RESCL_MAX_ALLOC"), 0);
    assert_int_equal(unsetenv("RESCL_MAX_GLOBAL"), 0);
    assert_int_equal(rescl_device_get_info(test_dev)->max_alloc_bytes, 4 * mib);
    assert_fails(rs_buffer_create(test_dev, 0, &none), RESCL_ERR_ARG, "0 bytes");
    assert_fails(rs_buffer_create(test_dev, SIZE_MAX - 3, &none), RESCL_ERR_MEMORY, "asked for");
    assert_fails(rs_buffer_create(test_dev, 4 * mib + 1, &none), RESCL_ERR_MEMORY,
                 "asked for 4.0 MiB", "largest single allocation 4.0 MiB", "--batch-size");
    rs_buffer *a = buffer(4 * mib), *b = buffer(3 * mib);
    assert_fails(rs_buffer_create(test_dev, 2 * mib, &none), RESCL_ERR_MEMORY,
                 "holds 7.0 MiB of 8.0");
    assert_null(none);
    rs_buffer_release(b); /* pooled: given back when it is in the way */
    b = buffer(2 * mib);
    assert_int_equal(test_stats(test_dev).bytes, 6 * mib);
    assert_int_equal(test_stats(test_dev).peak_bytes, 7 * mib);
    rs_buffer_release(a);
    rs_buffer_release(b);
    test_device_teardown(state);
}

static void keeps_devices_apart(void **state)
{
    (void)state;
    rescl_device *second = NULL;
    rs_buffer *buf = NULL;
    unsigned char byte = 0;
    const char *name = rescl_device_get_info(test_dev)->name;
    assert_ok(rescl_device_open(test_runtime, name, 0, &second));
    assert_ok(rs_buffer_create(second, 16, &buf));
    assert_fails(rs_write(test_dev, buf, 0, &byte, 1), RESCL_ERR_ARG, "another device");
    rs_buffer_release(buf);
    rescl_device_close(second);
    rescl_device_close(NULL);
    assert_fails(rescl_device_open(test_runtime, name, 64, &second), RESCL_ERR_ARG, "flags");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pools_what_is_released, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(copies_and_fills, test_device_setup, test_device_teardown),
        cmocka_unit_test_setup_teardown(reads_asynchronously, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(views_share_their_parent, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test_setup_teardown(keeps_devices_apart, test_device_setup,
                                        test_device_teardown),
        cmocka_unit_test(says_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
