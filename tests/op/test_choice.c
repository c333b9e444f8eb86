#include "tune_support.h"

#include "tuning.h"
#include <rescl/tune.h>

#include <stdlib.h>
#include <string.h>

static rs_problem plain(const rs_op *op)
{
    const rs_shape src = rs_shape_4(2, 3, 5, 7);
    rs_problem p;
    assert_ok(rs_problem_init(&p, op, NULL, true, &src, 1));
    return p;
}

static void implementation_can_be_forced(void **state)
{
    const rs_problem p = plain(&rs_op_relu);
    rs_plan plan;
    (void)state;
    for (size_t i = 0; rs_op_relu.impls[i]; i++) {
        const rs_impl *m = rs_op_relu.impls[i];
        assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, m->name, &plan));
        assert_ptr_equal(plan.choice.impl, m);
        setenv("RESCL_IMPL", i == 0 ? "add=x,relu=chunked" : "relu=grouped", 1);
        assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
        unsetenv("RESCL_IMPL");
        assert_ptr_equal(plan.choice.impl, m);
    }
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, "fast", &plan), RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "chunked, grouped"));
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_BWD_PARAMS, "chunked", &plan),
                     RESCL_ERR_UNSUPPORTED);
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_BWD_PARAMS, NULL, &plan),
                     RESCL_ERR_UNSUPPORTED);
    assert_non_null(strstr(rescl_last_error()->message, "does not serve this pass"));
}

static void wrong_environment_is_an_error(void **state)
{
    const char *const wrong[] = {
        "relu", "=chunked", "relu=", "rellu=chunked", "relu=fast", "add=chunked,relu"};
    const rs_problem p = plain(&rs_op_relu);
    rs_plan plan;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(wrong); i++) {
        setenv("RESCL_IMPL", wrong[i], 1);
        assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan), RESCL_ERR_ARG);
    }
    unsetenv("RESCL_IMPL");
}

static const char *refuse(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)p, (void)pass, (void)caps;
    return "declined by the test";
}

static rescl_status plan_nothing(rs_plan *plan, const rs_caps *caps)
{
    (void)plan, (void)caps;
    return RESCL_OK;
}

/* A device prefers what was made for its class, and takes another before it takes none. */
static void classes_are_preferred(void **state)
{
    const unsigned here = 1u << rs_device_caps(rs_test_device())->type, there = ~here;
    rs_impl elsewhere = {.name = "elsewhere", .passes = 1, .prefers = there, .plan = plan_nothing};
    rs_impl near = {.name = "here", .passes = 1, .prefers = here, .plan = plan_nothing};
    const rs_impl *const impls[] = {&elsewhere, &near, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = plain(&op);
    rs_plan plan;
    (void)state;
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
    assert_string_equal(plan.choice.impl->name, "here");
    near.can = refuse;
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan));
    assert_string_equal(plan.choice.impl->name, "elsewhere");
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, "elsewhere", &plan));
    elsewhere.can = refuse;
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan),
                     RESCL_ERR_UNSUPPORTED);
    assert_non_null(strstr(rescl_last_error()->message, "elsewhere: declined by the test"));
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, "here", &plan),
                     RESCL_ERR_UNSUPPORTED);
}

static void choices_are_honoured(void **state)
{
    (void)state;
    const rs_problem p = tune_problem(&tune_attr, true);
    rs_plan plan;
    rescl_tuning_info tuning;
    char untuned[RS_CHOICE], backward[RS_CHOICE], text[RS_CHOICE];
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_BWD_DATA, NULL, &plan));
    rs_choice_text(&plan.choice, backward);
    assert_string_not_equal(backward, "simt_gemm tn=64 rm=4");
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    rs_choice_text(&plan.choice, untuned);
    tune_expect_choice(untuned);
    rescl_device_get_tuning(rs_test_device(), &tuning);
    assert_int_equal(tuning.problems, 0);
    assert_string_equal(tuning.source, "");

    tune_to("simt_gemm rm=4 tn=64");
    tune_expect_choice("simt_gemm tn=64 rm=4");
    rescl_device_get_tuning(rs_test_device(), &tuning);
    assert_int_equal(tuning.problems, 1);
    assert_string_equal(tuning.source, tune_file);
    assert_int_equal(strlen(tuning.fingerprint), 32);
    /* Other passes and problems are not concerned, and what is asked for wins. */
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_BWD_DATA, NULL, &plan));
    assert_string_equal(rs_choice_text(&plan.choice, text), backward);
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    assert_string_equal(rs_choice_text(&plan.choice, text), untuned);
    setenv("RESCL_IMPL", "conv2d=direct", 1);
    tune_expect_choice("direct");
    setenv("RESCL_IMPL", "conv2d=default", 1);
    tune_expect_choice(untuned);
    unsetenv("RESCL_IMPL");
    setenv("RESCL_TUNE", "off", 1);
    rs_tuning_forget(rs_test_device());
    tune_expect_choice(untuned);
    assert_int_equal(tune_messages, 0);
}

static void what_cannot_serve_is_left_out(void **state)
{
    static const char *const useless[] = {
        RS_CHOICE_DEFAULT, "warp_speed",           "grouped_tile", /* for more than one group */
        "direct tm=8",     "simt_gemm tm=1000000", "simt_gemm tm=0", "simt_gemm colour=3"};
    (void)state;
    rs_plan plan;
    char untuned[RS_CHOICE];
    const rs_problem p = tune_problem(&tune_attr, true);
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    rs_choice_text(&plan.choice, untuned);
    for (size_t i = 0; i < RS_COUNT(useless); i++) {
        tune_to(useless[i]);
        tune_expect_choice(untuned);
        /* Asked for, the same is an error. */
        if (i > 0)
            assert_int_not_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, useless[i], &plan),
                                 RESCL_OK);
    }
}

/* A doubt keeps an implementation from being the default, and from nothing else. */
static void doubts_can_be_overcome(void **state)
{
    (void)state;
    rs_conv2d_attr a = tune_attr;
    a.filters = 512;
    const rs_shape src = rs_shape_4(1, 4, 4, 512);
    rs_problem p;
    rs_plan plan;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, &a, true, &src, 1));
    if (rescl_device_get_info(rs_test_device())->float_width < 4)
        skip();
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    assert_string_not_equal(plan.choice.impl->name, "winograd");
    assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, "winograd", &plan));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, tune_setup, tune_teardown)
    const struct CMUnitTest tests[] = {
        TEST(implementation_can_be_forced),  TEST(wrong_environment_is_an_error),
        TEST(classes_are_preferred),         TEST(choices_are_honoured),
        TEST(what_cannot_serve_is_left_out), TEST(doubts_can_be_overcome),
    };
    return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}
