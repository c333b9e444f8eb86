/* Ten training steps of resnet8 beside PyTorch's in float64 (tests/golden): our losses may be as
 * far away as three times what PyTorch's own float32 scatters, and no further. */
#include "golden.h"
#include "net_fixture.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A few float32 units in the last place of a loss near 2: what no scatter can be below. */
#define FLOOR 1e-6

static void train(const char *optimiser, const rs_optim_hyper *hyper, double lr,
                  double weight_decay)
{
    golden g;
    net_fixture f;
    char name[64];
    size_t steps, n;
    double *exact, *single, *ours, scatter = 0.0, distance;

    golden_open("resnet8", &g);
    snprintf(name, sizeof name, "losses.%s.f64", optimiser);
    exact = golden_numbers(g.file, name, &steps);
    assert_int_equal(steps, 10);
    snprintf(name, sizeof name, "losses.%s.f32", optimiser);
    single = golden_numbers(g.file, name, &n);
    for (size_t i = 0; i < n; i += steps)
        scatter = fmax(scatter, golden_largest_gap(&single[i], exact, steps));

    ours = calloc(steps, sizeof *ours);
    assert_non_null(ours);
    net_fixture_open(&f, rs_test_device(), g.model->graph, &g.model->weights, hyper, g.batch,
                     RS_MODE_TRAIN);
    for (size_t i = 0; i < steps; i++) {
        golden_batch(&g, i);
        ours[i] = net_train_step(&f, g.pixels, g.labels, lr, weight_decay, i + 1);
    }
    net_fixture_close(&f);
    assert_true(fabs(ours[0] - exact[0]) <= 1e-5 * exact[0]);
    distance = golden_largest_gap(ours, exact, steps);
    print_message("%s: at most %.1e from float64, PyTorch's float32 %.1e\n", optimiser, distance,
                  scatter);
    assert_true(distance <= 3.0 * scatter + FLOOR);
    free(exact);
    free(single);
    free(ours);
    golden_close(&g);
}

static void sgd_keeps_to_pytorch(void **state)
{
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};
    (void)state;
    train("sgd", &sgd, 0.1, 1e-4);
}

static void adam_keeps_to_pytorch(void **state)
{
    const rs_optim_hyper adam = {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-8}};
    (void)state;
    train("adam", &adam, 1e-3, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_keeps_to_pytorch),
        cmocka_unit_test(adam_keeps_to_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
