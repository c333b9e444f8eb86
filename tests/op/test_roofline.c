/* What a launch should take on a GPU, and the choices that are made by it. */
#include "fixtures.h"
#include "testing.h"

#include "choice.h"
#include "conv2d_simt.h"
#include "error.h"
#include "roofline.h"
#include <rescl/status.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device of round numbers: 10 units of 100 lanes at 1 GHz, 100 GB/s. */
static const rs_caps round_caps = {.type = RESCL_DEVICE_GPU,
                                   .compute_units = 10,
                                   .max_group = 256,
                                   .local_bytes = 32 << 10,
                                   .subgroup = 20,
                                   .unit_lanes = 100,
                                   .unit_items = 1000,
                                   .unit_groups = 16,
                                   .item_registers = 128,
                                   .unit_local_bytes = 64 << 10,
                                   .unit_register_bytes = 200 << 10,
                                   .clock_hz = 1e9,
                                   .bandwidth = 100e9};

/* Groups of much arithmetic. */
static const rs_work busy = {.groups = 10,
                             .items = 200,
                             .local_bytes = 16 << 10,
                             .registers = 32,
                             .steps = 1000,
                             .step_fmas = 1e6,
                             .share = 0.8};

static double ns_of(double groups)
{
    rs_work w = busy;
    w.groups = groups;
    return rs_roofline_ns(&round_caps, &w);
}

static void a_unit_holds_what_it_has_room_for(void **state)
{
    (void)state;
    rs_work w = busy;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 4); /* of local memory */
    w.local_bytes = 0;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 5); /* of work-items */
    w.items = 20;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 16); /* of groups */
    w.items = 200;
    w.registers = 128;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 2); /* of registers */
    w.registers = 129;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    w = busy;
    w.items = 257;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    w = busy;
    w.local_bytes = (32 << 10) + 1;
    assert_int_equal(rs_roofline_resident(&round_caps, &w), 0);
    assert_true(isinf(rs_roofline_ns(&round_caps, &w)));
}

/* 1e9 multiply-adds for each unit, of which it does 80 in a clock. */
static void arithmetic_takes_its_time(void **state)
{
    (void)state;
    const double alone = 1e9 / 80.0;
    assert_true(ns_of(10) > alone && ns_of(10) < 1.05 * alone);
    /* One group more is another turn of one unit, while the others wait. */
    assert_true(ns_of(11) > 1.9 * ns_of(10));
    assert_true(fabs(ns_of(20) - ns_of(11)) < 0.01 * ns_of(20));
    assert_true(fabs(ns_of(1) - ns_of(10)) < 0.01 * ns_of(10));
}

static void traffic_takes_its_time(void **state)
{
    (void)state;
    rs_work w = busy;
    w.bytes = 1e10;
    assert_true(rs_roofline_ns(&round_caps, &w) > 1e10 / 100.0);
    assert_true(rs_roofline_copy_ns(&round_caps, 1e10) > 1e10 / 100.0);
    assert_true(rs_roofline_copy_ns(&round_caps, 0) > 0.0);
    w.bytes = 0;
    w.group_bytes = 1e9; /* a quarter of a byte in a clock for each lane */
    assert_true(rs_roofline_ns(&round_caps, &w) >= 1e9 / 25.0);
}

static void lanes_may_be_idle(void **state)
{
    (void)state;
    rs_work w = busy;
    w.items = 41; /* three sub-groups, the last of one work-item; 40 lanes have none */
    assert_true(rs_roofline_ns(&round_caps, &w) > ns_of(10) * 2.0);
    rs_work small = busy;
    small.groups = 1000, small.steps = 1e6, small.step_fmas = 10; /* waits are most of the time */
    small.local_bytes = 0;
    const double four = rs_roofline_ns(&round_caps, &small);
    small.registers = 128; /* two at once, not five */
    assert_true(rs_roofline_ns(&round_caps, &small) > 1.5 * four);
}

