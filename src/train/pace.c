#include "pace.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "replica.h"
#include "threadpool.h"
#include "treesum.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_ALONE    2
#define STEPS_TOGETHER 3

/* One device under measurement, with a thread of its own. */
typedef struct probe {
    rs_replica *replica;
    rs_net *net;
    rs_pool *thread;
    size_t n;
    uint8_t *pixels;
    int32_t *labels;
    atomic_int *busy; /* devices that have not made STEPS_TOGETHER steps yet; NULL: one by one */
    rs_pace *pace;
    rescl_status st;
    rescl_error why;
} probe;

static rescl_status open_probe(probe *p, rescl_device *device, const rs_graph *graph,
                               const rs_weights *weights, const rs_team_plan *plan, size_t n)
{
    rescl_status st = RESCL_OK;
    const rs_replica_options o = {.hyper = plan->hyper,
                                  .train_batch = n,
                                  .precision = plan->precision,
                                  .class_weights = plan->class_weights,
                                  .teacher = plan->teacher};

    p->n = n;
    RS_TRY(rs_replica_create(device, graph, weights, &o, &p->replica));
    p->net = rs_replica_net(p->replica, RS_MODE_TRAIN, n);
    RS_OOM(p->pixels = rs_aligned_calloc(n, p->replica->bytes));
    RS_OOM(p->labels = rs_aligned_calloc(n, sizeof *p->labels));
    RS_TRY(rs_pool_create(1, &p->thread));
out:
    return st;
}

static void close_probe(probe *p)
{
    rs_pool_destroy(p->thread);
    rs_replica_destroy(p->replica);
    rs_aligned_free(p->pixels);
    rs_aligned_free(p->labels);
}

/* On black images; what becomes of them is looked at by nobody. */
static rescl_status step(probe *p)
{
    rescl_status st = RESCL_OK;
    static const float table[RS_PIXEL_CHANNELS][256];
    rs_replica *r = p->replica;

    RS_TRY(rs_replica_send(r, &(rs_images){p->n, p->pixels, table, p->labels, NULL, NULL}));
    RS_TRY(rs_replica_receive(r, p->net));
    RS_TRY(rs_replica_forward(r, p->net, 0, 0));
    RS_TRY(rs_net_backward(p->net, &RS_STEP(0, 0), NULL));
    RS_TRY(rs_replica_settle(r));
    RS_TRY(rs_finish(r->dev));
out:
    return st;
}

static rescl_status time_exchange(probe *p)
{
    rescl_status st = RESCL_OK;
    rs_replica *r = p->replica;
    float *image[2] = {NULL};
    size_t most = 0;

    for (size_t a = 0; rs_store_grad_arena(r->store, a); a++) {
        const size_t bytes = rs_buffer_bytes(rs_store_grad_arena(r->store, a));
        most = bytes > most ? bytes : most;
    }
    for (size_t i = 0; i < RS_COUNT(image); i++)
        RS_OOM(image[i] = rs_aligned_calloc(most + 1, 1));
    const double start = rs_clock_seconds();
    for (size_t a = 0; rs_store_grad_arena(r->store, a); a++) {
        rs_buffer *arena = rs_store_grad_arena(r->store, a);
        const size_t bytes = rs_buffer_bytes(arena);
        RS_TRY(rs_read(r->dev, arena, 0, image[0], bytes));
        rs_tree_do(&(rs_tree_add){image[0], image[1]}, 0, bytes / sizeof(float));
        RS_TRY(rs_write(r->dev, arena, 0, image[0], bytes));
    }
    p->pace->exchange = rs_clock_seconds() - start;
out:
    rs_aligned_free(image[0]);
    rs_aligned_free(image[1]);
    return st;
}

static rescl_status measure_alone(probe *p)
{
    rescl_status st = RESCL_OK;

    RS_TRY(step(p)); /* compiles, and touches memory for the first time */
    const double start = rs_clock_seconds();
    for (int i = 0; i < STEPS_ALONE; i++)
        RS_TRY(step(p));
    p->pace->alone = (double)(p->n * STEPS_ALONE) / (rs_clock_seconds() - start);
    RS_TRY(time_exchange(p));
out:
    return st;
}

