/* Processes that train one model together: ranks, of which each has members of one team. exchanges.def
 * lists what may connect them. */
#ifndef RS_RANKS_H
#define RS_RANKS_H

#include "division.h"
#include "hash.h"
#include "treesum.h"

#include <rescl/train.h>
#include <stdatomic.h>

/* Numbers that go to a rank or come from it: floats or, where `narrow`, bf16. Those between two ranks arrive in
 * the order in which they were sent. */
typedef struct rs_transfer {
    size_t rank, count;
    void *values;
    bool narrow;
} rs_transfer;

/* What connects processes: one file, exchange_<name>.c, which ends with such an object. All ranks make the same
 * calls in the same order; swap comes from one thread, the others from another one. */
typedef struct rs_exchange_def {
    const char *name;
    /* Whether this process was started by it, as one of several. */
    bool (*is_here)(void);
    /* Connects, and fills all of *r but `def`. */
    rescl_status (*open)(rescl_ranks *r);
    /* Waits until the others end too. After a failure, with an exit code above 0, for a while, and then ends
     * them. */
    void (*close)(rescl_ranks *r, int exit_code);
    /* `part[i]` bytes of rank i, one after the other in `data`, from each to all. */
    rescl_status (*gather)(rescl_ranks *r, void *data, const size_t *part);
    /* What rank 0 has, to all. */
    rescl_status (*broadcast)(rescl_ranks *r, void *data, size_t bytes);
    /* The bits that are set in any rank. */
    rescl_status (*any)(rescl_ranks *r, unsigned *flags);
    rescl_status (*swap)(rescl_ranks *r, const rs_transfer *send, size_t sends,
                         const rs_transfer *take, size_t takes);
} rs_exchange_def;

#define RS_EXCHANGE(name) extern const rs_exchange_def rs_exchange_##name;
#include "exchanges.def"
#undef RS_EXCHANGE

struct rescl_ranks {
    const rs_exchange_def *def;
    size_t count, index;             /* of all processes, RS_TEAM_MOST at most */
    size_t local_count, local_index; /* of those on this machine */
    atomic_bool working; /* at a training step, whose end is near: who stays there hangs */
    void *link;          /* of the def */
};

/* Where the members of each rank begin, if this one has `own`, and behind them how many there are. */
rescl_status rs_ranks_members(rescl_ranks *r, size_t own, size_t *begin) RESCL_CHECK;

/* RESCL_ERR_ARG, naming a rank, where one has another hash than rank 0: "rank 1 has other <what> than rank 0". */
rescl_status rs_ranks_check(rescl_ranks *r, const char *what, rs_hash mine) RESCL_CHECK;

/* How gradients go from rank to rank. bf16: rounded to the nearest, which halves what travels; sums are in floats,
 * and all ranks, the one that added it up too, have a sum as it travelled. */
typedef enum rs_wire { RS_WIRE_FP32 = 0, RS_WIRE_BF16 } rs_wire;
const char *const *rs_wire_names(void);
rescl_status rs_wire_take(const char *name, rs_wire *out) RESCL_CHECK;

/* The sum of a bucket over all ranks. Each one adds up a segment, of the blocks of all in the order of their
 * leaves, and gives it to the others. */
typedef struct rs_rank_sum {
    rescl_ranks *ranks;
    rs_wire wire;
    rs_tree shape[RS_TEAM_MOST]; /* the blocks of each rank in this step; values of our own alone */
    float *sum;                  /* an image of the gradients */
    float *scratch;              /* what is taken of others */
    size_t room;                 /* floats of it */
    uint16_t *narrow;            /* of bf16: what travels of a bucket */
    size_t narrow_room;
} rs_rank_sum;

/* `floats` of an image. */
rescl_status rs_rank_sum_init(rs_rank_sum *s, rescl_ranks *ranks, rs_wire wire, size_t floats)
    RESCL_CHECK;
void rs_rank_sum_fini(rs_rank_sum *s); /* {0} is valid */
/* Rows of `count` floats, one for each leaf of the step: those of our own go to the others that have leaves, and
 * theirs come. */
rescl_status rs_rank_meet(rs_rank_sum *s, float *all, size_t count) RESCL_CHECK;
/* Floats from `first` on, of `count`. */
rescl_status rs_rank_sum_bucket(rs_rank_sum *s, size_t first, size_t count) RESCL_CHECK;

#endif
