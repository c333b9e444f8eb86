#include "conv2d_suite.h"

#include "conv2d.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of conv2d_suite_main. */
static struct {
    const rs_case *cases;
    size_t ncases;
} suite;

/* The grids of backward data cover every pixel once, whatever stride and padding are. */
static void grids_cover_the_map(void **state)
{
    (void)state;
    for (size_t i = 0; i < suite.ncases; i++) {
        const rs_case *c = &suite.cases[i];
        rs_problem p;
        unsigned char seen[64 * 64] = {0};
        assert_ok(rs_problem_init(&p, &rs_op_conv2d, c->attr, !c->inference_only, c->src, 1));
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

/* The same numbers in a narrower type. */
static rs_guarded uniform_of(rs_dtype type, size_t count, uint64_t stream)
{
    rs_guarded g = op_guarded_create(rs_test_device(), count * rs_dtype_bytes(type));
    rs_rng r;
    double *host = calloc(count, sizeof *host);
    assert_non_null(host);
    rs_rng_init(&r, 3, stream);
    for (size_t i = 0; i < count; i++)
        host[i] = rs_rng_range(&r, -1, 1) + 5;
    op_guarded_write(rs_test_device(), &g, type, host, count);
    free(host);
    return g;
}

static float *read_floats(rs_buffer *b, size_t count)
{
    float *host = calloc(count, sizeof *host);
    assert_non_null(host);
    assert_ok(rs_read(rs_test_device(), b, 0, host, count * sizeof *host));
    return host;
}

/* The parts joined are the moments of what was written, as it was rounded. */
static void expect_moments(const char *what, const float *moments, size_t parts, const double *dst,
                           size_t pixels, size_t channels)
{
    for (size_t k = 0; k < channels; k++) {
        double count = 0, sum = 0, square = 0, mean = 0, m2 = 0;
        for (size_t i = 0; i < pixels; i++)
            mean += dst[i * channels + k] / (double)pixels;
        for (size_t i = 0; i < pixels; i++)
            m2 += pow(dst[i * channels + k] - mean, 2);
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

static void check_moments(const rs_case *c, const rs_impl *impl, rs_dtype type)
{
    rescl_device *dev = rs_test_device();
    rs_problem p;
    rs_plan plan;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, c->attr, true, c->src, 1));
    p.want_moments = true;
    p.src_type[0] = p.dst_type = type;
    if (rs_impl_refuses(impl, &p, RS_FWD, rs_device_caps(dev)))
        return;
    assert_ok(rs_choice_plan(dev, &p, RS_FWD, impl->name, &plan));
    if (plan.moments_parts == 0)
        return;
    const size_t channels = p.dst.dim[3], count = rs_shape_count(&p.dst);
    rs_guarded moments = op_guarded_create(dev, rs_moments_bytes(plan.moments_parts, channels));
    rs_guarded src = uniform_of(type, rs_shape_count(&p.src[0]), 1);
    rs_guarded dst = op_guarded_create(dev, count * rs_dtype_bytes(type));
    rs_args a = {.moments = moments.view, .src[0].buf = src.view, .dst.buf = dst.view};
    assert_ok(rs_plan_build(&plan));
    for (int i = 0; i < p.nparam; i++)
        a.param[i].buf = uniform(rs_shape_count(&p.param[i].shape), 2 + (uint64_t)i);
    if (plan.scratch_bytes)
        assert_ok(rs_buffer_create(dev, plan.scratch_bytes, &a.scratch));
    if (plan.packed_bytes)
        assert_ok(rs_buffer_create(dev, plan.packed_bytes, &a.packed));
    assert_ok(rs_plan_pack(&plan, &a));
    assert_ok(rs_plan_enqueue(&plan, &a));
    assert_ok(rs_finish(dev));
    op_guarded_check(dev, &moments, "moments");
    double *written = calloc(count, sizeof *written);
    assert_non_null(written);
    op_guarded_read(dev, &dst, type, written, count);
    float *got = read_floats(moments.view, moments.bytes / sizeof *got);
    expect_moments(c->name, got, plan.moments_parts, written, count / channels, channels);
    free(written);
    free(got);
    rs_guarded_fini(&moments);
    rs_guarded_fini(&src);
    rs_guarded_fini(&dst);
    for (int i = 0; i < p.nparam; i++)
        rs_buffer_release(a.param[i].buf);
    rs_buffer_release(a.scratch);
    rs_buffer_release(a.packed);
}

/* On every implementation that leaves moments; their mean is far from 0, which would show where
 * digits were lost. */
/* Types to check: all, or that of RESCL_TEST_TYPE. */
static const rs_dtype types[] = {RS_F32, RS_BF16, RS_F16};

static bool takes_type(rs_dtype type)
{
    const char *only = getenv("RESCL_TEST_TYPE");
    return !only || strcmp(only, rs_dtype_name(type)) == 0;
}

static void leaves_moments(void **state)
{
    const char *only = getenv("RESCL_TEST_IMPL");
    (void)state;
    for (size_t i = 0; i < suite.ncases; i++)
        for (const rs_impl *const *m = rs_op_conv2d.impls; *m; m++)
            if (!suite.cases[i].inference_only && (!only || strcmp(only, (*m)->name) == 0))
                for (size_t t = 0; t < RS_COUNT(types); t++)
                    if (takes_type(types[t]))
                        check_moments(&suite.cases[i], *m, types[t]);
}

/* ---- sums of the batch normalisation before --------------------------------------------------- */

/* How the normalisation masks its diff_dst. */
enum { NO_RELU, BY_SRC, BY_BITS, MASKS };

static rs_buffer *random_bits(size_t bytes)
{
    rs_buffer *b = NULL;
    rs_rng r;
    unsigned char *host = malloc(bytes);
    assert_non_null(host);
    rs_rng_init(&r, 3, 77);
    for (size_t i = 0; i < bytes; i++)
        host[i] = (unsigned char)rs_rng_below(&r, 16);
    assert_ok(rs_buffer_create(rs_test_device(), bytes, &b));
    assert_ok(rs_write(rs_test_device(), b, 0, host, bytes));
    free(host);
    return b;
}

/* The parts joined are the sums over `diff`, what was written, x being what was normalised. */
static void expect_sums(const char *what, const rs_norm *norm, const double *x, const double *diff,
                        const float *sums, size_t parts, size_t pixels, size_t c)
{
    float *mean = read_floats(norm->mean, c);
    float *gamma = read_floats(norm->gamma, c), *beta = read_floats(norm->beta, c);
    float *inv = read_floats(norm->inv_std, c);
    const size_t row_bytes = (c + 3) / 4;
    unsigned char *mask = malloc(pixels * row_bytes);
    assert_non_null(mask);
    if (norm->mask)
        assert_ok(rs_read(rs_test_device(), norm->mask, 0, mask, pixels * row_bytes));
    for (size_t k = 0; k < c; k++) {
        double sum = 0, dot = 0, size = 0, got[2] = {0};
        for (size_t i = 0; i < pixels; i++) {
            const float centred = (float)x[i * c + k] - mean[k];
            const bool on = norm->mask   ? mask[i * row_bytes + k / 4] >> k % 4 & 1
                            : norm->relu ? fmaf(centred, inv[k] * gamma[k], beta[k]) > 0
                                         : true;
            const double g = on ? diff[i * c + k] : 0;
            sum += g;
            dot += g * (double)centred;
            size += fabs(g);
        }
        for (size_t p = 0; p < parts; p++)
            for (size_t j = 0; j < 2; j++)
                got[j] += (double)sums[(p * 2 + j) * c + k];
        if (isinf(sum) && !isfinite(got[0])) /* f16 has no room for a thousand numbers near 25 */
            continue;
        if (!(fabs(got[0] - sum) <= 1e-5 * size + 1e-6) ||
            !(fabs(got[1] - dot) <= 1e-5 * size + 1e-6))
            fail_msg("%s, channel %zu: sums %g and %g, expected %g and %g", what, k, got[0], got[1],
                     sum, dot);
    }
    free(mean);
    free(gamma);
    free(beta);
    free(inv);
    free(mask);
}

static double *read_numbers(const rs_guarded *g, rs_dtype type, size_t count)
{
    double *host = calloc(count, sizeof *host);
    assert_non_null(host);
    op_guarded_read(rs_test_device(), g, type, host, count);
    return host;
}

static void check_sums(const rs_case *c, const rs_impl *impl, bool accumulate, rs_dtype type,
                       rs_math math)
{
    rescl_device *dev = rs_test_device();
    rs_problem p;
    rs_plan plan;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, c->attr, true, c->src, 1));
    p.want_sums = true;
    p.accumulate[0] = accumulate;
    p.src_type[0] = p.dst_type = type;
    p.math = math;
    if (rs_impl_refuses(impl, &p, RS_BWD_DATA, rs_device_caps(dev)))
        return;
    assert_ok(rs_choice_plan(dev, &p, RS_BWD_DATA, impl->name, &plan));
    if (plan.sums_parts == 0)
        return;
    const size_t channels = p.src[0].dim[3], count = rs_shape_count(&p.src[0]);
    rs_guarded sums = op_guarded_create(dev, rs_sums_bytes(plan.sums_parts, channels));
    rs_guarded src = uniform_of(type, count, 20), diff = uniform_of(type, count, 26);
    rs_guarded diff_dst = uniform_of(type, rs_shape_count(&p.dst), 25);
    rs_buffer *mask = random_bits(rs_mask_bytes(&p.src[0]));
    rs_args a = {.sums = sums.view,
                 .norm.src = src.view,
                 .diff_dst.buf = diff_dst.view,
                 .diff_src[0].buf = diff.view};
    rs_buffer **owned[] = {&a.norm.gamma, &a.norm.beta, &a.norm.mean, &a.norm.inv_std,
                           &a.param[0].buf};
    for (size_t i = 0; i < RS_COUNT(owned); i++)
        *owned[i] = uniform(
            owned[i] == &a.param[0].buf ? rs_shape_count(&p.param[0].shape) : channels, 21 + i);
    assert_ok(rs_plan_build(&plan));
    if (plan.scratch_bytes)
        assert_ok(rs_buffer_create(dev, plan.scratch_bytes, &a.scratch));
    if (plan.packed_bytes)
        assert_ok(rs_buffer_create(dev, plan.packed_bytes, &a.packed));
    assert_ok(rs_plan_pack(&plan, &a));
    double *x = read_numbers(&src, type, count);
    for (int m = 0; m < MASKS; m++) {
        a.norm.relu = m != NO_RELU;
        a.norm.mask = m == BY_BITS ? mask : NULL;
        op_guarded_poison(dev, &sums);
        assert_ok(rs_plan_enqueue(&plan, &a));
        assert_ok(rs_finish(dev));
        op_guarded_check(dev, &sums, "sums");
        double *written = read_numbers(&diff, type, count);
        float *got = read_floats(sums.view, sums.bytes / sizeof *got);
        expect_sums(c->name, &a.norm, x, written, got, plan.sums_parts, count / channels, channels);
        free(written);
        free(got);
    }
    free(x);
    for (size_t i = 0; i < RS_COUNT(owned); i++)
        rs_buffer_release(*owned[i]);
    rs_buffer_release(mask);
    rs_buffer_release(a.scratch);
    rs_buffer_release(a.packed);
    rs_guarded_fini(&sums);
    rs_guarded_fini(&src);
    rs_guarded_fini(&diff);
    rs_guarded_fini(&diff_dst);
}

