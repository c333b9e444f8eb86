#include "fixtures.h"
#include "golden.h"
#include "rng.h"
#include "supportproof.h"
#include "testing.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct method {
    const char *name;
    rs_optim_hyper h;
    double lr, weight_decay;
} method;

static const method methods[] = {
    {"SGD", {.def = &rs_optim_sgd}, 0.1, 0},
    {"SGD, decay", {.def = &rs_optim_sgd}, 0.1, 1e-2},
    {"SGD, momentum", {.def = &rs_optim_sgd, .number = {0.9}}, 0.1, 1e-2},
    {"SGD, Nesterov", {.def = &rs_optim_sgd_nesterov, .number = {0.9}}, 0.1, 1e-2},
    {"Adam", {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-7}}, 1e-2, 0},
    {"Adam, decay", {.def = &rs_optim_adam, .number = {0.8, 0.95, 1e-8}}, 1e-2, 0.1},
    {"AdamW", {.def = &rs_optim_adamw, .number = {0.9, 0.999, 1e-8}}, 1e-2, 0.1},
};

static void check_method(const method *t, size_t count)
{
    if (rs_prove_optimiser(rs_test_device(), &t->h, t->lr, t->weight_decay, count) != RESCL_OK)
        fail_msg("%s, %zu parameters: %s", t->name, count, rescl_last_error()->message);
}

static void methods_agree_with_reference(void **state)
{
    const size_t counts[] = {16, 272, 100016};
    (void)state;
    for (size_t m = 0; m < RS_COUNT(methods); m++)
        for (size_t i = 0; i < RS_COUNT(counts); i++)
            check_method(&methods[m], counts[i]);
}

/* Each optimiser with its usual numbers, and with each of them at 0 where it may be. */
static void all_agree_with_their_references(void **state)
{
    const size_t counts[] = {16, 272, 100016};
    (void)state;
    for (const rs_optim_def *const *def = rs_optims(); *def; def++) {
        const rs_optim_hyper usual = rs_optim_default(*def);
        for (size_t i = 0; i < RS_COUNT(counts); i++) {
            check_method(&(method){(*def)->name, usual, 1e-2, 0}, counts[i]);
            check_method(&(method){(*def)->name, usual, 1e-2, 0.1}, counts[i]);
        }
        for (int n = 0; n < RS_OPTIM_NUMBERS && (*def)->options[n]; n++) {
            method edge = {(*def)->options[n]->name, usual, 1e-2, 0};
            edge.h.number[n] = 0;
            if (rs_optim_check(&edge.h) == RESCL_OK)
                check_method(&edge, 272);
        }
    }
}

/* Two parameters after three steps of torch.optim with gradients (0.5, -1), (0.25, 2), (-1, 1), in
 * the order of `methods`: torch 1.13, float64. */
static void reference_agrees_with_torch(void **state)
{
    static const double grads[3][2] = {{0.5, -1}, {0.25, 2}, {-1, 1}};
    static const double want[RS_COUNT(methods)][2] = {
        {1.025, -2.2},
        {1.022127949, -2.194005898},
        {0.911609749, -2.197969498},
        {0.942869708191, -2.372336916382},
        {0.982741777930579, -1.99885344383383},
        {0.982032153389738, -1.99758940984955},
        {0.979774085084294, -1.99287577043719},
    };
    (void)state;
    for (size_t m = 0; m < RS_COUNT(methods); m++) {
        double w[2] = {1, -2}, s0[2] = {0}, s1[2] = {0}, *states[] = {s0, s1};
        for (uint64_t step = 1; step <= 3; step++) {
            const rs_update u = {
                .lr = methods[m].lr, .weight_decay = methods[m].weight_decay, .step = step};
            rs_optim_reference(&methods[m].h, w, grads[step - 1], states, 2, &u);
        }
        for (int i = 0; i < 2; i++)
            if (!(fabs(w[i] - want[m][i]) < 1e-12))
                fail_msg("%s: parameter %d is %.15g, torch has %.15g", methods[m].name, i, w[i],
                         want[m][i]);
    }
}

/* ---- 100 steps of PyTorch and timm: tests/golden/make_training.py ----------------------------- */

enum { GOLDEN_SEED = 77, GOLDEN_STEPS = 100, A = 5000, B = 300, B_AT = 5008, ARENA = B_AT + 304 };

