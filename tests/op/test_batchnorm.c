#include "op_harness.h"

#include "attr.h"

#include <math.h>
#include <stdlib.h>

static const rs_batchnorm_attr plain = {.eps = 1e-5f, .momentum = 0.9f, .unbiased_running = true};
static const rs_batchnorm_attr relu = {
    .eps = 1e-3f, .momentum = 0.99f, .relu = true, .unbiased_running = true};
static const rs_batchnorm_attr frozen_relu = {
    .eps = 1e-5f, .momentum = 0.9f, .relu = true, .frozen = true};

static void shapes_and_attributes_are_checked(void **state)
{
    const rs_shape src[] = {rs_shape_4(1, 2, 3, 4), rs_shape_4(1, 3, 2, 4)}, flat = rs_shape_1(4);
    const rs_batchnorm_attr no_eps = {.momentum = 0.9f}, far = {.eps = 1e-5f, .momentum = 1.1f};
    rs_problem p;
    (void)state;
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &plain, true, src, 2), RESCL_ERR_SHAPE);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &plain, true, &flat, 1),
                     RESCL_ERR_SHAPE);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &no_eps, true, src, 1), RESCL_ERR_ARG);
    assert_int_equal(rs_problem_init(&p, &rs_op_batchnorm, &far, true, src, 1), RESCL_ERR_ARG);
}

static void expect(const char *what, const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) < 1e-12))
            fail_msg("%s %zu is %.15g, torch has %.15g", what, i, got[i], want[i]);
}

/* What torch 1.13 has in float64 for relu(batch_norm(x, momentum=0.25, eps=2**-10) + r). */
typedef struct by_torch {
    double dst[6], mean[2], var[2], diff_gamma[2], diff_beta[2], diff_src[6], diff_residual[6];
} by_torch;

static void compare_with_torch(bool frozen_too, const by_torch *want)
{
    const rs_batchnorm_attr a = {.eps = 0x1p-10f,
                                 .momentum = 0.75f,
                                 .relu = true,
                                 .unbiased_running = true,
                                 .frozen = frozen_too};
    const double x[] = {1, -2, 3, 0.5, 2, -1}, r[] = {0.25, -0.5, 1, 2, -3, 0.75};
    const double diff[] = {1, 2, -1, 0.5, 3, -2}, gamma[] = {1.5, -0.5}, beta[] = {0.1, 0.2};
    double mean[] = {0.5, -0.5}, var[] = {2, 3}, ws[2][2], dst[6], dx[6], dr[6], dg[2], db[2];
    const rs_shape src[] = {rs_shape_2(3, 2), rs_shape_2(3, 2)};
    rs_problem p;
    assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &a, true, src, 2));
    const rs_ref ref = {.src = {x, r},
                        .param = {gamma, beta},
                        .diff_dst = diff,
                        .dst = dst,
                        .state = {mean, var},
                        .ws = {ws[0], ws[1]},
                        .diff_src = {dx, dr},
                        .diff_param = {dg, db}};
    for (int pass = RS_FWD; pass < RS_PASS_COUNT; pass++)
        p.op->reference(&p, (rs_pass)pass, &ref);
    expect("dst", dst, want->dst, 6);
    expect("running mean", mean, want->mean, 2);
    expect("running variance", var, want->var, 2);
    expect("diff gamma", dg, want->diff_gamma, 2);
    expect("diff beta", db, want->diff_beta, 2);
    expect("diff src", dx, want->diff_src, 6);
    expect("diff residual", dr, want->diff_residual, 6);
}

static void reference_agrees_with_torch(void **state)
{
    (void)state;
    compare_with_torch(
        false, &(by_torch){.dst = {0, 0.267512513440518, 2.93577323864231, 1.55141427035369, 0,
                                   1.03107321620579},
                           .mean = {0.875, -0.583333333333333},
                           .var = {1.75, 2.64583333333333},
                           .diff_gamma = {-1.22384882576154, -1.29717145929261},
                           .diff_beta = {-1, 0.5},
                           .diff_src = {-0.304619612652982, -0.653073607178906, -0.307304800227787,
                                        -0.434982742222737, 0.611924412880769, 1.08805634940164},
                           .diff_residual = {0, 2, -1, 0.5, 0, -2}});
}

