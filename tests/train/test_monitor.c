/* The rules of Keras' callbacks on a table of metrics (tests/golden/callbacks.safetensors), and runs that
 * go on in the middle of them. */
#include "monitor.h"

#include "golden.h"
#include "path.h"
#include "schedule.h"
#include "testing.h"
#include "train_support.h"
#include "watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 4 };

static rs_st_file *file;
static double *metrics; /* (epochs, COLUMNS) */
static size_t epochs;

static int open_golden(void **state)
{
    rs_test_dir_setup(state);
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/callbacks.safetensors", &file));
    metrics = golden_numbers(file, "metrics", &epochs);
    epochs /= COLUMNS;
    return 0;
}

static int close_golden(void **state)
{
    free(metrics);
    rs_st_close(file);
    return rs_test_dir_teardown(state);
}

/* "val_loss", ... in the order of the table. */
static const char *column_name(double column)
{
    return rs_monitor_names()[1 + (size_t)column];
}

static rescl_epoch_event epoch_of(size_t epoch)
{
    const double *row = metrics + COLUMNS * epoch;
    return (rescl_epoch_event){.epoch = epoch,
                               .eval = {.samples = 1, .loss = row[0], .top1 = row[1]},
                               .train = {.samples = 1, .loss = row[2], .top1 = row[3]}};
}

/* The numbers of case `i` of a kind; NULL where there is none. */
static double *case_of(const char *kind, size_t i, const char *what)
{
    char name[64];
    size_t count;
    snprintf(name, sizeof name, "%s.%zu%s", kind, i, what);
    return rs_st_find(file, name) ? golden_numbers(file, name, &count) : NULL;
}

static void reduces_rates_as_keras_does(void **state)
{
    enum { FACTOR, PATIENCE, MIN, DELTA, COOLDOWN, COLUMN };
    double *want, *given;
    size_t i = 0;
    (void)state;
    for (; (given = case_of("plateau", i, "")) != NULL; i++) {
        double kept[RS_SCHEDULE_STATES] = {0};
        const char *monitor = column_name(given[COLUMN]);
        rs_schedule s = {
            .def = &rs_schedule_reducelronplateau_keras,
            .number = {given[FACTOR], given[PATIENCE], given[MIN], given[DELTA], given[COOLDOWN]}};
        rs_schedule_ask ask = {.lr = 0.1, .epochs = epochs, .steps = 1, .state = kept};
        want = case_of("plateau", i, ".lr");
        for (size_t e = 0; e < epochs; e++) {
            const rescl_epoch_event event = epoch_of(e);
            ask.epoch = e;
            const double got = rs_schedule_rate(&s, &ask);
            if (!(fabs(got - want[e]) <= 1e-6 * want[e])) /* Keras keeps a float */
                fail_msg("case %zu, epoch %zu: the rate is %.9g, Keras' %.9g", i, e, got, want[e]);
            rs_schedule_observe(&s, e, rs_monitor_value(monitor, &event), kept);
        }
        free(want);
        free(given);
    }
    assert_true(i >= 6);
}

static void stops_as_keras_does(void **state)
{
    size_t i = 0;
    double *given;
    (void)state;
    for (; (given = case_of("early", i, "")) != NULL; i++) {
        const rescl_train_options o = {.monitor = column_name(given[2]),
                                       .patience = (size_t)given[0],
                                       .min_delta = given[1],
                                       .baseline = given[3]};
        double *want = case_of("early", i, ".epochs");
        rs_ckpt_stopping s = {0};
        size_t done = 0;
        while (done < epochs && !rs_early_stopping_ends(&o, &s)) {
            const rescl_epoch_event event = epoch_of(done++);
            rs_early_stopping_observe(&o, &event, &s);
        }
        if (done != (size_t)want[0])
            fail_msg("case %zu: %zu epochs, Keras does %g", i, done, want[0]);
        free(want);
        free(given);
    }
    assert_true(i >= 14);
}

