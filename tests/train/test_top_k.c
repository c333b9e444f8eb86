#include "error.h"
#include "netmodel.h"
#include "path.h"
#include "testing.h"
#include "train_support.h"
#include "watch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rescl_model *model;

static int open_model(void **state)
{
    rs_test_dir_setup(state);
    model = rs_test_model();
    return 0;
}

static int close_model(void **state)
{
    rescl_model_destroy(model);
    return rs_test_dir_teardown(state);
}

/* ---- a watcher alone ---------------------------------------------------------------------- */

/* A run whose epochs the test makes up. */
typedef struct made_up {
    rescl_train_options options;
    rs_run_info run;
    void *self;
} made_up;

static void begin(made_up *m, const char *folder, const char *monitor, size_t k)
{
    const rescl_dataset *some_set = (const rescl_dataset *)m; /* not looked into */
    const char *path = rs_test_path("%s/%s", rs_test_dir, folder);
    *m = (made_up){.options = train_options(strdup(path))};
    m->options.monitor = monitor;
    m->options.save_top_k = k;
    m->options.epochs = 10;
    assert_ok(rs_mkdirs(rs_test_path("%s/weights", m->options.output_dir)));
    m->run = (rs_run_info){.folder = m->options.output_dir,
                           .model = model,
                           .train_set = some_set,
                           .eval_set = some_set,
                           .options = &m->options};
    assert_ok(rs_watcher_top_k.open(&m->run, &m->self));
    assert_non_null(m->self);
}

static void end(made_up *m)
{
    assert_ok(rs_watcher_top_k.close(m->self, RESCL_OK));
    free((char *)m->options.output_dir);
}

/* As a run that goes on before epoch `epoch`, from 0. */
static rescl_status reopen(made_up *m, uint64_t epoch, bool has_best)
{
    assert_ok(rs_watcher_top_k.close(m->self, RESCL_ERR_INTERRUPTED));
    m->self = NULL;
    m->run.epoch = epoch;
    m->run.has_best = has_best;
    return rs_watcher_top_k.open(&m->run, &m->self);
}

static void measure(made_up *m, rescl_epoch_event e)
{
    bool stop = false;
    assert_ok(rs_watcher_top_k.epoch(m->self, &e, &stop));
}

static void do_epoch(made_up *m, size_t epoch, double loss, double top1)
{
    bool stop = false;
    const rescl_epoch_event e = {.epoch = epoch,
                                 .eval = {.samples = 1, .loss = loss, .top1 = top1},
                                 .train = {.samples = 1, .loss = 9, .top1 = 0.1}};
    measure(m, e);
    assert_ok(rs_watcher_top_k.saved(m->self, &e, &stop));
}

/* The files in weights/ that begin with "epoch" are these, "a b c" in the order of their names. */
static void check_files(const made_up *m, const char *expected)
{
    struct dirent **entry = NULL;
    char found[1024] = "";
    const int n =
        scandir(rs_test_path("%s/weights", m->options.output_dir), &entry, NULL, alphasort);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        if (strncmp(entry[i]->d_name, "epoch", 5) == 0) {
            char *end = strstr(entry[i]->d_name, ".safetensors");
            assert_non_null(end);
            *end = '\0';
            strcat(strcat(found, *found ? " " : ""), entry[i]->d_name);
        }
        free(entry[i]);
    }
    free(entry);
    assert_string_equal(found, expected);
}

static void keeps_the_best_of_a_monitor(void **state)
{
    made_up m;
    (void)state;
    begin(&m, "loss", "val_loss", 2);
    do_epoch(&m, 0, 0.9, 0);
    check_files(&m, "epoch1-val_loss=0.9000");
    do_epoch(&m, 1, 0.5, 0);
    do_epoch(&m, 2, 0.7, 0);
    check_files(&m, "epoch2-val_loss=0.5000 epoch3-val_loss=0.7000");
    do_epoch(&m, 3, 0.70000001, 0);
    do_epoch(&m, 4, 0.7, 0); /* no better than the one before it */
    check_files(&m, "epoch2-val_loss=0.5000 epoch3-val_loss=0.7000");
    do_epoch(&m, 5, 0.4, 0);
    check_files(&m, "epoch2-val_loss=0.5000 epoch6-val_loss=0.4000");
    end(&m);
    begin(&m, "auto", "auto", 2);
    do_epoch(&m, 0, 0.5, 0.25);
    do_epoch(&m, 1, 0.4, 0.25);
    do_epoch(&m, 2, 0.9, 0.75);
    check_files(&m, "epoch2-val_accuracy=0.2500 epoch3-val_accuracy=0.7500");
    end(&m);
    begin(&m, "training", "accuracy", 1);
    do_epoch(&m, 0, 0.5, 0.25);
    check_files(&m, "epoch1-accuracy=0.1000");
    end(&m);
}

