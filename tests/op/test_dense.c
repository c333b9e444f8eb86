/* dense: conv2d's implementations on matrices; flattened images, few and many units, batches around
 * a tile. */
#include "op_harness.h"

#include "attr.h"
#include "conv2d.h"

#include <string.h>

static const rs_dense_attr six = {.units = 6, .bias = true};

static void refuses_bad_shapes(void **state)
{
    (void)state;
    const rs_dense_attr none = {.units = 0};
    rs_shape src = rs_shape_1(4);
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_dense, &six, true, &src, 1), RESCL_ERR_SHAPE);
    assert_non_null(strstr(rescl_last_error()->message, "(n,in)"));
    src = rs_shape_2(4, 4);
    assert_int_equal(rs_problem_init(&p, &rs_op_dense, &none, true, &src, 1), RESCL_ERR_ARG);
    assert_non_null(strstr(rescl_last_error()->message, "units"));
}

static void counts_operations(void **state)
{
    (void)state;
    const rs_shape src = rs_shape_4(3, 2, 2, 11);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_dense, &six, true, &src, 1));
    assert_true(rs_op_dense.macs(&p) == 3.0 * 44 * 6);
    assert_int_equal(rs_op_dense.reduction(&p, RS_FWD), 45);
    assert_int_equal(p.param[0].shape.dim[0], 44);
    assert_int_equal(p.param[1].fan_in, 44);
}

#define DENSE                   true
#define NOT_DENSE               false
#define RS_CONV_IMPL(stem, who) {&rs_conv_##stem, who},
static const struct {
    const rs_impl *impl;
    bool dense;
} of_conv2d[] = {
#include "conv_impls.def"
};
#undef RS_CONV_IMPL

/* Dense layers take those of conv2d's implementations that are marked so, in the same order. */
static void takes_the_products_of_conv2d(void **state)
{
    static const char *const products[] = {"packed_gemm", "simt_gemm", "clblast_gemm", "direct"};
    size_t taken = 0, known = 0;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(of_conv2d); i++) {
        const rs_impl *impl = of_conv2d[i].impl;
        assert_ptr_equal(rs_impl_find(&rs_op_conv2d, impl->name), impl);
        if (!of_conv2d[i].dense) {
            assert_null(rs_impl_find(&rs_op_dense, impl->name));
            continue;
        }
        assert_ptr_equal(rs_op_dense.impls[taken++], impl);
        known += known < RS_COUNT(products) && strcmp(impl->name, products[known]) == 0;
    }
    assert_null(rs_op_dense.impls[taken]);
    assert_int_equal(known, RS_COUNT(products)); /* in this order, others between them or not */
    assert_null(rs_impl_find(&rs_op_dense, "winograd"));
    assert_non_null(rs_impl_find(&rs_op_conv2d, "winograd"));
}

int main(void)
{
    const struct CMUnitTest extra[] = {
        cmocka_unit_test(refuses_bad_shapes),
        cmocka_unit_test(counts_operations),
        cmocka_unit_test(takes_the_products_of_conv2d),
    };
    return op_suite_main(&rs_op_dense, extra, RS_COUNT(extra));
}
