/* Nets on a device: sharing memory, modes, determinism, allocations. */
#include "attr.h"
#include "conv2d.h"
#include "error.h"
#include "graph_kit.h"
#include "net_fixture.h"
#include "net_internal.h"
#include "normalize.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDGE = 8, CLASSES = 5, FULL = 5, TAIL = 3 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

static float *pixels;
static int32_t *labels;

static int make_batch(void **state)
{
    (void)state;
    pixels = kit_pixels((size_t)FULL * EDGE * EDGE * 3, 4);
    labels = kit_labels(FULL, CLASSES, 4);
    return 0;
}

static int free_batch(void **state)
{
    (void)state;
    free(pixels);
    free(labels);
    return 0;
}

/* Two blocks; with a dropout of `rate` where that is above 0, and a layer that nothing reads. */
static rs_graph *network(float rate, bool dead_end)
{
    rs_value x, y;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    y = kit_shortcut(g, x);
    x = kit_relu(g, "r4", kit_bn(g, "b4", kit_conv(g, "c4", y, 16, 3, 2)));
    if (rate > 0.0f) {
        const rs_dropout_attr drop = {.rate = rate, .stream = 1};
        assert_ok(rs_graph_add(g, "drop", &rs_op_dropout, &drop, sizeof drop,
                               RS_SCHEME_GLOROT_UNIFORM, &x, 1, &x));
    }
    kit_finish(g, x, CLASSES);
    if (dead_end)
        kit_relu(g, "dead_relu", kit_conv(g, "dead", y, 4, 3, 1));
    return g;
}

static void assert_same_grads(const rs_graph *g, const rs_weights *a, const rs_weights *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (memcmp(a->data[i], b->data[i], a->elems[i] * sizeof(float)) != 0)
            fail_msg("the gradients of %s differ", g->param[i].name);
}

/* ---- sharing ----------------------------------------------------------------------------- */

typedef struct outcome {
    double loss;
    rs_weights grad;
} outcome;

/* Forward and backward of a net that is bound already. */
static outcome run_step(net_fixture *f, const rs_graph *g, rs_net *net)
{
    outcome o;
    rs_net *own = f->net;
    f->net = net;
    o.loss = net_forward_loss(f, pixels, labels, 1);
    assert_ok(rs_net_backward(net, &RS_STEP(1, 1), NULL));
    net_grads(f, g, &o.grad);
    f->net = own;
    return o;
}

static outcome run_alone(const rs_graph *g, const rs_weights *w, size_t batch)
{
    net_fixture f;
    outcome o;
    net_fixture_open(&f, rs_test_device(), g, w, &sgd, batch, RS_MODE_TRAIN);
    o = run_step(&f, g, f.net);
    net_fixture_close(&f);
    return o;
}