static const struct {
    const char *name;
    rs_optim_hyper h;
    double lr, weight_decay;
} golden_runs[] = {
    {"sgd", {.def = &rs_optim_sgd, .number = {0.9}}, 0.01, 0.01},
    {"sgd_nesterov", {.def = &rs_optim_sgd_nesterov, .number = {0.9}}, 0.01, 0.01},
    {"adam", {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-8}}, 0.001, 0.01},
    {"adamw", {.def = &rs_optim_adamw, .number = {0.9, 0.999, 1e-8}}, 0.001, 0.01},
    {"rmsprop", {.def = &rs_optim_rmsprop, .number = {0.99, 1e-8, 0.9}}, 0.001, 0.01},
    {"rmsprop_centered",
     {.def = &rs_optim_rmsprop_centered, .number = {0.99, 1e-8, 0.9}},
     0.001,
     0.01},
    {"lars", {.def = &rs_optim_lars, .number = {0.9, 0.01, 1e-8}}, 0.1, 0.01},
    {"lamb", {.def = &rs_optim_lamb, .number = {0.9, 0.999, 1e-6}}, 0.001, 0.01},
    {"lamb_plain", {.def = &rs_optim_lamb, .number = {0.9, 0.999, 1e-6}}, 0.001, 0.0},
};

static void draw(float *x, uint64_t stream, size_t count, double low, double high)
{
    rs_rng r;
    rs_rng_init(&r, GOLDEN_SEED, stream);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(low + (high - low) * (double)rs_rng_uniform(&r));
}

/* The largest distance from what the file has of the two tensors, as a share of its largest number. */
static double golden_gap(const rs_st_file *f, const char *name, const float *x)
{
    size_t count, n = 0;
    double *want = golden_numbers(f, name, &count), worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < A; i += 16)
        worst = fmax(worst, fabs((double)x[i] - want[n++]));
    for (size_t i = 0; i < B; i++)
        worst = fmax(worst, fabs((double)x[B_AT + i] - want[n++]));
    assert_int_equal(n, count);
    free(want);
    return worst / largest;
}

/* How far PyTorch's own float32 is. */
static double single_gap(const rs_st_file *f, const char *name)
{
    char full[80];
    size_t count;
    snprintf(full, sizeof full, "%s.f32", name);
    double *gap = golden_numbers(f, full, &count), out = gap[0];
    free(gap);
    return out;
}

static void run_golden(const rs_st_file *f, size_t k)
{
    rescl_device *dev = rs_test_device();
    const rs_tensor_span spans[] = {{0, B_AT}, {B_AT, ARENA - B_AT}};
    static float x[ARENA], g[ARENA];
    rs_buffer *param = NULL, *grad = NULL, *state[RS_OPTIM_STATES] = {NULL};
    rs_tensor_sums sums = {0};
    rs_optim *o = NULL;
    char name[64];

    memset(x, 0, sizeof x);
    memset(g, 0, sizeof g);
    draw(x, 10, A, -1, 1);
    draw(x + B_AT, 11, B, -1, 1);
    assert_ok(rs_optim_create(dev, &golden_runs[k].h, &o));
    assert_ok(rs_tensor_sums_init(dev, spans, RS_COUNT(spans), &sums));
    assert_ok(rs_buffer_create(dev, sizeof x, &param));
    assert_ok(rs_buffer_create(dev, sizeof g, &grad));
    for (int i = 0; i < rs_optim_states(&golden_runs[k].h); i++) {
        assert_ok(rs_buffer_create(dev, sizeof x, &state[i]));
        assert_ok(rs_fill_zero(dev, state[i], 0, sizeof x));
    }
    assert_ok(rs_write(dev, param, 0, x, sizeof x));
    for (uint64_t step = 0; step < GOLDEN_STEPS; step++) {
        const rs_update u = {
            .lr = golden_runs[k].lr, .weight_decay = golden_runs[k].weight_decay, .step = step + 1};
        draw(g, 1000 + 2 * step, A, -0.5, 1);
        draw(g + B_AT, 1001 + 2 * step, B, -0.5, 1);
        assert_ok(rs_write(dev, grad, 0, g, sizeof g));
        assert_ok(rs_optim_enqueue(o, param, grad, state, ARENA, &sums, &u));
        if (step + 1 != 10 && step + 1 != GOLDEN_STEPS)
            continue;
        snprintf(name, sizeof name, "optimiser.%s%s", golden_runs[k].name,
                 step + 1 == 10 ? ".10" : "");
        assert_ok(rs_read(dev, param, 0, x, sizeof x));
        const double gap = golden_gap(f, name, x), theirs = single_gap(f, name);
        print_message("%s: %.1e, PyTorch's float32 %.1e\n", name, gap, theirs);
        if (!(gap <= fmax(1e-6, theirs)))
            fail_msg("%s: a parameter is %.2e from PyTorch's", name, gap);
    }
    for (int i = 0; i < RS_OPTIM_STATES; i++)
        rs_buffer_release(state[i]);
    rs_buffer_release(param);
    rs_buffer_release(grad);
    rs_tensor_sums_fini(&sums);
    rs_optim_destroy(o);
}

static void keep_to_pytorch_over_100_steps(void **state)
{
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/training.safetensors", &f));
    for (size_t k = 0; k < RS_COUNT(golden_runs); k++)
        run_golden(f, k);
    rs_st_close(f);
}

