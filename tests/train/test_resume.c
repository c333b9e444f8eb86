/* A run that was stopped and resumed ends with the same bits as one that was not. */
#include "checkpoint.h"
#include "dataset.h"
#include "error.h"
#include "modelfile.h"
#include "path.h"
#include "testing.h"
#include "train_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *whole; /* the folder of the uninterrupted run */
static char whole_text[512];

static int make_whole(void **state)
{
    rs_test_dir_setup(state);
    snprintf(whole_text, sizeof whole_text, "%s/whole", rs_test_dir);
    whole = whole_text;
    train_run r = {.options = train_options(whole)};
    train_do(&r);
    assert_ok(r.status);
    assert_int_equal(r.steps, 9);
    assert_int_equal(r.epochs, 3);
    return 0;
}

/* Progress says of both which epoch is the best. */
static void check_equal_best(const char *a, const char *b)
{
    rs_checkpoint *c[2] = {NULL, NULL};
    assert_ok(rs_checkpoint_open(a, &c[0]));
    assert_ok(rs_checkpoint_open(b, &c[1]));
    const rs_ckpt_progress *p = rs_checkpoint_progress(c[0]), *q = rs_checkpoint_progress(c[1]);
    assert_true(p->has_best && q->has_best);
    assert_int_equal(p->best_epoch, q->best_epoch);
    assert_true(p->best_top1 == q->best_top1 && p->best_loss == q->best_loss);
    rs_checkpoint_close(c[0]);
    rs_checkpoint_close(c[1]);
}

static void check_equal(const char *run, const char *uninterrupted)
{
    char a[512], b[512];
    rs_checkpoint *best = NULL;
    snprintf(a, sizeof a, "%s/weights/last.safetensors", run);
    snprintf(b, sizeof b, "%s/weights/last.safetensors", uninterrupted);
    train_same_tensors(a, b);
    check_equal_best(a, b);
    snprintf(a, sizeof a, "%s/weights/best.safetensors", run);
    assert_ok(rs_checkpoint_open(a, &best));
    assert_null(rs_checkpoint_progress(best)); /* weights, and nothing to resume from */
    for (size_t i = 0; i < rs_st_count(rs_checkpoint_tensors(best)); i++)
        assert_false(rs_checkpoint_is_state(rs_st_at(rs_checkpoint_tensors(best), i)->name));
    rs_checkpoint_close(best);
    snprintf(b, sizeof b, "%s/weights/best.safetensors", uninterrupted);
    train_same_tensors(a, b);
    snprintf(a, sizeof a, "%s/results.csv", run);
    snprintf(b, sizeof b, "%s/results.csv", uninterrupted);
    train_same_results(a, b);
}

static void check_equal_to_whole(const char *run)
{
    check_equal(run, whole);
}

/* Runs into `run` until the stop, then resumes to the end and compares. */
static void stop_and_resume(const char *run, train_stop stop, uint64_t step)
{
    train_run first = {.options = train_options(run), .stop = stop, .stop_step = step};
    train_do(&first);
    assert_int_equal(first.status, RESCL_ERR_INTERRUPTED);
    assert_non_null(strstr(rescl_last_error()->message, "last.safetensors"));
    assert_int_equal(first.steps, step);
    train_run second = {.options = train_options(run)};
    second.options.resume = run;
    train_do(&second);
    assert_ok(second.status);
    assert_int_equal(second.steps, 9 - step);
    check_equal_to_whole(run);
}

static void resumes_in_the_middle_of_an_epoch(void **state)
{
    (void)state;
    stop_and_resume(rs_test_path("%s/middle", rs_test_dir), STOP_AT_STEP, 4);
}

static void resumes_before_the_tail(void **state)
{
    (void)state;
    stop_and_resume(rs_test_path("%s/tail", rs_test_dir), STOP_AT_STEP, 5);
}

static void resumes_after_the_last_step_of_an_epoch(void **state)
{
    (void)state;
    stop_and_resume(rs_test_path("%s/last-step", rs_test_dir), STOP_AT_STEP, 3);
}

