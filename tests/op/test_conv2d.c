/* conv2d: every implementation against the reference, on a case of each kind; those that treat shapes
 * differently meet them in test_conv2d_shapes.c. */
#include "conv2d_suite.h"

#include "conv2d.h"

#include <string.h>

static void expect_refused(const rs_conv2d_attr *attr, rs_shape src, rescl_status want,
                           const char *says)
{
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_conv2d, attr, true, &src, 1), want);
    if (strstr(rescl_last_error()->message, says) == NULL)
        fail_msg("'%s' lacks '%s'", rescl_last_error()->message, says);
}

static void refuses_bad_shapes(void **state)
{
    (void)state;
    const rs_conv2d_attr good = *PLAIN(7, 3, 1, 1);
    rs_conv2d_attr a = good;
    expect_refused(&a, rs_shape_2(4, 4), RESCL_ERR_SHAPE, "(4, 4)");
    a.pad_left = a.pad_right = 0;
    expect_refused(&a, rs_shape_4(1, 8, 2, 3), RESCL_ERR_SHAPE, "width 3 exceeds the input's 2");
    a = good, a.stride_h = 0;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_ARG, "stride 0");
    a = good, a.kernel_w = 0;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_ARG, "kernel 0");
    a = good, a.filters = 0;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_ARG, "filters");
    a = good, a.groups = 2;
    expect_refused(&a, rs_shape_4(1, 8, 8, 4), RESCL_ERR_SHAPE, "2 groups do not divide");
    a = good, a.groups = 7;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_SHAPE, "7 groups do not divide");
    a = good, a.pad_top = SIZE_MAX;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_SHAPE, "too large");
    a = good, a.kernel_h = a.pad_top = SIZE_MAX / 2;
    expect_refused(&a, rs_shape_4(1, 8, 8, 3), RESCL_ERR_SHAPE, "too large");
}

/* v1.5's first convolution at 64x64: 7x7/2, 3 -> 64. */
static void counts_operations(void **state)
{
    (void)state;
    const rs_shape src = rs_shape_4(2, 64, 64, 3);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, PLAIN(64, 7, 2, 3), true, &src, 1));
    assert_true(rs_op_conv2d.macs(&p) == 2.0 * 32 * 32 * 64 * 147);
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_FWD), 147);
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_BWD_PARAMS), 2 * 32 * 32);
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_BWD_DATA), 49 * 64);
    assert_int_equal(p.param[0].fan_in, 147);
    assert_int_equal(p.param[0].fan_out, 49 * 64);
}

/* ResNeXt-50's first: 3x3, 128 -> 128 in 32 groups. torch's fan_out does not know of groups. */
static void counts_operations_of_groups(void **state)
{
    (void)state;
    const rs_shape src = rs_shape_4(2, 56, 56, 128);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, GROUPS(32, 128, 1, false), true, &src, 1));
    assert_int_equal(rs_shape_count(&p.param[0].shape), 9 * 4 * 128);
    assert_true(rs_op_conv2d.macs(&p) == 2.0 * 56 * 56 * 128 * 36);
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_FWD), 36);
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_BWD_DATA), 36);
    assert_int_equal(p.param[0].fan_in, 36);
    assert_int_equal(p.param[0].fan_out, 9 * 128);
}

/* Indices in the kernels are 32-bit: larger tensors are refused, not computed wrongly. */
static void declines_huge_tensors(void **state)
{
    (void)state;
    const rs_shape src[] = {rs_shape_4(1024, 1024, 1024, 4), rs_shape_4(65536, 256, 256, 32)};
    const rs_conv2d_attr *attr[] = {PLAIN(6, 1, 1, 0), PLAIN(32, 3, 1, 1)};
    const rs_caps *caps = rs_device_caps(rs_test_device());
    for (size_t i = 0; i < RS_COUNT(src); i++) {
        rs_problem p;
        assert_ok(rs_problem_init(&p, &rs_op_conv2d, attr[i], true, &src[i], 1));
        for (const rs_impl *const *m = rs_op_conv2d.impls; *m; m++)
            assert_non_null((*m)->can(&p, RS_FWD, caps));
    }
}

/* Winograd's transforms spread each pixel over a whole tile, and so does the rounding: where maps
 * fill no tile, the sums of backward weights have more of it than their own terms would bring. */
static void winograd_counts_whole_tiles(void **state)
{
    (void)state;
    const rs_shape src = rs_shape_4(16, 2, 2, 48);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, PLAIN(32, 3, 1, 1), true, &src, 1));
    assert_int_equal(rs_op_conv2d.reduction(&p, RS_BWD_PARAMS), 16 * 2 * 2);
    assert_int_equal(rs_impl_terms(&rs_conv_winograd, &p, RS_BWD_PARAMS), 4 * 16 * 4 * 4);
    assert_int_equal(rs_impl_terms(&rs_conv_winograd, &p, RS_FWD), 4 * 9 * 48);
    assert_int_equal(rs_impl_terms(&rs_conv_direct, &p, RS_BWD_PARAMS), 16 * 2 * 2);
}

int main(void)
{
    const struct CMUnitTest extra[] = {
        cmocka_unit_test(refuses_bad_shapes),          cmocka_unit_test(counts_operations),
        cmocka_unit_test(counts_operations_of_groups), cmocka_unit_test(declines_huge_tensors),
        cmocka_unit_test(winograd_counts_whole_tiles),
    };
    return conv2d_suite_main(0, rs_conv2d_cases.kinds, extra, RS_COUNT(extra));
}
