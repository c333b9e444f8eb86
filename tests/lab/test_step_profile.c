#include "fixtures.h"
#include "testing.h"

#include <math.h>
#include <rescl/profile.h>
#include <string.h>

static rescl_bench_options small(bool train)
{
    rescl_bench_options o;
    rescl_bench_options_default(&o);
    o.model = "resnet8";
    o.size = TEST_SIZE;
    o.batch = 4;
    o.classes = 6;
    o.train = train;
    o.warmup = 0;
    o.repeats = 3;
    return o;
}

/* Skips where the driver measures no kernels. */
static rescl_profile *profile_of(const rescl_bench_options *o, const rescl_dataset *data,
                                 const rescl_bench_limits *limits)
{
    rescl_profile *p = NULL;
    const rescl_status st = rescl_profile_create(rs_test_device(), o, data, 1, limits, &p);
    if (st == RESCL_ERR_UNSUPPORTED) {
        print_message("skipped: %s\n", rescl_last_error()->message);
        skip();
    }
    assert_ok(st);
    return p;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static size_t events_of(const rescl_profile *p, rescl_profile_track track, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < p->events; i++)
        n += p->event[i].track == track && (!name || strcmp(p->event[i].name, name) == 0);
    return n;
}

static void parts_add_up(void **state)
{
    (void)state;
    for (int train = 0; train < 2; train++) {
        const rescl_bench_options o = small(train);
        rescl_profile *p = profile_of(&o, NULL, NULL);
        double rows = 0.0, ops = 0.0, calls = 0.0;
        assert_int_equal(p->steps, 3);
        assert_true(is_near(p->data_wait_ms + p->lead_ms + p->kernel_ms + p->transfer_ms +
                                p->gap_ms + p->tail_ms,
                            p->step_ms));
        for (size_t i = 0; i < p->rows; i++) {
            rows += p->row[i].ms;
            calls += p->row[i].calls;
            assert_true(i == 0 || p->row[i].ms <= p->row[i - 1].ms);
            assert_true(strlen(p->row[i].op) > 0 && strlen(p->row[i].kernel) > 0);
            assert_true(isnan(p->row[i].of_limit));
        }
        for (size_t i = 0; i < p->ops; i++)
            ops += p->op[i].ms;
        assert_true(is_near(rows, p->kernel_ms) && is_near(ops, p->kernel_ms));
        assert_true(is_near(calls, p->calls) && p->calls >= 10.0);
        assert_true(p->bare_ms > 0.0 && strlen(p->advice) > 20);
        assert_int_equal(events_of(p, RESCL_TRACK_HOST, "step"), 3);
        assert_int_equal(events_of(p, RESCL_TRACK_HOST, "wait for data"), 0);
        assert_int_equal(events_of(p, RESCL_TRACK_UPLOADS, NULL), 0);
        assert_true(events_of(p, RESCL_TRACK_QUEUE, "read") == 6); /* logits and losses */
        rescl_profile_destroy(p);
    }
    rescl_profile_destroy(NULL);
}

/* Each pass's operations are counted once, however many kernels it has. */
static void operations_are_counted_once(void **state)
{
    (void)state;
    const rescl_bench_limits limits = {.fma_gflops = 1e3, .read_gbs = 100.0, .triad_gbs = 100.0};
    const rescl_bench_options o = small(false);
    const rescl_model_options about = {
        .struct_size = sizeof about, .name = o.model, .classes = o.classes, .image_size = o.size};
    rescl_profile *p = profile_of(&o, NULL, &limits);
    rescl_model *model = NULL;
    rescl_model_info info;
    double flop = 0.0, by_op = 0.0;
    size_t judged = 0;
    assert_ok(rescl_model_create(&about, &model));
    rescl_model_get_info(model, &info);
    for (size_t i = 0; i < p->rows; i++) {
        const rescl_profile_row *row = &p->row[i];
        flop += row->flop;
        if (row->flop > 0.0 || row->bytes > 0.0) {
            const double least = fmax(row->flop / 1e9, row->bytes / 1e8);
            assert_true(is_near(row->of_limit, least / row->ms));
            assert_int_equal(row->memory_bound, row->bytes / 1e8 > row->flop / 1e9);
            judged++;
        } else {
            assert_true(isnan(row->of_limit));
        }
    }
    for (size_t i = 0; i < p->ops; i++)
        by_op += p->op[i].flop;
    assert_true(is_near(flop, 2.0 * info.macs * (double)o.batch) && is_near(by_op, flop));
    assert_true(judged > 8);
    rescl_model_destroy(model);
    rescl_profile_destroy(p);
}

static void batches_go_up_beside_the_rest(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    o.host_input = true;
    rescl_profile *p = profile_of(&o, NULL, NULL);
    for (size_t i = 0; i < p->rows; i++) /* reads gradients, parameters and momentum, writes two */
        if (strcmp(p->row[i].pass, "update") == 0 && strcmp(p->row[i].layer, "body") == 0)
            assert_true(p->row[i].bytes > 5 * 4 * 70e3 && p->row[i].bytes < 5 * 4 * 90e3);
    assert_int_equal(events_of(p, RESCL_TRACK_UPLOADS, "upload"), 3);
    assert_int_equal(events_of(p, RESCL_TRACK_HOST, "send the next batch"), 3);
    for (size_t i = 0; i < p->events; i++)
        if (p->event[i].track == RESCL_TRACK_UPLOADS)
            assert_true(p->event[i].bytes >= 4 * TEST_SIZE * TEST_SIZE * 3);
    assert_true(p->upload_ms >= 0.0);
    rescl_profile_destroy(p);
}

/* More steps than an epoch has batches. */
static void data_is_waited_for(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    rescl_dataset *data = rs_test_hands("train", 9, 0);
    rescl_profile *p = profile_of(&o, data, NULL);
    assert_int_equal(events_of(p, RESCL_TRACK_HOST, "wait for data"), 3);
    assert_int_equal(events_of(p, RESCL_TRACK_UPLOADS, "upload"), 3);
    assert_true(p->data_wait_ms > 0.0 && p->data_wait_ms < p->step_ms);
    rescl_profile_destroy(p);
    o.batch = 10;
    assert_fails(rescl_profile_create(rs_test_device(), &o, data, 1, NULL, &p), RESCL_ERR_ARG,
                 "9 images");
    o.batch = 4;
    o.classes = 2;
    assert_fails(rescl_profile_create(rs_test_device(), &o, data, 1, NULL, &p), RESCL_ERR_ARG,
                 "6 classes");
    rescl_dataset_close(data);
}

static void odd_options_are_refused(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    rescl_profile *p = NULL;
    o.model = "resnet9";
    assert_fails(rescl_profile_create(rs_test_device(), &o, NULL, 1, NULL, &p), RESCL_ERR_NOT_FOUND,
                 "resnet9");
    o = small(true);
    o.repeats = 0;
    assert_fails(rescl_profile_create(rs_test_device(), &o, NULL, 1, NULL, &p), RESCL_ERR_ARG,
                 "repeats 0");
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(operations_are_counted_once),
        cmocka_unit_test(batches_go_up_beside_the_rest),
        cmocka_unit_test(data_is_waited_for),
        cmocka_unit_test(odd_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
