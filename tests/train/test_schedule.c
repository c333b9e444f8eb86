/* Learning rates against torch.optim.lr_scheduler (tests/golden/schedules.safetensors). */
#include "error.h"
#include "golden.h"
#include "optionvalue.h"
#include "path.h"
#include "schedule.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A schedule of that name, whose options have their defaults. */
static rs_schedule schedule(const char *name)
{
    rs_schedule s = {0};
    assert_ok(rs_schedule_find(name, &s.def));
    for (size_t i = 0; i < RS_SCHEDULE_NUMBERS && s.def->options[i]; i++)
        s.number[i] = rs_option_default_number(s.def->options[i]);
    return s;
}

/* Sets a number that not every schedule has. */
static void set(rs_schedule *s, const char *name, double value)
{
    for (size_t i = 0; i < RS_SCHEDULE_NUMBERS && s->def->options[i]; i++)
        if (strcmp(s->def->options[i]->name, name) == 0)
            s->number[i] = value;
}

static double rate(const rs_schedule *s, double lr, size_t epoch, size_t epochs)
{
    return rs_schedule_rate(
        s, &(rs_schedule_ask){.lr = lr, .epoch = epoch, .epochs = epochs, .steps = 4});
}

static void check(const rs_st_file *f, const char *name, size_t warmup)
{
    rs_schedule s = schedule(name);
    char full[64];
    size_t epochs;
    double *want;
    s.warmup_epochs = warmup;
    s.warmup_decay = 0.01;
    set(&s, "lr_min", 0.001);
    set(&s, "lr_step_size", 7);
    set(&s, "lr_gamma", strcmp(name, "steplr") == 0 ? 0.3 : 0.9);
    snprintf(full, sizeof full, "%s%s", name, warmup ? ".warmup" : "");
    want = golden_numbers(f, full, &epochs);
    assert_int_equal(epochs, 30);
    for (size_t e = 0; e < epochs; e++) {
        const double got = rate(&s, 0.5, e, epochs);
        if (!(fabs(got - want[e]) <= 1e-12))
            fail_msg("%s: epoch %zu has the rate %.15g, expected %.15g", full, e, got, want[e]);
    }
    free(want);
}

static void are_as_in_torch(void **state)
{
    static const char *const names[] = {"constant", "steplr", "cosineannealinglr", "exponentiallr"};
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/schedules.safetensors", &f));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check(f, names[i], 0);
        check(f, names[i], 5);
    }
    rs_st_close(f);
}

/* ---- 100 epochs or steps of PyTorch and timm: tests/golden/make_training.py -------------------- */

enum { GOLDEN_COUNT = 100 };

/* A case of the file: `steps` an epoch, 1 for those that go by epochs. */
typedef struct golden_case {
    const char *name; /* of the case, and of the schedule unless `schedule` is given */
    const char *schedule;
    size_t steps, warmup_epochs, warmup_steps;
    bool warmup_beside;
    struct {
        const char *name;
        double value;
    } set[5];
} golden_case;

static void check_case(const rs_st_file *f, const golden_case *c)
{
    rs_schedule s = schedule(c->schedule);
    char name[96], moved[128];
    size_t count, moments;
    snprintf(name, sizeof name, "schedule.%s", c->name);
    snprintf(moved, sizeof moved, "%s.momentum", name);
    double *want = golden_numbers(f, name, &count);
    double *momentum = rs_st_find(f, moved) ? golden_numbers(f, moved, &moments) : NULL;
    s.warmup_epochs = c->warmup_epochs;
    s.warmup_steps = c->warmup_steps;
    s.warmup_beside = c->warmup_beside;
    s.warmup_decay = 0.01;
    assert_ok(rs_milestones_init(&s.milestones, "lr_steps", "10,30, 31,80"));
    for (size_t i = 0; i < RS_COUNT(c->set) && c->set[i].name; i++)
        set(&s, c->set[i].name, c->set[i].value);
    assert_int_equal(count, GOLDEN_COUNT);
    for (size_t i = 0; i < count; i++) {
        const rs_schedule_ask ask = {.lr = 0.5,
                                     .epoch = i / c->steps,
                                     .epochs = GOLDEN_COUNT / c->steps,
                                     .step = i % c->steps,
                                     .steps = c->steps};
        const double got = rs_schedule_rate(&s, &ask), m = rs_schedule_momentum(&s, &ask);
        if (!(fabs(got - want[i]) <= 1e-12))
            fail_msg("%s: step %zu has the rate %.15g, PyTorch's %.15g", name, i, got, want[i]);
        if (!(fabs(m - (momentum ? momentum[i] : 0.0)) <= 1e-12))
            fail_msg("%s: step %zu has the momentum %.15g", name, i, m);
    }
    rs_rate_table_fini(&s.milestones);
    free(want);
    free(momentum);
}