/* Each goes on until all have made their steps, so that none is alone in any of those that count. */
static rescl_status measure_together(probe *p)
{
    rescl_status st = RESCL_OK;
    size_t steps = 0;
    const double start = rs_clock_seconds();

    do {
        RS_TRY(step(p));
        if (++steps == STEPS_TOGETHER)
            atomic_fetch_sub(p->busy, 1);
    } while (atomic_load(p->busy) > 0);
    p->pace->together = (double)(p->n * steps) / (rs_clock_seconds() - start);
out:
    if (st != RESCL_OK && steps < STEPS_TOGETHER)
        atomic_fetch_sub(p->busy, 1);
    return st;
}

static void measure(void *arg)
{
    probe *p = arg;

    p->st = p->busy ? measure_together(p) : measure_alone(p);
    if (p->st != RESCL_OK)
        p->why = *rescl_last_error();
}

/* What a thread of a probe came to. */
static rescl_status wait_probe(probe *p)
{
    rs_pool_wait(p->thread);
    if (p->st != RESCL_OK) {
        rs_error_restore(&p->why);
        rs_error_prefix("%s", rescl_device_get_info(p->replica->dev)->name);
    }
    return p->st;
}

rescl_status rs_pace_measure(rescl_device *const *devices, size_t count, const rs_graph *graph,
                             const rs_weights *weights, const rs_team_plan *plan, rs_pace *out)
{
    rescl_status st = RESCL_OK;
    probe p[RS_TEAM_MOST] = {{0}};
    atomic_int busy;
    size_t n = (plan->batch + count - 1) / count, started = 0;

    n = n < plan->train_least ? plan->train_least : n;
    atomic_init(&busy, (int)count);
    for (size_t i = 0; i < count; i++) {
        p[i].pace = &out[i];
        RS_TRY(open_probe(&p[i], devices[i], graph, weights, plan, n));
    }
    for (size_t i = 0; i < count; i++) {
        RS_TRY(rs_pool_submit(p[i].thread, measure, &p[i]));
        RS_TRY(wait_probe(&p[i]));
    }
    for (; started < count && st == RESCL_OK; started++) {
        p[started].busy = &busy;
        st = rs_pool_submit(p[started].thread, measure, &p[started]);
    }
    if (st != RESCL_OK)
        atomic_store(&busy, 0);
    for (size_t i = 0; i < count; i++) {
        const rescl_status measured = wait_probe(&p[i]);
        st = st == RESCL_OK ? measured : st;
    }
out:
    for (size_t i = 0; i < count; i++)
        close_probe(&p[i]);
    return st;
}

/* ---- which are kept ---------------------------------------------------------------------- */

double rs_pace_step(const rs_pace *pace, const bool *keep, size_t count, size_t batch)
{
    double speed = 0.0, alone = 0.0, exchange = 0.0;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!keep[i])
            continue;
        kept++;
        speed += pace[i].together;
        alone = pace[i].alone;
        exchange = pace[i].exchange > exchange ? pace[i].exchange : exchange;
    }
    return kept == 1 ? (double)batch / alone : (double)batch / speed + exchange;
}

static size_t slowest(const rs_pace *pace, const bool *keep, size_t count)
{
    size_t found = count;

    for (size_t i = 0; i < count; i++)
        if (keep[i] && (found == count || pace[i].together <= pace[found].together))
            found = i;
    return found;
}

/* Keeps `now` instead if that is faster than what took *best seconds. */
static void take_faster(const rs_pace *pace, const bool *now, size_t count, size_t batch,
                        double *best, bool *keep)
{
    const double seconds = rs_pace_step(pace, now, count, batch);

    if (seconds >= *best)
        return;
    *best = seconds;
    memcpy(keep, now, count * sizeof *keep);
}

void rs_pace_choose(const rs_pace *pace, size_t count, size_t batch, bool *keep)
{
    bool now[RS_TEAM_MOST];

    for (size_t i = 0; i < count; i++)
        now[i] = keep[i] = true;
    double best = rs_pace_step(pace, keep, count, batch);
    for (size_t left = count; left > 1; left--) {
        now[slowest(pace, now, count)] = false;
        take_faster(pace, now, count, batch, &best, keep);
    }
    for (size_t i = 0; i < count; i++) { /* who is slow beside others may be fast alone */
        memset(now, 0, sizeof now);
        now[i] = true;
        take_faster(pace, now, count, batch, &best, keep);
    }
}
