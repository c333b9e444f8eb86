/* Members whose images lie in memory: threads that meet, and no device. */
#include "exchange.h"

#include "testing.h"

#include <pthread.h>
#include <string.h>

#define MEMBERS 3
#define LEAVES  5
#define FLOATS  100
#define BUCKETS 2

static const rs_range ranges[BUCKETS] = {{64, FLOATS - 64}, {0, 64}};
static const rs_span own[MEMBERS] = {{0, 1}, {1, 3}, {4, 1}};

typedef struct member {
    rs_exchange *exchange;
    size_t index;
    rs_tree tree; /* which the others read until the step ends */
    float image[LEAVES][FLOATS];
    float sum[FLOATS];
    size_t wrong;
    rescl_status st;
} member;

static float value_of(size_t leaf, size_t i)
{
    return (float)(leaf * 37 % 11) + (float)i * 0x1.000002p-7f;
}

static void run_all(rs_exchange *e, member *m, void *(*fn)(void *))
{
    pthread_t thread[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        m[i] = (member){.exchange = e, .index = i};
        assert_int_equal(pthread_create(&thread[i], NULL, fn, &m[i]), 0);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

static rs_exchange *make(void)
{
    rs_exchange *e = NULL;
    assert_ok(rs_exchange_create(MEMBERS, ranges, BUCKETS, NULL, &e));
    rs_exchange_begin(e, LEAVES, MEMBERS);
    return e;
}

/* Joins what can be joined, as members do. */
static void *add_up(void *arg)
{
    member *m = arg;
    rs_tree_add add[RS_TREE_BLOCKS];
    const float *sum = NULL;
    double waited = 0;

    for (size_t k = 0; k < own[m->index].count; k++) {
        const size_t leaf = own[m->index].first + k;
        for (size_t i = 0; i < FLOATS; i++)
            m->image[k][i] = value_of(leaf, i);
        const size_t n = rs_tree_push(&m->tree, &(rs_tree_block){leaf, 1, m->image[k]}, add);
        for (size_t i = 0; i < n; i++)
            rs_tree_do(&add[i], 0, FLOATS);
    }
    for (size_t b = 0; b < BUCKETS && m->st == RESCL_OK; b++)
        m->st = rs_exchange_bucket(m->exchange, m->index, &m->tree, &waited);
    if (m->st == RESCL_OK)
        m->st = rs_exchange_sum(m->exchange, &sum, &waited);
    if (m->st == RESCL_OK)
        memcpy(m->sum, sum, sizeof m->sum);
    return NULL;
}

/* ((0 + 1) + (2 + 3)) + 4, whoever has them. */
static void adds_in_the_order_of_the_tree(void **state)
{
    static member m[MEMBERS];
    rs_exchange *e = make();
    (void)state;
    run_all(e, m, add_up);
    for (size_t k = 0; k < MEMBERS; k++) {
        assert_int_equal(m[k].st, RESCL_OK);
        for (size_t i = 0; i < FLOATS; i++) {
            const float left = value_of(0, i) + value_of(1, i);
            const float right = value_of(2, i) + value_of(3, i);
            assert_true(m[k].sum[i] == (left + right) + value_of(4, i));
        }
    }
    rs_exchange_destroy(e);
}

/* A leaf each, in another order than that of the members. */
static void *meet(void *arg)
{
    member *m = arg;
    const size_t leaf = MEMBERS - 1 - m->index;
    double waited = 0;

    for (size_t turn = 0; turn < 200 && m->st == RESCL_OK; turn++) {
        const size_t count = 1 + turn % 7;
        float mine[7];
        const float *all = NULL;
        for (size_t i = 0; i < count; i++)
            mine[i] = (float)(leaf * 1000 + turn + i);
        m->st = rs_exchange_meet(m->exchange, leaf, mine, count, &all, &waited);
        for (size_t k = 0; m->st == RESCL_OK && k < MEMBERS; k++)
            for (size_t i = 0; i < count; i++)
                m->wrong += all[k * count + i] != (float)(k * 1000 + turn + i);
    }
    return NULL;
}

static void brings_numbers_together(void **state)
{
    static member m[MEMBERS];
    rs_exchange *e = make();
    (void)state;
    rs_exchange_begin(e, MEMBERS, MEMBERS);
    run_all(e, m, meet);
    for (size_t k = 0; k < MEMBERS; k++) {
        assert_int_equal(m[k].st, RESCL_OK);
        assert_int_equal(m[k].wrong, 0);
    }
    rs_exchange_destroy(e);
}

static void *meet_or_give_up(void *arg)
{
    member *m = arg;
    if (m->index > 0)
        return meet(arg);
    rs_exchange_give_up(m->exchange);
    return NULL;
}

static void *add_or_give_up(void *arg)
{
    member *m = arg;
    if (m->index > 0)
        return add_up(arg);
    rs_exchange_give_up(m->exchange);
    return NULL;
}

static void nobody_waits_for_who_failed(void **state)
{
    static member m[MEMBERS];
    rs_exchange *e = make();
    (void)state;
    run_all(e, m, add_or_give_up);
    assert_true(rs_exchange_is_given_up(e));
    assert_int_equal(m[1].st, RESCL_ERR_INTERRUPTED);
    assert_int_equal(m[2].st, RESCL_ERR_INTERRUPTED);
    rs_exchange_begin(e, MEMBERS, MEMBERS);
    run_all(e, m, meet_or_give_up);
    assert_int_equal(m[1].st, RESCL_ERR_INTERRUPTED);
    assert_int_equal(m[2].st, RESCL_ERR_INTERRUPTED);
    rs_exchange_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_in_the_order_of_the_tree),
        cmocka_unit_test(brings_numbers_together),
        cmocka_unit_test(nobody_waits_for_who_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
