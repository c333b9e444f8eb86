/* Classes that are uneven: weights of the loss, balanced epochs, and other losses than cross-entropy. */
#include "testing.h"
#include "train_support.h"

#include "classweights.h"
#include "error.h"
#include "loader.h"
#include "path.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 12, SIDE = 8 };

/* 8 images of "a", 3 of "b:1", 1 of "c", none of "d". */
static rescl_dataset *make_set(void)
{
    static uint8_t pixels[IMAGES * SIDE * SIDE * 3];
    static const int32_t labels[IMAGES] = {0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 0};
    static const char *const names[] = {"a", "b:1", "c", "d"};
    rescl_data_arrays a;
    rescl_dataset *set = NULL;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7);
    rescl_data_arrays_default(&a);
    a.images = pixels;
    a.labels = labels;
    a.count = IMAGES;
    a.height = a.width = SIDE;
    a.classes = 4;
    a.class_names = names;
    assert_ok(rescl_dataset_from_arrays(&a, &set));
    return set;
}

static rescl_model *describe(void)
{
    static const char *const names[] = {"a", "b:1", "c", "d"};
    rescl_model_options o;
    rescl_model *m = NULL;
    rescl_model_options_default(&o);
    o.name = "resnet8";
    o.classes = 4;
    o.image_size = SIDE;
    o.class_names = names;
    assert_ok(rescl_model_describe(&o, &m));
    return m;
}

static void check(const char *text, double a, double b, double c, double d)
{
    rescl_dataset *set = make_set();
    rescl_model *m = describe();
    const double want[] = {a, b, c, d};
    float *weight = NULL;
    assert_ok(rs_class_weights(text, m, set, NULL, &weight));
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs((double)weight[i] - want[i]) < 1e-6);
    free(weight);
    rescl_model_destroy(m);
    rescl_dataset_close(set);
}

static void reads_weights(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/weights.txt", rs_test_dir);
    check("balanced", 12.0 / (3 * 8), 12.0 / (3 * 3), 12.0 / 3, 1); /* compute_class_weight */
    check("b:1:2.5, a : 0", 0, 2.5, 1, 1);
    const char text[] = "\xef\xbb\xbf"
                        "a:0.5\r\n\nd:3\n";
    assert_ok(rs_file_write(path, text, strlen(text)));
    check(path, 0.5, 1, 1, 3);
}

static void refuses_others(void **state)
{
    static const struct {
        const char *text, *words;
        rescl_status status;
    } bad[] = {
        {"A:2", "did you mean 'a'", RESCL_ERR_ARG},
        {"a:-1", "expected CLASS:WEIGHT", RESCL_ERR_ARG},
        {"a:x", "expected CLASS:WEIGHT", RESCL_ERR_ARG},
        {"a:0,b:1:0,c:0,d:0", "all weights are 0", RESCL_ERR_ARG},
        {"nowhere", "nowhere", RESCL_ERR_NOT_FOUND},
    };
    rescl_dataset *set = make_set();
    rescl_model *m = describe();
    float *weight = NULL;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(bad); i++) {
        assert_fails(rs_class_weights(bad[i].text, m, set, NULL, &weight), bad[i].status,
                     bad[i].words);
        assert_null(weight);
    }
    assert_ok(rs_class_weights(NULL, m, set, NULL, &weight));
    assert_null(weight);
    rescl_model_destroy(m);
    rescl_dataset_close(set);
}

/* A batch's weights are those of its labels' classes, and their mean is 1. */
static void weighs_batches(void **state)
{
    static const float weight[] = {0.5f, 2, 4, 1};
    rescl_dataset *set = make_set();
    rs_loader_options o = {.batch = 5,
                           .height = SIDE,
                           .width = SIDE,
                           .shuffle = true,
                           .balanced = true,
                           .class_weight = weight,
                           .seed = 4};
    rs_loader *l = NULL;
    const rs_batch *b = NULL;
    (void)state;
    assert_ok(rs_loader_create(set, &o, &l));
    assert_ok(rs_loader_start(l, 0, 0));
    for (;;) {
        double sum = 0, of_classes = 0;
        assert_ok(rs_loader_next(l, &b));
        if (!b)
            break;
        for (size_t i = 0; i < b->n; i++)
            of_classes += (double)weight[b->labels[i]];
        for (size_t i = 0; i < b->n; i++) {
            const double want = (double)weight[b->labels[i]] * (double)b->n / of_classes;
            assert_true(fabs((double)b->mixed[i].weight - want) < 1e-5);
            assert_int_equal(b->mixed[i].share, 0);
            sum += (double)b->mixed[i].weight;
        }
        assert_true(fabs(sum - (double)b->n) < 1e-4);
        rs_loader_release(l, b);
    }
    rs_loader_destroy(l);
    rescl_dataset_close(set);
}

/* Of images that are mixed each label counts by its share and its class, as torch's cross-entropy has it of
 * probabilities: nothing is scaled. */
