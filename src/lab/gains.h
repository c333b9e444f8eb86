/* Which of several changes make a whole faster.
 *
 * Each was found to be faster by itself. In the whole it may gain nothing: what it saves was hidden
 * behind something else, or is paid for elsewhere, in caches, memory or clocks. So the whole is timed in
 * pairs, without and with them, in turns. A group that gains, and no less than FAIR of what its members
 * promise, is kept as it is. Of another each half is tried by itself, beside all else that is still in,
 * down to single changes and to groups whose promise is too small to be seen: what does not gain is out.
 * In the end what is left is timed against nothing once more, for of many comparisons some are lucky. */
#ifndef RS_GAINS_H
#define RS_GAINS_H

#include "statistics.h"

#include <rescl/status.h>

typedef enum rs_gains_state {
    RS_GAINS_OPEN = 0, /* not decided: the proof ended before */
    RS_GAINS_KEPT,
    RS_GAINS_DROPPED
} rs_gains_state;

typedef struct rs_gains_item {
    double promise; /* ms of the whole that it should save */
    rs_gains_state state;
} rs_gains_item;

typedef struct rs_gain {
    double without_ms, with_ms; /* medians */
    rs_interval share; /* of the whole that is saved, by pairs; count 0: nothing was measured */
} rs_gain;

typedef struct rs_gains {
    rs_gains_item *item; /* the largest promise first; states are set */
    size_t count;
    size_t pairs;       /* of a comparison at least; twice as many where that is not clear */
    double min_seconds; /* and at least so long */
    double deadline;    /* of rounds.h */
    /* Makes both contenders ready, with item i where with[contender][i]. */
    rescl_status (*ready)(void *user, const bool *const with[2]);
    /* Runs the whole as that contender. */
    rescl_status (*run)(void *user, size_t contender, double *ms);
    void *user;
    rs_gain
        gain; /* out: of what is kept, against nothing; where nothing is, of what was tried last so */
} rs_gains;

/* RESCL_ERR_INTERRUPTED when the deadline came before all was decided, or whatever `ready` and `run`
 * fail with: what is open then stays so, and the gain is that of all items, if it was measured. */
rescl_status rs_gains_find(rs_gains *p) RESCL_CHECK;

#endif
