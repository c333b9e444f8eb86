#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUARTERS 4
/* The standard deviation is 1.4826 MAD where samples are normal, that of a median 1.2533 / sqrt(n) of
 * it, that of a difference sqrt(2) of that, and 1.96 of those hold 95 %. */
#define MAD_INTERVAL (1.4826 * 1.2533 * 1.41421356 * 1.96)

#define TAIL 0.025 /* of each end of an interval */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void rs_sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
}

/* Sorts, and takes the middle value or the mean of the middle two. */
static double median(double *v, size_t n)
{
    rs_sort(v, n);
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

rs_noise rs_noise_of(const double *values, const rs_stats *stats)
{
    rs_noise noise = {NAN, NAN};
    const size_t n = stats->count;
    double *part = NULL, least = INFINITY, most = -INFINITY;

    if (n < RS_NOISE_SAMPLES || !(part = malloc(n * sizeof *part)))
        return noise;
    for (size_t q = 0; q < QUARTERS; q++) {
        const size_t first = n * q / QUARTERS, end = n * (q + 1) / QUARTERS;
        memcpy(part, values + first, (end - first) * sizeof *part);
        const double middle = median(part, end - first);
        least = fmin(least, middle);
        most = fmax(most, middle);
    }
    free(part);
    noise.quarters = (most - least) / stats->median;
    noise.interval = MAD_INTERVAL * stats->mad / sqrt((double)n) / stats->median;
    return noise;
}

double rs_noise_share(const rs_noise *noise)
{
    return noise->quarters > noise->interval ? noise->quarters : noise->interval;
}