static void resumes_in_an_evaluation(void **state)
{
    (void)state;
    stop_and_resume(rs_test_path("%s/evaluation", rs_test_dir), STOP_IN_EVAL, 6);
}

static void resumes_at_the_end_of_an_epoch(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/boundary", rs_test_dir);
    train_run first = {.options = train_options(run)};
    first.options.epochs = 1;
    train_do(&first);
    assert_ok(first.status);
    train_run second = {.options = train_options(run)};
    char file[512];
    snprintf(file, sizeof file, "%s/weights/last.safetensors", run);
    second.options.resume = file;
    train_do(&second);
    assert_ok(second.status);
    assert_int_equal(second.steps, 6);
    check_equal_to_whole(run);
}

static void goes_on_after_max_steps(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/max-steps", rs_test_dir);
    train_run first = {.options = train_options(run)};
    first.options.max_steps = 4;
    train_do(&first);
    assert_ok(first.status);
    assert_int_equal(first.steps, 4);
    assert_int_equal(first.last_epoch.eval.samples, TEST_EVAL_SAMPLES);
    train_run again = first;
    again.steps = again.epochs = 0;
    again.options.resume = run;
    train_do(&again);
    assert_ok(again.status);
    assert_int_equal(again.steps, 0);
    train_run second = {.options = train_options(run)};
    second.options.resume = run;
    train_do(&second);
    assert_ok(second.status);
    check_equal_to_whole(run);
}

/* What was measured where max_steps ended a part is better than all that follows, as the rate makes
 * the weights worse, and must not stay the best. */
static void max_steps_leaves_the_best_alone(size_t eval_freq)
{
    static const uint64_t parts[] = {1, 2, 3, 5, 6, 8, 0};
    char folder[2][512];
    train_run r = {.options = train_options(NULL)};
    r.options.opt = "sgd";
    r.options.lr = 1.0;
    r.options.eval_freq = eval_freq;
    for (int i = 0; i < 2; i++)
        snprintf(folder[i], sizeof folder[i], "%s-%d", rs_test_path("%s/early", rs_test_dir),
                 i + 2 * (int)eval_freq);
    r.options.output_dir = folder[0];
    train_do(&r);
    assert_ok(r.status);
    r.options.output_dir = folder[1];
    for (size_t i = 0; i < RS_COUNT(parts); i++) {
        r.options.max_steps = parts[i];
        train_do(&r);
        assert_ok(r.status);
        assert_int_equal(r.last_epoch.eval.samples, TEST_EVAL_SAMPLES);
        assert_int_equal(access(rs_test_path("%s/weights/best.safetensors", folder[1]), F_OK), 0);
        r.options.resume = folder[1];
    }
    check_equal(folder[1], folder[0]);
}

static void max_steps_leaves_the_best_alone_at_each_epoch(void **state)
{
    (void)state;
    max_steps_leaves_the_best_alone(1);
}

static void max_steps_leaves_the_best_alone_at_some_epochs(void **state)
{
    (void)state;
    max_steps_leaves_the_best_alone(2);
}

/* Saving often, and another number of data threads, change nothing. */
static void is_not_changed_by_saving(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/saving", rs_test_dir);
    train_run r = {.options = train_options(run)};
    r.options.save_freq = 1;
    r.options.workers = 0;
    train_do(&r);
    assert_ok(r.status);
    check_equal_to_whole(run);
}

/* Some epochs of `like` at once and in two parts, the first of `step` steps, which end with the same
 * bits in `run`. Gives the rate of the last epoch. */
