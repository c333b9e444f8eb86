#include "fixtures.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rescl_bench_options small(bool train)
{
    rescl_bench_options o;
    rescl_bench_options_default(&o);
    o.model = "resnet8";
    o.size = 16;
    o.batch = 4;
    o.classes = 6;
    o.train = train;
    o.repeats = 3;
    o.min_seconds = 0.0;
    o.max_noise = 0.0;
    return o;
}

static void keep_model(const rescl_bench_row *row, void *user)
{
    uint64_t *peak = user;
    assert_string_equal(row->kind, "model");
    assert_string_equal(row->what, "resnet8");
    assert_int_equal(row->samples, 3);
    assert_true(row->min_ms > 0.0 && row->min_ms <= row->median_ms &&
                row->median_ms <= row->max_ms);
    assert_true(row->samples_ms[0] >= row->min_ms && row->samples_ms[2] <= row->max_ms);
    assert_true(fabs(row->rate * row->median_ms / 4000.0 - 1.0) < 1e-9);
    assert_string_equal(row->rate_unit, "img/s");
    assert_true(row->flop > 0.0 && row->first_ms > 0.0 && row->peak_bytes > 0);
    assert_true(isnan(row->noise) && row->attempts == 1); /* of too few samples nothing is known */
    assert_non_null(row->checked);
    *peak = row->peak_bytes;
}

static void keep_samples(const rescl_bench_row *row, void *user)
{
    *(size_t *)user = row->samples;
}

static void times_models(void **state)
{
    (void)state;
    uint64_t peak[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const rescl_bench_options o = small(i == 0);
        assert_ok(rescl_bench_model(rs_test_device(), &o, keep_model, &peak[i]));
    }
    assert_true(peak[1] > 0 && peak[1] < peak[0]); /* inference keeps less, and counts for itself */
    rescl_bench_options o = small(true);
    o.opt = "adamax";
    assert_fails(rescl_bench_model(rs_test_device(), &o, keep_model, peak), RESCL_ERR_ARG,
                 "adamax");
    o = small(true);
    o.batch = 0;
    assert_fails(rescl_bench_model(rs_test_device(), &o, keep_model, peak), RESCL_ERR_ARG,
                 "batch 0");
}

typedef struct seen {
    size_t rows, preferred, fwd, bwd_data, bwd_params;
    const char *only;
    double worst;
} seen;

static void count_row(const rescl_bench_row *row, void *user)
{
    seen *s = user;
    s->rows++;
    s->preferred += row->preferred;
    s->fwd += strcmp(row->pass, "fwd") == 0;
    s->bwd_data += strcmp(row->pass, "bwd_data") == 0;
    s->bwd_params += strcmp(row->pass, "bwd_params") == 0;
    s->worst = fmax(s->worst, row->error);
    assert_true(row->median_ms > 0.0 && row->rate > 0.0 && row->count > 0 && row->bytes > 0.0);
    assert_true(row->error <= row->tolerance && row->checked);
    if (s->only)
        assert_string_equal(row->impl, s->only);
}

static void times_operations(void **state)
{
    (void)state;
    const rescl_bench_options o = small(true);
    seen s = {0};
    assert_ok(rescl_bench_ops(rs_test_device(), &o, NULL, count_row, &s));
    /* resnet8 has 8 distinct convolutions and a dense layer; the first needs no input gradient. */
    assert_true(s.fwd >= 9 && s.bwd_params >= 9 && s.bwd_data >= 8);
    assert_int_equal(s.preferred, 9 + 9 + 8);
    assert_true(s.worst < 1e-5);
}

static void times_one_implementation(void **state)
{
    (void)state;
    const rescl_bench_options o = small(false);
    seen s = {.only = "clblast_gemm"};
    assert_ok(rescl_bench_ops(rs_test_device(), &o, "clblast_gemm", count_row, &s));
    assert_true(s.rows > 0);
    assert_int_equal(s.rows, s.fwd);
    assert_fails(rescl_bench_ops(rs_test_device(), &o, "clblast_gem", count_row, &s), RESCL_ERR_ARG,
                 "did you mean 'clblast_gemm'?");
}

