/* Knowledge distillation: steps as PyTorch's, memory, runs that go on, and teachers that are refused. */
#include "error.h"
#include "fixtures.h"
#include "rng.h"
#include "safetensors.h"
#include "testing.h"
#include "train_support.h"

#include "distil.h"
#include "modelfile.h"
#include "netmodel.h"
#include "path.h"
#include "replica.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 6, CHANNELS = 3 };

/* resnet8 with its initial weights of a seed. */
static rescl_model *make(size_t classes, size_t size, size_t channels, uint64_t seed,
                         double smoothing)
{
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = classes,
                                   .image_size = size,
                                   .channels = channels,
                                   .label_smoothing = smoothing,
                                   .seed = seed};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

/* Writes such a network, and gives its path: to be freed. */
static char *save(const char *name, size_t classes, size_t size, size_t channels, uint64_t seed)
{
    rescl_model *m = make(classes, size, channels, seed, 0);
    char *path = strdup(rs_test_path("%s/%s.safetensors", rs_test_dir, name));
    assert_ok(rescl_model_save(m, path));
    rescl_model_destroy(m);
    return path;
}

/* ---- ten steps ----------------------------------------------------------------------------- */

/* As tests/golden/make_distillation.py has them. */
enum { STUDENT = 3, TEACHER = 4, IMAGES = 5, BATCH = 8, STEPS = 10, LABELS = 1 << 20 };

static void draw(uint64_t step, uint8_t *pixels, int32_t *labels)
{
    rs_rng r;
    rs_rng_init(&r, IMAGES, step);
    for (size_t i = 0; i < (size_t)BATCH * TEST_SIZE * TEST_SIZE * CHANNELS; i++)
        pixels[i] = (uint8_t)(rs_rng_uniform(&r) * 256.0f);
    rs_rng_init(&r, IMAGES, LABELS + step);
    for (size_t i = 0; i < BATCH; i++)
        labels[i] = (int32_t)rs_rng_below(&r, CLASSES);
}

static void take_steps(rescl_train_options *o, double smoothing, double losses[STEPS])
{
    static uint8_t pixels[BATCH * TEST_SIZE * TEST_SIZE * CHANNELS];
    int32_t labels[BATCH];
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, smoothing);
    rescl_trainer *t = NULL;
    rescl_metrics m;
    o->opt = "sgd";
    o->momentum = 0.9;
    o->lr = 0.01;
    o->batch_size = BATCH;
    assert_ok(rescl_trainer_create(rs_test_device(), student, NULL, NULL, o, &t));
    for (uint64_t step = 0; step < STEPS; step++) {
        draw(step, pixels, labels);
        assert_ok(rescl_trainer_step(t, pixels, labels, BATCH, &m));
        losses[step] = m.loss;
    }
    rescl_trainer_destroy(t);
    rescl_model_destroy(student);
}

static void steps_are_as_in_torch(void **state)
{
    static const struct {
        const char *type;
        double alpha, tau, smoothing;
    } cases[] = {{"soft", 0.5, 4, 0.1}, {"hard", 0.3, 1, 0}};
    char *teacher = save("torch", CLASSES, TEST_SIZE, CHANNELS, TEACHER);
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/distillation.safetensors", &f));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rescl_train_options o;
        double losses[STEPS], want[STEPS], worst = 0;
        const rs_st_tensor *t = rs_st_find(f, rs_test_path("%s.losses", cases[i].type));
        assert_non_null(t);
        assert_ok(rs_st_read(f, t, want));
        rescl_train_options_default(&o);
        o.teacher = teacher;
        o.distillation_type = cases[i].type;
        o.distillation_alpha = cases[i].alpha;
        o.distillation_tau = cases[i].tau;
        take_steps(&o, cases[i].smoothing, losses);
        for (size_t k = 0; k < STEPS; k++)
            worst = fmax(worst, fabs(losses[k] - want[k]) / want[k]);
        print_message("%s: at most %.1e from PyTorch's\n", cases[i].type, worst);
        assert_true(worst < 1e-6);
    }
    rs_st_close(f);
    free(teacher);
}

/* Images are prepared as the teacher wants them: numbers that are doubled are made up for by its first filters, and
 * give the same bits. */
