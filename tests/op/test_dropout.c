#include "op_harness.h"

#include "attr.h"

#include <math.h>
#include <stdlib.h>

static const rs_dropout_attr half = {.rate = 0.5f, .stream = 3};
static const rs_dropout_attr tenth = {.rate = 0.1f, .stream = UINT64_C(0x8000000000000001)};

/* What the op's formula cannot show: the kept fraction, and that steps and streams differ. */
static size_t kept(const rs_dropout_attr *a, uint64_t seed, uint64_t step, double *dst, size_t n)
{
    rs_problem p;
    const rs_shape shape = rs_shape_1(n);
    double *ones = malloc(n * sizeof *ones);
    size_t count = 0;
    assert_non_null(ones);
    assert_ok(rs_problem_init(&p, &rs_op_dropout, a, true, &shape, 1));
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    const rs_ref ref = {.src = {ones}, .dst = dst, .seed = seed, .step = step};
    p.op->reference(&p, RS_FWD, &ref);
    for (size_t i = 0; i < n; i++)
        count += dst[i] != 0;
    free(ones);
    return count;
}

static void masks_are_random(void **state)
{
    enum { N = 40000 };
    static double a[N], b[N];
    const rs_dropout_attr other = {.rate = 0.5f, .stream = 4};
    size_t equal = 0;
    (void)state;

    /* Within five standard deviations of N / 2, so sure to pass for a sound generator. */
    assert_in_range(kept(&half, 1, 1, a, N), N / 2 - 500, N / 2 + 500);
    assert_in_range(kept(&tenth, 1, 1, b, N), N * 9 / 10 - 300, N * 9 / 10 + 300);
    const struct {
        const rs_dropout_attr *attr;
        uint64_t seed, step;
    } others[] = {{&half, 1, 2}, {&half, 2, 1}, {&other, 1, 1}};
    for (size_t k = 0; k < RS_COUNT(others); k++) {
        kept(others[k].attr, others[k].seed, others[k].step, b, N);
        equal = 0;
        for (size_t i = 0; i < N; i++)
            equal += a[i] == b[i];
        assert_in_range(equal, N / 2 - 500, N / 2 + 500);
    }
}

static void rate_is_checked(void **state)
{
    const float bad[] = {-0.1f, 1.0f, NAN};
    const rs_shape shape = rs_shape_1(4);
    rs_problem p;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        const rs_dropout_attr a = {.rate = bad[i]};
        assert_int_equal(rs_problem_init(&p, &rs_op_dropout, &a, true, &shape, 1), RESCL_ERR_ARG);
    }
}

int main(void)
{
    const struct CMUnitTest extra[] = {cmocka_unit_test(masks_are_random),
                                       cmocka_unit_test(rate_is_checked)};
    return op_suite_main(&rs_op_dropout, extra, RS_COUNT(extra));
}