static double parts_equal_the_whole(const train_run *like, size_t epochs, uint64_t step,
                                    const char *run)
{
    char a[512], b[512], runs[2][512];
    train_run r[3];
    for (int i = 0; i < 2; i++)
        snprintf(runs[i], sizeof runs[i], "%s-%d", rs_test_path("%s/%s", rs_test_dir, run), i);
    for (int i = 0; i < 3; i++) {
        r[i] = *like;
        r[i].options.output_dir = runs[i > 0];
        r[i].options.epochs = epochs;
        r[i].no_eval = true;
    }
    r[1].stop = STOP_AT_STEP;
    r[1].stop_step = step;
    r[2].options.resume = runs[1];
    for (int i = 0; i < 3; i++)
        train_do(&r[i]);
    assert_ok(r[0].status);
    assert_int_equal(r[1].status, RESCL_ERR_INTERRUPTED);
    assert_ok(r[2].status);
    snprintf(a, sizeof a, "%s/weights/last.safetensors", runs[0]);
    snprintf(b, sizeof b, "%s/weights/last.safetensors", runs[1]);
    train_same_tensors(a, b);
    assert_true(r[0].last_epoch.lr == r[2].last_epoch.lr);
    return r[2].last_epoch.lr;
}

static void resumes_with_momentum(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL)};
    r.options.opt = "sgd_nesterov";
    r.options.lr = 0.01;
    r.options.weight_decay = 1e-3;
    r.options.lr_scheduler = "exponentiallr";
    parts_equal_the_whole(&r, 2, 2, "sgd");
}

static void resumes_a_fine_tuning(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL), .freeze = "stem,stage2", .norm_eval = true};
    r.options.lr_body = 1e-4;
    r.options.scale = 0.5;
    r.options.hflip = 0.5;
    r.options.color_jitter = 0.4;
    r.options.lr_scheduler = "cosineannealinglr";
    parts_equal_the_whole(&r, 2, 2, "frozen");
}

/* What changes images and mixes batches is drawn by epoch, image and batch: there is no state to lose. */
static void resumes_with_mixed_batches(void **state)
{
    static const char *const options[][2] = {
        {"scale", "0.5"},      {"ratio", "1.3333"}, {"auto_augment", "ta_wide"},
        {"random_erase", "1"}, {"mixup", "0.2"},    {"cutmix", "1"}};
    (void)state;
    train_run r = {.options = train_options(NULL)};
    for (size_t i = 0; i < RS_COUNT(options); i++)
        assert_ok(rescl_train_options_set(&r.options, options[i][0], options[i][1]));
    parts_equal_the_whole(&r, 2, 2, "mixed");
}

/* The checkpoint of the fourth epoch knows how the losses before it went: the rate was lowered. */
static void resumes_on_a_plateau(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL)};
    r.options.opt = "sgd";
    r.options.lr = 1.0;
    r.options.lr_scheduler = "reducelronplateau";
    assert_ok(rescl_train_options_set(&r.options, "lr_patience", "0"));
    assert_true(parts_equal_the_whole(&r, 4, 10, "plateau") < 1.0);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void resume_fails(train_run *r, rescl_status status, const char *word)
{
    r->options.resume = whole;
    train_do(r);
    assert_fails(r->status, status, word);
}

static void refuses_other_options(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL)};
    r.options.batch_size = 8;
    resume_fails(&r, RESCL_ERR_ARG, "batch_size");
    r.options = train_options(NULL);
    r.options.lr = 2e-3;
    resume_fails(&r, RESCL_ERR_ARG, "lr 0.001");
    r.options = train_options(NULL);
    r.options.opt = "adamw";
    resume_fails(&r, RESCL_ERR_ARG, "opt \"adam\"");
    r.options = train_options(NULL);
    r.options.lr_body = 1e-4;
    resume_fails(&r, RESCL_ERR_ARG, "lr_body 0");
    r.options = train_options(NULL);
    r.freeze = "stage1";
    resume_fails(&r, RESCL_ERR_ARG, "frozen layers: '', this run has 'stage1'");
    r.freeze = NULL;
    r.norm_eval = true;
    resume_fails(&r, RESCL_ERR_ARG, "norm_eval");
    r.norm_eval = false;
    r.resize.keep_exact = true;
    resume_fails(&r, RESCL_ERR_ARG, "keep_exact: 0, this run has 1");
    r.resize.keep_exact = false;
    r.options.epochs = 2;
    resume_fails(&r, RESCL_ERR_ARG, "3 epochs are done");
}

