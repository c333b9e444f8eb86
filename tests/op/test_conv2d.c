/* conv2d: every implementation against the reference, over the shapes that each treats differently:
 * channel counts around the vector and panel widths, maps around the tile heights, strides above
 * and below the kernel, paddings that differ by side, and ResNet-50's layers in miniature. */
#include "op_harness.h"

#include "conv2d.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `k` filters of f x f, the same padding on all sides. */
#define ATTR(k, f, step, pad, with_bias)                                                           \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = (f), .kernel_w = (f), .stride_h = (step), .stride_w = (step),  \
        .pad_top = (pad), .pad_bottom = (pad), .pad_left = (pad), .pad_right = (pad),              \
        .bias = (with_bias)                                                                        \
    }
#define PLAIN(k, f, step, pad) ATTR(k, f, step, pad, false)
#define BIAS(k, f, step, pad)  ATTR(k, f, step, pad, true)

static const rs_conv2d_attr uneven = {.filters = 10,
                                      .kernel_h = 2,
                                      .kernel_w = 5,
                                      .stride_h = 3,
                                      .stride_w = 2,
                                      .pad_top = 2,
                                      .pad_left = 1,
                                      .pad_right = 3,
                                      .bias = true},
                            same_s2 = {.filters = 12,
                                       .kernel_h = 3,
                                       .kernel_w = 3,
                                       .stride_h = 2,
                                       .stride_w = 2,
                                       .pad_bottom = 1,
                                       .pad_right = 1};

/* The epilogue of inference. */
#define EPILOGUE(k, f, step, pad)                                                                  \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = (f), .kernel_w = (f), .stride_h = (step), .stride_w = (step),  \
        .pad_top = (pad), .pad_bottom = (pad), .pad_left = (pad), .pad_right = (pad),              \
        .bias = true, .relu = true                                                                 \
    }

/* A 3x3 in groups. */
#define GROUPS(count, k, step, with_bias)                                                          \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = 3, .kernel_w = 3, .stride_h = (step), .stride_w = (step),      \
        .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1, .groups = (count),           \
        .bias = (with_bias)                                                                        \
    }

static const rs_conv2d_attr uneven_groups = {.filters = 32,
                                             .kernel_h = 2,
                                             .kernel_w = 5,
                                             .stride_h = 3,
                                             .stride_w = 2,
                                             .pad_top = 2,
                                             .pad_left = 1,
                                             .pad_right = 3,
                                             .groups = 2,
                                             .bias = true},
                            epilogue_groups = {.filters = 32,
                                               .kernel_h = 3,
                                               .kernel_w = 3,
                                               .stride_h = 1,
                                               .stride_w = 1,
                                               .pad_top = 1,
                                               .pad_bottom = 1,
                                               .pad_left = 1,
                                               .pad_right = 1,
                                               .groups = 8,
                                               .bias = true,
                                               .relu = true};

