#include "testing.h"

#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The known answers that Random123 publishes for philox4x32-10 (kat_vectors). */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, stream, index;
        uint32_t word[4];
    } cases[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x0370734413198a2e,
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t word[4];
        rs_philox(cases[i].seed, cases[i].stream, cases[i].index, word);
        assert_memory_equal(word, cases[i].word, sizeof word);
    }
}

static void reader_follows_the_counter(void **state)
{
    (void)state;
    rs_rng r;
    rs_rng_init(&r, 11, 22);
    for (uint64_t index = 0; index < 5; index++) {
        uint32_t word[4];
        rs_philox(11, 22, index, word);
        for (int i = 0; i < 4; i++)
            assert_int_equal(rs_rng_u32(&r), word[i]);
    }
    /* A copy, as a checkpoint makes it, goes on alike. */
    rs_rng_u32(&r);
    rs_rng copy = r;
    for (int i = 0; i < 9; i++)
        assert_int_equal(rs_rng_u32(&r), rs_rng_u32(&copy));
}

static void uniform_and_range(void **state)
{
    (void)state;
    enum { N = 200000 };
    rs_rng r;
    rs_rng_init(&r, 1, 2);
    double sum = 0, square = 0;
    for (int i = 0; i < N; i++) {
        float u = rs_rng_uniform(&r);
        assert_true(u >= 0.0f && u < 1.0f);
        sum += u;
        square += (double)u * u;
    }
    /* Five standard errors of the mean (1/12 variance) and of the mean square. */
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    for (int i = 0; i < 10000; i++) {
        double v = rs_rng_range(&r, -3.0, 5.0), narrow = rs_rng_range(&r, 1.0, 1.0 + 0x1p-52);
        assert_true(v >= -3.0 && v < 5.0);
        assert_true(narrow == 1.0);
    }
}

static void normal_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    rs_rng r;
    rs_rng_init(&r, 3, 4);
    double m1 = 0, m2 = 0, m4 = 0;
    int tail = 0;
    for (int i = 0; i < N; i++) {
        double z = rs_rng_normal(&r);
        m1 += z;
        m2 += z * z;
        m4 += z * z * z * z;
        tail += fabs(z) > 1.959963985;
    }
    assert_true(fabs(m1 / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m4 / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs((double)tail / N - 0.05) < 5 * sqrt(0.05 * 0.95 / N));
}

static void below_has_no_bias(void **state)
{
    (void)state;
    enum { N = 60000, SIDES = 6 };
    rs_rng r;
    rs_rng_init(&r, 5, 6);
    int count[SIDES] = {0};
    for (int i = 0; i < N; i++) {
        uint32_t v = rs_rng_below(&r, SIDES);
        assert_true(v < SIDES);
        count[v]++;
    }
    double chi2 = 0;
    for (int i = 0; i < SIDES; i++)
        chi2 += pow(count[i] - N / SIDES, 2) / (N / SIDES);
    assert_true(chi2 < 25.7); /* 5 degrees of freedom, p = 1e-4 */
    assert_int_equal(rs_rng_below(&r, 1), 0);
    assert_int_equal(rs_rng_below(&r, 0), 0);

    /* With n = 3 * 2^30 a plain modulo would give the low third twice as often. */
    int low = 0;
    for (int i = 0; i < N; i++)
        low += rs_rng_below(&r, 3u << 30) < 1u << 30;
    assert_true(fabs((double)low / N - 1.0 / 3) < 5 * sqrt(2.0 / 9 / N));
}

static void permutations(void **state)
{
    (void)state;
    enum { N = 1000 };
    uint32_t order[N], again[N];
    rs_rng r;
    rs_rng_init(&r, 7, 8);
    rs_rng_permutation(&r, order, N);
    unsigned char seen[N] = {0};
    size_t fixed = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_true(order[i] < N && !seen[order[i]]);
        seen[order[i]] = 1;
        fixed += order[i] == i;
    }
    assert_true(fixed < 10); /* 1 is expected */
    rs_rng_init(&r, 7, 8);
    rs_rng_permutation(&r, again, N);
    assert_memory_equal(order, again, sizeof order);
    rs_rng_init(&r, 7, 9);
    rs_rng_permutation(&r, again, N);
    assert_memory_not_equal(order, again, sizeof order);

    /* Each of the 6 orders of 3 equally often. */
    int count[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint32_t o[3];
        rs_rng_permutation(&r, o, 3);
        count[o[0] * 2 + (o[1] > o[2])]++;
    }
    for (int i = 0; i < 6; i++)
        assert_true(abs(count[i] - 10000) < 5 * 92);
    rs_rng_permutation(&r, order, 0);
    rs_rng_permutation(&r, order, 1);
    assert_int_equal(order[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),     cmocka_unit_test(reader_follows_the_counter),
        cmocka_unit_test(uniform_and_range), cmocka_unit_test(normal_moments),
        cmocka_unit_test(below_has_no_bias), cmocka_unit_test(permutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
