#include "testing.h"

#include "error.h"
#include "spread.h"

#define LARGEST ((uint32_t)INT32_MAX)

/* QUOTIENT of cl/common.clh. */
static uint32_t quotient(uint32_t n, rs_divisor d)
{
    return (uint32_t)(((uint64_t)(n << 1) * d.mul) >> 32) >> d.shift;
}

static void expect_quotients(uint32_t d)
{
    const rs_divisor r = rs_divisor_of(d);
    const uint32_t multiple = LARGEST / d * d;
    const uint32_t n[] = {0, 1, d - 1, d, d / 2 + 1, multiple - 1, multiple, LARGEST - 1, LARGEST};
    for (size_t i = 0; i < RS_COUNT(n); i++)
        if (quotient(n[i], r) != n[i] / d)
            fail_msg("%u / %u is not %u", n[i], d, quotient(n[i], r));
}

static void quotients_are_exact(void **state)
{
    (void)state;
    for (uint32_t d = 1; d <= 4100; d++)
        expect_quotients(d);
    for (int bit = 12; bit < 31; bit++)
        for (int by = -1; by <= 1; by++)
            expect_quotients((1u << bit) + (uint32_t)by);
    expect_quotients(LARGEST);
}

static rs_caps gpu_of(unsigned units, unsigned float_width)
{
    return (rs_caps){.type = RESCL_DEVICE_GPU,
                     .compute_units = units,
                     .float_width = float_width,
                     .max_group = 1024};
}

static void expect_options(const rs_caps *caps, const rs_problem *p, size_t run, const char *want)
{
    char text[RS_VECTOR_OPTIONS];
    assert_string_equal(rs_vector_options(caps, p, run, text), want);
}

static void only_whole_vectors_are_aligned(void **state)
{
    const rs_caps narrow = gpu_of(4, 1), wide = gpu_of(4, 16);
    (void)state;
    expect_options(&narrow, NULL, 64, " -DALIGNED");
    expect_options(&narrow, NULL, 12, " -DALIGNED");
    expect_options(&narrow, NULL, 6, "");
    expect_options(&wide, NULL, 12, "");
    expect_options(&wide, NULL, 32, " -DALIGNED");
}

/* 128 bits are 8 numbers of 16, whatever else a kernel accesses. */
static void vectors_of_halves_have_128_bits(void **state)
{
    const rs_caps narrow = gpu_of(4, 1), wide = gpu_of(4, 16);
    const rs_problem f32 = {0}, bf16 = {.src_type = {RS_BF16}, .dst_type = RS_BF16};
    const rs_problem mixed = {.src_type = {RS_F16}};
    (void)state;
    assert_int_equal(rs_vector_width(&narrow, &f32), 4);
    assert_int_equal(rs_vector_width(&narrow, &bf16), 8);
    assert_int_equal(rs_vector_width(&wide, &bf16), 16);
    expect_options(&narrow, &f32, 12, " -DALIGNED");
    expect_options(&narrow, &bf16, 12, " -DVECTOR=8 -DSRC_BF16 -DDST_BF16");
    expect_options(&narrow, &mixed, 24, " -DVECTOR=8 -DALIGNED -DSRC_F16");
    expect_options(&wide, &bf16, 16, " -DALIGNED -DSRC_BF16 -DDST_BF16");
}

/* Each vector has a work-item while units can end together; more rows only make items work longer. */
static void groups_cover_small_tensors_and_fill_units(void **state)
{
    const rs_caps caps = gpu_of(10, 1);
    (void)state;
    const rs_spread small = rs_spread_over(&caps, NULL, false, 1000, 4, 1, 1);
    assert_true(small.grid.items[0] >= 1000 && small.grid.items[0] < 1000 + small.grid.group[0]);
    const rs_spread large = rs_spread_over(&caps, NULL, false, 100000000, 4, 1, 1);
    assert_true(large.grid.items[0] >= 10 * 2048 && large.grid.items[0] < 1000000);
    assert_int_equal(large.grid.items[0] % large.grid.group[0], 0);
}

/* Of a device that leaves long loops. */
static void a_work_item_makes_few_enough_turns(void **state)
{
    (void)state;
    rs_caps caps = gpu_of(8, 4);
    caps.type = RESCL_DEVICE_CPU;
    assert_int_equal(rs_spread_over(&caps, NULL, true, 64 << 16, 16, 16, 16).chunk, 1 << 16);
    caps.max_turns = 1000;
    const rs_spread s = rs_spread_over(&caps, NULL, true, 64 << 16, 16, 16, 16);
    assert_int_equal(s.chunk, 192); /* of 4 vectors: 960 turns with those of the rows */
    assert_true(s.grid.items[0] * s.chunk >= 64 << 16);
    assert_int_equal(rs_spread_over(&caps, NULL, true, 64, 1 << 20, 1, 1).chunk, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotients_are_exact),
        cmocka_unit_test(only_whole_vectors_are_aligned),
        cmocka_unit_test(vectors_of_halves_have_128_bits),
        cmocka_unit_test(a_work_item_makes_few_enough_turns),
        cmocka_unit_test(groups_cover_small_tensors_and_fill_units),
    };
    return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}
