#include "op_harness.h"

#include "attr.h"

#include <math.h>

#define POOL(k, s, ...)                                                                            \
    {                                                                                              \
        .kernel_h = (k), .kernel_w = (k), .stride_h = (s), .stride_w = (s), __VA_ARGS__            \
    }
#define PAD(t, b, l, r) .pad_top = (t), .pad_bottom = (b), .pad_left = (l), .pad_right = (r)

static const rs_pool_attr k3s2_ceil = POOL(3, 2, PAD(1, 1, 1, 1), .ceil_mode = true);
static const rs_pool_attr k3s2_ceil_count =
    POOL(3, 2, PAD(1, 1, 1, 1), .ceil_mode = true, .count_pad = true);

/* torch.nn.functional.avg_pool2d(arange(16).view(1, 1, 4, 4), 3, 2, 1, ceil_mode=True,
 * count_include_pad=c), which shows all the rules of the divisor. */
static void divisors_agree_with_torch(void **state)
{
    static const double want[2][9] = {{2.5, 4, 5, 8.5, 10, 11, 12.5, 14, 15},
                                      {1.11111111111111, 2.66666666666667, 1.66666666666667,
                                       5.66666666666667, 10, 5.5, 4.16666666666667, 7, 3.75}};
    const rs_shape src = rs_shape_4(1, 4, 4, 1);
    double x[16], dst[9];
    rs_problem p;
    (void)state;
    for (int i = 0; i < 16; i++)
        x[i] = i;
    for (int c = 0; c < 2; c++) {
        const rs_pool_attr *a = c ? &k3s2_ceil_count : &k3s2_ceil;
        assert_ok(rs_problem_init(&p, &rs_op_avgpool, a, true, &src, 1));
        assert_int_equal(rs_shape_count(&p.dst), 9);
        const rs_ref ref = {.src = {x}, .dst = dst};
        p.op->reference(&p, RS_FWD, &ref);
        for (int i = 0; i < 9; i++)
            assert_true(fabs(dst[i] - want[c][i]) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(divisors_agree_with_torch)};
    return op_suite_main(&rs_op_avgpool, extra, RS_COUNT(extra));
}