/* A momentum of the update's own is that of an optimiser with this number, also where its own is 0. */
static void an_update_may_have_its_own_momentum(void **state)
{
    (void)state;
    const struct {
        rs_optim_hyper plain, other;
    } pair[] = {
        {{.def = &rs_optim_sgd}, {.def = &rs_optim_sgd, .number = {0.8}}},
        {{.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-8}},
         {.def = &rs_optim_adam, .number = {0.8, 0.999, 1e-8}}},
    };
    for (size_t i = 0; i < RS_COUNT(pair); i++) {
        rs_optim_hyper plain = pair[i].plain;
        double w[2] = {1, 1}, s[2][2] = {{0}, {0}};
        const double g = 0.5;
        assert_ok(rs_optim_take_momentum(&plain));
        assert_memory_equal(plain.number, pair[i].plain.number, sizeof plain.number);
        assert_int_equal(rs_optim_states(&plain), rs_optim_states(&pair[i].other));
        for (uint64_t step = 1; step <= 2; step++) {
            const rs_update u = {.lr = 0.1, .step = step};
            rs_update own = u;
            double *states[] = {&s[0][0], &s[0][1]}, *others[] = {&s[1][0], &s[1][1]};
            own.momentum = 0.8;
            rs_optim_reference(&plain, &w[0], &g, states, 1, &own);
            rs_optim_reference(&pair[i].other, &w[1], &g, others, 1, &u);
        }
        assert_true(w[0] == w[1]);
    }
    rs_optim_def none = rs_optim_sgd;
    none.options[0] = NULL;
    assert_fails(rs_optim_take_momentum(&(rs_optim_hyper){.def = &none}), RESCL_ERR_ARG,
                 "the optimiser sgd has none", "lr_base_momentum");
}

static void bad_hyperparameters_are_refused(void **state)
{
    const rs_optim_hyper bad[] = {
        {0},
        {.def = &rs_optim_sgd, .number = {-0.1}},
        {.def = &rs_optim_sgd_nesterov},
        {.def = &rs_optim_adam, .number = {1, 0.9}},
        {.def = &rs_optim_adamw, .number = {0.9, 0.9, -1}},
        {.def = &rs_optim_lamb, .number = {0.9, 0.9, 0}},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        rs_optim *o = NULL;
        assert_int_equal(rs_optim_create(rs_test_device(), &bad[i], &o), RESCL_ERR_ARG);
        assert_null(o);
    }
}

static void a_bad_weight_decay_is_refused(void **state)
{
    rs_optim *o = NULL;
    (void)state;
    assert_ok(rs_optim_create(rs_test_device(), &methods[0].h, &o));
    assert_int_equal(rs_optim_enqueue(o, NULL, NULL, NULL, 1, NULL,
                                      &(rs_update){.lr = 0.1, .weight_decay = NAN, .step = 1}),
                     RESCL_ERR_ARG);
    rs_optim_destroy(o);
}

static void a_count_between_grains_is_refused(void **state)
{
    rs_optim *o = NULL;
    (void)state;
    assert_ok(rs_optim_create(rs_test_device(), &methods[0].h, &o));
    assert_int_equal(
        rs_optim_enqueue(o, NULL, NULL, NULL, 24, NULL, &(rs_update){.lr = 0.1, .step = 1}),
        RESCL_ERR_ARG);
    rs_optim_destroy(o);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_int_equal(rs_optim_states(&methods[0].h), 0);
    assert_int_equal(rs_optim_states(&methods[2].h), 1);
    assert_string_equal(rs_optim_state_name(&methods[2].h, 0), "momentum");
    assert_int_equal(rs_optim_states(&methods[6].h), 2);
    assert_string_equal(rs_optim_state_name(&methods[6].h, 1), "v");
}

static void the_registry_is_sound(void **state)
{
    const rs_optim_def *const *defs = rs_optims(), *found = NULL;
    (void)state;
    for (size_t i = 0; defs[i]; i++) {
        assert_string_equal(defs[i]->name, rs_optim_names()[i]);
        assert_non_null(defs[i]->about);
        assert_ok(rs_optim_find(defs[i]->name, &found));
        assert_ptr_equal(found, defs[i]);
        const rs_optim_hyper usual = rs_optim_default(defs[i]);
        assert_ok(rs_optim_check(&usual));
        for (int s = 0; s < rs_optim_states(&usual); s++)
            assert_non_null(rs_optim_state_name(&usual, s));
    }
    assert_fails(rs_optim_find("adamv", &found), RESCL_ERR_ARG, "'adamv'", "did you mean 'adam",
                 "sgd, sgd_nesterov, adam");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_agree_with_reference),
        cmocka_unit_test(all_agree_with_their_references),
        cmocka_unit_test(reference_agrees_with_torch),
        cmocka_unit_test(keep_to_pytorch_over_100_steps),
        cmocka_unit_test(an_update_may_have_its_own_momentum),
        cmocka_unit_test(bad_hyperparameters_are_refused),
        cmocka_unit_test(a_bad_weight_decay_is_refused),
        cmocka_unit_test(a_count_between_grains_is_refused),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(the_registry_is_sound),
    };
    return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
