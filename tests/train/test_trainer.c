#include "testing.h"
#include "train_support.h"

#include "netmodel.h"
#include "path.h"
#include "safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path)
{
    char *text;
    size_t bytes;
    assert_ok(rs_file_read(path, 1 << 24, &text, &bytes));
    return text;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- what a run leaves ------------------------------------------------------------------- */

static void learns_and_writes_its_folder(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/run", rs_test_dir);
    train_run r = {.options = train_options(run)};
    r.options.epochs = 8;
    r.options.args_ini = "epochs = 8\n";
    train_do(&r);
    assert_ok(r.status);
    assert_int_equal(r.epochs, 8);
    assert_int_equal(r.last_epoch.train.samples, TEST_SAMPLES);
    assert_int_equal(r.last_epoch.eval.samples, TEST_EVAL_SAMPLES);
    assert_true(r.last_loss < r.first_loss);
    char *args = read_text(rs_test_path("%s/args.ini", run));
    char *env = read_text(rs_test_path("%s/env.json", run));
    char *csv = read_text(rs_test_path("%s/results.csv", run));
    assert_string_equal(args, "epochs = 8\n");
    assert_non_null(strstr(env, "\"resnet8\""));
    assert_int_equal(lines_of(csv), 9);
    char *weights = rs_path_join(run, "weights");
    assert_int_equal(rs_test_dir_count(weights), 2);
    free(weights);
    free(args);
    free(env);
    free(csv);
}

static void writes_nothing_without_a_folder(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL), .no_eval = true};
    r.options.epochs = 1;
    r.options.save_freq = 1;
    train_do(&r);
    assert_ok(r.status);
    assert_int_equal(r.last_epoch.eval.samples, 0);
    assert_true(r.last_epoch.best);
}

static void clears_what_a_killed_run_left(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/killed", rs_test_dir);
    char *weights = rs_path_join(run, "weights");
    char *stale = rs_path_join(weights, "best.safetensors.tmp-1-0");
    assert_ok(rs_mkdirs(weights));
    assert_ok(rs_file_write(stale, "half", 4));
    train_run r = {.options = train_options(run)};
    r.options.epochs = 1;
    train_do(&r);
    assert_ok(r.status);
    assert_int_equal(rs_test_dir_count(weights), 2);
    free(stale);
    free(weights);
}

static void evaluates_every_second_epoch_and_the_last(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/eval-freq", rs_test_dir);
    train_run r = {.options = train_options(run)};
    r.options.eval_freq = 2;
    train_do(&r);
    assert_ok(r.status);
    char *csv = read_text(rs_test_path("%s/results.csv", run)), *rest = NULL;
    (void)strtok_r(csv, "\n", &rest);
    for (int epoch = 0; epoch < 3; epoch++) {
        const char *row = strtok_r(NULL, "\n", &rest);
        assert_non_null(row);
        assert_int_equal(strstr(row, ",,,") != NULL, epoch == 0);
    }
    free(csv);
}

/* ---- numbers that are none --------------------------------------------------------------- */

static void check_checkpoint_is_finite(const char *path)
{
    rs_st_file *f = NULL;
    assert_ok(rs_st_open(path, &f));
    for (size_t i = 0; i < rs_st_count(f); i++) {
        const rs_st_tensor *t = rs_st_at(f, i);
        float *x = malloc(t->bytes);
        assert_non_null(x);
        assert_ok(rs_st_read(f, t, x));
        for (size_t k = 0; k < t->bytes / sizeof *x; k++)
            assert_true(isfinite(x[k]));
        free(x);
    }
    rs_st_close(f);
}

static void stops_when_training_diverges(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/diverges", rs_test_dir);
    char *last = rs_path_join(run, "weights/last.safetensors");
    train_run r = {.options = train_options(run)};
    r.options.opt = "sgd";
    r.options.lr = 1e30;
    r.options.save_freq = 1;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_NUMERIC, "epoch 1, step 2", "layer '", last);
    assert_null(strstr(rescl_last_error()->message, "unknown"));
    assert_int_equal(r.steps, 1);
    check_checkpoint_is_finite(last);
    free(last);
}

