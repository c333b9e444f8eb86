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

#endif
