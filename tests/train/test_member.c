/* Members by themselves: their threads, and how buckets lie in an image of their gradients. */
#include "member.h"

#include "error.h"
#include "netmodel.h"
#include "testing.h"
#include "train_support.h"

#include <stdlib.h>

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd};

typedef struct fixture {
    rescl_model *model;
    rs_team_step step;
    rs_member member;
} fixture;

static void open_fixture(fixture *f)
{
    const rs_replica_options o = {.hyper = &sgd, .train_batch = 2};
    rs_replica *replica = NULL;

    *f = (fixture){.model = rs_test_model()};
    assert_ok(
        rs_replica_create(rs_test_device(), f->model->graph, &f->model->weights, &o, &replica));
    assert_ok(rs_member_init(&f->member, 0, 0, replica, &f->step));
}

static void close_fixture(fixture *f)
{
    rs_member_fini(&f->member);
    rescl_model_destroy(f->model);
}

/* Each gradient lies in one bucket. */
static void buckets_cover_all_gradients_once(void **state)
{
    fixture f;
    rs_range *range = NULL;
    size_t count = 0, trained = 0;
    (void)state;
    open_fixture(&f);
    assert_ok(rs_member_ranges(f.member.replica->store, &range, &count));
    char *seen = calloc(f.member.floats, 1);
    assert_non_null(seen);
    for (size_t b = 0; b < count; b++)
        for (size_t i = range[b].first; i < range[b].first + range[b].count; i++) {
            assert_true(i < f.member.floats);
            assert_int_equal(seen[i]++, 0);
            trained++;
        }
    size_t wanted = 0;
    for (size_t i = 0; i < f.model->graph->nparams; i++)
        wanted += f.model->graph->param[i].trainable ? f.model->weights.elems[i] : 0;
    assert_true(trained >= wanted && trained <= f.member.floats); /* places are rounded up */
    free(seen);
    free(range);
    close_fixture(&f);
}

static rescl_status fails(rs_member *m, const void *arg)
{
    rescl_status st = RESCL_OK;
    (void)m;
    RS_FAIL(RESCL_ERR_ARG, "found %d", *(const int *)arg);
out:
    return st;
}

static rescl_status counts(rs_member *m, const void *arg)
{
    (void)arg;
    m->images++;
    return RESCL_OK;
}

/* What a thread's call failed of is with the member, not with who waits. */
static void keeps_what_its_thread_failed_of(void **state)
{
    const int number = 7;
    fixture f;
    (void)state;
    open_fixture(&f);
    assert_ok(rs_member_do(&f.member, fails, &number));
    rs_member_wait(&f.member);
    assert_int_equal(f.member.st, RESCL_ERR_ARG);
    assert_string_equal(f.member.why.message, "found 7");
    for (int i = 0; i < 100; i++)
        assert_ok(rs_member_do(&f.member, counts, NULL));
    rs_member_wait(&f.member);
    assert_int_equal(f.member.st, RESCL_OK);
    assert_int_equal(f.member.images, 100);
    close_fixture(&f);
}

static void leaves_draw_apart(void **state)
{
    (void)state;
    assert_true(rs_leaf_seed(11, 0) == 11);
    for (size_t a = 0; a < 64; a++)
        for (size_t b = 0; b < a; b++)
            assert_true(rs_leaf_seed(11, a) != rs_leaf_seed(11, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_all_gradients_once),
        cmocka_unit_test(keeps_what_its_thread_failed_of),
        cmocka_unit_test(leaves_draw_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
