/* A fixed set of worker threads over a FIFO of jobs. */
#ifndef RS_THREADPOOL_H
#define RS_THREADPOOL_H

#include <rescl/status.h>
#include <stddef.h>

typedef struct rs_pool rs_pool;
typedef void (*rs_job_fn)(void *arg);

/* `threads` of 0 means one per processor. */
rescl_status rs_pool_create(size_t threads, rs_pool **out) RESCL_CHECK;
/* Finishes what was submitted, then joins. destroy(NULL) is legal. */
void rs_pool_destroy(rs_pool *pool);
rescl_status rs_pool_submit(rs_pool *pool, rs_job_fn fn, void *arg) RESCL_CHECK;
/* Returns when every job submitted so far has ended. */
void rs_pool_wait(rs_pool *pool);
/* Runs fn(arg_i) for i in [0, count), arg_i = (char *)args + i * stride, and waits. A NULL pool
 * runs them here. */
rescl_status rs_pool_map(rs_pool *pool, rs_job_fn fn, void *args, size_t count, size_t stride)
    RESCL_CHECK;
size_t rs_pool_threads(const rs_pool *pool);
/* Processors this process may use. */
size_t rs_cpu_count(void);

/* Of so many threads that were asked for to read data, those that are made: up to 4 for each
 * processor, and 8 at least. */
size_t rs_data_threads(size_t asked);

#endif