/* torch with training=False. */
static void frozen_reference_agrees_with_torch(void **state)
{
    (void)state;
    compare_with_torch(
        true, &(by_torch){.dst = {0.880200658167205, 0.13294224176615, 3.75100329083602,
                                  1.91137183882257, 0, 1.09431408058872},
                          .mean = {0.5, -0.5},
                          .var = {2, 3},
                          .diff_gamma = {-1.41386842177921, -0.8658844835323},
                          .diff_beta = {0, 0.5},
                          .diff_src = {1.06040131633441, -0.577256322354867, -1.06040131633441,
                                       -0.144314080588717, 0, 0.577256322354867},
                          .diff_residual = {1, 2, -1, 0.5, 0, -2}});
}

/* ---- the mask in bits ------------------------------------------------------------------------ */

enum { SLOTS = 16 };

/* The tensors of a layer on the device, filled once. */
typedef struct layer {
    rs_problem p;
    rs_args args;
    rs_guarded slot[SLOTS], mask;
    int slots;
} layer;

static rs_tensor uploaded(layer *l, const rs_shape *shape, const double *v)
{
    const size_t n = rs_shape_count(shape);
    rs_guarded *g = &l->slot[l->slots++];
    assert_true(l->slots <= SLOTS);
    *g = op_guarded_create(rs_test_device(), n * sizeof(float));
    op_guarded_write(rs_test_device(), g, RS_F32, v, n);
    return (rs_tensor){*shape, RS_F32, g->view};
}

static rs_tensor filled(layer *l, const rs_shape *shape, double lo, double hi)
{
    const size_t n = rs_shape_count(shape);
    double *v = malloc(n * sizeof *v);
    rs_rng rng;
    assert_non_null(v);
    rs_rng_init(&rng, 5, (uint64_t)l->slots);
    for (size_t i = 0; i < n; i++)
        v[i] = rs_rng_range(&rng, lo, hi);
    if (l->slots == 0)
        v[1] = NAN;
    const rs_tensor t = uploaded(l, shape, v);
    free(v);
    return t;
}

static void layer_open(layer *l, const rs_batchnorm_attr *attr, const rs_shape *src, int nsrc)
{
    const rs_shape both[2] = {*src, *src};
    *l = (layer){0};
    assert_ok(rs_problem_init(&l->p, &rs_op_batchnorm, attr, true, both, nsrc));
    for (int i = 0; i < 2; i++) {
        l->args.src[i] = filled(l, src, -1, 1);
        l->args.param[i] = filled(l, &l->p.param[i].shape, -1, 1);
        l->args.state[i] = filled(l, &l->p.state[i].shape, 0.5, 1.5);
        l->args.ws[i] = filled(l, &l->p.state[i].shape, 0, 0);
        l->args.diff_param[i] = filled(l, &l->p.param[i].shape, 0, 0);
        l->args.diff_src[i] = filled(l, src, 0, 0);
    }
    l->args.dst = filled(l, src, 0, 0);
    l->args.diff_dst = filled(l, src, -1, 1);
}

static void layer_close(layer *l)
{
    for (int i = 0; i < l->slots; i++) {
        op_guarded_check(rs_test_device(), &l->slot[i], "a tensor");
        rs_guarded_fini(&l->slot[i]);
    }
    op_guarded_check(rs_test_device(), &l->mask, "the mask");
    rs_guarded_fini(&l->mask);
}

/* Gives the bytes of the mask that it left. */
static size_t run_as(layer *l, const char *impl, rs_pass pass)
{
    rs_plan plan;
    assert_ok(rs_choice_plan(rs_test_device(), &l->p, pass, impl, &plan));
    assert_ok(rs_plan_build(&plan));
    if (plan.scratch_bytes)
        assert_ok(rs_buffer_create(rs_test_device(), plan.scratch_bytes, &l->args.scratch));
    assert_ok(rs_plan_enqueue(&plan, &l->args));
    assert_ok(rs_finish(rs_test_device()));
    rs_buffer_release(l->args.scratch);
    l->args.scratch = NULL;
    return plan.mask_bytes;
}

static float *read_tensor(const rs_tensor *t)
{
    const size_t bytes = rs_shape_count(&t->shape) * sizeof(float);
    float *v = malloc(bytes);
    assert_non_null(v);
    assert_ok(rs_read(rs_test_device(), t->buf, 0, v, bytes));
    return v;
}

static void expect_bits(const layer *l)
{
    const size_t bytes = l->mask.bytes, c = l->p.dst.dim[3], pixels = rs_shape_count(&l->p.dst) / c;
    unsigned char *mask = malloc(bytes);
    float *dst = read_tensor(&l->args.dst);
    assert_non_null(mask);
    assert_ok(rs_read(rs_test_device(), l->mask.view, 0, mask, bytes));
    for (size_t i = 0; i < pixels; i++)
        for (size_t k = 0; k < c; k++) {
            const unsigned char byte = mask[i * ((c + 3) / 4) + k / 4];
            assert_int_equal(byte >> k % 4 & 1, !(dst[i * c + k] <= 0));
        }
    free(mask);
    free(dst);
}

