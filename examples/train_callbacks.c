/* Trains with functions that are told of each step and epoch and give the rates, until that is enough or
 * the loss does not fall any more:
 *
 *     train_callbacks [MODEL [DATA [SIZE [SAMPLES]]]]
 *
 * MODEL is written; DATA is what `rescl train --data-path` takes ("handsigns"); 0 samples: all. */
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct watch {
    rescl_trainer *trainer;
    rescl_model *model;
} watch;

/* Returning false ends the run as interrupted; the model has the weights of this step. */
static bool on_step(const rescl_step_event *e, void *user)
{
    (void)user;
    if (e->training)
        printf("step %zu of %zu: loss %.4f\n", e->batch, e->batches, e->step_loss);
    return e->step_loss < 1000.0;
}

static bool on_epoch(const rescl_epoch_event *e, void *user)
{
    watch *w = user;
    rescl_parameter_info last;
    printf("epoch %zu: accuracy %.1f %%\n", e->epoch + 1, 100.0 * e->eval.top1);
    rescl_model_get_parameter_info(w->model, rescl_model_parameter_count(w->model) - 1, &last);
    float *bias = calloc(last.count, sizeof *bias);
    if (bias && rescl_trainer_get_parameter(w->trainer, last.name, bias, last.count) == RESCL_OK)
        printf("%s starts with %+.4f\n", last.name, (double)bias[0]);
    free(bias);
    return e->eval.top1 < 0.95;
}

/* The rate of each epoch, as Keras' LearningRateScheduler asks for it. */
static double on_lr(size_t epoch, double lr, void *user)
{
    (void)user;
    return epoch > 0 && epoch % 4 == 0 ? lr / 2 : lr;
}

int main(int argc, char **argv)
{
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_dataset *train_set = NULL, *eval_set = NULL;
    watch w = {0};
    const rescl_train_callbacks callbacks = {.struct_size = sizeof callbacks,
                                             .on_step = on_step,
                                             .on_epoch = on_epoch,
                                             .user = &w,
                                             .on_lr = on_lr};
    rescl_data_options data = {.struct_size = sizeof data,
                               .path = argc > 2 ? argv[2] : "handsigns",
                               .split = "train",
                               .image_size = argc > 3 ? strtoul(argv[3], NULL, 10) : 64,
                               .samples = argc > 4 ? strtoul(argv[4], NULL, 10) : 0};
    rescl_model_options network = {
        .struct_size = sizeof network, .name = "resnet8", .image_size = data.image_size};
    rescl_train_options options;
    rescl_train_options_default(&options);
    options.epochs = 10;
    options.monitor = "val_loss"; /* which epoch is the best, and what it waits for */
    options.patience = 3;         /* ends when the loss did not fall for 3 epochs, */
    options.restore_best = true;  /* with the weights of the best one */

    const char *file = argc > 1 ? argv[1] : "trained.safetensors";

    int failed = rescl_runtime_create(&runtime) != RESCL_OK ||
                 rescl_device_open(runtime, getenv("RESCL_DEVICE"), 0, &device) != RESCL_OK ||
                 rescl_dataset_open(&data, &train_set) != RESCL_OK;
    data.split = "test";
    network.classes = train_set ? rescl_dataset_classes(train_set) : 0;
    failed = failed || rescl_dataset_open(&data, &eval_set) != RESCL_OK ||
             rescl_model_create(&network, &w.model) != RESCL_OK ||
             rescl_trainer_create(device, w.model, train_set, eval_set, &options, &w.trainer) !=
                 RESCL_OK;
    rescl_status st =
        failed ? rescl_last_error()->status : rescl_trainer_run(w.trainer, &callbacks);
    if (st == RESCL_OK || st == RESCL_ERR_INTERRUPTED)
        st = rescl_model_save(w.model, file);
    if (st != RESCL_OK)
        fprintf(stderr, "train_callbacks: %s\n", rescl_last_error()->message);
    rescl_trainer_destroy(w.trainer);
    rescl_model_destroy(w.model);
    rescl_dataset_close(train_set);
    rescl_dataset_close(eval_set);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return st != RESCL_OK;
}
