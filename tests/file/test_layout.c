#include "testing.h"

#include "layout.h"

#include <string.h>

static void turns_filters(void **state)
{
    enum { R = 2, S = 3, C = 4, K = 5 };
    const size_t rsck[4] = {R, S, C, K};
    size_t kcrs[4], back[4];
    float src[R * S * C * K], turned[R * S * C * K], again[R * S * C * K];
    (void)state;
    for (size_t i = 0; i < R * S * C * K; i++)
        src[i] = (float)i;
    rs_layout_dims_to_kcrs(4, rsck, kcrs);
    assert_true(kcrs[0] == K && kcrs[1] == C && kcrs[2] == R && kcrs[3] == S);
    rs_layout_dims_to_rsck(4, kcrs, back);
    assert_memory_equal(back, rsck, sizeof rsck);
    rs_layout_to_kcrs(4, rsck, src, turned);
    for (size_t r = 0; r < R; r++)
        for (size_t s = 0; s < S; s++)
            for (size_t c = 0; c < C; c++)
                for (size_t k = 0; k < K; k++)
                    assert_true(turned[((k * C + c) * R + r) * S + s] ==
                                src[((r * S + s) * C + c) * K + k]);
    rs_layout_to_rsck(4, rsck, turned, again);
    assert_memory_equal(again, src, sizeof src);
}

static void turns_matrices(void **state)
{
    const size_t in_out[2] = {2, 3};
    const float src[6] = {0, 1, 2, 3, 4, 5}, want[6] = {0, 3, 1, 4, 2, 5};
    size_t dim[2];
    float turned[6], again[6];
    (void)state;
    rs_layout_dims_to_kcrs(2, in_out, dim);
    assert_true(dim[0] == 3 && dim[1] == 2);
    rs_layout_to_kcrs(2, in_out, src, turned);
    assert_memory_equal(turned, want, sizeof want);
    rs_layout_to_rsck(2, in_out, turned, again);
    assert_memory_equal(again, src, sizeof src);
}

static void leaves_the_rest(void **state)
{
    const size_t dim[3] = {2, 1, 3};
    const float src[6] = {0, 1, 2, 3, 4, 5};
    size_t same[3];
    float copy[6];
    (void)state;
    assert_false(rs_layout_differs(1) || rs_layout_differs(3));
    rs_layout_dims_to_kcrs(3, dim, same);
    assert_memory_equal(same, dim, sizeof dim);
    rs_layout_to_kcrs(3, dim, src, copy);
    assert_memory_equal(copy, src, sizeof src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_filters),
        cmocka_unit_test(turns_matrices),
        cmocka_unit_test(leaves_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
