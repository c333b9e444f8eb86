/* Evaluation and prediction, and two device types against each other. */
#include "error.h"
#include "testing.h"
#include "train_support.h"
#include "views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 6

static bool tell_count(const rescl_step_event *e, void *user)
{
    assert_false(e->training);
    assert_int_equal(e->batches, 2);
    assert_int_equal(e->batch, ++*(size_t *)user);
    return true;
}

/* A model after one epoch; the last evaluation goes to *reported. */
static rescl_model *trained(const char *dir, rescl_metrics *reported)
{
    train_run r = {.options = train_options(dir)};
    rescl_model *m = NULL;
    r.options.epochs = 1;
    train_do(&r);
    assert_ok(r.status);
    *reported = r.last_epoch.eval;
    assert_ok(rescl_model_load(rs_test_path("%s/weights/last.safetensors", dir), &m));
    return m;
}

static void repeats_what_training_reported(void **state)
{
    (void)state;
    char *dir = rs_test_dir_make();
    rescl_metrics reported, m;
    rescl_model *model = trained(dir, &reported);
    rescl_dataset *set = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    size_t steps = 0;
    const rescl_train_callbacks count = {
        .struct_size = sizeof count, .on_step = tell_count, .user = &steps};
    assert_ok(rescl_evaluate(rs_test_device(), model, set, TEST_BATCH, 1, &count, &m));
    assert_int_equal(steps, 2);
    assert_int_equal(m.samples, reported.samples);
    assert_true(m.loss == reported.loss && m.top1 == reported.top1 && m.top5 == reported.top5);
    assert_ok(rescl_evaluate(rs_test_device(), model, set, 7, 0, NULL, &m));
    assert_true(m.top1 == reported.top1);
    assert_true(fabs(m.loss - reported.loss) < 1e-5);
    assert_fails(rescl_evaluate(rs_test_device(), model, set, 0, 0, NULL, &m), RESCL_ERR_ARG,
                 "batch");
    rescl_dataset_close(set);
    rescl_model_destroy(model);
    rs_test_dir_remove(dir);
}

/* Image by image, in the dataset's order, and again by the same call. */
static void scores_each_image(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_dataset *set = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_scores *scores = NULL, *other = NULL;
    rescl_train_callbacks callbacks;
    rescl_scores_summary all;
    rescl_image_scores one;
    rescl_metrics m;
    rescl_train_callbacks_default(&callbacks);
    assert_ok(rescl_scores_create(CLASSES, &scores));
    assert_ok(rescl_scores_create(CLASSES + 1, &other));
    callbacks.scores = scores;
    for (int again = 0; again < 2; again++) {
        assert_ok(rescl_evaluate(rs_test_device(), model, set, TEST_BATCH, 1, &callbacks, &m));
        assert_int_equal(rescl_scores_images(scores), TEST_EVAL_SAMPLES);
        assert_ok(rescl_scores_summarise(scores, &all));
        assert_true(fabs(all.top1 - m.top1) < 1e-12 && fabs(all.loss - m.loss) < 1e-9);
    }
    for (size_t i = 0; rescl_scores_image(scores, i, &one); i++) {
        rescl_image image = {0};
        int32_t label;
        assert_ok(rescl_dataset_get(set, i, &image, &label));
        assert_int_equal(one.sample, i);
        assert_int_equal(one.label, label);
        assert_true(fabs(-log(one.label_probability) - one.loss) < 1e-4);
        rescl_image_free(&image);
    }
    callbacks.scores = other;
    assert_fails(rescl_evaluate(rs_test_device(), model, set, TEST_BATCH, 1, &callbacks, &m),
                 RESCL_ERR_ARG, "7 classes", "of 6");
    rescl_scores_destroy(scores);
    rescl_scores_destroy(other);
    rescl_dataset_close(set);
    rescl_model_destroy(model);
}

