/* Finding where NaN begins, and that a device is to blame. */
#include "graph_kit.h"
#include "net_fixture.h"
#include "path.h"
#include "str.h"
#include "testing.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDGE = 8, CLASSES = 5, FULL = 5 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

static float *pixels;
static int32_t *labels;

static int make_batch(void **state)
{
    pixels = kit_pixels((size_t)FULL * EDGE * EDGE * 3, 4);
    for (size_t i = 0; i < (size_t)FULL * EDGE * EDGE * 3; i++)
        pixels[i] *= 4.0f;
    labels = kit_labels(FULL, CLASSES, 4);
    return rs_test_dir_setup(state);
}

static int free_batch(void **state)
{
    free(pixels);
    free(labels);
    return rs_test_dir_teardown(state);
}

static rs_graph *network(void)
{
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    x = kit_shortcut(g, x);
    x = kit_relu(g, "r4", kit_bn(g, "b4", kit_conv(g, "c4", x, 16, 3, 2)));
    kit_finish(g, x, CLASSES);
    return g;
}

/* The layer that is found when `param`'s element 0 is `value`; NULL for what is unharmed. */
static const char *found_after(const rs_graph *g, rs_mode mode, const char *param, float value,
                               int32_t label, char name[64])
{
    net_fixture f;
    rs_weights w;
    const char *layer = "unset";
    int32_t own[FULL];
    kit_weights(g, 2, &w);
    if (param)
        w.data[rs_graph_find_param(g, param)][0] = value;
    memcpy(own, labels, sizeof own);
    own[0] = label;
    net_fixture_open(&f, rs_test_device(), g, &w, mode == RS_MODE_TRAIN ? &sgd : NULL, FULL, mode);
    net_forward_loss(&f, pixels, own, 1);
    if (mode == RS_MODE_TRAIN)
        assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    /* The batch is not fed again. */
    assert_ok(rs_net_find_nonfinite(f.net, 1, 1, &layer));
    if (layer)
        snprintf(name, 64, "%s", layer);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    return layer ? name : NULL;
}

static void names_the_layer_where_nan_begins(void **state)
{
    rs_graph *g = network();
    char name[64];
    (void)state;
    for (int i = 0; i < 2; i++) {
        const rs_mode mode = i == 0 ? RS_MODE_TRAIN : RS_MODE_EVAL;
        assert_null(found_after(g, mode, NULL, 0.0f, 0, name));
        assert_string_equal(found_after(g, mode, "c2.weight", NAN, 0, name), "c2");
        /* In evaluation the convolution answers for the normalisation that it folds. */
        assert_string_equal(found_after(g, mode, "b4.bias", INFINITY, 0, name),
                            i == 0 ? "b4" : "c4");
        assert_string_equal(found_after(g, mode, "fc.weight", -INFINITY, 0, name), "fc");
        assert_string_equal(found_after(g, mode, NULL, 0.0f, CLASSES, name), "loss");
    }
    /* Batch statistics hide a bad running one from the outputs. */
    assert_string_equal(found_after(g, RS_MODE_TRAIN, "b3.running_var", NAN, 0, name),
                        "b3.running_var");
    assert_string_equal(found_after(g, RS_MODE_EVAL, "b3.running_var", NAN, 0, name), "c3");
    /* The device is not to blame for what is too large for a float. */
    assert_string_equal(found_after(g, RS_MODE_EVAL, "c1.weight", FLT_MAX, 0, name), "c1");
    rs_graph_destroy(g);
}

/* ---- a device that computes NaN -------------------------------------------------------------- */

/* Into the folder of kernels: `stem`.cl, in which what `macro` names is NaN. */
static void spoil_kernel(const char *stem, const char *macro)
{
    rs_str text = {0};
    char *source = NULL;
    size_t bytes = 0;
    assert_ok(rs_file_read(rs_test_path("%s/cl/%s.cl", RESCL_TEST_SOURCE_DIR, stem), 1 << 20,
                           &source, &bytes));
    char *include = source, *next;
    while ((next = strstr(include + 1, "\n#include")) != NULL)
        include = next;
    char *rest = strchr(include + 1, '\n');
    assert_non_null(rest);
    assert_ok(rs_str_appendf(&text, "%.*s\n#undef fma\n#define %s%s\n", (int)(rest - source),
                             source, macro, rest));
    FILE *f = fopen(rs_test_path("%s/%s.cl", rs_test_dir, stem), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.text, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    rs_str_fini(&text);
    free(source);
}

/* The search fails on a device with the kernels of the folder. */
static void search_fails(rs_mode mode, const char *layer)
{
    rescl_runtime *runtime = NULL;
    rescl_device *dev = NULL;
    net_fixture f;
    rs_weights w;
    const char *found = NULL;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &dev));
    net_fixture_open(&f, dev, g, &w, mode == RS_MODE_TRAIN ? &sgd : NULL, FULL, mode);
    assert_true(isnan(net_forward_loss(&f, pixels, labels, 1)));
    assert_fails(rs_net_find_nonfinite(f.net, 1, 1, &found), RESCL_ERR_DEVICE,
                 rescl_device_get_info(dev)->name, "computes wrong numbers", layer, "gives NaN",
                 "--device");
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
}