static void ways_are_kept_in_order(void **state)
{
    (void)state;
    const double ns[] = {5, 3, 9, 3, 1, 7, 2};
    rs_expected ways[4];
    size_t count = 0;
    for (size_t i = 0; i < RS_COUNT(ns); i++) {
        const rs_expected way = {.choice = {.tune = {(int)i}}, .ns = ns[i]};
        count = rs_roofline_insert(ways, count, RS_COUNT(ways), &way);
    }
    static const int order[] = {4, 6, 1, 3};
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ways[i].choice.tune[0], order[i]);
    assert_int_equal(rs_roofline_insert(ways, 0, 0, &ways[0]), 0);
}

/* ---- choices ----------------------------------------------------------------------------- */

static double slow_ns, fast_ns;
static rs_impl silent, slow, fast;

static size_t expect_slow(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                          size_t most)
{
    (void)p, (void)pass, (void)caps;
    const rs_expected ways[] = {{{.impl = &slow}, slow_ns}, {{.impl = &slow, .tune = {1}}, 50}};
    size_t count = 0;
    for (size_t i = 0; i < RS_COUNT(ways); i++)
        count = rs_roofline_insert(out, count, most, &ways[i]);
    return count;
}

static size_t expect_fast(const rs_problem *p, rs_pass pass, const rs_caps *caps, rs_expected *out,
                          size_t most)
{
    (void)p, (void)pass, (void)caps;
    const rs_expected way = {{.impl = &fast}, fast_ns};
    return rs_roofline_insert(out, 0, most, &way);
}

static rescl_status plan_nothing(rs_plan *plan, const rs_caps *caps)
{
    (void)plan, (void)caps;
    return RESCL_OK;
}

static const char *refuse(const rs_problem *p, rs_pass pass, const rs_caps *caps)
{
    (void)p, (void)pass, (void)caps;
    return "declined by the test";
}

static rs_problem plain(const rs_op *op)
{
    const rs_shape src = rs_shape_4(2, 3, 5, 7);
    rs_problem p;
    assert_ok(rs_problem_init(&p, op, NULL, true, &src, 1));
    return p;
}

static void assert_chosen(const rs_problem *p, const rs_impl *expected)
{
    rs_choice choice;
    assert_ok(rs_choice_make(rs_test_device(), p, RS_FWD, NULL, &choice));
    assert_ptr_equal(choice.impl, expected);
    assert_int_equal(choice.tune[0], 0);
}

static char heard[1024];

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    const size_t used = strlen(heard);
    if (level <= RESCL_LOG_INFO)
        snprintf(heard + used, sizeof heard - used, "%s\n", message);
}

/* Of those that say what they should take the fastest; the first of all where it does not say. */
static void the_fastest_is_chosen(void **state)
{
    (void)state;
    silent = (rs_impl){.name = "silent", .passes = 1, .plan = plan_nothing};
    slow = (rs_impl){.name = "slow", .passes = 1, .plan = plan_nothing, .expect = expect_slow};
    fast = (rs_impl){.name = "fast", .passes = 1, .plan = plan_nothing, .expect = expect_fast};
    slow_ns = 30, fast_ns = 20;
    const rs_impl *const impls[] = {&slow, &silent, &fast, NULL};
    const rs_impl *const silent_first[] = {&silent, &slow, &fast, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = plain(&op);
    setenv("RESCL_VERBOSE", "dispatch", 1);
    rescl_log_set(hear, NULL);
    assert_chosen(&p, &fast);
    assert_non_null(strstr(heard, "not slow: should take 0.000 ms, fast 0.000 ms"));
    assert_non_null(strstr(heard, "fast (0.000 ms expected of fast)"));
    unsetenv("RESCL_VERBOSE");
    rescl_log_set(NULL, NULL);
    slow_ns = 20;
    assert_chosen(&p, &slow);
    slow_ns = 30;
    fast.can = refuse;
    assert_chosen(&p, &slow);
    op.impls = silent_first;
    assert_chosen(&p, &silent);
}

static void ways_of_all_are_ranked(void **state)
{
    (void)state;
    slow = (rs_impl){.name = "slow", .passes = 1, .plan = plan_nothing, .expect = expect_slow};
    fast = (rs_impl){.name = "fast", .passes = 1, .plan = plan_nothing, .expect = expect_fast};
    slow_ns = 30, fast_ns = 40;
    const rs_impl *const impls[] = {&fast, &slow, NULL};
    rs_op op = rs_op_relu;
    op.impls = impls;
    const rs_problem p = plain(&op);
    rs_expected ways[8];
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &round_caps, ways, 8), 3);
    assert_ptr_equal(ways[0].choice.impl, &slow);
    assert_ptr_equal(ways[1].choice.impl, &fast);
    assert_int_equal(ways[2].choice.tune[0], 1);
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &round_caps, ways, 2), 2);
    rs_caps cpu = round_caps;
    cpu.type = RESCL_DEVICE_CPU;
    assert_int_equal(rs_choice_rank(&p, RS_FWD, &cpu, ways, 8), 0);
}

