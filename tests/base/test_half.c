#include "testing.h"

#include "error.h"
#include "half.h"

#include <math.h>

/* Every 16-bit pattern is a float that goes back to the same pattern; a NaN to a quiet NaN. */
static void every_pattern_returns(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        const float half = rs_float_of_f16((uint16_t)i), brain = rs_float_of_bf16((uint16_t)i);
        assert_int_equal(rs_f16_of_float(half), isnan(half) ? i | 0x200 : i);
        assert_int_equal(rs_bf16_of_float(brain), isnan(brain) ? i | 0x40 : i);
    }
}

static void known_values(void **state)
{
    (void)state;
    static const struct {
        float x;
        uint16_t half, brain;
    } known[] = {
        {1.0f, 0x3c00, 0x3f80},
        {-2.5f, 0xc100, 0xc020},
        {65504.0f, 0x7bff, 0x4780},
        {65519.99f, 0x7bff, 0x4780},
        {65520.0f, 0x7c00, 0x4780},
        {0x1p-24f, 0x0001, 0x3380},
        {0x1p-25f, 0x0000, 0x3300},        /* a tie, to even */
        {0x1.000002p-25f, 0x0001, 0x3300}, /* more than half */
        {0x1.8p-24f, 0x0002, 0x33c0},      /* a tie, to even */
        {0x1p-14f, 0x0400, 0x3880},
        {0x1.ff8p-15f, 0x03ff, 0x3880},
        {0x1.ffcp-15f, 0x0400, 0x3880}, /* rounds up into the normal ones */
        {0x1.002p0f, 0x3c00, 0x3f80},   /* 1 + 2^-11: a tie, to even */
        {0x1.006p0f, 0x3c02, 0x3f80},   /* 1 + 3 * 2^-11: a tie, to even */
        {0x1.01p0f, 0x3c04, 0x3f80},    /* 1 + 2^-8: a tie of bf16, to even */
        {0x1.03p0f, 0x3c0c, 0x3f82},
        {0x1.fffffep127f, 0x7c00, 0x7f80},
        {1e-30f, 0x0000, 0x0da2},
    };
    for (size_t i = 0; i < RS_COUNT(known); i++) {
        assert_int_equal(rs_f16_of_float(known[i].x), known[i].half);
        assert_int_equal(rs_bf16_of_float(known[i].x), known[i].brain);
        assert_int_equal(rs_f16_of_float(-known[i].x), known[i].half ^ 0x8000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_returns),
        cmocka_unit_test(known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