/* "preferred" times exactly what a network would take, once for each problem and pass. */
static void times_the_preferred_only(void **state)
{
    (void)state;
    const rescl_bench_options o = small(true);
    seen s = {0};
    assert_ok(rescl_bench_ops(rs_test_device(), &o, "preferred", count_row, &s));
    assert_int_equal(s.rows, 9 + 9 + 8);
    assert_int_equal(s.preferred, s.rows);
    assert_true(s.worst < 1e-5);
    assert_fails(rescl_bench_ops(rs_test_device(), &o, "prefered", count_row, &s), RESCL_ERR_ARG,
                 "did you mean 'preferred'?");
}

typedef struct product_seen {
    seen all;
    char what[96];
    double flops;
} product_seen;

static void count_product(const rescl_bench_row *row, void *user)
{
    product_seen *s = user;
    count_row(row, &s->all);
    assert_string_equal(row->what, s->what);
    assert_true(row->flop == s->flops);
    assert_true(fabs(row->rate * row->median_ms * 1e6 / s->flops - 1.0) < 1e-9);
}

static void times_products(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    product_seen s = {.what = "dense:33x130->70", .flops = 2.0 * 33 * 70 * 130};
    assert_ok(rescl_bench_product(rs_test_device(), 33, 70, 130, &o, NULL, count_product, &s));
    assert_true(s.all.fwd >= 2 && s.all.bwd_data >= 2 && s.all.bwd_params >= 2);
    assert_int_equal(s.all.preferred, 3);
    assert_true(s.all.worst < 1e-5);
    o.train = false;
    s.all = (seen){.only = "clblast_gemm"};
    assert_ok(
        rescl_bench_product(rs_test_device(), 33, 70, 130, &o, "clblast_gemm", count_product, &s));
    assert_int_equal(s.all.rows, 1);
    assert_int_equal(s.all.fwd, 1);
}

static void refuses_odd_products(void **state)
{
    (void)state;
    rescl_bench_options o = small(false);
    product_seen s = {0};
    assert_fails(rescl_bench_product(rs_test_device(), 0, 2, 2, &o, NULL, count_product, &s),
                 RESCL_ERR_SHAPE, "is 0");
    assert_fails(rescl_bench_product(rs_test_device(), 2, 0, 2, &o, NULL, count_product, &s),
                 RESCL_ERR_ARG, "units");
    assert_fails(rescl_bench_product(rs_test_device(), SIZE_MAX, 2, 2, &o, NULL, count_product, &s),
                 RESCL_ERR_SHAPE, "more elements than memory");
    assert_fails(rescl_bench_product(rs_test_device(), 2, 2, 2, &o, "gemm", count_product, &s),
                 RESCL_ERR_ARG, "'gemm'");
    o.repeats = 0;
    assert_fails(rescl_bench_product(rs_test_device(), 2, 2, 2, &o, NULL, count_product, &s),
                 RESCL_ERR_ARG, "repeats 0");
    assert_int_equal(s.all.rows, 0);
}

typedef struct limited {
    size_t rows, skipped;
} limited;

static void count_limited(const rescl_bench_row *row, void *user)
{
    limited *s = user;
    s->rows++;
    if (row->status == RESCL_OK) {
        assert_true(row->median_ms > 0.0 && row->reason[0] == '\0');
        return;
    }
    assert_int_equal(row->status, RESCL_ERR_INTERRUPTED);
    assert_non_null(strstr(row->reason, "time limit"));
    assert_true(isnan(row->median_ms) && isnan(row->error));
    s->skipped++;
}

/* However short: the rows of the first problem are there, and what was left out is told. */
static void begins_nothing_after_the_limit(void **state)
{
    (void)state;
    rescl_bench_options o = small(false);
    limited s = {0};
    size_t samples = 0;
    o.time_limit = 1e-9;
    assert_fails(rescl_bench_ops(rs_test_device(), &o, NULL, count_limited, &s),
                 RESCL_ERR_INTERRUPTED, "8 of 9 problems were not measured");
    assert_true(s.rows > 0 && s.skipped == s.rows);
    o.repeats = 1000;
    assert_ok(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples));
    assert_int_equal(samples, 1);
    s = (limited){0};
    o.repeats = 1;
    o.time_limit = 1e9;
    assert_ok(rescl_bench_ops(rs_test_device(), &o, "preferred", count_limited, &s));
    assert_true(s.rows == 9 && s.skipped == 0);
}

