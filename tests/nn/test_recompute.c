/* Nets that compute activations again in backward: the bits of nets that keep them, in less memory.
 *
 *   test_recompute        by the kernels for CPUs
 *   test_recompute gpu    by those for GPUs, which PoCL compiles for long */
#include "attr.h"
#include "error.h"
#include "graph_kit.h"
#include "lossscale.h"
#include "net_fixture.h"
#include "net_internal.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDGE = 12, CLASSES = 5, BATCH = 4, BLOCKS = 4, STEPS = 3 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

static rs_value layer(rs_graph *g, const char *name, const rs_op *op, const void *attr,
                      size_t bytes, rs_value x)
{
    rs_value dst = -1;
    assert_ok(rs_graph_add(g, name, op, attr, bytes, RS_SCHEME_GLOROT_UNIFORM, &x, 1, &dst));
    return dst;
}

static rs_value unit(rs_graph *g, size_t block, int i, rs_value x, size_t stride)
{
    char conv[16], bn[16];
    snprintf(conv, sizeof conv, "c%zu_%d", block, i);
    snprintf(bn, sizeof bn, "b%zu_%d", block, i);
    return kit_bn(g, bn, kit_conv(g, conv, x, 8, 3, stride));
}

/* A stem with a pool, and residual blocks, the second of which has a dropout within and the third a
 * projection. */
static rs_graph *network(void)
{
    const rs_pool_attr pool = {.kernel_h = 3,
                               .kernel_w = 3,
                               .stride_h = 1,
                               .stride_w = 1,
                               .pad_top = 1,
                               .pad_bottom = 1,
                               .pad_left = 1,
                               .pad_right = 1};
    const rs_dropout_attr drop = {.rate = 0.25f, .stream = 1};
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    char name[16];
    x = kit_relu(g, "r", kit_bn(g, "b", kit_conv(g, "c", x, 8, 3, 1)));
    x = layer(g, "pool", &rs_op_maxpool, &pool, sizeof pool, x);
    for (size_t k = 0; k < BLOCKS; k++) {
        const size_t stride = k == 2 ? 2 : 1;
        g->part = (int)k + 1;
        snprintf(name, sizeof name, "r%zu_1", k);
        rs_value y = kit_relu(g, name, unit(g, k, 1, x, stride));
        if (k == 1)
            y = layer(g, "drop", &rs_op_dropout, &drop, sizeof drop, y);
        y = unit(g, k, 2, y, 1);
        if (k == 2)
            x = unit(g, k, 0, x, stride);
        snprintf(name, sizeof name, "add%zu", k);
        x = kit_add(g, name, y, x);
        snprintf(name, sizeof name, "r%zu_2", k);
        x = kit_relu(g, name, x);
    }
    kit_finish(g, x, CLASSES);
    return g;
}

/* What a few steps leave. */
typedef struct outcome {
    float losses[STEPS][BATCH];
    rs_weights w;       /* parameters and running statistics */
    size_t bytes, peak; /* of activations, as planned; of all that the device gave */
} outcome;

/* On a device of its own, as one of a class. */
static void train(const char *class, const rs_graph *g, rescl_precision precision, bool recompute,
                  outcome *out)
{
    rescl_runtime *runtime = NULL;
    float *pixels = kit_pixels((size_t)BATCH * EDGE * EDGE * 3, 4);
    int32_t *labels = kit_labels(BATCH, CLASSES, 4);
    const rs_rates rates = rs_rates_uniform(0.05, 0.001);
    net_fixture f = {0};
    rescl_device_stats stats;
    rs_weights w;

    setenv("RESCL_DEVICE_CLASS", class, 1);
    assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &f.dev));
    unsetenv("RESCL_DEVICE_CLASS");
    kit_weights(g, 2, &w);
    assert_ok(rs_store_create(f.dev, g, &sgd, &f.store));
    assert_ok(rs_store_upload(f.store, &w));
    rs_store_set_recompute(f.store, recompute);
    assert_ok(rs_net_plan(f.store, g, BATCH, RS_MODE_TRAIN, precision, &f.net));
    assert_ok(rs_workspace_create(f.dev, &f.net, 1, &f.workspace));
    out->bytes = rs_net_bytes(f.net);
    for (uint64_t step = 0; step < STEPS; step++) {
        size_t n;
        (void)net_forward_loss(&f, pixels, labels, step);
        float *losses = net_read(&f, rs_net_losses(f.net), &n);
        assert_int_equal(n, BATCH);
        memcpy(out->losses[step], losses, sizeof out->losses[step]);
        free(losses);
        assert_ok(rs_net_backward(f.net, &RS_STEP(1, step), NULL));
        assert_ok(rs_store_update(f.store, &rates, step + 1));
    }
    assert_ok(rs_weights_create(g, &out->w));
    assert_ok(rs_store_download(f.store, &out->w));
    rescl_device_get_stats(f.dev, &stats);
    out->peak = (size_t)stats.peak_bytes;
    rs_weights_fini(&w);
    rescl_device *dev = f.dev;
    net_fixture_close(&f);
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
    free(pixels);
    free(labels);
}

