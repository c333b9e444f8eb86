#include "testing.h"

#include "error.h"
#include "gains.h"
#include "rounds.h"

#include <math.h>
#include <string.h>

/* ---- a whole whose time is known ---------------------------------------------------------- */

#define MOST 16

typedef struct whole {
    double base_ms, gain_ms[MOST]; /* what each item really saves */
    double noise_ms;               /* of each run, between 0 and this */
    size_t count;
    bool with[2][MOST];
    size_t comparisons, runs;
    uint32_t drawn;
    size_t fail_at; /* the run that fails, from 1; 0: none */
} whole;

static double seconds;

static double now(void)
{
    return seconds;
}

static rescl_status ready(void *user, const bool *const with[2])
{
    whole *w = user;
    for (int i = 0; i < 2; i++)
        memcpy(w->with[i], with[i], w->count * sizeof *with[i]);
    w->comparisons++;
    return RESCL_OK;
}

static rescl_status run(void *user, size_t contender, double *ms)
{
    whole *w = user;
    if (++w->runs == w->fail_at)
        return rs_error_set(RESCL_ERR_DEVICE, 0, __FILE__, __LINE__, "no more");
    w->drawn = w->drawn * 1664525u + 1013904223u;
    *ms = w->base_ms + w->noise_ms * (double)(w->drawn >> 8) * 0x1p-24;
    for (size_t i = 0; i < w->count; i++)
        *ms -= w->with[contender][i] ? w->gain_ms[i] : 0.0;
    seconds += *ms * 1e-3;
    return RESCL_OK;
}

static double (*real_clock)(void);

static int take_clock(void **state)
{
    (void)state;
    seconds = 0.0;
    real_clock = rs_rounds_clock;
    rs_rounds_clock = now;
    return 0;
}

static int give_clock_back(void **state)
{
    (void)state;
    rs_rounds_clock = real_clock;
    return 0;
}

/* Items that promise 1 ms each, of a whole of 100 ms. */
static rs_gains gains_of(whole *w, size_t count)
{
    static rs_gains_item item[MOST];
    w->base_ms = 100.0;
    w->count = count;
    for (size_t i = 0; i < count; i++)
        item[i] = (rs_gains_item){.promise = 1.0};
    return (rs_gains){.item = item,
                      .count = count,
                      .pairs = 9,
                      .deadline = INFINITY,
                      .ready = ready,
                      .run = run,
                      .user = w};
}

