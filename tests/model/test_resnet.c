/* The residual networks against their published sizes, and those of each kind against PyTorch
 * (tests/golden); test_resnet_family.c has the others. */
#include "error.h"
#include "golden.h"
#include "testing.h"

#include <math.h>
#include <string.h>

#define MODEL(...)                                                                                 \
    &(rescl_model_options)                                                                         \
    {                                                                                              \
        .struct_size = sizeof(rescl_model_options), __VA_ARGS__                                    \
    }

/* ---- sizes ------------------------------------------------------------------------------- */

static bool find_layer(const rescl_model *m, const char *name, rescl_layer_info *out)
{
    for (size_t i = 0; rescl_model_get_layer_info(m, i, out); i++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

static void assert_layer(const rescl_model *m, const char *name, const char *type, size_t edge,
                         size_t channels)
{
    rescl_layer_info l;
    if (!find_layer(m, name, &l))
        fail_msg("there is no layer '%s'", name);
    assert_string_equal(l.type, type);
    assert_int_equal(l.ndim, 3);
    assert_int_equal(l.shape[0], edge);
    assert_int_equal(l.shape[1], edge);
    assert_int_equal(l.shape[2], channels);
}

static rescl_model *make(const char *name, size_t classes)
{
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(MODEL(.name = name, .classes = classes), &m));
    return m;
}

static void assert_size(const rescl_model *m, size_t params, size_t trainable)
{
    rescl_model_info info;
    rescl_layer_info layer;
    size_t sum = 0, sum_trainable = 0;
    rescl_model_get_info(m, &info);
    assert_int_equal(info.params, params);
    assert_int_equal(info.trainable, trainable);
    for (size_t i = 0; rescl_model_get_layer_info(m, i, &layer); i++) {
        sum += layer.params;
        sum_trainable += layer.trainable;
    }
    assert_int_equal(sum, params);
    assert_int_equal(sum_trainable, trainable);
}

static void resnet50_signs_has_its_sizes(void **state)
{
    rescl_model *m = make("resnet50_signs", 6);
    (void)state;
    assert_size(m, 23600006, 23546886);
    assert_layer(m, "pool1", "MaxPooling2D", 15, 64);
    assert_layer(m, "res3a_branch2a", "Conv2D", 8, 128);
    assert_layer(m, "res3a_branch1", "Conv2D", 8, 512);
    assert_layer(m, "avg_pool", "AveragePooling2D", 1, 2048);
    rescl_model_destroy(m);
}

static void resnet50_keras_has_its_sizes(void **state)
{
    rescl_model *m = make("resnet50_keras", 0);
    (void)state;
    assert_size(m, 25636712, 25583592);
    assert_layer(m, "pool1", "MaxPooling2D", 56, 64);
    assert_layer(m, "res3a_branch2a", "Conv2D", 28, 128); /* stride on the first 1x1 */
    rescl_model_destroy(m);
}

static void resnet50_has_its_sizes(void **state)
{
    rescl_model *m = make("resnet50", 0);
    rescl_model_info info;
    rescl_layer_info l;
    (void)state;
    /* torchvision counts parameters without the 53120 running statistics. */
    assert_size(m, 25557032 + 53120, 25557032);
    assert_layer(m, "maxpool", "MaxPooling2D", 56, 64);
    assert_layer(m, "layer2.0.conv1", "Conv2D", 56, 128);
    assert_layer(m, "layer2.0.conv2", "Conv2D", 28, 128); /* stride on the 3x3 */
    assert_layer(m, "layer2.0.downsample.0", "Conv2D", 28, 512);
    assert_true(find_layer(m, "layer1.0.add", &l));
    assert_string_equal(l.inputs[0], "layer1.0.bn3");
    assert_string_equal(l.inputs[1], "layer1.0.downsample.1");
    assert_true(find_layer(m, "fc", &l));
    assert_int_equal(l.params, 2048 * 1000 + 1000);
    rescl_model_get_info(m, &info);
    assert_true(info.macs == 4089184256.0); /* of the convolutions and the dense layer */
    rescl_model_destroy(m);
}

/* torchvision 0.14 and Keras 3.15 count so; of resnet18_keras and 34, Keras' ResNet with stacks of
 * basic blocks. The CIFAR ones are those of github.com/akamaster/pytorch_resnet_cifar10, rounded to
 * 0.27, 0.46, 0.66, 0.85 and 1.7 M in the paper. torch counts no running statistics. */
static void the_family_has_its_sizes(void **state)
{
    static const struct {
        const char *name;
        size_t trainable, statistics;
    } sizes[] = {
        {"resnet18", 11689512, 9600},
        {"resnet34", 21797672, 17024},
        {"resnet50", 25557032, 53120},
        {"resnet101", 44549160, 105344},
        {"resnet152", 60192808, 151424},
        {"wide_resnet50_2", 68883240, 68224},
        {"wide_resnet101_2", 126886696, 137856},
        {"resnext50_32x4d", 25028904, 68224},
        {"resnext101_32x8d", 88791336, 202880},
        {"resnext101_64x4d", 83455272, 202880},
        {"resnet18_keras", 11694312, 9600},
        {"resnet34_keras", 21806184, 17024},
        {"resnet50_keras", 25583592, 53120},
        {"resnet101_keras", 44601832, 105344},
        {"resnet152_keras", 60268520, 151424},
        {"resnet20", 269722, 1376},
        {"resnet32", 464154, 2272},
        {"resnet44", 658586, 3168},
        {"resnet56", 853018, 4064},
        {"resnet110", 1727962, 8096},
    };
    (void)state;
    for (size_t i = 0; i < RS_COUNT(sizes); i++) {
        rescl_model *m = NULL;
        print_message("%s\n", sizes[i].name);
        assert_ok(rs_model_build(MODEL(.name = sizes[i].name), &m));
        assert_size(m, sizes[i].trainable + sizes[i].statistics, sizes[i].trainable);
        rescl_model_destroy(m);
    }
}

static void resnext50_has_its_layers(void **state)
{
    rescl_model *m = make("resnext50_32x4d", 0);
    rescl_layer_info l;
    (void)state;
    assert_layer(m, "layer1.0.conv1", "Conv2D", 56, 128);
    assert_layer(m, "layer1.0.conv2", "Conv2D", 56, 128);
    assert_layer(m, "layer1.0.conv3", "Conv2D", 56, 256);
    assert_layer(m, "layer4.2.conv2", "Conv2D", 7, 1024);
    assert_true(find_layer(m, "layer4.2.conv2", &l));
    assert_int_equal(l.params, 9 * 32 * 1024);
    assert_true(l.macs == 49.0 * 9 * 32 * 1024);
    rescl_model_destroy(m);
}

/* The names are those of keras.applications.ResNet101, whose weights have no others. */
static void resnet101_keras_has_its_names(void **state)
{
    rescl_model *m = make("resnet101_keras", 0);
    rescl_layer_info l;
    (void)state;
    assert_layer(m, "conv1_conv", "Conv2D", 112, 64);
    assert_layer(m, "pool1_pool", "MaxPooling2D", 56, 64);
    assert_layer(m, "conv4_block23_3_bn", "BatchNormalization", 14, 1024);
    assert_layer(m, "conv3_block1_1_conv", "Conv2D", 28, 128); /* stride on the first 1x1 */
    assert_true(find_layer(m, "conv2_block1_add", &l));
    assert_string_equal(l.inputs[0], "conv2_block1_3_bn");
    assert_string_equal(l.inputs[1], "conv2_block1_0_bn");
    assert_true(find_layer(m, "conv2_block1_out", &l));
    assert_true(find_layer(m, "predictions", &l));
    assert_int_equal(l.params, 2048 * 1000 + 1000);
    rescl_model_destroy(m);
}

static void resnet20_has_its_layers(void **state)
{
    rescl_model *m = make("resnet20", 0);
    rescl_layer_info l;
    (void)state;
    assert_layer(m, "conv1", "Conv2D", 32, 16);
    assert_layer(m, "layer2.0.shortcut", "Shortcut", 16, 32);
    assert_true(find_layer(m, "layer2.0.add", &l));
    assert_string_equal(l.inputs[0], "layer2.0.bn2");
    assert_string_equal(l.inputs[1], "layer2.0.shortcut");
    assert_layer(m, "layer3.2.conv2", "Conv2D", 8, 64);
    rescl_model_destroy(m);
}

/* What lies behind an older caller's struct is not looked at; what a newer one sets is refused. */
static void serves_callers_of_other_versions(void **state)
{
    (void)state;
    struct {
        rescl_model_options o;
        size_t added;
    } caller;
    rescl_model *m = NULL;
    rescl_model_info info;

    memset(&caller, 0xff, sizeof caller);
    rescl_model_options_init(&caller.o, offsetof(rescl_model_options, hidden));
    caller.o.name = "resnet8";
    caller.o.classes = 3;
    assert_ok(rescl_model_create(&caller.o, &m));
    rescl_model_get_info(m, &info);
    assert_int_equal(info.classes, 3);
    assert_int_equal(info.hidden, 0);
    rescl_model_destroy(m);

    rescl_model_options_init(&caller.o, sizeof caller);
    caller.o.name = "resnet8";
    assert_ok(rescl_model_create(&caller.o, &m));
    rescl_model_destroy(m);
    caller.added = 1;
    assert_fails(rescl_model_create(&caller.o, &m), RESCL_ERR_UNSUPPORTED, "rescl_model_options");
    assert_fails(rescl_model_create(&(rescl_model_options){.name = "resnet8"}, &m), RESCL_ERR_ARG,
                 "rescl_model_options_default");
}

static void refuses_what_it_cannot_build(void **state)
{
    rescl_model *m = NULL;
    (void)state;
    assert_fails(rescl_model_create(MODEL(.name = "resnet50_keas"), &m), RESCL_ERR_NOT_FOUND,
                 "resnet50_keas", "did you mean 'resnet50_keras'");
    assert_fails(rescl_model_create(MODEL(.name = NULL), &m), RESCL_ERR_ARG, "no model");
    assert_fails(rescl_model_create(MODEL(.name = "resnet50_signs", .image_size = 32), &m),
                 RESCL_ERR_SHAPE, "resnet50_signs at 32x32", "avg_pool");
    assert_fails(rescl_model_create(MODEL(.name = "resnet8", .image_size = 7), &m), RESCL_ERR_ARG,
                 "image size 7");
    assert_fails(rescl_model_create(MODEL(.name = "resnet8", .classes = 1000001), &m),
                 RESCL_ERR_ARG, "classes 1000001");
    assert_fails(rescl_model_create(MODEL(.name = "resnet8", .dropout = 1.0), &m), RESCL_ERR_ARG,
                 "dropout 1");
    assert_fails(rescl_model_create(MODEL(.name = "resnet8", .label_smoothing = NAN), &m),
                 RESCL_ERR_ARG, "label smoothing");
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet50_signs_has_its_sizes),
        cmocka_unit_test(resnet50_keras_has_its_sizes),
        cmocka_unit_test(resnet50_has_its_sizes),
        cmocka_unit_test(the_family_has_its_sizes),
        cmocka_unit_test(resnext50_has_its_layers),
        cmocka_unit_test(resnet101_keras_has_its_names),
        cmocka_unit_test(resnet20_has_its_layers),
        cmocka_unit_test(serves_callers_of_other_versions),
        cmocka_unit_test(refuses_what_it_cannot_build),
        GOLDEN_TEST("resnet8"),
        GOLDEN_TEST("resnet20"),
        GOLDEN_TEST("resnet18"),
        GOLDEN_TEST("resnet50"),
        GOLDEN_TEST("resnet50_keras"),
        GOLDEN_TEST("resnext50_32x4d"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
