/* Initial weights: their distributions, and that they depend on nothing but seed and position. */
#include "attr.h"
#include "graph.h"
#include "graph_kit.h"
#include "testing.h"

#include <math.h>
#include <string.h>

/* conv (3, 3, 32, 64), and dense (64, 500) under `scheme`. */
static rs_graph *layers(rs_init_scheme scheme)
{
    rs_value x;
    rs_graph *g = kit_graph(1, 1, 32, &x);
    const rs_conv2d_attr conv = {.filters = 64,
                                 .kernel_h = 3,
                                 .kernel_w = 3,
                                 .stride_h = 1,
                                 .stride_w = 1,
                                 .pad_top = 1,
                                 .pad_bottom = 1,
                                 .pad_left = 1,
                                 .pad_right = 1,
                                 .bias = true};
    const rs_dense_attr dense = {.units = 500, .bias = true};
    assert_ok(rs_graph_add(g, "conv", &rs_op_conv2d, &conv, sizeof conv, scheme, &x, 1, &x));
    x = kit_bn(g, "bn", x);
    assert_ok(rs_graph_add(g, "fc", &rs_op_dense, &dense, sizeof dense, scheme, &x, 1, &x));
    return g;
}

typedef struct moments {
    double mean, std, most;
} moments;

static moments moments_of(const rs_graph *g, const rs_weights *w, const char *name)
{
    const int i = rs_graph_find_param(g, name);
    moments m = {0};
    assert_true(i >= 0);
    const double n = (double)w->elems[i];
    for (size_t k = 0; k < w->elems[i]; k++) {
        m.mean += (double)w->data[i][k] / n;
        m.most = fmax(m.most, fabs((double)w->data[i][k]));
    }
    for (size_t k = 0; k < w->elems[i]; k++)
        m.std += pow((double)w->data[i][k] - m.mean, 2) / n;
    m.std = sqrt(m.std);
    return m;
}

/* Mean 0 within 4 standard errors; standard deviation within 2 % (18432 or more numbers). */
static void assert_spread(moments m, double std, double n)
{
    assert_true(fabs(m.mean) <= 4.0 * std / sqrt(n));
    assert_true(fabs(m.std - std) <= 0.02 * std);
}

static void assert_uniform(moments m, double limit, double n)
{
    assert_spread(m, limit / sqrt(3.0), n);
    assert_true(m.most <= limit && m.most >= 0.99 * limit);
}

static void follow_their_schemes(void **state)
{
    rs_graph *g = layers(RS_SCHEME_GLOROT_UNIFORM);
    rs_weights w;
    (void)state;
    assert_ok(rs_weights_create(g, &w));
    rs_weights_init(g, &w, 3);
    assert_uniform(moments_of(g, &w, "conv.weight"), sqrt(6.0 / (9 * 32 + 9 * 64)), 18432);
    assert_uniform(moments_of(g, &w, "fc.weight"), sqrt(6.0 / (64 + 500)), 32000);
    assert_true(moments_of(g, &w, "conv.bias").most == 0.0);
    assert_true(moments_of(g, &w, "fc.bias").most == 0.0);
    assert_true(moments_of(g, &w, "bn.weight").mean == 1.0);
    assert_true(moments_of(g, &w, "bn.bias").most == 0.0);
    assert_true(moments_of(g, &w, "bn.running_mean").most == 0.0);
    assert_true(moments_of(g, &w, "bn.running_var").mean == 1.0);
    rs_weights_fini(&w);
    rs_graph_destroy(g);

    g = layers(RS_SCHEME_HE_NORMAL_FAN_OUT);
    assert_ok(rs_weights_create(g, &w));
    rs_weights_init(g, &w, 3);
    const moments he = moments_of(g, &w, "conv.weight");
    assert_spread(he, sqrt(2.0 / (9 * 64)), 18432);
    assert_true(he.most > 3.0 * he.std); /* tails, which a uniform distribution has not */
    assert_true(moments_of(g, &w, "conv.bias").most == 0.0);
    rs_weights_fini(&w);
    rs_graph_destroy(g);

    g = layers(RS_SCHEME_LINEAR_UNIFORM);
    assert_ok(rs_weights_create(g, &w));
    rs_weights_init(g, &w, 3);
    assert_uniform(moments_of(g, &w, "fc.weight"), 1.0 / sqrt(64.0), 32000);
    const moments bias = moments_of(g, &w, "fc.bias");
    assert_true(bias.most <= 0.125 && bias.most > 0.12 && fabs(bias.mean) < 0.02);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void depend_on_seed_and_position_only(void **state)
{
    rs_graph *g = layers(RS_SCHEME_HE_NORMAL_FAN_OUT);
    rs_weights a, b;
    (void)state;
    assert_ok(rs_weights_create(g, &a));
    assert_ok(rs_weights_create(g, &b));
    rs_weights_init(g, &a, 7);
    for (size_t i = 0; i < b.count; i++)
        memset(b.data[i], 0x7f, b.elems[i] * sizeof(float));
    rs_weights_init(g, &b, 7);
    for (size_t i = 0; i < a.count; i++)
        assert_memory_equal(a.data[i], b.data[i], a.elems[i] * sizeof(float));

    rs_weights_init(g, &b, 8);
    assert_memory_not_equal(a.data[0], b.data[0], a.elems[0] * sizeof(float));
    const int fc = rs_graph_find_param(g, "fc.weight");
    assert_memory_not_equal(a.data[0], a.data[fc], 1024 * sizeof(float)); /* streams differ */
    rs_weights_fini(&a);
    rs_weights_fini(&b);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_their_schemes),
        cmocka_unit_test(depend_on_seed_and_position_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