static void chooses_the_best_as_keras_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COLUMNS; i++) {
        double *saved = case_of("best", i, ".saved");
        const char *monitor = column_name((double)i);
        rs_ckpt_progress p = {0};
        for (size_t e = 0; e < epochs; e++) {
            const rescl_epoch_event event = epoch_of(e);
            const bool best = rs_monitor_is_best(monitor, &event, &p);
            if (best != (saved[e] > 0))
                fail_msg("%s, epoch %zu: %s", monitor, e, best ? "is the best" : "is not the best");
            if (best)
                p = (rs_ckpt_progress){.has_best = true,
                                       .best_value = rs_monitor_value(monitor, &event)};
        }
        free(saved);
    }
}

static void reads_tables_of_rates(void **state)
{
    rs_rate_table t;
    (void)state;
    assert_ok(rs_rate_table_init(&t, "2:0.1, 4:1e-2\n\t5:0"));
    const double want[] = {0.5, 0.1, 0.1, 0.01, 0, 0};
    for (size_t e = 0; e < 6; e++)
        assert_true(rs_rate_table_at(&t, e, 0.5) == want[e]);
    rs_rate_table_fini(&t);
    assert_fails(rs_rate_table_init(&t, "1:0.1,0:0.2"), RESCL_ERR_ARG, "'0:0.2'", "EPOCH:RATE");
    assert_fails(rs_rate_table_init(&t, "0.1"), RESCL_ERR_ARG, "'0.1'");
    assert_fails(rs_rate_table_init(&t, "1:-1"), RESCL_ERR_ARG, "'1:-1'");
    assert_fails(rs_rate_table_init(&t, "3:0.1,3:0.2"), RESCL_ERR_ARG, "growing epochs");
    assert_ok(rs_rate_table_init(&t, NULL));
    assert_true(rs_rate_table_at(&t, 3, 0.5) == 0.5);
    rs_rate_table_fini(&t);
}

/* ---- runs -------------------------------------------------------------------------------- */

typedef struct job {
    rescl_train_options options;
    uint64_t stop; /* after this step; 0: never */
    rescl_trainer *trainer;
    double rates[16];
    size_t images;                                       /* that measure; 0: TEST_EVAL_SAMPLES */
    double (*rate)(size_t epoch, double lr, void *user); /* or NULL */
    size_t asked, steps, done;
    rescl_train_progress ended;
    float *parameter; /* what the model ends with, of its first one */
} job;

static bool count_step(const rescl_step_event *e, void *user)
{
    job *j = user;
    j->steps += e->training;
    return !e->training || j->stop == 0 || e->step < j->stop;
}

static bool count_epoch(const rescl_epoch_event *e, void *user)
{
    job *j = user;
    j->rates[e->epoch] = e->lr;
    j->done++;
    return true;
}

static double halve(size_t epoch, double lr, void *user)
{
    job *j = user;
    j->asked++;
    return epoch % 3 == 2 ? lr * 0.5 : lr;
}

/* What the first epoch has learnt is lost in those that follow. */
static double spoil(size_t epoch, double lr, void *user)
{
    (void)user;
    return epoch == 0 ? lr : 0.3;
}