static rescl_status run_model(rescl_model *m, const char *run)
{
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_train_options o = train_options(run);
    rescl_trainer *t = NULL;
    o.epochs = 1;
    rescl_status st = rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t);
    if (st == RESCL_OK)
        st = rescl_trainer_run(t, NULL);
    rescl_trainer_destroy(t);
    rescl_dataset_close(set);
    return st;
}

static void names_the_layer_of_a_bad_weight(void **state)
{
    (void)state;
    rescl_model *m = rs_test_model();
    const int index = rs_graph_find_param(m->graph, "fc.weight");
    assert_true(index >= 0);
    m->weights.data[index][0] = (float)INFINITY;
    const char *run = rs_test_path("%s/bad", rs_test_dir);
    assert_fails(run_model(m, run), RESCL_ERR_NUMERIC, "step 1", "layer 'fc'",
                 "checkpoint is none");
    assert_int_equal(rs_test_dir_count(rs_test_path("%s/weights", run)), 0);
    rescl_model_destroy(m);
}

/* Running statistics take no part in a training step's loss, yet they are saved. */
static void saves_nothing_that_is_not_finite(void **state)
{
    (void)state;
    rescl_model *m = rs_test_model();
    const int index = rs_graph_find_param(m->graph, "bn1.running_mean");
    assert_true(index >= 0);
    m->weights.data[index][0] = (float)NAN;
    const char *run = rs_test_path("%s/bad-statistics", rs_test_dir);
    assert_fails(run_model(m, run), RESCL_ERR_NUMERIC, "bn1.running_mean", "nothing was saved");
    assert_int_equal(rs_test_dir_count(rs_test_path("%s/weights", run)), 0);
    rescl_model_destroy(m);
}

/* ---- batches of one image ------------------------------------------------------------------ */

/* At 32x32 and below the last maps are 1x1: batch normalisation of one image would see one value. */
static rescl_model *model_of_1x1_maps(void)
{
    const rescl_model_options o = {
        .struct_size = sizeof o, .name = "resnet18", .classes = 6, .image_size = 8, .seed = 5};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

static bool note_samples(const rescl_step_event *e, void *user)
{
    size_t *samples = user;
    assert_int_equal(e->batches, 2);
    samples[e->batch - 1] = e->metrics.samples;
    return true;
}

static void joins_a_last_batch_of_one(void **state)
{
    (void)state;
    rescl_model *m = model_of_1x1_maps();
    rescl_dataset *set = rs_test_hands("train", 33, 0);
    rescl_train_options o = train_options(NULL);
    rescl_trainer *t = NULL;
    size_t samples[2] = {0};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = note_samples, .user = samples};
    size_t last = 0;
    assert_int_equal(rescl_train_batches(m, 33, 16, &last), 2);
    assert_int_equal(last, 17);
    assert_int_equal(rescl_train_batches(m, 32, 16, &last), 2);
    assert_int_equal(last, 16);
    assert_int_equal(rescl_train_batches(m, 34, 16, &last), 3);
    assert_int_equal(last, 2);
    o.epochs = 1;
    assert_ok(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t));
    assert_ok(rescl_trainer_run(t, &callbacks));
    assert_int_equal(samples[0], 16);
    assert_int_equal(samples[1], 33);
    rescl_trainer_destroy(t);
    rescl_dataset_close(set);
    rescl_model_destroy(m);
}

