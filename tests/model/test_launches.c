/* What a training step asks of a GPU: planned for one that is not here, neither compiled nor run. */
#include "error.h"
#include "fixtures.h"
#include "net.h"
#include "netmodel.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

/* An H100's units; the class of the device makes the choices. */
static const char *const settings[][2] = {{"RESCL_DEVICE_CLASS", "gpu"},
                                          {"RESCL_COMPUTE_UNITS", "132"}};

typedef struct step {
    rescl_runtime *runtime;
    rescl_device *dev;
    rescl_model *model;
    rs_net *net;
} step;

static void step_open(step *s, const char *model, size_t batch)
{
    rescl_model_options o;
    for (size_t i = 0; i < RS_COUNT(settings); i++)
        setenv(settings[i][0], settings[i][1], 1);
    assert_ok(rescl_runtime_create(&s->runtime));
    assert_ok(rescl_device_open(s->runtime, rs_test_selector(s->runtime), 0, &s->dev));
    for (size_t i = 0; i < RS_COUNT(settings); i++)
        unsetenv(settings[i][0]);
    rescl_model_options_default(&o);
    o.name = model;
    assert_ok(rs_model_build(&o, &s->model));
    assert_ok(rs_net_outline(s->dev, s->model->graph, batch, RS_MODE_TRAIN, RESCL_PRECISION_FP32,
                             &s->net));
}

static void step_close(step *s)
{
    rs_net_destroy(s->net);
    rescl_model_destroy(s->model);
    rescl_device_close(s->dev);
    rescl_runtime_destroy(s->runtime);
}

/* Kernels that the plans of an op's pass launch, and the plans. */
static size_t launches(const step *s, const char *op, rs_pass pass, size_t *plans)
{
    size_t kernels = 0;
    *plans = 0;
    for (size_t i = 0; i < rs_net_nodes(s->net); i++) {
        const rs_plan *plan = rs_net_plan_at(s->net, i, pass);
        if (plan && (!op || strcmp(plan->problem.op->name, op) == 0)) {
            kernels += (size_t)plan->nkernels;
            ++*plans;
        }
    }
    return kernels;
}

static void resnet50_takes_few_launches(void **state)
{
    step s;
    size_t all = 0, plans;
    (void)state;
    step_open(&s, "resnet50", 256);
    for (int pass = RS_FWD; pass < RS_PASS_COUNT; pass++)
        all += launches(&s, NULL, (rs_pass)pass, &plans);
    print_message("%zu kernels in forward and backward\n", all);
    assert_in_range(all, 300, 445); /* 450 with the updates of the parameters */
    step_close(&s);
}

/* Statistics come from the epilogue of the convolution before, and backward's sums from that of the
 * convolution behind, but where another layer is there: the pools, and an add. */
static void normalisations_read_what_convolutions_left(void **state)
{
    step s;
    size_t plans;
    (void)state;
    step_open(&s, "resnet50", 256);
    assert_int_equal(launches(&s, "batchnorm", RS_FWD, &plans), 2 * 53);
    assert_int_equal(plans, 53);
    assert_int_equal(launches(&s, "batchnorm", RS_BWD_PARAMS, &plans), 53 + 6);
    assert_int_equal(plans, 53);
    step_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet50_takes_few_launches),
        cmocka_unit_test(normalisations_read_what_convolutions_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
