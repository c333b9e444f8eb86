#include "op_harness.h"

#include "attr.h"

#include <stdlib.h>
#include <string.h>

static rs_problem problem(const rs_op *op)
{
    const rs_shape src = rs_shape_4(2, 3, 5, 7);
    rs_problem p;
    assert_ok(rs_problem_init(&p, op, NULL, true, &src, 1));
    return p;
}

static void registry_has_every_op(void **state)
{
    (void)state;
    static const char *const listed[] = {
#define RS_OP(stem) #stem,
#include "ops.def"
#undef RS_OP
    };
    size_t n = 0;
    for (; rs_op_at(n); n++) {
        const rs_op *op = rs_op_at(n);
        assert_string_equal(op->name, listed[n]);
        assert_ptr_equal(rs_op_find(op->name), op);
        assert_true(op->src_min >= 1 && op->src_min <= op->src_max && op->src_max <= RS_OP_SRC);
        assert_true(op->infer && op->reference && rs_op_has_pass(op, RS_FWD));
        for (const rs_impl *const *m = op->impls; *m; m++) {
            assert_true((*m)->name && (*m)->passes && (*m)->plan && (*m)->enqueue);
            assert_ptr_equal(rs_impl_find(op, (*m)->name), *m); /* names are unique */
        }
    }
    assert_int_equal(n, RS_COUNT(listed));
    assert_null(rs_op_find("convolution"));
    assert_string_equal(rs_pass_name(RS_BWD_PARAMS), "bwd_params");
}

static void inputs_are_checked(void **state)
{
    const rs_shape src[2] = {rs_shape_4(2, 3, 0, 7), rs_shape_4(2, 3, 5, 7)};
    rs_problem p;
    (void)state;
    assert_int_equal(rs_problem_init(&p, &rs_op_relu, NULL, true, src, 1), RESCL_ERR_SHAPE);
    assert_non_null(strstr(rescl_last_error()->message, "relu: input 0"));
    assert_int_equal(rs_problem_init(&p, &rs_op_relu, NULL, true, src, 2), RESCL_ERR_ARG);
    assert_int_equal(rs_problem_init(&p, &rs_op_relu, NULL, true, src, 0), RESCL_ERR_ARG);
}

static void labels_want_no_gradient(void **state)
{
    const rs_softmax_xent_attr a = {0};
    const rs_shape src[2] = {rs_shape_2(4, 6), rs_shape_1(4)};
    rs_problem p;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &a, true, src, 2));
    assert_true(p.want_diff[0]);
    assert_false(p.want_diff[1]);
    assert_int_equal(p.src_type[1], RS_I32);
}

static rescl_status plan_nothing(rs_plan *plan, const rs_caps *caps)
{
    (void)plan, (void)caps;
    return RESCL_OK;
}

/* An implementation serves f32 unless it names more types; of src, dst and parameters each counts, of
 * integers none. */
static void types_are_refused_or_served(void **state)
{
    const rs_caps *caps = rs_device_caps(rs_test_device());
    const rs_softmax_xent_attr xent = {0};
    const rs_dense_attr dense = {.units = 3, .bias = true};
    const rs_shape src[2] = {rs_shape_2(4, 6), rs_shape_1(4)};
    rs_impl impl = {.name = "plain", .passes = 1u << RS_FWD, .plan = plan_nothing};
    rs_problem p;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &xent, true, src, 2));
    assert_int_equal(p.dst_type, RS_F32);
    assert_null(rs_impl_refuses(&impl, &p, RS_FWD, caps)); /* its labels are i32 */
    assert_ok(rs_problem_init(&p, &rs_op_dense, &dense, true, src, 1));
    assert_null(rs_impl_refuses(&impl, &p, RS_FWD, caps));
    rs_dtype *const where[] = {&p.src_type[0], &p.dst_type, &p.param_type[p.nparam - 1]};
    for (size_t i = 0; i < RS_COUNT(where); i++) {
        *where[i] = RS_BF16;
        impl.types = 0;
        assert_string_equal(rs_impl_refuses(&impl, &p, RS_FWD, caps),
                            "serves f32 alone, found bf16");
        impl.types = 1u << RS_F32 | 1u << RS_F16;
        assert_string_equal(rs_impl_refuses(&impl, &p, RS_FWD, caps), "does not serve bf16");
        impl.types |= 1u << RS_BF16;
        assert_null(rs_impl_refuses(&impl, &p, RS_FWD, caps));
        *where[i] = RS_F32;
    }
    impl.types = 1u << RS_BF16;
    assert_string_equal(rs_impl_refuses(&impl, &p, RS_FWD, caps), "does not serve f32");
    /* No implementation that there is takes what it was not made for. */
    assert_ok(rs_problem_init(&p, &rs_op_softmax_xent, &xent, true, src, 2));
    p.src_type[0] = RS_F16;
    rs_plan plan;
    assert_int_equal(rs_choice_plan(rs_test_device(), &p, RS_FWD, NULL, &plan),
                     RESCL_ERR_UNSUPPORTED);
    assert_non_null(strstr(rescl_last_error()->message, "serves f32 alone, found f16"));
}

