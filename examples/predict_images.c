/* Loads a model and says what it sees in images:
 *
 *     predict_images MODEL.safetensors IMAGE...
 *
 * MODEL is a file that rescl wrote (`rescl train`, rescl_model_save); images are PNG or JPEG of any
 * size. RESCL_DEVICE names the device; without it the fastest is taken. */
#include <rescl/rescl.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what)
{
    fprintf(stderr, "predict_images: %s: %s\n", what, rescl_last_error()->message);
    return 1;
}

/* One image at a time; a predictor of a larger batch size takes several, and is faster for them. */
static int predict(const rescl_model *model, rescl_predictor *predictor, const char *path)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    float *probs = calloc(info.classes, sizeof *probs);
    rescl_image image = {0};
    int failed = !probs;

    if (failed)
        fprintf(stderr, "predict_images: out of memory\n");
    else if (rescl_image_read(path, &image) != RESCL_OK ||
             rescl_predictor_run(predictor, &image, 1, probs) != RESCL_OK)
        failed = complain(path);
    if (!failed) {
        size_t best = 0;
        for (size_t k = 1; k < info.classes; k++)
            best = probs[k] > probs[best] ? k : best;
        printf("%s: %s (%.1f %%)\n", path, rescl_model_class_name(model, best),
               100.0 * (double)probs[best]);
    }
    rescl_image_free(&image);
    free(probs);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: predict_images MODEL.safetensors IMAGE...\n");
        return 2;
    }
    rescl_runtime *runtime = NULL;
    rescl_device *device = NULL;
    rescl_model *model = NULL;
    rescl_predictor *predictor = NULL;
    int failed = 0;

    if (rescl_runtime_create(&runtime) != RESCL_OK ||
        rescl_device_open(runtime, getenv("RESCL_DEVICE"), 0, &device) != RESCL_OK ||
        rescl_model_load(argv[1], &model) != RESCL_OK ||
        rescl_predictor_create(device, model, 1, &predictor) != RESCL_OK)
        failed = complain("getting ready");
    for (int i = 2; i < argc && !failed; i++)
        failed = predict(model, predictor, argv[i]);

    /* What was made last goes first; NULL is legal. */
    rescl_predictor_destroy(predictor);
    rescl_model_destroy(model);
    rescl_device_close(device);
    rescl_runtime_destroy(runtime);
    return failed;
}