static const op_case cases[] = {
    {.name = "one number", .src = {{4, {1, 1, 1, 1}}}, .attr = PLAIN(1, 1, 1, 0)},
    {.name = "1x1, 6 classes", .src = {{4, {3, 2, 2, 17}}}, .attr = PLAIN(6, 1, 1, 0)},
    {.name = "1x1, 33 of 31 channels", .src = {{4, {2, 5, 3, 31}}}, .attr = PLAIN(33, 1, 1, 0)},
    {.name = "1x1, whole panels", .src = {{4, {2, 7, 6, 64}}}, .attr = PLAIN(64, 1, 1, 0)},
    {.name = "1x1, more rows than a scratch",
     .src = {{4, {2, 3, 3, 300}}},
     .attr = PLAIN(6, 1, 1, 0)},
    {.name = "1x1 stride 2", .src = {{4, {2, 7, 6, 24}}}, .attr = PLAIN(40, 1, 2, 0)},
    {.name = "1x1 stride 3", .src = {{4, {1, 8, 9, 3}}}, .attr = PLAIN(5, 1, 3, 0)},
    {.name = "1x1 with padding", .src = {{4, {1, 3, 2, 4}}}, .attr = PLAIN(3, 1, 1, 1)},
    {.name = "1x1 bias", .src = {{4, {2, 4, 5, 5}}}, .attr = BIAS(3, 1, 1, 0)},
    {.name = "3x3", .src = {{4, {2, 5, 6, 3}}}, .attr = PLAIN(7, 3, 1, 1)},
    {.name = "3x3, one pixel", .src = {{4, {1, 1, 1, 2}}}, .attr = PLAIN(7, 3, 1, 1)},
    {.name = "3x3, 2x2 map, many images", .src = {{4, {16, 2, 2, 48}}}, .attr = PLAIN(32, 3, 1, 1)},
    {.name = "3x3, 4x4 map, images share tiles",
     .src = {{4, {9, 4, 4, 34}}},
     .attr = PLAIN(35, 3, 1, 1)},
    {.name = "3x3, long row", .src = {{4, {1, 2, 61, 16}}}, .attr = PLAIN(32, 3, 1, 1)},
    {.name = "3x3 stride 2", .src = {{4, {2, 9, 8, 20}}}, .attr = PLAIN(16, 3, 2, 1)},
    {.name = "3x3 without padding", .src = {{4, {2, 6, 5, 8}}}, .attr = PLAIN(9, 3, 1, 0)},
    {.name = "3x3, windows wholly in the padding",
     .src = {{4, {2, 3, 4, 33}}},
     .attr = PLAIN(4, 3, 1, 3)},
    {.name = "3x3, whole tiles of 4x4", .src = {{4, {2, 8, 12, 32}}}, .attr = PLAIN(32, 3, 1, 1)},
    {.name = "3x3, tiles cut at the edges",
     .src = {{4, {1, 17, 19, 37}}},
     .attr = PLAIN(70, 3, 1, 1)},
    {.name = "3x3 without padding, bias",
     .src = {{4, {3, 11, 14, 130}}},
     .attr = BIAS(18, 3, 1, 0)},
    {.name = "3x3, padding 2", .src = {{4, {1, 22, 10, 16}}}, .attr = PLAIN(33, 3, 1, 2)},
    {.name = "3x3 bias", .src = {{4, {2, 6, 7, 19}}}, .attr = BIAS(37, 3, 1, 1)},
    {.name = "3x3 stride 2, padding below and right", .src = {{4, {2, 8, 6, 7}}}, .attr = &same_s2},
    {.name = "2x2 stride 3", .src = {{4, {2, 9, 7, 6}}}, .attr = PLAIN(5, 2, 3, 0)},
    {.name = "5x5 stride 2", .src = {{4, {1, 11, 13, 5}}}, .attr = PLAIN(11, 5, 2, 2)},
    {.name = "2x5 stride 3x2, uneven padding", .src = {{4, {2, 7, 9, 6}}}, .attr = &uneven},
    {.name = "7x7 stride 2 stem", .src = {{4, {2, 17, 19, 3}}}, .attr = PLAIN(64, 7, 2, 3)},
    {.name = "7x7 stride 2 stem with bias",
     .src = {{4, {1, 32, 32, 3}}},
     .attr = BIAS(64, 7, 2, 3)},
    {.name = "1x1 bias, relu",
     .src = {{4, {2, 7, 6, 64}}},
     .attr = EPILOGUE(64, 1, 1, 0),
     .inference_only = true},
    {.name = "1x1 bias, residual, relu",
     .src = {{4, {3, 5, 6, 300}}, {4, {3, 5, 6, 37}}},
     .attr = EPILOGUE(37, 1, 1, 0),
     .inference_only = true},
    {.name = "3x3 bias, residual, relu, taps in the padding",
     .src = {{4, {16, 2, 2, 48}}, {4, {16, 2, 2, 32}}},
     .attr = EPILOGUE(32, 3, 1, 1),
     .inference_only = true},
    {.name = "3x3 bias, residual, relu, tiles cut at the edges",
     .src = {{4, {2, 13, 10, 33}}, {4, {2, 13, 10, 39}}},
     .attr = EPILOGUE(39, 3, 1, 1),
     .inference_only = true},
    {.name = "3x3 stride 2 residual",
     .src = {{4, {2, 8, 6, 20}}, {4, {2, 4, 3, 9}}},
     .attr = BIAS(9, 3, 2, 1),
     .inference_only = true},
    {.name = "groups of 4", .src = {{4, {2, 5, 7, 32}}}, .attr = GROUPS(8, 32, 1, false)},
    {.name = "groups of 4, stride 2", .src = {{4, {2, 8, 7, 16}}}, .attr = GROUPS(4, 16, 2, true)},
    {.name = "groups of 8", .src = {{4, {2, 4, 5, 32}}}, .attr = GROUPS(4, 32, 1, false)},
    {.name = "groups of 8, stride 2", .src = {{4, {1, 7, 6, 16}}}, .attr = GROUPS(2, 16, 2, false)},
    {.name = "groups of 16, 2x2 map", .src = {{4, {9, 2, 2, 32}}}, .attr = GROUPS(2, 32, 1, true)},
    {.name = "groups of 32, stride 2",
     .src = {{4, {1, 9, 8, 64}}},
     .attr = GROUPS(2, 64, 2, false)},
    {.name = "a group for each channel",
     .src = {{4, {2, 6, 5, 16}}},
     .attr = GROUPS(16, 16, 1, true)},
    {.name = "groups of 3", .src = {{4, {2, 6, 5, 15}}}, .attr = GROUPS(5, 15, 1, true)},
    {.name = "groups of 5 to 16", .src = {{4, {2, 6, 5, 10}}}, .attr = GROUPS(2, 32, 1, true)},
    {.name = "groups of 4 to 2", .src = {{4, {2, 6, 5, 16}}}, .attr = GROUPS(4, 8, 2, false)},
    {.name = "groups of 19 to 16, uneven padding",
     .src = {{4, {2, 7, 9, 38}}},
     .attr = &uneven_groups},
    {.name = "groups of 4, bias, residual, relu",
     .src = {{4, {3, 5, 4, 32}}, {4, {3, 5, 4, 32}}},
     .attr = &epilogue_groups,
     .inference_only = true},
    {.name = "1x1 to more channels than a deep scratch",
     .src = {{4, {2, 11, 12, 20}}},
     .attr = PLAIN(1030, 1, 1, 0)},
    {.name = "1x1 of more channels than a deep scratch",
     .src = {{4, {2, 11, 12, 1300}}},
     .attr = EPILOGUE(70, 1, 1, 0),
     .inference_only = true},
    {.name = "3x3 of deep sums, residual, relu",
     .src = {{4, {1, 16, 17, 130}}, {4, {1, 16, 17, 39}}},
     .attr = EPILOGUE(39, 3, 1, 1),
     .inference_only = true},
    {.name = "3x3, images share tiles, deep sums",
     .src = {{4, {15, 4, 4, 1030}}},
     .attr = EPILOGUE(17, 3, 1, 1),
     .inference_only = true},
};

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