/* A kernel knows one type of its inputs. */
static void inputs_have_one_type(void **state)
{
    const rs_caps *caps = rs_device_caps(rs_test_device());
    const rs_shape src[2] = {rs_shape_1(4), rs_shape_1(4)};
    const rs_impl *impl = rs_op_add.impls[0];
    rs_problem p;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_add, NULL, true, src, 2));
    p.src_type[1] = RS_BF16;
    assert_string_equal(rs_impl_refuses(impl, &p, RS_FWD, caps),
                        "its inputs are stored in different types");
    p.src_type[0] = RS_BF16;
    assert_null(rs_impl_refuses(impl, &p, RS_FWD, caps));
    assert_string_equal(rs_storage_options(&p), " -DSRC_BF16");
}

/* Narrow types are wider off by one rounding, and sums of many terms in any type. */
static void tolerances_are_total(void **state)
{
    (void)state;
    assert_true(rs_tolerance(RS_F32, 4, 2) == 0x1p-24 * 16 * 2);
    assert_true(rs_tolerance(RS_BF16, 4, 2) == rs_tolerance(RS_F32, 4, 2) + 0x1p-8 * 2);
    assert_true(rs_tolerance(RS_F16, 4, 2) == rs_tolerance(RS_F32, 4, 2) + 0x1p-11 * 2);
    for (int t = 0; t < RS_DTYPE_COUNT; t++) {
        const rs_dtype type = (rs_dtype)t;
        assert_true((rs_tolerance(type, 1, 1) > 0) == rs_dtype_is_float(type));
        assert_true(!rs_dtype_is_float(type) ||
                    rs_tolerance(type, 1000, 1) > rs_tolerance(type, 1, 1));
    }
}

/* A plan is a function of problem, choice and device. */
static void plans_follow_their_choice(void **state)
{
    const rs_problem p = problem(&rs_op_relu);
    (void)state;
    for (size_t i = 0; rs_op_relu.impls[i]; i++) {
        const rs_choice choice = {.impl = rs_op_relu.impls[i]};
        static rs_plan a, b;
        assert_ok(rs_plan_make(&a, &p, RS_FWD, rs_test_device(), &choice));
        setenv("RESCL_IMPL", "relu=chunked", 1);
        assert_ok(rs_plan_make(&b, &p, RS_FWD, rs_test_device(), &choice));
        unsetenv("RESCL_IMPL");
        assert_ptr_equal(a.choice.impl, choice.impl);
        assert_ptr_equal(b.choice.impl, choice.impl);
        assert_int_equal(a.nkernels, b.nkernels);
        assert_string_equal(a.kernel[0].options, b.kernel[0].options);
    }
}

static void plans_have_limits(void **state)
{
    static rs_plan plan;
    char option[300];
    (void)state;
    memset(option, 'x', sizeof option - 1);
    option[sizeof option - 1] = '\0';
    assert_int_equal(rs_plan_kernel_add(&plan, "relu", "relu_fwd", "-D%s", option),
                     RESCL_ERR_UNSUPPORTED);
    for (int i = 0; i < RS_PLAN_KERNELS; i++)
        assert_ok(rs_plan_kernel_add(&plan, "relu", "relu_fwd", "-DN=%d", i));
    assert_string_equal(plan.kernel[1].options, "-DN=1");
    assert_int_equal(rs_plan_kernel_add(&plan, "relu", "relu_fwd", "-DN=%d", 9),
                     RESCL_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_has_every_op),     cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(labels_want_no_gradient),   cmocka_unit_test(types_are_refused_or_served),
        cmocka_unit_test(inputs_have_one_type),      cmocka_unit_test(tolerances_are_total),
        cmocka_unit_test(plans_follow_their_choice), cmocka_unit_test(plans_have_limits),
    };
    return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