static void blames_a_device_that_computes_nan(void **state)
{
    (void)state;
    const bool cpu = rescl_device_get_info(rs_test_device())->type == RESCL_DEVICE_CPU;
    const struct {
        const char *stem, *macro, *layer;
        rs_mode mode;
    } spoilt[] = {
        {"avgpool", "load_part(p, n) ((vfloat)(NAN))", "'gap'", RS_MODE_TRAIN},
        {"avgpool", "load_part(p, n) ((vfloat)(NAN))", "'gap'", RS_MODE_EVAL},
        {cpu ? "batchnorm" : "batchnorm_grouped", "fma(a, b, c) ((vfloat)(NAN))", "'b1'",
         RS_MODE_TRAIN},
        {"conv2d_direct", "fma(a, b, c) NAN", "'c1'", RS_MODE_TRAIN},
    };
    assert_int_equal(setenv("RESCL_KERNEL_DIR", rs_test_dir, 1), 0);
    assert_int_equal(setenv("RESCL_IMPL", "conv2d=direct", 1), 0);
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
        spoil_kernel(spoilt[i].stem, spoilt[i].macro);
        search_fails(spoilt[i].mode, spoilt[i].layer);
        assert_int_equal(remove(rs_test_path("%s/%s.cl", rs_test_dir, spoilt[i].stem)), 0);
    }
    unsetenv("RESCL_IMPL");
    unsetenv("RESCL_KERNEL_DIR");
}

/* What was not finite and is when the same is done again. */
static void calls_a_device_unreliable(void **state)
{
    (void)state;
    net_fixture f;
    rs_weights w;
    const char *found = NULL;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, NULL, FULL, RS_MODE_EVAL);
    net_feed(&f, pixels, labels);
    assert_fails(rs_net_explain_nonfinite(f.net, 1, 1, &found), RESCL_ERR_DEVICE, "is unreliable",
                 rescl_device_get_info(rs_test_device())->name);
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* ---- nets that check numerics ---------------------------------------------------------------- */

