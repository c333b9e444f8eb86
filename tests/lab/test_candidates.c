#include "fixtures.h"
#include "testing.h"

#include "attr.h"
#include "candidates.h"
#include "rounds.h"

#include <math.h>
#include <string.h>

static rs_problem problem(void)
{
    static const rs_conv2d_attr attr = {
        .filters = 32, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1};
    const rs_shape src = rs_shape_4(2, 8, 8, 16);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, &attr, false, &src, 1));
    return p;
}

static rescl_tune_options options(void)
{
    rescl_tune_options o;
    rescl_tune_options_default(&o);
    return o;
}

static bool lists(const rs_candidates *c, const char *choice)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->choice[i], choice) == 0)
            return true;
    return false;
}

static void few_are_worth_measuring(void **state)
{
    (void)state;
    rescl_device *dev = rs_test_device();
    const bool cpu = rs_device_caps(dev)->type == RESCL_DEVICE_CPU;
    const rs_problem p = problem();
    rescl_tune_options o = options();
    rs_candidates c = {0};
    assert_ok(rs_candidates_list(dev, &p, RS_FWD, &o, &c));
    assert_string_equal(c.choice[0], RS_CHOICE_DEFAULT);
    assert_true(c.count >= 2 && c.count <= 10);
    assert_int_equal(c.ranked, !cpu); /* a CPU's numbers are searched for */
    assert_true(!cpu || lists(&c, "clblast_gemm"));
    for (size_t i = 0; i < c.count; i++) {
        assert_int_equal(strchr(c.choice[i], '=') != NULL,
                         !cpu && strchr(c.choice[i], ' ') != NULL);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(c.choice[i], c.choice[k]);
    }
    rs_candidates_fini(&c);
    /* Without numbers there is nothing but names. */
    o.params = false;
    assert_ok(rs_candidates_list(dev, &p, RS_FWD, &o, &c));
    assert_false(c.ranked);
    for (size_t i = 0; i < c.count; i++)
        assert_null(strchr(c.choice[i], '='));
    rs_candidates_fini(&c);
    o.impl = "direct";
    assert_ok(rs_candidates_list(dev, &p, RS_FWD, &o, &c));
    assert_int_equal(c.count, 2);
    assert_string_equal(c.choice[1], "direct");
    rs_candidates_fini(&c);
}

static uint64_t programs(void)
{
    rescl_device_stats s;
    rescl_device_get_stats(rs_test_device(), &s);
    return s.builds;
}

static void programs_are_compiled_once_and_in_time(void **state)
{
    (void)state;
    rescl_device *dev = rs_test_device();
    const rs_problem p = problem();
    rescl_tune_options o = options();
    rs_worklist list = {0};
    const size_t which[] = {0};
    o.params = false;
    o.impl = "direct";
    assert_ok(rs_worklist_add(&list, &p, RS_FWD));
    const uint64_t before = programs();
    assert_ok(rs_candidates_build(dev, &list, which, 1, &o, rs_rounds_clock()));
    assert_int_equal(programs(), before); /* the deadline is now */
    assert_ok(rs_candidates_build(dev, &list, which, 1, &o, INFINITY));
    const uint64_t after = programs();
    assert_true(after > before);
    assert_ok(rs_candidates_build(dev, &list, which, 1, &o, INFINITY));
    assert_int_equal(programs(), after);
    rs_worklist_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_compiled_once_and_in_time),
        cmocka_unit_test(few_are_worth_measuring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