static size_t best_class(const float *p)
{
    size_t best = 0;
    double sum = 0.0;
    for (size_t k = 0; k < CLASSES; k++) {
        assert_true(p[k] >= 0.0f && p[k] <= 1.0f);
        sum += (double)p[k];
        best = p[k] > p[best] ? k : best;
    }
    assert_true(fabs(sum - 1.0) < 1e-5);
    return best;
}

static void predicts_as_it_evaluates(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_dataset *set = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_predictor *p = NULL;
    rescl_image image[TEST_EVAL_SAMPLES] = {0};
    int32_t label[TEST_EVAL_SAMPLES];
    float probs[TEST_EVAL_SAMPLES * CLASSES], single[CLASSES];
    rescl_metrics m;
    size_t right = 0;
    assert_ok(rescl_predictor_create(rs_test_device(), model, TEST_EVAL_SAMPLES + 3, &p));
    for (size_t i = 0; i < TEST_EVAL_SAMPLES; i++)
        assert_ok(rescl_dataset_get(set, i, &image[i], &label[i]));
    assert_ok(rescl_predictor_run(p, image, TEST_EVAL_SAMPLES, probs));
    for (size_t i = 0; i < TEST_EVAL_SAMPLES; i++)
        right += best_class(probs + i * CLASSES) == (size_t)label[i];
    assert_ok(rescl_evaluate(rs_test_device(), model, set, TEST_BATCH, 0, NULL, &m));
    assert_true(fabs(m.top1 - (double)right / TEST_EVAL_SAMPLES) < 1e-12);
    assert_ok(rescl_predictor_run(p, &image[5], 1, single)); /* alone or among others */
    for (size_t k = 0; k < CLASSES; k++)
        assert_true(fabsf(single[k] - probs[5 * CLASSES + k]) < 1e-6f);
    assert_ok(rescl_predictor_run(p, NULL, 0, NULL));
    assert_fails(rescl_predictor_run(p, image, TEST_EVAL_SAMPLES + 4, probs), RESCL_ERR_ARG,
                 "24 images", "23");
    for (size_t i = 0; i < TEST_EVAL_SAMPLES; i++)
        rescl_image_free(&image[i]);
    rescl_predictor_destroy(p);
    rescl_predictor_destroy(NULL);
    rescl_dataset_close(set);
    rescl_model_destroy(model);
}

/* Averages over an image and its mirror image, or ten crops, are those of their predictions one by one,
 * and evaluation counts them so. */
