/* What teams of several processes agree on and evaluate. */
#include "error.h"
#include "fixtures.h"
#include "team_internal.h"
#include "testing.h"
#include "threadranks.h"
#include "train_support.h"

#include <stdio.h>
#include <string.h>

#define RANKS THREAD_RANKS

static thread_ranks threads;
static rescl_runtime *runtime;
static rescl_device *device[RANKS];

static int open_devices(void **state)
{
    (void)state;
    assert_ok(rescl_runtime_create(&runtime));
    for (size_t q = 0; q < RANKS; q++)
        assert_ok(rescl_device_open(runtime, rs_test_selector(runtime), 0, &device[q]));
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    for (size_t q = 0; q < RANKS; q++)
        rescl_device_close(device[q]);
    rescl_runtime_destroy(runtime);
    return 0;
}

/* ---- agreeing ---------------------------------------------------------------------------- */

/* What each brings to an agreement, and what came of it. */
typedef struct opinion {
    rescl_status own, st;
    bool asks_stop, stop, unread;
    char message[80];
} opinion;

static void agree(rescl_ranks *r, void *user)
{
    opinion *o = &((opinion *)user)[r->index];
    rs_several several = {.ranks.ranks = r};
    rs_team team = {.several = &several};
    rescl_status st = RESCL_OK;

    if (o->own != RESCL_OK)
        RS_FAIL(o->own, "rank %zu alone", r->index);
out:
    st = rs_team_agree(&team, st, o->asks_stop ? &o->stop : NULL, &o->unread);
    o->st = st;
    snprintf(o->message, sizeof o->message, "%s", rescl_last_error()->message);
}

static void one_that_fails_takes_the_others_along(void **state)
{
    opinion o[RANKS] = {[1] = {.own = RESCL_ERR_FORMAT}};
    (void)state;
    thread_ranks_run(&threads, agree, o);
    assert_int_equal(o[1].st, RESCL_ERR_FORMAT);
    assert_string_equal(o[1].message, "rank 1 alone");
    for (size_t q = 0; q < RANKS; q += 2) {
        assert_int_equal(o[q].st, RESCL_ERR_IO);
        assert_non_null(strstr(o[q].message, "another process could not do its part"));
    }
}

static void all_stop_and_have_not_read_together(void **state)
{
    opinion o[RANKS] = {{.asks_stop = true, .unread = true},
                        {.asks_stop = true},
                        {.asks_stop = true, .own = RESCL_ERR_INTERRUPTED}};
    (void)state;
    thread_ranks_run(&threads, agree, o);
    for (size_t q = 0; q < RANKS; q++) {
        assert_int_equal(o[q].st, RESCL_OK);
        assert_true(o[q].stop && o[q].unread);
        o[q] = (opinion){.asks_stop = true, .stop = q == 1};
    }
    thread_ranks_run(&threads, agree, o);
    for (size_t q = 0; q < RANKS; q++)
        assert_true(o[q].st == RESCL_OK && o[q].stop && !o[q].unread);
}

static void alone_it_is_as_it_was(void **state)
{
    rs_team team = {0};
    size_t first, count;
    bool stop = false, unread = true;
    (void)state;
    assert_ok(rs_team_agree(&team, RESCL_OK, &stop, &unread));
    assert_true(!stop && unread);
    assert_ok(rs_team_agree(&team, RESCL_ERR_INTERRUPTED, &stop, &unread));
    assert_true(stop);
    assert_int_equal(rs_team_agree(&team, RESCL_ERR_IO, NULL, NULL), RESCL_ERR_IO);
    rs_team_part_of(&team, 5, &first, &count);
    assert_true(first == 0 && count == 5);
}

/* ---- evaluating -------------------------------------------------------------------------- */

/* Of a model of a rank's own. */
typedef struct examined {
    rescl_dataset *train, *eval;
    rescl_model *model;
    rescl_trainer *trainer;
    rescl_metrics metrics;
    rescl_status st;
} examined;

static void open_one(examined *e)
{
    *e = (examined){.train = rs_test_hands("train", TEST_SAMPLES, 0),
                    .eval = rs_test_hands("test", TEST_EVAL_SAMPLES, 0),
                    .model = rs_test_model()};
}

static void close_one(examined *e)
{
    rescl_trainer_destroy(e->trainer);
    rescl_model_destroy(e->model);
    rescl_dataset_close(e->train);
    rescl_dataset_close(e->eval);
}

static rescl_train_options small(void)
{
    rescl_train_options o = train_options(NULL);
    o.batch_size =
        6; /* four batches to evaluate: the second round is not full, and the last batch is of 2 */
    return o;
}

/* All but the first have running statistics of their own, as after steps. */
static void evaluate(rescl_ranks *r, void *user)
{
    examined *e = &((examined *)user)[r->index];
    const rescl_train_options o = small();
    float mean[16]; /* of the stem's channels */

    for (size_t i = 0; i < RS_COUNT(mean); i++)
        mean[i] = (float)r->index;
    e->st = rescl_trainer_create_team(&device[r->index], 1, r, e->model, e->train, e->eval, &o,
                                      &e->trainer);
    if (e->st == RESCL_OK)
        e->st = rescl_trainer_set_parameter(e->trainer, "bn1.running_mean", mean, RS_COUNT(mean));
    if (e->st == RESCL_OK)
        e->st = rescl_trainer_evaluate(e->trainer, &e->metrics);
}

static void all_get_what_one_process_gets(void **state)
{
    examined of[RANKS], one;
    const rescl_train_options o = small();
    (void)state;
    open_one(&one);
    assert_ok(rescl_trainer_create(device[0], one.model, one.train, one.eval, &o, &one.trainer));
    assert_ok(rescl_trainer_evaluate(one.trainer, &one.metrics));
    for (size_t q = 0; q < RANKS; q++)
        open_one(&of[q]);
    thread_ranks_run(&threads, evaluate, of);
    for (size_t q = 0; q < RANKS; q++) {
        assert_int_equal(of[q].st, RESCL_OK);
        assert_int_equal(of[q].metrics.samples, TEST_EVAL_SAMPLES);
        assert_true(of[q].metrics.loss == one.metrics.loss);
        assert_true(of[q].metrics.top1 == one.metrics.top1);
        assert_true(of[q].metrics.top5 == one.metrics.top5);
        close_one(&of[q]);
    }
    close_one(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_fails_takes_the_others_along),
        cmocka_unit_test(all_stop_and_have_not_read_together),
        cmocka_unit_test(alone_it_is_as_it_was),
        cmocka_unit_test(all_get_what_one_process_gets),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
