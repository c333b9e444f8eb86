/* A replica, whose batches go up beside the steps, against a net that is fed through the device's own
 * queue and waits for each step. */
#include "replica.h"

#include "error.h"
#include "graph_kit.h"
#include "net_fixture.h"
#include "rng.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

enum { EDGE = 9, CLASSES = 5, BATCH = 7, TAIL = 3, STEPS = 40, VALUES = EDGE * EDGE * 3 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd, .number = {0.9}};

static rs_graph *network(void)
{
    rs_value x;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    x = kit_relu(g, "r1", kit_bn(g, "b1", kit_conv(g, "c1", x, 8, 3, 1)));
    x = kit_relu(g, "r2", kit_bn(g, "b2", kit_conv(g, "c2", x, 16, 3, 2)));
    kit_finish(g, x, CLASSES);
    return g;
}

/* A batch of bytes, and the floats that the network is to read. */
typedef struct batch {
    uint8_t pixels[BATCH * VALUES];
    float table[4][256], floats[BATCH * VALUES];
    int32_t labels[BATCH];
} batch;

static void draw(batch *b, size_t step)
{
    rs_rng r;
    rs_rng_init(&r, 8, step);
    for (size_t c = 0; c < 3; c++)
        for (size_t v = 0; v < 256; v++)
            b->table[c][v] = ((float)v - 100.0f) / (float)(60 + c + step % 2);
    for (size_t i = 0; i < BATCH * VALUES; i++) {
        b->pixels[i] = (uint8_t)rs_rng_below(&r, 256);
        b->floats[i] = b->table[i % 3][b->pixels[i]];
    }
    for (size_t i = 0; i < BATCH; i++)
        b->labels[i] = (int32_t)rs_rng_below(&r, CLASSES);
}

static rescl_status send(rs_replica *r, const batch *b, size_t n)
{
    return rs_replica_send(
        r, &(rs_images){n, b->pixels, (const float(*)[256])b->table, b->labels, NULL, NULL});
}

static rs_replica *replica(const rs_graph *g, const rs_weights *w)
{
    const rs_replica_options plan = {
        .hyper = &sgd, .train_batch = BATCH, .eval_batch = BATCH, .eval_tail = TAIL};
    rs_replica *r = NULL;
    assert_ok(rs_replica_create(rs_test_device(), g, w, &plan, &r));
    return r;
}

/* `ahead`: each batch goes up while the device works on the one before, else behind it. */
static void check_steps(const rs_graph *g, const rs_weights *w, bool ahead)
{
    const rs_rates lr = rs_rates_uniform(0.01, 0.001);
    rs_replica *r = replica(g, w);
    rs_net *net = rs_replica_net(r, RS_MODE_TRAIN, BATCH);
    net_fixture f;
    rs_weights ours, theirs;
    static batch b;

    net_fixture_open(&f, rs_test_device(), g, w, &sgd, BATCH, RS_MODE_TRAIN);
    for (uint64_t step = 0; step < STEPS; step++) {
        size_t count;
        draw(&b, step);
        if (!ahead || step == 0)
            assert_ok(send(r, &b, BATCH));
        assert_ok(rs_replica_receive(r, net));
        assert_ok(rs_replica_forward(r, net, 0, step));
        assert_ok(rs_net_backward(net, &RS_STEP(0, step), NULL));
        draw(&b, step + 1);
        if (ahead)
            assert_ok(send(r, &b, BATCH));
        assert_ok(rs_replica_settle(r));
        assert_ok(rs_store_update(r->store, &lr, step + 1));
        draw(&b, step);
        net_train_step(&f, b.floats, b.labels, 0.01, 0.001, step + 1);
        float *losses = net_read(&f, rs_net_losses(f.net), &count);
        assert_int_equal(count, BATCH);
        assert_memory_equal(losses, r->losses, BATCH * sizeof *losses);
        free(losses);
    }
    assert_ok(rs_weights_create(g, &ours));
    assert_ok(rs_weights_create(g, &theirs));
    assert_ok(rs_store_download(r->store, &ours));
    assert_ok(rs_store_download(f.store, &theirs));
    for (size_t i = 0; i < ours.count; i++)
        assert_memory_equal(ours.data[i], theirs.data[i], ours.elems[i] * sizeof(float));
    rs_weights_fini(&ours);
    rs_weights_fini(&theirs);
    net_fixture_close(&f);
    rs_replica_destroy(r);
}

static void steps_as_on_one_queue(void **state)
{
    rs_graph *g = network();
    rs_weights w;
    (void)state;
    kit_weights(g, 2, &w);
    check_steps(g, &w, false);
    check_steps(g, &w, true);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

/* Batches of two sizes in turn; after a batch that cannot be sent or is not there, all goes on. */
static void takes_batches_of_any_planned_size(void **state)
{
    rs_graph *g = network();
    rs_weights w;
    static batch b;
    float right[2][BATCH];
    (void)state;
    kit_weights(g, 2, &w);
    rs_replica *r = replica(g, &w);
    for (int i = 0; i < 6; i++) {
        const size_t n = i % 2 ? TAIL : BATCH;
        rs_net *net = rs_replica_net(r, RS_MODE_EVAL, n);
        draw(&b, n);
        if (i > 1) {
            assert_fails(send(r, &b, BATCH + 1), RESCL_ERR_ARG, "does not lie in room");
            assert_fails(rs_replica_receive(r, net), RESCL_ERR_ARG, "no batch was sent");
        }
        assert_ok(send(r, &b, n));
        assert_ok(rs_replica_receive(r, net));
        assert_ok(rs_replica_forward(r, net, 0, 0));
        assert_ok(rs_replica_settle(r));
        if (i < 2)
            memcpy(right[i], r->losses, n * sizeof(float));
        assert_memory_equal(r->losses, right[i % 2], n * sizeof(float));
    }
    rs_replica_destroy(r);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_as_on_one_queue),
        cmocka_unit_test(takes_batches_of_any_planned_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
