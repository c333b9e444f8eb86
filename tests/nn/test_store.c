/* Parameters, gradients and optimiser state on the device. */
#include "graph_kit.h"
#include "net_fixture.h"
#include "rng.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rs_optim_hyper adam = {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-7}};

/* Sizes that are no multiple of anything; the last two layers with parameters are the head. */
static rs_graph *layers(void)
{
    rs_value x;
    rs_graph *g = kit_graph(6, 6, 3, &x);
    x = kit_conv(g, "a", x, 7, 3, 1);
    x = kit_relu(g, "r", kit_bn(g, "b", x));
    g->part = RS_PART_HEAD;
    x = kit_conv(g, "c", x, 5, 1, 1);
    kit_finish(g, x, 3);
    return g;
}

static rs_weights random_weights(const rs_graph *g, uint64_t stream)
{
    rs_weights w;
    rs_rng r;
    assert_ok(rs_weights_create(g, &w));
    rs_rng_init(&r, 99, stream);
    for (size_t i = 0; i < w.count; i++)
        for (size_t k = 0; k < w.elems[i]; k++)
            w.data[i][k] = (float)rs_rng_range(&r, 0.5, 1.5);
    return w;
}

/* Trainable entries only where `trainable_only`; the others of `b` are still 0 then. */
static void assert_same(const rs_graph *g, const rs_weights *a, const rs_weights *b,
                        bool trainable_only)
{
    for (size_t i = 0; i < a->count; i++) {
        if (!trainable_only || g->param[i].trainable)
            assert_memory_equal(a->data[i], b->data[i], a->elems[i] * sizeof(float));
        else
            for (size_t k = 0; k < b->elems[i]; k++)
                assert_true(b->data[i][k] == 0.0f);
    }
}

