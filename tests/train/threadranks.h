/* Ranks that are threads of one process. */
#ifndef RS_THREADRANKS_H
#define RS_THREADRANKS_H

#include "ranks.h"

#include <pthread.h>

#define THREAD_RANKS 3

typedef struct thread_ranks {
    rescl_ranks rank[THREAD_RANKS];
    size_t sent[THREAD_RANKS]; /* bytes that each has given to the others by `swap` */
    /* What each shows to the others; `swap` comes from another thread than the rest. */
    void *shown[THREAD_RANKS];
    const rs_transfer *send[THREAD_RANKS];
    pthread_barrier_t rest, swaps;
} thread_ranks;

/* Calls `fn` once for each rank, side by side. No check of cmocka within. */
void thread_ranks_run(thread_ranks *t, void (*fn)(rescl_ranks *r, void *user), void *user);

#endif
