#include "member.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "lossscale.h"

#include <stdlib.h>
#include <string.h>

/* ---- its thread -------------------------------------------------------------------------- */

typedef struct order {
    rs_member *member;
    rs_member_fn fn;
    const void *arg;
} order;

static void obey(void *arg)
{
    order *o = arg;
    rs_member *m = o->member;

    m->st = o->fn(m, o->arg);
    if (m->st != RESCL_OK)
        m->why = *rescl_last_error(); /* which is the thread's own */
    free(o);
}

rescl_status rs_member_do(rs_member *m, rs_member_fn fn, const void *arg)
{
    rescl_status st = RESCL_OK;
    order *o = NULL;

    m->st = RESCL_OK;
    RS_OOM(o = malloc(sizeof *o));
    *o = (order){m, fn, arg};
    RS_TRY(rs_pool_submit(m->thread, obey, o));
    o = NULL;
out:
    free(o);
    return st;
}

void rs_member_wait(rs_member *m)
{
    rs_pool_wait(m->thread);
}

/* ---- making ------------------------------------------------------------------------------ */

rescl_status rs_member_ranges(const rs_store *store, rs_range **out, size_t *count)
{
    rescl_status st = RESCL_OK;
    const size_t n = rs_store_buckets(store);
    rs_range *range = NULL;

    RS_OOM(range = calloc(n + 1, sizeof *range));
    for (size_t b = 0; b < n; b++) {
        const rs_bucket *bucket = rs_store_bucket(store, b);
        size_t before = 0;
        for (size_t a = 0; a < bucket->arena; a++)
            before += rs_buffer_bytes(rs_store_grad_arena(store, a));
        range[b] =
            (rs_range){(before + bucket->offset) / sizeof(float), bucket->bytes / sizeof(float)};
    }
    *out = range;
    *count = n;
out:
    return st;
}

static rescl_status meet(void *user, const float *mine, size_t count, const float **all)
{
    rs_member *m = user;
    return rs_exchange_meet(m->step->exchange, m->meeting.own, mine, count, all, &m->waited);
}

rescl_status rs_member_init(rs_member *m, size_t index, size_t place, rs_replica *replica,
                            rs_team_step *step)
{
    rescl_status st = RESCL_OK;
    const size_t buckets = rs_store_buckets(replica->store);
    size_t arenas = 0;

    *m = (rs_member){.index = index, .place = place, .replica = replica, .step = step};
    while (rs_store_grad_arena(replica->store, arenas))
        arenas++;
    RS_OOM(m->base = calloc(arenas + 1, sizeof *m->base));
    for (size_t a = 0; a < arenas; a++) {
        m->base[a] = m->floats;
        m->floats += rs_buffer_bytes(rs_store_grad_arena(replica->store, a)) / sizeof(float);
    }
    for (size_t i = 0; i < RS_COUNT(m->fence); i++)
        RS_OOM(m->fence[i] = calloc(buckets + 1, sizeof(rs_fence *)));
    RS_TRY(rs_pool_create(1, &m->thread));
out:
    return st;
}

rescl_status rs_member_sync(rs_member *m)
{
    rescl_status st = RESCL_OK;
    size_t most = 0;

    for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
        const rs_net *net = m->replica->net[i];
        const size_t floats = net ? rs_net_meeting_floats(net) : 0;
        most = floats > most ? floats : most;
    }
    RS_OOM(m->meeting.room = rs_aligned_calloc(most + 1, sizeof(float)));
    m->meeting.meet = meet;
    m->meeting.user = m;
out:
    return st;
}

void rs_member_fini(rs_member *m)
{
    rs_aligned_free(m->meeting.room);
    rs_pool_destroy(m->thread);
    rs_replica_destroy(m->replica);
    for (size_t i = 0; i < RS_MEMBER_IMAGES; i++)
        rs_aligned_free(m->image[i]);
    for (size_t i = 0; i < RS_COUNT(m->fence); i++)
        free(m->fence[i]);
    free(m->base);
    *m = (rs_member){0};
}

/* ---- images of gradients ----------------------------------------------------------------- */

static rescl_status take_image(rs_member *m, float **out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    while (m->used[i])
        i++; /* there are more than a tree has blocks */
    if (!m->image[i])
        RS_OOM(m->image[i] = rs_aligned_calloc(m->floats, sizeof(float)));
    m->used[i] = true;
    *out = m->image[i];
out:
    return st;
}

static void give_back_image(rs_member *m, const float *image)
{
    for (size_t i = 0; i < RS_MEMBER_IMAGES; i++)
        if (m->image[i] == image)
            m->used[i] = false;
}

