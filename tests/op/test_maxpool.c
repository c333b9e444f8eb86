#include "op_harness.h"

#include "attr.h"

#include <math.h>
#include <string.h>

#define POOL(k, s, ...)                                                                            \
    {                                                                                              \
        .kernel_h = (k), .kernel_w = (k), .stride_h = (s), .stride_w = (s), __VA_ARGS__            \
    }
#define PAD(t, b, l, r) .pad_top = (t), .pad_bottom = (b), .pad_left = (l), .pad_right = (r)

static const rs_pool_attr k1 = POOL(1, 1, PAD(0, 0, 0, 0));
static const rs_pool_attr k2s2 = POOL(2, 2, PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2 = POOL(3, 2, PAD(0, 0, 0, 0));
static const rs_pool_attr k3s2p1 = POOL(3, 2, PAD(1, 1, 1, 1));
static const rs_pool_attr k3s2p1_ceil = POOL(3, 2, PAD(1, 1, 1, 1), .ceil_mode = true);
static const rs_pool_attr k3s2z1 = POOL(3, 2, PAD(1, 1, 1, 1), .zero_pad = true);
static const rs_pool_attr k3s2z1_ceil =
    POOL(3, 2, PAD(1, 0, 1, 0), .zero_pad = true, .ceil_mode = true);
static const rs_pool_attr k3s1 = POOL(3, 1, PAD(1, 1, 1, 1));
static const rs_pool_attr k2s3 = POOL(2, 3, PAD(0, 0, 0, 0), .ceil_mode = true);
static const rs_pool_attr k17 = POOL(17, 5, PAD(8, 2, 0, 16));
static const rs_pool_attr oblong = {
    .kernel_h = 2, .kernel_w = 5, .stride_h = 1, .stride_w = 3, PAD(1, 0, 2, 4)};

enum { TIES = 1, NEGATIVE, SPECIAL };

static const op_case cases[] = {
    {.name = "1x1", .src = {{4, {1, 1, 1, 1}}}, .attr = &k1},
    {.name = "2x2/2", .src = {{4, {2, 8, 8, 16}}}, .attr = &k2s2},
    {.name = "2x2/2, a row and a column beyond", .src = {{4, {2, 7, 9, 32}}}, .attr = &k2s2},
    {.name = "3x3/1", .src = {{4, {2, 6, 7, 32}}}, .attr = &k3s1},
    {.name = "3x3/2", .src = {{4, {2, 9, 7, 5}}}, .attr = &k3s2},
    {.name = "3x3/2 pad 1", .src = {{4, {2, 8, 9, 37}}}, .attr = &k3s2p1},
    {.name = "3x3/2 pad 1, all negative",
     .src = {{4, {2, 8, 9, 21}}},
     .attr = &k3s2p1,
     .variant = NEGATIVE},
    {.name = "3x3/2 pad 1, ceil", .src = {{4, {1, 8, 10, 19}}}, .attr = &k3s2p1_ceil},
    {.name = "3x3/2 zeros 1", .src = {{4, {2, 8, 9, 20}}}, .attr = &k3s2z1},
    {.name = "3x3/2 zeros 1, all negative",
     .src = {{4, {2, 8, 9, 20}}},
     .attr = &k3s2z1,
     .variant = NEGATIVE},
    {.name = "3x3/2 zeros before, ceil",
     .src = {{4, {1, 7, 8, 3}}},
     .attr = &k3s2z1_ceil,
     .variant = NEGATIVE},
    {.name = "stride above kernel", .src = {{4, {1, 7, 8, 18}}}, .attr = &k2s3},
    {.name = "289 places, i32", .src = {{4, {1, 23, 19, 17}}}, .attr = &k17},
    {.name = "oblong", .src = {{4, {3, 5, 11, 33}}}, .attr = &oblong},
    {.name = "several chunks", .src = {{4, {4, 32, 32, 64}}}, .attr = &k3s2p1},
    {.name = "ties",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &k3s2p1,
     .no_gradient = true,
     .variant = TIES},
    {.name = "NaN and infinities",
     .src = {{4, {1, 9, 9, 4}}},
     .attr = &k3s2p1,
     .no_gradient = true,
     .variant = SPECIAL},
};

static void fill(const op_case *c, const rs_problem *p, op_data *d, rs_rng *rng)
{
    const size_t n = rs_shape_count(&p->src[0]);
    for (size_t i = 0; i < n && c->variant == TIES; i++)
        d->src[0][i] = rs_rng_below(rng, 3);
    for (size_t i = 0; i < n && c->variant == NEGATIVE; i++)
        d->src[0][i] -= 1.5;
    for (size_t i = 0; i < n && c->variant == SPECIAL; i++) {
        const double special[] = {-INFINITY, NAN, INFINITY, 1};
        if (i % 4 == 0 || rs_rng_below(rng, 8) == 0)
            d->src[0][i] = i % 4 == 0 ? -INFINITY : special[rs_rng_below(rng, 4)];
    }
}

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
    const op_suite s = {
        .op = &rs_op_maxpool, .cases = cases, .ncases = RS_COUNT(cases), .fill = fill};
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
