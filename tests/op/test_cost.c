#include "testing.h"

#include "attr.h"
#include "error.h"
#include "op.h"

/* A convolution of 2x4x4x3 by 5 filters of 3x3, with as many pixels. */
static rs_problem conv(bool training)
{
    static const rs_conv2d_attr attr = {.filters = 5,
                                        .kernel_h = 3,
                                        .kernel_w = 3,
                                        .stride_h = 1,
                                        .stride_w = 1,
                                        .pad_top = 1,
                                        .pad_left = 1,
                                        .pad_bottom = 1,
                                        .pad_right = 1};
    const rs_shape src = rs_shape_4(2, 4, 4, 3);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, &attr, training, &src, 1));
    return p;
}

static void convolutions(void **state)
{
    (void)state;
    const int src = 2 * 4 * 4 * 3, dst = 2 * 4 * 4 * 5, weights = 3 * 3 * 3 * 5;
    rs_problem p = conv(true);
    for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
        assert_int_equal(rs_pass_flop(&p, (rs_pass)pass), 2 * dst * 3 * 3 * 3);
        assert_int_equal(rs_pass_bytes(&p, (rs_pass)pass), 4 * (src + dst + weights));
    }
    /* A gradient that is added to is read too; what nobody wants is not written. */
    p.accumulate[0] = true;
    assert_int_equal(rs_pass_bytes(&p, RS_BWD_DATA), 4 * (2 * src + dst + weights));
    p.want_diff[0] = false;
    assert_int_equal(rs_pass_bytes(&p, RS_BWD_DATA), 4 * (dst + weights));
    /* Activations of 16 bits; parameters stay in f32. */
    p = conv(false);
    p.src_type[0] = p.dst_type = RS_BF16;
    assert_int_equal(rs_pass_bytes(&p, RS_FWD), 2 * (src + dst) + 4 * weights);
}

/* Backward of a ReLU reads what forward gave, or the mask of it. */
static void relus(void **state)
{
    (void)state;
    const rs_shape src = rs_shape_4(2, 4, 4, 8);
    const int count = 2 * 4 * 4 * 8;
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_relu, NULL, true, &src, 1));
    assert_int_equal(rs_pass_flop(&p, RS_FWD), 0);
    assert_int_equal(rs_pass_bytes(&p, RS_FWD), 4 * 2 * count);
    assert_int_equal(rs_pass_bytes(&p, RS_BWD_DATA), 4 * 3 * count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions), cmocka_unit_test(relus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