static void refuses_batches_of_one(void **state)
{
    (void)state;
    rescl_model *m = model_of_1x1_maps(), *larger = rs_test_model();
    rescl_dataset *set = rs_test_hands("train", 3, 0), *one = rs_test_hands("train", 1, 0);
    rescl_train_options o = train_options(NULL);
    rescl_trainer *t = NULL;
    assert_fails(rescl_trainer_create(rs_test_device(), m, one, NULL, &o, &t), RESCL_ERR_ARG,
                 "1 image", "one value per channel");
    o.batch_size = 1;
    assert_fails(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t), RESCL_ERR_ARG,
                 "batch_size of at least 2");
    assert_fails(rescl_trainer_create(rs_test_device(), m, NULL, NULL, &o, &t), RESCL_ERR_ARG,
                 "batch_size of at least 2");
    assert_ok(rescl_trainer_create(rs_test_device(), larger, set, NULL, &o, &t));
    rescl_trainer_destroy(t);
    assert_ok(rescl_model_freeze(m, NULL, true)); /* running statistics do not mind */
    assert_ok(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t));
    rescl_trainer_destroy(t);
    rescl_dataset_close(set);
    rescl_dataset_close(one);
    rescl_model_destroy(m);
    rescl_model_destroy(larger);
}

/* ---- stopping ---------------------------------------------------------------------------- */

static void stops_before_the_first_step(void **state)
{
    (void)state;
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *m = rs_test_model();
    const char *run = rs_test_path("%s/early", rs_test_dir);
    const rescl_train_options o = train_options(run);
    rescl_trainer *t = NULL;
    assert_ok(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t));
    rescl_trainer_stop(t);
    assert_fails(rescl_trainer_run(t, NULL), RESCL_ERR_INTERRUPTED, "step 0");
    check_checkpoint_is_finite(rs_test_path("%s/weights/last.safetensors", run));
    assert_ok(rescl_trainer_run(t, NULL)); /* the request was used up */
    assert_ok(rescl_trainer_run(t, NULL)); /* and now there is nothing left to do */
    rescl_trainer_destroy(t);
    rescl_trainer_destroy(NULL);
    rescl_model_destroy(m);
    rescl_dataset_close(set);
}

/* ---- options ----------------------------------------------------------------------------- */

static void option_fails(const rescl_train_options *o, const char *word)
{
    train_run r = {.options = *o};
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, word);
}

static void refuses_bad_options(void **state)
{
    (void)state;
    const rescl_train_options good = train_options(NULL);
    rescl_train_options o = good;
    o.epochs = 0;
    option_fails(&o, "epochs 0");
    o = good, o.lr = (double)NAN;
    option_fails(&o, "lr nan");
    o = good, o.lr = -1.0;
    option_fails(&o, "lr -1");
    o = good, o.momentum = 1.0;
    option_fails(&o, "momentum 1");
    o = good, o.beta2 = 1.0;
    option_fails(&o, "beta2 1");
    o = good, o.opt = "adan";
    option_fails(&o, "did you mean 'adam'?");
    o = good, o.opt = NULL;
    option_fails(&o, "unset");
    o = good, o.opt = "sgd_nesterov", o.momentum = 0.0;
    option_fails(&o, "sgd_nesterov needs");
    o = good, o.lr_body = -1.0;
    option_fails(&o, "lr_body -1");
    o = good, o.scale = 0.0;
    option_fails(&o, "scale 0");
    o = good, o.hflip = 1.5;
    option_fails(&o, "hflip 1.5");
    o = good, o.color_jitter = (double)NAN;
    option_fails(&o, "color_jitter nan");
    o = good, o.lr_scheduler = "cosine";
    option_fails(&o, "cosine");
}

static void refuses_more_classes_than_the_model_has(void **state)
{
    (void)state;
    const rescl_model_options two = {
        .struct_size = sizeof two, .name = "resnet8", .classes = 2, .image_size = TEST_SIZE};
    const rescl_train_options o = train_options(NULL);
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *m = NULL;
    rescl_trainer *t = NULL;
    rescl_metrics metrics;
    assert_ok(rescl_model_create(&two, &m));
    assert_fails(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t), RESCL_ERR_ARG,
                 "training set 'handsigns' has 6 classes", "has 2");
    assert_fails(rescl_evaluate(rs_test_device(), m, set, 4, 0, NULL, &metrics), RESCL_ERR_ARG,
                 "has 6 classes");
    rescl_model_destroy(m);
    rescl_dataset_close(set);
}

