#include "statistics.h"

#include <math.h>
#include <stdlib.h>

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
