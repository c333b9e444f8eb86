/* Ten training steps of resnet8 beside PyTorch's in float64 (tests/golden): our losses may be as
 * far away as three times what PyTorch's own float32 scatters, and no further. */
#include "golden.h"
#include "mixed.h"
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

/* By tests/golden/make_multi_label.py. */
static void fill_rows(const golden *g, int32_t *rows)
{
    for (size_t i = 0; i < g->batch; i++)
        for (size_t k = 0; k < g->classes; k++) {
            const size_t label = (size_t)g->labels[i];
            const bool wanted = k == label || (3 * k + label) % 4 == 0;
            rows[i * g->classes + k] = wanted && i + 1 < g->batch ? RS_MIXED_ONE : 0;
        }
}

static void several_labels_keep_to_pytorch(void **state)
{
    const rs_optim_hyper adam = {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-8}};
    golden g;
    net_fixture f;
    rs_st_file *file = NULL;
    rescl_model *model = NULL;
    rescl_model_options o;
    size_t steps, n;
    double scatter = 0.0;

    (void)state;
    golden_open("resnet8", &g);
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/multi_label.safetensors", &file));
    double *exact = golden_numbers(file, "losses.f64", &steps);
    double *single = golden_numbers(file, "losses.f32", &n);
    for (size_t i = 0; i < n; i += steps)
        scatter = fmax(scatter, golden_largest_gap(&single[i], exact, steps));
    rescl_model_options_default(&o);
    o.name = "resnet8";
    o.classes = g.classes;
    o.image_size = g.size;
    o.loss = RESCL_LOSS_BCE;
    o.multi_label = true;
    assert_ok(rescl_model_create(&o, &model));
    double *ours = calloc(steps, sizeof *ours);
    int32_t *rows = calloc(g.batch * g.classes, sizeof *rows);
    assert_true(ours && rows);
    net_fixture_open(&f, rs_test_device(), model->graph, &g.model->weights, &adam, g.batch,
                     RS_MODE_TRAIN);
    for (size_t i = 0; i < steps; i++) {
        golden_batch(&g, i);
        fill_rows(&g, rows);
        ours[i] = net_train_step(&f, g.pixels, rows, 1e-3, 0.0, i + 1);
    }
    net_fixture_close(&f);
    const double distance = golden_largest_gap(ours, exact, steps);
    print_message("several labels: at most %.1e from float64, PyTorch's float32 %.1e\n", distance,
                  scatter);
    assert_true(fabs(ours[0] - exact[0]) <= 1e-5 * exact[0]);
    assert_true(distance <= 3.0 * scatter + FLOOR);
    free(exact);
    free(single);
    free(ours);
    free(rows);
    rs_st_close(file);
    rescl_model_destroy(model);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_keeps_to_pytorch),
        cmocka_unit_test(adam_keeps_to_pytorch),
        cmocka_unit_test(several_labels_keep_to_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