/* Backward gives the same bits from the mask as from dst. */
static void expect_same_gradients(layer *l)
{
    const rs_tensor results[] = {l->args.diff_param[0], l->args.diff_param[1], l->args.diff_src[0],
                                 l->args.diff_src[1]};
    const rs_tensor dst = l->args.dst;
    float *by_dst[RS_COUNT(results)];
    for (int masked = 0; masked < 2; masked++) {
        l->p.has_mask = masked;
        l->args.dst = masked ? (rs_tensor){0} : dst;
        run_as(l, "grouped", RS_BWD_PARAMS);
        run_as(l, "grouped", RS_BWD_DATA);
        for (size_t i = 0; i < RS_COUNT(results); i++) {
            float *got = read_tensor(&results[i]);
            if (!masked) {
                by_dst[i] = got;
                continue;
            }
            assert_memory_equal(got, by_dst[i], rs_shape_count(&results[i].shape) * sizeof *got);
            free(got);
            free(by_dst[i]);
        }
    }
}

static void a_mask_in_bits_serves_as_dst_does(void **state)
{
    static const rs_batchnorm_attr *const attrs[] = {&relu, &frozen_relu};
    const rs_shape shapes[] = {rs_shape_4(3, 7, 5, 48), rs_shape_4(2, 5, 3, 19)};
    (void)state;
    for (size_t a = 0; a < RS_COUNT(attrs); a++)
        for (size_t s = 0; s < RS_COUNT(shapes); s++) {
            layer l;
            layer_open(&l, attrs[a], &shapes[s], 2);
            l.p.want_mask = true;
            l.mask = op_guarded_create(rs_test_device(), rs_mask_bytes(&shapes[s]));
            l.args.mask = l.mask.view;
            assert_int_equal(run_as(&l, "grouped", RS_FWD), l.mask.bytes);
            expect_bits(&l);
            assert_int_equal(rs_op_batchnorm.reads(&l.p, RS_BWD_DATA) & RS_READS_DST, RS_READS_DST);
            expect_same_gradients(&l);
            assert_int_equal(rs_op_batchnorm.reads(&l.p, RS_BWD_DATA) & RS_READS_DST, 0);
            layer_close(&l);
        }
}

/* On CPUs dst is read: bits would only be more to write. */
static void only_groups_leave_a_mask(void **state)
{
    const rs_shape src[] = {rs_shape_4(3, 7, 5, 48), rs_shape_4(3, 7, 5, 48)};
    rs_problem p;
    rs_plan plan;
    (void)state;
    for (int nsrc = 1; nsrc <= 2; nsrc++) {
        assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &relu, true, src, nsrc));
        p.want_mask = true;
        assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, "chunked", &plan));
        assert_int_equal(plan.mask_bytes, 0);
        assert_ok(rs_choice_plan(rs_test_device(), &p, RS_FWD, "grouped", &plan));
        assert_int_equal(plan.mask_bytes > 0, nsrc == 2);
    }
    p.has_mask = true;
    assert_non_null(rs_impl_refuses(rs_impl_find(&rs_op_batchnorm, "chunked"), &p, RS_BWD_DATA,
                                    rs_device_caps(rs_test_device())));
}

/* ---- thousands of parts ---------------------------------------------------------------------- */

enum { PARTS = 5003, PIXELS = 2 * PARTS - 1, CHANNELS = 12 };

/* The moments of each two pixels of x, the last alone. */
static double *moments_of_pairs(const double *x)
{
    double *moments = malloc(PARTS * (2 * CHANNELS + 1) * sizeof *moments);
    assert_non_null(moments);
    for (size_t p = 0; p < PARTS; p++) {
        const size_t n = p + 1 < PARTS ? 2 : 1;
        double *mean = moments + p * 2 * CHANNELS;
        for (size_t k = 0; k < CHANNELS; k++) {
            const double *v = x + p * 2 * CHANNELS + k, gap = n == 2 ? v[CHANNELS] - *v : 0;
            mean[k] = *v + gap / 2;
            mean[CHANNELS + k] = gap * gap / 2;
        }
        moments[2 * PARTS * CHANNELS + p] = (double)n;
    }
    return moments;
}