/* `count` images of noise; image i is of class first + i % classes. */
static rescl_dataset *noise_set(size_t count, int32_t first, size_t classes,
                                const char *const *names, size_t names_count)
{
    static uint8_t pixels[24 * TEST_SIZE * TEST_SIZE * 3];
    int32_t labels[24];
    rescl_dataset *set = NULL;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < count; i++)
        labels[i] = first + (int32_t)(i % classes);
    const rescl_data_arrays a = {.struct_size = sizeof a,
                                 .images = pixels,
                                 .labels = labels,
                                 .count = count,
                                 .height = TEST_SIZE,
                                 .width = TEST_SIZE,
                                 .classes = names_count,
                                 .class_names = names,
                                 .copy = true};
    assert_ok(rescl_dataset_from_arrays(&a, &set));
    return set;
}

/* The evaluation set lacks the first class: its labels count from 0, and mean the last two. A model
 * without names of its own takes those of the training set. */
static void matches_classes_by_name(void **state)
{
    (void)state;
    static const char *const pets[] = {"ant", "bee", "cow"}, *const wrong[] = {"bee", "Cow"};
    const rescl_model_options three = {
        .struct_size = sizeof three, .name = "resnet8", .classes = 3, .image_size = TEST_SIZE};
    const rescl_train_options o = train_options(NULL);
    rescl_dataset *train = noise_set(24, 0, 3, pets, 3);
    rescl_dataset *named = noise_set(8, 0, 2, pets + 1, 2), *other = noise_set(8, 0, 2, wrong, 2);
    rescl_dataset *numbered = noise_set(8, 1, 2, pets, 3);
    rescl_model *m = NULL;
    rescl_trainer *t = NULL;
    rescl_metrics got, want;
    assert_ok(rescl_model_create(&three, &m));
    assert_ok(rescl_trainer_create(rs_test_device(), m, train, named, &o, &t));
    assert_string_equal(rescl_model_class_name(m, 1), "bee");
    assert_ok(rescl_trainer_run(t, NULL));
    assert_ok(rescl_trainer_evaluate(t, &got));
    assert_ok(rescl_evaluate(rs_test_device(), m, numbered, TEST_BATCH, 0, NULL, &want));
    assert_true(got.loss == want.loss && got.top1 == want.top1);
    assert_ok(rescl_evaluate(rs_test_device(), m, named, TEST_BATCH, 0, NULL, &got));
    assert_true(got.loss == want.loss && got.top1 == want.top1);
    rescl_trainer_destroy(t);
    assert_fails(rescl_trainer_create(rs_test_device(), m, train, other, &o, &t), RESCL_ERR_FORMAT,
                 "'Cow'", "did you mean 'cow'");
    assert_fails(rescl_evaluate(rs_test_device(), m, other, 4, 0, NULL, &got), RESCL_ERR_FORMAT,
                 "'Cow'", "did you mean 'cow'");
    rescl_model_destroy(m);
    rescl_dataset_close(train);
    rescl_dataset_close(named);
    rescl_dataset_close(other);
    rescl_dataset_close(numbered);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rs_test_dir_setup, rs_test_dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(learns_and_writes_its_folder),
        TEST(writes_nothing_without_a_folder),
        TEST(clears_what_a_killed_run_left),
        TEST(evaluates_every_second_epoch_and_the_last),
        TEST(stops_when_training_diverges),
        TEST(names_the_layer_of_a_bad_weight),
        TEST(saves_nothing_that_is_not_finite),
        TEST(joins_a_last_batch_of_one),
        TEST(refuses_batches_of_one),
        TEST(stops_before_the_first_step),
        TEST(refuses_bad_options),
        TEST(refuses_more_classes_than_the_model_has),
        TEST(matches_classes_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
