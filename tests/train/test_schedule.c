/* Learning rates against torch.optim.lr_scheduler (tests/golden/schedules.safetensors). */
#include "golden.h"
#include "optionvalue.h"
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
        cmocka_unit_test(are_as_in_torch),           cmocka_unit_test(survives_odd_settings),
        cmocka_unit_test(suggests_a_name),           cmocka_unit_test(all_give_rates),
        cmocka_unit_test(may_change_with_each_step), cmocka_unit_test(waits_on_a_plateau),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