/* A full batch, a tail and an evaluation in turn, in one workspace, as if each were alone. */
static void nets_share_a_workspace(void **state)
{
    rs_graph *g = network(0.0f, false);
    const size_t batch[2] = {FULL, TAIL};
    net_fixture f = {.dev = rs_test_device()};
    rs_net *net[3] = {NULL};
    rs_weights w;
    outcome alone[2];
    double eval_loss = 0.0;
    (void)state;

    kit_weights(g, 2, &w);
    for (int i = 0; i < 2; i++)
        alone[i] = run_alone(g, &w, batch[i]);
    assert_ok(rs_store_create(f.dev, g, &sgd, &f.store));
    for (int i = 0; i < 2; i++)
        assert_ok(rs_net_plan(f.store, g, batch[i], RS_MODE_TRAIN, RESCL_PRECISION_FP32, &net[i]));
    assert_ok(rs_net_plan(f.store, g, TAIL, RS_MODE_EVAL, RESCL_PRECISION_FP32, &net[2]));
    assert_ok(rs_workspace_create(f.dev, net, 3, &f.workspace));
    assert_true(rs_net_bytes(net[1]) < rs_net_bytes(net[0]));
    for (int round = 0; round < 2; round++) {
        /* Evaluation depends on the running statistics, which training has moved meanwhile. */
        assert_ok(rs_store_upload(f.store, &w));
        f.net = net[2];
        const double loss = net_forward_loss(&f, pixels, labels, 1);
        assert_true(round == 0 || loss == eval_loss);
        eval_loss = loss;
        for (int i = 0; i < 2; i++) {
            outcome o = run_step(&f, g, net[i]);
            assert_true(o.loss == alone[i].loss);
            assert_same_grads(g, &o.grad, &alone[i].grad);
            rs_weights_fini(&o.grad);
        }
    }
    f.net = NULL;
    for (int i = 0; i < 3; i++)
        rs_net_destroy(net[i]);
    net_fixture_close(&f);
    for (int i = 0; i < 2; i++)
        rs_weights_fini(&alone[i].grad);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* Evaluation keeps rearranged parameters; they have to follow the parameters. */
static void evaluation_follows_the_weights(void **state)
{
    rs_graph *g = network(0.5f, false);
    net_fixture f, fresh;
    rs_weights w[2];
    double loss[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        kit_weights(g, 20 + (uint64_t)i, &w[i]);
        net_fixture_open(&fresh, rs_test_device(), g, &w[i], NULL, FULL, RS_MODE_EVAL);
        loss[i] = net_forward_loss(&fresh, pixels, labels, 1);
        net_fixture_close(&fresh);
    }
    assert_true(loss[0] != loss[1]);
    net_fixture_open(&f, rs_test_device(), g, &w[0], NULL, FULL, RS_MODE_EVAL);
    assert_true(net_forward_loss(&f, pixels, labels, 1) == loss[0]);
    assert_true(net_forward_loss(&f, pixels, labels, 2) == loss[0]); /* no dropout here */
    assert_ok(rs_store_upload(f.store, &w[1]));
    assert_true(net_forward_loss(&f, pixels, labels, 1) == loss[1]);
    net_fixture_close(&f);
    rs_weights_fini(&w[0]);
    rs_weights_fini(&w[1]);
    rs_graph_destroy(g);
}

static rescl_status stop_early(const rs_node *node, const rs_shape *shape, const float *data,
                               void *user)
{
    (void)node, (void)shape, (void)data, (void)user;
    return rs_error_set(RESCL_ERR_INTERRUPTED, 0, __FILE__, __LINE__, "stopped by the test");
}

/* A forward that ends early has not rearranged all parameters: the next one does. */
static void an_unfinished_forward_packs_nothing(void **state)
{
    rs_graph *g = network(0.0f, false);
    net_fixture f;
    rs_weights w[2];
    double loss;
    (void)state;
    for (int i = 0; i < 2; i++)
        kit_weights(g, 20 + (uint64_t)i, &w[i]);
    net_fixture_open(&f, rs_test_device(), g, &w[1], NULL, FULL, RS_MODE_EVAL);
    loss = net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_store_upload(f.store, &w[0]));
    assert_true(net_forward_loss(&f, pixels, labels, 1) != loss);
    assert_ok(rs_store_upload(f.store, &w[1]));
    assert_int_equal(rs_net_visit(f.net, 1, 1, stop_early, NULL), RESCL_ERR_INTERRUPTED);
    assert_true(net_forward_loss(&f, pixels, labels, 1) == loss);
    net_fixture_close(&f);
    rs_weights_fini(&w[0]);
    rs_weights_fini(&w[1]);
    rs_graph_destroy(g);
}

/* What one evaluation keeps between runs, another one overwrites. */
static void evaluations_share_a_workspace(void **state)
{
    rs_graph *g = network(0.0f, false);
    const size_t batch[2] = {TAIL, FULL};
    net_fixture f = {.dev = rs_test_device()};
    rs_net *net[2] = {NULL};
    rs_weights w;
    double loss[2];
    (void)state;
    kit_weights(g, 8, &w);
    assert_ok(rs_store_create(f.dev, g, NULL, &f.store));
    assert_ok(rs_store_upload(f.store, &w));
    for (int i = 0; i < 2; i++)
        assert_ok(rs_net_plan(f.store, g, batch[i], RS_MODE_EVAL, RESCL_PRECISION_FP32, &net[i]));
    assert_ok(rs_workspace_create(f.dev, net, 2, &f.workspace));
    for (int i = 0; i < 6; i++) {
        f.net = net[i % 2];
        const double again = net_forward_loss(&f, pixels, labels, 1);
        assert_true(i < 2 || again == loss[i % 2]);
        loss[i % 2] = again;
    }
    rs_net_destroy(net[0]);
    f.net = net[1];
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* Launches that rearrange a layer's parameters ahead of a pass. */
static uint64_t packing_launches(rescl_device *dev, const char *label)
{
    static const char *const kernels[] = {"conv2d_packed_weights", "conv2d_winograd_weights",
                                          "conv2d_grouped_pack"};
    const rs_profile_row *rows = NULL;
    size_t count = 0;
    uint64_t launches = 0;
    assert_ok(rs_profile_get(dev, &rows, &count));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < RS_COUNT(kernels); k++)
            if (rows[i].label && strcmp(rows[i].label, label) == 0 &&
                strcmp(rows[i].kernel, kernels[k]) == 0)
                launches += rows[i].launches;
    return launches;
}

