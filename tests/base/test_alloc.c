#include "testing.h"

#include "alloc.h"

#include <stdlib.h>
#include <string.h>

static void checked_arithmetic(void **state)
{
    (void)state;
    size_t r = 7;
    assert_true(rs_mul_size(SIZE_MAX, 1, &r));
    assert_true(r == SIZE_MAX);
    assert_false(rs_mul_size(SIZE_MAX / 2 + 1, 2, &r));
    assert_true(r == SIZE_MAX);
    assert_true(rs_mul_size(SIZE_MAX, 0, &r));
    assert_int_equal(r, 0);
    assert_true(rs_mul_size(0, SIZE_MAX, &r));
    assert_int_equal(r, 0);
    assert_true(rs_add_size(SIZE_MAX - 1, 1, &r));
    assert_true(r == SIZE_MAX);
    assert_false(rs_add_size(SIZE_MAX, 1, &r));
    assert_false(rs_add_size(1, SIZE_MAX, &r));
    r = 6;
    assert_true(rs_mul_size(r, 7, &r));
    assert_int_equal(r, 42);
}

static void rounding(void **state)
{
    (void)state;
    assert_int_equal(rs_round_up(0, 64), 0);
    assert_int_equal(rs_round_up(1, 64), 64);
    assert_int_equal(rs_round_up(64, 64), 64);
    assert_int_equal(rs_round_up(65, 12), 72);
    assert_true(rs_round_up(SIZE_MAX - 1, 64) == SIZE_MAX);
}

static void aligned_and_zeroed(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 63, 64, 65, 100003};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *p = rs_aligned_calloc(sizes[i], 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t b = 0; b < sizes[i] * 3; b++)
            assert_int_equal(p[b], 0);
        memset(p, 0xff, sizes[i] * 3);
        rs_aligned_free(p);
    }
    void *empty = rs_aligned_calloc(0, 8);
    assert_non_null(empty);
    rs_aligned_free(empty);
    rs_aligned_free(NULL);
    volatile size_t huge = SIZE_MAX;
    assert_null(rs_aligned_calloc(huge / 2, 3));
    assert_null(rs_aligned_calloc(huge, 1));
}

static void arrays_grow(void **state)
{
    (void)state;
    uint32_t *a = NULL;
    size_t cap = 0, moves = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        size_t before = cap;
        assert_ok(rs_array_reserve(&a, &cap, i + 1, sizeof *a));
        assert_true(cap > i);
        moves += cap != before;
        a[i] = i * 3;
    }
    assert_true(moves < 20); /* doubling, not creeping */
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(a[i], i * 3);
    uint32_t *kept = a;
    assert_fails(rs_array_reserve(&a, &cap, SIZE_MAX / 2, sizeof *a), RESCL_ERR_MEMORY, "4 bytes");
    assert_ptr_equal(a, kept);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(rounding),
        cmocka_unit_test(aligned_and_zeroed),
        cmocka_unit_test(arrays_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
