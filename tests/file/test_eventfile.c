#include "testing.h"

#include "eventfile.h"

#include <stdlib.h>
#include <string.h>

#define TIME 1750000000.25

static const char *path_of(void)
{
    return rs_test_path("%s/events.out.tfevents.test", rs_test_dir);
}

static void put_scalars(rs_pb *pb, const void *about)
{
    (void)about;
    rs_event_scalar(pb, "loss/train", 0.5);
    rs_event_scalar(pb, "accuracy/val", 0.25);
}

static void put_others(rs_pb *pb, const void *about)
{
    static const double limit[] = {0, 1.5, 3}, in_bin[] = {2, 0, 5};
    const rs_event_image image = {.width = 3, .height = 2, .png = "not really a PNG", .bytes = 16};
    const rs_event_histogram histogram = {.least = -1,
                                          .most = 3,
                                          .count = 7,
                                          .sum = 4.5,
                                          .squares = 20,
                                          .limit = limit,
                                          .in_bin = in_bin,
                                          .bins = 3};
    float value[12];
    (void)about;
    for (size_t i = 0; i < 12; i++)
        value[i] = (float)i / 8;
    const rs_event_curve curve = {.value = value, .thresholds = 2};
    rs_event_image_value(pb, "images", &image);
    rs_event_histogram_value(pb, "weights", &histogram);
    rs_event_curve_value(pb, "pr/\xc3\xa4", &curve);
}

static void check_file(const char *expected, size_t expected_bytes)
{
    char *found;
    size_t bytes;
    assert_ok(rs_file_read(path_of(), 1 << 20, &found, &bytes));
    assert_int_equal(bytes, expected_bytes);
    assert_memory_equal(found, expected, bytes);
    free(found);
}

/* events.bin, the end of its version and that of its first event. */
static char *read_golden(size_t *bytes, size_t *version, size_t *first)
{
    char *golden;
    assert_ok(rs_file_read(rs_test_path("%s/tests/golden/events.bin", RESCL_TEST_SOURCE_DIR),
                           1 << 20, &golden, bytes));
    *version = 16 + (unsigned char)golden[0];
    *first = *version + 16 + (unsigned char)golden[*version];
    return golden;
}

static void write_all_events(void)
{
    assert_ok(rs_events_begin(path_of(), 0, TIME));
    assert_ok(rs_events_append(path_of(), 1, TIME, put_scalars, NULL));
    assert_ok(rs_events_append(path_of(), 300, TIME, put_others, NULL));
}

static void writes_what_tensorboard_writes(void **state)
{
    (void)state;
    size_t bytes, version, first;
    char *golden = read_golden(&bytes, &version, &first);
    write_all_events();
    check_file(golden, bytes);
    free(golden);
}

/* A run that goes on writes its later steps again, and drops what a crash has cut. */
static void goes_on_from_a_step(void **state)
{
    (void)state;
    size_t bytes, version, first;
    char *golden = read_golden(&bytes, &version, &first);
    write_all_events();
    assert_ok(rs_events_begin(path_of(), 300, TIME));
    check_file(golden, bytes);
    assert_ok(rs_events_begin(path_of(), 299, TIME));
    check_file(golden, first);
    assert_ok(rs_file_append(path_of(), golden + first, bytes - first - 1));
    assert_ok(rs_events_begin(path_of(), 1000, TIME));
    check_file(golden, first);
    assert_ok(rs_file_append(path_of(), "\x7f", 1));
    assert_ok(rs_events_begin(path_of(), 1, TIME));
    check_file(golden, first);
    assert_ok(rs_events_begin(path_of(), 0, TIME));
    check_file(golden, version);
    free(golden);
}

static void replaces_what_is_no_event(void **state)
{
    (void)state;
    size_t bytes, version, first;
    char *golden = read_golden(&bytes, &version, &first);
    assert_ok(rs_file_write(path_of(), "epoch,time\n", 11));
    assert_ok(rs_events_begin(path_of(), 5, TIME));
    check_file(golden, version);
    golden[20]++; /* within the version's record */
    assert_ok(rs_file_write(path_of(), golden, bytes));
    golden[20]--;
    assert_ok(rs_events_begin(path_of(), 5, TIME));
    check_file(golden, version);
    free(golden);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_what_tensorboard_writes),
        TEST(goes_on_from_a_step),
        TEST(replaces_what_is_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
