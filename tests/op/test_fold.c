/* Folding a normalisation into weights and bias, against the formula in double. */
#include "op_harness.h"

#include "fold.h"

#include <math.h>

enum { ROWS = 27, CHANNELS = 37 };

static rs_buffer *upload(const float *x, size_t count)
{
    rs_buffer *buf = NULL;
    assert_ok(rs_buffer_create(rs_test_device(), count * sizeof *x, &buf));
    assert_ok(rs_write(rs_test_device(), buf, 0, x, count * sizeof *x));
    return buf;
}

static void check_fold(bool with_bias)
{
    static float weight[ROWS * CHANNELS], vec[5][CHANNELS];
    static double want[ROWS * CHANNELS + CHANNELS], got[ROWS * CHANNELS + CHANNELS];
    static float out[ROWS * CHANNELS];
    rs_rng r;
    rs_kernel *kernel = NULL;
    rs_fold f = {.rows = ROWS, .channels = CHANNELS, .eps = 1e-3f};

    rs_rng_init(&r, 1, 2);
    for (size_t i = 0; i < RS_COUNT(weight); i++)
        weight[i] = rs_rng_normal(&r);
    for (size_t v = 0; v < RS_COUNT(vec); v++)
        for (size_t q = 0; q < CHANNELS; q++) /* the last is the variance */
            vec[v][q] = (float)rs_rng_range(&r, v == 4 ? 0.1 : -2.0, 2.0);
    for (size_t q = 0; q < CHANNELS; q++) {
        const double scale = (double)vec[1][q] / sqrt((double)vec[4][q] + (double)f.eps);
        for (size_t i = q; i < ROWS * CHANNELS; i += CHANNELS)
            want[i] = (double)weight[i] * scale;
        want[ROWS * CHANNELS + q] =
            ((with_bias ? (double)vec[0][q] : 0.0) - (double)vec[3][q]) * scale + (double)vec[2][q];
    }
    f.weight = upload(weight, RS_COUNT(weight));
    f.bias = with_bias ? upload(vec[0], CHANNELS) : NULL;
    f.gamma = upload(vec[1], CHANNELS);
    f.beta = upload(vec[2], CHANNELS);
    f.mean = upload(vec[3], CHANNELS);
    f.var = upload(vec[4], CHANNELS);
    f.folded_weight = upload(weight, RS_COUNT(weight));
    f.folded_bias = upload(vec[0], CHANNELS);
    assert_ok(rs_fold_kernel(rs_test_device(), &kernel));
    assert_ok(rs_fold_enqueue(rs_test_device(), kernel, &f));
    assert_ok(rs_read(rs_test_device(), f.folded_weight, 0, out, sizeof out));
    for (size_t i = 0; i < ROWS * CHANNELS; i++)
        got[i] = (double)out[i];
    assert_ok(rs_read(rs_test_device(), f.folded_bias, 0, out, CHANNELS * sizeof *out));
    for (size_t q = 0; q < CHANNELS; q++)
        got[ROWS * CHANNELS + q] = (double)out[q];
    op_expect_close("folded weight and bias", RS_F32, 4, 0.0, want, got, RS_COUNT(want));

    rs_buffer *const all[] = {f.weight, f.bias, f.gamma,         f.beta,
                              f.mean,   f.var,  f.folded_weight, f.folded_bias};
    for (size_t i = 0; i < RS_COUNT(all); i++)
        rs_buffer_release(all[i]);
}

static void folds_with_a_bias(void **state)
{
    (void)state;
    check_fold(true);
}

static void folds_without_a_bias(void **state)
{
    (void)state;
    check_fold(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_with_a_bias),
        cmocka_unit_test(folds_without_a_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