/* Alone, behind a warm-up of 5 epochs and, where PyTorch has it, with one of 10 steps. */
static void check_variants(const rs_st_file *f, golden_case c)
{
    const char *name = c.name;
    char full[80], place[96];
    c.schedule = name;
    c.name = full;
    for (int variant = 0; variant < 3; variant++) {
        static const char *const suffix[] = {"", ".warmup", ".steps"};
        snprintf(full, sizeof full, "%s%s", name, suffix[variant]);
        c.steps = variant == 2 ? 4 : 1;
        c.warmup_epochs = variant == 1 ? 5 : 0;
        c.warmup_steps = variant == 2 ? 10 : 0;
        snprintf(place, sizeof place, "schedule.%s", full);
        if (variant < 2 || rs_st_find(f, place))
            check_case(f, &c);
    }
}

static void are_as_in_torch_over_100_steps(void **state)
{
    static const golden_case variants[] = {
        {.name = "constant"},
        {.name = "steplr", .set = {{"lr_step_size", 7}, {"lr_gamma", 0.3}}},
        {.name = "multisteplr", .set = {{"lr_gamma", 0.3}}},
        {.name = "cosineannealinglr", .set = {{"lr_min", 0.001}}},
        {.name = "cosineannealingwarmrestarts",
         .set = {{"lr_cycle_epochs", 7}, {"lr_cycle_mul", 2}, {"lr_min", 0.001}}},
        {.name = "exponentiallr", .set = {{"lr_gamma", 0.9}}},
        {.name = "polynomiallr", .set = {{"lr_power", 0.9}}},
    };
    static const golden_case others[] = {
        {.name = "equal_cycles",
         .schedule = "cosineannealingwarmrestarts",
         .steps = 1,
         .set = {{"lr_cycle_epochs", 9}, {"lr_min", 0.001}}},
        {.name = "onecyclelr", .schedule = "onecyclelr", .steps = 4},
        {.name = "onecyclelr_early",
         .schedule = "onecyclelr",
         .steps = 5,
         .set = {{"lr_pct_start", 0.1},
                 {"lr_div_factor", 10},
                 {"lr_final_div_factor", 100},
                 {"lr_base_momentum", 0.8},
                 {"lr_max_momentum", 0.9}}},
        {.name = "timm",
         .schedule = "cosineannealinglr",
         .steps = 1,
         .warmup_epochs = 5,
         .warmup_beside = true,
         .set = {{"lr_min", 0.001}}},
        {.name = "timm_prefix",
         .schedule = "cosineannealinglr",
         .steps = 1,
         .warmup_epochs = 5,
         .set = {{"lr_min", 0.001}}},
    };
    rs_st_file *f = NULL;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/training.safetensors", &f));
    for (size_t i = 0; i < RS_COUNT(variants); i++)
        check_variants(f, variants[i]);
    for (size_t i = 0; i < RS_COUNT(others); i++)
        check_case(f, &others[i]);
    rs_st_close(f);
}

static void plateaus_are_as_in_torch_over_100_epochs(void **state)
{
    rs_schedule s = schedule("reducelronplateau");
    double kept[RS_SCHEDULE_STATES] = {0};
    rs_st_file *f = NULL;
    size_t count;
    (void)state;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/training.safetensors", &f));
    double *loss = golden_numbers(f, "plateau.loss", &count);
    double *want = golden_numbers(f, "schedule.reducelronplateau", &count);
    set(&s, "lr_gamma", 0.5);
    set(&s, "lr_patience", 3);
    set(&s, "lr_min", 0.002);
    for (size_t e = 0; e < count; e++) {
        const rs_schedule_ask ask = {
            .lr = 0.5, .epoch = e, .epochs = count, .steps = 1, .state = kept};
        assert_true(fabs(rs_schedule_rate(&s, &ask) - want[e]) <= 1e-12);
        rs_schedule_observe(&s, e, loss[e], kept);
    }
    assert_true(want[count - 1] < 0.01);
    free(loss);
    free(want);
    rs_st_close(f);
}