static void check_same(const rs_graph *g, const outcome *a, const outcome *b)
{
    assert_memory_equal(a->losses, b->losses, sizeof a->losses);
    for (size_t i = 0; i < a->w.count; i++)
        if (memcmp(a->w.data[i], b->w.data[i], a->w.elems[i] * sizeof(float)) != 0)
            fail_msg("%s differs", g->param[i].name);
}

/* Frozen: all but the head, whose normalisations go by the batch still. */
static void check(const char *class, rescl_precision precision, bool frozen)
{
    rs_graph *g = network();
    outcome kept, again;
    for (size_t i = 0; i < g->nnodes && frozen; i++)
        if (g->node[i].part < BLOCKS - 1)
            rs_graph_set_trained(g, i, false, true);
    train(class, g, precision, false, &kept);
    train(class, g, precision, true, &again);
    print_message("precision %d%s: %zu bytes, computing again %zu\n", (int)precision,
                  frozen ? ", frozen" : "", kept.bytes, again.bytes);
    check_same(g, &kept, &again);
    assert_true(kept.losses[0][0] != kept.losses[STEPS - 1][0]);
    assert_true(frozen ? again.bytes <= kept.bytes : again.bytes < 7 * kept.bytes / 10);
    assert_in_range(kept.peak - again.peak, 9 * (kept.bytes - again.bytes) / 10,
                    11 * (kept.bytes - again.bytes) / 10 + 4096);
    rs_weights_fini(&kept.w);
    rs_weights_fini(&again.w);
    rs_graph_destroy(g);
}

static void same_bits_in_less_memory(void **state)
{
    (void)state;
    check("cpu", RESCL_PRECISION_FP32, false);
    check("cpu", RESCL_PRECISION_FP32, true);
    check("cpu", RESCL_PRECISION_BF16, false);
    check("cpu", RESCL_PRECISION_FP16, false);
}

/* There convolutions leave moments and sums for normalisations, also of another segment. */
static void same_bits_by_kernels_for_gpus(void **state)
{
    (void)state;
    setenv("RESCL_MAX_GROUP", "16", 0);
    check("gpu", RESCL_PRECISION_FP32, false);
}

/* Nodes whose value backward finds are not run again, and nothing of the last segment is. */
static void runs_again_what_is_lost(void **state)
{
    rs_graph *g = network();
    rs_net *n = NULL;
    size_t again = 0;
    (void)state;

    assert_ok(rs_net_outline(rs_test_device(), g, BATCH, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &n));
    assert_ok(rs_net_recompute(n));
    assert_ok(rs_net_lay_out(n));
    for (size_t i = 0; i < n->graph->nnodes; i++) {
        const rs_stage *s = &n->stage[i];
        const rs_block *b = &n->block[n->value_block[s->node->dst]];
        assert_int_equal(b->again, s->again_before >= 0);
        assert_true(s->again_before < 0 || s->again_before >= (int)i);
        again += b->again;
    }
    assert_in_range(again, BLOCKS, n->graph->nnodes - 4);
    assert_int_equal(n->stage[n->graph->nnodes - 1].again_before, -1);
    rs_net_destroy(n);
    rs_graph_destroy(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_in_less_memory),
        cmocka_unit_test(runs_again_what_is_lost),
    };
    const struct CMUnitTest gpu[] = {cmocka_unit_test(same_bits_by_kernels_for_gpus)};
    if (argc > 1 && strcmp(argv[1], "gpu") == 0)
        return cmocka_run_group_tests(gpu, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