/* As the epilogue of a convolution leaves them; the mean is far from 0. */
static void statistics_are_joined_of_thousands_of_parts(void **state)
{
    const rs_shape src = rs_shape_2(PIXELS, CHANNELS), all = rs_shape_1(PARTS * (2 * CHANNELS + 1));
    double *x = malloc(PIXELS * CHANNELS * sizeof *x);
    layer l;
    rs_rng rng;
    (void)state;
    assert_non_null(x);
    rs_rng_init(&rng, 9, 0);
    for (size_t i = 0; i < PIXELS * CHANNELS; i++)
        x[i] = rs_rng_range(&rng, 499, 501);
    double *moments = moments_of_pairs(x);
    layer_open(&l, &plain, &src, 1);
    l.p.moments_parts = PARTS;
    l.args.moments = uploaded(&l, &all, moments).buf;
    run_as(&l, "grouped", RS_FWD);
    float *means = read_tensor(&l.args.ws[0]), *inv_std = read_tensor(&l.args.ws[1]);
    for (size_t k = 0; k < CHANNELS; k++) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < PIXELS; i++)
            mean += x[i * CHANNELS + k] / PIXELS;
        for (size_t i = 0; i < PIXELS; i++)
            var += pow(x[i * CHANNELS + k] - mean, 2) / PIXELS;
        assert_true(fabs((double)means[k] - mean) <= 1e-6 * mean);
        assert_true(fabs((double)inv_std[k] * sqrt(var + 1e-5) - 1) <= 2e-4);
    }
    free(means);
    free(inv_std);
    layer_close(&l);
    free(x);
    free(moments);
}

/* As the epilogue of backward data leaves them; src and diff_dst are then not read. */
static void sums_are_joined_of_thousands_of_parts(void **state)
{
    const rs_shape src = rs_shape_2(PIXELS, CHANNELS), all = rs_shape_1(PARTS * 2 * CHANNELS);
    (void)state;
    for (int m = 0; rs_op_batchnorm.impls[m]; m++) {
        layer l;
        layer_open(&l, &relu, &src, 1);
        l.p.sums_parts = PARTS;
        assert_true(rs_op_batchnorm.takes_sums(&l.p, NULL, NULL));
        const rs_tensor sums = filled(&l, &all, 0, 1);
        l.args.sums = sums.buf;
        l.args.ws[1] = filled(&l, &l.args.ws[1].shape, 1, 2);
        op_guarded_poison(rs_test_device(), &l.slot[0]);
        run_as(&l, rs_op_batchnorm.impls[m]->name, RS_BWD_PARAMS);
        float *parts = read_tensor(&sums), *inv_std = read_tensor(&l.args.ws[1]);
        float *gamma = read_tensor(&l.args.diff_param[0]),
              *beta = read_tensor(&l.args.diff_param[1]);
        for (size_t k = 0; k < CHANNELS; k++) {
            double sum = 0, dot = 0;
            for (size_t p = 0; p < PARTS; p++) {
                sum += (double)parts[p * 2 * CHANNELS + k];
                dot += (double)parts[(p * 2 + 1) * CHANNELS + k];
            }
            dot *= (double)inv_std[k];
            assert_true(fabs((double)beta[k] - sum) <= 1e-5 * sum);
            assert_true(fabs((double)gamma[k] - dot) <= 1e-5 * dot);
        }
        free(parts);
        free(inv_std);
        free(gamma);
        free(beta);
        layer_close(&l);
    }
}

/* Nobody else can mask by a dst that it does not have, and running statistics have their own way. */
static void sums_are_taken_where_others_can_make_them(void **state)
{
    const rs_shape src[] = {rs_shape_2(8, 4), rs_shape_2(8, 4)};
    rs_problem p;
    (void)state;
    assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &relu, true, src, 2));
    assert_false(rs_op_batchnorm.takes_sums(&p, NULL, NULL));
    p.has_mask = true;
    assert_true(rs_op_batchnorm.takes_sums(&p, NULL, NULL));
    assert_ok(rs_problem_init(&p, &rs_op_batchnorm, &frozen_relu, true, src, 1));
    assert_false(rs_op_batchnorm.takes_sums(&p, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest extra[] = {
        cmocka_unit_test(reference_agrees_with_torch),
        cmocka_unit_test(frozen_reference_agrees_with_torch),
        cmocka_unit_test(a_mask_in_bits_serves_as_dst_does),
        cmocka_unit_test(only_groups_leave_a_mask),
        cmocka_unit_test(statistics_are_joined_of_thousands_of_parts),
        cmocka_unit_test(sums_are_joined_of_thousands_of_parts),
        cmocka_unit_test(sums_are_taken_where_others_can_make_them),
        cmocka_unit_test(shapes_and_attributes_are_checked)};
    return op_suite_main(&rs_op_batchnorm, extra, RS_COUNT(extra));
}
