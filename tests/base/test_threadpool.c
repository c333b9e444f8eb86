#include "testing.h"

#include "threadpool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int ran;

static void count_up(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void runs_everything(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    assert_ok(rs_pool_create(3, &pool));
    assert_int_equal(rs_pool_threads(pool), 3);
    atomic_store(&ran, 0);
    rs_pool_wait(pool); /* nothing to wait for */
    for (int i = 0; i < 1000; i++)
        assert_ok(rs_pool_submit(pool, count_up, NULL));
    rs_pool_wait(pool);
    assert_int_equal(atomic_load(&ran), 1000);
    for (int i = 0; i < 1000; i++)
        assert_ok(rs_pool_submit(pool, count_up, NULL));
    rs_pool_destroy(pool); /* finishes what was submitted */
    assert_int_equal(atomic_load(&ran), 2000);
    rs_pool_destroy(NULL);
}

static int order[100], order_len;

static void note(void *arg)
{
    order[order_len++] = *(int *)arg;
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    int numbers[100];
    assert_ok(rs_pool_create(1, &pool));
    for (int i = 0; i < 100; i++) {
        numbers[i] = i;
        assert_ok(rs_pool_submit(pool, note, &numbers[i]));
    }
    rs_pool_wait(pool);
    for (int i = 0; i < 100; i++)
        assert_int_equal(order[i], i);
    rs_pool_destroy(pool);
}

typedef struct square {
    int in, out;
} square;

static void square_it(void *arg)
{
    square *s = arg;
    s->out = s->in * s->in;
}

static void check_map(rs_pool *pool, size_t count)
{
    square s[300];
    for (size_t i = 0; i < count; i++)
        s[i] = (square){(int)i, -1};
    assert_ok(rs_pool_map(pool, square_it, s, count, sizeof *s));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(s[i].out, (int)(i * i));
}

static void maps(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    assert_ok(rs_pool_create(4, &pool));
    for (int round = 0; round < 50; round++) {
        check_map(pool, 0);
        check_map(pool, 1);
        check_map(pool, 2);
        check_map(pool, 300);
    }
    check_map(NULL, 300);
    rs_pool_destroy(pool);
}

typedef struct outer {
    rs_pool *pool;
    square inner[20];
    rescl_status st;
} outer;

static void map_inside(void *arg)
{
    outer *o = arg;
    for (int i = 0; i < 20; i++)
        o->inner[i] = (square){i, -1};
    o->st = rs_pool_map(o->pool, square_it, o->inner, 20, sizeof(square));
}

/* Every thread maps on the pool that it works for: must neither hang nor miss any. */
static void maps_within_jobs(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    assert_ok(rs_pool_create(2, &pool));
    static outer o[30];
    for (int i = 0; i < 30; i++)
        o[i].pool = pool;
    assert_ok(rs_pool_map(pool, map_inside, o, 30, sizeof *o));
    for (int i = 0; i < 30; i++) {
        assert_int_equal(o[i].st, RESCL_OK);
        for (int j = 0; j < 20; j++)
            assert_int_equal(o[i].inner[j].out, j * j);
    }
    rs_pool_destroy(pool);
}

static void *submit_many(void *arg)
{
    for (int i = 0; i < 500; i++) {
        if (rs_pool_submit(arg, count_up, NULL) != RESCL_OK)
            return arg;
    }
    return NULL;
}

static void many_submitters(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    assert_ok(rs_pool_create(0, &pool));
    assert_int_equal(rs_pool_threads(pool), rs_cpu_count());
    atomic_store(&ran, 0);
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit_many, pool), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    rs_pool_wait(pool);
    assert_int_equal(atomic_load(&ran), 2000);
    rs_pool_destroy(pool);
}

static void look_at_signals(void *arg)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(int *)arg = sigismember(&blocked, SIGINT);
}

/* Ctrl-C belongs to the program's own thread. */
static void workers_take_no_signals(void **state)
{
    (void)state;
    rs_pool *pool = NULL;
    int blocked = -1, mine = -1;
    assert_ok(rs_pool_create(1, &pool));
    assert_ok(rs_pool_submit(pool, look_at_signals, &blocked));
    rs_pool_destroy(pool);
    look_at_signals(&mine);
    assert_int_equal(blocked, 1);
    assert_int_equal(mine, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_everything),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(maps),
        cmocka_unit_test(maps_within_jobs),
        cmocka_unit_test(many_submitters),
        cmocka_unit_test(workers_take_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