/* ---- a leaf ------------------------------------------------------------------------------ */

uint64_t rs_leaf_seed(uint64_t seed, size_t leaf)
{
    return seed + leaf * UINT64_C(0x9E3779B97F4A7C15);
}

static rescl_status read_bucket(void *user, size_t bucket)
{
    rs_member *m = user;
    const rs_store *store = m->replica->store;
    const rs_bucket *b = rs_store_bucket(store, bucket);

    return rs_read_async(m->replica->dev, rs_store_grad_arena(store, b->arena), b->offset,
                         m->reading + m->base[b->arena] + b->offset / sizeof(float), b->bytes,
                         &m->fence[m->slot][bucket]);
}

/* The images of a leaf to the device, and into the net for so many. */
static rescl_status receive_leaf(rs_member *m, size_t leaf, rs_net **net)
{
    rescl_status st = RESCL_OK;
    const rs_span part = m->step->leaves.leaf[leaf];
    const rs_batch *b = &m->step->batch;
    rs_replica *r = m->replica;
    const rs_images images = {part.count,
                              b->pixels + part.first * r->bytes,
                              b->table,
                              b->labels + part.first,
                              b->mixed ? b->mixed + part.first : NULL,
                              b->rows ? b->rows + part.first * r->classes : NULL};

    *net = rs_replica_net(r, RS_MODE_TRAIN, part.count);
    RS_FAIL_IF(!*net, RESCL_ERR_ARG, "a part of %zu images was not planned for", part.count);
    RS_TRY(rs_replica_send(r, &images));
    RS_TRY(rs_replica_receive(r, *net));
out:
    return st;
}

/* All of a leaf, up to the download of its gradients. */
static rescl_status enqueue_leaf(rs_member *m, size_t leaf)
{
    rescl_status st = RESCL_OK;
    const rs_team_step *s = m->step;
    const rs_span part = s->leaves.leaf[leaf];
    const rs_batch *b = &s->batch;
    rs_replica *r = m->replica;
    rs_net *net = NULL;
    const rs_bucket_listener listener = {read_bucket, m};
    const rs_step step = {.seed = rs_leaf_seed(s->seed, leaf),
                          .step = s->step,
                          .scale = s->scale > 0.0 ? s->scale : 1.0,
                          .share = s->share * ((double)part.count / (double)b->n)};

    m->slot ^= 1;
    RS_TRY(take_image(m, &m->reading));
    RS_TRY(receive_leaf(m, leaf, &net));
    m->meeting.parts = s->leaves.count;
    m->meeting.own = leaf;
    m->meeting.images = s->images;
    rs_net_set_meeting(net, s->synced ? &m->meeting : NULL);
    RS_TRY(rs_replica_forward(r, net, step.seed, step.step));
    if (leaf == 0 && s->leaves.member[m->place].count > 1)
        RS_TRY(rs_store_keep_statistics(r->store));
    RS_TRY(rs_net_backward(net, &step, &listener));
out:
    if (net)
        rs_net_set_meeting(net, NULL);
    return st;
}

rescl_status rs_member_find_nonfinite(rs_member *m, size_t leaf, bool loss, const char **layer)
{
    rescl_status st = RESCL_OK;
    const uint64_t seed = rs_leaf_seed(m->step->seed, leaf), step = m->step->step;
    rs_net *net = NULL;

    RS_TRY(receive_leaf(m, leaf, &net));
    RS_TRY(loss ? rs_net_explain_nonfinite(net, seed, step, layer)
                : rs_net_find_nonfinite(net, seed, step, layer));
out:
    rs_replica_abandon(m->replica);
    return st;
}

/* The outputs of a leaf to those of the batch. */
static rescl_status settle_leaf(rs_member *m, size_t leaf)
{
    rescl_status st = RESCL_OK;
    const rs_span part = m->step->leaves.leaf[leaf];
    const rs_replica *r = m->replica;

    RS_TRY(rs_replica_settle(m->replica));
    memcpy(m->step->logits + part.first * r->classes, r->logits,
           part.count * r->classes * sizeof *r->logits);
    memcpy(m->step->losses + part.first, r->losses, part.count * sizeof *r->losses);
out:
    return st;
}

static void tell_settled(rs_member *m)
{
    pthread_mutex_lock(&m->step->lock);
    m->step->settled++;
    m->told = true;
    pthread_cond_broadcast(&m->step->moved);
    pthread_mutex_unlock(&m->step->lock);
}