/* The grids of backward data cover every pixel once, whatever stride and padding are. */
static void grids_cover_the_map(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(cases); i++) {
        rs_problem p;
        unsigned char seen[64 * 64] = {0};
        assert_ok(rs_problem_init(&p, &rs_op_conv2d, cases[i].attr, !cases[i].inference_only,
                                  cases[i].src, 1));
        const rs_conv v = rs_conv_of(&p);
        for (size_t g = 0; g < rs_conv_grids(&v, RS_BWD_DATA); g++) {
            const rs_conv_grid d = rs_conv_grid_at(&v, RS_BWD_DATA, g);
            for (int a = 0; a < d.gh; a++)
                for (int b = 0; b < d.gw; b++)
                    seen[(d.first_h + a * d.ostep_h) * 64 + d.first_w + b * d.ostep_w]++;
        }
        for (size_t y = 0; y < 64; y++)
            for (size_t x = 0; x < 64; x++)
                assert_int_equal(seen[y * 64 + x], y < v.h && x < v.w);
    }
}

static rs_buffer *uniform(size_t count, uint64_t stream)
{
    rs_buffer *b = NULL;
    rs_rng r;
    float *host = calloc(count, sizeof *host);
    assert_non_null(host);
    rs_rng_init(&r, 3, stream);
    for (size_t i = 0; i < count; i++)
        host[i] = (float)rs_rng_range(&r, -1, 1) + 5;
    assert_ok(rs_buffer_create(rs_test_device(), count * sizeof *host, &b));
    assert_ok(rs_write(rs_test_device(), b, 0, host, count * sizeof *host));
    free(host);
    return b;
}

static float *read_floats(rs_buffer *b, size_t count)
{
    float *host = calloc(count, sizeof *host);
    assert_non_null(host);
    assert_ok(rs_read(rs_test_device(), b, 0, host, count * sizeof *host));
    return host;
}

