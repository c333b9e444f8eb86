#include "exchange.h"

#include "alloc.h"
#include "clock.h"
#include "division.h"
#include "error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct rs_exchange {
    size_t members, buckets;
    rs_range *range;
    rs_rank_sum *ranks;   /* NULL: there are no other processes */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved;
    size_t complete[RS_TEAM_MOST], summed[RS_TEAM_MOST]; /* buckets, by member */
    size_t joined;                                       /* buckets, with other ranks */
    const rs_tree *tree[RS_TEAM_MOST];
    size_t leaves, own; /* of the step; members that have some */
    /* Of rs_exchange_meet, in turn: who is slow reads one while the others fill the other. */
    float *met[2];
    size_t room[2];
    size_t meetings, arrived; /* ended ones; members that are at the next */
    bool given_up;
};

rescl_status rs_exchange_create(size_t members, const rs_range *range, size_t buckets,
                                rs_rank_sum *ranks, rs_exchange **out)
{
    rescl_status st = RESCL_OK;
    rs_exchange *e = NULL;

    RS_OOM(e = calloc(1, sizeof *e));
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->moved, NULL);
    e->members = members;
    e->ranks = ranks;
    e->buckets = buckets;
    RS_OOM(e->range = calloc(buckets + 1, sizeof *e->range));
    memcpy(e->range, range, buckets * sizeof *range);
    *out = e, e = NULL;
out:
    rs_exchange_destroy(e);
    return st;
}

void rs_exchange_destroy(rs_exchange *e)
{
    if (!e)
        return;
    pthread_cond_destroy(&e->moved);
    pthread_mutex_destroy(&e->lock);
    for (size_t i = 0; i < RS_COUNT(e->met); i++)
        rs_aligned_free(e->met[i]);
    free(e->range);
    free(e);
}

void rs_exchange_begin(rs_exchange *e, size_t leaves, size_t own)
{
    e->leaves = leaves;
    e->own = own;
    e->meetings = e->arrived = 0;
    memset(e->complete, 0, sizeof e->complete);
    memset(e->summed, 0, sizeof e->summed);
    memset(e->tree, 0, sizeof e->tree);
    e->joined = 0;
    e->given_up = false;
}

/* Until each member has done so many; the caller holds the lock. */
static rescl_status wait_for(rs_exchange *e, const size_t *done, size_t count, double *waited)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();

    for (size_t m = 0; m < e->members && !e->given_up;) {
        if (done[m] < count)
            pthread_cond_wait(&e->moved, &e->lock);
        else
            m++;
    }
    *waited += rs_clock_seconds() - start;
    RS_FAIL_IF(e->given_up, RESCL_ERR_INTERRUPTED, "another member of the team failed");
out:
    return st;
}

static rescl_status reserve_meeting(rs_exchange *e, size_t at, size_t floats)
{
    rescl_status st = RESCL_OK;

    if (e->room[at] >= floats)
        goto out;
    rs_aligned_free(e->met[at]);
    e->room[at] = 0;
    RS_OOM(e->met[at] = rs_aligned_calloc(floats, sizeof(float)));
    e->room[at] = floats;
out:
    return st;
}

/* The last one to come brings what other processes have; the caller holds the lock, which is free meanwhile:
 * all others wait. */
static rescl_status end_meeting(rs_exchange *e, float *all, size_t count)
{
    rescl_status st = RESCL_OK;

    if (e->ranks) {
        pthread_mutex_unlock(&e->lock);
        st = rs_rank_meet(e->ranks, all, count);
        pthread_mutex_lock(&e->lock);
    }
    RS_TRY(st);
    e->arrived = 0;
    e->meetings++;
    pthread_cond_broadcast(&e->moved);
out:
    return st;
}

rescl_status rs_exchange_meet(rs_exchange *e, size_t leaf, const float *mine, size_t count,
                              const float **all, double *waited)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();

    pthread_mutex_lock(&e->lock);
    const size_t meeting = e->meetings, at = meeting % RS_COUNT(e->met);
    RS_TRY(reserve_meeting(e, at, e->leaves * count));
    memcpy(e->met[at] + leaf * count, mine, count * sizeof *mine);
    if (++e->arrived == e->own)
        RS_TRY(end_meeting(e, e->met[at], count));
    while (e->meetings == meeting && !e->given_up)
        pthread_cond_wait(&e->moved, &e->lock);
    RS_FAIL_IF(e->given_up, RESCL_ERR_INTERRUPTED, "another member of the team failed");
    *all = e->met[at];
out:
    pthread_mutex_unlock(&e->lock);
    *waited += rs_clock_seconds() - start;
    return st;
}

