#include "testing.h"

#include "error.h"
#include "rng.h"

#include <math.h>
#include <rescl/compare.h>

#define MARGIN 0.05

static rescl_comparison compared(const double *a, size_t m, const double *b, size_t n,
                                 double margin)
{
    rescl_comparison c;
    assert_ok(rescl_compare_samples(a, m, b, n, margin, &c));
    return c;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("%.12g, expected %.12g", got, want);
}

/* Quotients, probabilities and intervals of scipy.stats.mannwhitneyu(method="exact") and of all pairs. */
static void gives_exact_probabilities(void **state)
{
    (void)state;
    const double a[] = {1.05, 1, 1.03, 1.01, 1.02}, b[] = {1.35, 1.3, 1.33, 1.31, 1.32};
    rescl_comparison c = compared(a, 5, b, 5, 0.0);
    near(c.p_slower, 1.0 / 252.0);
    assert_true(c.p_faster > 0.99);
    assert_int_equal(c.verdict, RESCL_COMPARE_SLOWER);
    near(c.median_a, 1.02);
    near(c.median_b, 1.32);
    near(c.fastest, 1.3);
    assert_true(c.low > 1.2 && c.low <= c.ratio && c.ratio <= c.high && c.high < 1.4);
    c = compared(b, 5, a, 5, 0.0);
    near(c.p_faster, 1.0 / 252.0);
    assert_int_equal(c.verdict, RESCL_COMPARE_FASTER);

    /* One of three and four in the other order: 2 of 35 arrangements are as far apart. */
    const double d[] = {2, 1, 4}, e[] = {6, 3, 7, 5};
    c = compared(d, 3, e, 4, 0.0);
    near(c.p_slower, 2.0 / 35.0);
    /* 35 arrangements: no interval of 95 % lies within the quotients. */
    assert_true(c.low == 0.75 || c.low == 0.0);
    /* Equal samples are half in each order. */
    const double f[] = {1, 1, 1, 1};
    c = compared(f, 4, f, 4, 0.0);
    assert_true(c.p_slower > 0.5 && c.p_faster > 0.5);
    near(c.ratio, 1.0);
}

static void says_that_too_few_samples_say_nothing(void **state)
{
    (void)state;
    const double a[] = {1.0, 1.01}, b[] = {2.0, 2.01};
    const rescl_comparison c = compared(a, 2, b, 2, MARGIN);
    assert_int_equal(c.verdict, RESCL_COMPARE_NOISY);
    assert_true(c.low == 0.0 && isinf(c.high));
    assert_string_equal(rescl_comparison_verdict_name(c.verdict), "too noisy");
}

static void refuses_what_are_no_times(void **state)
{
    (void)state;
    const double good[] = {1, 2}, zero[] = {1, 0}, nan[] = {NAN, 1};
    rescl_comparison c;
    assert_fails(rescl_compare_samples(good, 0, good, 2, MARGIN, &c), RESCL_ERR_ARG, "A",
                 "no samples");
    assert_fails(rescl_compare_samples(good, 2, zero, 2, MARGIN, &c), RESCL_ERR_ARG,
                 "sample 1 of B");
    assert_fails(rescl_compare_samples(nan, 2, good, 2, MARGIN, &c), RESCL_ERR_ARG,
                 "sample 0 of A");
    assert_fails(rescl_compare_samples(good, 2, good, 2, -1.0, &c), RESCL_ERR_ARG, "margin -1");
}

/* Neighbours that resemble each other count for less. */
static void widens_for_drifts(void **state)
{
    (void)state;
    double shuffled[16], drift[16];
    for (int i = 0; i < 16; i++) {
        drift[i] = 1.0 + 0.01 * i;
        shuffled[i] = 1.0 + 0.01 * (i * 7 % 16);
    }
    const rescl_comparison loose = compared(drift, 16, drift, 16, MARGIN);
    const rescl_comparison tight = compared(shuffled, 16, shuffled, 16, MARGIN);
    assert_true(loose.spread > 2.0 && tight.spread < 1.2);
    assert_true(loose.high / loose.low > tight.high / tight.low);
}

