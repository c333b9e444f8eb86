/* What repeated measurements say. */
#ifndef RS_STATISTICS_H
#define RS_STATISTICS_H

#include <stddef.h>

/* Ascending. */
void rs_sort(double *values, size_t count);

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

#define RS_NOISE_SAMPLES 4 /* with fewer nothing is known of noise */

/* How far the median of another such series may lie from that of this one, as a share of it. Two
 * estimates, of which the larger counts: what drifts shows in one, what scatters in the other. */
typedef struct rs_noise {
    double quarters; /* between the least and the largest of the medians of four parts in time */
    double interval; /* of 95 %, of the difference of two medians, were all samples independent */
} rs_noise;

/* Of samples in the order of measuring and what rs_stats_of says of them; NaN where they are fewer than
 * RS_NOISE_SAMPLES. RESCL_ERR_MEMORY is told by NaN, too. */
rs_noise rs_noise_of(const double *values, const rs_stats *stats);
double rs_noise_share(const rs_noise *noise);

#endif