static void a_teacher_has_its_own_preprocessing(void **state)
{
    const rescl_normalize doubled = {.mean = {0, 0, 0}, .std = {0.5, 0.5, 0.5}};
    char *plain = save("plain", CLASSES, TEST_SIZE, CHANNELS, TEACHER);
    char *other = strdup(rs_test_path("%s/doubled.safetensors", rs_test_dir));
    rescl_model *m = make(CLASSES, TEST_SIZE, CHANNELS, TEACHER, 0);
    rescl_train_options o;
    double losses[2][STEPS];
    (void)state;
    for (size_t k = 0; k < m->weights.elems[0]; k++)
        m->weights.data[0][k] *= 0.5f;
    assert_ok(rescl_model_set_normalize(m, &doubled));
    assert_ok(rescl_model_save(m, other));
    rescl_model_destroy(m);
    for (int i = 0; i < 2; i++) {
        rescl_train_options_default(&o);
        o.teacher = i ? other : plain;
        take_steps(&o, 0, losses[i]);
    }
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    free(plain);
    free(other);
}

/* The model is as it was: it trains without a teacher, and by rs_replica alone. */
static void nothing_of_it_remains(void **state)
{
    const rescl_train_options plain = train_options(NULL);
    rescl_memory before[2], after[2];
    char *teacher = save("left", CLASSES, TEST_SIZE, CHANNELS, TEACHER);
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, 0);
    const rs_optim_hyper hyper = {.def = &rs_optim_sgd};
    const rs_replica_options plan = {.hyper = &hyper, .train_batch = BATCH};
    rescl_train_options o;
    rescl_trainer *t = NULL;
    rs_replica *r = NULL;
    (void)state;
    rescl_train_options_default(&o);
    o.batch_size = BATCH;
    o.teacher = teacher;
    assert_ok(rescl_memory_needed(rs_test_device(), student, BATCH, &plain, &before[0]));
    assert_ok(rescl_memory_needed(rs_test_device(), student, BATCH, &o, &before[1]));
    assert_ok(rescl_trainer_create(rs_test_device(), student, NULL, NULL, &o, &t));
    assert_ok(rescl_memory_needed(rs_test_device(), student, BATCH, &o, &after[1]));
    rescl_trainer_destroy(t);
    assert_ok(rescl_memory_needed(rs_test_device(), student, BATCH, &plain, &after[0]));
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(before[0].teacher, 0);
    assert_ok(rs_replica_create(rs_test_device(), student->graph, &student->weights, &plan, &r));
    assert_null(rs_net_teacher(rs_replica_net(r, RS_MODE_TRAIN, BATCH)).buf);
    rs_replica_destroy(r);
    rescl_model_destroy(student);
    free(teacher);
}

/* ---- what it is ---------------------------------------------------------------------------- */

static void hash_of(const rescl_model *teacher, const rescl_model *student, char out[33])
{
    const char *path = rs_test_path("%s/hashed.safetensors", rs_test_dir);
    rescl_train_options o;
    rs_distil d;
    rescl_train_options_default(&o);
    o.teacher = path;
    assert_ok(rescl_model_save(teacher, path));
    assert_ok(rs_distil_init(&o, student, &d));
    memcpy(out, d.hash, sizeof d.hash);
    rs_distil_fini(&d);
}

/* By any number, such as the last one of parameters whose counts are odd, and the epsilon. */
static void are_told_apart(void **state)
{
    const rescl_model_options options = {.struct_size = sizeof options,
                                         .name = "resnet8",
                                         .classes = CLASSES,
                                         .image_size = TEST_SIZE,
                                         .hidden = 100};
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, 0), *m = NULL;
    char hash[4][33];
    (void)state;
    assert_ok(rescl_model_create(&options, &m));
    hash_of(m, student, hash[0]);
    hash_of(m, student, hash[1]);
    assert_string_equal(hash[0], hash[1]);
    const size_t last = m->weights.count - 1;
    m->weights.data[last][m->weights.elems[last] - 1] = 0.25f;
    hash_of(m, student, hash[2]);
    assert_string_not_equal(hash[1], hash[2]);
    rs_model_take_over(m, m->preprocess, &m->normalize, 2 * rs_ckpt_model_of(m).bn_eps);
    hash_of(m, student, hash[3]);
    assert_string_not_equal(hash[2], hash[3]);
    rescl_model_destroy(m);
    rescl_model_destroy(student);
}

static void count_guesses(rescl_log_level level, const char *message, void *user)
{
    (void)level;
    if (strstr(message, "does not say how its images are prepared; 'torch' is assumed"))
        ++*(int *)user;
    if (strstr(message, "does not name its 6 classes"))
        *(int *)user += 100;
}

