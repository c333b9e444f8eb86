/* Grad-CAM against PyTorch's, and as the library gives it. */
#include "testing.h"

#include "fixtures.h"
#include "golden.h"
#include "rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The golden batch as bytes. */
static rescl_image *images_of(const golden *g)
{
    const size_t count = g->size * g->size * 3;
    rescl_image *image = calloc(g->batch, sizeof *image);
    assert_non_null(image);
    for (size_t i = 0; i < g->batch; i++) {
        image[i] = (rescl_image){.width = g->size, .height = g->size, .pixels = malloc(count)};
        assert_non_null(image[i].pixels);
        for (size_t k = 0; k < count; k++)
            image[i].pixels[k] = (uint8_t)lrint(255.0 * (double)g->pixels[i * count + k]);
    }
    return image;
}

static void check_maps(const golden *g, rescl_predictor *p, const double *want)
{
    size_t h, w;
    float map[64];
    double scale = 0;
    assert_ok(rescl_predictor_saliency_size(p, &h, &w));
    assert_in_range(h * w, 1, 64);
    for (size_t i = 0; i < g->batch * g->classes * h * w; i++)
        scale = fmax(scale, want[i]);
    assert_true(scale > 0);
    for (size_t i = 0; i < g->batch; i++)
        for (size_t k = 0; k < g->classes; k++, want += h * w) {
            if (k != i && k != g->classes - 1) /* two of each image are enough */
                continue;
            assert_ok(rescl_predictor_saliency(p, i, k, map));
            for (size_t j = 0; j < h * w; j++)
                if (!(fabs((double)map[j] - want[j]) < 1e-4 * scale))
                    fail_msg("%s, image %zu, class %zu, place %zu: %.7g, expected %.7g",
                             g->model->name, i, k, j, (double)map[j], want[j]);
        }
}

static void equals_pytorch(void **state)
{
    (void)state;
    static const char *const models[] = {"resnet8", "resnet50_signs", "resnet50_keras", "resnet50"};
    rs_st_file *file = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/gradcam.safetensors", RESCL_TEST_SOURCE_DIR);
    assert_ok(rs_st_open(path, &file));
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        golden g;
        rescl_predictor *p = NULL;
        char name[64];
        size_t count;
        golden_open(models[m], &g);
        rescl_image *image = images_of(&g);
        float *probs = calloc(g.batch * g.classes, sizeof *probs);
        assert_non_null(probs);
        snprintf(name, sizeof name, "%s.map", models[m]);
        double *want = golden_numbers(file, name, &count);
        assert_ok(rescl_predictor_create(rs_test_device(), g.model, g.batch, &p));
        assert_ok(rescl_predictor_run(p, image, g.batch, probs));
        check_maps(&g, p, want);
        rescl_predictor_destroy(p);
        for (size_t i = 0; i < g.batch; i++)
            rescl_image_free(&image[i]);
        free(image);
        free(probs);
        free(want);
        golden_close(&g);
    }
    rs_st_close(file);
}

/* Keras' weights of ImageNet and real photos: the maps of the classes that they are taken for. */
static void explains_real_photos(void **state)
{
    (void)state;
    enum { PHOTOS = 3, PLACES = 49, CLASSES = 1000 };
    static const char weights_name[] = "resnet50_weights_tf_dim_ordering_tf_kernels.h5";
    static const char *const photos[PHOTOS] = {"0003.png", "0011.png", "0019.png"};
    const char *data = rs_test_data_dir("ImageNet weights of Keras");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/resnet50-imagenet", data ? data : "");
    if (!data || access(rs_test_path("%s/%s", folder, weights_name), R_OK) != 0) {
        skip();
        return;
    }
    const rescl_model_options options = {.struct_size = sizeof options, .name = "resnet50_keras"};
    rescl_weights *w = NULL;
    rescl_model *model = NULL;
    rescl_predictor *p = NULL;
    rescl_image image[PHOTOS] = {0};
    rs_st_file *file = NULL;
    size_t count;
    float map[PLACES], *probs = calloc((size_t)PHOTOS * CLASSES, sizeof *probs);
    assert_non_null(probs);
    assert_ok(rs_st_open(
        rs_test_path("%s/tests/golden/gradcam_imagenet.safetensors", RESCL_TEST_SOURCE_DIR),
        &file));
    double *want = golden_numbers(file, "map", &count),
           *class = golden_numbers(file, "class", &count);
    assert_ok(rescl_weights_open(rs_test_path("%s/%s", folder, weights_name), &w));
    assert_ok(rescl_weights_create_model(w, &options, RESCL_LOAD_STRICT, NULL, &model));
    for (size_t i = 0; i < PHOTOS; i++)
        assert_ok(rescl_image_read(rs_test_path("%s/images/%s", folder, photos[i]), &image[i]));
    assert_ok(rescl_predictor_create(rs_test_device(), model, PHOTOS, &p));
    assert_ok(rescl_predictor_run(p, image, PHOTOS, probs));
    for (size_t i = 0; i < PHOTOS; i++) {
        double largest = 0, gap = 0;
        assert_ok(rescl_predictor_saliency(p, i, (size_t) class[i], map));
        for (size_t k = 0; k < PLACES; k++) {
            largest = fmax(largest, want[i * PLACES + k]);
            gap = fmax(gap, fabs((double)map[k] - want[i * PLACES + k]));
        }
        print_message("%s: the map is within %.1e of PyTorch's\n", photos[i], gap / largest);
        assert_true(gap < 1e-3 * largest);
        rescl_image_free(&image[i]);
    }
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
    rescl_weights_close(w);
    rs_st_close(file);
    free(want);
    free(class);
    free(probs);
}

