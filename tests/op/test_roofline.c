/* What a launch should take on a GPU, and the choices that are made by it. */
#include "fixtures.h"
#include "testing.h"

#include "choice.h"
#include "error.h"
#include "roofline.h"
#include <rescl/status.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device of round numbers: 10 units of 100 lanes at 1 GHz, 100 GB/s. */
static const rs_caps round_caps = {.type = RESCL_DEVICE_GPU,
                                   .compute_units = 10,
                                   .max_group = 256,
                                   .local_bytes = 32 << 10,
                                   .subgroup = 20,
                                   .unit_lanes = 100,
                                   .unit_items = 1000,
                                   .unit_groups = 16,
                                   .item_registers = 128,
                                   .unit_local_bytes = 64 << 10,
                                   .unit_register_bytes = 200 << 10,
                                   .clock_hz = 1e9,
                                   .bandwidth = 100e9};

/* Groups of much arithmetic. */
static const rs_work busy = {.groups = 10,
                             .items = 200,
                             .local_bytes = 16 << 10,
                             .registers = 32,
                             .steps = 1000,
                             .step_fmas = 1e6,
                             .share = 0.8};

static double ns_of(double groups)
{
    rs_work w = busy;
    w.groups = groups;
    return rs_roofline_ns(&round_caps, &w);
}

static void a_unit_holds_what_it_has_room_for(void **state)
{
    (void)state;
    rs_work w = busy;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 4); /* of local memory */
    w.local_bytes = 0;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 5); /* of work-items */
    w.items = 20;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 16); /* of groups */
    w.items = 200;
    w.registers = 128;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 2); /* of registers */
    w.registers = 129;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    w = busy;
    w.items = 257;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    w = busy;
    w.local_bytes = (32 << 10) + 1;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    assert_true(isinf(rs_roofline_ns(&round_caps, &w)));
}

/* 1e9 multiply-adds for each unit, of which it does 80 in a clock. */
static void arithmetic_takes_its_time(void **state)
{
    (void)state;
    const double alone = 1e9 / 80.0;
    assert_true(ns_of(10) > alone && ns_of(10) < 1.05 * alone);
    /* One group more is another turn of one unit, while the others wait. */
    assert_true(ns_of(11) > 1.9 * ns_of(10));
    assert_true(fabs(ns_of(20) - ns_of(11)) < 0.01 * ns_of(20));
    assert_true(fabs(ns_of(1) - ns_of(10)) < 0.01 * ns_of(10));
}

static void traffic_takes_its_time(void **state)
{
    (void)state;
    rs_work w = busy;
    w.bytes = 1e10;
    assert_true(rs_roofline_ns(&round_caps, &w) > 1e10 / 100.0);
    assert_true(rs_roofline_copy_ns(&round_caps, 1e10) > 1e10 / 100.0);
    assert_true(rs_roofline_copy_ns(&round_caps, 0) > 0.0);
    w.bytes = 0;
    w.group_bytes = 1e9; /* a quarter of a byte in a clock for each lane */
    assert_true(rs_roofline_ns(&round_caps, &w) >= 1e9 / 25.0);
}

static void lanes_may_be_idle(void **state)
{
    (void)state;
    rs_work w = busy;
    w.items = 41; /* three sub-groups, the last of one work-item; 40 lanes have none */
    assert_true(rs_roofline_ns(&round_caps, &w) > ns_of(10) * 2.0);
    rs_work small = busy;
    small.groups = 1000, small.steps = 1e6, small.step_fmas = 10; /* waits are most of the time */
    small.local_bytes = 0;
    const double four = rs_roofline_ns(&round_caps, &small);
    small.registers = 128; /* two at once, not five */
    assert_true(rs_roofline_ns(&round_caps, &small) > 1.5 * four);
}

static void ways_are_kept_in_order(void **state)
{
    (void)state;
    const double ns[] = {5, 3, 9, 3, 1, 7, 2};
    rs_expected ways[4];
    size_t count = 0;
    for (size_t i = 0; i < RS_COUNT(ns); i++) {
        const rs_expected way = {.choice = {.tune = {(int)i}}, .ns = ns[i]};
        count = rs_roofline_insert(ways, count, RS_COUNT(ways), &way);
    }
    static const int order[] = {4, 6, 1, 3};
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ways[i].choice.tune[0], order[i]);
    assert_int_equal(rs_roofline_insert(ways, 0, 0, &ways[0]), 0);
}

/* ---- choices ----------------------------------------------------------------------------- */

