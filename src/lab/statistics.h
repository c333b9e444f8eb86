/* What repeated measurements say. */
#ifndef RS_STATISTICS_H
#define RS_STATISTICS_H

#include <stddef.h>

typedef struct rs_stats {
    size_t count;
    double median, min, max;
    double mad; /* median absolute deviation from the median */
} rs_stats;

/* `values` has `count` >= 1 entries and is reordered. */
rs_stats rs_stats_of(double *values, size_t count);

/* Where the median of all that could be measured lies, with a chance of 95 % or more. */
typedef struct rs_interval {
    size_t count;
    double median, low, high; /* infinite with fewer than 6 values, which cannot tell */
} rs_interval;

/* Assumes nothing of how values are distributed: order statistics, as in H. A. David, H. N. Nagaraja:
 * Order Statistics, 3rd ed., 7.1. `values` has `count` >= 1 entries and is reordered. */
rs_interval rs_interval_of(double *values, size_t count);

#endif
