/* The head's gradient against finite differences, and its logits against the network's. */
#include "testing.h"

#include "attr.h"
#include "graph_kit.h"
#include "head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 3, MAPS = 4, HIDDEN = 5, CLASSES = 3, COUNT = SIDE * SIDE * MAPS };

static rs_value layer(rs_graph *g, const char *name, const rs_op *op, const void *attr,
                      size_t bytes, rs_value x)
{
    rs_value dst = -1;
    assert_ok(rs_graph_add(g, name, op, attr, bytes, RS_SCHEME_LINEAR_UNIFORM, &x, 1, &dst));
    return dst;
}

static rs_value dense(rs_graph *g, const char *name, size_t units, rs_value x)
{
    const rs_dense_attr attr = {.units = units, .bias = true};
    return layer(g, name, &rs_op_dense, &attr, sizeof attr, x);
}

static rs_value pool(rs_graph *g, const rs_op *op, bool global, rs_value x)
{
    const rs_pool_attr attr = {
        .kernel_h = 2, .kernel_w = 2, .stride_h = 1, .stride_w = 1, .global = global};
    return layer(g, "pool", op, &attr, sizeof attr, x);
}

static rs_value dropout(rs_graph *g, const char *name, rs_value x)
{
    const rs_dropout_attr attr = {.rate = 0.5f, .stream = 1};
    return layer(g, name, &rs_op_dropout, &attr, sizeof attr, x);
}

typedef enum kind { PLAIN, HIDDEN_LAYER, FLATTENED, MAX_POOLED, KINDS } kind;

/* A map by a convolution and a relu, then one of four heads. */
static rs_graph *make(kind k, rs_value *map)
{
    rs_value x;
    rs_graph *g = kit_graph(SIDE, SIDE, 2, &x);
    *map = x = kit_relu(g, "relu", kit_conv(g, "conv", x, MAPS, 3, 1));
    if (k == FLATTENED) {
        x = dropout(g, "drop", pool(g, &rs_op_avgpool, false, x));
    } else if (k == MAX_POOLED) {
        x = pool(g, &rs_op_maxpool, false, x);
    } else {
        x = pool(g, &rs_op_avgpool, true, x);
        if (k == HIDDEN_LAYER)
            x = dropout(g, "drop", kit_relu(g, "relu1", dense(g, "fc1", HIDDEN, x)));
    }
    assert_ok(rs_graph_finish(g, dense(g, "fc", CLASSES, x), &(rs_loss){0}));
    return g;
}

static double logit(const rs_graph *g, const rs_weights *w, const float *x, size_t c)
{
    double logits[CLASSES], diff[COUNT];
    assert_ok(rs_head_gradient(g, w, x, c, logits, diff));
    return logits[c];
}

/* Heads are linear but for relus far from 0 and maxima far from the next, so that a wide step is
 * exact. */
static void is_the_derivative(void **state)
{
    (void)state;
    for (kind k = PLAIN; k < KINDS; k++) {
        rs_value map;
        rs_graph *g = make(k, &map);
        rs_weights w;
        double diff[COUNT], largest = 0;
        assert_int_equal(g->features, map);
        assert_int_equal(rs_shape_count(&g->value[map].shape), COUNT);
        kit_weights(g, 7, &w);
        float *x = kit_pixels(COUNT, 3);
        for (size_t c = 0; c < CLASSES; c++) {
            assert_ok(rs_head_gradient(g, &w, x, c, NULL, diff));
            for (size_t i = 0; i < COUNT; i++) {
                const float kept = x[i], step = 0x1p-10f;
                x[i] = kept + step;
                const double more = logit(g, &w, x, c);
                x[i] = kept - step;
                const double less = logit(g, &w, x, c);
                const double width = (double)(kept + step) - (double)(kept - step);
                x[i] = kept;
                if (!(fabs((more - less) / width - diff[i]) < 1e-9))
                    fail_msg("head %d, class %zu, element %zu: %.12g, by differences %.12g", k, c,
                             i, diff[i], (more - less) / width);
                largest = fmax(largest, fabs(diff[i]));
            }
        }
        assert_true(largest > 1e-3);
        free(x);
        rs_weights_fini(&w);
        rs_graph_destroy(g);
    }
}

