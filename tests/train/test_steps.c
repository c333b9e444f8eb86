/* The caller's own loop against rescl_trainer_run, and what a trainer holds by name. */
#include "testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "train_support.h"
#include "trainer.h"

#define IMAGE_BYTES (TEST_SIZE * TEST_SIZE * 3)
#define STEPS       6

/* ---- the batches of a run ---------------------------------------------------------------- */

typedef struct recorded {
    uint8_t images[STEPS][TEST_BATCH * IMAGE_BYTES];
    int32_t labels[STEPS][TEST_BATCH];
    double loss[STEPS];
    size_t count;
} recorded;

static recorded seen;

static rescl_status open_recorder(const rs_run_info *run, void **self)
{
    *self = run->train_set ? &seen : NULL;
    return RESCL_OK;
}

static rescl_status record(void *self, const rs_samples *s)
{
    recorded *r = self;
    if (!s->training)
        return RESCL_OK;
    assert_true(r->count < STEPS);
    assert_int_equal(s->n, TEST_BATCH);
    memcpy(r->images[r->count], s->images, sizeof r->images[0]);
    memcpy(r->labels[r->count], s->labels, sizeof r->labels[0]);
    r->count++;
    return RESCL_OK;
}

static bool keep_loss(const rescl_step_event *e, void *user)
{
    (void)user;
    if (e->training)
        seen.loss[e->step - 1] = e->step_loss;
    return true;
}

static const rs_watcher recorder = {.name = "recorder", .open = open_recorder, .samples = record};
extern const rs_watcher rs_watcher_callbacks;

static rescl_train_options options_of(void)
{
    rescl_train_options o = train_options(NULL);
    o.epochs = 2;
    o.hflip = 0.5;
    o.lr_body = 5e-4;
    o.weight_decay = 1e-3;
    return o;
}

static void assert_same_weights(const rescl_model *a, const rescl_model *b)
{
    rescl_parameter_info p;
    for (size_t i = 0; rescl_model_get_parameter_info(a, i, &p); i++)
        if (memcmp(a->weights.data[i], b->weights.data[i], p.count * sizeof(float)) != 0)
            fail_msg("%s differs", p.name);
}