/* The blocks of all members, joined in the order of their leaves. The first one that there is takes the
 * sum. */
static void add_segment(const rs_exchange *e, size_t member, const rs_range *range)
{
    const rs_range own = rs_range_segment(range, member, e->members);
    rs_tree all = {.count = 0};
    rs_tree_add add[RS_TREE_BLOCKS];

    for (size_t m = 0; own.count > 0 && m < e->members; m++)
        for (size_t i = 0; i < e->tree[m]->count; i++) {
            const size_t n = rs_tree_push(&all, &e->tree[m]->block[i], add);
            for (size_t k = 0; k < n; k++)
                rs_tree_do(&add[k], own.first, own.count);
        }
    const size_t n = own.count > 0 && !e->ranks ? rs_tree_close(&all, add) : 0;
    for (size_t k = 0; k < n; k++)
        rs_tree_do(&add[k], own.first, own.count);
}

/* The blocks that those of all members were joined to. */
static void find_own_shape(const rs_exchange *e)
{
    rs_tree *own = &e->ranks->shape[e->ranks->ranks->index];
    rs_tree_add add[RS_TREE_BLOCKS];

    own->count = 0;
    for (size_t m = 0; m < e->members; m++)
        for (size_t i = 0; i < e->tree[m]->count; i++)
            (void)rs_tree_push(own, &e->tree[m]->block[i], add);
}

/* A bucket that all members have summed goes on to the other processes. */
static rescl_status join_ranks(rs_exchange *e, size_t bucket, double *waited)
{
    rescl_status st = RESCL_OK;

    pthread_mutex_lock(&e->lock);
    st = wait_for(e, e->summed, bucket + 1, waited);
    if (st == RESCL_OK && bucket == 0)
        find_own_shape(e);
    pthread_mutex_unlock(&e->lock);
    RS_TRY(st);
    const double start = rs_clock_seconds();
    RS_TRY(rs_rank_sum_bucket(e->ranks, e->range[bucket].first, e->range[bucket].count));
    *waited += rs_clock_seconds() - start;
    pthread_mutex_lock(&e->lock);
    e->joined++;
    pthread_cond_broadcast(&e->moved);
    pthread_mutex_unlock(&e->lock);
out:
    return st;
}

rescl_status rs_exchange_bucket(rs_exchange *e, size_t member, const rs_tree *tree, double *waited)
{
    rescl_status st = RESCL_OK;

    pthread_mutex_lock(&e->lock);
    const size_t bucket = e->complete[member]++;
    if (bucket == 0) /* the others read it from here on */
        e->tree[member] = tree;
    pthread_cond_broadcast(&e->moved);
    st = wait_for(e, e->complete, bucket + 1, waited);
    pthread_mutex_unlock(&e->lock);
    RS_TRY(st);
    add_segment(e, member, &e->range[bucket]);
    pthread_mutex_lock(&e->lock);
    e->summed[member]++;
    pthread_cond_broadcast(&e->moved);
    pthread_mutex_unlock(&e->lock);
    if (e->ranks && member == 0)
        RS_TRY(join_ranks(e, bucket, waited));
out:
    return st;
}

rescl_status rs_exchange_sum(rs_exchange *e, const float **sum, double *waited)
{
    rescl_status st = RESCL_OK;

    *sum = NULL;
    pthread_mutex_lock(&e->lock);
    st = wait_for(e, e->summed, e->buckets, waited);
    const double start = rs_clock_seconds();
    while (e->ranks && !e->given_up && e->joined < e->buckets)
        pthread_cond_wait(&e->moved, &e->lock);
    *waited += rs_clock_seconds() - start;
    if (st == RESCL_OK && e->ranks && e->given_up)
        st = wait_for(e, e->summed, e->buckets, waited);
    if (st == RESCL_OK && e->ranks)
        *sum = e->ranks->sum;
    for (size_t m = 0; st == RESCL_OK && m < e->members && !*sum; m++)
        if (e->tree[m] && e->tree[m]->count > 0)
            *sum = e->tree[m]->block[0].values;
    pthread_mutex_unlock(&e->lock);
    return st;
}

void rs_exchange_give_up(rs_exchange *e)
{
    pthread_mutex_lock(&e->lock);
    e->given_up = true;
    pthread_cond_broadcast(&e->moved);
    pthread_mutex_unlock(&e->lock);
}

bool rs_exchange_is_given_up(rs_exchange *e)
{
    pthread_mutex_lock(&e->lock);
    const bool is = e->given_up;
    pthread_mutex_unlock(&e->lock);
    return is;
}
