/* What devices have of a batch, where nothing is measured: by options and by checkpoints. */
#include "error.h"
#include "ranks.h"
#include "testing.h"
#include "train_support.h"
#include "trainer.h"

#include <stdio.h>
#include <string.h>

static rescl_device *pair[2];
static const rs_team_plan sixteen = {.batch = 16, .train_least = 1};

static void gives_what_was_asked_for(void **state)
{
    rescl_trainer t = {.options.shares = "3,1"};
    const rs_team_plan shards = {.batch = 16, .train_least = 1, .shards = 8};
    (void)state;
    pair[0] = pair[1] = rs_test_device();
    assert_ok(rs_trainer_share_out(&t, pair, 2, &sixteen));
    assert_int_equal(t.progress.team.count, 2);
    assert_int_equal(t.progress.team.share[0], 12);
    assert_int_equal(t.progress.team.share[1], 4);
    assert_ok(rs_trainer_share_out(&t, pair, 2, &shards));
    assert_int_equal(t.progress.team.share[0], 6);
    assert_int_equal(t.progress.team.share[1], 2);
    t.options.shares = "1,1,1";
    assert_fails(rs_trainer_share_out(&t, pair, 2, &sixteen), RESCL_ERR_ARG, "found 3",
                 "--shares=");
    t.options.shares = "100,1";
    assert_fails(rs_trainer_share_out(&t, pair, 2, &sixteen), RESCL_ERR_ARG,
                 "none of the 16 images");
}

static char said[600];

static void listen(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    if (level == RESCL_LOG_WARN)
        snprintf(said, sizeof said, "%s", message);
}

static void share_by(rescl_trainer *t, const rs_pace *pace, const rs_team_plan *plan)
{
    said[0] = '\0';
    rescl_log_set(listen, NULL);
    rs_trainer_share_by_pace(t, pair, pace, 2, plan);
    rescl_log_set(NULL, NULL);
}

static void leaves_out_who_does_not_help(void **state)
{
    const rs_pace like[] = {{100, 90, 0.001}, {50, 45, 0.001}};
    const rs_pace slow[] = {{100, 99, 0.001}, {1, 1, 0.2}};
    const rs_pace little[] = {{100, 99, 0.001}, {5, 5, 0.001}};
    rs_team_plan two = sixteen; /* images are the least that a part may have */
    rescl_trainer t = {0};
    (void)state;
    pair[0] = pair[1] = rs_test_device();
    const char *name = rescl_device_get_info(pair[1])->name;
    share_by(&t, like, &sixteen);
    assert_int_equal(t.progress.team.share[0], 11);
    assert_int_equal(t.progress.team.share[1], 5);
    assert_string_equal(said, "");
    share_by(&t, slow, &sixteen);
    assert_int_equal(t.progress.team.share[0], 16);
    assert_int_equal(t.progress.team.share[1], 0);
    assert_non_null(strstr(said, name));
    assert_non_null(strstr(said, "is too slow to help, with 1.0 img/s, and is left out"));
    assert_non_null(strstr(said, "160 ms without it and 360 ms with it"));
    two.train_least = 2;
    share_by(&t, little, &two);
    assert_int_equal(t.progress.team.share[1], 0);
    assert_non_null(strstr(said, "would have less of a batch than it can train with"));
    t.options.shares = "99,1"; /* who insists has it */
    said[0] = '\0';
    rescl_log_set(listen, NULL);
    assert_ok(rs_trainer_share_out(&t, pair, 2, &(rs_team_plan){.batch = 100, .train_least = 1}));
    rescl_log_set(NULL, NULL);
    assert_int_equal(t.progress.team.share[1], 1);
    assert_string_equal(said, "");
}

/* Of the same devices; one device has all, and no shares. */
static void goes_on_with_what_a_checkpoint_has(void **state)
{
    rescl_trainer t = {.options.shares = "3,1"};
    (void)state;
    pair[0] = pair[1] = rs_test_device();
    assert_ok(rs_trainer_share_out(&t, pair, 2, &sixteen));
    const rs_ckpt_team was = t.progress.team;
    t.options.shares = NULL;
    assert_ok(rs_trainer_share_out(&t, pair, 2, &sixteen));
    assert_memory_equal(&was, &t.progress.team, sizeof was);
    assert_ok(rs_trainer_share_out(&t, pair, 1, &sixteen));
    assert_int_equal(t.progress.team.count, 0);
}

/* Until an epoch says what devices do, shares that follow them are those that there are; one device has all. */
static void begins_with_what_there_is(void **state)
{
    rescl_trainer t = {.options.shares = "3,1"};
    (void)state;
    pair[0] = pair[1] = rs_test_device();
    assert_ok(rs_trainer_share_out(&t, pair, 2, &sixteen));
    t.options.shares = "epoch";
    assert_ok(rs_trainer_share_out(&t, pair, 2, &sixteen));
    assert_int_equal(t.progress.team.share[0], 12);
    static const char *const idle[] = {"epoch", "3,1"};
    for (size_t i = 0; i < RS_COUNT(idle); i++) {
        t.options.shares = idle[i];
        said[0] = '\0';
        rescl_log_set(listen, NULL);
        assert_ok(rs_trainer_share_out(&t, pair, 1, &sixteen));
        rescl_log_set(NULL, NULL);
        assert_int_equal(t.progress.team.count, 0);
        assert_non_null(strstr(said, "there is one device, which has the whole batch"));
    }
}

/* Two devices in the other process. */
static rescl_status gather(rescl_ranks *r, void *data, const size_t *part)
{
    const size_t two = 2;
    char *at = data;
    for (size_t i = 0; i < r->count; at += part[i++])
        if (i != r->index)
            memcpy(at, &two, sizeof two);
    return RESCL_OK;
}

static void counts_the_devices_of_all_processes(void **state)
{
    static const rs_exchange_def fake = {.name = "fake", .gather = gather};
    rescl_ranks ranks = {.def = &fake, .count = 2, .index = 1};
    rescl_trainer t = {.ranks = &ranks};
    rs_team_plan plan = sixteen;
    double share[RS_TEAM_MOST];
    (void)state;
    assert_ok(rs_trainer_share_ranks(&t, 1, share, &plan));
    assert_int_equal(t.progress.team.count, 3);
    assert_ptr_equal(plan.share, share);
    assert_true(share[0] == 1.0 && share[1] == 1.0 && share[2] == 1.0);
    assert_int_equal(t.progress.team.share[0] + t.progress.team.share[1] + t.progress.team.share[2],
                     16);
    t.options.shares = "2,1,1";
    assert_ok(rs_trainer_share_ranks(&t, 1, share, &plan));
    assert_int_equal(t.progress.team.share[0], 8);
    t.options.shares = "2,1";
    assert_fails(rs_trainer_share_ranks(&t, 1, share, &plan), RESCL_ERR_ARG, "found 2");
    t.options.shares = "epoch";
    t.progress.team = (rs_ckpt_team){0};
    assert_ok(rs_trainer_share_ranks(&t, 1, share, &plan));
    assert_true(share[0] == 1.0 && share[1] == 1.0 && share[2] == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_was_asked_for),
        cmocka_unit_test(leaves_out_who_does_not_help),
        cmocka_unit_test(goes_on_with_what_a_checkpoint_has),
        cmocka_unit_test(begins_with_what_there_is),
        cmocka_unit_test(counts_the_devices_of_all_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
