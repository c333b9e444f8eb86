#include "op_harness.h"

#include "attr.h"

#include <math.h>

static const rs_batchnorm_attr plain = {.eps = 1e-5f, .momentum = 0.9f, .unbiased_running = true};
static const rs_batchnorm_attr relu = {
    .eps = 1e-3f, .momentum = 0.99f, .relu = true, .unbiased_running = true};
static const rs_batchnorm_attr biased = {.eps = 1e-3f, .momentum = 0.5f};
static const rs_batchnorm_attr frozen = {.eps = 1e-3f, .momentum = 0.9f, .frozen = true};
static const rs_batchnorm_attr frozen_relu = {
    .eps = 1e-5f, .momentum = 0.9f, .relu = true, .frozen = true};

enum { FAR_MEAN = 1, NOT_A_NUMBER };

#define BOTH(...)                                                                                  \
    {                                                                                              \
        {4, {__VA_ARGS__}},                                                                        \
        {                                                                                          \
            4,                                                                                     \
            {                                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }

static const op_case cases[] = {
    {.name = "one pixel", .src = {{4, {1, 1, 1, 3}}}, .attr = &plain, .scale = 400},
    {.name = "one channel", .src = {{4, {2, 5, 3, 1}}}, .attr = &plain, .scale = 1},
    {.name = "biased running variance", .src = {{4, {2, 3, 3, 16}}}, .attr = &biased, .scale = 1},
    {.name = "prime", .src = {{4, {3, 7, 5, 13}}}, .attr = &plain, .scale = 1},
    {.name = "prime, relu", .src = {{4, {3, 7, 5, 37}}}, .attr = &relu, .scale = 1},
    {.name = "residual", .src = BOTH(3, 7, 5, 19), .attr = &plain, .scale = 1},
    {.name = "residual, relu", .src = BOTH(3, 7, 5, 48), .attr = &relu, .scale = 1},
    {.name = "two dimensions", .src = {{2, {33, 70}}}, .attr = &relu, .scale = 1},
    {.name = "many pixels", .src = {{4, {8, 17, 19, 64}}}, .attr = &relu, .scale = 1},
    {.name = "many channels", .src = BOTH(8, 2, 2, 2048), .attr = &relu, .scale = 1},
    {.name = "mean far from zero",
     .src = {{4, {4, 16, 16, 20}}},
     .attr = &plain,
     .no_gradient = true,
     .variant = FAR_MEAN,
     .scale = 200},
    {.name = "NaN stays in its channel",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &relu,
     .no_gradient = true,
     .variant = NOT_A_NUMBER,
     .scale = 1},
    {.name = "frozen, one pixel", .src = {{4, {1, 1, 1, 3}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen", .src = {{4, {3, 7, 5, 13}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen, relu", .src = {{4, {3, 7, 5, 37}}}, .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, residual", .src = BOTH(3, 7, 5, 19), .attr = &frozen, .scale = 1},
    {.name = "frozen, residual, relu", .src = BOTH(3, 7, 5, 48), .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, two dimensions", .src = {{2, {33, 70}}}, .attr = &frozen_relu, .scale = 1},
    {.name = "frozen, many pixels", .src = {{4, {8, 17, 19, 64}}}, .attr = &frozen, .scale = 1},
    {.name = "frozen, NaN stays in its channel",
     .src = {{4, {2, 9, 9, 20}}},
     .attr = &frozen_relu,
     .no_gradient = true,
     .variant = NOT_A_NUMBER,
     .scale = 1},
};

static void fill(const op_case *c, const rs_problem *p, op_data *d, rs_rng *rng)
{
    const size_t n = rs_shape_count(&p->src[0]);
    (void)rng;
    for (size_t i = 0; i < n && c->variant == FAR_MEAN; i++)
        d->src[0][i] = 1e4 + d->src[0][i];
    if (c->variant == NOT_A_NUMBER)
        d->src[0][20 * 31 + 7] = NAN;
}

static void shapes_and_attributes_are_checked(void **state)
{
    const rs_shape src[] = {rs_shape_4(1, 2, 3, 4), rs_shape_4(1, 3, 2, 4)}, flat = rs_shape_1(4);
    const rs_batchnorm_attr no_eps = {.momentum = 0.9f}, far = {.eps = 1e-5f, .momentum = 1.1f};
    rs_problem p;
    (void)state;
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &plain, true, src, 2), RESCL_ERR_SHAPE);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &plain, true, &flat, 1),
                     RESCL_ERR_SHAPE);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &no_eps, true, src, 1), RESCL_ERR_ARG);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &far, true, src, 1), RESCL_ERR_ARG);
}

