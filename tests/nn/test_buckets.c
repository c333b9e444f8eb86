/* Gradients announced in buckets while backward runs. */
#include "error.h"
#include "graph_kit.h"
#include "net_fixture.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

enum { EDGE = 8, CLASSES = 5, BATCH = 3, MOST = 64 };

static const rs_optim_hyper sgd = {.def = &rs_optim_sgd};

/* A block with a shortcut, a frozen layer, a head, and a layer that leads to no loss. */
static rs_graph *network(void)
{
    rs_value x, y;
    rs_graph *g = kit_graph(EDGE, EDGE, 3, &x);
    x = kit_relu(g, "r1", kit_bn(g, "b1", kit_conv(g, "c1", x, 8, 3, 1)));
    y = kit_relu(g, "r2", kit_bn(g, "b2", kit_conv(g, "c2", x, 8, 3, 1)));
    y = kit_bn(g, "b3", kit_conv(g, "c3", y, 8, 1, 1));
    x = kit_relu(g, "r3", kit_add(g, "sum", y, x));
    kit_relu(g, "dead_relu", kit_conv(g, "dead", y, 4, 3, 1));
    g->part = RS_PART_HEAD;
    x = kit_relu(g, "r4", kit_bn(g, "b4", kit_conv(g, "c4", x, 16, 3, 2)));
    kit_finish(g, x, CLASSES);
    for (size_t i = 0; i < g->nnodes; i++)
        if (strcmp(g->node[i].name, "c2") == 0)
            rs_graph_set_trained(g, i, false, true);
    return g;
}

/* What each bucket held when it was announced. */
typedef struct announced {
    net_fixture *f;
    char *content[MOST];
    size_t order[MOST], count;
    size_t fails_at; /* announcements before one that fails; MOST: none does */
} announced;

static rescl_status keep_bucket(void *user, size_t index)
{
    rescl_status st = RESCL_OK;
    announced *a = user;
    const rs_bucket *b = rs_store_bucket(a->f->store, index);
    assert_non_null(b);
    assert_true(index < MOST && !a->content[index]);
    RS_FAIL_IF(a->count == a->fails_at, RESCL_ERR_IO, "bucket %zu cannot be sent", index);
    a->order[a->count++] = index;
    a->content[index] = malloc(b->bytes);
    assert_non_null(a->content[index]);
    assert_ok(rs_read(a->f->dev, rs_store_grad_arena(a->f->store, b->arena), b->offset,
                      a->content[index], b->bytes));
out:
    return st;
}

/* Each byte of the arenas is in one bucket, announced once, and as backward leaves it. */
static void check_announced(const announced *a)
{
    size_t arenas = 0;
    const rs_store *s = a->f->store;
    assert_int_equal(a->count, rs_store_buckets(s));
    for (rs_buffer *arena; (arena = rs_store_grad_arena(s, arenas)); arenas++) {
        const size_t bytes = rs_buffer_bytes(arena);
        char *final = malloc(bytes), *seen = calloc(bytes, 1);
        assert_true(final && seen);
        assert_ok(rs_read(a->f->dev, arena, 0, final, bytes));
        for (size_t i = 0; i < a->count; i++) {
            const rs_bucket *b = rs_store_bucket(s, i);
            if (b->arena != arenas)
                continue;
            assert_true(b->bytes > 0 && b->offset + b->bytes <= bytes);
            assert_memory_equal(a->content[i], final + b->offset, b->bytes);
            for (size_t k = 0; k < b->bytes; k++)
                assert_int_equal(seen[b->offset + k]++, 0);
        }
        for (size_t k = 0; k < bytes; k++)
            assert_int_equal(seen[k], 1);
        free(final);
        free(seen);
    }
    assert_int_equal(arenas, 2); /* body and head */
    for (size_t i = 0; i < a->count; i++)
        assert_int_equal(a->order[i], i);
}

static void forget(announced *a)
{
    for (size_t i = 0; i < MOST; i++)
        free(a->content[i]);
    *a = (announced){.f = a->f, .fails_at = MOST};
}

/* A net for some sizes of buckets; gradients start as numbers that no pass leaves. */
static rs_weights open_net(net_fixture *f, const rs_graph *g, const rs_weights *w, size_t first,
                           size_t bytes)
{
    rs_weights marks;
    *f = (net_fixture){.dev = rs_test_device()};
    assert_ok(rs_store_create(f->dev, g, &sgd, &f->store));
    assert_ok(rs_store_upload(f->store, w));
    if (bytes)
        assert_ok(rs_store_set_buckets(f->store, first, bytes));
    assert_ok(rs_net_plan(f->store, g, BATCH, RS_MODE_TRAIN, RESCL_PRECISION_FP32, &f->net));
    assert_ok(rs_workspace_create(f->dev, &f->net, 1, &f->workspace));
    assert_ok(rs_weights_create(g, &marks));
    for (size_t i = 0; i < marks.count; i++)
        for (size_t k = 0; k < marks.elems[i]; k++)
            marks.data[i][k] = -1e30f;
    assert_ok(rs_store_upload_grads(f->store, &marks));
    return marks;
}

