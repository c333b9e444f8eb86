/* Merging relu and add into batch normalisation: what is merged, and that it changes no number. */
#include "attr.h"
#include "graph.h"
#include "graph_kit.h"
#include "net_fixture.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rs_node *named(const rs_graph *g, const char *name)
{
    for (size_t i = 0; i < g->nnodes; i++)
        if (strcmp(g->node[i].name, name) == 0)
            return &g->node[i];
    return NULL;
}

/* The normalisation `name` of the fused graph. */
static void assert_merged(const rs_graph *g, const char *name, bool residual, bool relu)
{
    const rs_node *n = named(g, name);
    assert_non_null(n);
    assert_int_equal(n->nsrc, residual ? 2 : 1);
    assert_int_equal(((const rs_batchnorm_attr *)n->attr)->relu, relu);
}

/* A residual block with a projection, then one without. `walls` keeps all layers apart. */
static rs_graph *blocks(bool walls)
{
    rs_value x, y, z;
    rs_graph *g = kit_graph(8, 8, 3, &x);
#define WALL(v, name) (walls ? kit_wall(g, name, v) : (v))
    x = WALL(kit_conv(g, "stem", x, 8, 3, 1), "v1");
    x = WALL(kit_bn(g, "stem_bn", x), "w0");
    x = kit_relu(g, "stem_relu", x);

    y = WALL(kit_conv(g, "a1", x, 8, 3, 2), "v2");
    y = WALL(kit_bn(g, "a1_bn", y), "w1");
    y = kit_relu(g, "a1_relu", y);
    y = WALL(kit_conv(g, "a2", y, 16, 3, 1), "v3");
    y = WALL(kit_bn(g, "a2_bn", y), "w2");
    z = WALL(kit_conv(g, "a0", x, 16, 1, 2), "v4");
    z = WALL(kit_bn(g, "a0_bn", z), "w3");
    x = WALL(kit_add(g, "a_add", y, z), "w4");
    x = kit_relu(g, "a_relu", x);

    y = WALL(kit_conv(g, "b1", x, 16, 3, 1), "v5");
    y = WALL(kit_bn(g, "b1_bn", y), "w5");
    y = kit_relu(g, "b1_relu", y);
    y = WALL(kit_conv(g, "b2", y, 16, 3, 1), "v6");
    y = WALL(kit_bn(g, "b2_bn", y), "w6");
    x = WALL(kit_add(g, "b_add", y, x), "w7");
    x = kit_relu(g, "b_relu", x);
#undef WALL
    kit_finish(g, x, 5);
    return g;
}

static void merges_what_only_the_next_layer_reads(void **state)
{
    rs_graph *g = blocks(false), *f = NULL;
    (void)state;
    assert_ok(rs_graph_fuse(g, false, &f));
    assert_merged(f, "stem_bn", false, true);
    assert_merged(f, "a1_bn", false, true);
    assert_merged(f, "a2_bn", false, false); /* the later of the two takes the add */
    assert_merged(f, "a0_bn", true, true);
    assert_merged(f, "b1_bn", false, true);
    assert_merged(f, "b2_bn", true, true);
    assert_int_equal(f->nnodes, g->nnodes - 5 - 2);
    for (size_t i = 0; i < f->nnodes; i++)
        assert_true(f->node[i].op != &rs_op_relu && f->node[i].op != &rs_op_add);

    assert_int_equal(f->nparams, g->nparams);
    for (size_t i = 0; i < g->nparams; i++) {
        assert_string_equal(f->param[i].name, g->param[i].name);
        assert_true(rs_shape_equal(&f->param[i].spec.shape, &g->param[i].spec.shape));
        assert_int_equal(f->param[i].scheme, g->param[i].scheme);
    }
    rs_graph_destroy(f);
    rs_graph_destroy(g);
}

static void keeps_what_others_read(void **state)
{
    rs_value x, y, z;
    rs_graph *g = kit_graph(4, 4, 2, &x), *f = NULL;
    (void)state;
    y = kit_bn(g, "read_twice", x);
    x = kit_relu(g, "r1", y);
    x = kit_add(g, "s1", x, y);
    y = kit_bn(g, "with_itself", x);
    x = kit_add(g, "s2", y, y);
    y = kit_bn(g, "sum_read_twice", x);
    z = kit_add(g, "s3", y, x);
    y = kit_relu(g, "r3", z);
    x = kit_add(g, "s4", y, z);
    y = kit_bn(g, "two_relus", x);
    y = kit_relu(g, "r4", y);
    x = kit_relu(g, "r5", y);
    y = kit_bn(g, "relu_reads_last", x);
    z = kit_wall(g, "w", y);
    x = kit_relu(g, "r6", y);
    x = kit_add(g, "s6", z, x);
    kit_finish(g, x, 3);
    assert_ok(rs_graph_fuse(g, false, &f));
    assert_merged(f, "read_twice", false, false);
    assert_merged(f, "with_itself", false, false);
    assert_merged(f, "sum_read_twice", true, false); /* the add, but not the relu after it */
    assert_merged(f, "two_relus", false, true);
    assert_merged(f, "relu_reads_last", false, false);
    assert_non_null(named(f, "r1"));
    assert_non_null(named(f, "s2"));
    assert_non_null(named(f, "r3"));
    assert_null(named(f, "r4"));
    assert_non_null(named(f, "r5"));
    rs_graph_destroy(f);
    rs_graph_destroy(g);
}

