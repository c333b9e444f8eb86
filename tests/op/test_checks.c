/* Which cases a plan needs, and a check as text. */
#include "op_harness.h"

#include "attr.h"
#include "checks.h"
#include "supportproof.h"

#include <string.h>

static void text_is_read_again(void **state)
{
    const rs_check c = {.op = &rs_op_conv2d,
                        .pass = RS_BWD_DATA,
                        .training = true,
                        .how = {RS_BF16, RS_F32, RS_MATH_TF32},
                        .choice = "packed_gemm kc=128",
                        .number = 3};
    char text[RS_CHECK_TEXT];
    rs_check again;
    (void)state;
    assert_string_equal(rs_check_text(&c, text),
                        "conv2d bwd_data train bf16 f32 tf32 3 packed_gemm kc=128");
    assert_true(rs_check_parse(text, &again));
    assert_true(rs_check_same_way(&c, &again));
    assert_true(again.training && again.number == 3);
}

static void a_support_is_read_again(void **state)
{
    const rs_check c = {.support = &rs_support_optimiser, .choice = "adam", .number = 1};
    char text[RS_CHECK_TEXT];
    rs_check again;
    (void)state;
    assert_string_equal(rs_check_text(&c, text), "optimiser update infer f32 f32 f32 1 adam");
    assert_true(rs_check_parse(text, &again));
    assert_true(rs_check_same_way(&c, &again));
    assert_true(again.support == c.support && again.number == 1);
}

/* Every check of every support, with the device's kernels. */
static void supports_are_right(void **state)
{
    rs_checks all = {0};
    size_t proven = 0;
    (void)state;
    assert_ok(rs_checks_add_all(&all, rs_test_device()));
    for (size_t i = 0; i < all.count; i++)
        if (all.list[i].support) {
            assert_ok(rs_prove_support(rs_test_device(), &all.list[i]));
            proven++;
        }
    assert_true(proven >= 4 * 2 + 2 + 3 * 2 + 3);
    rs_checks_fini(&all);
}

static void other_text_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "conv2d",
                                      "conv3d fwd train f32 f32 f32 0 direct",
                                      "conv2d up train f32 f32 f32 0 direct",
                                      "conv2d fwd train f31 f32 f32 0 direct",
                                      "conv2d fwd train f32 f32 f32 x direct",
                                      "conv2d fwd train f32 f32 f32 1000 direct",
                                      "optimiser update infer f32 f32 f32 2 adam"};
    rs_check c;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(bad); i++)
        assert_false(rs_check_parse(bad[i], &c));
}

/* Each kernel of a plan is launched by one of its checks, and the same plan adds nothing. */
static void checks_cover_a_plan(void **state)
{
    const rs_shape src = rs_shape_4(4, 14, 14, 64);
    const rs_batchnorm_attr attr = {.eps = 1e-3f, .momentum = 0.9f, .relu = true};
    rs_checks all = {0};
    rs_problem p;
    rs_plan plan, on_case;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &attr, true, &src, 1));
    for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
        assert_ok(rs_choice_plan(rs_test_device(), &p, (rs_pass)pass, NULL, &plan));
        assert_ok(rs_checks_add(&all, &plan));
        for (int k = 0; k < plan.nkernels; k++) {
            bool launched = false;
            for (size_t i = 0; i < all.count; i++) {
                assert_ok(rs_check_plan(&all.list[i], rs_test_device(), &on_case));
                for (int n = 0; n < on_case.nkernels; n++)
                    launched = launched || strcmp(on_case.kernel[n].name, plan.kernel[k].name) == 0;
            }
            assert_true(launched);
        }
        const size_t before = all.count;
        assert_ok(rs_checks_add(&all, &plan));
        assert_int_equal(all.count, before);
    }
    rs_checks_fini(&all);
}

static void every_op_has_checks(void **state)
{
    rs_checks all = {0};
    (void)state;
    assert_ok(rs_checks_add_all(&all, rs_test_device()));
    for (size_t o = 0; rs_op_at(o); o++) {
        size_t count = 0;
        for (size_t i = 0; i < all.count; i++)
            count += all.list[i].op == rs_op_at(o);
        assert_true(count > 0);
    }
    rs_checks_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_again),  cmocka_unit_test(a_support_is_read_again),
        cmocka_unit_test(supports_are_right),  cmocka_unit_test(other_text_is_none),
        cmocka_unit_test(checks_cover_a_plan), cmocka_unit_test(every_op_has_checks),
    };
    return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
