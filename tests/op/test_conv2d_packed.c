/* packed_gemm: where its panels are packed, and that results do not depend on it. */
#include "attr.h"
#include "choice.h"
#include "conv2d.h"
#include "error.h"
#include "fixtures.h"
#include "testing.h"
#include "trial.h"

#include <stdlib.h>
#include <string.h>

/* Images of 6x5 pixels, and filters and channels of two panels or more: FEW images fill a few tiles of
 * pixels, MANY so many that their groups share panels in memory. */
enum { FEW = 1, MANY = 200, CHANNELS = 40, FILTERS = 80 };

static const rs_conv2d_attr window = {.filters = FILTERS,
                                      .kernel_h = 3,
                                      .kernel_w = 3,
                                      .stride_h = 1,
                                      .stride_w = 1,
                                      .pad_top = 1,
                                      .pad_bottom = 1,
                                      .pad_left = 1,
                                      .pad_right = 1,
                                      .bias = true};
static const rs_conv2d_attr strided = {.filters = FILTERS,
                                       .kernel_h = 3,
                                       .kernel_w = 2,
                                       .stride_h = 2,
                                       .stride_w = 2,
                                       .pad_top = 1,
                                       .pad_bottom = 1};
static const rs_conv2d_attr point = {
    .filters = FILTERS, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1, .bias = true};
static const rs_conv2d_attr strided_point = {
    .filters = FILTERS, .kernel_h = 1, .kernel_w = 1, .stride_h = 2, .stride_w = 2};

static const struct {
    const char *name;
    const rs_conv2d_attr *attr;
} kinds[] = {{"3x3", &window},
             {"3x2 stride 2", &strided},
             {"1x1", &point},
             {"1x1 stride 2", &strided_point}};

static rs_problem problem_of(const rs_conv2d_attr *attr, size_t images, bool training)
{
    const rs_shape src = rs_shape_4(images, 6, 5, CHANNELS);
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, attr, training, &src, 1));
    return p;
}

/* What a pass gives for the first image of so many, in `bytes`; *packed: its plan has panels in memory.
 * Sums of 40 values at a time, or of 32 by tiles, in the same cuts whether or not the images of one
 * position lie side by side. */
static void *first_image(const rs_conv2d_attr *attr, rs_dtype type, size_t images, rs_pass pass,
                         bool accumulate, size_t *bytes, bool *packed)
{
    rescl_device *dev = rs_test_device();
    rs_problem p = problem_of(attr, images, true);
    rs_trial trial = {0};
    rs_args args;
    p.src_type[0] = p.dst_type = type;
    p.accumulate[0] = accumulate;
    assert_ok(rs_trial_args_make(dev, &p, true, &args));
    assert_ok(rs_trial_init(dev, &p, pass, "packed_gemm kc=40", &trial));
    assert_ok(rs_trial_run(&trial, &args, true, NULL));
    const rs_tensor *result = rs_trial_result(&args, pass);
    *bytes = rs_shape_count(&result->shape) / images * rs_dtype_bytes(type);
    *packed = trial.plan.packed_bytes > 0;
    void *host = malloc(*bytes);
    assert_non_null(host);
    assert_ok(rs_read(dev, result->buf, 0, host, *bytes));
    rs_trial_fini(&trial);
    rs_trial_args_release(&args);
    return host;
}

static void expect_same_bits(size_t kind, rs_dtype type, rs_pass pass, bool accumulate)
{
    size_t few, many;
    bool packed;
    void *a = first_image(kinds[kind].attr, type, FEW, pass, accumulate, &few, &packed);
    assert_false(packed);
    void *b = first_image(kinds[kind].attr, type, MANY, pass, accumulate, &many, &packed);
    assert_true(packed);
    assert_int_equal(few, many);
    if (memcmp(a, b, few) != 0)
        fail_msg("%s %s%s of %s: other bits with more images", kinds[kind].name, rs_pass_name(pass),
                 accumulate ? ", added" : "", rs_dtype_name(type));
    free(a);
    free(b);
}

/* Groups pack where eight tiles of pixels fit into half of the local memory: 420 KiB with vectors of 16, 272
 * with tiles of an engine. */
static void skip_without_room(void)
{
    if (rs_device_caps(rs_test_device())->local_bytes < 1 << 20) {
        print_message("skipped: groups pack no panels in less than 1 MiB of local memory\n");
        skip();
    }
}

static void groups_pack_the_bits_that_memory_has(void **state)
{
    static const rs_dtype types[] = {RS_F32, RS_BF16};
    (void)state;
    skip_without_room();
    for (size_t k = 0; k < RS_COUNT(kinds); k++)
        for (size_t t = 0; t < RS_COUNT(types); t++) {
            expect_same_bits(k, types[t], RS_FWD, false);
            expect_same_bits(k, types[t], RS_BWD_DATA, false);
            expect_same_bits(k, types[t], RS_BWD_DATA, true);
        }
}

/* Of a training step with few pixels nothing is packed ahead; what serves many times is. */
static void panels_are_kept_where_they_serve_again(void **state)
{
    rescl_device *dev = rs_test_device();
    (void)state;
    skip_without_room();
    for (size_t i = 0; i < RS_COUNT(kinds); i++) {
        rs_problem p = problem_of(kinds[i].attr, FEW, true);
        rs_plan plan;
        for (int pass = RS_FWD; pass <= RS_BWD_DATA; pass += RS_BWD_DATA) {
            assert_ok(rs_choice_plan(dev, &p, (rs_pass)pass, "packed_gemm", &plan));
            assert_int_equal(plan.packed_bytes, 0);
            assert_int_equal(plan.nkernels, 1);
            assert_true(plan.scratch_bytes > 0);
        }
        p = problem_of(kinds[i].attr, FEW, false);
        assert_ok(rs_choice_plan(dev, &p, RS_FWD, "packed_gemm", &plan));
        assert_true(plan.packed_bytes > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_pack_the_bits_that_memory_has),
        cmocka_unit_test(panels_are_kept_where_they_serve_again),
    };
    /* Panels are not enough for the groups that many compute units want. */
    setenv("RESCL_COMPUTE_UNITS", "2", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
