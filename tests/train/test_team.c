/* What the loop asks a team for. */
#include "team.h"

#include "netmodel.h"
#include "replica.h"
#include "testing.h"
#include "train_support.h"

#include <math.h>
#include <sched.h>
#include <string.h>

#define SEED 11

static const rs_optim_hyper adam = {.def = &rs_optim_adam, .number = {0.9, 0.999, 1e-8}};

/* A model, a team for it and a loader of its training set. */
typedef struct fixture {
    rescl_dataset *set;
    rescl_model *model;
    rs_team *team;
    rs_loader *loader;
} fixture;

static fixture open_fixture(const rs_optim_hyper *hyper)
{
    fixture f = {.set = rs_test_hands("train", TEST_SAMPLES, 0), .model = rs_test_model()};
    rescl_device *device = rs_test_device();
    const rs_team_plan plan = {.hyper = hyper,
                               .batch = TEST_BATCH,
                               .train_images = hyper ? TEST_SAMPLES : 0,
                               .eval_images = TEST_SAMPLES};
    const rs_loader_options load = {
        .batch = TEST_BATCH, .height = TEST_SIZE, .width = TEST_SIZE, .workers = 0};
    assert_ok(rs_team_create(&device, 1, f.model->graph, &f.model->weights, &plan, &f.team));
    assert_ok(rs_loader_create(f.set, &load, &f.loader));
    assert_ok(rs_loader_start(f.loader, 0, 0));
    return f;
}

static void close_fixture(fixture *f)
{
    rs_team_destroy(f->team);
    rs_loader_destroy(f->loader);
    rescl_model_destroy(f->model);
    rescl_dataset_close(f->set);
}

static const rs_batch *next(fixture *f)
{
    const rs_batch *batch;
    assert_ok(rs_loader_next(f->loader, &batch));
    assert_non_null(batch);
    return batch;
}

static void assert_same_weights(const rs_weights *a, const rs_weights *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_memory_equal(a->data[i], b->data[i], a->elems[i] * sizeof(float));
}

/* Whole batches and the smaller last one, against the replica by hand. */
static void steps_as_its_replica_would(void **state)
{
    enum { STEPS = 3 };
    fixture f = open_fixture(&adam);
    const rs_replica_options plan = {
        .hyper = &adam, .train_batch = TEST_BATCH, .train_tail = TEST_SAMPLES % TEST_BATCH};
    const rs_rates lr = rs_rates_uniform(1e-3, 0.01);
    rs_replica *r = NULL;
    rs_weights ours, theirs;
    (void)state;
    assert_ok(rs_replica_create(rs_test_device(), f.model->graph, &f.model->weights, &plan, &r));
    for (uint64_t step = 0; step < STEPS; step++) {
        const rs_batch *batch = next(&f);
        rs_net *net = rs_replica_net(r, RS_MODE_TRAIN, batch->n);
        rs_outputs out;
        assert_ok(rs_team_gradients(f.team, batch, NULL, SEED, step, &out));
        assert_ok(rs_team_update(f.team, &lr, step + 1));
        assert_ok(rs_replica_send(
            r, &(rs_images){batch->n, batch->pixels, batch->table, batch->labels, NULL, NULL}));
        assert_ok(rs_replica_receive(r, net));
        assert_ok(rs_replica_forward(r, net, SEED, step));
        assert_ok(rs_net_backward(net, &RS_STEP(SEED, step), NULL));
        assert_ok(rs_replica_settle(r));
        assert_ok(rs_store_update(r->store, &lr, step + 1));
        assert_int_equal(out.n, batch->n);
        assert_int_equal(out.classes, f.model->classes);
        assert_memory_equal(out.logits, r->logits, out.n * out.classes * sizeof(float));
        assert_memory_equal(out.losses, r->losses, out.n * sizeof(float));
        rs_loader_release(f.loader, batch);
    }
    assert_ok(rs_weights_create(f.model->graph, &ours));
    assert_ok(rs_weights_create(f.model->graph, &theirs));
    assert_ok(rs_team_download(f.team, &ours));
    assert_ok(rs_store_download(r->store, &theirs));
    assert_same_weights(&ours, &theirs);
    assert_int_equal(rs_team_states(f.team), 2);
    for (int i = 0; i < 2; i++) {
        assert_ok(rs_team_download_state(f.team, i, &ours));
        assert_ok(rs_store_download_state(r->store, i, &theirs));
        assert_same_weights(&ours, &theirs);
    }
    rs_weights_fini(&ours);
    rs_weights_fini(&theirs);
    rs_replica_destroy(r);
    close_fixture(&f);
}

/* Gradients of zero that the caller sets leave the weights of plain descent as they are. */
static void updates_by_the_gradients_it_is_given(void **state)
{
    const rs_optim_hyper sgd = {.def = &rs_optim_sgd};
    const rs_rates lr = rs_rates_uniform(0.1, 0.0);
    fixture f = open_fixture(&sgd);
    const rs_batch *batch = next(&f);
    rs_outputs out;
    rs_weights w, grads;
    (void)state;
    assert_ok(rs_weights_create(f.model->graph, &w));
    assert_ok(rs_weights_create(f.model->graph, &grads));
    assert_ok(rs_team_gradients(f.team, batch, NULL, SEED, 0, &out));
    for (size_t i = 0; i < grads.count; i++)
        if (f.model->graph->param[i].trainable)
            assert_ok(rs_team_write_param(f.team, i, true, grads.data[i]));
    assert_ok(rs_team_update(f.team, &lr, 1));
    assert_ok(rs_team_download(f.team, &w));
    for (size_t i = 0; i < w.count; i++)
        if (f.model->graph->param[i].trainable)
            assert_memory_equal(w.data[i], f.model->weights.data[i], w.elems[i] * sizeof(float));
    rs_loader_release(f.loader, batch);
    rs_weights_fini(&w);
    rs_weights_fini(&grads);
    close_fixture(&f);
}

