/* What nets whose values are stored in 16 bits compute, beside fp32. */
#include "error.h"
#include "graph_kit.h"
#include "lossscale.h"
#include "net_fixture.h"
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EDGE = 8, CLASSES = 5, BATCH = 4 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

static rs_graph *network(void)
{
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    kit_finish(g, kit_shortcut(g, x), CLASSES);
    return g;
}

static void open_net(net_fixture *f, const rs_graph *g, const rs_weights *w, rs_mode mode,
                     rescl_precision precision)
{
    *f = (net_fixture){.dev = rs_test_device()};
    assert_ok(rs_store_create(f->dev, g, &sgd, &f->store));
    assert_ok(rs_store_upload(f->store, w));
    assert_ok(rs_net_plan(f->store, g, BATCH, mode, precision, &f->net));
    assert_ok(rs_workspace_create(f->dev, &f->net, 1, &f->workspace));
}

/* Loss and gradients of a step; returns how far the gradients are from `want`. */
static double step(const rs_graph *g, const rs_weights *w, rescl_precision precision, double scale,
                   const rs_weights *want, rs_weights *grads, double *loss)
{
    float *pixels = kit_pixels((size_t)BATCH * EDGE * EDGE * 3, 4);
    int32_t *labels = kit_labels(BATCH, CLASSES, 4);
    net_fixture f;
    double gap = 0.0;

    open_net(&f, g, w, RS_MODE_TRAIN, precision);
    *loss = net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &(rs_step){1, 1, scale, 1.0}, NULL));
    if (scale > 1.0) {
        rs_loss_scale s = {.scale = scale};
        bool good = false;
        assert_ok(rs_store_prepare_unscale(f.store));
        assert_ok(rs_store_unscale(f.store, scale));
        assert_ok(rs_store_judge(f.store, &s, &good));
        assert_true(good);
    }
    net_grads(&f, g, grads);
    for (size_t i = 0; want && i < want->count; i++)
        if (g->param[i].trainable)
            gap = fmax(gap, net_distance(grads->data[i], want->data[i], want->elems[i]));
    net_fixture_close(&f);
    free(pixels);
    free(labels);
    return gap;
}

static void gradients_are_close_to_fp32(void **state)
{
    rs_graph *g = network();
    rs_weights w, want, got;
    double loss[3];
    (void)state;

    kit_weights(g, 2, &w);
    (void)step(g, &w, RESCL_PRECISION_FP32, 1.0, NULL, &want, &loss[0]);
    const double bf16 = step(g, &w, RESCL_PRECISION_BF16, 1.0, &want, &got, &loss[1]);
    rs_weights_fini(&got);
    const double fp16 = step(g, &w, RESCL_PRECISION_FP16, 1024.0, &want, &got, &loss[2]);
    rs_weights_fini(&got);
    assert_true(fabs(loss[1] - loss[0]) < 0.02 * loss[0] && loss[1] != loss[0]);
    assert_true(fabs(loss[2] - loss[0]) < 0.003 * loss[0] && loss[2] != loss[0]);
    print_message("gradients in bf16 are %.3f from fp32's, in fp16 %.4f\n", bf16, fp16);
    assert_true(bf16 > 0.0 && bf16 < 0.2); /* engines round weights too */
    assert_true(fp16 > 0.0 && fp16 < 0.02);
    rs_weights_fini(&w);
    rs_weights_fini(&want);
    rs_graph_destroy(g);
}

static size_t bytes_of(const rs_graph *g, const rs_weights *w, rs_mode mode, rescl_precision p)
{
    net_fixture f;
    open_net(&f, g, w, mode, p);
    const size_t bytes = rs_net_live_bytes(f.net);
    net_fixture_close(&f);
    return bytes;
}

static void halves_memory(void **state)
{
    rs_graph *g = network();
    rs_weights w;
    (void)state;

    kit_weights(g, 2, &w);
    for (int mode = 0; mode < 2; mode++) {
        const size_t wide = bytes_of(g, &w, (rs_mode)mode, RESCL_PRECISION_FP32);
        const size_t narrow = bytes_of(g, &w, (rs_mode)mode, RESCL_PRECISION_BF16);
        assert_true((double)narrow < 0.75 * (double)wide);
    }
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void fingerprints_know_types(void **state)
{
    static const rescl_precision all[] = {RESCL_PRECISION_FP32, RESCL_PRECISION_BF16,
                                          RESCL_PRECISION_FP16};
    rs_graph *g = network();
    char text[RS_COUNT(all)][33] = {{0}};
    (void)state;

    for (size_t i = 0; i < RS_COUNT(all); i++) {
        rs_net *n = NULL;
        assert_ok(rs_net_outline(rs_test_device(), g, BATCH, RS_MODE_TRAIN, all[i], &n));
        assert_false(rs_net_uses_tf32(n));
        assert_ok(rs_net_fingerprint(n, text[i]));
        rs_net_destroy(n);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(text[i], text[k]);
    }
    rs_graph_destroy(g);
}

static rescl_status look(const rs_node *node, const rs_shape *shape, const float *data, void *user)
{
    double *largest = user;
    (void)node;
    for (size_t i = 0; i < rs_shape_count(shape); i++)
        *largest = fmax(*largest, fabs((double)data[i]));
    return RESCL_OK;
}

/* Visiting, reading and the search for NaN see numbers, not halves of them. */
static void hosts_read_numbers(void **state)
{
    rs_graph *g = network();
    float *pixels = kit_pixels((size_t)BATCH * EDGE * EDGE * 3, 4);
    int32_t *labels = kit_labels(BATCH, CLASSES, 4);
    const char *layer = NULL;
    double largest = 0.0;
    net_fixture f;
    rs_weights w;
    (void)state;

    kit_weights(g, 2, &w);
    open_net(&f, g, &w, RS_MODE_EVAL, RESCL_PRECISION_FP16);
    (void)net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_visit(f.net, 1, 1, look, &largest));
    assert_true(largest > 0.1 && largest < 100.0);
    assert_ok(rs_net_find_nonfinite(f.net, 1, 1, &layer));
    assert_null(layer);
    const rs_tensor map = rs_net_features(f.net);
    float two[2], *all;
    size_t count;
    assert_int_equal(map.dtype, RS_F16);
    all = net_read(&f, map, &count);
    assert_ok(rs_tensor_read(f.dev, &map, count - 2, 2, two));
    assert_true(two[0] == all[count - 2] && two[1] == all[count - 1]);
    free(all);
    /* Numbers beyond fp16 are nobody's fault but the type's. */
    const int c1 = rs_graph_find_param(g, "c1.weight");
    for (size_t k = 0; k < w.elems[c1]; k++)
        w.data[c1][k] = 1e6f;
    assert_ok(rs_store_upload(f.store, &w));
    (void)net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_find_nonfinite(f.net, 1, 1, &layer));
    assert_non_null(layer);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
    free(pixels);
    free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprints_know_types),
        cmocka_unit_test(gradients_are_close_to_fp32),
        cmocka_unit_test(halves_memory),
        cmocka_unit_test(hosts_read_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