/* ---- tables and milestones ------------------------------------------------------------------ */

static void write_table(const char *text)
{
    assert_ok(rs_file_write(rs_test_path("%s/rates.csv", rs_test_dir), text, strlen(text)));
}

static void tables_come_from_files(void **state)
{
    static const char *const same[] = {"epoch,lr\n1,0.1\n31,0.01\n",
                                       "\xef\xbb\xbf# rates\r\n1 0.1 # at first\r\n\r\n31\t0.01",
                                       "1:0.1, 31:0.01\n", "1;0.1\n31;0.01"};
    const char *path = rs_test_path("%s/rates.csv", rs_test_dir);
    char *text = NULL;
    rs_rate_table t;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(same); i++) {
        write_table(same[i]);
        assert_ok(rs_rate_table_text(path, &text));
        assert_ok(rs_rate_table_init(&t, text));
        assert_int_equal(t.count, 2);
        assert_true(rs_rate_table_at(&t, 29, 0.5) == 0.1 && rs_rate_table_at(&t, 30, 0.5) == 0.01);
        rs_rate_table_fini(&t);
        free(text);
    }
    assert_ok(rs_rate_table_text("1:0.1", &text));
    assert_string_equal(text, "1:0.1");
    free(text);
    assert_ok(rs_rate_table_text(NULL, &text));
    assert_null(text);
    assert_fails(rs_rate_table_text("no-such-file", &text), RESCL_ERR_ARG,
                 "lr_table: found 'no-such-file'", "or a file");
    write_table("1 0.1\n31\n");
    assert_fails(rs_rate_table_text(path, &text), RESCL_ERR_FORMAT, "rates.csv:2: found nothing");
    write_table("1 0.1 0.2\n");
    assert_fails(rs_rate_table_text(path, &text), RESCL_ERR_FORMAT, "rates.csv:1: found more");
    write_table("epoch lr\n");
    assert_fails(rs_rate_table_text(path, &text), RESCL_ERR_FORMAT, "holds no rates");
}

static void milestones_grow(void **state)
{
    static const char *const bad[] = {"30,30", "0", "60 30", "a", "-1", "1.5"};
    rs_rate_table t;
    (void)state;
    for (size_t i = 0; i < RS_COUNT(bad); i++)
        assert_fails(rs_milestones_init(&t, "lr_steps", bad[i]), RESCL_ERR_ARG, "lr_steps: found '",
                     "expected growing epochs");
    assert_ok(rs_milestones_init(&t, "lr_steps", NULL));
    assert_int_equal(t.count, 0);
}

static void survives_odd_settings(void **state)
{
    rs_schedule s = schedule("steplr");
    (void)state;
    set(&s, "lr_step_size", 0);
    assert_true(rate(&s, 0.1, 3, 4) == 0.1); /* a step size of 0 never steps */
    s = schedule("cosineannealinglr");
    set(&s, "lr_min", 0.01);
    s.warmup_epochs = 2;
    assert_true(rate(&s, 0.1, 0, 2) == 0.0);
    assert_true(rate(&s, 0.1, 2, 2) == 0.1); /* warm-up took all epochs */
}

static void suggests_a_name(void **state)
{
    const rs_schedule_def *def = NULL;
    (void)state;
    assert_fails(rs_schedule_find("cosineanealinglr", &def), RESCL_ERR_ARG, "cosineanealinglr",
                 "did you mean 'cosineannealinglr'", "exponentiallr");
    assert_fails(rs_schedule_find("", &def), RESCL_ERR_ARG, "constant");
}

