#include "testing.h"

#include "dtype.h"
#include "error.h"

#include <math.h>
#include <string.h>

/* Infinity may stay; a finite value that would become infinite is named. */
static void names_what_does_not_fit(void **state)
{
    (void)state;
    static const float x[] = {1.0f, INFINITY, 70000.0f, 1.0f};
    uint16_t out[4];
    size_t bad = 99;
    assert_false(rs_floats_encode(RS_ST_F16, x, 4, out, &bad));
    assert_int_equal(bad, 2);
    assert_true(rs_floats_encode(RS_ST_BF16, x, 4, out, &bad));
    assert_true(rs_floats_encode(RS_ST_F16, x, 2, out, &bad));
}

static void decodes(void **state)
{
    (void)state;
    static const double wide[] = {0.5, -3.0};
    static const uint16_t half[] = {0x3800, 0xc200}, brain[] = {0x3f00, 0xc040};
    static const float plain[] = {0.5f, -3.0f};
    static const struct {
        rs_st_dtype type;
        const void *data;
    } same[] = {{RS_ST_F64, wide}, {RS_ST_F16, half}, {RS_ST_BF16, brain}, {RS_ST_F32, plain}};
    for (size_t i = 0; i < RS_COUNT(same); i++) {
        float x[2] = {0};
        assert_true(rs_dtype_readable(same[i].type));
        rs_floats_decode(same[i].type, same[i].data, 2, x);
        assert_memory_equal(x, plain, sizeof plain);
    }
    assert_false(rs_dtype_readable(RS_ST_I64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_does_not_fit),
        cmocka_unit_test(decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
