#include "clinternal.h"
#include "device_support.h"
#include "fixtures.h"
#include "testing.h"

#include "rng.h"
#include <math.h>
#include <stdlib.h>

/* A device buffer of `count` uniform numbers; the host's copy in *host. */
static rs_buffer *random_matrix(rs_rng *rng, size_t count, float **host)
{
    rs_buffer *buf = NULL;
    *host = calloc(count, sizeof **host);
    assert_non_null(*host);
    for (size_t i = 0; i < count; i++)
        (*host)[i] = (float)rs_rng_range(rng, -1.0, 1.0);
    assert_ok(rs_buffer_create(test_dev, count * sizeof **host, &buf));
    assert_ok(rs_write(test_dev, buf, 0, *host, count * sizeof **host));
    return buf;
}

/* Products with gaps between rows and before the first element, against a sum in double. What lies
 * outside C must stay as it was. */
static void check_product(rs_gemm g, size_t gap)
{
    enum { OFFSET = 3 };
    rs_rng rng;
    rs_rng_init(&rng, 7, g.m * 1000 + g.n);
    const size_t a_rows = g.trans_a ? g.k : g.m, a_cols = g.trans_a ? g.m : g.k;
    const size_t b_rows = g.trans_b ? g.n : g.k, b_cols = g.trans_b ? g.k : g.n;
    float *a = NULL, *b = NULL, *c = NULL, *got = NULL;
    g.lda = a_cols + gap, g.ldb = b_cols + gap, g.ldc = g.n + gap;
    g.a_offset = g.b_offset = g.c_offset = gap ? OFFSET : 0;
    const size_t c_count = g.c_offset + g.m * g.ldc;
    g.a = random_matrix(&rng, g.a_offset + a_rows * g.lda, &a);
    g.b = random_matrix(&rng, g.b_offset + b_rows * g.ldb, &b);
    g.c = random_matrix(&rng, c_count, &c);
    assert_ok(rs_blas_gemm(test_dev, &g));
    got = calloc(c_count, sizeof *got);
    assert_non_null(got);
    assert_ok(rs_read(test_dev, g.c, 0, got, c_count * sizeof *got));
    for (size_t at = 0; at < c_count; at++) {
        const size_t row = at < g.c_offset ? 0 : (at - g.c_offset) / g.ldc;
        const size_t col = at < g.c_offset ? g.n : (at - g.c_offset) % g.ldc;
        double want = c[at];
        if (col < g.n) {
            want *= g.beta;
            for (size_t i = 0; i < g.k; i++)
                want += (double)g.alpha *
                        a[g.a_offset + (g.trans_a ? i * g.lda + row : row * g.lda + i)] *
                        b[g.b_offset + (g.trans_b ? col * g.ldb + i : i * g.ldb + col)];
        }
        if (fabs(got[at] - want) > 1e-6 * (double)g.k)
            fail_msg("C[%zu, %zu] is %g, not %g", row, col, (double)got[at], want);
    }
    rs_buffer_release(g.a);
    rs_buffer_release(g.b);
    rs_buffer_release(g.c);
    free(a);
    free(b);
    free(c);
    free(got);
}

static void multiplies(void **state)
{
    (void)state;
    for (int trans = 0; trans < 4; trans++) {
        const bool ta = trans & 1, tb = trans & 2;
        check_product(
            (rs_gemm){.trans_a = ta, .trans_b = tb, .m = 17, .n = 23, .k = 31, .alpha = 1}, 0);
        check_product(
            (rs_gemm){
                .trans_a = ta, .trans_b = tb, .m = 5, .n = 64, .k = 9, .alpha = 0.5f, .beta = 2.0f},
            2);
    }
    check_product((rs_gemm){.m = 1, .n = 1, .k = 1, .alpha = 1}, 0);
}

/* A product large and odd enough that CLBlast makes padded copies of the matrices: they live in one
 * buffer, made the first time. B is twice the identity, so that C is exactly twice A transposed. */
