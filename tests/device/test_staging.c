/* Uploads beside the device's commands: what is read is what was sent, in its order, whatever the two
 * queues are busy with. */
#include "device_support.h"
#include "pinned.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES = 3000000, TAIL = 1000 };

static rs_staging *staging(size_t bytes)
{
    rs_staging *s = NULL;
    assert_ok(rs_staging_create(test_dev, bytes, &s));
    return s;
}

/* Batch i is filled with a number of its own, and has a size of its own. */
static size_t size_of(size_t i)
{
    return BYTES - i * 37;
}

static void send(rs_staging *s, size_t i)
{
    void *host = NULL;
    assert_ok(rs_staging_begin(s, size_of(i), &host));
    memset(host, (int)(i % 251 + 1), size_of(i));
    assert_ok(rs_staging_send(s));
}

/* Copies the batch to its own place, first what an upload that is not waited for brings last. */
static void receive(rs_staging *s, size_t i, rs_buffer *all)
{
    rs_buffer *buf = NULL;
    assert_ok(rs_staging_receive(s, &buf));
    const size_t rest = size_of(i) - TAIL;
    assert_ok(rs_copy(test_dev, buf, rest, all, i * BYTES + rest, TAIL));
    assert_ok(rs_copy(test_dev, buf, 0, all, i * BYTES, rest));
    assert_ok(rs_staging_release(s));
}

static void check(rs_buffer *all, size_t count)
{
    uint8_t *back = malloc(BYTES);
    assert_non_null(back);
    for (size_t i = 0; i < count; i++) {
        assert_ok(rs_read(test_dev, all, i * BYTES, back, size_of(i)));
        for (size_t k = 0; k < size_of(i); k++)
            if (back[k] != i % 251 + 1)
                fail_msg("batch %zu: byte %zu is of batch %d", i, k, back[k] - 1);
    }
    free(back);
}

static void keep_busy(rs_buffer *a, rs_buffer *b)
{
    for (int i = 0; i < 4; i++)
        assert_ok(rs_copy(test_dev, a, 0, b, 0, rs_buffer_bytes(a)));
}

/* Nothing is waited for but by the staging itself: the device is behind, and ahead, of the uploads. */
static void each_batch_is_read_as_it_was_sent(void **state)
{
    enum { COUNT = 24 };
    (void)state;
    rs_staging *s = staging(BYTES);
    rs_buffer *all = NULL, *a = NULL, *b = NULL;
    assert_ok(rs_buffer_create(test_dev, (size_t)COUNT * BYTES, &all));
    assert_ok(rs_buffer_create(test_dev, 1 << 22, &a));
    assert_ok(rs_buffer_create(test_dev, 1 << 22, &b));
    for (int ahead = 0; ahead < 2; ahead++) {
        assert_ok(rs_fill_zero(test_dev, all, 0, (size_t)COUNT * BYTES));
        if (ahead)
            send(s, 0);
        for (size_t i = 0; i < COUNT; i++) {
            if (i % 3 == 0)
                keep_busy(a, b);
            if (i + (size_t)ahead < COUNT)
                send(s, i + (size_t)ahead);
            receive(s, i, all);
        }
        check(all, COUNT);
    }
    rs_staging_destroy(s);
    rs_buffer_release(all);
    rs_buffer_release(a);
    rs_buffer_release(b);
}

static void refuses_what_is_out_of_order(void **state)
{
    (void)state;
    rs_staging *s = staging(BYTES);
    rs_buffer *buf = NULL;
    void *host = NULL;
    assert_fails(rs_staging_begin(s, BYTES + 1, &host), RESCL_ERR_ARG, "3000001", "3000000");
    assert_fails(rs_staging_begin(s, 0, &host), RESCL_ERR_ARG, "0 bytes");
    assert_fails(rs_staging_send(s), RESCL_ERR_ARG, "begun");
    assert_fails(rs_staging_receive(s, &buf), RESCL_ERR_ARG, "no batch was sent");
    assert_fails(rs_staging_release(s), RESCL_ERR_ARG, "no batch was received");
    send(s, 0);
    send(s, 1);
    assert_fails(rs_staging_begin(s, BYTES, &host), RESCL_ERR_ARG, "2 batches");
    rs_staging_destroy(s); /* with both under way */
    rs_staging_destroy(NULL);
}

/* What was sent, or begun, before is forgotten. */
static void begins_anew_after_a_reset(void **state)
{
    (void)state;
    rs_staging *s = staging(BYTES);
    rs_buffer *all = NULL, *buf = NULL;
    void *host = NULL;
    assert_ok(rs_buffer_create(test_dev, BYTES, &all));
    for (int when = 0; when < 5; when++) {
        if (when == 1)
            assert_ok(rs_staging_begin(s, BYTES, &host));
        if (when > 1)
            send(s, 7);
        if (when > 2)
            send(s, 8);
        if (when > 3)
            assert_ok(rs_staging_receive(s, &buf));
        rs_staging_reset(s);
        assert_fails(rs_staging_send(s), RESCL_ERR_ARG, "begun");
        assert_fails(rs_staging_receive(s, &buf), RESCL_ERR_ARG, "no batch was sent");
        send(s, 0);
        receive(s, 0, all);
        check(all, 1);
    }
    rs_staging_destroy(s);
    rs_buffer_release(all);
}

static void reads_and_writes_pinned_memory(void **state)
{
    (void)state;
    enum { PINNED = 1000 };
    rs_pinned *p = NULL;
    rs_buffer *buf = NULL;
    uint8_t plain[PINNED];

    assert_ok(rs_pinned_create(test_dev, PINNED, &p));
    assert_ok(rs_buffer_create(test_dev, PINNED, &buf));
    uint8_t *host = rs_pinned_host(p);
    for (int i = 0; i < PINNED; i++)
        host[i] = (uint8_t)(i * 7);
    assert_ok(rs_write(test_dev, buf, 0, host, PINNED));
    assert_ok(rs_read(test_dev, buf, 0, plain, PINNED));
    assert_memory_equal(plain, host, PINNED);
    memset(host, 0, PINNED);
    assert_ok(rs_read(test_dev, buf, 0, host, PINNED));
    assert_memory_equal(plain, host, PINNED);
    rs_buffer_release(buf);
    rs_pinned_destroy(p);
    rs_pinned_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_pinned_memory),
        cmocka_unit_test(each_batch_is_read_as_it_was_sent),
        cmocka_unit_test(refuses_what_is_out_of_order),
        cmocka_unit_test(begins_anew_after_a_reset),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