/* ---- convolutions on devices of each class ----------------------------------------------- */

enum { H100, RX7900XTX, MI210, A770, INTEGRATED, POCL };

/* clang-format off */
static const struct {
    const char *name;
    rs_caps caps;
} devices[] = {
    [H100] = {"H100", {RESCL_DEVICE_GPU, 132, .max_group = 1024, .local_bytes = 48 << 10,
        .unit_local_bytes = 228 << 10, .subgroup = 32, .unit_lanes = 128, .unit_items = 2048,
        .unit_groups = 32, .item_registers = 255, .unit_register_bytes = 256 << 10,
        .clock_hz = 1.98e9, .bandwidth = 3.35e12, .max_alloc_bytes = 1ull << 34}},
    [RX7900XTX] = {"RX 7900 XTX", {RESCL_DEVICE_GPU, 48, .max_group = 1024, .local_bytes = 64 << 10,
        .unit_local_bytes = 128 << 10, .subgroup = 32, .unit_lanes = 128, .unit_items = 2048,
        .unit_groups = 32, .item_registers = 200, .unit_register_bytes = 768 << 10,
        .clock_hz = 2.5e9, .bandwidth = 0.96e12, .max_alloc_bytes = 1ull << 34}},
    [MI210] = {"MI210", {RESCL_DEVICE_GPU, 104, .max_group = 1024, .local_bytes = 64 << 10,
        .unit_local_bytes = 64 << 10, .subgroup = 64, .unit_lanes = 64, .unit_items = 2048,
        .unit_groups = 32, .item_registers = 200, .unit_register_bytes = 512 << 10,
        .clock_hz = 1.7e9, .bandwidth = 1.6e12, .max_alloc_bytes = 1ull << 34}},
    [A770] = {"A770", {RESCL_DEVICE_GPU, 32, .max_group = 1024, .local_bytes = 64 << 10,
        .unit_local_bytes = 128 << 10, .subgroup = 8, .unit_lanes = 128, .unit_items = 1024,
        .unit_groups = 64, .item_registers = 128, .unit_register_bytes = 512 << 10,
        .clock_hz = 2.1e9, .bandwidth = 0.56e12, .max_alloc_bytes = 1ull << 32}},
    [INTEGRATED] = {"96 execution units", {RESCL_DEVICE_GPU, 6, .max_group = 512,
        .local_bytes = 64 << 10, .unit_local_bytes = 128 << 10, .subgroup = 8, .unit_lanes = 128,
        .unit_items = 896, .unit_groups = 16, .item_registers = 128,
        .unit_register_bytes = 448 << 10, .clock_hz = 1.3e9, .bandwidth = 62e9,
        .max_alloc_bytes = 1ull << 32}},
    [POCL] = {"PoCL", {RESCL_DEVICE_GPU, 2, .max_group = 4096, .local_bytes = 512 << 10,
        .unit_local_bytes = 512 << 10, .subgroup = 32, .unit_lanes = 64, .unit_items = 4096,
        .unit_groups = 16, .item_registers = 128, .unit_register_bytes = 128 << 10,
        .clock_hz = 2.5e9, .bandwidth = 25.6e9, .max_alloc_bytes = 1ull << 32}},
};
/* clang-format on */

