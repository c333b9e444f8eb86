/* The same network on devices that differ in kind and in limits: each gives PyTorch's gradients,
 * and all give each other's. */
#include "error.h"
#include "golden.h"
#include "net_fixture.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

/* One step of resnet8 on one device, checked against the golden gradients, which are kept. */
static double step_on(rescl_device *dev, rs_weights *grad)
{
    golden g;
    net_fixture f;
    double loss;
    golden_open("resnet8", &g);
    net_fixture_open(&f, dev, g.model->graph, &g.model->weights, &sgd, g.batch, RS_MODE_TRAIN);
    loss = net_train_step(&f, g.pixels, g.labels, 0.1, 1e-4, 1);
    net_grads(&f, g.model->graph, grad);
    for (size_t i = 0; i < grad->count; i++)
        if (g.model->graph->param[i].trainable)
            golden_check(&g, "grad", g.model->graph->param[i].name, grad->data[i], grad->elems[i],
                         1e-4);
    net_fixture_close(&f);
    golden_close(&g);
    return loss;
}

/* The device `selector` as the environment now describes it. */
static double step_with(const char *selector, rs_weights *grad)
{
    rescl_runtime *runtime = NULL;
    rescl_device *dev = NULL;
    double loss;
    assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, selector, 0, &dev));
    loss = step_on(dev, grad);
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
    return loss;
}

static void assert_agree(double loss, const rs_weights *grad, double loss_b,
                         const rs_weights *grad_b)
{
    assert_true(fabs(loss - loss_b) <= 1e-6 * loss);
    for (size_t i = 0; i < grad->count; i++) {
        double norm = 0.0;
        for (size_t k = 0; k < grad->elems[i]; k++)
            norm += fabs((double)grad->data[i][k]);
        if (norm > 0.0) /* running statistics have no gradient */
            assert_true(net_distance(grad_b->data[i], grad->data[i], grad->elems[i]) <= 2e-5);
    }
}

/* PoCL's devices, as "P:D": main() asked for its threaded and its single-threaded one. */
static char pocl[2][48];
static size_t found;

static int find_devices(void **state)
{
    rescl_runtime *runtime = NULL;
    (void)state;
    assert_ok(rescl_runtime_create(&runtime));
    for (size_t i = 0; i < rescl_runtime_device_count(runtime) && found < 2; i++) {
        const rescl_device_info *d = rescl_runtime_get_device_info(runtime, i);
        if (strcmp(d->platform_name, "Portable Computing Language") == 0) {
            snprintf(pocl[found], sizeof *pocl, "%zu:%zu", d->platform, d->device);
            print_message("%s: %s\n", pocl[found], d->name);
            found++;
        }
    }
    rescl_runtime_destroy(runtime);
    return 0;
}

static void pocl_devices_agree(void **state)
{
    rs_weights grad[2];
    double loss[2];
    (void)state;
    if (found < 2) {
        print_message("skipped: PoCL's pthread and basic devices (%zu found)\n", found);
        skip();
    }
    for (int i = 0; i < 2; i++)
        loss[i] = step_with(pocl[i], &grad[i]);
    assert_agree(loss[0], &grad[0], loss[1], &grad[1]);
    rs_weights_fini(&grad[0]);
    rs_weights_fini(&grad[1]);
}

static const char *test_selector(void)
{
    const char *selector = getenv("RESCL_TEST_DEVICE");
    if (selector)
        return selector;
    return found ? pocl[0] : "cpu";
}

typedef struct setting {
    const char *variable, *value;
} setting;

static void check_with(const setting *with, size_t count)
{
    rs_weights plain, changed;
    const double loss = step_with(test_selector(), &plain);
    double loss_changed;
    for (size_t i = 0; i < count; i++)
        setenv(with[i].variable, with[i].value, 1);
    loss_changed = step_with(test_selector(), &changed);
    for (size_t i = 0; i < count; i++)
        unsetenv(with[i].variable);
    assert_agree(loss, &plain, loss_changed, &changed);
    rs_weights_fini(&plain);
    rs_weights_fini(&changed);
}

/* All at once: each set of limits compiles kernels of its own. */
static void small_limits_are_kept_to(void **state)
{
    static const setting limits[] = {
        {"RESCL_MAX_ALLOC", "400000"}, /* the largest activation takes 262144 bytes */
        {"RESCL_MAX_LOCAL", "8192"},
        {"RESCL_MAX_GROUP", "8"},
        {"RESCL_FLOAT_WIDTH", "1"},
    };
    (void)state;
    check_with(limits, RS_COUNT(limits));
}

static void implementations_for_gpus_agree(void **state)
{
    static const setting gpu = {"RESCL_DEVICE_CLASS", "gpu"};
    (void)state;
    check_with(&gpu, 1);
}

static void too_little_memory_is_an_error(void **state)
{
    rescl_runtime *runtime = NULL;
    rescl_device *dev = NULL;
    rs_store *s = NULL;
    rs_net *n = NULL;
    golden g;
    (void)state;
    golden_open("resnet8", &g);
    setenv("RESCL_MAX_ALLOC", "200000", 1); /* below the largest activation, above each weight */
    assert_ok(rescl_runtime_create(&runtime));
    assert_ok(rescl_device_open(runtime, test_selector(), 0, &dev));
    unsetenv("RESCL_MAX_ALLOC");
    assert_ok(rs_store_create(dev, g.model->graph, &sgd, &s));
    assert_fails(rs_net_plan(s, g.model->graph, g.batch, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &n),
                 RESCL_ERR_MEMORY, "batch 4", "smaller batch");
    assert_null(n);
    rs_store_destroy(s);
    rescl_device_close(dev);
    rescl_runtime_destroy(runtime);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pocl_devices_agree),
        cmocka_unit_test(small_limits_are_kept_to),
        cmocka_unit_test(implementations_for_gpus_agree),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    setenv("POCL_DEVICES", "pthread basic", 0);
    return cmocka_run_group_tests(tests, find_devices, NULL);
}
