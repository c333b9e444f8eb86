#include "fixtures.h"
#include "supportproof.h"
#include "testing.h"

#include "error.h"

#include <math.h>
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
            const rs_update u = {methods[m].lr, methods[m].weight_decay, step};
            rs_optim_reference(&methods[m].h, w, grads[step - 1], states, 2, &u);
        }
        for (int i = 0; i < 2; i++)
            if (!(fabs(w[i] - want[m][i]) < 1e-12))
                fail_msg("%s: parameter %d is %.15g, torch has %.15g", methods[m].name, i, w[i],
                         want[m][i]);
    }
}

static void bad_hyperparameters_are_refused(void **state)
{
    const rs_optim_hyper bad[] = {
        {0},
        {.def = &rs_optim_sgd, .number = {-0.1}},
        {.def = &rs_optim_sgd_nesterov},
        {.def = &rs_optim_adam, .number = {1, 0.9}},
        {.def = &rs_optim_adamw, .number = {0.9, 0.9, -1}},
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
    assert_int_equal(rs_optim_enqueue(o, NULL, NULL, NULL, 1, &(rs_update){0.1, NAN, 1}),
                     RESCL_ERR_ARG);
    rs_optim_destroy(o);
}

static void a_count_between_grains_is_refused(void **state)
{
    rs_optim *o = NULL;
    (void)state;
    assert_ok(rs_optim_create(rs_test_device(), &methods[0].h, &o));
    assert_int_equal(rs_optim_enqueue(o, NULL, NULL, NULL, 24, &(rs_update){0.1, 0, 1}),
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
        cmocka_unit_test(bad_hyperparameters_are_refused),
        cmocka_unit_test(a_bad_weight_decay_is_refused),
        cmocka_unit_test(a_count_between_grains_is_refused),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(the_registry_is_sound),
    };
    return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