static void averages_over_views(void **state)
{
    enum { SIDE = TEST_SIZE + 4 };
    static const rescl_tta kinds[] = {RESCL_TTA_FLIP, RESCL_TTA_TEN_CROP};
    (void)state;
    for (size_t t = 0; t < RS_COUNT(kinds); t++) {
        rescl_model *model = rs_test_model();
        rescl_dataset *set = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
        const size_t views = rs_views_count(kinds[t]);
        rescl_predictor *plain = NULL, *p = NULL;
        uint8_t pixels[RS_VIEWS_MOST][TEST_SIZE * TEST_SIZE * 3];
        rescl_image input[RS_VIEWS_MOST], image[3] = {0};
        float each[RS_VIEWS_MOST * CLASSES], probs[3 * CLASSES];
        rescl_model_info info;
        rescl_metrics m, alone;
        int32_t label;
        assert_ok(rescl_predictor_create(rs_test_device(), model, RS_VIEWS_MOST, &plain));
        assert_fails(rescl_model_set_tta(model, RESCL_TTA_TEN_CROP), RESCL_ERR_ARG, "ten_crop",
                     "more");
        if (kinds[t] == RESCL_TTA_TEN_CROP)
            assert_ok(rescl_model_set_resize(
                model, &(rescl_resize){.resize_size = SIDE, .keep_exact = true}));
        assert_ok(rescl_model_set_tta(model, kinds[t]));
        rescl_model_get_info(model, &info);
        assert_ok(rescl_predictor_create(rs_test_device(), model, 4, &p));
        for (size_t i = 0; i < RS_COUNT(image); i++)
            assert_ok(rescl_dataset_get(set, i, &image[i], &label));
        assert_ok(rescl_predictor_run(p, image, RS_COUNT(image), probs));
        assert_ok(rs_views_make(&image[2], kinds[t], TEST_SIZE, TEST_SIZE, &info.resize,
                                RESCL_PREPROCESS_UNIT, pixels[0], sizeof pixels[0]));
        for (size_t v = 0; v < views; v++)
            input[v] = (rescl_image){.width = TEST_SIZE, .height = TEST_SIZE, .pixels = pixels[v]};
        assert_ok(rescl_predictor_run(plain, input, views, each));
        for (size_t k = 0; k < CLASSES; k++) {
            double mean = 0;
            for (size_t v = 0; v < views; v++)
                mean += (double)each[v * CLASSES + k] / (double)views;
            assert_true(fabs(mean - (double)probs[2 * CLASSES + k]) < 1e-5);
        }
        assert_ok(rescl_evaluate(rs_test_device(), model, set, TEST_BATCH, 2, NULL, &m));
        assert_int_equal(m.samples, TEST_EVAL_SAMPLES);
        assert_ok(rescl_evaluate(rs_test_device(), model, set, 1, 0, NULL, &alone));
        assert_true(alone.top1 == m.top1 && fabs(alone.loss - m.loss) < 1e-5);
        double loss = 0;
        for (size_t i = 0; i < TEST_EVAL_SAMPLES; i++) {
            rescl_image_free(&image[0]);
            assert_ok(rescl_dataset_get(set, i, &image[0], &label));
            assert_ok(rescl_predictor_run(p, image, 1, probs));
            loss -= log((double)probs[label]) / TEST_EVAL_SAMPLES;
        }
        assert_true(fabs(loss - m.loss) < 1e-4);
        for (size_t i = 0; i < RS_COUNT(image); i++)
            rescl_image_free(&image[i]);
        rescl_predictor_destroy(plain);
        rescl_predictor_destroy(p);
        rescl_dataset_close(set);
        rescl_model_destroy(model);
    }
}

static void takes_images_of_any_shape(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    float probs[CLASSES];
    static const size_t shapes[][2] = {{1, 1}, {640, 3}, {3, 200}, {TEST_SIZE, TEST_SIZE}};
    assert_ok(rescl_predictor_create(rs_test_device(), model, 1, &p));
    for (size_t i = 0; i < 4; i++) {
        const size_t w = shapes[i][0], h = shapes[i][1];
        rescl_image image = {.width = w, .height = h, .pixels = calloc(w * h, 3)};
        assert_non_null(image.pixels);
        assert_ok(rescl_predictor_run(p, &image, 1, probs));
        (void)best_class(probs);
        rescl_image_free(&image);
    }
    assert_fails(rescl_predictor_create(rs_test_device(), model, 0, &p), RESCL_ERR_ARG, "batch");
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

/* The middle of an image, with margins that the crop takes away. */
static void fits_images_as_the_model_says(void **state)
{
    (void)state;
    enum { MARGIN = 4, WIDE = TEST_SIZE + 2 * MARGIN };
    rescl_model *model = rs_test_model();
    rescl_predictor *p = NULL;
    rescl_model_info info;
    uint8_t pixels[WIDE * WIDE * 3], middle[TEST_SIZE * TEST_SIZE * 3];
    const rescl_image whole = {.width = WIDE, .height = WIDE, .pixels = pixels},
                      cut = {.width = TEST_SIZE, .height = TEST_SIZE, .pixels = middle};
    const rescl_resize resize = {.resize_size = WIDE}, small = {.resize_size = TEST_SIZE - 1};
    const rescl_resize strange = {.interpolation = (rescl_interpolation)3};
    float want[CLASSES], plain[CLASSES], got[CLASSES];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7 + i / 100);
    for (size_t y = 0; y < TEST_SIZE; y++)
        memcpy(middle + y * TEST_SIZE * 3, pixels + ((y + MARGIN) * WIDE + MARGIN) * 3,
               (size_t)TEST_SIZE * 3);
    assert_ok(rescl_predictor_create(rs_test_device(), model, 1, &p));
    assert_ok(rescl_predictor_run(p, &cut, 1, want));
    assert_ok(rescl_predictor_run(p, &whole, 1, plain));
    assert_memory_not_equal(plain, want, sizeof want);
    assert_fails(rescl_model_set_resize(model, &small), RESCL_ERR_ARG, "15", "at least 16");
    assert_fails(rescl_model_set_resize(model, &strange), RESCL_ERR_ARG, "number 3");
    assert_ok(rescl_model_set_resize(model, &resize));
    rescl_model_get_info(model, &info);
    assert_int_equal(info.resize.resize_size, WIDE);
    assert_ok(rescl_predictor_run(p, &whole, 1, got));
    assert_memory_equal(got, want, sizeof want);
    rescl_predictor_destroy(p);
    rescl_model_destroy(model);
}

