/* Trains on images that the program made itself, and evaluates on others:
 *
 *     train_arrays [EPOCHS]      5 unless told
 *
 * Arrays of bytes and labels, from a camera or another library, are a dataset like any other. */
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 16, IMAGES = 96, CLASSES = 2 };

static uint8_t train_pixels[IMAGES][SIZE][SIZE][3], eval_pixels[IMAGES][SIZE][SIZE][3];
static int32_t train_labels[IMAGES], eval_labels[IMAGES];

/* Gray noise, with stripes across or down. */
static void draw(uint8_t pixels[IMAGES][SIZE][SIZE][3], int32_t labels[IMAGES])
{
    for (int i = 0; i < IMAGES; i++) {
        labels[i] = i % CLASSES;
        for (int y = 0; y < SIZE; y++)
            for (int x = 0; x < SIZE; x++)
                for (int c = 0; c < 3; c++)
                    pixels[i][y][x][c] = (uint8_t)(rand() % 128 + (labels[i] ? x : y) / 2 % 2 * 99);
    }
}

static rescl_status make_set(uint8_t pixels[IMAGES][SIZE][SIZE][3], const int32_t *labels,
                             rescl_dataset **out)
{
    static const char *const names[CLASSES] = {"across", "down"};
    const rescl_data_arrays arrays = {.struct_size = sizeof arrays,
                                      .images = &pixels[0][0][0][0],
                                      .labels = labels,
                                      .count = IMAGES,
                                      .height = SIZE,
                                      .width = SIZE,
                                      .classes = CLASSES,
                                      .class_names = names};
    return rescl_dataset_from_arrays(&arrays, out); /* borrows the pixels until it is closed */
}

int main(int argc, char **argv)
{
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_dataset *train_set = NULL, *eval_set = NULL;
    rescl_model *model = NULL;
    rescl_trainer *trainer = NULL;
    rescl_metrics metrics;
    const rescl_model_options network = {
        .struct_size = sizeof network, .name = "resnet8", .classes = CLASSES, .image_size = SIZE};
    rescl_train_options options;

    rescl_train_options_default(&options);
    options.epochs = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    options.batch_size = 16;
    draw(train_pixels, train_labels);
    draw(eval_pixels, eval_labels);
    int failed =
        rescl_runtime_create(&runtime) != RESCL_OK ||
        rescl_device_open(runtime, getenv("RESCL_DEVICE"), 0, &device) != RESCL_OK ||
        make_set(train_pixels, train_labels, &train_set) != RESCL_OK ||
        make_set(eval_pixels, eval_labels, &eval_set) != RESCL_OK ||
        rescl_model_create(&network, &model) != RESCL_OK ||
        rescl_trainer_create(device, model, train_set, NULL, &options, &trainer) != RESCL_OK ||
        rescl_trainer_run(trainer, NULL) != RESCL_OK ||
        rescl_evaluate(device, model, eval_set, 16, 1, NULL, &metrics) != RESCL_OK;
    if (failed)
        fprintf(stderr, "train_arrays: %s\n", rescl_last_error()->message);
    else
        printf("loss %.3f, accuracy %.1f %%\n", metrics.loss, 100.0 * metrics.top1);
    rescl_trainer_destroy(trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train_set);
    rescl_dataset_close(eval_set);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return failed;
}