enum { STEM, C2, C4, C5_WIDE, C5_STRIDE };

static const struct layer {
    size_t size, c, k, filter, stride;
} layers[] = {[STEM] = {224, 3, 64, 7, 2},
              [C2] = {56, 64, 64, 3, 1},
              [C4] = {14, 256, 256, 3, 1},
              [C5_WIDE] = {7, 512, 2048, 1, 1},
              [C5_STRIDE] = {14, 512, 512, 3, 2}};

/* `attr` stays borrowed. */
static rs_problem convolution(const struct layer *l, size_t batch, rs_conv2d_attr *attr)
{
    const rs_shape src = rs_shape_4(batch, l->size, l->size, l->c);
    rs_problem p;
    *attr = (rs_conv2d_attr){.filters = l->k,
                             .kernel_h = l->filter,
                             .kernel_w = l->filter,
                             .stride_h = l->stride,
                             .stride_w = l->stride,
                             .pad_top = l->filter / 2,
                             .pad_bottom = l->filter / 2,
                             .pad_left = l->filter / 2,
                             .pad_right = l->filter / 2};
    assert_ok(rs_problem_init(&p, &rs_op_conv2d, attr, true, &src, 1));
    return p;
}

static const char *tiles_text(const rs_problem *p, rs_pass pass, const rs_caps *caps, char text[64])
{
    const rs_simt_tiles t = rs_simt_tiles_of(&rs_simt_items_kind, caps, p, pass, rs_untuned);
    snprintf(text, 64, "%dx%dx%d %dx%d p%d", t.tm, t.tn, t.tk, t.rm, t.rn, t.parts);
    return text;
}

/* clang-format off */
static const struct {
    int device;
    size_t batch;
    int layer;
    const char *fwd, *bwd_params;
} expected[] = {
    {H100, 256, STEM, "128x64x16 8x8 p1", "32x64x16 4x4 p1024"},
    {H100, 256, C2, "128x64x16 8x8 p1", "64x64x16 8x8 p128"},
    {H100, 256, C4, "128x128x16 8x8 p1", "128x64x16 8x8 p16"},
    {H100, 256, C5_WIDE, "128x128x16 8x8 p1", "128x128x16 8x8 p2"},
    {H100, 32, STEM, "128x64x16 8x8 p1", "64x64x16 8x8 p128"},
    {H100, 32, C2, "128x64x16 8x8 p1", "64x64x16 8x8 p128"},
    {H100, 32, C4, "64x64x16 8x8 p1", "64x64x16 8x8 p8"},
    {H100, 32, C5_WIDE, "64x64x16 8x8 p1", "128x64x16 8x8 p1"},
    {H100, 1, STEM, "32x64x16 4x4 p1", "32x64x16 4x4 p48"},
    {H100, 1, C2, "32x64x16 4x4 p4", "64x64x16 8x4 p12"},
    {H100, 1, C4, "64x64x16 8x8 p16", "32x32x16 4x4 p1"},
    {H100, 1, C5_WIDE, "32x32x16 4x4 p4", "64x64x16 8x8 p1"},
    {RX7900XTX, 32, STEM, "128x64x16 8x8 p1", "64x64x16 8x8 p96"},
    {RX7900XTX, 32, C2, "64x64x16 8x8 p1", "64x64x16 8x8 p32"},
    {RX7900XTX, 32, C4, "64x64x16 8x8 p1", "128x128x16 8x8 p4"},
    {RX7900XTX, 32, C5_WIDE, "64x64x16 8x8 p1", "128x64x16 8x8 p1"},
    {MI210, 32, STEM, "128x64x16 8x8 p1", "64x64x16 8x4 p512"},
    {MI210, 32, C2, "128x64x16 8x8 p1", "64x64x16 8x4 p32"},
    {MI210, 32, C4, "128x128x16 8x8 p1", "128x128x8 8x8 p8"},
    {MI210, 32, C5_WIDE, "128x128x8 8x8 p1", "128x128x8 8x8 p3"},
    {A770, 32, STEM, "128x64x16 8x4 p1", "32x64x16 4x4 p96"},
    {A770, 32, C2, "64x64x16 8x4 p1", "64x64x16 8x4 p32"},
    {A770, 32, C4, "64x64x16 8x4 p1", "128x128x8 8x8 p8"},
    {A770, 32, C5_WIDE, "64x64x16 8x4 p1", "128x128x8 8x8 p1"},
    {INTEGRATED, 32, STEM, "128x64x16 8x4 p1", "32x64x16 4x4 p24"},
    {INTEGRATED, 32, C2, "128x64x16 8x4 p1", "64x64x16 8x4 p4"},
    {INTEGRATED, 32, C4, "128x64x16 8x4 p1", "128x128x8 8x8 p1"},
    {INTEGRATED, 32, C5_WIDE, "64x128x16 8x4 p1", "128x128x8 8x8 p1"},
    {POCL, 32, STEM, "128x64x16 8x4 p1", "32x64x16 4x4 p6"},
    {POCL, 32, C2, "128x64x16 8x4 p1", "64x64x16 8x4 p4"},
    {POCL, 32, C4, "128x128x8 8x8 p1", "128x128x8 8x8 p1"},
    {POCL, 32, C5_WIDE, "64x128x16 8x4 p1", "128x128x8 8x8 p1"},
};
/* clang-format on */

