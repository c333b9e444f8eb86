/* Training by the implementations for GPUs beside that by those for CPUs, on one device.
 *
 *   test_gpu_class        the accuracy of a small network
 *   test_gpu_class all    and the losses of resnet50, for which PoCL compiles for minutes */
#include "fixtures.h"
#include "graph_kit.h"
#include "net_fixture.h"
#include "netmodel.h"
#include "testing.h"

#include "error.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct opened {
    rescl_runtime *runtime;
    rescl_device *dev;
} opened;

/* The device under test as one of a class. */
static opened open_as(const char *class)
{
    opened o = {0};
    setenv("RESCL_DEVICE_CLASS", class, 1);
    assert_ok(rescl_runtime_create(&o.runtime));
    assert_ok(rescl_device_open(o.runtime, rs_test_selector(o.runtime), 0, &o.dev));
    unsetenv("RESCL_DEVICE_CLASS");
    return o;
}

static void close_opened(opened *o)
{
    rescl_device_close(o->dev);
    rescl_runtime_destroy(o->runtime);
}

/* ---- losses ------------------------------------------------------------------------------ */

enum { STEPS = 20, BATCH = 8, SIZE = 64, LABELS = 10 };

/* Waves of some directions, lengths and heights: on noise all images would be alike to the deep layers,
 * whose batch normalisation would then enlarge the last digits alone. */
static float *waves(void)
{
    float *pixels = malloc((size_t)BATCH * SIZE * SIZE * 3 * sizeof *pixels), *to = pixels;
    rs_rng r;
    assert_non_null(pixels);
    for (size_t n = 0; n < BATCH; n++)
        for (size_t y = 0; y < SIZE; y++)
            for (size_t x = 0; x < SIZE; x++) {
                rs_rng_init(&r, 3, n);
                for (size_t c = 0; c < 3; c++) {
                    const double down = rs_rng_range(&r, 0, 0.5), right = rs_rng_range(&r, 0, 0.5);
                    const double height = rs_rng_range(&r, 0.2, 1), phase = rs_rng_range(&r, 0, 6);
                    *to++ = (float)(height * sin(down * (double)y + right * (double)x + phase));
                }
            }
    return pixels;
}

/* On one batch with a small rate, so that the losses fall evenly: what differs by rounding grows from
 * step to step, the faster the larger the steps are. */
static void train_resnet50(const char *class, double losses[STEPS])
{
    const rescl_model_options options = {.struct_size = sizeof options,
                                         .name = "resnet50",
                                         .classes = LABELS,
                                         .image_size = SIZE,
                                         .seed = 3};
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};
    rescl_model *m = NULL;
    net_fixture f;
    opened o = open_as(class);
    float *pixels = waves();
    int32_t *labels = kit_labels(BATCH, LABELS, 0);
    assert_ok(rescl_model_create(&options, &m));
    net_fixture_open(&f, o.dev, m->graph, &m->weights, &sgd, BATCH, RS_MODE_TRAIN);
    for (size_t i = 0; i < STEPS; i++)
        losses[i] = net_train_step(&f, pixels, labels, 3e-8, 1e-4, i + 1);
    net_fixture_close(&f);
    rescl_model_destroy(m);
    free(pixels);
    free(labels);
    close_opened(&o);
}

/* On CPUs a change of the pixels' last bits alone moves these losses by up to 1e-3 of their value. */
static void resnet50_loses_as_on_a_cpu(void **state)
{
    double cpu[STEPS], gpu[STEPS], most = 0.0;
    (void)state;
    train_resnet50("cpu", cpu);
    train_resnet50("gpu", gpu);
    for (size_t i = 0; i < STEPS; i++)
        most = fmax(most, fabs(gpu[i] / cpu[i] - 1.0));
    print_message("losses %g to %g, at most %.1e apart\n", cpu[0], cpu[STEPS - 1], most);
    assert_true(fabs(gpu[0] / cpu[0] - 1.0) <= 1e-4);
    assert_true(most <= 1e-2);
    assert_true(cpu[STEPS - 1] < 0.9 * cpu[0]);
}

/* ---- accuracy ---------------------------------------------------------------------------- */

static bool keep_accuracy(const rescl_epoch_event *e, void *user)
{
    *(double *)user = e->eval.top1;
    return true;
}

static double accuracy_of_resnet8(const char *class)
{
    const rescl_model_options small = {.struct_size = sizeof small,
                                       .name = "resnet8",
                                       .classes = 6,
                                       .image_size = TEST_SIZE,
                                       .seed = 5};
    rescl_dataset *train = rs_test_hands("train", 960, 0), *eval = rs_test_hands("test", 480, 0);
    rescl_model *model = NULL;
    rescl_trainer *trainer = NULL;
    rescl_train_options options;
    double accuracy = 0.0;
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_epoch = keep_accuracy, .user = &accuracy};
    opened o = open_as(class);
    rescl_train_options_default(&options);
    options.epochs = 8;
    options.batch_size = 16;
    options.opt = "adam";
    options.lr = 0.003;
    options.lr_scheduler = "cosineannealinglr";
    options.seed = 11;
    assert_ok(rescl_model_create(&small, &model));
    assert_ok(rescl_trainer_create(o.dev, model, train, eval, &options, &trainer));
    assert_ok(rescl_trainer_run(trainer, &callbacks));
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
    close_opened(&o);
    return accuracy;
}

static void resnet8_learns_as_on_a_cpu(void **state)
{
    const double cpu = accuracy_of_resnet8("cpu"), gpu = accuracy_of_resnet8("gpu");
    (void)state;
    print_message("accuracy %.3f as CPU, %.3f as GPU\n", cpu, gpu);
    assert_true(cpu >= 0.5 && gpu >= 0.5); /* by chance 0.17 */
    assert_true(fabs(cpu - gpu) <= 0.05);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet8_learns_as_on_a_cpu),
        cmocka_unit_test(resnet50_loses_as_on_a_cpu),
    };
    const bool all = argc > 1 && strcmp(argv[1], "all") == 0;
    return rs_test_group("gpu_class", tests, all ? RS_COUNT(tests) : 1, NULL, NULL);
}
