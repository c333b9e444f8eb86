/* Learning rates against torch.optim.lr_scheduler (tests/golden/schedules.safetensors). */
#include "golden.h"
#include "schedule.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const rs_st_file *f, const char *name, size_t warmup)
{
    rs_schedule s = {
        .lr = 0.5, .lr_min = 0.001, .step_size = 7, .warmup_epochs = warmup, .warmup_decay = 0.01};
    char full[64];
    size_t epochs;
    double *want;
    assert_ok(rs_schedule_parse(name, &s.kind));
    snprintf(full, sizeof full, "%s%s", name, warmup ? ".warmup" : "");
    want = golden_numbers(f, full, &epochs);
    assert_int_equal(epochs, 30);
    s.epochs = epochs;
    s.gamma = s.kind == RS_SCHEDULE_STEP ? 0.3 : 0.9;
    for (size_t e = 0; e < epochs; e++)
        if (!(fabs(rs_schedule_lr(&s, e) - want[e]) <= 1e-12))
            fail_msg("%s: epoch %zu has the rate %.15g, expected %.15g", full, e,
                     rs_schedule_lr(&s, e), want[e]);
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
    rs_schedule s = {.kind = RS_SCHEDULE_STEP, .lr = 0.1, .gamma = 0.1, .epochs = 4};
    (void)state;
    assert_true(rs_schedule_lr(&s, 3) == 0.1); /* a step size of 0 never steps */
    s = (rs_schedule){
        .kind = RS_SCHEDULE_COSINE, .lr = 0.1, .lr_min = 0.01, .epochs = 2, .warmup_epochs = 2};
    assert_true(rs_schedule_lr(&s, 0) == 0.0);
    assert_true(rs_schedule_lr(&s, 2) == 0.1); /* warm-up took all epochs */
}

static void suggests_a_name(void **state)
{
    rs_schedule_kind kind;
    (void)state;
    assert_fails(rs_schedule_parse("cosineanealinglr", &kind), RESCL_ERR_ARG, "cosineanealinglr",
                 "did you mean 'cosineannealinglr'", "exponentiallr");
    assert_fails(rs_schedule_parse("", &kind), RESCL_ERR_ARG, "constant");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_as_in_torch),
        cmocka_unit_test(survives_odd_settings),
        cmocka_unit_test(suggests_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