static rescl_status run_job(job *j, bool by_function)
{
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = rs_test_hands("test", j->images ? j->images : TEST_EVAL_SAMPLES, 0);
    rescl_model *model = rs_test_model();
    rescl_parameter_info first;
    const rescl_train_callbacks callbacks = {.struct_size = sizeof callbacks,
                                             .on_step = count_step,
                                             .on_epoch = count_epoch,
                                             .user = j,
                                             .on_lr = by_function ? halve : j->rate};
    assert_ok(rescl_trainer_create(rs_test_device(), model, train, eval, &j->options, &j->trainer));
    const rescl_status st = rescl_trainer_run(j->trainer, &callbacks);
    rescl_trainer_get_progress(j->trainer, &j->ended);
    assert_true(rescl_model_get_parameter_info(model, 0, &first));
    j->parameter = realloc(j->parameter, first.count * sizeof *j->parameter);
    assert_non_null(j->parameter);
    assert_ok(rescl_model_get_parameter(model, first.name, j->parameter, first.count));
    rescl_trainer_destroy(j->trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
    return st;
}

static job job_in(const char *folder)
{
    job j = {.options = train_options(rs_test_path("%s/%s", rs_test_dir, folder))};
    j.options.output_dir = strdup(j.options.output_dir);
    j.options.epochs = 5;
    return j;
}

static void end_job(job *j)
{
    free((char *)j->options.output_dir);
    free(j->parameter);
}

static char *last_of(const job *j)
{
    return rs_path_join(j->options.output_dir, "weights/last.safetensors");
}

/* Does `whole` in one go and in two, and compares what they leave. */
static void same_in_two_parts(job *whole, job *parts, uint64_t stop, bool by_function)
{
    assert_ok(run_job(whole, by_function));
    parts->stop = stop;
    assert_int_equal(run_job(parts, by_function), RESCL_ERR_INTERRUPTED);
    parts->stop = 0;
    parts->options.resume = parts->options.output_dir;
    assert_ok(run_job(parts, by_function));
    assert_int_equal(whole->steps, parts->steps);
    for (size_t e = 0; e < whole->done; e++)
        assert_true(whole->rates[e] == parts->rates[e]);
    char *a = last_of(whole), *b = last_of(parts);
    train_same_tensors(a, b);
    free(a);
    free(b);
    end_job(whole);
    end_job(parts);
}

/* Rates of a function that builds on the rate before. */
static void goes_on_with_rates_of_a_function(void **state)
{
    size_t count;
    double *want = golden_numbers(file, "function.lr", &count);
    job whole = job_in("function"), parts = job_in("function-parts");
    (void)state;
    whole.options.lr = parts.options.lr = 0.1;
    same_in_two_parts(&whole, &parts, 8, true);
    assert_int_equal(whole.asked, 5);
    assert_int_equal(parts.asked, 6);
    for (size_t e = 0; e < 5; e++)
        assert_true(fabs(whole.rates[e] - want[e]) <= 1e-6 * want[e]);
    free(want);
}

/* Nothing improves by 100, so that each epoch after the first waits. */
static void goes_on_on_a_plateau(void **state)
{
    job whole = job_in("plateau"), parts = job_in("plateau-parts");
    (void)state;
    for (int i = 0; i < 2; i++) {
        rescl_train_options *o = i ? &parts.options : &whole.options;
        o->monitor = "val_accuracy";
        assert_ok(rescl_train_options_set(o, "lr_scheduler", "reducelronplateau_keras"));
        assert_ok(rescl_train_options_set(o, "lr_patience", "2"));
        assert_ok(rescl_train_options_set(o, "lr_min_delta", "100"));
        assert_ok(rescl_train_options_set(o, "lr_cooldown", "1"));
    }
    same_in_two_parts(&whole, &parts, 7, false);
    const double want[] = {1, 1, 1, 0.1, 0.1};
    for (size_t e = 0; e < 5; e++)
        assert_true(fabs(whole.rates[e] / 1e-3 - want[e]) < 1e-9);
}

static void goes_on_towards_an_early_end(void **state)
{
    job whole = job_in("early"), parts = job_in("early-parts");
    (void)state;
    whole.options.patience = parts.options.patience = 2;
    whole.options.min_delta = parts.options.min_delta = 100;
    same_in_two_parts(&whole, &parts, 5, false);
    assert_int_equal(whole.done, 3);
}

/* A greater patience lets a run that had ended go on. */
static void goes_on_with_more_patience(void **state)
{
    job j = job_in("patience");
    (void)state;
    j.options.patience = 1;
    j.options.min_delta = 100;
    assert_ok(run_job(&j, false));
    assert_int_equal(j.done, 2);
    j.options.resume = j.options.output_dir;
    assert_ok(run_job(&j, false)); /* nothing is left to do */
    assert_int_equal(j.done, 2);
    j.options.patience = 3;
    assert_ok(run_job(&j, false));
    assert_int_equal(j.done, 4);
    end_job(&j);
}

/* Other images measure from the third epoch on: it is the first that they are compared with. */
static void goes_on_with_other_images(void **state)
{
    job j = job_in("images");
    (void)state;
    j.options.patience = 1;
    j.options.min_delta = 100;
    assert_ok(rescl_train_options_set(&j.options, "lr_scheduler", "reducelronplateau_keras"));
    assert_ok(rescl_train_options_set(&j.options, "lr_patience", "2"));
    assert_ok(rescl_train_options_set(&j.options, "lr_min_delta", "100"));
    assert_ok(run_job(&j, false));
    assert_int_equal(j.done, 2);
    j.options.resume = j.options.output_dir;
    j.images = TEST_EVAL_SAMPLES - 4;
    assert_ok(run_job(&j, false));
    assert_int_equal(j.done, 4);
    assert_true(j.rates[3] >= j.rates[0]);
    assert_true(j.ended.best_epoch >= 2);
    end_job(&j);
}

/* The model ends with the weights of the best epoch, which is not the last, and each second epoch is kept. */
static void ends_with_the_best_and_keeps_epochs(void **state)
{
    job j = job_in("best");
    rescl_model *best = NULL;
    (void)state;
    j.options.restore_best = true;
    j.options.save_period = 2;
    j.options.monitor = "loss";
    j.rate = spoil;
    assert_ok(run_job(&j, false));
    assert_true(j.ended.has_best && j.ended.best_epoch + 1 < j.options.epochs);
    char *path = rs_path_join(j.options.output_dir, "weights/best.safetensors");
    rescl_parameter_info first;
    assert_ok(rescl_model_load(path, &best));
    assert_true(rescl_model_get_parameter_info(best, 0, &first));
    float *values = calloc(first.count, sizeof *values);
    assert_non_null(values);
    assert_ok(rescl_model_get_parameter(best, first.name, values, first.count));
    assert_memory_equal(values, j.parameter, first.count * sizeof *values);
    /* Nothing is left to do, but what is known of the best. */
    memset(j.parameter, 0, first.count * sizeof *values);
    j.options.resume = j.options.output_dir;
    assert_ok(run_job(&j, false));
    assert_memory_equal(values, j.parameter, first.count * sizeof *values);
    for (size_t e = 1; e <= 5; e++) {
        const char *kept = rs_test_path("%s/weights/epoch%zu.safetensors", j.options.output_dir, e);
        assert_int_equal(access(kept, F_OK) == 0, e % 2 == 0);
    }
    free(values);
    free(path);
    rescl_model_destroy(best);
    end_job(&j);
}

/* Of the third epoch max_steps leaves a part. */
static void keeps_whole_epochs_only(void **state)
{
    job j = job_in("whole");
    (void)state;
    j.options.save_period = 1;
    j.options.max_steps = 7;
    assert_ok(run_job(&j, false));
    assert_int_equal(j.done, 3);
    for (size_t e = 1; e <= 3; e++) {
        const char *kept = rs_test_path("%s/weights/epoch%zu.safetensors", j.options.output_dir, e);
        assert_int_equal(access(kept, F_OK) == 0, e < 3);
    }
    end_job(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduces_rates_as_keras_does),
        cmocka_unit_test(stops_as_keras_does),
        cmocka_unit_test(chooses_the_best_as_keras_does),
        cmocka_unit_test(reads_tables_of_rates),
        cmocka_unit_test(goes_on_with_rates_of_a_function),
        cmocka_unit_test(goes_on_on_a_plateau),
        cmocka_unit_test(goes_on_towards_an_early_end),
        cmocka_unit_test(goes_on_with_more_patience),
        cmocka_unit_test(goes_on_with_other_images),
        cmocka_unit_test(ends_with_the_best_and_keeps_epochs),
        cmocka_unit_test(keeps_whole_epochs_only),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
