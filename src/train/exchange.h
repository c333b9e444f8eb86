/* How the gradients of the members of a team meet, in the memory of the host.
 *
 * Each member brings blocks of leaves (treesum.h), whose images of the gradient arenas lie in its memory. As
 * soon as a bucket is complete with all members, each adds up a segment of it, in the one order that the
 * leaves have. The sum then lies in the first block of the first member that has one, for all to take. The
 * threads of the members call this, each for itself, bucket by bucket in the same order. */
#ifndef RS_EXCHANGE_H
#define RS_EXCHANGE_H

#include "net.h"
#include "ranks.h"

typedef struct rs_exchange rs_exchange;

/* `range` is where each bucket lies in the images of the arenas; it is copied. With `ranks` (not NULL) the sum of the members meets those of other processes, bucket by
 * bucket, by the thread of member 0; before a step the caller fills in the shapes of the others. */
rescl_status rs_exchange_create(size_t members, const rs_range *range, size_t buckets,
                                rs_rank_sum *ranks, rs_exchange **out) RESCL_CHECK;
void rs_exchange_destroy(rs_exchange *e);

/* Before a step, when no member is under way: of `leaves` all, of which `own` of this process's members have
 * some. */
void rs_exchange_begin(rs_exchange *e, size_t leaves, size_t own);
/* Brings `count` floats of each leaf together, where no member has two: each that has one calls it, in all
 * processes as often and with the same counts, before the step's first bucket. *all, (leaves, count), is in the
 * leaves' order and valid until the member's next call. */
rescl_status rs_exchange_meet(rs_exchange *e, size_t leaf, const float *mine, size_t count,
                              const float **all, double *waited) RESCL_CHECK;
/* The next bucket of `member` is complete in the blocks of `tree`, which is the same for all buckets of a step
 * and stays valid until it ends; it may be empty. Waits for the others, and adds up a segment.
 * *waited grows by the seconds of waiting. RESCL_ERR_INTERRUPTED when the step was given up. */
rescl_status rs_exchange_bucket(rs_exchange *e, size_t member, const rs_tree *tree, double *waited)
    RESCL_CHECK;
/* After all buckets: waits until each is summed. *sum is borrowed until the step ends. */
rescl_status rs_exchange_sum(rs_exchange *e, const float **sum, double *waited) RESCL_CHECK;
/* Gives the step up: who waits, and who would, fails. */
void rs_exchange_give_up(rs_exchange *e);
bool rs_exchange_is_given_up(rs_exchange *e);

#endif
