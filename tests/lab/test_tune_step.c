#include "fixtures.h"
#include "testing.h"

#include "choice.h"
#include "error.h"
#include "netmodel.h"
#include "path.h"
#include "rounds.h"
#include "tune_step.h"
#include "tunefile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Time that passes with launches alone: a way with fewer kernels is faster. */
static double by_launches(void)
{
    rescl_device_stats stats;
    rescl_device_get_stats(rs_test_device(), &stats);
    return (double)stats.launches * 1e-3;
}

static double (*real_clock)(void);
static char *path;

static int setup(void **state)
{
    rs_test_dir_setup(state);
    path = rs_path_join(rs_test_dir, "x.tune");
    real_clock = rs_rounds_clock;
    rs_rounds_clock = by_launches;
    return 0;
}

static int teardown(void **state)
{
    rs_rounds_clock = real_clock;
    free(path);
    return rs_test_dir_teardown(state);
}

/* Of a training step of resnet8. */
static void add_problems(rs_worklist *list)
{
    const rescl_model_options about = {
        .struct_size = sizeof about, .name = "resnet8", .classes = 6, .image_size = 16};
    rescl_model *model = NULL;
    assert_ok(rs_model_build(&about, &model));
    assert_ok(rs_worklist_add_network(list, rs_test_device(), model->graph, 4, true,
                                      RESCL_PRECISION_FP32));
    rescl_model_destroy(model);
}

static rescl_tune_options options(void)
{
    rescl_tune_options o;
    rescl_tune_options_default(&o);
    o.model = "resnet8";
    o.size = 16;
    o.batch = 4;
    o.classes = 6;
    o.train = true;
    o.repeats = 1;
    o.min_seconds = 0.0;
    o.output = path;
    return o;
}

/* What is taken for a problem without tuning. */
static void take_default(const rs_work *work, rs_plan *plan, char text[RS_CHOICE])
{
    assert_ok(
        rs_choice_plan(rs_test_device(), &work->problem, work->pass, RS_CHOICE_DEFAULT, plan));
    rs_choice_text(&plan->choice, text);
}

/* Kernels of a pass in training, packing among them, and those of `direct`; 0: it cannot serve. */
static size_t kernels_of(const rs_work *work, const char *choice)
{
    rs_plan plan;
    if (rs_choice_plan(rs_test_device(), &work->problem, work->pass, choice, &plan) != RESCL_OK)
        return 0;
    return (size_t)plan.nkernels;
}

/* A file with a choice for each problem: defaults, but with `faster` "direct" where it has fewer kernels,
 * and in `same` problems of the others the default by its name, which changes nothing. Returns how many
 * problems have "direct". */
static size_t write_file(const rs_worklist *list, bool faster, size_t same, const char *note)
{
    rs_tune_table t = {0};
    size_t direct = 0;
    for (size_t i = 0; i < list->count; i++) {
        const rs_work *work = &list->item[i];
        rs_plan plan;
        char untuned[RS_CHOICE];
        take_default(work, &plan, untuned);
        const size_t kernels = kernels_of(work, "direct");
        const char *choice = RS_CHOICE_DEFAULT;
        if (faster && kernels > 0 && kernels < (size_t)plan.nkernels) {
            choice = "direct";
            direct++;
        } else if (same > 0) {
            choice = untuned;
            same--;
        }
        assert_ok(rs_tune_table_set(&t, work->key, choice, note));
    }
    assert_int_equal(same, 0);
    assert_ok(rs_tune_table_write(&t, path, rescl_device_get_info(rs_test_device())));
    rs_tune_table_fini(&t);
    return direct;
}

typedef struct told {
    size_t rows, proofs;
    rescl_tune_proof proof;
    char dropped[RS_TUNE_KEY], reason[256];
} told;

static bool on_row(const rescl_tune_row *row, void *user)
{
    ((told *)user)->rows++;
    assert_true(row->kept);
    return true;
}

static void on_proof(const rescl_tune_proof *proof, void *user)
{
    told *t = user;
    t->proofs++;
    t->proof = *proof;
    snprintf(t->reason, sizeof t->reason, "%s", proof->reason);
    snprintf(t->dropped, sizeof t->dropped, "%s", proof->dropped ? proof->drop[0].problem : "");
    assert_int_equal(proof->kept + proof->dropped + proof->open, proof->choices);
}

static size_t lines_with(const char *words)
{
    char *text = NULL;
    size_t bytes = 0, n = 0;
    assert_ok(rs_file_read(path, 1 << 20, &text, &bytes));
    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        n++;
    free(text);
    return n;
}

#define MEASURED "1 ms; 1.5 ms: packed_gemm"

static void what_gains_is_proven_once(void **state)
{
    (void)state;
    rs_worklist list = {0};
    rescl_tune_options o = options();
    told t = {0};
    add_problems(&list);
    const size_t direct = write_file(&list, true, 0, MEASURED);
    if (direct == 0)
        skip(); /* no way has fewer kernels on this class of device */
    o.proved = on_proof;
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_int_equal(t.rows, list.count);
    assert_int_equal(t.proofs, 1);
    assert_int_equal(t.proof.choices, direct);
    assert_int_equal(t.proof.kept, direct);
    assert_true(t.proof.pairs >= 9 && t.proof.tuned_ms < t.proof.untuned_ms);
    assert_true(t.proof.gain > 0.0 && t.proof.gain_low > 0.0 && !t.proof.before);
    assert_int_equal(lines_with("; proven"), direct);
    /* The next run knows. */
    t = (told){0};
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_true(t.proofs == 1 && t.proof.before && t.proof.kept == direct && t.proof.pairs == 0);
    rs_worklist_fini(&list);
}