/* A normalisation at the end of the network: its output is the logits, which are to be read. */
static void keeps_the_output(void **state)
{
    rs_value x;
    rs_graph *g = kit_graph(1, 1, 4, &x), *f = NULL;
    const rs_dense_attr dense = {.units = 3};
    (void)state;
    assert_ok(rs_graph_add(g, "fc", &rs_op_dense, &dense, sizeof dense, RS_SCHEME_GLOROT_UNIFORM,
                           &x, 1, &x));
    x = kit_bn(g, "bn", x);
    assert_ok(rs_graph_finish(g, x, &(rs_loss){.label_smoothing = 0.1f}));
    assert_ok(rs_graph_fuse(g, false, &f));
    assert_int_equal(f->nnodes, 3);
    assert_int_equal(f->node[1].dst, f->output);
    assert_true(((const rs_softmax_xent_attr *)f->node[2].attr)->label_smoothing == 0.1f);
    rs_graph_destroy(f);
    rs_graph_destroy(g);
}

static void changes_no_number(void **state)
{
    enum { BATCH = 3, CLASSES = 5 };
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd};
    rs_graph *g[2] = {blocks(false), blocks(true)}, *fused = NULL;
    float *pixels = kit_pixels((size_t)BATCH * 8 * 8 * 3, 5);
    int32_t *labels = kit_labels(BATCH, CLASSES, 5);
    rs_weights w, grad[2], stat[2];
    double loss[2];
    (void)state;

    assert_ok(rs_graph_fuse(g[1], false, &fused));
    assert_int_equal(fused->nnodes, g[1]->nnodes); /* the walls do hold */
    rs_graph_destroy(fused);
    kit_weights(g[0], 11, &w);
    for (int i = 0; i < 2; i++) {
        net_fixture f;
        assert_int_equal(g[i]->nparams, w.count);
        net_fixture_open(&f, rs_test_device(), g[i], &w, &sgd, BATCH, RS_MODE_TRAIN);
        loss[i] = net_forward_loss(&f, pixels, labels, 1);
        assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
        net_grads(&f, g[i], &grad[i]);
        assert_ok(rs_weights_create(g[i], &stat[i]));
        assert_ok(rs_store_download(f.store, &stat[i]));
        net_fixture_close(&f);
    }
    assert_true(fabs(loss[0] - loss[1]) <= 1e-6 * loss[1]);
    for (size_t i = 0; i < w.count; i++) {
        const rs_weights *a = g[0]->param[i].trainable ? &grad[0] : &stat[0];
        const rs_weights *b = g[0]->param[i].trainable ? &grad[1] : &stat[1];
        const double d = net_distance(a->data[i], b->data[i], w.elems[i]);
        if (!(d <= 5e-6)) /* sums of another order */
            fail_msg("%s differs by %.1e", g[0]->param[i].name, d);
    }
    for (int i = 0; i < 2; i++) {
        rs_weights_fini(&grad[i]);
        rs_weights_fini(&stat[i]);
        rs_graph_destroy(g[i]);
    }
    rs_weights_fini(&w);
    free(pixels);
    free(labels);
}

/* For inference every normalisation goes into the convolution before it. */
static void folds_for_inference(void **state)
{
    rs_graph *g = blocks(false), *f = NULL;
    const rs_conv2d_attr *attr;
    (void)state;
    assert_ok(rs_graph_fuse(g, true, &f));
    for (size_t i = 0; i < f->nnodes; i++)
        assert_true(f->node[i].op != &rs_op_batchnorm);
    attr = named(f, "b2")->attr;
    assert_true(attr->relu && attr->bias);
    assert_int_equal(named(f, "b2")->nsrc, 2);
    assert_int_equal(named(f, "b2")->param[1], -1);
    assert_int_equal(named(f, "b2")->fold[3], rs_graph_find_param(g, "b2_bn.running_var"));
    attr = named(f, "a2")->attr;
    assert_false(attr->relu); /* the later branch takes the add and what follows */
    assert_int_equal(named(f, "a2")->nsrc, 1);
    assert_int_equal(f->nparams, g->nparams);
    rs_graph_destroy(f);

    rs_graph_destroy(g);
}

static void folding_keeps_the_logits(void **state)
{
    enum { BATCH = 3, CLASSES = 5 };
    rs_graph *g[2] = {blocks(false), blocks(true)};
    float *pixels = kit_pixels((size_t)BATCH * 8 * 8 * 3, 5), *logits[2];
    int32_t *labels = kit_labels(BATCH, CLASSES, 5);
    size_t count = 0;
    rs_weights w;
    (void)state;
    kit_weights(g[0], 11, &w);
    for (int i = 0; i < 2; i++) {
        net_fixture f;
        net_fixture_open(&f, rs_test_device(), g[i], &w, NULL, BATCH, RS_MODE_EVAL);
        net_forward_loss(&f, pixels, labels, 1);
        free(net_read(&f, rs_net_logits(f.net), &count));
        /* Twice: the second forward takes the folded parameters as they lie. */
        net_forward_loss(&f, pixels, labels, 2);
        logits[i] = net_read(&f, rs_net_logits(f.net), &count);
        net_fixture_close(&f);
    }
    assert_true(net_distance(logits[0], logits[1], count) <= 2e-6);
    free(logits[0]);
    free(logits[1]);
    rs_weights_fini(&w);
    rs_graph_destroy(g[0]);
    rs_graph_destroy(g[1]);
    free(pixels);
    free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_what_only_the_next_layer_reads),
        cmocka_unit_test(keeps_what_others_read),
        cmocka_unit_test(keeps_the_output),
        cmocka_unit_test(changes_no_number),
        cmocka_unit_test(folds_for_inference),
        cmocka_unit_test(folding_keeps_the_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