/* A run that is killed behind the new file, and before the checkpoint says that the epoch is done, has lost
 * none; nor does it touch what others put there. */
static void goes_on_where_it_was_killed(void **state)
{
    made_up m;
    (void)state;
    begin(&m, "killed", "val_loss", 2);
    const char *other = rs_test_path("%s/weights/epoch1.safetensors", m.options.output_dir);
    assert_ok(rs_file_write(other, "x", 1));
    do_epoch(&m, 0, 0.9, 0);
    do_epoch(&m, 1, 0.8, 0);
    const rescl_epoch_event third = {.epoch = 2, .eval = {.samples = 1, .loss = 0.7}};
    measure(&m, third);
    check_files(&m, "epoch1-val_loss=0.9000 epoch1 epoch2-val_loss=0.8000 epoch3-val_loss=0.7000");
    assert_ok(reopen(&m, 2, true));
    check_files(&m, "epoch1-val_loss=0.9000 epoch1 epoch2-val_loss=0.8000");
    measure(&m, third);
    assert_ok(reopen(&m, 3, true)); /* killed behind the checkpoint */
    check_files(&m, "epoch1 epoch2-val_loss=0.8000 epoch3-val_loss=0.7000");
    /* With more of them, of which one has gone. */
    m.options.save_top_k = 3;
    assert_int_equal(
        remove(rs_test_path("%s/weights/epoch2-val_loss=0.8000.safetensors", m.run.folder)), 0);
    assert_ok(reopen(&m, 3, true));
    do_epoch(&m, 3, 5, 0);
    do_epoch(&m, 4, 6, 0);
    check_files(&m, "epoch1 epoch3-val_loss=0.7000 epoch4-val_loss=5.0000 epoch5-val_loss=6.0000");
    end(&m);
}

/* Where other images measure, numbers of before say nothing: those go first, also in a run that goes on
 * once more. */
static void lets_go_what_others_measured(void **state)
{
    made_up m;
    (void)state;
    begin(&m, "images", "val_loss", 2);
    do_epoch(&m, 0, 0.1, 0);
    do_epoch(&m, 1, 0.2, 0);
    assert_ok(reopen(&m, 2, false));
    do_epoch(&m, 2, 7, 0);
    check_files(&m, "epoch1-val_loss=0.1000 epoch3-val_loss=7.0000");
    assert_ok(reopen(&m, 3, true));
    do_epoch(&m, 3, 8, 0);
    check_files(&m, "epoch3-val_loss=7.0000 epoch4-val_loss=8.0000");
    end(&m);
}

static void takes_whole_epochs_that_are_due(void **state)
{
    made_up m;
    (void)state;
    begin(&m, "due", "val_loss", 9);
    m.options.eval_freq = 2;
    measure(&m, (rescl_epoch_event){.epoch = 0, .eval = {.samples = 1, .loss = 1}});
    measure(&m, (rescl_epoch_event){.epoch = 1, .partial = true, .eval = {.samples = 1}});
    measure(&m, (rescl_epoch_event){.epoch = 1, .train = {.samples = 1, .loss = 1}});
    check_files(&m, "");
    measure(&m, (rescl_epoch_event){.epoch = 1, .eval = {.samples = 1, .loss = 1}});
    measure(&m, (rescl_epoch_event){.epoch = 8, .eval = {.samples = 1, .loss = 1}});
    measure(&m, (rescl_epoch_event){.epoch = 9, .eval = {.samples = 1, .loss = 1}});
    check_files(&m, "epoch10-val_loss=1.0000 epoch2-val_loss=1.0000");
    end(&m);
}