static void steps_are_those_of_a_run(void **state)
{
    (void)state;
    static const rs_watcher *const watchers[] = {&recorder, &rs_watcher_callbacks, NULL};
    rescl_train_callbacks callbacks;
    rescl_dataset *train = rs_test_hands("train", STEPS / 2 * TEST_BATCH, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *run_model = rs_test_model(), *own_model = rs_test_model();
    const rescl_train_options o = options_of();
    rescl_trainer *run = NULL, *own = NULL;
    rescl_metrics m, by_trainer, by_model;

    rescl_train_callbacks_default(&callbacks);
    callbacks.on_step = keep_loss;
    memset(&seen, 0, sizeof seen);
    assert_ok(rescl_trainer_create(rs_test_device(), run_model, train, NULL, &o, &run));
    run->watchers = watchers;
    assert_ok(rescl_trainer_run(run, &callbacks));
    assert_int_equal(seen.count, STEPS);

    assert_ok(rescl_trainer_create(rs_test_device(), own_model, NULL, eval, &o, &own));
    for (size_t i = 0; i < STEPS; i++) {
        assert_ok(rescl_trainer_step(own, seen.images[i], seen.labels[i], TEST_BATCH, &m));
        assert_int_equal(m.samples, TEST_BATCH);
        assert_true(m.loss <= seen.loss[i] && m.loss >= seen.loss[i]);
    }
    assert_ok(rescl_trainer_sync_model(own));
    assert_same_weights(run_model, own_model);

    assert_ok(rescl_trainer_evaluate(own, &by_trainer));
    assert_ok(rescl_evaluate(rs_test_device(), own_model, eval, TEST_BATCH, 1, NULL, &by_model));
    assert_int_equal(by_trainer.samples, TEST_EVAL_SAMPLES);
    assert_true(by_trainer.loss <= by_model.loss && by_trainer.loss >= by_model.loss);

    rescl_trainer_destroy(run);
    rescl_trainer_destroy(own);
    rescl_model_destroy(run_model);
    rescl_model_destroy(own_model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

/* ---- what a trainer holds ---------------------------------------------------------------- */

typedef struct fixture {
    rescl_model *model;
    rescl_trainer *trainer;
    uint8_t images[TEST_BATCH * IMAGE_BYTES];
    int32_t labels[TEST_BATCH];
    rescl_parameter_info head; /* the last parameter: the head's bias */
} fixture;

static fixture *make_with(const char *schedule)
{
    rescl_train_options o = train_options(NULL);
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    o.lr_scheduler = schedule;
    o.opt = "sgd";
    o.momentum = 0.0;
    o.lr = 0.5;
    f->model = rs_test_model();
    for (size_t i = 0; i < sizeof f->images; i++)
        f->images[i] = (uint8_t)(i * 37 % 251);
    for (size_t i = 0; i < TEST_BATCH; i++)
        f->labels[i] = (int32_t)(i % 6);
    assert_ok(rescl_trainer_create(rs_test_device(), f->model, NULL, NULL, &o, &f->trainer));
    assert_true(rescl_model_get_parameter_info(f->model, rescl_model_parameter_count(f->model) - 1,
                                               &f->head));
    assert_int_equal(f->head.count, 6);
    return f;
}

static fixture *make(void)
{
    return make_with("constant");
}

static void destroy(fixture *f)
{
    rescl_trainer_destroy(f->trainer);
    rescl_model_destroy(f->model);
    free(f);
}

static rescl_status backward(fixture *f)
{
    return rescl_trainer_backward(f->trainer, f->images, f->labels, TEST_BATCH, NULL);
}

/* Plain SGD: w - lr * g, with the gradient and the rate that the caller set. */
static void gradients_and_rates_can_be_set(void **state)
{
    (void)state;
    fixture *f = make();
    const float ours[6] = {1.0f, -2.0f, 0.0f, 4.0f, 0.5f, 0.25f};
    float before[6], gradient[6], after[6];
    double sum = 0.0, size = 0.0;

    assert_ok(backward(f));
    assert_ok(rescl_trainer_get_parameter(f->trainer, f->head.name, before, 6));
    assert_ok(rescl_trainer_get_gradient(f->trainer, f->head.name, gradient, 6));
    for (size_t i = 0; i < 6; i++) {
        sum += (double)gradient[i]; /* of a softmax's logits: they cancel */
        size += fabs((double)gradient[i]);
    }
    assert_true(size > 1e-3 && fabs(sum) < 1e-5);
    assert_ok(rescl_trainer_set_gradient(f->trainer, f->head.name, ours, 6));
    assert_ok(rescl_trainer_set_lr(f->trainer, 0.25, 0.0));
    assert_ok(rescl_trainer_update(f->trainer));
    assert_ok(rescl_trainer_get_parameter(f->trainer, f->head.name, after, 6));
    for (size_t i = 0; i < 6; i++)
        assert_true(fabsf(after[i] - (before[i] - 0.25f * ours[i])) < 1e-6f);
    destroy(f);
}

/* A schedule, also one that moves the momentum, is for runs: here the optimiser's own counts, which is 0. */
static void momentum_is_the_optimisers(void **state)
{
    (void)state;
    fixture *f[2] = {make_with("constant"), make_with("onecyclelr")};
    float bias[2][6];

    for (size_t i = 0; i < 2; i++) {
        for (size_t step = 0; step < 2; step++)
            assert_ok(
                rescl_trainer_step(f[i]->trainer, f[i]->images, f[i]->labels, TEST_BATCH, NULL));
        assert_ok(rescl_trainer_get_parameter(f[i]->trainer, f[i]->head.name, bias[i], 6));
        destroy(f[i]);
    }
    assert_memory_equal(bias[0], bias[1], sizeof bias[0]);
}

static void parameters_are_used_once_set(void **state)
{
    (void)state;
    fixture *f = make();
    const float sure[6] = {0.0f, 0.0f, 0.0f, 1000.0f, 0.0f, 0.0f};
    float in_model[6];
    rescl_metrics m;

    assert_ok(rescl_trainer_set_parameter(f->trainer, f->head.name, sure, 6));
    assert_ok(rescl_trainer_backward(f->trainer, f->images, f->labels, TEST_BATCH, &m));
    assert_true(m.loss > 100.0);
    assert_ok(rescl_model_get_parameter(f->model, f->head.name, in_model, 6));
    assert_true(in_model[3] < 1.0f);
    assert_ok(rescl_trainer_sync_model(f->trainer));
    assert_ok(rescl_model_get_parameter(f->model, f->head.name, in_model, 6));
    assert_memory_equal(in_model, sure, sizeof sure);
    destroy(f);
}

/* ---- errors ------------------------------------------------------------------------------ */

static void says_what_is_wrong_with_a_batch(void **state)
{
    (void)state;
    fixture *f = make();

    assert_fails(rescl_trainer_step(f->trainer, NULL, f->labels, TEST_BATCH, NULL), RESCL_ERR_ARG,
                 "without images");
    assert_fails(rescl_trainer_step(f->trainer, f->images, NULL, TEST_BATCH, NULL), RESCL_ERR_ARG,
                 "without labels");
    assert_fails(rescl_trainer_step(f->trainer, f->images, f->labels, 3, NULL), RESCL_ERR_ARG,
                 "a batch of 3", "batch_size of 16");
    f->labels[2] = 6;
    assert_fails(rescl_trainer_step(f->trainer, f->images, f->labels, TEST_BATCH, NULL),
                 RESCL_ERR_ARG, "image 2", "label 6", "0 to 5");
    destroy(f);
}

static void says_what_comes_in_the_wrong_order(void **state)
{
    (void)state;
    fixture *f = make();
    float values[6] = {0};
    rescl_metrics m;

    assert_fails(rescl_trainer_update(f->trainer), RESCL_ERR_ARG, "rescl_trainer_backward");
    assert_fails(rescl_trainer_get_gradient(f->trainer, f->head.name, values, 6), RESCL_ERR_ARG,
                 f->head.name, "no gradients yet");
    assert_fails(rescl_trainer_run(f->trainer, NULL), RESCL_ERR_ARG, "no training set");
    assert_fails(rescl_trainer_evaluate(f->trainer, &m), RESCL_ERR_ARG, "no evaluation set");
    assert_ok(backward(f));
    assert_ok(rescl_trainer_update(f->trainer));
    assert_ok(rescl_trainer_get_gradient(f->trainer, f->head.name, values, 6));
    assert_fails(rescl_trainer_set_gradient(f->trainer, f->head.name, values, 6), RESCL_ERR_ARG,
                 "rescl_trainer_backward");
    assert_fails(rescl_trainer_update(f->trainer), RESCL_ERR_ARG, "no gradients to update");
    destroy(f);
}

static void says_what_is_wrong_with_a_value(void **state)
{
    (void)state;
    fixture *f = make();
    float values[6] = {0};
    rescl_parameter_info p;
    size_t i = 0;

    assert_ok(backward(f));
    assert_fails(rescl_trainer_get_parameter(f->trainer, "nothing", values, 6), RESCL_ERR_NOT_FOUND,
                 "nothing");
    assert_fails(rescl_trainer_get_gradient(f->trainer, f->head.name, values, 5), RESCL_ERR_SHAPE,
                 f->head.name, "6");
    assert_fails(rescl_trainer_set_parameter(f->trainer, f->head.name, NULL, 6), RESCL_ERR_ARG,
                 "NULL");
    while (rescl_model_get_parameter_info(f->model, i, &p) && p.trainable)
        i++;
    float *statistic = calloc(p.count, sizeof *statistic);
    assert_non_null(statistic);
    assert_fails(rescl_trainer_get_gradient(f->trainer, p.name, statistic, p.count), RESCL_ERR_ARG,
                 p.name, "no gradient");
    assert_ok(rescl_trainer_get_parameter(f->trainer, p.name, statistic, p.count));
    free(statistic);
    assert_fails(rescl_trainer_set_lr(f->trainer, -1.0, 0.0), RESCL_ERR_ARG, "-1");
    assert_fails(rescl_trainer_set_lr(f->trainer, 1.0, INFINITY), RESCL_ERR_ARG, "inf");
    destroy(f);
}

static void a_loss_that_is_not_finite_leaves_the_weights(void **state)
{
    (void)state;
    fixture *f = make();
    float bad[6] = {NAN}, again[6];

    assert_ok(backward(f));
    assert_ok(rescl_trainer_set_parameter(f->trainer, f->head.name, bad, 6));
    assert_fails(rescl_trainer_step(f->trainer, f->images, f->labels, TEST_BATCH, NULL),
                 RESCL_ERR_NUMERIC, "step 1", "layer");
    assert_fails(rescl_trainer_update(f->trainer), RESCL_ERR_ARG, "no gradients");
    assert_ok(rescl_trainer_get_parameter(f->trainer, f->head.name, again, 6));
    assert_memory_equal(again, bad, sizeof bad);
    destroy(f);
}

/* ---- runs and steps ---------------------------------------------------------------------- */

typedef struct meddling {
    rescl_trainer *trainer;
    fixture *f;
    size_t read;
} meddling;

static bool meddle(const rescl_step_event *e, void *user)
{
    meddling *m = user;
    float values[6];
    rescl_metrics metrics;
    (void)e;
    assert_ok(rescl_trainer_get_parameter(m->trainer, m->f->head.name, values, 6));
    assert_ok(rescl_trainer_get_gradient(m->trainer, m->f->head.name, values, 6));
    assert_ok(rescl_trainer_sync_model(m->trainer));
    assert_fails(rescl_trainer_step(m->trainer, m->f->images, m->f->labels, TEST_BATCH, &metrics),
                 RESCL_ERR_ARG, "rescl_trainer_run");
    assert_fails(rescl_trainer_run(m->trainer, NULL), RESCL_ERR_ARG, "is running already");
    m->read++;
    return m->read < 2;
}

static void callbacks_read_but_do_not_step(void **state)
{
    (void)state;
    fixture *f = make();
    meddling m = {.f = f};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = meddle, .user = &m};
    const rescl_train_options o = options_of();
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);

    assert_ok(rescl_trainer_create(rs_test_device(), f->model, train, NULL, &o, &m.trainer));
    assert_fails(rescl_trainer_run(m.trainer, &callbacks), RESCL_ERR_INTERRUPTED, "stopped");
    assert_int_equal(m.read, 2);
    assert_fails(rescl_trainer_run(m.trainer, &(rescl_train_callbacks){.on_step = meddle}),
                 RESCL_ERR_ARG, "rescl_train_callbacks_default");
    assert_fails(rescl_trainer_step(m.trainer, f->images, f->labels, TEST_BATCH, NULL),
                 RESCL_ERR_ARG, "make another one to step");
    assert_fails(rescl_trainer_update(m.trainer), RESCL_ERR_ARG, "make another one to step");
    assert_fails(rescl_trainer_set_lr(m.trainer, 0.1, 0.0), RESCL_ERR_ARG,
                 "make another one to step");
    rescl_trainer_destroy(m.trainer);

    assert_ok(rescl_trainer_create(rs_test_device(), f->model, train, NULL, &o, &m.trainer));
    assert_ok(rescl_trainer_step(m.trainer, f->images, f->labels, TEST_BATCH, NULL));
    assert_fails(rescl_trainer_run(m.trainer, NULL), RESCL_ERR_ARG, "stepped");
    rescl_trainer_destroy(m.trainer);
    rescl_dataset_close(train);
    destroy(f);
}

static void without_a_training_set_nothing_is_written(void **state)
{
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_trainer *t = NULL;
    rescl_train_options o = train_options("somewhere");

    assert_fails(rescl_trainer_create(rs_test_device(), model, NULL, NULL, &o, &t), RESCL_ERR_ARG,
                 "somewhere", "rescl_model_save");
    o.output_dir = NULL;
    o.resume = "last.safetensors";
    assert_fails(rescl_trainer_create(rs_test_device(), model, NULL, NULL, &o, &t), RESCL_ERR_ARG,
                 "last.safetensors", "training set");
    rescl_model_destroy(model);
}

/* A batch of the caller is not weighed: better no step than another one than was asked for. */
static void class_weights_are_for_runs(void **state)
{
    static const uint8_t images[TEST_BATCH * IMAGE_BYTES];
    static const int32_t labels[TEST_BATCH];
    (void)state;
    rescl_dataset *set = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_model *model = rs_test_model();
    rescl_trainer *t = NULL;
    rescl_train_options o = train_options(NULL);

    o.class_weights = "balanced";
    assert_ok(rescl_trainer_create(rs_test_device(), model, set, NULL, &o, &t));
    assert_fails(rescl_trainer_step(t, images, labels, TEST_BATCH, NULL), RESCL_ERR_UNSUPPORTED,
                 "class_weights", "rescl_trainer_run");
    rescl_trainer_destroy(t);
    rescl_model_destroy(model);
    rescl_dataset_close(set);
}

static void one_device_has_the_whole_batch(void **state)
{
    rescl_team_member member;
    rescl_trainer *t = NULL;
    (void)state;
    rescl_model *model = rs_test_model();
    rescl_train_options o = train_options(NULL);

    assert_ok(rescl_trainer_create(rs_test_device(), model, NULL, NULL, &o, &t));
    assert_ok(rescl_trainer_get_member(t, 0, &member));
    assert_int_equal(member.share, TEST_BATCH);
    assert_int_equal(member.whole, TEST_BATCH);
    rescl_trainer_destroy(t);
    rescl_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_a_run),
        cmocka_unit_test(gradients_and_rates_can_be_set),
        cmocka_unit_test(momentum_is_the_optimisers),
        cmocka_unit_test(parameters_are_used_once_set),
        cmocka_unit_test(says_what_is_wrong_with_a_batch),
        cmocka_unit_test(says_what_comes_in_the_wrong_order),
        cmocka_unit_test(says_what_is_wrong_with_a_value),
        cmocka_unit_test(a_loss_that_is_not_finite_leaves_the_weights),
        cmocka_unit_test(callbacks_read_but_do_not_step),
        cmocka_unit_test(without_a_training_set_nothing_is_written),
        cmocka_unit_test(class_weights_are_for_runs),
        cmocka_unit_test(one_device_has_the_whole_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