static void announces_each_gradient_once_and_in_time(void **state)
{
    /* One parameter each; a few; all of an arena; 0: as the store has them. */
    static const size_t sizes[][2] = {{1, 1}, {256, 2048}, {1, 4096}, {1 << 30, 1 << 30}, {0, 0}};
    rs_graph *g = network();
    float *pixels = kit_pixels((size_t)BATCH * EDGE * EDGE * 3, 4);
    int32_t *labels = kit_labels(BATCH, CLASSES, 4);
    size_t before = MOST;
    rs_weights w;
    (void)state;
    kit_weights(g, 2, &w);
    for (size_t i = 0; i < RS_COUNT(sizes); i++) {
        net_fixture f;
        rs_weights marks = open_net(&f, g, &w, sizes[i][0], sizes[i][1]);
        announced a = {.f = &f, .fails_at = MOST};
        const rs_bucket_listener listener = {keep_bucket, &a};
        if (i == 0)
            assert_int_equal(rs_store_buckets(f.store), 14); /* c2 is frozen */
        assert_true(i == 2 || rs_store_buckets(f.store) <= before);
        before = rs_store_buckets(f.store);
        for (uint64_t step = 1; step <= 2; step++) {
            net_forward_loss(&f, pixels, labels, step);
            assert_ok(rs_net_backward(f.net, &RS_STEP(1, step), &listener));
            check_announced(&a);
            forget(&a);
        }
        rs_weights_fini(&marks);
        net_fixture_close(&f);
    }
    assert_int_equal(before, 2);
    rs_weights_fini(&w);
    rs_graph_destroy(g);
    free(pixels);
    free(labels);
}

static void listening_changes_no_gradient(void **state)
{
    rs_graph *g = network();
    float *pixels = kit_pixels((size_t)BATCH * EDGE * EDGE * 3, 4);
    int32_t *labels = kit_labels(BATCH, CLASSES, 4);
    net_fixture f;
    rs_weights w, heard, unheard;
    (void)state;
    kit_weights(g, 2, &w);
    rs_weights marks = open_net(&f, g, &w, 1, 1024);
    announced a = {.f = &f, .fails_at = MOST};
    const rs_bucket_listener listener = {keep_bucket, &a};
    net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), &listener));
    net_grads(&f, g, &heard);
    net_forward_loss(&f, pixels, labels, 1);
    assert_ok(rs_net_backward(f.net, &RS_STEP(1, 1), NULL));
    net_grads(&f, g, &unheard);
    for (size_t i = 0; i < w.count; i++)
        assert_memory_equal(heard.data[i], unheard.data[i], w.elems[i] * sizeof(float));
    forget(&a);
    a.fails_at = 2;
    assert_fails(rs_net_backward(f.net, &RS_STEP(1, 1), &listener), RESCL_ERR_IO, "bucket 2");
    assert_int_equal(a.count, 2);
    forget(&a);
    rs_weights_fini(&marks);
    rs_weights_fini(&heard);
    rs_weights_fini(&unheard);
    rs_weights_fini(&w);
    net_fixture_close(&f);
    rs_graph_destroy(g);
    free(pixels);
    free(labels);
}

static void are_laid_out_before_planning(void **state)
{
    rs_graph *g = network();
    net_fixture f;
    rs_store *s = NULL;
    rs_weights w;
    (void)state;
    kit_weights(g, 2, &w);
    rs_weights marks = open_net(&f, g, &w, 0, 0);
    assert_fails(rs_store_set_buckets(f.store, 1, 1), RESCL_ERR_ARG, "after a net was planned");
    assert_null(rs_store_bucket(f.store, rs_store_buckets(f.store)));
    assert_ok(rs_store_create(f.dev, g, NULL, &s));
    assert_fails(rs_store_set_buckets(s, 1, 1), RESCL_ERR_ARG, "inference only");
    assert_int_equal(rs_store_buckets(s), 0);
    rs_store_destroy(s);
    rs_weights_fini(&marks);
    rs_weights_fini(&w);
    net_fixture_close(&f);
    rs_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announces_each_gradient_once_and_in_time),
        cmocka_unit_test(listening_changes_no_gradient),
        cmocka_unit_test(are_laid_out_before_planning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
