#include "testing.h"

#include "tensor.h"

#include <string.h>

static void counts_and_compares(void **state)
{
    (void)state;
    rs_shape a = rs_shape_4(32, 64, 64, 3), b = a, none = {0}, flat = rs_shape_1(5);
    assert_int_equal(rs_shape_count(&a), 32 * 64 * 64 * 3);
    assert_int_equal(rs_shape_count(&none), 0);
    assert_int_equal(rs_shape_count(&flat), 5);
    assert_true(rs_shape_equal(&a, &b));
    b.dim[3] = 4;
    assert_false(rs_shape_equal(&a, &b));
    assert_false(rs_shape_equal(&a, &flat));
    flat.dim[3] = 9; /* beyond ndim: of no account */
    rs_shape other = rs_shape_1(5);
    assert_true(rs_shape_equal(&flat, &other));
}

static void types_are_described(void **state)
{
    (void)state;
    assert_int_equal(rs_dtype_bytes(RS_F32), 4);
    assert_int_equal(rs_dtype_bytes(RS_I32), 4);
    assert_int_equal(rs_dtype_bytes(RS_U8), 1);
    assert_int_equal(rs_dtype_bytes(RS_BF16), 2);
    assert_int_equal(rs_dtype_bytes(RS_F16), 2);
    assert_int_equal(RS_F32, 0); /* what a problem's types are unless they are set */
    assert_string_equal(rs_dtype_name(RS_BF16), "bf16");
    assert_string_equal(rs_dtype_name(RS_I32), "i32");
    assert_true(rs_dtype_is_float(RS_F32) && rs_dtype_is_float(RS_F16));
    assert_false(rs_dtype_is_float(RS_U8));
    assert_true(rs_dtype_roundoff(RS_F32) == 0x1p-24);
    assert_true(rs_dtype_roundoff(RS_BF16) == 0x1p-8);
    assert_true(rs_dtype_roundoff(RS_F16) == 0x1p-11);
    assert_true(rs_dtype_roundoff(RS_I32) == 0);
}

static void refuses_bad_shapes(void **state)
{
    (void)state;
    rs_shape good = rs_shape_2(3, 7), zero = rs_shape_4(2, 0, 4, 1), none = {0};
    rs_shape many = {5, {1, 1, 1, 1}};
    assert_ok(rs_shape_check(&good, "x"));
    assert_fails(rs_shape_check(&zero, "input"), RESCL_ERR_SHAPE, "input", "(2, 0, 4, 1)");
    assert_fails(rs_shape_check(&none, "weights"), RESCL_ERR_SHAPE, "weights");
    assert_fails(rs_shape_check(&many, "weights"), RESCL_ERR_SHAPE, "5 dimensions");
    rs_shape huge = rs_shape_2(SIZE_MAX / 8, 2), edge = rs_shape_1(SIZE_MAX / 8);
    assert_fails(rs_shape_check(&huge, "huge"), RESCL_ERR_SHAPE, "huge");
    assert_ok(rs_shape_check(&edge, "edge"));
    edge.dim[0]++;
    assert_fails(rs_shape_check(&edge, "edge"), RESCL_ERR_SHAPE, "edge");
}

static void prints_shapes(void **state)
{
    (void)state;
    char text[96];
    rs_shape a = rs_shape_4(32, 64, 64, 3), none = {0}, one = rs_shape_1(7);
    rs_shape widest = rs_shape_4(SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX);
    assert_string_equal(rs_shape_text(&a, text), "(32, 64, 64, 3)");
    assert_string_equal(rs_shape_text(&none, text), "()");
    assert_string_equal(rs_shape_text(&one, text), "(7)");
    assert_int_equal(rs_shape_text(&widest, text)[strlen(text) - 1], ')');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_compares),
        cmocka_unit_test(types_are_described),
        cmocka_unit_test(refuses_bad_shapes),
        cmocka_unit_test(prints_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