static void measures_the_limits(void **state)
{
    (void)state;
    rescl_bench_limits p;
    assert_ok(rescl_bench_peak(rs_test_device(), &p));
    print_message("fma %.1f GFLOP/s, read %.1f GB/s, triad %.1f GB/s\n", p.fma_gflops, p.read_gbs,
                  p.triad_gbs);
    assert_true(p.fma_gflops > 0.1 && p.fma_gflops < 1e6);
    assert_true(p.read_gbs > 0.01 && p.read_gbs < 1e5);
    assert_true(p.triad_gbs > 0.01 && p.triad_gbs < 1e5);
}

typedef struct limits_seen {
    size_t rows, rates;
    const char *missing;
} limits_seen;

static void count_limits(const rescl_bench_row *row, void *user)
{
    limits_seen *s = user;
    print_message("%s: %.4g %s, off by %g of %g\n", row->what, row->rate,
                  row->rate_unit ? row->rate_unit : row->reason, row->error, row->tolerance);
    assert_string_equal(row->kind, "peak");
    assert_int_equal(row->status, RESCL_OK);
    assert_true(row->rate > 0.0 && row->checked && row->error <= row->tolerance);
    assert_true(row->samples >= 2 && row->median_ms > 0.0);
    s->rows++;
}

static void checks_the_limits(void **state)
{
    (void)state;
    rescl_bench_options o = small(false);
    limits_seen s = {0};
    o.repeats = 2;
    assert_ok(rescl_bench_peaks(rs_test_device(), &o, count_limits, &s));
    assert_true(s.rows >= 15);
    o.repeats = 0;
    assert_fails(rescl_bench_peaks(rs_test_device(), &o, count_limits, &s), RESCL_ERR_ARG,
                 "repeats 0");
}

typedef struct loads_seen {
    size_t rows, augmented, most_threads;
} loads_seen;

static void count_load(const rescl_bench_row *row, void *user)
{
    loads_seen *s = user;
    s->rows++;
    if (row->status == RESCL_ERR_UNSUPPORTED) /* built without libjpeg */
        return;
    assert_string_equal(row->kind, "load");
    assert_int_equal(row->status, RESCL_OK);
    assert_string_equal(row->rate_unit, "img/s");
    assert_true(row->rate > 0.0 && row->threads > 0 && row->images > 0 && row->checked);
    s->augmented += strcmp(row->mode, "augment") == 0;
    s->most_threads = row->threads > s->most_threads ? row->threads : s->most_threads;
}

static void times_loading(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    loads_seen s = {0};
    o.repeats = 1;
    assert_ok(rescl_bench_load(rs_test_device(), &o, count_load, &s));
    assert_true(s.rows >= 3 && s.augmented >= 1 && s.rows >= 2 * s.augmented);
    o.data_path = "/no/such/data";
    assert_fails(rescl_bench_load(rs_test_device(), &o, count_load, &s), RESCL_ERR_NOT_FOUND,
                 "/no/such/data");
    o.data_path = NULL;
    o.size = 0;
    assert_fails(rescl_bench_load(rs_test_device(), &o, count_load, &s), RESCL_ERR_ARG, "size 0");
}

typedef struct training_seen {
    size_t reached, missed, epochs;
} training_seen;

static void count_training(const rescl_bench_row *row, void *user)
{
    training_seen *s = user;
    assert_string_equal(row->kind, "train");
    assert_true(row->accuracy >= 0.0 && row->accuracy <= 1.0 && row->checked);
    if (row->status == RESCL_OK) {
        s->reached++;
        s->epochs = row->epochs;
        assert_true(row->accuracy >= 0.2 && row->seconds > 0.0 && row->samples == row->epochs);
        assert_true(row->rate > 0.0 && row->images == 1080);
    } else {
        s->missed++;
        assert_int_equal(row->status, RESCL_ERR_NOT_FOUND);
        assert_non_null(strstr(row->reason, "after 1 epochs, not 100 %"));
        assert_true(isnan(row->seconds) && row->samples == 0 && isnan(row->median_ms));
    }
}