static double slow_ns, fast_ns;
static rs_impl silent, slow, fast;

static size_t expect_slow(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                          size_t most)
{
    (void)p, (void)pass, (void)caps;
    const rs_expected ways[] = {{{.impl = &slow}, slow_ns}, {{.impl = &slow, .tune = {1}}, 50}};
    size_t count = 0;
    for (size_t i = 0; i < RS_COUNT(ways); i++)
        count = rs_roofline_insert(out, count, most, &ways[i]);
    return count;
}

static size_t expect_fast(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                          size_t most)
{
    (void)p, (void)pass, (void)caps;
    const rs_expected way = {{.impl = &fast}, fast_ns};
    return rs_roofline_insert(out, 0, most, &way);
}

static rescl_status plan_nothing(rs_plan *plan, const rs_caps *caps)
{
    (void)plan, (void)caps;
    return RESCL_OK;
}

static const char *refuse(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)p, (void)pass, (void)caps;
    return "declined by the test";
}

static rs_problem plain(const rs_op *op)
{
    const rs_shape src = rs_shape_4(2, 3, 5, 7);
    rs_problem p;
    assert_ok(rs_problem_init(&p, op, NULL, true, &src, 1));
    return p;
}

static void assert_chosen(const rs_problem *p, const rs_impl *expected)
{
    rs_choice choice;
    assert_ok(rs_choice_make(rs_test_device(), p, RS_FWD, NULL, &choice));
    assert_ptr_equal(choice.impl, expected);
    assert_int_equal(choice.tune[0], 0);
}

static char heard[1024];

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    const size_t used = strlen(heard);
    if (level <= RESCL_LOG_INFO)
        snprintf(heard + used, sizeof heard - used, "%s\n", message);
}

/* Of those that say what they should take the fastest; the first of all where it does not say. */
static void the_fastest_is_chosen(void **state)
{
    (void)state;
    silent = (rs_impl){.name = "silent", .passes = 1, .plan = plan_nothing};
    slow = (rs_impl){.name = "slow", .passes = 1, .plan = plan_nothing, .expect = expect_slow};
    fast = (rs_impl){.name = "fast", .passes = 1, .plan = plan_nothing, .expect = expect_fast};
    slow_ns = 30, fast_ns = 20;
    const rs_impl *const impls[] = {&slow, &silent, &fast, NULL};
    const rs_impl *const silent_first[] = {&silent, &slow, &fast, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = plain(&op);
    setenv("RESCL_VERBOSE", "dispatch", 1);
    rescl_log_set(hear, NULL);
    assert_chosen(&p, &fast);
    assert_non_null(strstr(heard, "not slow: should take 0.000 ms, fast 0.000 ms"));
    assert_non_null(strstr(heard, "fast (0.000 ms expected of fast)"));
    unsetenv("RESCL_VERBOSE");
    rescl_log_set(NULL, NULL);
    slow_ns = 20;
    assert_chosen(&p, &slow);
    slow_ns = 30;
    fast.can = refuse;
    assert_chosen(&p, &slow);
    op.impls = silent_first;
    assert_chosen(&p, &silent);
}

static void ways_of_all_are_ranked(void **state)
{
    (void)state;
    slow = (rs_impl){.name = "slow", .passes = 1, .plan = plan_nothing, .expect = expect_slow};
    fast = (rs_impl){.name = "fast", .passes = 1, .plan = plan_nothing, .expect = expect_fast};
    slow_ns = 30, fast_ns = 40;
    const rs_impl *const impls[] = {&fast, &slow, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = plain(&op);
    rs_expected ways[8];
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &round_caps, ways, 8), 3);
    assert_ptr_equal(ways[0].choice.impl, &slow);
    assert_ptr_equal(ways[1].choice.impl, &fast);
    assert_int_equal(ways[2].choice.tune[0], 1);
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &round_caps, ways, 2), 2);
    rs_caps cpu = round_caps;
    cpu.type = RESCL_DEVICE_CPU;
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &cpu, ways, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_holds_what_it_has_room_for),
        cmocka_unit_test(arithmetic_takes_its_time),
        cmocka_unit_test(traffic_takes_its_time),
        cmocka_unit_test(lanes_may_be_idle),
        cmocka_unit_test(ways_are_kept_in_order),
        cmocka_unit_test(the_fastest_is_chosen),
        cmocka_unit_test(ways_of_all_are_ranked),
    };
    setenv("RESCL_DEVICE_CLASS", "gpu", 1);
    return cmocka_run_group_tests_name("roofline", tests, NULL, NULL);
}