/* Into the folder of kernels: `stem`.cl with `with` in place of `what`. */
static void change_kernel(const char *stem, const char *what, const char *with)
{
    rs_str text = {0};
    char *source = NULL, *at;
    size_t bytes = 0;
    assert_ok(rs_file_read(rs_test_path("%s/cl/%s.cl", RESCL_TEST_SOURCE_DIR, stem), 1 << 20,
                           &source, &bytes));
    at = strstr(source, what);
    assert_non_null(at);
    assert_ok(
        rs_str_appendf(&text, "%.*s%s%s", (int)(at - source), source, with, at + strlen(what)));
    FILE *f = fopen(rs_test_path("%s/%s.cl", rs_test_dir, stem), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.text, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
    rs_str_fini(&text);
    free(source);
}

/* A training step of a net that checks numerics, on `dev`. */
static rescl_status checked_step(rescl_device *dev, const rs_weights *w, const rs_graph *g)
{
    rescl_status st;
    net_fixture f;
    net_fixture_open(&f, dev, g, w, &sgd, FULL, RS_MODE_TRAIN);
    net_feed(&f, pixels, labels);
    rs_net_check_numerics(f.net);
    st = rs_net_forward(f.net, 1, 1);
    if (st == RESCL_OK)
        st = rs_net_backward(f.net, &RS_STEP(1, 1), NULL);
    net_fixture_close(&f);
    return st;
}

static void names_the_one_number_of_a_wrong_kernel(void **state)
{
    (void)state;
    static const struct {
        const char *stem, *what, *with, *named, *place;
    } wrong[] = {
        /* Which the ReLU behind it makes 0. */
        {"conv2d_direct", "if (residual)",
         "if (k == 16 && item == 7) sum = NAN;\n    if (residual)",
         "conv2d of layer 'c4', fwd by 'direct' (kernel",
         "gives NaN at [n 0, h 0, w 0, c 7] of its output where the host gets"},
        {"conv2d_direct", "out[item] = sum;", "out[item] = item == 3 ? INFINITY : sum;",
         "conv2d of layer 'c4', bwd_params by 'direct' (kernel",
         "gives infinity at [h 0, w 0, in 0, out 3] of the gradient of its weight where the host"},
        {"avgpool", "src_put_part(sum,", "src_put_part(u == 1 ? sum + NAN : sum,",
         "avgpool of layer 'gap', bwd_data by",
         "gives NaN at [n 0, h 0, w 1, c 0] of the gradient of its input where the host gets"},
    };
    rs_weights w;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    assert_int_equal(setenv("RESCL_KERNEL_DIR", rs_test_dir, 1), 0);
    assert_int_equal(setenv("RESCL_IMPL", "conv2d=direct", 1), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        rescl_runtime *runtime = NULL;
        rescl_device *dev = NULL;
        change_kernel(wrong[i].stem, wrong[i].what, wrong[i].with);
        assert_ok(rescl_runtime_create(&runtime));
        assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &dev));
        assert_fails(checked_step(dev, &w, g), RESCL_ERR_DEVICE, rescl_device_get_info(dev)->name,
                     "computes wrong numbers", wrong[i].named, wrong[i].place, "--device");
        rescl_device_close(dev);
        rescl_runtime_destroy(runtime);
        assert_int_equal(remove(rs_test_path("%s/%s.cl", rs_test_dir, wrong[i].stem)), 0);
    }
    unsetenv("RESCL_IMPL");
    unsetenv("RESCL_KERNEL_DIR");
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void does_not_blame_the_device_for_the_mathematics(void **state)
{
    (void)state;
    rs_weights w;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    const int c2 = rs_graph_find_param(g, "c2.weight");
    assert_ok(checked_step(rs_test_device(), &w, g));
    w.data[c2][1] = NAN;
    assert_fails(checked_step(rs_test_device(), &w, g), RESCL_ERR_NUMERIC, "of layer 'c2', fwd",
                 "its weight holds NaN at [h 0, w 0, in 0, out 1]", "the device is not to blame");
    for (size_t k = 0; k < w.elems[c2]; k++)
        w.data[c2][k] = 1e30f;
    assert_fails(checked_step(rs_test_device(), &w, g), RESCL_ERR_NUMERIC, "numbers up to 1e+30",
                 "the device is not to blame");
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void checks_change_no_bit(void **state)
{
    (void)state;
    rs_weights w, grads[2];
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    for (int i = 0; i < 2; i++) {
        net_fixture f;
        net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
        if (i == 1)
            rs_net_check_numerics(f.net);
        (void)net_forward_loss(&f, pixels, labels, 1);
        assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
        net_grads(&f, g, &grads[i]);
        net_fixture_close(&f);
    }
    for (size_t i = 0; i < w.count; i++)
        if (g->param[i].trainable)
            assert_memory_equal(grads[0].data[i], grads[1].data[i], w.elems[i] * sizeof(float));
    rs_weights_fini(&grads[0]);
    rs_weights_fini(&grads[1]);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* Under a loss scale they are left out, and are the device's fault only if the host gets others. */
static void takes_overflow_of_a_scaled_loss(void **state)
{
    (void)state;
    net_fixture f = {.dev = rs_test_device()};
    rs_step step = RS_STEP(1, 1);
    rs_weights w;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    assert_ok(rs_store_create(f.dev, g, &sgd, &f.store));
    assert_ok(rs_store_upload(f.store, &w));
    assert_ok(rs_net_plan(f.store, g, FULL, RS_MODE_TRAIN, RESCL_PRECISION_FP16, &f.net));
    assert_ok(rs_workspace_create(f.dev, &f.net, 1, &f.workspace));
    rs_net_check_numerics(f.net);
    step.scale = 0x1p60;
    (void)net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &step, NULL));
    step.scale = 1.0;
    (void)net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &step, NULL));
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

static void names_what_an_update_spoils(void **state)
{
    (void)state;
    net_fixture f;
    rs_rates rates = rs_rates_uniform(0.01, 0.0);
    rs_weights w;
    rs_graph *g = network();
    kit_weights(g, 2, &w);
    net_fixture_open(&f, rs_test_device(), g, &w, &sgd, FULL, RS_MODE_TRAIN);
    (void)net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    assert_ok(rs_store_update_checked(f.store, &rates, 1));
    rates = rs_rates_uniform(1e300, 0.0);
    assert_fails(rs_store_update_checked(f.store, &rates, 2), RESCL_ERR_NUMERIC, "update of ",
                 "by sgd gives", "the learning rate 1e+300", "the device is not to blame");
    net_fixture_close(&f);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_layer_where_nan_begins),
        cmocka_unit_test(blames_a_device_that_computes_nan),
        cmocka_unit_test(calls_a_device_unreliable),
        cmocka_unit_test(names_the_one_number_of_a_wrong_kernel),
        cmocka_unit_test(does_not_blame_the_device_for_the_mathematics),
        cmocka_unit_test(checks_change_no_bit),
        cmocka_unit_test(takes_overflow_of_a_scaled_loss),
        cmocka_unit_test(names_what_an_update_spoils),
    };
    return cmocka_run_group_tests(tests, make_batch, free_batch);
}