/* ---- two device types -------------------------------------------------------------------- */

typedef struct losses {
    double step[16];
    size_t count;
} losses;

static bool keep_loss(const rescl_step_event *e, void *user)
{
    losses *l = user;
    if (l->count < 16)
        l->step[l->count++] = e->step_loss;
    return true;
}

static losses train_on(rescl_runtime *runtime, const char *selector)
{
    losses l = {0};
    const rescl_train_callbacks keep = {
        .struct_size = sizeof keep, .on_step = keep_loss, .user = &l};
    rescl_train_options o = train_options(NULL);
    rescl_device *device = NULL;
    rescl_model *model = rs_test_model();
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_trainer *t = NULL;
    o.epochs = 2;
    assert_ok(rescl_device_open(runtime, selector, 0, &device));
    assert_ok(rescl_trainer_create(device, model, set, NULL, &o, &t));
    assert_ok(rescl_trainer_run(t, &keep));
    rescl_trainer_destroy(t);
    rescl_model_destroy(model);
    rescl_dataset_close(set);
    rescl_device_close(device);
    return l;
}

/* PoCL reads POCL_DEVICES when it is loaded, so this test comes first. */
static void agrees_between_device_types(void **state)
{
    (void)state;
    rescl_runtime *runtime = NULL;
    size_t index;
    assert_int_equal(setenv("POCL_DEVICES", "pthread basic", 1), 0);
    assert_ok(rescl_runtime_create(&runtime));
    if (rescl_runtime_select(runtime, "pthread-", &index) != RESCL_OK ||
        rescl_runtime_select(runtime, "basic-", &index) != RESCL_OK) {
        print_message("skipped: no PoCL with the device types pthread and basic\n");
        rescl_runtime_destroy(runtime);
        skip();
    }
    const losses a = train_on(runtime, "pthread-"), b = train_on(runtime, "basic-");
    assert_int_equal(a.count, 6);
    assert_int_equal(b.count, 6);
    for (size_t i = 0; i < a.count; i++)
        if (fabs(a.step[i] - b.step[i]) > 1e-4 * fabs(a.step[i]))
            fail_msg("step %zu: loss %.9g on pthread, %.9g on basic", i, a.step[i], b.step[i]);
    rescl_runtime_destroy(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_between_device_types),
        cmocka_unit_test(scores_each_image),
        cmocka_unit_test(repeats_what_training_reported),
        cmocka_unit_test(predicts_as_it_evaluates),
        cmocka_unit_test(averages_over_views),
        cmocka_unit_test(takes_images_of_any_shape),
        cmocka_unit_test(fits_images_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