static void refuses_other_models_and_data(void **state)
{
    (void)state;
    rescl_model_options m = {.struct_size = sizeof m,
                             .name = "resnet8",
                             .classes = 6,
                             .image_size = TEST_SIZE,
                             .dropout = 0.4};
    rescl_train_options o = train_options(NULL);
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *fewer = rs_test_hands("train", TEST_SAMPLES - 1, 0);
    rescl_dataset *others = rs_test_hands("train", TEST_SAMPLES, 1);
    rescl_model *dropout = NULL, *wider = NULL, *same = rs_test_model();
    rescl_trainer *t = NULL;
    o.resume = whole;
    assert_ok(rescl_model_create(&m, &dropout));
    m.classes = 7;
    m.dropout = 0.3;
    assert_ok(rescl_model_create(&m, &wider));
    assert_fails(rescl_trainer_create(rs_test_device(), dropout, set, NULL, &o, &t), RESCL_ERR_ARG,
                 "a dropout of 0.3", "0.4");
    assert_fails(rescl_trainer_create(rs_test_device(), wider, set, NULL, &o, &t), RESCL_ERR_ARG,
                 "classes 6", "7");
    assert_fails(rescl_trainer_create(rs_test_device(), same, fewer, NULL, &o, &t), RESCL_ERR_ARG,
                 "40 samples", "39");
    assert_fails(rescl_trainer_create(rs_test_device(), same, others, NULL, &o, &t), RESCL_ERR_ARG,
                 "images or classes differ");
    assert_null(t);
    rescl_model_destroy(dropout);
    rescl_model_destroy(wider);
    rescl_model_destroy(same);
    rescl_dataset_close(set);
    rescl_dataset_close(fewer);
    rescl_dataset_close(others);
}

static rescl_model *hands_model(const char *third)
{
    const char *const names[] = {"fist", "one", third, "three", "four", "five"};
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = 6,
                                   .image_size = TEST_SIZE,
                                   .class_names = names};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

/* The head's third output has a meaning, whatever the data call it. */
static void refuses_renamed_classes(void **state)
{
    (void)state;
    rescl_train_options o = train_options(rs_test_path("%s/renamed", rs_test_dir));
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *first = hands_model("two"), *second = hands_model("Two");
    rescl_trainer *t = NULL;
    o.max_steps = 1;
    assert_ok(rescl_trainer_create(rs_test_device(), first, set, NULL, &o, &t));
    assert_ok(rescl_trainer_run(t, NULL));
    rescl_trainer_destroy(t);
    t = NULL;
    o.resume = o.output_dir;
    assert_fails(rescl_trainer_create(rs_test_device(), second, set, NULL, &o, &t), RESCL_ERR_ARG,
                 "class 2 was called 'two', this run calls it 'Two'");
    assert_null(t);
    rescl_model_destroy(first);
    rescl_model_destroy(second);
    rescl_dataset_close(set);
}

/* Replaces each `from` in a file by `to`, of the same length. */
static void patch(const char *path, const char *from, const char *to)
{
    char *data = NULL;
    size_t bytes, count = 0;
    assert_int_equal(strlen(from), strlen(to));
    assert_ok(rs_file_read(path, 64 << 20, &data, &bytes));
    for (size_t i = 0; i + strlen(from) <= bytes; i++)
        if (memcmp(data + i, from, strlen(from)) == 0) {
            memcpy(data + i, to, strlen(to));
            count++;
        }
    assert_true(count > 0);
    assert_ok(rs_file_write(path, data, bytes));
    free(data);
}

/* A checkpoint of a version whose fingerprint looked at 8 samples. */
static void goes_on_from_old_fingerprints(void **state)
{
    (void)state;
    char run[512], file[600], was[80], old[80], print[RESCL_FINGERPRINT_BYTES];
    snprintf(run, sizeof run, "%s/oldprint", rs_test_dir);
    snprintf(file, sizeof file, "%s/weights/last.safetensors", run);
    train_run r = {.options = train_options(run)};
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    r.options.max_steps = 1;
    train_do(&r);
    assert_ok(r.status);
    assert_ok(rescl_dataset_fingerprint(set, print));
    snprintf(was, sizeof was, "\\\"fingerprint\\\":\\\"%s\\\"", print);
    assert_ok(rs_dataset_old_fingerprint(set, print));
    snprintf(old, sizeof old, "\\\"fingerprint\\\":\\\"%s\\\"  ", print);
    rescl_dataset_close(set);
    patch(file, was, old);
    r.options.max_steps = 2;
    r.options.resume = run;
    train_do(&r);
    assert_ok(r.status);
    snprintf(old, sizeof old, "\\\"fingerprint\\\":\\\"%s\\\"  ",
             "0123456789abcdef0123456789abcdef");
    patch(file, was, old);
    r.options.max_steps = 3;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "images or classes differ");
}

