/* Timing contenders in turns, so that what slows the machine down for a while hits all alike. */
#ifndef RS_ROUNDS_H
#define RS_ROUNDS_H

#include "statistics.h"

#include <rescl/status.h>

/* What measures: rs_clock_seconds. A test sets a clock that it moves itself. */
extern double (*rs_rounds_clock)(void);

/* The time by that clock when `seconds` have passed; 0: never, INFINITY. */
double rs_deadline_after(double seconds);
bool rs_deadline_passed(double deadline);

typedef struct rs_rounds {
    size_t repeats;     /* rounds at least, 1 or more */
    double min_seconds; /* and at least so long */
    double max_seconds; /* 0: no limit; else no round but the first begins later */
    double deadline;    /* 0: none; else the same, as a time of rs_rounds_clock */
    /* Does what contender `i` is timed for, from the start until the device is idle. */
    rescl_status (*run)(void *user, size_t i);
    /* The same, and says itself how long it took. Instead of `run`. */
    rescl_status (*time)(void *user, size_t i, double *ms);
    void *user;
    /* Told that this failed for contender `i`, with the error as the thread's last. RESCL_OK: it
     * takes no further part. NULL: any failure ends the timing. */
    rescl_status (*failed)(void *user, size_t i);
} rs_rounds;

/* What the rounds took: those of contender i are ms + i * count, NaN where it failed. {0} is empty. */
typedef struct rs_samples {
    double *ms;
    size_t count; /* of each contender */
} rs_samples;
void rs_samples_fini(rs_samples *s);

/* As rs_rounds_time, and gives the samples too, in the order of the rounds. `samples` is {0}. */
rescl_status rs_rounds_sample(const rs_rounds *r, size_t contenders, rs_stats *stats,
                              rs_samples *samples) RESCL_CHECK;

/* Each round runs contenders 0 ... contenders - 1 once. stats[i] says what the milliseconds of
 * contender i were; its count is 0 and its numbers are NaN where it failed. Ends with the failure
 * that `failed` does not take. */
rescl_status rs_rounds_time(const rs_rounds *r, size_t contenders, rs_stats *stats) RESCL_CHECK;

#endif
