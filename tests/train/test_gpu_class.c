/* Training by the implementations for GPUs beside that by those for CPUs, on one device. */
#include "fixtures.h"
#include "testing.h"

#include "error.h"

#include <math.h>
#include <stdlib.h>

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

static bool keep_accuracy(const rescl_epoch_event *e, void *user)
{
    *(double *)user = e->eval.top1;
    return true;
}

static double accuracy_of_resnet8(const char *class)
{
    rescl_dataset *train = rs_test_hands("train", 480, 0), *eval = rs_test_hands("test", 240, 0);
    rescl_model *model = rs_test_model();
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
    options.seed = 11;
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
    assert_true(cpu >= 0.25); /* by chance 0.17 */
    assert_true(fabs(cpu - gpu) <= 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet8_learns_as_on_a_cpu),
    };
    return rs_test_group("gpu_class", tests, RS_COUNT(tests), NULL, NULL);
}