/* A library's weights, without a word of what they are of. */
static void save_bare(const rescl_model *m, const char *path)
{
    rescl_export_options to;
    rs_st_file *f;
    rescl_export_options_default(&to);
    to.names = "torchvision";
    assert_ok(rescl_model_export(m, path, &to));
    assert_ok(rs_st_open(path, &f));
    const size_t count = rs_st_count(f);
    rs_st_source *source = calloc(count, sizeof *source);
    void **data = calloc(count, sizeof *data);
    assert_true(source && data);
    for (size_t i = 0; i < count; i++) {
        const rs_st_tensor *t = rs_st_at(f, i);
        data[i] = malloc(t->bytes);
        assert_non_null(data[i]);
        assert_ok(rs_st_read(f, t, data[i]));
        source[i] =
            (rs_st_source){.name = t->name, .dtype = t->dtype, .ndim = t->ndim, .data = data[i]};
        memcpy(source[i].dim, t->dim, sizeof t->dim);
    }
    assert_ok(rs_st_write(path, NULL, 0, source, count));
    for (size_t i = 0; i < count; i++)
        free(data[i]);
    free(data);
    free(source);
    rs_st_close(f);
}

static void what_is_assumed_is_told_once(void **state)
{
    char *path = strdup(rs_test_path("%s/bare.safetensors", rs_test_dir));
    rescl_train_options o = train_options(NULL);
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, 0);
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_trainer *t = NULL;
    int told = 0;
    (void)state;
    save_bare(student, path);
    o.teacher = path;
    o.teacher_model = "resnet8";
    o.batch_size = 0;
    rescl_log_set(count_guesses, &told);
    assert_ok(rescl_trainer_create(rs_test_device(), student, set, NULL, &o, &t));
    rescl_log_set(NULL, NULL);
    assert_int_equal(told, 101);
    rescl_trainer_destroy(t);
    rescl_model_destroy(student);
    rescl_dataset_close(set);
    free(path);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* The teacher is the larger one. */
static void its_memory_is_planned(void **state)
{
    const rescl_model_options large = {.struct_size = sizeof large,
                                       .name = "resnet20",
                                       .classes = CLASSES,
                                       .image_size = TEST_SIZE};
    char *path = strdup(rs_test_path("%s/large.safetensors", rs_test_dir));
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, 0), *teacher = NULL;
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_train_options o = train_options(NULL);
    rescl_batch_fit alone, fit;
    rescl_memory memory;
    rescl_trainer *t = NULL;
    rescl_device_stats before, after;
    (void)state;
    assert_ok(rescl_model_create(&large, &teacher));
    assert_ok(rescl_model_save(teacher, path));
    rescl_model_destroy(teacher);
    assert_ok(rescl_batch_size_fitting(rs_test_device(), student, TEST_SAMPLES, 0, &o, &alone));
    o.teacher = path;
    assert_ok(rescl_batch_size_fitting(rs_test_device(), student, TEST_SAMPLES, 0, &o, &fit));
    assert_true(fit.all && fit.bytes > alone.bytes);
    assert_ok(rescl_memory_needed(rs_test_device(), student, TEST_SAMPLES, &o, &memory));
    assert_true(memory.teacher > 0);
    o.batch_size = fit.batch_size;
    o.epochs = 1;
    rescl_device_get_stats(rs_test_device(), &before);
    assert_ok(rescl_trainer_create(rs_test_device(), student, set, NULL, &o, &t));
    assert_ok(rescl_trainer_run(t, NULL));
    rescl_device_get_stats(rs_test_device(), &after);
    assert_true(after.bytes - before.bytes <= fit.bytes);
    rescl_trainer_destroy(t);
    rescl_model_destroy(student);
    rescl_dataset_close(set);
    free(path);
}

/* ---- runs ---------------------------------------------------------------------------------- */

static rescl_train_options taught(const char *dir, const char *teacher)
{
    rescl_train_options o = train_options(dir);
    o.epochs = 2;
    o.teacher = teacher;
    o.distillation_tau = 2;
    o.precision = "bf16";
    o.grad_accum_steps = 2;
    o.model_ema = true;
    o.class_weights = "balanced";
    o.report = o.tensorboard = false;
    assert_ok(rescl_train_options_set(&o, "mixup", "0.4"));
    return o;
}

/* In the middle of an update by two batches. */
static void goes_on_with_the_same_bits(void **state)
{
    char *teacher = save("teacher", CLASSES, TEST_SIZE, CHANNELS, 21);
    char *other = save("other", CLASSES, TEST_SIZE, CHANNELS, 22);
    char *whole = strdup(rs_test_path("%s/whole", rs_test_dir));
    char *broken = strdup(rs_test_path("%s/broken", rs_test_dir));
    train_run one = {.options = taught(whole, teacher)};
    train_run two = {.options = taught(broken, teacher), .stop = STOP_AT_STEP, .stop_step = 4};
    (void)state;
    train_do(&one);
    assert_ok(one.status);
    train_do(&two);
    assert_int_equal(two.status, RESCL_ERR_INTERRUPTED);
    two.stop = STOP_NEVER;
    two.options.resume = broken;
    two.options.teacher = other;
    train_do(&two);
    assert_fails(two.status, RESCL_ERR_ARG, "computes otherwise than the one");
    two.options.teacher = teacher;
    train_do(&two);
    assert_ok(two.status);
    train_same_tensors(rs_test_path("%s/weights/last.safetensors", whole),
                       rs_test_path("%s/weights/last.safetensors", broken));
    free(teacher);
    free(other);
    free(whole);
    free(broken);
}