static void expect(const char *what, const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) < 1e-12))
            fail_msg("%s %zu is %.15g, torch has %.15g", what, i, got[i], want[i]);
}

/* What torch 1.13 has in float64 for relu(batch_norm(x, momentum=0.25, eps=2**-10) + r). */
typedef struct by_torch {
    double dst[6], mean[2], var[2], diff_gamma[2], diff_beta[2], diff_src[6], diff_residual[6];
} by_torch;

static void compare_with_torch(bool frozen_too, const by_torch *want)
{
    const rs_batchnorm_attr a = {.eps = 0x1p-10f,
                                 .momentum = 0.75f,
                                 .relu = true,
                                 .unbiased_running = true,
                                 .frozen = frozen_too};
    const double x[] = {1, -2, 3, 0.5, 2, -1}, r[] = {0.25, -0.5, 1, 2, -3, 0.75};
    const double diff[] = {1, 2, -1, 0.5, 3, -2}, gamma[] = {1.5, -0.5}, beta[] = {0.1, 0.2};
    double mean[] = {0.5, -0.5}, var[] = {2, 3}, ws[2][2], dst[6], dx[6], dr[6], dg[2], db[2];
    const rs_shape src[] = {rs_shape_2(3, 2), rs_shape_2(3, 2)};
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &a, true, src, 2));
    const rs_ref ref = {.src = {x, r},
                        .param = {gamma, beta},
                        .diff_dst = diff,
                        .dst = dst,
                        .state = {mean, var},
                        .ws = {ws[0], ws[1]},
                        .diff_src = {dx, dr},
                        .diff_param = {dg, db}};
    for (int pass = RS_FWD; pass < RS_PASS_COUNT; pass++)
        p.op->reference(&p, (rs_pass)pass, &ref);
    expect("dst", dst, want->dst, 6);
    expect("running mean", mean, want->mean, 2);
    expect("running variance", var, want->var, 2);
    expect("diff gamma", dg, want->diff_gamma, 2);
    expect("diff beta", db, want->diff_beta, 2);
    expect("diff src", dx, want->diff_src, 6);
    expect("diff residual", dr, want->diff_residual, 6);
}

static void reference_agrees_with_torch(void **state)
{
    (void)state;
    compare_with_torch(
        false, &(by_torch){.dst = {0, 0.267512513440518, 2.93577323864231, 1.55141427035369, 0,
                                   1.03107321620579},
                           .mean = {0.875, -0.583333333333333},
                           .var = {1.75, 2.64583333333333},
                           .diff_gamma = {-1.22384882576154, -1.29717145929261},
                           .diff_beta = {-1, 0.5},
                           .diff_src = {-0.304619612652982, -0.653073607178906, -0.307304800227787,
                                        -0.434982742222737, 0.611924412880769, 1.08805634940164},
                           .diff_residual = {0, 2, -1, 0.5, 0, -2}});
}

/* torch with training=False. */
static void frozen_reference_agrees_with_torch(void **state)
{
    (void)state;
    compare_with_torch(
        true, &(by_torch){.dst = {0.880200658167205, 0.13294224176615, 3.75100329083602,
                                  1.91137183882257, 0, 1.09431408058872},
                          .mean = {0.5, -0.5},
                          .var = {2, 3},
                          .diff_gamma = {-1.41386842177921, -0.8658844835323},
                          .diff_beta = {0, 0.5},
                          .diff_src = {1.06040131633441, -0.577256322354867, -1.06040131633441,
                                       -0.144314080588717, 0, 0.577256322354867},
                          .diff_residual = {1, 2, -1, 0.5, 0, -2}});
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(reference_agrees_with_torch),
                                       cmocka_unit_test(frozen_reference_agrees_with_torch),
                                       cmocka_unit_test(shapes_and_attributes_are_checked)};
    const op_suite s = {
        .op = &rs_op_batchnorm, .cases = cases, .ncases = RS_COUNT(cases), .fill = fill};
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