static void leaves_sums(void **state)
{
    const char *only = getenv("RESCL_TEST_IMPL");
    const bool tf32 = rs_has_engine(rs_device_caps(rs_test_device()), RS_ENGINE_nv_tf32);
    (void)state;
    for (size_t i = 0; i < suite.ncases; i++)
        for (const rs_impl *const *m = rs_op_conv2d.impls; *m; m++)
            if (!suite.cases[i].inference_only && (!only || strcmp(only, (*m)->name) == 0)) {
                for (size_t t = 0; t < RS_COUNT(types); t++)
                    if (takes_type(types[t]))
                        check_sums(&suite.cases[i], *m, i % 2, types[t], RS_MATH_F32);
                if (tf32 && takes_type(RS_F32))
                    check_sums(&suite.cases[i], *m, i % 2, RS_F32, RS_MATH_TF32);
            }
}

int conv2d_suite_main(size_t first, size_t count, const struct CMUnitTest *extra, size_t nextra)
{
    struct CMUnitTest all[16] = {
        cmocka_unit_test(grids_cover_the_map),
        cmocka_unit_test(leaves_moments),
        cmocka_unit_test(leaves_sums),
    };
    size_t n = 3;
    assert_true(n + nextra <= RS_COUNT(all));
    for (size_t i = 0; i < nextra; i++)
        all[n++] = extra[i];
    suite.cases = rs_conv2d_cases.list + first;
    suite.ncases = count;
    return op_suite_main_of(&rs_op_conv2d, first, count, all, n);
}
