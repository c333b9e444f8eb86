/* cl/storage.clh against the conversions of the host, by backward of add, which copies: every pattern of
 * 16 bits is read, and numbers about each of them are written. */
#include "op_harness.h"

#include "half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS = 65536, ABOUT = 7 };

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint16_t narrow(rs_dtype type, float x)
{
    return type == RS_BF16 ? rs_bf16_of_float(x) : rs_f16_of_float(x);
}

static float widen(rs_dtype type, uint16_t bits)
{
    return type == RS_BF16 ? rs_float_of_bf16(bits) : rs_float_of_f16(bits);
}

/* `to` = `from`, as add's `impl` has diff_src of diff_dst, in these types; `option` is the kernel's, too. */
static void copy(const char *impl, const char *option, rs_dtype from_type, const void *from,
                 rs_dtype to_type, void *to, size_t count)
{
    rescl_device *dev = rs_test_device();
    const size_t from_bytes = count * rs_dtype_bytes(from_type);
    const size_t to_bytes = count * rs_dtype_bytes(to_type);
    const rs_shape src[2] = {rs_shape_1(count), rs_shape_1(count)};
    rs_args args = {0};
    rs_problem p;
    rs_plan plan;
    assert_ok(rs_problem_init(&p, &rs_op_add, NULL, true, src, 2));
    p.src_type[0] = p.src_type[1] = to_type;
    p.dst_type = from_type;
    p.want_diff[1] = false;
    assert_ok(rs_choice_plan(dev, &p, RS_BWD_DATA, impl, &plan));
    char *options = plan.kernel[0].options;
    snprintf(options + strlen(options), sizeof plan.kernel[0].options - strlen(options), "%s",
             option);
    assert_ok(rs_plan_build(&plan));
    rs_guarded in = op_guarded_create(dev, from_bytes), out = op_guarded_create(dev, to_bytes);
    assert_ok(rs_write(dev, in.view, 0, from, from_bytes));
    args.diff_dst = (rs_tensor){p.dst, from_type, in.view};
    args.diff_src[0] = (rs_tensor){p.src[0], to_type, out.view};
    assert_ok(rs_plan_enqueue(&plan, &args));
    assert_ok(rs_read(dev, out.view, 0, to, to_bytes));
    op_guarded_check(dev, &in, "what is read");
    op_guarded_check(dev, &out, "what is written");
    rs_guarded_fini(&in);
    rs_guarded_fini(&out);
}

static void check_reading(const char *impl, const char *option, rs_dtype type)
{
    uint16_t *from = malloc(PATTERNS * sizeof *from);
    float *to = malloc(PATTERNS * sizeof *to);
    assert_true(from && to);
    for (size_t i = 0; i < PATTERNS; i++)
        from[i] = (uint16_t)i;
    /* Once in whole vectors, once with a rest. */
    for (size_t count = PATTERNS - 3; count <= PATTERNS; count += 3) {
        copy(impl, option, type, from, RS_F32, to, count);
        for (size_t i = 0; i < count; i++) {
            const float want = widen(type, from[i]);
            if (isnan(want) ? !isnan(to[i]) : bits_of_float(to[i]) != bits_of_float(want))
                fail_msg("%s: %s %#06x is read as %a, not %a", impl, rs_dtype_name(type), from[i],
                         (double)to[i], (double)want);
        }
    }
    free(from);
    free(to);
}

static void every_pattern_is_read(void **state)
{
    (void)state;
    for (int i = 0; rs_op_add.impls[i]; i++) {
        check_reading(rs_op_add.impls[i]->name, "", RS_BF16);
        check_reading(rs_op_add.impls[i]->name, "", RS_F16);
        if (rs_device_caps(rs_test_device())->type == RESCL_DEVICE_CPU)
            check_reading(rs_op_add.impls[i]->name, " -DF16_BY_BITS", RS_F16);
    }
}

/* The number of each pattern; the middle of it and the next one, which is a tie, and what lies just
 * below and above; what lies just beside the number itself; and, with bf16's pattern in the upper half,
 * any lower one. */
static void fill_about(rs_dtype type, float x[PATTERNS][ABOUT])
{
    rs_rng rng;
    rs_rng_init(&rng, 1, type);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        const float number = widen(type, (uint16_t)i);
        const uint32_t bits = bits_of_float(number);
        const uint32_t next = bits_of_float(widen(type, (uint16_t)(i + 1)));
        /* Of a binade's end too: the step does not change below its next number. */
        const uint32_t middle =
            isfinite(number) ? bits_of_float(number / 2 + float_of_bits(next) / 2) : bits | 0x8000u;
        const uint32_t all[ABOUT] = {bits,
                                     middle,
                                     middle - 1,
                                     middle + 1,
                                     bits - 1,
                                     bits + 1,
                                     i << 16 | rs_rng_below(&rng, PATTERNS)};
        for (size_t k = 0; k < ABOUT; k++)
            x[i][k] = float_of_bits(all[k]);
    }
}

static void check_writing(const char *impl, const char *option, rs_dtype type)
{
    const size_t all = (size_t)PATTERNS * ABOUT;
    float(*from)[ABOUT] = malloc(all * sizeof(float)), *x = from[0];
    uint16_t *to = malloc(all * sizeof *to);
    assert_true(from && to);
    fill_about(type, from);
    for (size_t count = all - 5; count <= all; count += 5) {
        copy(impl, option, RS_F32, from, type, to, count);
        for (size_t i = 0; i < count; i++) {
            const uint16_t want = narrow(type, x[i]);
            const bool same = isnan(x[i]) ? isnan(widen(type, to[i])) : to[i] == want;
            if (!same)
                fail_msg("%s: %a is written as %s %#06x, not %#06x", impl, (double)x[i],
                         rs_dtype_name(type), to[i], want);
        }
    }
    free(from);
    free(to);
}

static void numbers_about_every_pattern_are_rounded(void **state)
{
    (void)state;
    for (int i = 0; rs_op_add.impls[i]; i++) {
        check_writing(rs_op_add.impls[i]->name, "", RS_BF16);
        check_writing(rs_op_add.impls[i]->name, "", RS_F16);
        if (rs_device_caps(rs_test_device())->type == RESCL_DEVICE_CPU)
            check_writing(rs_op_add.impls[i]->name, " -DF16_BY_BITS", RS_F16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_is_read),
        cmocka_unit_test(numbers_about_every_pattern_are_rounded),
    };
    return rs_test_group("storage", tests, RS_COUNT(tests), NULL, NULL);
}
