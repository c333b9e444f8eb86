#define _GNU_SOURCE /* sched_getaffinity */
#include "threadpool.h"

#include "error.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct job {
    rs_job_fn fn;
    void *arg;
    struct job *next;
} job;

struct rs_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job was queued, or `stopping` was set */
    pthread_cond_t idle; /* `pending` fell to 0 */
    job *first, **last;
    size_t pending; /* jobs queued or running */
    bool stopping;
    size_t threads; /* that were started */
    pthread_t *thread;
};

static void *worker(void *arg)
{
    rs_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->stopping)
            pthread_cond_wait(&pool->work, &pool->lock);
        job *j = pool->first;
        if (!j)
            break;
        pool->first = j->next;
        if (!pool->first)
            pool->last = &pool->first;
        pthread_mutex_unlock(&pool->lock);

        j->fn(j->arg);
        free(j);

        pthread_mutex_lock(&pool->lock);
        if (--pool->pending == 0)
            pthread_cond_broadcast(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

rescl_status rs_pool_create(size_t threads, rs_pool **out)
{
    rescl_status st = RESCL_OK;
    rs_pool *pool = NULL;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* workers inherit it: signals go to the caller */

    if (threads == 0)
        threads = rs_cpu_count();
    RS_OOM(pool = calloc(1, sizeof *pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->last = &pool->first;
    RS_OOM(pool->thread = calloc(threads, sizeof *pool->thread));
    while (pool->threads < threads) {
        int error = pthread_create(&pool->thread[pool->threads], NULL, worker, pool);
        errno = error;
        RS_FAIL_IF(error, RESCL_ERR_MEMORY, "cannot start thread %zu of %zu: %s", pool->threads + 1,
                   threads, strerror(error));
        pool->threads++;
    }
    *out = pool, pool = NULL;
out:
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    rs_pool_destroy(pool);
    return st;
}

void rs_pool_destroy(rs_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->thread);
    free(pool);
}

rescl_status rs_pool_submit(rs_pool *pool, rs_job_fn fn, void *arg)
{
    rescl_status st = RESCL_OK;
    job *j = NULL;
    RS_OOM(j = malloc(sizeof *j));
    *j = (job){fn, arg, NULL};
    pthread_mutex_lock(&pool->lock);
    *pool->last = j;
    pool->last = &j->next;
    pool->pending++;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
out:
    return st;
}

void rs_pool_wait(rs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->pending)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* One rs_pool_map. Shared by the caller and the jobs that help it; the last of them frees it. A job
 * that starts when nothing is left to do touches only this, never the caller's arguments. */
typedef struct map {
    pthread_mutex_t lock;
    pthread_cond_t done;
    rs_job_fn fn;
    char *args;
    size_t count, stride, next, finished, users;
} map;

static void map_release(map *m)
{
    pthread_mutex_lock(&m->lock);
    bool last = --m->users == 0;
    pthread_mutex_unlock(&m->lock);
    if (last) {
        pthread_cond_destroy(&m->done);
        pthread_mutex_destroy(&m->lock);
        free(m);
    }
}

static void map_run(map *m)
{
    pthread_mutex_lock(&m->lock);
    while (m->next < m->count) {
        size_t i = m->next++;
        pthread_mutex_unlock(&m->lock);
        m->fn(m->args + i * m->stride);
        pthread_mutex_lock(&m->lock);
        if (++m->finished == m->count)
            pthread_cond_broadcast(&m->done);
    }
    pthread_mutex_unlock(&m->lock);
}

static void map_job(void *arg)
{
    map_run(arg);
    map_release(arg);
}

rescl_status rs_pool_map(rs_pool *pool, rs_job_fn fn, void *args, size_t count, size_t stride)
{
    rescl_status st = RESCL_OK;
    if (!pool || count < 2) {
        for (size_t i = 0; i < count; i++)
            fn((char *)args + i * stride);
        goto out;
    }

    map *m;
    RS_OOM(m = calloc(1, sizeof *m));
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->done, NULL);
    m->fn = fn;
    m->args = args;
    m->count = count;
    m->stride = stride;
    /* The caller works too, so a map from within a job ends even when every thread is busy. */
    size_t helpers = pool->threads < count - 1 ? pool->threads : count - 1;
    size_t sent = 0;
    m->users = 1 + helpers;
    while (sent < helpers && rs_pool_submit(pool, map_job, m) == RESCL_OK)
        sent++;
    pthread_mutex_lock(&m->lock);
    m->users -= helpers - sent; /* fewer helpers only make it slower */
    pthread_mutex_unlock(&m->lock);
    map_run(m);
    pthread_mutex_lock(&m->lock);
    while (m->finished < m->count)
        pthread_cond_wait(&m->done, &m->lock);
    pthread_mutex_unlock(&m->lock);
    map_release(m);
out:
    return st;
}

size_t rs_pool_threads(const rs_pool *pool)
{
    return pool->threads;
}

size_t rs_cpu_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

size_t rs_data_threads(size_t asked)
{
    const size_t useful = 4 * rs_cpu_count(), most = useful > 8 ? useful : 8;
    return asked < most ? asked : most;
}