/* A list that cannot be read ends the run before its first step, and takes no file away. */
static void refuses_lists_of_others(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "[1]",
                                        "[{\"epoch\": 0}]",
                                        "[{\"epoch\": 2, \"evaluated\": 1, \"loss\": \"x\"}]"};
    made_up m;
    (void)state;
    begin(&m, "broken", "val_loss", 2);
    do_epoch(&m, 0, 1, 0);
    for (size_t i = 0; i < RS_COUNT(texts); i++) {
        assert_ok(rs_file_write(rs_test_path("%s/weights/top.json", m.run.folder), texts[i],
                                strlen(texts[i])));
        assert_int_equal(reopen(&m, 1, true), RESCL_ERR_FORMAT);
        assert_non_null(strstr(rescl_last_error()->message, "remove the file"));
        assert_null(m.self);
        m.run.epoch = 0;
        assert_ok(rs_watcher_top_k.open(&m.run, &m.self));
    }
    check_files(&m, "epoch1-val_loss=1.0000");
    end(&m);
}

static void saves_the_average(void **state)
{
    made_up m;
    rescl_model *average = rs_test_model(), *saved = NULL;
    (void)state;
    begin(&m, "average", "val_loss", 1);
    average->weights.data[0][0] = 42;
    m.run.average = &average->weights;
    do_epoch(&m, 0, 1, 0);
    assert_ok(rescl_model_load(
        rs_test_path("%s/weights/epoch1-val_loss=1.0000.safetensors", m.run.folder), &saved));
    assert_true(saved->weights.data[0][0] == 42);
    rescl_model_destroy(average);
    rescl_model_destroy(saved);
    end(&m);
}

/* ---- in runs ------------------------------------------------------------------------------ */

static train_run run_into(const char *folder)
{
    train_run r = {.options = train_options(strdup(rs_test_path("%s/%s", rs_test_dir, folder)))};
    r.options.save_top_k = 2;
    r.options.monitor = "val_loss";
    return r;
}

/* Stopped in the second epoch and in the evaluation behind the third, a run has the files of one that never was, with the
 * same bits; the first of them are the best weights. */
static void goes_on_with_the_same_bits(void **state)
{
    train_run whole = run_into("whole"), parts = run_into("parts");
    char a[600], b[600];
    char *list, *other;
    size_t bytes;
    (void)state;
    train_do(&whole);
    assert_ok(whole.status);
    parts.stop = STOP_AT_STEP;
    parts.stop_step = 5;
    train_do(&parts);
    assert_int_equal(parts.status, RESCL_ERR_INTERRUPTED);
    parts.options.resume = parts.options.output_dir;
    parts.stop = STOP_IN_EVAL;
    parts.stop_step = 9;
    train_do(&parts);
    assert_int_equal(parts.status, RESCL_ERR_INTERRUPTED);
    parts.stop = STOP_NEVER;
    train_do(&parts);
    assert_ok(parts.status);
    snprintf(a, sizeof a, "%s/weights/top.json", whole.options.output_dir);
    snprintf(b, sizeof b, "%s/weights/top.json", parts.options.output_dir);
    assert_ok(rs_file_read(a, 1 << 20, &list, &bytes));
    assert_ok(rs_file_read(b, 1 << 20, &other, &bytes));
    assert_string_equal(list, other);
    char *at = list;
    for (size_t i = 0; i < 2; i++) {
        at = strstr(at, "epoch");
        assert_non_null(at);
        const int length = (int)strcspn(at, "\"");
        snprintf(a, sizeof a, "%s/weights/%.*s", whole.options.output_dir, length, at);
        snprintf(b, sizeof b, "%s/weights/%.*s", parts.options.output_dir, length, at);
        train_same_tensors(a, b);
        if (i == 0) {
            snprintf(b, sizeof b, "%s/weights/best.safetensors", whole.options.output_dir);
            train_same_tensors(a, b);
        }
        at = strchr(at, '}');
        assert_non_null(at);
    }
    free(list);
    free(other);
    free((char *)whole.options.output_dir);
    free((char *)parts.options.output_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_best_of_a_monitor),
        cmocka_unit_test(goes_on_where_it_was_killed),
        cmocka_unit_test(lets_go_what_others_measured),
        cmocka_unit_test(takes_whole_epochs_that_are_due),
        cmocka_unit_test(refuses_lists_of_others),
        cmocka_unit_test(saves_the_average),
        cmocka_unit_test(goes_on_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
