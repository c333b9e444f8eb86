/* Trains in a loop of its own: batches that it makes, gradients that it clips, a rate that falls:
 *
 *     own_loop [STEPS]      30 unless told */
#include <math.h>
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 16, BATCH = 16, CLASSES = 2, LARGEST = 1 << 16 };

static uint8_t images[BATCH][SIZE][SIZE][3];
static int32_t labels[BATCH];
static float gradient[LARGEST];

/* Dark and light noise. */
static void make_batch(void)
{
    for (int i = 0; i < BATCH; i++) {
        labels[i] = rand() % CLASSES;
        for (int k = 0; k < SIZE * SIZE * 3; k++)
            (&images[i][0][0][0])[k] = (uint8_t)(rand() % 128 + 127 * labels[i]);
    }
}

/* Shortens each parameter's gradient to a length of 1 at most. */
static rescl_status clip(rescl_trainer *trainer, const rescl_model *model)
{
    rescl_parameter_info p;
    rescl_status st = RESCL_OK;
    for (size_t i = 0; st == RESCL_OK && rescl_model_get_parameter_info(model, i, &p); i++) {
        double square = 0.0;
        if (!p.trainable || p.count > LARGEST)
            continue;
        st = rescl_trainer_get_gradient(trainer, p.name, gradient, p.count);
        for (size_t k = 0; k < p.count; k++)
            square += (double)gradient[k] * (double)gradient[k];
        if (st != RESCL_OK || square <= 1.0)
            continue;
        for (size_t k = 0; k < p.count; k++)
            gradient[k] /= (float)sqrt(square);
        st = rescl_trainer_set_gradient(trainer, p.name, gradient, p.count);
    }
    return st;
}

int main(int argc, char **argv)
{
    const size_t steps = argc > 1 ? strtoul(argv[1], NULL, 10) : 30;
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_model *model = NULL;
    rescl_trainer *trainer = NULL;
    rescl_metrics m;
    const rescl_model_options network = {
        .struct_size = sizeof network, .name = "resnet8", .classes = CLASSES, .image_size = SIZE};
    rescl_train_options options;
    rescl_train_options_default(&options);
    options.batch_size = BATCH;

    int failed = rescl_runtime_create(&runtime) != RESCL_OK ||
                 rescl_device_open(runtime, getenv("RESCL_DEVICE"), 0, &device) != RESCL_OK ||
                 rescl_model_create(&network, &model) != RESCL_OK ||
                 rescl_trainer_create(device, model, NULL, NULL, &options, &trainer) != RESCL_OK;
    for (size_t step = 0; step < steps && !failed; step++) {
        make_batch();
        failed = rescl_trainer_set_lr(trainer, 1e-3 / (1.0 + (double)step), 0.0) != RESCL_OK ||
                 rescl_trainer_backward(trainer, &images[0][0][0][0], labels, BATCH, &m) ||
                 clip(trainer, model) != RESCL_OK || rescl_trainer_update(trainer) != RESCL_OK;
        if (!failed)
            printf("step %zu: loss %.4f, accuracy %.0f %%\n", step + 1, m.loss, 100.0 * m.top1);
    }
    if (failed || rescl_trainer_sync_model(trainer) != RESCL_OK) /* for rescl_model_save */
        fprintf(stderr, "own_loop: %s\n", rescl_last_error()->message);
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return failed;
}
