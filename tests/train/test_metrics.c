#include "testing.h"

#include "metrics.h"

#include <math.h>

static rs_tally tally_one(const float *logits, size_t classes, int32_t label)
{
    rs_tally t = {0};
    const float loss = 0.5f;
    rs_tally_add(&t, logits, &loss, &label, 1, classes);
    assert_int_equal(t.samples, 1);
    return t;
}

static void counts_top1_and_top5(void **state)
{
    (void)state;
    const float logits[8] = {0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f, 0.2f, 0.1f};
    for (int32_t label = 0; label < 8; label++) {
        const rs_tally t = tally_one(logits, 8, label);
        assert_int_equal(t.top1, label < 1);
        assert_int_equal(t.top5, label < 5);
    }
}

static void ranks_equal_logits_by_index(void **state)
{
    (void)state;
    const float equal[7] = {1, 1, 1, 1, 1, 1, 1};
    for (int32_t label = 0; label < 7; label++) {
        const rs_tally t = tally_one(equal, 7, label);
        assert_int_equal(t.top1, label == 0);
        assert_int_equal(t.top5, label < 5);
    }
    const float later[3] = {0, 2, 2};
    assert_int_equal(tally_one(later, 3, 1).top1, 1);
    assert_int_equal(tally_one(later, 3, 2).top1, 0);
}

static void counts_nan_as_wrong(void **state)
{
    (void)state;
    const float logits[3] = {NAN, 1, 2};
    assert_int_equal(tally_one(logits, 3, 0).top1, 0);
    assert_int_equal(tally_one(logits, 3, 0).top5, 0);
    assert_int_equal(tally_one(logits, 3, 2).top1, 1);
}

static void averages_over_batches(void **state)
{
    (void)state;
    const float logits[4] = {1, 0, 0, 1}, losses[2] = {1.0f, 3.0f};
    const int32_t labels[2] = {0, 0};
    rs_tally t = {0};
    rescl_metrics m;
    rs_tally_add(&t, logits, losses, labels, 2, 2);
    rs_tally_add(&t, logits, losses, labels, 1, 2);
    rs_tally_metrics(&t, 2, 0.5, 0.25, &m);
    assert_int_equal(m.samples, 3);
    assert_true(fabs(m.loss - 5.0 / 3.0) < 1e-15);
    assert_true(fabs(m.top1 - 2.0 / 3.0) < 1e-15);
    assert_true(isnan(m.top5));
    assert_true(fabs(m.img_s - 6.0) < 1e-12 && fabs(m.data_wait - 0.25) < 1e-15);
    rs_tally_metrics(&t, 6, 0.5, 0.25, &m);
    assert_true(fabs(m.top5 - 1.0) < 1e-15);
}

static void has_no_mean_without_samples(void **state)
{
    (void)state;
    const rs_tally none = {0};
    rescl_metrics m;
    rs_tally_metrics(&none, 10, 0.0, 0.0, &m);
    assert_int_equal(m.samples, 0);
    assert_true(isnan(m.loss) && isnan(m.top1) && isnan(m.top5));
    assert_true(m.img_s >= 0.0 && m.img_s <= 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_top1_and_top5),
        cmocka_unit_test(ranks_equal_logits_by_index),
        cmocka_unit_test(counts_nan_as_wrong),
        cmocka_unit_test(averages_over_batches),
        cmocka_unit_test(has_no_mean_without_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