static void times_trainings_to_an_accuracy(void **state)
{
    (void)state;
    rescl_bench_options o = small(true);
    training_seen s = {0};
    o.batch = 60;
    o.target_accuracy = 0.2; /* of six classes */
    o.epochs = 8;
    assert_ok(rescl_bench_train(rs_test_device(), &o, count_training, &s));
    assert_true(s.reached == 1 && s.epochs >= 1 && s.epochs <= 8);
    o.target_accuracy = 1.0;
    o.epochs = 1;
    assert_ok(rescl_bench_train(rs_test_device(), &o, count_training, &s));
    assert_int_equal(s.missed, 1);
    o.target_accuracy = 1.1;
    assert_fails(rescl_bench_train(rs_test_device(), &o, count_training, &s), RESCL_ERR_ARG,
                 "target_accuracy 1.1");
}

static void count_problem(const rescl_bench_row *row, void *user)
{
    product_seen *s = user;
    assert_string_equal(row->what, s->what);
    s->all.rows++;
}

static void times_problems_by_their_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } good[] = {
        {"conv2d:2x9x8x8->16,3x3/2", "conv2d:2x9x8x8->16,3x3/2"},
        {" conv2d: 2x9x9x8 -> 16, 3x3/1, 2 groups, bf16", "conv2d:2x9x9x8->16,3x3/1,2groups,bf16"},
        {"conv2d:2x9x9x4->16,5x3/1,pad0", "conv2d:2x9x9x4->16,5x3/1,pad0"},
        {"dense:3x5->7,f32", "dense:3x5->7"}};
    static const char *const bad[] = {"",
                                      "pool:3x3",
                                      "conv2d:2x9x9x8-",
                                      "conv2d:2x9x9->16,3x3/1",
                                      "conv2d:2x9x9x8->16,3x3",
                                      "conv2d:2x9x9x8->16,3x3/1,wide",
                                      "dense:3x5->7,pad1",
                                      "dense:3x5->7 and more",
                                      "dense:99999999999999999999x5->7"};
    rescl_bench_options o = small(false);
    product_seen s = {0};
    o.repeats = 1;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const size_t before = s.all.rows;
        snprintf(s.what, sizeof s.what, "%s", good[i].what);
        assert_ok(rescl_bench_problem(rs_test_device(), good[i].text, &o, "preferred",
                                      count_problem, &s));
        assert_int_equal(s.all.rows, before + 1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(rescl_bench_problem(rs_test_device(), bad[i], &o, NULL, count_problem, &s),
                     RESCL_ERR_ARG, "expected conv2d:");
    assert_fails(rescl_bench_problem(rs_test_device(), "dense:3x0->7", &o, NULL, count_problem, &s),
                 RESCL_ERR_ARG, "is 0");
}

static void serves_callers_of_other_versions(void **state)
{
    (void)state;
    rescl_bench_options o = small(false);
    size_t samples = 0;

    o.struct_size = offsetof(rescl_bench_options, repeats); /* an older one's */
    o.repeats = 0;
    assert_ok(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples));
    assert_true(samples >= 7);
    o = small(false);
    o.struct_size =
        offsetof(rescl_bench_options, precision); /* what lies behind it is not looked at */
    memset(&o.precision, 0xff, sizeof o.precision);
    assert_ok(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples));
    o = small(false);
    o.precision = NULL;
    assert_ok(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples));
    o.precision = "bf61";
    assert_fails(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples), RESCL_ERR_ARG,
                 "bf61", "bf16");
    o.struct_size = 0;
    assert_fails(rescl_bench_model(rs_test_device(), &o, keep_samples, &samples), RESCL_ERR_ARG,
                 "rescl_bench_options_default");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_models),
        cmocka_unit_test(times_operations),
        cmocka_unit_test(times_one_implementation),
        cmocka_unit_test(times_the_preferred_only),
        cmocka_unit_test(times_products),
        cmocka_unit_test(refuses_odd_products),
        cmocka_unit_test(begins_nothing_after_the_limit),
        cmocka_unit_test(measures_the_limits),
        cmocka_unit_test(checks_the_limits),
        cmocka_unit_test(times_problems_by_their_text),
        cmocka_unit_test(times_loading),
        cmocka_unit_test(times_trainings_to_an_accuracy),
        cmocka_unit_test(serves_callers_of_other_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