/* Batches that went up ahead give what they give by themselves; one that is not asked for is forgotten,
 * and the batch of another epoch in its place is not taken for it. */
static void evaluates_what_went_ahead(void **state)
{
    enum { LOGITS = TEST_SAMPLES * 6, BATCHES = (TEST_SAMPLES + TEST_BATCH - 1) / TEST_BATCH };
    const rs_loader_options load = {
        .batch = TEST_BATCH, .height = TEST_SIZE, .width = TEST_SIZE, .workers = 1};
    static float logits[2][LOGITS];
    fixture f = open_fixture(NULL);
    rs_outputs out;
    (void)state;
    rs_loader_destroy(f.loader);
    assert_ok(rs_loader_create(f.set, &load, &f.loader));
    for (int ahead = 0; ahead < 2; ahead++) {
        assert_ok(rs_loader_start(f.loader, 0, 0));
        for (size_t i = 0, done = 0; i < BATCHES; i++) {
            const rs_batch *batch = next(&f);
            while (i + 1 < BATCHES && !rs_loader_peek(f.loader))
                sched_yield();
            assert_ok(rs_team_evaluate(f.team, batch, ahead ? f.loader : NULL, &out));
            memcpy(logits[ahead] + done * 6, out.logits, batch->n * 6 * sizeof(float));
            done += batch->n;
            rs_loader_release(f.loader, batch);
        }
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    for (int forget = 0; forget < 2; forget++) {
        const size_t other =
            forget ? 0 : 1; /* where it is forgotten, its own place is taken again */
        assert_ok(rs_loader_start(f.loader, 0, 0));
        const rs_batch *batch = next(&f);
        while (!rs_loader_peek(f.loader))
            sched_yield();
        assert_ok(rs_team_evaluate(f.team, batch, f.loader, &out));
        rs_loader_release(f.loader, batch);
        if (forget)
            rs_team_forget(f.team);
        assert_ok(rs_loader_start(f.loader, 0, other));
        batch = next(&f);
        assert_ok(rs_team_evaluate(f.team, batch, NULL, &out));
        assert_memory_equal(out.logits, logits[0] + other * TEST_BATCH * 6,
                            batch->n * 6 * sizeof(float));
        rs_loader_release(f.loader, batch);
    }
    close_fixture(&f);
}

static void finds_what_is_not_finite(void **state)
{
    fixture f = open_fixture(NULL);
    const rs_batch *batch = next(&f);
    rs_outputs out;
    const char *layer = "none yet";
    (void)state;
    assert_ok(rs_team_find_nonfinite(f.team, &layer));
    assert_null(layer);
    assert_ok(rs_team_evaluate(f.team, batch, NULL, &out));
    assert_fails(rs_team_find_nonfinite(f.team, &layer), RESCL_ERR_DEVICE, "is unreliable");
    rs_batch spoiled = *batch;
    float table[4][256];
    for (size_t i = 0; i < 3 * 256; i++)
        table[i / 256][i % 256] = (float)NAN;
    spoiled.table = (const float(*)[256])table;
    assert_ok(rs_team_evaluate(f.team, &spoiled, NULL, &out));
    assert_ok(rs_team_find_nonfinite(f.team, &layer));
    assert_non_null(layer);
    rs_loader_release(f.loader, batch);
    close_fixture(&f);
}

static void refuses_misuse(void **state)
{
    fixture f = open_fixture(NULL);
    rescl_device *devices[] = {rs_test_device(), rs_test_device()};
    const rs_team_plan plan = {.batch = TEST_BATCH, .eval_images = TEST_SAMPLES};
    uint8_t pixels[3] = {0};
    int32_t label = 0;
    const rs_batch one = {.n = 1, .pixels = pixels, .labels = &label};
    rs_team *team = NULL;
    rs_outputs out;
    (void)state;
    assert_fails(rs_team_create(devices, 2, f.model->graph, &f.model->weights, &plan, &team),
                 RESCL_ERR_UNSUPPORTED, "2 devices");
    assert_null(team);
    assert_fails(rs_team_evaluate(f.team, &one, NULL, &out), RESCL_ERR_ARG, "batch size 1");
    assert_int_equal(rs_team_size(f.team), 1);
    assert_ptr_equal(rs_team_device(f.team, 0), rs_test_device());
    assert_null(rs_team_device(f.team, 1));
    rs_team_destroy(NULL);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_as_its_replica_would),
        cmocka_unit_test(updates_by_the_gradients_it_is_given),
        cmocka_unit_test(evaluates_what_went_ahead),
        cmocka_unit_test(finds_what_is_not_finite),
        cmocka_unit_test(refuses_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
