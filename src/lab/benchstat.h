/* What repeated measurements say. */
#ifndef RS_BENCHSTAT_H
#define RS_BENCHSTAT_H

#include <stddef.h>

typedef struct rs_benchstat {
    double median, min, max;
    double mad; /* median absolute deviation from the median */
} rs_benchstat;

/* `values` has `count` >= 1 entries and is reordered. */
rs_benchstat rs_benchstat_of(double *values, size_t count);

#endif
