/* A member of a team of several: a replica on a device of its own, driven by a thread of its own, and its part
 * of each training step. What it shares with the others is the step, which the team describes. */
#ifndef RS_MEMBER_H
#define RS_MEMBER_H

#include "division.h"
#include "exchange.h"
#include "loader.h"
#include "replica.h"
#include "threadpool.h"

#include <pthread.h>

/* A training step of all members. */
typedef struct rs_team_step {
    rs_batch batch; /* borrows its arrays */
    rs_leaves leaves;
    uint64_t seed, step;
    double scale;           /* of the loss; 0: it is not scaled */
    double share;           /* of the batch, of what the update goes by */
    float *logits, *losses; /* of the whole batch, filled by the members */
    rs_exchange *exchange;
    pthread_mutex_t lock; /* guards `settled` */
    pthread_cond_t moved;
    size_t settled;              /* members whose outputs are there, or will not come */
    bool synced;                 /* normalisations go by the statistics of all leaves, */
    size_t images[RS_TEAM_MOST]; /* which have so many images each */
} rs_team_step;

#define RS_MEMBER_IMAGES (RS_TREE_BLOCKS + 2)

typedef struct rs_member {
    size_t index; /* among those of this process */
    size_t place; /* among all */
    rs_replica *replica;
    rs_pool *thread; /* of one */
    rs_team_step *step;
    size_t *base;  /* where each gradient arena begins in an image of all: floats */
    size_t floats; /* of an image */
    float *image[RS_MEMBER_IMAGES]; /* of gradients; NULL: not needed yet */
    bool used[RS_MEMBER_IMAGES];
    float *reading; /* the image that backward's buckets go to */
    rs_tree tree;
    rs_fence **fence[2]; /* by bucket, of two leaves in turn */
    size_t slot;         /* of the leaf that is enqueued */
    rs_meeting meeting;  /* of normalisations that are synced */
    bool told;           /* the step's `settled` counts it */
    rescl_status st;     /* of the last thing that its thread did */
    rescl_error why;
    /* Since rs_team_pace_clear: images, and seconds of its own work and of waiting for others. */
    uint64_t images;
    double busy, waited;
} rs_member;

/* The buckets of a store as they lie in an image of its arenas, on the heap. */
rescl_status rs_member_ranges(const rs_store *store, rs_range **out, size_t *count) RESCL_CHECK;

/* Takes over the replica, also on failure. */
rescl_status rs_member_init(rs_member *m, size_t index, size_t place, rs_replica *replica,
                            rs_team_step *step) RESCL_CHECK;
/* Before its first step, where normalisations are synced. */
rescl_status rs_member_sync(rs_member *m) RESCL_CHECK;
/* Waits for its thread. {0} is valid. */
void rs_member_fini(rs_member *m);

/* Has the member's thread call fn(m, arg), whose status goes to m->st. */
typedef rescl_status (*rs_member_fn)(rs_member *m, const void *arg);
rescl_status rs_member_do(rs_member *m, rs_member_fn fn, const void *arg) RESCL_CHECK;
/* Waits until the thread has done all. */
void rs_member_wait(rs_member *m);

/* Its part of the step: when it ends, the gradients of the whole batch are in its store. */
rescl_status rs_member_step(rs_member *m, const void *unused) RESCL_CHECK;

/* Runs a leaf of the last step again, up to a layer whose output is not finite. Else *layer is the first parameter or
 * gradient that is not, or NULL; where the `loss` was not finite, NULL is RESCL_ERR_DEVICE. The batch is still
 * there, and no step under way. */
rescl_status rs_member_find_nonfinite(rs_member *m, size_t leaf, bool loss, const char **layer)
    RESCL_CHECK;

/* What draws the dropout of a leaf. Leaf 0 has that of the step. */
uint64_t rs_leaf_seed(uint64_t seed, size_t leaf);

#endif
