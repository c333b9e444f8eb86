#include "statistics.h"

#include <math.h>
#include <stdlib.h>

#define TAIL 0.025 /* of each end of an interval */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts, and takes the middle value or the mean of the middle two. */
static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

rs_stats rs_stats_of(double *values, size_t count)
{
    rs_stats s;

    s.count = count;
    s.median = median(values, count);
    s.min = values[0];
    s.max = values[count - 1];
    for (size_t i = 0; i < count; i++)
        values[i] = fabs(values[i] - s.median);
    s.mad = median(values, count);
    return s;
}

/* The values, counted from either end, between which the median lies: as many as leave out at most
 * TAIL at each end, by the chances of so many values on one side of it, C(n, k) / 2^n. */
static size_t rank_of_median(size_t n)
{
    double chance = -(double)n * log(2.0); /* its logarithm: 2^n is soon too large */
    double tail = exp(chance);
    size_t k = 0;

    while (tail <= TAIL) {
        chance += log((double)(n - k) / (double)(k + 1));
        k++;
        tail += exp(chance);
    }
    return k;
}

rs_interval rs_interval_of(double *values, size_t count)
{
    const size_t rank = rank_of_median(count);
    rs_interval v = {.count = count, .low = -INFINITY, .high = INFINITY};

    v.median = median(values, count);
    if (rank > 0) {
        v.low = values[rank - 1];
        v.high = values[count - rank];
    }
    return v;
}