/* The tiles of main layers of a ResNet-50: smaller ones, and sums in parts, the fewer images there are. */
static void tiles_suit_the_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < RS_COUNT(expected); i++) {
        rs_conv2d_attr attr;
        const rs_caps *caps = &devices[expected[i].device].caps;
        const rs_problem p = convolution(&layers[expected[i].layer], expected[i].batch, &attr);
        char text[64];
        assert_string_equal(tiles_text(&p, RS_FWD, caps, text), expected[i].fwd);
        assert_string_equal(tiles_text(&p, RS_BWD_PARAMS, caps, text), expected[i].bwd_params);
    }
}

/* For each pass of each layer on each device: simt_gemm is what is taken, its tiles fit, and where units
 * would be without a group they are small or share their sums. */
static void every_choice_can_run(void **state)
{
    static const size_t batches[] = {256, 32, 1};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(devices) * RS_COUNT(batches) * RS_COUNT(layers); i++) {
        const rs_caps *caps = &devices[i / RS_COUNT(batches) / RS_COUNT(layers)].caps;
        const size_t batch = batches[i / RS_COUNT(layers) % RS_COUNT(batches)];
        rs_conv2d_attr attr;
        const rs_problem p = convolution(&layers[i % RS_COUNT(layers)], batch, &attr);
        const rs_conv v = rs_conv_of(&p);
        /* Of three channels nobody wants the gradient. */
        for (rs_pass pass = RS_FWD; pass < (v.c == 3 ? RS_BWD_DATA : RS_PASS_COUNT); pass++) {
            rs_expected ways[RS_EXPECTED];
            const rs_simt_product product = rs_simt_product_of(&v, pass);
            const rs_simt_tiles t =
                rs_simt_tiles_of(&rs_simt_items_kind, caps, &p, pass, rs_untuned);
            const size_t count = rs_choice_rank(&p, pass, caps, ways, RS_COUNT(ways));
            assert_true(count > 4);
            assert_ptr_equal(ways[0].choice.impl, &rs_conv_simt);
            assert_int_equal(ways[0].choice.tune[RS_SIMT_TM], t.tm);
            assert_int_equal(ways[0].choice.tune[RS_SIMT_TN], t.tn);
            for (size_t k = 0; k < count; k++) {
                assert_true(ways[k].ns > 0.0 && !isnan(ways[k].ns));
                assert_true(k == 0 || ways[k].ns >= ways[k - 1].ns);
            }
            assert_true(isfinite(ways[0].ns));
            assert_true(rs_simt_items(&t) <= caps->max_group);
            assert_true(rs_simt_local_bytes(&t) <= caps->local_bytes);
            assert_true(rs_simt_groups(&product, &t) * 10 >= caps->compute_units * 9 ||
                        t.tm * t.tn <= 64 * 128 || t.parts > 1 || product.terms < 512);
        }
    }
}