/* Nor does a run lose its teacher or get one; its report says what that takes. */
static void neither_comes_nor_goes(void **state)
{
    char *teacher = save("teacher", CLASSES, TEST_SIZE, CHANNELS, 21);
    char *taught_dir = strdup(rs_test_path("%s/taught", rs_test_dir));
    char *plain_dir = strdup(rs_test_path("%s/alone", rs_test_dir));
    train_run with = {.options = train_options(taught_dir),
                      .stop = STOP_AT_STEP,
                      .stop_step = 1,
                      .no_eval = true};
    train_run without = with;
    char *report;
    size_t bytes;
    (void)state;
    with.options.teacher = teacher;
    train_do(&with);
    assert_int_equal(with.status, RESCL_ERR_INTERRUPTED);
    assert_ok(rs_file_read(rs_test_path("%s/report.json", taught_dir), 1 << 24, &report, &bytes));
    assert_non_null(strstr(report, "\"teacher\":"));
    assert_null(strstr(report, "\"teacher\":0"));
    free(report);
    with.options.resume = taught_dir;
    with.options.teacher = NULL;
    train_do(&with);
    assert_fails(with.status, RESCL_ERR_ARG, "it was trained with the teacher");
    without.options.output_dir = plain_dir;
    train_do(&without);
    assert_int_equal(without.status, RESCL_ERR_INTERRUPTED);
    without.options.resume = plain_dir;
    without.options.teacher = teacher;
    train_do(&without);
    assert_fails(without.status, RESCL_ERR_ARG, "it was trained without a teacher");
    free(teacher);
    free(taught_dir);
    free(plain_dir);
}

static void refuse(const rescl_train_options *o, rescl_status status, const char *words)
{
    rescl_model *student = make(CLASSES, TEST_SIZE, CHANNELS, STUDENT, 0);
    rescl_trainer *t = NULL;
    assert_fails(rescl_trainer_create(rs_test_device(), student, NULL, NULL, o, &t), status, words);
    assert_null(t);
    rescl_model_destroy(student);
}

static void others_are_refused(void **state)
{
    const struct {
        size_t classes, size, channels;
        const char *words;
    } bad[] = {{7, TEST_SIZE, 3, "it has 7 classes, and the student 6"},
               {6, 24, 3, "images of 24x24, and the student of 16x16"},
               {6, TEST_SIZE, 1, "images of 1 channels, and the student of 3"}};
    rescl_train_options o;
    (void)state;
    rescl_train_options_default(&o);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *path = save("bad", bad[i].classes, bad[i].size, bad[i].channels, 1);
        o.teacher = path;
        refuse(&o, RESCL_ERR_ARG, bad[i].words);
        free(path);
    }
    char *good = save("good", CLASSES, TEST_SIZE, CHANNELS, 1);
    const rescl_model_options many = {.struct_size = sizeof many,
                                      .name = "resnet8",
                                      .classes = CLASSES,
                                      .image_size = TEST_SIZE,
                                      .loss = RESCL_LOSS_BCE,
                                      .multi_label = true};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&many, &m));
    o.teacher = rs_test_path("%s/many.safetensors", rs_test_dir);
    assert_ok(rescl_model_save(m, o.teacher));
    rescl_model_destroy(m);
    refuse(&o, RESCL_ERR_ARG, "any number of labels (multi_label)");
    o.teacher = good;
    o.teacher_model = "resnet20";
    refuse(&o, RESCL_ERR_FORMAT, "good.safetensors");
    o.teacher = "nowhere.safetensors";
    refuse(&o, RESCL_ERR_NOT_FOUND, "nowhere.safetensors");
    o.teacher = NULL;
    refuse(&o, RESCL_ERR_ARG, "teacher_model is resnet20, and acts only with teacher");
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_are_as_in_torch),
                                       cmocka_unit_test(a_teacher_has_its_own_preprocessing),
                                       cmocka_unit_test(nothing_of_it_remains),
                                       cmocka_unit_test(are_told_apart),
                                       cmocka_unit_test(what_is_assumed_is_told_once),
                                       cmocka_unit_test(its_memory_is_planned),
                                       cmocka_unit_test(goes_on_with_the_same_bits),
                                       cmocka_unit_test(neither_comes_nor_goes),
                                       cmocka_unit_test(others_are_refused)};
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