static void what_gains_nothing_is_dropped(void **state)
{
    (void)state;
    rs_worklist list = {0};
    rescl_tune_options o = options();
    told t = {0};
    add_problems(&list);
    (void)write_file(&list, false, 3, MEASURED);
    o.proved = on_proof;
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_int_equal(t.proof.choices, 3);
    assert_int_equal(t.proof.dropped, 3);
    assert_non_null(strstr(t.dropped, " train "));
    assert_true(t.proof.pairs >= 9 && fabs(t.proof.gain) < 1e-12);
    assert_int_equal(lines_with("= default  # 1.5 ms: packed_gemm; no gain in the step: "), 3);
    assert_int_equal(lines_with("; proven"), 0);
    /* They are not measured again. */
    t = (told){0};
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_true(t.rows == list.count && t.proof.choices == 0 && !t.proof.before);
    rs_worklist_fini(&list);
}

/* The only way that can serve, and a line that somebody wrote, are not put to the proof. */
static void others_stay(void **state)
{
    (void)state;
    static const char *const notes[] = {"1 ms; failed: winograd", "1 ms; wrong: winograd", "mine",
                                        ""};
    for (size_t i = 0; i < RS_COUNT(notes); i++) {
        rs_worklist list = {0};
        rescl_tune_options o = options();
        told t = {0};
        add_problems(&list);
        (void)write_file(&list, false, 1, notes[i]);
        o.proved = on_proof;
        assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
        assert_true(t.proofs == 1 && t.proof.choices == 0 && t.proof.pairs == 0);
        assert_int_equal(lines_with("; proven"), 0);
        rs_worklist_fini(&list);
    }
}

static size_t asked, stop_at;

static bool stop_soon(void *user)
{
    (void)user;
    return ++asked > stop_at;
}

static void ends_leave_choices_open(void **state)
{
    (void)state;
    rs_worklist list = {0};
    rescl_tune_options o = options();
    told t = {0};
    add_problems(&list);
    (void)write_file(&list, false, 1, MEASURED);
    o.proved = on_proof;
    o.time_limit = 0.002; /* two launches: the first comparison is not done */
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_true(t.proofs == 1 && t.proof.open == t.proof.choices && t.proof.pairs == 0);
    assert_non_null(strstr(t.reason, "time limit"));
    assert_true(isnan(t.proof.gain));
    o.time_limit = 0.0;
    o.stop = stop_soon;
    for (stop_at = 1; stop_at < 40; stop_at += 9) {
        asked = 0;
        t = (told){0};
        assert_fails(rescl_tune(rs_test_device(), &o, on_row, &t), RESCL_ERR_INTERRUPTED,
                     "not proven in whole steps", "stopped on request", path);
        assert_true(t.proof.open > 0);
    }
    /* Without a proof nothing is timed. */
    o.stop = NULL;
    o.prove = false;
    t = (told){0};
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    assert_int_equal(t.proofs, 0);
    assert_int_equal(lines_with("; proven"), 0);
    rs_worklist_fini(&list);
}

/* Between two timings of one problem, which is measured again the next time. */
static void measuring_ends_when_it_should(void **state)
{
    (void)state;
    rescl_tune_options o = options();
    told t = {0};
    o.proved = on_proof;
    o.stop = stop_soon;
    for (stop_at = 0; stop_at < 6; stop_at += 5) {
        asked = 0;
        assert_fails(rescl_tune(rs_test_device(), &o, on_row, &t), RESCL_ERR_INTERRUPTED,
                     "stopped on request; 0 of", path);
        assert_true(t.rows == 0 && t.proofs == 0);
        assert_true(asked <= stop_at + 4); /* whether to go on, and why it ended */
    }
    assert_int_equal(rs_test_dir_count(rs_test_dir), 0);
}

static void forced_ways_leave_nothing_to_prove(void **state)
{
    (void)state;
    rs_worklist list = {0};
    rescl_tune_options o = options();
    told t = {0};
    add_problems(&list);
    (void)write_file(&list, false, 1, MEASURED);
    o.proved = on_proof;
    setenv("RESCL_IMPL", "conv2d=default", 1);
    assert_ok(rescl_tune(rs_test_device(), &o, on_row, &t));
    unsetenv("RESCL_IMPL");
    assert_true(t.proof.open == t.proof.choices && t.proof.pairs == 0);
    assert_non_null(strstr(t.reason, "RESCL_IMPL"));
    rs_worklist_fini(&list);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_gains_is_proven_once),
        IN_FOLDER(what_gains_nothing_is_dropped),
        IN_FOLDER(others_stay),
        IN_FOLDER(ends_leave_choices_open),
        IN_FOLDER(measuring_ends_when_it_should),
        IN_FOLDER(forced_ways_leave_nothing_to_prove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