static void gives_back_what_it_was_given(void **state)
{
    rs_graph *g = layers();
    rs_store *s = NULL;
    rs_weights value = random_weights(g, 0), back;
    (void)state;
    assert_ok(rs_store_create(rs_test_device(), g, &adam, &s));
    assert_int_equal(rs_store_states(s), 2);
    assert_ok(rs_store_upload(s, &value));
    for (int i = 0; i < 2; i++) {
        rs_weights moment = random_weights(g, 1 + (uint64_t)i);
        assert_ok(rs_store_upload_state(s, i, &moment));
        rs_weights_fini(&moment);
    }
    assert_ok(rs_weights_create(g, &back));
    assert_ok(rs_store_download(s, &back));
    assert_same(g, &value, &back, false);
    rs_weights_fini(&back);
    for (int i = 0; i < 2; i++) {
        rs_weights moment = random_weights(g, 1 + (uint64_t)i);
        assert_ok(rs_weights_create(g, &back));
        assert_ok(rs_store_download_state(s, i, &back));
        assert_same(g, &moment, &back, true);
        rs_weights_fini(&moment);
        rs_weights_fini(&back);
    }
    assert_ok(rs_store_upload_grads(s, &value));
    assert_ok(rs_weights_create(g, &back));
    assert_ok(rs_store_download_grads(s, &back));
    assert_same(g, &value, &back, true);
    rs_weights_fini(&back);
    rs_weights_fini(&value);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

static void starts_from_zero(void **state)
{
    rs_graph *g = layers();
    rs_store *s = NULL;
    rs_weights back = random_weights(g, 0);
    (void)state;
    assert_ok(rs_store_create(rs_test_device(), g, &adam, &s));
    assert_ok(rs_store_download(s, &back));
    for (size_t i = 0; i < back.count; i++)
        for (size_t k = 0; k < back.elems[i]; k++)
            assert_true(back.data[i][k] == 0.0f);
    rs_weights_fini(&back);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

/* Two updates with the gradients of a real step, parameter by parameter against the reference: the
 * body, the head and a group that the caller made at numbers of their own, and a frozen layer not
 * at all. */
static void updates_as_the_reference(void **state)
{
    enum { BATCH = 2, OWN = RS_MAX_GROUPS - 1 };
    rs_rates rates = rs_rates_uniform(1e-3, 0.01);
    rs_graph *g = layers();
    net_fixture f;
    rs_weights w, grad, after;
    float *pixels = kit_pixels(BATCH * 6 * 6 * 3, 1);
    int32_t *labels = kit_labels(BATCH, 3, 1);
    (void)state;
    rates.group[RS_GROUP_HEAD].lr = 1e-2;
    rates.group[OWN].lr = 3e-3;
    rates.group[OWN].weight_decay = 0.0;
    kit_weights(g, 1, &w);
    rs_graph_set_trained(g, 1, false, false);
    assert_ok(rs_graph_set_group(g, (size_t)rs_graph_find_param(g, "c.weight"), OWN));
    net_fixture_open(&f, rs_test_device(), g, &w, &adam, BATCH, RS_MODE_TRAIN);
    net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    net_grads(&f, g, &grad);
    for (uint64_t step = 1; step <= 2; step++)
        assert_ok(rs_store_update(f.store, &rates, step));
    assert_ok(rs_weights_create(g, &after));
    assert_ok(rs_store_download(f.store, &after));

    for (size_t i = 0; i < w.count; i++) {
        const char *name = g->param[i].name;
        const bool head = name[0] == 'c' || name[0] == 'f';
        const int group = strcmp(name, "c.weight") == 0 ? OWN
                          : head                        ? RS_GROUP_HEAD
                                                        : RS_GROUP_BODY;
        assert_true(rs_graph_in_head(g, i) == head);
        assert_int_equal(g->param[i].group, group);
        assert_true(g->param[i].trainable == (name[0] != 'b'));
        if (!g->param[i].trainable) {
            assert_memory_equal(w.data[i], after.data[i], w.elems[i] * sizeof(float));
            continue;
        }
        for (size_t k = 0; k < w.elems[i]; k++) {
            double x = (double)w.data[i][k], m = 0.0, v = 0.0;
            const double d = (double)grad.data[i][k];
            double *const states[2] = {&m, &v};
            for (uint64_t step = 1; step <= 2; step++) {
                const rs_update u = rs_rates_of(&rates, group, step);
                rs_optim_reference(&adam, &x, &d, states, 1, &u);
            }
            if (!(fabs((double)after.data[i][k] - x) <= 1e-6))
                fail_msg("%s[%zu] became %.9g, expected %.9g", name, k, (double)after.data[i][k],
                         x);
        }
    }
    rs_weights_fini(&w);
    rs_weights_fini(&grad);
    rs_weights_fini(&after);
    net_fixture_close(&f);
    rs_graph_destroy(g);
    free(pixels);
    free(labels);
}

static void refuses_misuse(void **state)
{
    rs_graph *g = layers(), *other;
    rs_store *s = NULL;
    rs_net *n = NULL;
    rs_weights w;
    const rs_rates rates = rs_rates_uniform(0.1, 0.0);
    rs_value x;
    (void)state;
    assert_fails(rs_graph_set_group(g, 0, RS_MAX_GROUPS), RESCL_ERR_ARG, "group 16");
    assert_fails(rs_graph_set_group(g, 99, 0), RESCL_ERR_ARG, "parameter 99");
    assert_ok(rs_store_create(rs_test_device(), g, NULL, &s));
    assert_int_equal(rs_store_states(s), 0);
    assert_ok(rs_weights_create(g, &w));
    assert_fails(rs_store_download_grads(s, &w), RESCL_ERR_ARG, "inference only");
    assert_fails(rs_store_upload_grads(s, &w), RESCL_ERR_ARG, "inference only");
    assert_fails(rs_store_update(s, &rates, 1), RESCL_ERR_ARG, "inference only");
    assert_fails(rs_net_plan(s, g, 2, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &n), RESCL_ERR_ARG,
                 "inference only");
    assert_null(n);
    rs_weights_fini(&w);

    other = kit_graph(2, 2, 2, &x);
    kit_conv(other, "only", x, 2, 1, 1);
    assert_ok(rs_weights_create(other, &w));
    assert_fails(rs_store_upload(s, &w), RESCL_ERR_ARG, "1 weight tensors", "the model has 8");
    rs_weights_fini(&w);
    rs_graph_destroy(other);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_was_given),
        cmocka_unit_test(starts_from_zero),
        cmocka_unit_test(updates_as_the_reference),
        cmocka_unit_test(refuses_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