static void weighs_mixed_batches(void **state)
{
    static const float weight[] = {0.5f, 2, 4, 1};
    rescl_dataset *set = make_set();
    double mixup[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS] = {{0}};
    rs_loader_options o = {.batch = 6, .height = SIDE, .width = SIDE, .shuffle = true, .seed = 4};
    rs_loader *plain = NULL, *weighted = NULL;
    const rs_batch *a = NULL, *b = NULL;
    size_t mixed = 0;
    (void)state;
    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++) {
        mixup[i][0] = strcmp(rs_augment_at(i)->options[0]->name, "mixup") == 0 ? 1 : 0;
        if (mixup[i][0] > 0)
            rs_augment_set(&o.augment, i, mixup[i]);
    }
    assert_ok(rs_loader_create(set, &o, &plain));
    o.class_weight = weight;
    assert_ok(rs_loader_create(set, &o, &weighted));
    assert_ok(rs_loader_start(plain, 0, 0));
    assert_ok(rs_loader_start(weighted, 0, 0));
    for (;;) {
        assert_ok(rs_loader_next(plain, &a));
        assert_ok(rs_loader_next(weighted, &b));
        if (!a)
            break;
        for (size_t i = 0; i < a->n; i++) {
            const double share = (double)a->mixed[i].share / RS_MIXED_ONE;
            const double own = (1 - share) * (double)weight[a->labels[i]];
            const double other = share * (double)weight[a->mixed[i].label];
            const rs_mixed *m = &b->mixed[i];
            assert_int_equal(b->labels[i], a->labels[i]);
            assert_int_equal(m->label, a->mixed[i].label);
            assert_true(fabs((double)m->weight - (own + other)) < 1e-6);
            assert_true(fabs((double)m->share / RS_MIXED_ONE - other / (own + other)) < 1e-6);
            mixed += share > 0.01 && m->label != b->labels[i];
        }
        rs_loader_release(plain, a);
        rs_loader_release(weighted, b);
    }
    assert_true(mixed > 0);
    rs_loader_destroy(plain);
    rs_loader_destroy(weighted);
    rescl_dataset_close(set);
}

/* The numbers of a file are those of the run: another one is named when it goes on. */
static void goes_on_with_the_same_weights(void **state)
{
    (void)state;
    const char *path = rs_test_path("%s/of-run.txt", rs_test_dir);
    char *dir = rs_path_join(rs_test_dir, "kept");
    train_run r = {.options = train_options(dir), .stop = STOP_AT_STEP, .stop_step = 2};
    r.options.class_weights = path;
    assert_ok(rs_file_write(path, "0:2\n3:0.1\n", 10));
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    r.stop = STOP_NEVER;
    r.options.resume = dir;
    assert_ok(rs_file_write(path, "0:2\n3:0.2\n", 10));
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "weight of 0.1, this run gives it 0.2");
    assert_ok(rs_file_write(path, "3:0.1\n0:2\n", 10));
    train_do(&r);
    assert_ok(r.status);
    r.options.resume = NULL;
    r.options.class_weights = r.options.sampler = "balanced";
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "count twice");
    free(dir);
}

/* A run with everything, stopped in an epoch and gone on with, ends with the bits of one that was not. */
static void goes_on_to_the_same_bits(void **state)
{
    (void)state;
    char *whole = rs_path_join(rs_test_dir, "whole"), *parts = rs_path_join(rs_test_dir, "parts");
    char *last = rs_path_join(parts, "weights/last.safetensors");
    train_run a = {.options = train_options(whole)}, b = {.options = train_options(parts)};
    a.options.epochs = b.options.epochs = 2;
    a.options.class_weights = b.options.class_weights = "0:2,3:0.5";
    a.options.sampler = b.options.sampler = "balanced";
    assert_ok(rescl_train_options_set(&a.options, "mixup", "0.4"));
    assert_ok(rescl_train_options_set(&b.options, "mixup", "0.4"));
    train_do(&a);
    assert_ok(a.status);
    b.stop = STOP_AT_STEP;
    b.stop_step = 4;
    train_do(&b);
    assert_int_equal(b.status, RESCL_ERR_INTERRUPTED);
    b.stop = STOP_NEVER;
    b.options.resume = last;
    train_do(&b);
    assert_ok(b.status);
    train_same_tensors(rs_test_path("%s/weights/last.safetensors", whole), last);
    b.options.epochs = 3;
    b.options.sampler = "shuffle";
    train_do(&b);
    assert_fails(b.status, RESCL_ERR_ARG, "sampler");
    free(whole);
    free(parts);
    free(last);
}

