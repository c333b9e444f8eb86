#include "testing.h"

#include "error.h"
#include "rounds.h"

#include <math.h>
#include <string.h>

static void summarises_measurements(void **state)
{
    (void)state;
    double odd[5] = {9, 1, 3, 100, 2}, even[4] = {4, 1, 3, 2}, one[1] = {7};
    rs_stats s = rs_stats_of(odd, 5);
    assert_true(s.median == 3 && s.min == 1 && s.max == 100);
    assert_true(s.mad == 2); /* of 6, 2, 0, 97, 1 */
    s = rs_stats_of(even, 4);
    assert_true(s.median == 2.5 && s.mad == 1);
    s = rs_stats_of(one, 1);
    assert_true(s.median == 7 && s.min == 7 && s.max == 7 && s.mad == 0);
}

/* By the table of the binomial distribution: with 9 values the second from either end, 96.1 %. */
static void bounds_medians(void **state)
{
    (void)state;
    double few[5] = {5, 1, 4, 2, 3}, six[6] = {6, 1, 5, 2, 4, 3};
    double nine[9] = {9, 1, 8, 2, 7, 3, 6, 4, 5}, many[2001];
    rs_interval v = rs_interval_of(few, 5);
    assert_true(v.count == 5 && v.median == 3 && isinf(v.low) && v.low < 0 && isinf(v.high));
    v = rs_interval_of(six, 6);
    assert_true(v.median == 3.5 && v.low == 1 && v.high == 6);
    v = rs_interval_of(nine, 9);
    assert_true(v.median == 5 && v.low == 2 && v.high == 8);
    for (int i = 0; i < 2001; i++)
        many[i] = i;
    v = rs_interval_of(many, 2001);
    assert_true(v.median == 1000 && v.low == 956 &&
                v.high == 1044); /* 1.96 sqrt(2001) / 2 = 43.8 */
}

/* What was run, in order. */
typedef struct calls {
    char text[32];
    size_t fail_at; /* the call that fails, from 1; 0: none */
} calls;

static rescl_status note(void *user, size_t i)
{
    calls *c = user;
    const size_t n = strlen(c->text);
    c->text[n] = (char)('a' + i);
    return n + 1 == c->fail_at ? rs_error_set(RESCL_ERR_DEVICE, 0, __FILE__, __LINE__, "no more")
                               : RESCL_OK;
}

static void takes_turns(void **state)
{
    (void)state;
    calls c = {0};
    rs_stats s[3];
    assert_ok(rs_rounds_time(&(rs_rounds){.repeats = 2, .run = note, .user = &c}, 3, s));
    assert_string_equal(c.text, "abcabc");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s[i].count, 2);
        assert_true(s[i].min >= 0.0 && s[i].min <= s[i].median && s[i].median <= s[i].max);
    }
}

static rescl_status count_up(void *user, size_t i)
{
    ++*(size_t *)user;
    (void)i;
    return RESCL_OK;
}

static void goes_on_for_the_time(void **state)
{
    (void)state;
    size_t ran = 0;
    rs_stats s;
    assert_ok(rs_rounds_time(
        &(rs_rounds){.repeats = 1, .min_seconds = 0.02, .run = count_up, .user = &ran}, 1, &s));
    assert_true(ran > 1);
    assert_int_equal(s.count, ran);
}

static void begins_no_round_after_the_limit(void **state)
{
    (void)state;
    size_t ran = 0;
    rs_stats s;
    const rs_rounds rounds = {.repeats = 1000, .max_seconds = 1e-12, .run = count_up, .user = &ran};
    assert_ok(rs_rounds_time(&rounds, 1, &s));
    assert_true(ran >= 1 && ran < 1000);
    assert_int_equal(s.count, ran);
}

static void ends_with_a_failure(void **state)
{
    (void)state;
    calls c = {.fail_at = 4};
    rs_stats s[2];
    assert_fails(rs_rounds_time(&(rs_rounds){.repeats = 9, .run = note, .user = &c}, 2, s),
                 RESCL_ERR_DEVICE, "no more");
    assert_string_equal(c.text, "abab");
}

static rescl_status go_on(void *user, size_t i)
{
    (void)i;
    return strlen(((calls *)user)->text) < 7 ? RESCL_OK : rescl_last_error()->status;
}

/* One that failed takes no further part, unless it is told that this ends all. */
static void goes_on_without_a_failure(void **state)
{
    (void)state;
    calls c = {.fail_at = 5};
    rs_stats s[3];
    assert_ok(
        rs_rounds_time(&(rs_rounds){.repeats = 3, .run = note, .user = &c, .failed = go_on}, 3, s));
    assert_string_equal(c.text, "abcabcac");
    assert_true(s[1].count == 0 && isnan(s[1].median) && isnan(s[1].min));
    assert_true(s[0].count == 3 && s[2].count == 3 && s[2].median >= 0.0);
    c = (calls){.fail_at = 8};
    assert_fails(
        rs_rounds_time(&(rs_rounds){.repeats = 9, .run = note, .user = &c, .failed = go_on}, 2, s),
        RESCL_ERR_DEVICE, "no more");
    c = (calls){.fail_at = 1};
    assert_ok(rs_rounds_time(
        &(rs_rounds){.repeats = 9, .min_seconds = 1e9, .run = note, .user = &c, .failed = go_on}, 1,
        s));
    assert_string_equal(c.text, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summarises_measurements),
        cmocka_unit_test(bounds_medians),
        cmocka_unit_test(takes_turns),
        cmocka_unit_test(goes_on_for_the_time),
        cmocka_unit_test(ends_with_a_failure),
        cmocka_unit_test(goes_on_without_a_failure),
        cmocka_unit_test(begins_no_round_after_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