static void joins_many_samples(void **state)
{
    (void)state;
    double a[1000], b[1000];
    for (int i = 0; i < 1000; i++) {
        a[i] = 1.0 + 0.001 * (i * 37 % 100);
        b[i] = 1.2 * a[i];
    }
    const rescl_comparison c = compared(a, 1000, b, 1000, MARGIN);
    near(c.ratio, 1.2);
    assert_int_equal(c.verdict, RESCL_COMPARE_SLOWER);
    assert_true(c.high - c.low < 0.02);
}

static void adjusts_for_many_rows(void **state)
{
    (void)state;
    rescl_comparison row[4] = {
        {.p_slower = 0.01, .p_faster = 1, .fastest = 1.2, .low = 1.06, .high = 1.2},
        {.p_slower = 0.04, .p_faster = 1, .fastest = 1.2, .low = 1.06, .high = 1.2},
        {.p_slower = 0.03, .p_faster = 1, .fastest = 1.2, .low = 1.06, .high = 1.2},
        {.p_slower = 0.005, .p_faster = 1, .fastest = 1.2, .low = 1.06, .high = 1.2}};
    assert_ok(rescl_compare_judge(row, 4, MARGIN));
    near(row[3].p_slower, 0.02);
    near(row[0].p_slower, 0.03);
    near(row[2].p_slower, 0.06);
    near(row[1].p_slower, 0.06); /* not below the one before it */
    assert_int_equal(row[3].verdict, RESCL_COMPARE_SLOWER);
    assert_int_equal(row[0].verdict, RESCL_COMPARE_SLOWER);
    assert_int_equal(row[1].verdict, RESCL_COMPARE_NOISY);
}

/* ---- runs that are drawn ----------------------------------------------------------------- */

enum { TRIES = 50, ROWS = 24, SAMPLES = 60 };

/* A row of a run on a machine that others use: 2 % of noise, a quarter of the samples up to half slower
 * in bursts, and half a percent by which a run as a whole differs from another. */
static void draw_row(rs_rng *r, double ms, double samples[SAMPLES])
{
    const double run = exp(0.005 * (double)rs_rng_normal(r));
    double burst = 1.0;
    for (int i = 0; i < SAMPLES; i++) {
        if (burst > 1.0 && rs_rng_uniform(r) < 0.5F)
            burst = 1.0;
        else if (rs_rng_uniform(r) < 0.12F)
            burst = rs_rng_range(r, 1.1, 1.5);
        samples[i] = ms * run * burst * exp(0.02 * fabs((double)rs_rng_normal(r)));
    }
}

/* Rows that are slower in a second run, of which the one numbered `slow` takes a tenth longer. */
static size_t slower_rows(rs_rng *r, size_t slow, bool *found)
{
    rescl_comparison row[ROWS];
    double a[SAMPLES], b[SAMPLES];
    size_t slower = 0;
    for (size_t i = 0; i < ROWS; i++) {
        draw_row(r, 1.0 + (double)i, a);
        draw_row(r, (1.0 + (double)i) * (i == slow ? 1.1 : 1.0), b);
        assert_ok(rescl_compare_samples(a, SAMPLES, b, SAMPLES, MARGIN, &row[i]));
    }
    assert_ok(rescl_compare_judge(row, ROWS, MARGIN));
    for (size_t i = 0; i < ROWS; i++)
        slower += row[i].verdict == RESCL_COMPARE_SLOWER;
    *found = slow < ROWS && row[slow].verdict == RESCL_COMPARE_SLOWER;
    return slower;
}

static void finds_a_tenth_and_nothing_else(void **state)
{
    (void)state;
    size_t alarms = 0, found = 0;
    bool this;
    rs_rng r;
    rs_rng_init(&r, 1, 2);
    for (int i = 0; i < TRIES; i++)
        alarms += slower_rows(&r, ROWS, &this);
    assert_int_equal(alarms, 0);
    for (int i = 0; i < TRIES; i++) {
        alarms += slower_rows(&r, (size_t)i % ROWS, &this) - this;
        found += this;
    }
    assert_int_equal(alarms, 0);
    print_message("%zu of %d found\n", found, TRIES);
    assert_true(found >= 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_exact_probabilities),
        cmocka_unit_test(says_that_too_few_samples_say_nothing),
        cmocka_unit_test(refuses_what_are_no_times),
        cmocka_unit_test(widens_for_drifts),
        cmocka_unit_test(joins_many_samples),
        cmocka_unit_test(adjusts_for_many_rows),
        cmocka_unit_test(finds_a_tenth_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