static void keeps_numbers_of_losses(void **state)
{
    static const struct {
        rescl_loss loss;
        double threshold, smoothing, gamma, alpha;
        const char *words; /* of the error; NULL: none */
    } cases[] = {
        {RESCL_LOSS_FOCAL, 0, 0, 2, 0, NULL},
        {RESCL_LOSS_FOCAL, 0, 0, 0, 1, NULL},
        {RESCL_LOSS_FOCAL, 0, 0, 2, 1.5, "focal_alpha 1.5"},
        {RESCL_LOSS_FOCAL, 0, 0, -1, 0.25, "focal_gamma -1"},
        {RESCL_LOSS_BCE, 0.5, 0.2, 2, 0.25, NULL},
        {RESCL_LOSS_BCE, 0.86, 0.2, 2, 0.25, "makes the targets of 4 classes 0.05 and 0.85"},
        {RESCL_LOSS_BCE, 0.04, 0.2, 2, 0.25, "expected a threshold between"},
    };
    rescl_model_options o;
    rescl_model *m = NULL;
    (void)state;
    rescl_model_options_default(&o);
    assert_true(o.focal_gamma > 1.99 && o.focal_alpha > 0.24);
    o.name = "resnet8";
    o.classes = 4;
    for (size_t i = 0; i < RS_COUNT(cases); i++) {
        o.loss = cases[i].loss;
        o.bce_target_thresh = cases[i].threshold;
        o.label_smoothing = cases[i].smoothing;
        o.focal_gamma = cases[i].gamma;
        o.focal_alpha = cases[i].alpha;
        if (cases[i].words) {
            assert_fails(rescl_model_describe(&o, &m), RESCL_ERR_ARG, cases[i].words);
            continue;
        }
        assert_ok(rescl_model_describe(&o, &m));
        const bool focal = o.loss == RESCL_LOSS_FOCAL;
        assert_true(fabs(m->focal_gamma - (focal ? o.focal_gamma : 0)) < 1e-12);
        assert_true(fabs(m->focal_alpha - (focal ? o.focal_alpha : 0)) < 1e-12);
        assert_true(fabs(m->bce_target_thresh - o.bce_target_thresh) < 1e-12);
        rescl_model_destroy(m);
    }
}

/* Probabilities are of each class alone. */
static void check_sigmoid(const rescl_model *m, const rescl_dataset *set)
{
    rescl_predictor *p = NULL;
    rescl_image image;
    float probs[6];
    double sum = 0;
    int32_t label;
    assert_ok(rescl_dataset_get(set, 0, &image, &label));
    assert_ok(rescl_predictor_create(rs_test_device(), m, 1, &p));
    assert_ok(rescl_predictor_run(p, &image, 1, probs));
    for (size_t k = 0; k < 6; k++) {
        assert_true(probs[k] > 0 && probs[k] < 1);
        sum += (double)probs[k];
    }
    assert_true(fabs(sum - 1) > 1e-4);
    rescl_predictor_destroy(p);
    rescl_image_free(&image);
}

/* A network with another loss learns, keeps its loss in its file, and is not resumed with another one. */
static void trains_with_other_losses(void **state)
{
    static const rescl_loss losses[] = {RESCL_LOSS_BCE, RESCL_LOSS_FOCAL};
    (void)state;
    for (size_t i = 0; i < RS_COUNT(losses); i++) {
        rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
        rescl_train_options o = train_options(NULL);
        rescl_model_options about;
        rescl_model *m = NULL, *loaded = NULL;
        rescl_trainer *t = NULL;
        rescl_metrics before, after;
        rescl_model_info info;
        const char *path = rs_test_path("%s/loss.safetensors", rs_test_dir);
        rescl_model_options_default(&about);
        about.name = "resnet8";
        about.classes = 6;
        about.image_size = TEST_SIZE;
        about.loss = losses[i];
        assert_ok(rescl_model_create(&about, &m));
        o.epochs = 3;
        assert_ok(rescl_evaluate(rs_test_device(), m, train, TEST_BATCH, 0, NULL, &before));
        assert_ok(rescl_trainer_create(rs_test_device(), m, train, NULL, &o, &t));
        assert_ok(rescl_trainer_run(t, NULL));
        rescl_trainer_destroy(t);
        assert_ok(rescl_model_save(m, path));
        assert_ok(rescl_model_load(path, &loaded));
        rescl_model_get_info(loaded, &info);
        assert_int_equal(info.loss, losses[i]);
        assert_ok(rescl_evaluate(rs_test_device(), loaded, train, TEST_BATCH, 0, NULL, &after));
        assert_true(after.loss < before.loss);
        assert_true(before.loss < 1.0); /* of a class, not of all */
        check_sigmoid(loaded, train);
        rescl_model_destroy(m);
        rescl_model_destroy(loaded);
        rescl_dataset_close(train);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_weights),
        cmocka_unit_test(refuses_others),
        cmocka_unit_test(weighs_batches),
        cmocka_unit_test(weighs_mixed_batches),
        cmocka_unit_test(goes_on_with_the_same_weights),
        cmocka_unit_test(goes_on_to_the_same_bits),
        cmocka_unit_test(keeps_numbers_of_losses),
        cmocka_unit_test(trains_with_other_losses),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
