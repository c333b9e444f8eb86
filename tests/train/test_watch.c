/* What a run tells its watchers, when, and how they stop it. */
#include "watch.h"

#include "error.h"
#include "netmodel.h"
#include "testing.h"
#include "train_support.h"
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A watcher that writes a letter for each call, and does what the test says. */
static struct probe {
    char log[512];
    bool stop_in_step, stop_in_eval, stop_in_epoch, fails_in_step, fails_in_close;
    const char *dir;
    size_t samples, steps;
    double batch_loss;
    uint64_t epoch; /* as open was told it */
} probe;

static void note(const char *what)
{
    assert_true(strlen(probe.log) + strlen(what) < sizeof probe.log);
    strcat(probe.log, what);
}

static bool is_there(const char *name)
{
    return access(rs_test_path("%s/%s", probe.dir, name), F_OK) == 0;
}

static rescl_status open_probe(const rs_run_info *run, void **self)
{
    rs_weights w;
    note("(");
    assert_non_null(run->team);
    assert_ok(rs_weights_create(run->model->graph, &w));
    assert_ok(rs_team_download(run->team, &w));
    assert_memory_equal(w.data[0], run->model->weights.data[0], w.elems[0] * sizeof(float));
    rs_weights_fini(&w);
    probe.epoch = run->epoch;
    *self = &probe;
    return RESCL_OK;
}

static rescl_status take_samples(void *self, const rs_samples *s)
{
    double sum = 0.0;
    assert_ptr_equal(self, &probe);
    note(s->training ? "b" : "e");
    assert_int_equal(s->classes, 6);
    assert_int_equal(s->first % TEST_BATCH, 0);
    for (size_t i = 0; i < s->n; i++) {
        const float *logit = s->logits + i * s->classes;
        double all = 0.0;
        assert_true(s->labels[i] >= 0 && s->labels[i] < 6);
        for (size_t k = 0; k < s->classes; k++)
            all += exp((double)logit[k] - (double)logit[s->labels[i]]);
        assert_true(fabs(log(all) - (double)s->losses[i]) < 1e-4);
        sum += (double)s->losses[i];
    }
    assert_ptr_equal(s->images, s->batch->pixels);
    assert_true(s->batch->table[0][255] == 1.0f);
    probe.samples += s->n;
    probe.batch_loss = sum / (double)s->n;
    return RESCL_OK;
}

static rescl_status take_step(void *self, const rescl_step_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    assert_ptr_equal(self, &probe);
    note("s");
    probe.steps++;
    assert_true(fabs(e->step_loss - probe.batch_loss) < 1e-6);
    *stop = e->training ? probe.stop_in_step : probe.stop_in_eval;
    RS_FAIL_IF(probe.fails_in_step, RESCL_ERR_IO, "the probe fails in a step");
out:
    return st;
}

static rescl_status take_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    assert_ptr_equal(self, &probe);
    note("E");
    if (probe.dir && e->epoch == 0) {
        assert_true(is_there("weights/best.safetensors"));
        assert_true(is_there("results.csv"));
        assert_true(is_there("weights/last.safetensors")); /* of before the evaluation */
    }
    assert_true(e->seconds > 0.0);
    *stop = probe.stop_in_epoch;
    return RESCL_OK;
}

static rescl_status take_saved(void *self, const rescl_epoch_event *e, bool *stop)
{
    assert_ptr_equal(self, &probe);
    note("S");
    assert_true(!probe.dir || is_there("weights/last.safetensors"));
    assert_true(e->train.samples > 0);
    (void)stop;
    return RESCL_OK;
}

static rescl_status close_probe(void *self, rescl_status status)
{
    rescl_status st = RESCL_OK;
    assert_ptr_equal(self, &probe);
    note(status == RESCL_OK ? ")" : status == RESCL_ERR_INTERRUPTED ? "|" : "!");
    RS_FAIL_IF(probe.fails_in_close, RESCL_ERR_IO, "the probe fails to close");
out:
    return st;
}

static rescl_status stay_out(const rs_run_info *run, void **self)
{
    (void)run;
    (void)self;
    return RESCL_OK;
}

static const rs_watcher prober = {.name = "probe",
                                  .open = open_probe,
                                  .samples = take_samples,
                                  .step = take_step,
                                  .epoch = take_epoch,
                                  .saved = take_saved,
                                  .close = close_probe};