static size_t count_of(const rs_gains *p, rs_gains_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->item[i].state == state;
    return n;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

/* ---- what is kept ------------------------------------------------------------------------ */

static void what_gains_is_kept_at_once(void **state)
{
    (void)state;
    whole w = {0};
    rs_gains p = gains_of(&w, 8);
    for (size_t i = 0; i < 8; i++)
        w.gain_ms[i] = 1.0;
    assert_ok(rs_gains_find(&p));
    assert_int_equal(count_of(&p, RS_GAINS_KEPT), 8);
    assert_int_equal(w.comparisons, 1);
    assert_int_equal(w.runs, 18);
    assert_int_equal(p.gain.share.count, 9);
    assert_true(is_near(p.gain.without_ms, 100.0) && is_near(p.gain.with_ms, 92.0));
    assert_true(is_near(p.gain.share.median, 0.08) && is_near(p.gain.share.low, 0.08));
}

/* Each promises 1 ms, and nothing comes of it. */
static void what_gains_nothing_is_dropped(void **state)
{
    (void)state;
    whole w = {0};
    rs_gains p = gains_of(&w, 8);
    assert_ok(rs_gains_find(&p));
    assert_int_equal(count_of(&p, RS_GAINS_DROPPED), 8);
    assert_true(is_near(p.gain.share.median, 0.0) && is_near(p.gain.share.high, 0.0));
    assert_true(is_near(p.gain.without_ms, 100.0));
}

/* With noise, groups that promise less than can be seen are not looked at one by one. */
static void too_small_to_be_seen_is_dropped_together(void **state)
{
    (void)state;
    whole w = {.noise_ms = 6.0};
    rs_gains p = gains_of(&w, 16);
    for (size_t i = 0; i < 16; i++)
        p.item[i].promise = 0.2;
    assert_ok(rs_gains_find(&p));
    assert_int_equal(count_of(&p, RS_GAINS_DROPPED), 16);
    assert_true(w.comparisons < 16);
    assert_true(p.gain.share.low <= 0.0 && p.gain.share.high >= 0.0);
}

static void a_gain_is_found_in_noise(void **state)
{
    (void)state;
    whole w = {.noise_ms = 3.0};
    rs_gains p = gains_of(&w, 8);
    for (size_t i = 0; i < 8; i++)
        w.gain_ms[i] = 1.0;
    assert_ok(rs_gains_find(&p));
    assert_int_equal(count_of(&p, RS_GAINS_KEPT), 8);
    assert_true(p.gain.share.low > 0.04 && p.gain.share.low < 0.08);
    assert_true(p.gain.share.high > 0.07 && p.gain.share.high < 0.12);
}

/* One that costs what the others gain is found by halves. */
static void what_harms_is_found_by_halves(void **state)
{
    (void)state;
    for (size_t bad = 0; bad < 8; bad++) {
        whole w = {0};
        rs_gains p = gains_of(&w, 8);
        for (size_t i = 0; i < 8; i++)
            w.gain_ms[i] = i == bad ? -7.5 : 1.0;
        assert_ok(rs_gains_find(&p));
        assert_int_equal(count_of(&p, RS_GAINS_DROPPED), 1);
        assert_int_equal(p.item[bad].state, RS_GAINS_DROPPED);
        assert_int_equal(count_of(&p, RS_GAINS_KEPT), 7);
        /* All, three pairs of halves, and what is left. */
        assert_int_equal(w.comparisons, 8);
        assert_true(is_near(p.gain.with_ms, 93.0) && is_near(p.gain.share.median, 0.07));
    }
}

static void one_that_gains_stays_alone(void **state)
{
    (void)state;
    whole w = {.gain_ms = {[5] = 0.9}};
    rs_gains p = gains_of(&w, 8);
    assert_ok(rs_gains_find(&p));
    assert_int_equal(count_of(&p, RS_GAINS_KEPT), 1);
    assert_int_equal(p.item[5].state, RS_GAINS_KEPT);
    assert_true(is_near(p.gain.share.median, 0.009));
}

static void nothing_needs_no_search(void **state)
{
    (void)state;
    whole w = {0};
    rs_gains p = gains_of(&w, 0);
    assert_ok(rs_gains_find(&p));
    assert_int_equal(w.runs, 0);
    assert_int_equal(p.gain.share.count, 0);
}

/* ---- ends -------------------------------------------------------------------------------- */

/* The limit comes in the first comparison, later, and at no time. */
static void the_limit_leaves_items_open(void **state)
{
    (void)state;
    for (int tenths = 1; tenths < 200; tenths += 7) {
        whole w = {.gain_ms = {[5] = 0.9}};
        rs_gains p = gains_of(&w, 8);
        seconds = 0.0;
        p.deadline = 0.1 * tenths;
        const rescl_status st = rs_gains_find(&p);
        const size_t open = count_of(&p, RS_GAINS_OPEN);
        assert_true(seconds <= p.deadline + 0.2);
        if (st == RESCL_OK) {
            assert_int_equal(open, 0);
            continue;
        }
        assert_int_equal(st, RESCL_ERR_INTERRUPTED);
        /* Also where only what is left was to be confirmed, nothing is lost that was decided. */
        assert_true(open > 0 || p.item[5].state == RS_GAINS_KEPT);
        assert_int_equal(p.gain.share.count > 0, p.deadline > 9 * 0.2);
    }
}

static void failures_end_it(void **state)
{
    (void)state;
    for (size_t at = 1; at < 60; at += 9) {
        whole w = {.fail_at = at};
        rs_gains p = gains_of(&w, 8);
        assert_fails(rs_gains_find(&p), RESCL_ERR_DEVICE, "no more");
        assert_true(count_of(&p, RS_GAINS_OPEN) > 0);
    }
}

#define WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, take_clock, give_clock_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLOCK(what_gains_is_kept_at_once),
        WITH_CLOCK(what_gains_nothing_is_dropped),
        WITH_CLOCK(too_small_to_be_seen_is_dropped_together),
        WITH_CLOCK(a_gain_is_found_in_noise),
        WITH_CLOCK(what_harms_is_found_by_halves),
        WITH_CLOCK(one_that_gains_stays_alone),
        WITH_CLOCK(nothing_needs_no_search),
        WITH_CLOCK(the_limit_leaves_items_open),
        WITH_CLOCK(failures_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