static rescl_status wait_bucket(rs_member *m, size_t slot, size_t bucket)
{
    rs_fence *fence = m->fence[slot][bucket];
    m->fence[slot][bucket] = NULL;
    return rs_fence_wait(fence);
}

/* Takes the gradients of a leaf into the tree; those of the last one go bucket by bucket to the exchange,
 * together with all that is joined to them. */
static rescl_status take_leaf(rs_member *m, size_t leaf, float *image, size_t slot, bool last)
{
    rescl_status st = RESCL_OK;
    const rs_tree_block block = {leaf, 1, image};
    const rs_store *store = m->replica->store;
    rs_tree_add add[RS_TREE_BLOCKS];
    const size_t n = rs_tree_push(&m->tree, &block, add);

    for (size_t b = 0; b < rs_store_buckets(store); b++) {
        const rs_bucket *bucket = rs_store_bucket(store, b);
        const size_t first = m->base[bucket->arena] + bucket->offset / sizeof(float);
        RS_TRY(wait_bucket(m, slot, b));
        for (size_t i = 0; i < n; i++)
            rs_tree_do(&add[i], first, bucket->bytes / sizeof(float));
        if (last)
            RS_TRY(rs_exchange_bucket(m->step->exchange, m->index, &m->tree, &m->waited));
    }
    for (size_t i = 0; i < n; i++)
        give_back_image(m, add[i].right);
out:
    return st;
}

/* While the gradients of a leaf come down and are added up, the device works on the next one. */
static rescl_status run_leaves(rs_member *m, rs_span mine)
{
    rescl_status st = RESCL_OK;

    RS_TRY(enqueue_leaf(m, mine.first));
    for (size_t k = 0; k < mine.count; k++) {
        const size_t leaf = mine.first + k, slot = m->slot;
        float *image = m->reading;
        const bool last = k + 1 == mine.count;
        RS_TRY(settle_leaf(m, leaf));
        if (last)
            tell_settled(m);
        else
            RS_TRY(enqueue_leaf(m, leaf + 1));
        RS_TRY(take_leaf(m, leaf, image, slot, last));
    }
    if (mine.first == 0 && mine.count > 1)
        RS_TRY(rs_store_restore_statistics(m->replica->store));
out:
    return st;
}

/* Who has no leaf helps the others to add. */
static rescl_status run_none(rs_member *m)
{
    rescl_status st = RESCL_OK;

    tell_settled(m);
    for (size_t b = 0; b < rs_store_buckets(m->replica->store); b++)
        RS_TRY(rs_exchange_bucket(m->step->exchange, m->index, &m->tree, &m->waited));
out:
    return st;
}

static rescl_status write_sum(rs_member *m)
{
    rescl_status st = RESCL_OK;
    const rs_store *store = m->replica->store;
    const float *sum = NULL;

    RS_TRY(rs_exchange_sum(m->step->exchange, &sum, &m->waited));
    for (size_t a = 0; sum && rs_store_grad_arena(store, a); a++) {
        rs_buffer *arena = rs_store_grad_arena(store, a);
        RS_TRY(rs_write(m->replica->dev, arena, 0, sum + m->base[a], rs_buffer_bytes(arena)));
    }
    if (m->step->scale > 0.0)
        RS_TRY(rs_store_unscale(m->replica->store, m->step->scale));
out:
    return st;
}

/* After a failure nothing is under way any more. */
static void abandon(rs_member *m)
{
    const rescl_error why = *rescl_last_error();

    rs_exchange_give_up(m->step->exchange);
    for (size_t i = 0; i < RS_COUNT(m->fence); i++)
        for (size_t b = 0; b < rs_store_buckets(m->replica->store); b++)
            (void)!wait_bucket(m, i, b);
    rs_replica_abandon(m->replica);
    rs_error_restore(&why);
}

rescl_status rs_member_step(rs_member *m, const void *unused)
{
    rescl_status st = RESCL_OK;
    const rs_span mine = m->step->leaves.member[m->place];
    const double start = rs_clock_seconds(), waited = m->waited;

    (void)unused;
    m->tree.count = 0;
    m->told = false;
    memset(m->used, 0, sizeof m->used);
    RS_TRY(mine.count > 0 ? run_leaves(m, mine) : run_none(m));
    RS_TRY(write_sum(m));
    for (size_t k = 0; k < mine.count; k++)
        m->images += m->step->leaves.leaf[mine.first + k].count;
    m->busy += rs_clock_seconds() - start - (m->waited - waited);
out:
    if (st != RESCL_OK) {
        abandon(m);
        if (!m->told)
            tell_settled(m);
    }
    return st;
}
