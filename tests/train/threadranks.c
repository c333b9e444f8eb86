#include "threadranks.h"

#include "testing.h"

#include <string.h>

/* All have shown theirs, or have looked at it. */
static void meet(pthread_barrier_t *barrier)
{
    (void)pthread_barrier_wait(barrier);
}

static rescl_status gather(rescl_ranks *r, void *data, const size_t *part)
{
    thread_ranks *t = r->link;
    size_t at = 0;

    t->shown[r->index] = data;
    meet(&t->rest);
    for (size_t q = 0; q < r->count; at += part[q++])
        if (q != r->index && part[q] > 0)
            memcpy((char *)data + at, (char *)t->shown[q] + at, part[q]);
    meet(&t->rest);
    return RESCL_OK;
}

static rescl_status broadcast(rescl_ranks *r, void *data, size_t bytes)
{
    thread_ranks *t = r->link;

    t->shown[r->index] = data;
    meet(&t->rest);
    if (r->index > 0)
        memcpy(data, t->shown[0], bytes);
    meet(&t->rest);
    return RESCL_OK;
}

static rescl_status any(rescl_ranks *r, unsigned *flags)
{
    thread_ranks *t = r->link;
    unsigned all = 0;

    t->shown[r->index] = flags;
    meet(&t->rest);
    for (size_t q = 0; q < r->count; q++)
        all |= *(unsigned *)t->shown[q];
    meet(&t->rest);
    *flags = all;
    return RESCL_OK;
}

/* Those between two ranks in their order. */
static rescl_status swap(rescl_ranks *r, const rs_transfer *send, size_t sends,
                         const rs_transfer *take, size_t takes)
{
    thread_ranks *t = r->link;
    size_t seen[THREAD_RANKS] = {0};

    t->send[r->index] = send;
    for (size_t i = 0; i < sends; i++)
        t->sent[r->index] += send[i].count * (send[i].narrow ? 2 : 4);
    meet(&t->swaps);
    for (size_t i = 0; i < takes; i++) {
        size_t *k = &seen[take[i].rank];
        while (t->send[take[i].rank][*k].rank != r->index)
            (*k)++;
        const rs_transfer *s = &t->send[take[i].rank][(*k)++];
        memcpy(take[i].values, s->values, s->count * (s->narrow ? 2 : 4));
    }
    meet(&t->swaps);
    return RESCL_OK;
}

static const rs_exchange_def threads = {
    .name = "threads", .gather = gather, .broadcast = broadcast, .any = any, .swap = swap};

typedef struct call {
    void (*fn)(rescl_ranks *r, void *user);
    rescl_ranks *rank;
    void *user;
} call;

static void *run(void *arg)
{
    const call *c = arg;
    c->fn(c->rank, c->user);
    return NULL;
}

void thread_ranks_run(thread_ranks *t, void (*fn)(rescl_ranks *r, void *user), void *user)
{
    pthread_t thread[THREAD_RANKS];
    call c[THREAD_RANKS];

    memset(t, 0, sizeof *t);
    assert_int_equal(pthread_barrier_init(&t->rest, NULL, THREAD_RANKS), 0);
    assert_int_equal(pthread_barrier_init(&t->swaps, NULL, THREAD_RANKS), 0);
    for (size_t q = 0; q < THREAD_RANKS; q++) {
        rescl_ranks *r = &t->rank[q];
        r->def = &threads;
        r->count = r->local_count = THREAD_RANKS;
        r->index = r->local_index = q;
        r->link = t;
    }
    for (size_t q = 0; q < THREAD_RANKS; q++) {
        c[q] = (call){fn, &t->rank[q], user};
        assert_int_equal(pthread_create(&thread[q], NULL, run, &c[q]), 0);
    }
    for (size_t q = 0; q < THREAD_RANKS; q++)
        assert_int_equal(pthread_join(thread[q], NULL), 0);
    pthread_barrier_destroy(&t->rest);
    pthread_barrier_destroy(&t->swaps);
}