/* Every call of one that stays out would fail: there are none. */
static const rs_watcher absent = {.name = "absent", .open = stay_out};
static const rs_watcher *const watchers[] = {&rs_watcher_results_csv, &absent, &prober, NULL};

/* Trains for an epoch of three batches, and two of evaluation. */
static rescl_status run_probe(const struct probe *as)
{
    rescl_train_options o = train_options(as->dir);
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *m = rs_test_model();
    rescl_trainer *t = NULL;
    rescl_status st;
    probe = *as;
    o.epochs = 2;
    assert_ok(rescl_trainer_create(rs_test_device(), m, train, eval, &o, &t));
    t->watchers = watchers;
    st = rescl_trainer_run(t, NULL);
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
    return st;
}

static void tells_everything_in_order(void **state)
{
    char *dir = rs_test_dir_make();
    (void)state;
    assert_ok(run_probe(&(struct probe){.dir = dir}));
    assert_string_equal(probe.log, "(bsbsbsesesESbsbsbsesesES)");
    assert_int_equal(probe.samples, 2 * (TEST_SAMPLES + TEST_EVAL_SAMPLES));
    assert_int_equal(probe.epoch, 0);
    rs_test_dir_remove(dir);
}

static void stops_when_a_watcher_asks(void **state)
{
    char *dir = rs_test_dir_make();
    (void)state;
    assert_fails(run_probe(&(struct probe){.dir = dir, .stop_in_step = true}),
                 RESCL_ERR_INTERRUPTED, "after step 1", "go on from");
    assert_string_equal(probe.log, "(bs|");
    assert_true(is_there("weights/last.safetensors"));
    assert_fails(run_probe(&(struct probe){.stop_in_eval = true}), RESCL_ERR_INTERRUPTED,
                 "after step 3");
    assert_string_equal(probe.log, "(bsbsbses|");
    assert_fails(run_probe(&(struct probe){.stop_in_epoch = true}), RESCL_ERR_INTERRUPTED,
                 "after step 3");
    assert_string_equal(probe.log, "(bsbsbsesesES|");
    rs_test_dir_remove(dir);
}

static void ends_with_the_first_failure(void **state)
{
    (void)state;
    assert_fails(run_probe(&(struct probe){.fails_in_step = true, .fails_in_close = true}),
                 RESCL_ERR_IO, "fails in a step");
    assert_string_equal(probe.log, "(bs!");
    assert_fails(run_probe(&(struct probe){.fails_in_close = true}), RESCL_ERR_IO,
                 "fails to close");
}

/* ---- the caller's functions -------------------------------------------------------------- */

typedef struct refusal {
    bool training, epoch; /* refuses such a step, or an epoch */
    size_t steps, epochs;
} refusal;

static bool on_step(const rescl_step_event *e, void *user)
{
    refusal *r = user;
    r->steps++;
    return r->epoch || e->training != r->training;
}

static bool on_epoch(const rescl_epoch_event *e, void *user)
{
    refusal *r = user;
    (void)e;
    r->epochs++;
    return !r->epoch;
}

static void stops_when_a_callback_returns_false(void **state)
{
    rescl_train_options o = train_options(NULL);
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *m = rs_test_model();
    rescl_trainer *t = NULL;
    rescl_metrics metrics;
    refusal r = {.training = true};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .on_epoch = on_epoch, .user = &r};
    (void)state;
    assert_ok(rescl_trainer_create(rs_test_device(), m, train, eval, &o, &t));
    assert_fails(rescl_trainer_run(t, &callbacks), RESCL_ERR_INTERRUPTED, "after step 1");
    assert_int_equal(r.steps, 1);
    r = (refusal){.epoch = true};
    assert_fails(rescl_trainer_run(t, &callbacks), RESCL_ERR_INTERRUPTED, "epoch 2", "step 3");
    assert_int_equal(r.epochs, 1);
    r = (refusal){.training = false};
    assert_fails(rescl_evaluate(rs_test_device(), m, eval, TEST_BATCH, 0, &callbacks, &metrics),
                 RESCL_ERR_INTERRUPTED, "stopped on request");
    assert_int_equal(r.steps, 1);
    rescl_trainer_destroy(t);
    rescl_model_destroy(m);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_everything_in_order),
        cmocka_unit_test(stops_when_a_watcher_asks),
        cmocka_unit_test(ends_with_the_first_failure),
        cmocka_unit_test(stops_when_a_callback_returns_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