/* Preprocessing and epsilon belong to the weights, and a new model cannot know them. */
static void takes_what_belongs_to_the_weights(void **state)
{
    (void)state;
    rescl_train_options o = train_options(rs_test_path("%s/caffe", rs_test_dir));
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *first = rs_test_model(), *second = rs_test_model();
    rescl_model_info info;
    rescl_trainer *t = NULL;
    const rescl_normalize cifar = {{0.49, 0.48, 0.45}, {0.2, 0.199, 0.201}};
    o.max_steps = 1;
    rs_model_take_over(first, RESCL_PREPROCESS_NORMALIZE, &cifar, 0.25);
    assert_ok(rescl_trainer_create(rs_test_device(), first, set, NULL, &o, &t));
    assert_ok(rescl_trainer_run(t, NULL));
    rescl_trainer_destroy(t);
    o.resume = o.output_dir;
    assert_ok(rescl_trainer_create(rs_test_device(), second, set, NULL, &o, &t));
    rescl_model_get_info(second, &info);
    assert_int_equal(info.preprocess, RESCL_PREPROCESS_NORMALIZE);
    assert_memory_equal(&info.normalize, &cifar, sizeof cifar);
    assert_true(rs_ckpt_model_of(second).bn_eps == 0.25);
    rescl_trainer_destroy(t);
    rescl_model_destroy(first);
    rescl_model_destroy(second);
    rescl_dataset_close(set);
}

static void refuses_files_without_a_run(void **state)
{
    (void)state;
    train_run r = {.options = train_options(NULL)};
    const char *path = rs_test_path("%s/weights-only.safetensors", rs_test_dir);
    rescl_model *m = rs_test_model();
    assert_ok(rescl_model_save(m, path));
    r.options.resume = path;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "weights only", "start a new run");
    char best[512];
    snprintf(best, sizeof best, "%s/weights/best.safetensors", whole);
    r.options.resume = best;
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_ARG, "weights only", "resume from", "whole/weights/last.safe");
    r.options.resume = rs_test_path("%s/absent", rs_test_dir);
    train_do(&r);
    assert_fails(r.status, RESCL_ERR_NOT_FOUND, "absent");
    rescl_model_destroy(m);
}

static char heard[4096];

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    if (level <= RESCL_LOG_WARN)
        snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%s\n", message);
}

/* The promise of equal bits holds for equal plans; where they differ the user is told. */
static void other_plans_are_told(void **state)
{
    (void)state;
    char run[512];
    snprintf(run, sizeof run, "%s/otherplan", rs_test_dir);
    train_run r = {.options = train_options(run), .stop = STOP_AT_STEP, .stop_step = 2};
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    r = (train_run){.options = train_options(run), .stop = STOP_AT_STEP, .stop_step = 4};
    r.options.resume = run;
    rescl_log_set(hear, NULL);
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    assert_null(strstr(heard, "other implementations"));
    r = (train_run){.options = train_options(run), .stop = STOP_AT_STEP, .stop_step = 5};
    r.options.resume = run;
    setenv("RESCL_IMPL", "dense=direct", 1); /* the default of no device */
    train_do(&r);
    unsetenv("RESCL_IMPL");
    rescl_log_set(NULL, NULL);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    assert_non_null(strstr(heard, "other implementations"));
}