/* A last map of 4x4: the features are what the stage before it gives, and the gradient leads through
 * convolutions, a normalisation by its running statistics and a shortcut. */
static void explains_by_a_larger_map(void **state)
{
    (void)state;
    enum { LARGE = 8, FLOATS = LARGE * LARGE * MAPS };
    rs_value x, map;
    rs_weights w;
    double diff[FLOATS], more[CLASSES], less[CLASSES], unused[FLOATS];
    rs_graph *g = kit_graph(2 * LARGE, 2 * LARGE, 2, &x);
    g->part = 1;
    map = kit_conv(g, "conv1", x, MAPS, 3, 2);
    g->part = 2;
    x = kit_bn(g, "bn2", kit_conv(g, "conv2", map, MAPS, 3, 2));
    x = kit_add(g, "add2", x, kit_conv(g, "short2", map, MAPS, 1, 2));
    g->part = RS_PART_HEAD;
    kit_finish(g, x, CLASSES);
    assert_int_equal(g->features, map);
    kit_weights(g, 7, &w);
    float *pixels = kit_pixels(FLOATS, 3);
    assert_ok(rs_head_gradient(g, &w, pixels, 1, NULL, diff));
    for (size_t i = 0; i < FLOATS; i++) {
        const float kept = pixels[i], step = 0x1p-10f;
        pixels[i] = kept + step;
        assert_ok(rs_head_gradient(g, &w, pixels, 1, more, unused));
        pixels[i] = kept - step;
        assert_ok(rs_head_gradient(g, &w, pixels, 1, less, unused));
        const double width = (double)(kept + step) - (double)(kept - step);
        pixels[i] = kept;
        if (!(fabs((more[1] - less[1]) / width - diff[i]) < 1e-9))
            fail_msg("element %zu: %.12g, by differences %.12g", i, diff[i],
                     (more[1] - less[1]) / width);
    }
    free(pixels);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void refuses_what_it_cannot_explain(void **state)
{
    (void)state;
    float x[64] = {0};
    double diff[64];
    rs_value map, in;
    rs_weights w;

    rs_graph *g = make(PLAIN, &map);
    kit_weights(g, 7, &w);
    assert_fails(rs_head_gradient(g, &w, x, CLASSES, NULL, diff), RESCL_ERR_ARG, "class 3");
    rs_weights_fini(&w);
    rs_graph_destroy(g);

    g = kit_graph(SIDE, SIDE, 2, &in); /* no map but the image */
    kit_finish(g, in, CLASSES);
    kit_weights(g, 7, &w);
    assert_int_equal(g->features, -1);
    assert_fails(rs_head_gradient(g, &w, x, 0, NULL, diff), RESCL_ERR_UNSUPPORTED, "no map");
    rs_weights_fini(&w);
    rs_graph_destroy(g);

    g = kit_graph(SIDE, SIDE, 2, &in); /* the logits get the image, too */
    map = kit_conv(g, "conv", in, MAPS, 3, 1);
    const rs_value a = dense(g, "fc1", CLASSES, map), b = dense(g, "fc2", CLASSES, in);
    assert_ok(rs_graph_finish(g, kit_add(g, "add", a, b), &(rs_loss){0}));
    kit_weights(g, 7, &w);
    assert_fails(rs_head_gradient(g, &w, x, 0, NULL, diff), RESCL_ERR_UNSUPPORTED, "'fc2'");
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_derivative),
        cmocka_unit_test(explains_by_a_larger_map),
        cmocka_unit_test(refuses_what_it_cannot_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
