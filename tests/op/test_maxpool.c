#include "op_harness.h"

#include "attr.h"

#include <math.h>
#include <string.h>

#define POOL(k, s, ...)                                                                            \
    {                                                                                              \
        .kernel_h = (k), .kernel_w = (k), .stride_h = (s), .stride_w = (s), __VA_ARGS__            \
    }
#define PAD(t, b, l, r) .pad_top = (t), .pad_bottom = (b), .pad_left = (l), .pad_right = (r)

static const rs_pool_attr k3s2 = POOL(3, 2, PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2p1 = POOL(3, 2, PAD(1, 1, 1, 1));
static const rs_pool_attr k3s2p1_ceil = POOL(3, 2, PAD(1, 1, 1, 1), .ceil_mode = true);
static const rs_pool_attr k2s3 = POOL(2, 3, PAD(0, 0, 0, 0), .ceil_mode = true);

static void infer(const rs_pool_attr *a, size_t h, size_t w, rescl_status want, size_t out_h,
                  size_t out_w)
{
    const rs_shape src = rs_shape_4(2, h, w, 3);
    rs_problem p;
    assert_int_equal(rs_problem_init(&p, &rs_op_maxpool, a, true, &src, 1), want);
    if (want != RESCL_OK)
        return;
    assert_int_equal(p.dst.dim[1], out_h);
    assert_int_equal(p.dst.dim[2], out_w);
}

/* Sizes that torch.nn.functional.max_pool2d gives, and what it refuses. */
static void sizes_agree_with_torch(void **state)
{
    const rs_pool_attr no_stride = POOL(3, 0, PAD(0, 0, 0, 0));
    const rs_pool_attr wide_pad = POOL(2, 2, PAD(0, 2, 0, 0));
    const rs_pool_attr all = {.global = true};
    (void)state;
    infer(&k3s2, 9, 8, RESCL_OK, 4, 3);
    infer(&k3s2p1, 224, 112, RESCL_OK, 112, 56);
    infer(&k3s2p1_ceil, 8, 9, RESCL_OK, 5, 5);
    infer(&k2s3, 7, 6, RESCL_OK, 3, 2);
    infer(&k2s3, 1, 3, RESCL_OK, 1, 1);
    infer(&k3s2, 2, 5, RESCL_ERR_SHAPE, 0, 0);
    infer(&no_stride, 9, 9, RESCL_ERR_ARG, 0, 0);
    infer(&wide_pad, 9, 9, RESCL_ERR_ARG, 0, 0);
    infer(&all, 9, 9, RESCL_ERR_ARG, 0, 0);
}

static void first_of_equals_wins(void **state)
{
    const rs_shape src = rs_shape_4(1, 3, 3, 1);
    const double x[9] = {1, 2, 0, 2, 2, 0, 0, 0, 2};
    double dst, place;
    rs_problem p;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_maxpool, &k3s2, true, &src, 1));
    assert_int_equal(p.ws_type[0], RS_U8);
    const rs_ref ref = {.src = {x}, .dst = &dst, .ws = {&place}};
    p.op->reference(&p, RS_FWD, &ref);
    assert_true(dst == 2 && place == 1);
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(sizes_agree_with_torch),
                                       cmocka_unit_test(first_of_equals_wins)};
    return op_suite_main(&rs_op_maxpool, extra, RS_COUNT(extra));
}