/* What a resume of the run says when the first digit after `key` in its checkpoint is made 9. */
static const char *told_of(const char *name, const char *key)
{
    char run[512], last[600], *data;
    size_t bytes;
    snprintf(run, sizeof run, "%s/%s", rs_test_dir, name);
    snprintf(last, sizeof last, "%s/weights/last.safetensors", run);
    train_run r = {.options = train_options(run), .stop = STOP_AT_STEP, .stop_step = 2};
    train_do(&r);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    assert_ok(rs_file_read(last, 1 << 28, &data, &bytes));
    char *digit = strstr(data + 8, key); /* behind the length of the header */
    assert_non_null(digit);
    digit += strlen(key);
    *digit = *digit == '9' ? '8' : '9';
    assert_ok(rs_file_write(last, data, bytes));
    free(data);
    r = (train_run){.options = train_options(run), .stop = STOP_AT_STEP, .stop_step = 4};
    r.options.resume = run;
    heard[0] = '\0';
    rescl_log_set(hear, NULL);
    train_do(&r);
    rescl_log_set(NULL, NULL);
    assert_int_equal(r.status, RESCL_ERR_INTERRUPTED);
    return heard;
}

/* The order of sums depends on the width of vectors, and only on GPUs on the number of units. */
static void other_devices_are_told(void **state)
{
    (void)state;
    const bool cpu = rescl_device_get_info(rs_test_device())->type == RESCL_DEVICE_CPU;
    const char *units = strstr(told_of("units", "compute_units\\\":"), "sums are taken");
    assert_true(cpu == !units);
    assert_non_null(strstr(told_of("width", "float_width\\\":"), "sums are taken"));
}

/* Two trainings do not write to one folder. */
static void locks_the_run_folder(void **state)
{
    (void)state;
    const char *run = rs_test_path("%s/locked", rs_test_dir);
    rescl_train_options o = train_options(run);
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *m = rs_test_model(), *other = rs_test_model();
    rescl_trainer *t = NULL, *second = NULL;
    o.max_steps = 1;
    assert_ok(rescl_trainer_create(rs_test_device(), m, set, NULL, &o, &t));
    assert_fails(rescl_trainer_create(rs_test_device(), other, set, NULL, &o, &second),
                 RESCL_ERR_IO, run, "another training");
    assert_ok(rescl_trainer_run(t, NULL));
    o.resume = run;
    assert_fails(rescl_trainer_create(rs_test_device(), other, set, NULL, &o, &second),
                 RESCL_ERR_IO, run, "another training");
    rescl_trainer_destroy(t);
    assert_ok(rescl_trainer_create(rs_test_device(), other, set, NULL, &o, &second));
    rescl_trainer_destroy(second);
    rescl_model_destroy(m);
    rescl_model_destroy(other);
    rescl_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_in_the_middle_of_an_epoch),
        cmocka_unit_test(resumes_before_the_tail),
        cmocka_unit_test(resumes_after_the_last_step_of_an_epoch),
        cmocka_unit_test(resumes_in_an_evaluation),
        cmocka_unit_test(resumes_at_the_end_of_an_epoch),
        cmocka_unit_test(goes_on_after_max_steps),
        cmocka_unit_test(max_steps_leaves_the_best_alone_at_each_epoch),
        cmocka_unit_test(max_steps_leaves_the_best_alone_at_some_epochs),
        cmocka_unit_test(is_not_changed_by_saving),
        cmocka_unit_test(resumes_with_momentum),
        cmocka_unit_test(resumes_a_fine_tuning),
        cmocka_unit_test(resumes_with_mixed_batches),
        cmocka_unit_test(resumes_on_a_plateau),
        cmocka_unit_test(other_plans_are_told),
        cmocka_unit_test(other_devices_are_told),
        cmocka_unit_test(locks_the_run_folder),
        cmocka_unit_test(refuses_other_options),
        cmocka_unit_test(refuses_other_models_and_data),
        cmocka_unit_test(refuses_renamed_classes),
        cmocka_unit_test(goes_on_from_old_fingerprints),
        cmocka_unit_test(takes_what_belongs_to_the_weights),
        cmocka_unit_test(refuses_files_without_a_run),
    };
    return cmocka_run_group_tests(tests, make_whole, rs_test_dir_teardown);
}