/* What is too small for most tiles gets one that fits. */
static void a_tiny_device_has_tiles(void **state)
{
    (void)state;
    rs_caps caps = devices[POCL].caps;
    rs_conv2d_attr attr;
    rs_problem p = convolution(&layers[C4], 1, &attr);
    caps.max_group = 8;
    caps.local_bytes = 1024;
    const rs_simt_tiles t = rs_simt_tiles_of(&rs_simt_items_kind, &caps, &p, RS_FWD, rs_untuned);
    assert_true(rs_simt_items(&t) <= 8 && rs_simt_local_bytes(&t) <= 1024);
    rs_expected ways[RS_EXPECTED];
    const size_t count = rs_choice_rank(&p, RS_FWD, &caps, ways, RS_COUNT(ways));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) /* each way is another */
            assert_true(
                ways[i].choice.impl != ways[k].choice.impl ||
                memcmp(ways[i].choice.tune, ways[k].choice.tune, sizeof ways[i].choice.tune) != 0);
}

/* Where a matrix engine has the type of the factors, its products are the fastest of those that it can do,
 * and floats are not rounded unasked. */
static void engines_are_taken_for_their_types(void **state)
{
    static const struct {
        int device;
        unsigned engines, lanes;
    } having[] = {{H100, 1u << RS_ENGINE_nv_bf16 | 1u << RS_ENGINE_nv_tf32, 1280},
                  {RX7900XTX, 1u << RS_ENGINE_amd_wmma, 512},
                  {MI210, 1u << RS_ENGINE_amd_mfma, 512},
                  {A770, 1u << RS_ENGINE_intel_dpas, 1024}};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(having) * RS_COUNT(layers); i++) {
        rs_caps caps = devices[having[i / RS_COUNT(layers)].device].caps;
        const struct layer *layer = &layers[i % RS_COUNT(layers)];
        rs_conv2d_attr attr;
        rs_problem p = convolution(layer, 256, &attr);
        caps.engines = having[i / RS_COUNT(layers)].engines;
        caps.engine_lanes = having[i / RS_COUNT(layers)].lanes;
        for (rs_pass pass = RS_FWD; pass < (layer->c == 3 ? RS_BWD_DATA : RS_PASS_COUNT); pass++) {
            rs_expected way;
            const rs_impl *want = layer->c == 3 ? &rs_conv_simt : &rs_conv_mma;
            p.src_type[0] = p.dst_type = RS_BF16;
            assert_int_equal(rs_choice_rank(&p, pass, &caps, &way, 1), 1);
            assert_ptr_equal(way.choice.impl, want);
            assert_true(way.ns > 0.0 && isfinite(way.ns));
            p.src_type[0] = p.dst_type = RS_F32;
            assert_non_null(rs_impl_refuses(&rs_conv_mma, &p, pass, &caps));
            p.math = RS_MATH_TF32;
            assert_int_equal(rs_choice_rank(&p, pass, &caps, &way, 1), 1);
            assert_ptr_equal(way.choice.impl,
                             having[i / RS_COUNT(layers)].device == H100 ? want : &rs_conv_simt);
            p.math = RS_MATH_F32;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_holds_what_it_has_room_for),
        cmocka_unit_test(arithmetic_takes_its_time),
        cmocka_unit_test(traffic_takes_its_time),
        cmocka_unit_test(lanes_may_be_idle),
        cmocka_unit_test(ways_are_kept_in_order),
        cmocka_unit_test(the_fastest_is_chosen),
        cmocka_unit_test(ways_of_all_are_ranked),
        cmocka_unit_test(tiles_suit_the_device),
        cmocka_unit_test(every_choice_can_run),
        cmocka_unit_test(a_tiny_device_has_tiles),
        cmocka_unit_test(engines_are_taken_for_their_types),
    };
    setenv("RESCL_DEVICE_CLASS", "gpu", 1);
    return cmocka_run_group_tests_name("roofline", tests, NULL, NULL);
}