/* What holds for each of them: its name and numbers, and finite rates over a run. */
static void all_give_rates(void **state)
{
    (void)state;
    for (size_t i = 0; rs_schedules()[i]; i++) {
        const rs_schedule_def *def = rs_schedules()[i];
        const rs_schedule s = schedule(rs_schedule_names()[i]);
        assert_ptr_equal(s.def, def);
        assert_string_equal(def->name, rs_schedule_names()[i]);
        assert_non_null(def->about);
        for (size_t k = 0; k < RS_SCHEDULE_NUMBERS && def->options[k]; k++)
            assert_ok(rs_option_check_number(def->options[k], s.number[k]));
        for (size_t e = 0; e < 12; e++)
            for (size_t step = 0; step < 3; step++) {
                const double none[RS_SCHEDULE_STATES] = {0};
                const rs_schedule_ask ask = {.lr = 0.1,
                                             .epoch = e,
                                             .epochs = 12,
                                             .step = step,
                                             .steps = 3,
                                             .head_lr = 0.1,
                                             .state = none};
                const double got = rs_schedule_rate(&s, &ask);
                assert_true(got >= 0.0 && got <= 0.1 * (1 + 1e-12));
            }
    }
}

static double by_steps(const rs_schedule_ask *ask, const double *number)
{
    (void)number;
    return ask->lr * (double)(ask->epoch * ask->steps + ask->step) /
           (double)(ask->epochs * ask->steps);
}

/* One that changes from step to step sees epochs that count from the end of the warm-up. */
static void may_change_with_each_step(void **state)
{
    const rs_schedule_def def = {.name = "line", .rate = by_steps};
    const rs_schedule s = {.def = &def, .warmup_epochs = 1, .warmup_decay = 0.5};
    (void)state;
    assert_true(rs_schedule_rate(
                    &s, &(rs_schedule_ask){
                            .lr = 1.0, .epoch = 0, .epochs = 3, .step = 4, .steps = 5}) == 0.5);
    assert_true(rs_schedule_rate(
                    &s, &(rs_schedule_ask){
                            .lr = 1.0, .epoch = 1, .epochs = 3, .step = 0, .steps = 5}) == 0.0);
    assert_true(rs_schedule_rate(
                    &s, &(rs_schedule_ask){
                            .lr = 1.0, .epoch = 2, .epochs = 3, .step = 4, .steps = 5}) == 0.9);
}

/* ReduceLROnPlateau(factor=0.5, patience=1, min_lr=0.2) from 1 with these losses, by its rule: the
 * rate is halved when the second epoch in a row is not lower than the best one by 1e-4 of it. */
static void waits_on_a_plateau(void **state)
{
    static const double loss[] = {2.0, 1.0, 1.5, 0.99995, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95};
    static const double want[] = {1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2};
    rs_schedule s = schedule("reducelronplateau");
    double kept[RS_SCHEDULE_STATES] = {0};
    rs_schedule_ask ask = {.lr = 1.0, .epochs = 20, .steps = 4, .state = kept};
    (void)state;
    set(&s, "lr_gamma", 0.5);
    set(&s, "lr_patience", 1);
    set(&s, "lr_min", 0.2);
    s.warmup_epochs = 2;
    s.warmup_decay = 1.0;
    rs_schedule_observe(&s, 1, 0.0, kept); /* an epoch of the warm-up does not count */
    assert_true(rs_schedule_rate(&s, &ask) == 1.0);
    for (size_t e = 0; e < sizeof loss / sizeof *loss; e++) {
        rs_schedule_observe(&s, e + 2, loss[e], kept);
        ask.epoch = e + 3;
        if (!(fabs(rs_schedule_rate(&s, &ask) - want[e]) <= 1e-12))
            fail_msg("after epoch %zu the rate is %g, expected %g", e, rs_schedule_rate(&s, &ask),
                     want[e]);
    }
    ask.lr = 0.1; /* a rate below the lowest stays */
    assert_true(rs_schedule_rate(&s, &ask) == 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_as_in_torch),
        cmocka_unit_test(are_as_in_torch_over_100_steps),
        cmocka_unit_test(plateaus_are_as_in_torch_over_100_epochs),
        cmocka_unit_test(tables_come_from_files),
        cmocka_unit_test(milestones_grow),
        cmocka_unit_test(survives_odd_settings),
        cmocka_unit_test(suggests_a_name),
        cmocka_unit_test(all_give_rates),
        cmocka_unit_test(may_change_with_each_step),
        cmocka_unit_test(waits_on_a_plateau),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
