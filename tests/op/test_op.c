#include "op_harness.h"

#include "attr.h"

#include <stdlib.h>
#include <string.h>

static rs_problem problem(const rs_op *op)
{
    const rs_shape src = rs_shape_4(2, 3, 5, 7);
    rs_problem p;
    OP_OK(rs_problem_init(&p, op, NULL, true, &src, 1));
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
    OP_OK(rs_problem_init(&p, &rs_op_softmax_xent, &a, true, src, 2));
    assert_true(p.want_diff[0]);
    assert_false(p.want_diff[1]);
    assert_int_equal(p.src_type[1], RS_I32);
}

static void implementation_can_be_forced(void **state)
{
    const rs_problem p = problem(&rs_op_relu);
    rs_plan plan;
    (void)state;
    for (size_t i = 0; rs_op_relu.impls[i]; i++) {
        const rs_impl *m = rs_op_relu.impls[i];
        OP_OK(rs_plan_make(&plan, &p, RS_FWD, op_device(), m->name));
        assert_ptr_equal(plan.impl, m);
        setenv("RESCL_IMPL", i == 0 ? "add=x,relu=chunked" : "relu=grouped", 1);
        OP_OK(rs_plan_make(&plan, &p, RS_FWD, op_device(), NULL));
        unsetenv("RESCL_IMPL");
        assert_ptr_equal(plan.impl, m);
    }
    assert_int_equal(rs_plan_make(&plan, &p, RS_FWD, op_device(), "fast"), RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "chunked, grouped"));
    assert_int_equal(rs_plan_make(&plan, &p, RS_BWD_PARAMS, op_device(), "chunked"),
                     RESCL_ERR_UNSUPPORTED);
    assert_int_equal(rs_plan_make(&plan, &p, RS_BWD_PARAMS, op_device(), NULL),
                     RESCL_ERR_UNSUPPORTED);
    assert_non_null(strstr(rescl_last_error()->message, "does not serve this pass"));
}

static void wrong_environment_is_an_error(void **state)
{
    const char *const wrong[] = {
        "relu", "=chunked", "relu=", "rellu=chunked", "relu=fast", "add=chunked,relu"};
    const rs_problem p = problem(&rs_op_relu);
    rs_plan plan;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(wrong); i++) {
        setenv("RESCL_IMPL", wrong[i], 1);
        assert_int_equal(rs_plan_make(&plan, &p, RS_FWD, op_device(), NULL), RESCL_ERR_ARG);
    }
    unsetenv("RESCL_IMPL");
}

/* A device prefers what was made for its class, and takes something else before it takes nothing.
 */
static const char *refuse(const rs_problem *p, rs_pass pass, const rescl_device_info *dev)
{
    (void)p, (void)pass, (void)dev;
    return "declined by the test";
}

static rescl_status plan_nothing(rs_plan *plan, const rescl_device_info *dev)
{
    (void)plan, (void)dev;
    return RESCL_OK;
}

static void classes_are_preferred(void **state)
{
    const unsigned here = 1u << rescl_device_get_info(op_device())->type, there = ~here;
    rs_impl elsewhere = {.name = "elsewhere", .passes = 1, .prefers = there, .plan = plan_nothing};
    rs_impl near = {.name = "here", .passes = 1, .prefers = here, .plan = plan_nothing};
    const rs_impl *const impls[] = {&elsewhere, &near, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = problem(&op);
    rs_plan plan;
    (void)state;
    OP_OK(rs_plan_make(&plan, &p, RS_FWD, op_device(), NULL));
    assert_string_equal(plan.impl->name, "here");
    near.can = refuse;
    OP_OK(rs_plan_make(&plan, &p, RS_FWD, op_device(), NULL));
    assert_string_equal(plan.impl->name, "elsewhere");
    OP_OK(rs_plan_make(&plan, &p, RS_FWD, op_device(), "elsewhere"));
    elsewhere.can = refuse;
    assert_int_equal(rs_plan_make(&plan, &p, RS_FWD, op_device(), NULL), RESCL_ERR_UNSUPPORTED);
    assert_non_null(strstr(rescl_last_error()->message, "elsewhere: declined by the test"));
    assert_int_equal(rs_plan_make(&plan, &p, RS_FWD, op_device(), "here"), RESCL_ERR_UNSUPPORTED);
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
        OP_OK(rs_plan_kernel_add(&plan, "relu", "relu_fwd", "-DN=%d", i));
    assert_string_equal(plan.kernel[1].options, "-DN=1");
    assert_int_equal(rs_plan_kernel_add(&plan, "relu", "relu_fwd", "-DN=%d", 9),
                     RESCL_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_has_every_op),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(labels_want_no_gradient),
        cmocka_unit_test(implementation_can_be_forced),
        cmocka_unit_test(wrong_environment_is_an_error),
        cmocka_unit_test(classes_are_preferred),
        cmocka_unit_test(plans_have_limits),
    };
    return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}