/* The parts joined are the moments of what was written. */
static void expect_moments(const char *what, const float *moments, size_t parts, const float *dst,
                           size_t pixels, size_t channels)
{
    for (size_t k = 0; k < channels; k++) {
        double count = 0, sum = 0, square = 0, mean = 0, m2 = 0;
        for (size_t i = 0; i < pixels; i++)
            mean += (double)dst[i * channels + k] / (double)pixels;
        for (size_t i = 0; i < pixels; i++)
            m2 += pow((double)dst[i * channels + k] - mean, 2);
        for (size_t p = 0; p < parts; p++) {
            const float *part = moments + p * 2 * channels + k;
            const double n = (double)moments[parts * 2 * channels + p];
            count += n;
            sum += n * (double)part[0];
            square += (double)part[channels] + n * pow((double)part[0] - mean, 2);
        }
        assert_true(count == (double)pixels);
        if (!(fabs(sum / count - mean) <= 1e-6 * fabs(mean) + 1e-6) ||
            !(fabs(square - m2) <= 1e-4 * m2 + 1e-5))
            fail_msg("%s, channel %zu: mean %g, squares %g; expected %g, %g", what, k, sum / count,
                     square, mean, m2);
    }
}

static void check_moments(const op_case *c, const rs_impl *impl)
{
    rescl_device *dev = rs_test_device();
    rs_problem p;
    rs_plan plan;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, c->attr, true, c->src, 1));
    p.want_moments = true;
    if (impl->can && impl->can(&p, RS_FWD, rs_device_caps(dev)))
        return;
    assert_ok(rs_choice_plan(dev, &p, RS_FWD, impl->name, &plan));
    if (plan.moments_parts == 0)
        return;
    const size_t channels = p.dst.dim[3], count = rs_shape_count(&p.dst);
    op_guarded moments = op_guarded_create(dev, rs_moments_bytes(plan.moments_parts, channels));
    rs_args a = {.moments = moments.view};
    assert_ok(rs_plan_build(&plan));
    a.src[0].buf = uniform(rs_shape_count(&p.src[0]), 1);
    for (int i = 0; i < p.nparam; i++)
        a.param[i].buf = uniform(rs_shape_count(&p.param[i].shape), 2 + (uint64_t)i);
    assert_ok(rs_buffer_create(dev, count * sizeof(float), &a.dst.buf));
    if (plan.scratch_bytes)
        assert_ok(rs_buffer_create(dev, plan.scratch_bytes, &a.scratch));
    if (plan.packed_bytes)
        assert_ok(rs_buffer_create(dev, plan.packed_bytes, &a.packed));
    assert_ok(rs_plan_pack(&plan, &a));
    assert_ok(rs_plan_enqueue(&plan, &a));
    assert_ok(rs_finish(dev));
    op_guarded_check(dev, &moments, "moments");
    float *dst = read_floats(a.dst.buf, count);
    float *got = read_floats(moments.view, moments.bytes / sizeof *got);
    expect_moments(c->name, got, plan.moments_parts, dst, count / channels, channels);
    free(dst);
    free(got);
    op_guarded_free(&moments);
    rs_buffer_release(a.src[0].buf);
    for (int i = 0; i < p.nparam; i++)
        rs_buffer_release(a.param[i].buf);
    rs_buffer_release(a.dst.buf);
    rs_buffer_release(a.scratch);
    rs_buffer_release(a.packed);
}

/* On every implementation that leaves moments; their mean is far from 0, which would show where
 * digits were lost. */
static void leaves_moments(void **state)
{
    const char *only = getenv("RESCL_TEST_IMPL");
    (void)state;
    for (size_t i = 0; i < RS_COUNT(cases); i++)
        for (const rs_impl *const *m = rs_op_conv2d.impls; *m; m++)
            if (!cases[i].inference_only && (!only || strcmp(only, (*m)->name) == 0))
                check_moments(&cases[i], *m);
}

int main(void)
{
    const op_suite s = {.op = &rs_op_conv2d, .cases = cases, .ncases = RS_COUNT(cases)};
    const struct CMUnitTest extra[] = {
        cmocka_unit_test(refuses_bad_shapes),          cmocka_unit_test(counts_operations),
        cmocka_unit_test(counts_operations_of_groups), cmocka_unit_test(declines_huge_tensors),
        cmocka_unit_test(grids_cover_the_map),         cmocka_unit_test(leaves_moments),
    };
    return op_suite_main(&s, extra, RS_COUNT(extra));
}