/* At most once for each grid of a pass, of which backward data has one for each residue of its stride;
 * not at all where the pass itself does. */
static void expect_packing(const net_fixture *f, uint64_t times)
{
    for (size_t i = 0; i < f->net->graph->nnodes; i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(f->net, i, (rs_pass)pass);
            if (!plan)
                continue;
            const char *label = f->net->stage[i].label[pass];
            const uint64_t launches = packing_launches(f->dev, label);
            const bool conv = plan->problem.op == &rs_op_conv2d;
            const rs_conv v = conv ? rs_conv_of(&plan->problem) : (rs_conv){0};
            const uint64_t grids = conv ? rs_conv_grids(&v, (rs_pass)pass) : 1;
            if (plan->packed_bytes ? launches < times || launches > times * grids : launches > 0)
                fail_msg("%s: packed in %llu launches, expected %llu times", label,
                         (unsigned long long)launches,
                         (unsigned long long)(plan->packed_bytes ? times : 0));
        }
}

/* A step packs what it needs once; evaluation once until parameters change. */
static void nothing_is_packed_twice(void **state)
{
    rs_graph *g = network(0.0f, false);
    rs_weights w;
    (void)state;
    kit_weights(g, 8, &w);
    for (int training = 0; training < 2; training++) {
        net_fixture f;
        net_fixture_open(&f, rs_test_device(), g, &w, training ? &sgd : NULL, FULL,
                         training ? RS_MODE_TRAIN : RS_MODE_EVAL);
        if (rs_profile_begin(f.dev) == RESCL_OK) {
            rs_profile_reset(f.dev);
            for (uint64_t step = 1; step <= 3; step++)
                if (training)
                    net_train_step(&f, pixels, labels, 0.01, 0.0, step);
                else
                    net_forward_loss(&f, pixels, labels, step);
            expect_packing(&f, training ? 3 : 1);
            rs_profile_end(f.dev);
        }
        net_fixture_close(&f);
    }
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* The search for NaN runs forward again without being fed: a step must leave its batch alone, also
 * where the input is the largest tensor and its place tempting. */
static void a_step_leaves_its_batch_alone(void **state)
{
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    rs_weights w;
    (void)state;
    x = kit_conv(g, "c1", x, 2, 3, 2);
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        x = kit_relu(g, name, x);
    }
    kit_finish(g, x, CLASSES);
    kit_weights(g, 8, &w);
    for (int i = 0; i < 2; i++) {
        net_fixture f;
        size_t n;
        float *after;
        int32_t target[FULL * RS_TARGET_WORDS], want[FULL * RS_TARGET_WORDS];
        net_fixture_open(&f, rs_test_device(), g, &w, i ? &sgd : NULL, FULL,
                         i ? RS_MODE_TRAIN : RS_MODE_EVAL);
        net_forward_loss(&f, pixels, labels, 1);
        if (i)
            assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
        after = net_read(&f, rs_net_input(f.net), &n);
        assert_memory_equal(after, pixels, n * sizeof *after);
        assert_ok(rs_read(f.dev, rs_net_labels(f.net).buf, 0, target, sizeof target));
        rs_targets_pack(labels, NULL, FULL, want);
        assert_memory_equal(target, want, sizeof want);
        free(after);
        net_fixture_close(&f);
    }
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void training_uses_batch_statistics(void **state)
{
    rs_graph *g = network(0.0f, false);
    net_fixture f;
    rs_weights w, moved;
    (void)state;
    kit_weights(g, 6, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    const double before = net_forward_loss(&f, pixels, labels, 1);
    kit_weights(g, 6, &moved);
    for (size_t i = 0; i < moved.count; i++)
        for (size_t k = 0; k < moved.elems[i] && !g->param[i].trainable; k++)
            moved.data[i][k] += 3.0f;
    assert_ok(rs_store_upload(f.store, &moved));
    assert_true(net_forward_loss(&f, pixels, labels, 1) == before);
    net_fixture_close(&f);

    net_fixture_open(&f, rs_test_device(), g, &w, NULL, FULL, RS_MODE_EVAL);
    const double eval = net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_store_upload(f.store, &moved));
    assert_true(net_forward_loss(&f, pixels, labels, 1) != eval);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_weights_fini(&moved);
    rs_graph_destroy(g);
}

/* ---- the same again ---------------------------------------------------------------------- */

static void numbers_depend_on_seed_and_step_only(void **state)
{
    rs_graph *g = network(0.5f, false);
    net_fixture f;
    rs_weights w, again;
    outcome o;
    (void)state;
    kit_weights(g, 3, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    o = run_step(&f, g, f.net);
    const double other = net_forward_loss(&f, pixels, labels, 2);
    assert_true(net_forward_loss(&f, pixels, labels, 1) == o.loss);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    net_grads(&f, g, &again);
    assert_same_grads(g, &o.grad, &again);
    assert_true(other != o.loss); /* another mask */
    net_fixture_close(&f);
    rs_weights_fini(&o.grad);
    rs_weights_fini(&again);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void allocates_and_builds_nothing_after_the_first_step(void **state)
{
    rs_graph *g = network(0.5f, false);
    net_fixture f;
    rs_weights w;
    rescl_device_stats first, last;
    (void)state;
    kit_weights(g, 3, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    net_train_step(&f, pixels, labels, 0.01, 0.0, 1);
    assert_ok(rs_finish(f.dev));
    rescl_device_get_stats(f.dev, &first);
    for (uint64_t step = 2; step < 5; step++)
        net_train_step(&f, pixels, labels, 0.01, 0.0, step);
    assert_ok(rs_finish(f.dev));
    rescl_device_get_stats(f.dev, &last);
    assert_true(last.launches > first.launches);
    assert_int_equal(last.allocations, first.allocations);
    assert_int_equal(last.builds, first.builds);
    assert_int_equal(last.bytes, first.bytes);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* What does not lead to the loss takes no part in its gradient. */
static void ignores_dead_ends(void **state)
{
    rs_graph *g = network(0.0f, false), *with = network(0.0f, true);
    rs_weights w, wide, grad;
    outcome o;
    net_fixture f;
    (void)state;
    kit_weights(g, 2, &w);
    kit_weights(with, 2, &wide);
    assert_int_equal(wide.count, w.count + 1);
    o = run_alone(g, &w, FULL);
    net_fixture_open(&f, rs_test_device(), with, &wide, &sgd, FULL, RS_MODE_TRAIN);
    assert_true(net_forward_loss(&f, pixels, labels, 1) == o.loss);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    net_grads(&f, with, &grad);
    assert_same_grads(g, &o.grad, &grad);
    for (size_t k = 0; k < grad.elems[w.count]; k++)
        assert_true(grad.data[w.count][k] == 0.0f);
    net_fixture_close(&f);
    rs_weights_fini(&o.grad);
    rs_weights_fini(&grad);
    rs_weights_fini(&w);
    rs_weights_fini(&wide);
    rs_graph_destroy(with);
    rs_graph_destroy(g);
}

/* ---- frozen layers ------------------------------------------------------------------------ */

/* Freezes the layers that are named, and lets all other ones train. */
static void freeze(rs_graph *g, const char *const *names, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < g->nnodes; i++) {
        bool frozen = false;
        for (size_t k = 0; k < count; k++)
            frozen = frozen || strcmp(g->node[i].name, names[k]) == 0;
        found += frozen;
        rs_graph_set_trained(g, i, !frozen, !frozen);
    }
    assert_int_equal(found, count);
}

static const rs_stage *stage_of(const rs_net *n, const char *name)
{
    for (size_t i = 0; i < n->graph->nnodes; i++)
        if (strcmp(n->stage[i].node->name, name) == 0)
            return &n->stage[i];
    fail_msg("there is no layer %s", name);
    return NULL;
}

static void assert_passes(const rs_net *n, const char *name, bool params, bool data)
{
    const rs_stage *s = stage_of(n, name);
    if (s->has[RS_BWD_PARAMS] != params || s->has[RS_BWD_DATA] != data)
        fail_msg("%s has backward passes %d (parameters) and %d (data), expected %d and %d", name,
                 s->has[RS_BWD_PARAMS], s->has[RS_BWD_DATA], params, data);
}

static void frozen_layers_cost_no_backward(void **state)
{
    static const char *const below[] = {"c1", "b1", "c2", "b2"}, *const between[] = {"c4", "b4"};
    rs_graph *g = network(0.0f, false);
    net_fixture f;
    rs_weights w;
    (void)state;
    kit_weights(g, 2, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    const size_t all = rs_net_live_bytes(f.net);
    assert_passes(f.net, "c1", true, false);
    net_fixture_close(&f);

    freeze(g, below, RS_COUNT(below));
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    for (size_t i = 0; i < RS_COUNT(below); i++)
        assert_passes(f.net, below[i], false, false);
    assert_passes(f.net, "c3", true, false);
    assert_passes(f.net, "b3", true, true);
    assert_true(rs_net_live_bytes(f.net) < all);
    for (size_t i = 0; i < g->nparams; i++) {
        const bool frozen = g->param[i].node <= 5;
        assert_true(g->param[i].trainable == (!frozen && !strstr(g->param[i].name, "running")));
        assert_true((f.store->diff[i].buf != NULL) == g->param[i].trainable);
    }
    net_fixture_close(&f);

    freeze(g, between, RS_COUNT(between));
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    assert_passes(f.net, "c4", false, true);
    assert_passes(f.net, "b4", false, true);
    assert_passes(f.net, "c1", true, false);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* Frozen tensors keep their bits while the others move. */
static void frozen_layers_stay_as_they_are(void **state)
{
    static const char *const names[] = {"b1", "c2", "b3", "b4"};
    rs_graph *g = network(0.0f, false);
    net_fixture f;
    rs_weights w, after;
    (void)state;
    kit_weights(g, 2, &w);
    freeze(g, names, RS_COUNT(names));
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    for (uint64_t step = 1; step <= 3; step++)
        net_train_step(&f, pixels, labels, 0.1, 0.0, step);
    assert_ok(rs_weights_create(g, &after));
    assert_ok(rs_store_download(f.store, &after));
    for (size_t i = 0; i < w.count; i++) {
        const char *layer = g->node[g->param[i].node].name;
        bool frozen = false;
        for (size_t k = 0; k < RS_COUNT(names); k++)
            frozen = frozen || strcmp(layer, names[k]) == 0;
        const bool same = memcmp(w.data[i], after.data[i], w.elems[i] * sizeof(float)) == 0;
        if (same != frozen)
            fail_msg("%s %s", g->param[i].name,
                     same ? "was not trained" : "was frozen and changed");
    }
    rs_weights_fini(&w);
    rs_weights_fini(&after);
    net_fixture_close(&f);
    rs_graph_destroy(g);
}

/* The loss at `w` moved by `far` along `grad`. */
static double loss_along(net_fixture *f, const rs_graph *g, const rs_weights *w,
                         const rs_weights *grad, double far)
{
    rs_weights moved;
    assert_ok(rs_weights_create(g, &moved));
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < w->elems[i]; k++)
            moved.data[i][k] = (float)((double)w->data[i][k] + far * (double)grad->data[i][k]);
    assert_ok(rs_store_upload(f->store, &moved));
    rs_weights_fini(&moved);
    return net_forward_loss(f, pixels, labels, 1);
}

/* Through frozen normalisations, whose gamma and beta train or not: the slope of the loss along
 * the gradient is the gradient's square. */
static void gradients_pass_through_frozen_layers(void **state)
{
    (void)state;
    for (int params = 0; params < 2; params++) {
        rs_graph *g = network(0.0f, false);
        net_fixture f;
        rs_weights w, grad;
        double square = 0.0;
        for (size_t i = 0; i < g->nnodes; i++)
            if (g->node[i].name[0] == 'b')
                rs_graph_set_trained(g, i, params, false);
        kit_weights(g, 2, &w);
        net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
        net_forward_loss(&f, pixels, labels, 1);
        assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
        net_grads(&f, g, &grad);
        for (size_t i = 0; i < grad.count; i++)
            for (size_t k = 0; k < grad.elems[i]; k++)
                square += (double)grad.data[i][k] * (double)grad.data[i][k];
        assert_true(square > 0.0);
        const double far = 1e-3;
        const double slope =
            (loss_along(&f, g, &w, &grad, far) - loss_along(&f, g, &w, &grad, -far)) / (2 * far);
        if (!(fabs(slope - square) <= 0.01 * square))
            fail_msg("the loss changes by %g along the gradient, whose square is %g", slope,
                     square);
        rs_weights_fini(&w);
        rs_weights_fini(&grad);
        net_fixture_close(&f);
        rs_graph_destroy(g);
    }
}

/* ---- the step ---------------------------------------------------------------------------- */

/* Powers of two change no digit of a gradient. */
static void gradients_scale_with_the_step(void **state)
{
    rs_graph *g = network(0.3f, false);
    const rs_step step = {.seed = 1, .step = 1, .scale = 1024.0, .share = 0.25};
    net_fixture f;
    rs_weights w, plain, scaled;
    (void)state;
    kit_weights(g, 2, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    net_grads(&f, g, &plain);
    net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &step, NULL));
    net_grads(&f, g, &scaled);
    for (size_t i = 0; i < w.count; i++)
        for (size_t k = 0; k < w.elems[i]; k++)
            plain.data[i][k] *= 256.0f;
    assert_same_grads(g, &scaled, &plain);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_weights_fini(&plain);
    rs_weights_fini(&scaled);
    rs_graph_destroy(g);
}

/* ---- planning ---------------------------------------------------------------------------- */

static void refuses_what_cannot_be_planned(void **state)
{
    rs_value x;
    rs_graph *g = network(0.0f, false), *open;
    rs_store *s = NULL;
    rs_net *n = NULL;
    (void)state;
    assert_ok(rs_store_create(rs_test_device(), g, &sgd, &s));
    assert_fails(rs_net_plan(s, g, 0, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &n), RESCL_ERR_ARG,
                 "batch size 0");
    open = kit_graph(4, 4, 2, &x);
    kit_relu(open, "r", x);
    assert_fails(rs_net_plan(s, open, 1, RS_MODE_EVAL, RESCL_PRECISION_FP32, &n), RESCL_ERR_ARG,
                 "no output");
    assert_null(n);
    rs_graph_destroy(open);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

static void reports_memory_that_does_not_suffice(void **state)
{
    rs_graph *g = network(0.0f, false);
    rs_store *s = NULL;
    rs_net *n = NULL;
    (void)state;
    assert_ok(rs_store_create(rs_test_device(), g, &sgd, &s));
    assert_int_not_equal(rs_net_plan(s, g, SIZE_MAX / 4, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &n),
                         RESCL_OK);
    assert_null(n);
    rs_store_destroy(s);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_share_a_workspace),
        cmocka_unit_test(evaluation_follows_the_weights),
        cmocka_unit_test(an_unfinished_forward_packs_nothing),
        cmocka_unit_test(evaluations_share_a_workspace),
        cmocka_unit_test(nothing_is_packed_twice),
        cmocka_unit_test(a_step_leaves_its_batch_alone),
        cmocka_unit_test(training_uses_batch_statistics),
        cmocka_unit_test(numbers_depend_on_seed_and_step_only),
        cmocka_unit_test(allocates_and_builds_nothing_after_the_first_step),
        cmocka_unit_test(ignores_dead_ends),
        cmocka_unit_test(frozen_layers_cost_no_backward),
        cmocka_unit_test(frozen_layers_stay_as_they_are),
        cmocka_unit_test(gradients_pass_through_frozen_layers),
        cmocka_unit_test(gradients_scale_with_the_step),
        cmocka_unit_test(refuses_what_cannot_be_planned),
        cmocka_unit_test(reports_memory_that_does_not_suffice),
    };
    return cmocka_run_group_tests(tests, make_batch, free_batch);
}