static void explains_the_last_prediction_only(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    uint8_t pixels[TEST_SIZE * TEST_SIZE * 3];
    const rescl_image image = {.width = TEST_SIZE, .height = TEST_SIZE, .pixels = pixels};
    const rescl_image two[2] = {image, image};
    float map[64], other[64], probs[2 * 6];
    const char *layer = NULL;
    size_t h, w;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i / 5);
    assert_ok(rescl_predictor_create(rs_test_device(), model, 3, &p));
    assert_ok(rescl_predictor_saliency_size(p, &h, &w));
    assert_int_equal(h, TEST_SIZE / 2); /* the last map is 4x4 */
    assert_int_equal(w, TEST_SIZE / 2);
    assert_ok(rescl_predictor_saliency_layer(p, &layer));
    assert_non_null(strstr(layer, "2"));
    assert_fails(rescl_predictor_saliency(p, 0, 0, map), RESCL_ERR_ARG, "image 0", "was of 0");
    assert_ok(rescl_predictor_run(p, two, 2, probs));
    assert_ok(rescl_predictor_saliency(p, 0, 5, map));
    assert_ok(rescl_predictor_saliency(p, 1, 5, other));
    assert_memory_equal(map, other, h * w * sizeof *map);
    assert_fails(rescl_predictor_saliency(p, 2, 0, map), RESCL_ERR_ARG, "image 2", "was of 2");
    assert_fails(rescl_predictor_saliency(p, 0, 6, map), RESCL_ERR_ARG, "class 6");
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

/* An image with margins: they are gray, and the map lies on the middle. */
static void lays_the_map_on_what_is_seen(void **state)
{
    (void)state;
    enum { WIDE = 3 * TEST_SIZE };
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    uint8_t pixels[WIDE * TEST_SIZE * 3];
    const rescl_image image = {.width = WIDE, .height = TEST_SIZE, .pixels = pixels}, none = {0};
    float map[64] = {0};
    rescl_image out;
    memset(pixels, 100, sizeof pixels);
    assert_ok(rescl_predictor_create(rs_test_device(), model, 1, &p));
    map[7] = 2.0f; /* of 8x8: the right corner at the top */
    assert_ok(rescl_predictor_saliency_overlay(p, &image, map, &out));
    assert_int_equal(out.width, WIDE);
    assert_int_equal(out.height, TEST_SIZE);
    for (size_t x = 0; x < WIDE; x++) {
        const uint8_t *pixel = out.pixels + x * 3;
        const bool gray = pixel[0] == pixel[1] && pixel[1] == pixel[2];
        assert_int_equal(gray, x < TEST_SIZE || x >= 2 * TEST_SIZE);
        assert_true(pixel[1] <= out.pixels[(2 * TEST_SIZE - 1) * 3 + 1]);
    }
    rescl_image_free(&out);
    assert_fails(rescl_predictor_saliency_overlay(p, &none, map, &out), RESCL_ERR_ARG, "empty");
    assert_null(out.pixels);
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

/* Where no stage has a map that says anything, that is said. */
static void refuses_small_maps(void **state)
{
    (void)state;
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet18", .classes = 6, .image_size = 16};
    rescl_model *model = NULL;
    rescl_predictor *p = NULL;
    size_t h, w;
    assert_ok(rescl_model_create(&o, &model));
    assert_ok(rescl_predictor_create(rs_test_device(), model, 1, &p));
    assert_fails(rescl_predictor_saliency_size(p, &h, &w), RESCL_ERR_UNSUPPORTED, "7x7", "16x16",
                 "larger input");
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(explains_real_photos),
        cmocka_unit_test(explains_the_last_prediction_only),
        cmocka_unit_test(lays_the_map_on_what_is_seen),
        cmocka_unit_test(refuses_small_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