static void allocates_only_once(void **state)
{
    (void)state;
    enum { N = 1025 };
    const size_t count = (size_t)N * N;
    rs_rng rng;
    float *a = NULL, *b = calloc(count, sizeof *b), *c = calloc(count, sizeof *c);
    assert_non_null(b);
    assert_non_null(c);
    rs_rng_init(&rng, 3, 0);
    for (size_t i = 0; i < N; i++)
        b[i * N + i] = 2.0f;
    rs_gemm g = {.trans_a = true, .m = N, .n = N, .k = N, .alpha = 1, .lda = N, .ldb = N, .ldc = N};
    g.a = random_matrix(&rng, count, &a);
    assert_ok(rs_buffer_create(test_dev, count * sizeof *b, &g.b));
    assert_ok(rs_buffer_create(test_dev, count * sizeof *c, &g.c));
    assert_ok(rs_write(test_dev, g.b, 0, b, count * sizeof *b));
    assert_ok(rs_blas_gemm(test_dev, &g));
    const rescl_device_stats first = test_stats(test_dev);
    assert_ok(rs_blas_gemm(test_dev, &g));
    assert_ok(rs_read(test_dev, g.c, 0, c, count * sizeof *c));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            if (c[i * N + j] != 2.0f * a[j * N + i])
                fail_msg("C[%zu, %zu] is %g, not %g", i, j, (double)c[i * N + j],
                         (double)(2.0f * a[j * N + i]));
    g.m = g.k = 17;
    assert_ok(rs_blas_gemm(test_dev, &g));
    assert_ok(rs_finish(test_dev));
    assert_int_equal(test_stats(test_dev).allocations, first.allocations);
    assert_int_equal(test_stats(test_dev).bytes, first.bytes);
    rs_buffer_release(g.a);
    rs_buffer_release(g.b);
    rs_buffer_release(g.c);
    free(a);
    free(b);
    free(c);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    rs_buffer *buf = NULL;
    assert_ok(rs_buffer_create(test_dev, 6 * sizeof(float), &buf));
    const rs_gemm good = {.m = 2,
                          .n = 2,
                          .k = 3,
                          .alpha = 1,
                          .a = buf,
                          .b = buf,
                          .c = buf,
                          .lda = 3,
                          .ldb = 2,
                          .ldc = 2};
    rs_gemm g = good;
    g.k = 0;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "empty dimension");
    g = good, g.lda = 2;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "matrix A", "leading dimension of 2");
    g = good, g.b_offset = 1;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "matrix B", "buffer of 6 floats");
    g = good, g.m = 4, g.k = 1, g.lda = 1;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "matrix C", "4 x 2");
    g = good, g.c = NULL;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "matrix C", "not a buffer");
    g = good, g.ldc = SIZE_MAX / 2;
    g.m = 8, g.k = 1, g.lda = 1, g.a_offset = SIZE_MAX - 2;
    assert_fails(rs_blas_gemm(test_dev, &g), RESCL_ERR_ARG, "matrix A");
    rs_buffer_release(buf);
}

/* A product counts as one row, from the first of its kernels on. */
static void is_profiled(void **state)
{
    (void)state;
    const rs_profile_row *rows = NULL;
    size_t count = 0;
    rescl_device *plain = test_dev, *profiling = test_device_open_profiling(test_runtime, test_dev);
    if (profiling == NULL)
        skip();
    test_dev = profiling;
    rs_profile_label(test_dev, "dense");
    check_product((rs_gemm){.m = 17, .n = 23, .k = 31, .alpha = 1}, 0);
    check_product((rs_gemm){.m = 17, .n = 23, .k = 31, .alpha = 1}, 0);
    assert_ok(rs_profile_get(test_dev, &rows, &count));
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].kernel, "CLBlastSgemm");
    assert_string_equal(rows[0].label, "dense");
    assert_int_equal(rows[0].launches, 2);
    assert_true(rows[0].total_ns > 0);
    rescl_device_close(test_dev);
    test_dev = plain;
}

/* CLBlast keeps programs of a device that multiplied: they go with the device, also while another is
 * open, which multiplies on. */
static void keeps_nothing_of_a_closed_device(void **state)
{
    (void)state;
    cl_uint owners = 0;
    rescl_device *stays = test_dev, *goes = NULL;
    const rs_gemm g = {.m = 17, .n = 23, .k = 31, .alpha = 1};
    check_product(g, 0);
    assert_ok(rescl_device_open(test_runtime, rs_test_selector(test_runtime), 0, &goes));
    test_dev = goes;
    check_product(g, 0);
    const cl_context context = goes->context;
    assert_int_equal(clRetainContext(context), CL_SUCCESS);
    test_dev = stays;
    rescl_device_close(goes);
    assert_int_equal(
        clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof owners, &owners, NULL),
        CL_SUCCESS);
    assert_int_equal(owners, 1);
    clReleaseContext(context);
    check_product(g, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiplies),
        cmocka_unit_test(allocates_only_once),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(is_profiled),
        cmocka_unit_test(keeps_nothing_of_a_closed_device),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
