#include "graph_kit.h"

#include "attr.h"
#include "rng.h"
#include "testing.h"

#include <stdlib.h>

rs_graph *kit_graph(size_t h, size_t w, size_t c, rs_value *input)
{
    rs_graph *g = NULL;
    assert_ok(rs_graph_create(&g));
    assert_ok(rs_graph_input(g, h, w, c, input));
    return g;
}

static rs_value layer(rs_graph *g, const char *name, const rs_op *op, const void *attr,
                      size_t bytes, const rs_value *src, int nsrc)
{
    rs_value dst = -1;
    assert_ok(rs_graph_add(g, name, op, attr, bytes, RS_SCHEME_GLOROT_UNIFORM, src, nsrc, &dst));
    return dst;
}

rs_value kit_conv(rs_graph *g, const char *name, rs_value x, size_t filters, size_t kernel,
                  size_t stride)
{
    const size_t pad = kernel / 2;
    const rs_conv2d_attr attr = {.filters = filters,
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride_h = stride,
                                 .stride_w = stride,
                                 .pad_top = pad,
                                 .pad_bottom = pad,
                                 .pad_left = pad,
                                 .pad_right = pad};
    return layer(g, name, &rs_op_conv2d, &attr, sizeof attr, &x, 1);
}

rs_value kit_bn(rs_graph *g, const char *name, rs_value x)
{
    const rs_batchnorm_attr attr = {.eps = 1e-3f, .momentum = 0.9f, .unbiased_running = true};
    return layer(g, name, &rs_op_batchnorm, &attr, sizeof attr, &x, 1);
}

rs_value kit_relu(rs_graph *g, const char *name, rs_value x)
{
    return layer(g, name, &rs_op_relu, NULL, 0, &x, 1);
}

rs_value kit_add(rs_graph *g, const char *name, rs_value x, rs_value y)
{
    return layer(g, name, &rs_op_add, NULL, 0, (const rs_value[]){x, y}, 2);
}

rs_value kit_wall(rs_graph *g, const char *name, rs_value x)
{
    const rs_pool_attr attr = {.kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1};
    return layer(g, name, &rs_op_avgpool, &attr, sizeof attr, &x, 1);
}

rs_value kit_shortcut(rs_graph *g, rs_value x)
{
    rs_value y;
    x = kit_relu(g, "r1", kit_bn(g, "b1", kit_conv(g, "c1", x, 8, 3, 1)));
    y = kit_relu(g, "r2", kit_bn(g, "b2", kit_conv(g, "c2", x, 8, 3, 1)));
    y = kit_bn(g, "b3", kit_conv(g, "c3", y, 8, 1, 1));
    return kit_relu(g, "r3", kit_add(g, "sum", y, x));
}

void kit_finish(rs_graph *g, rs_value x, size_t classes)
{
    const rs_pool_attr pool = {.global = true};
    const rs_dense_attr dense = {.units = classes, .bias = true};
    x = layer(g, "gap", &rs_op_avgpool, &pool, sizeof pool, &x, 1);
    x = layer(g, "fc", &rs_op_dense, &dense, sizeof dense, &x, 1);
    assert_ok(rs_graph_finish(g, x, &(rs_loss){0}));
}

void kit_weights(const rs_graph *g, uint64_t seed, rs_weights *w)
{
    assert_ok(rs_weights_create(g, w));
    rs_weights_init(g, w, seed);
    for (size_t i = 0; i < g->nparams; i++) {
        rs_rng r;
        rs_rng_init(&r, seed, 1000 + i);
        if (g->param[i].spec.init == RS_INIT_WEIGHT)
            continue;
        for (size_t k = 0; k < w->elems[i]; k++)
            w->data[i][k] += (float)rs_rng_range(&r, -0.25, 0.25);
    }
}

float *kit_pixels(size_t count, uint64_t seed)
{
    float *x = malloc(count * sizeof *x);
    rs_rng r;
    assert_non_null(x);
    rs_rng_init(&r, seed, 2000);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)rs_rng_range(&r, -1.0, 1.0);
    return x;
}

int32_t *kit_labels(size_t count, size_t classes, uint64_t seed)
{
    int32_t *x = malloc(count * sizeof *x);
    rs_rng r;
    assert_non_null(x);
    rs_rng_init(&r, seed, 3000);
    for (size_t i = 0; i < count; i++)
        x[i] = (int32_t)rs_rng_below(&r, (uint32_t)classes);
    return x;
}
