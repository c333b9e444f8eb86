/* Whether something became slower: the Mann-Whitney test and the interval that belongs to it (Hodges and
 * Lehmann, "Estimates of Location Based on Rank Tests", 1963), on quotients of times. */
#include "error.h"
#include "statistics.h"

#include <math.h>
#include <rescl/compare.h>
#include <stdlib.h>
#include <string.h>

#define MOST        64 /* samples of a side after joining */
#define EXACT       25 /* beyond, a normal distribution is as good */
#define PAIRS       ((size_t)MOST * MOST)
#define ALPHA       0.05
#define CORRELATION 0.8 /* more cannot be told from a drift */

const char *rescl_comparison_verdict_name(rescl_comparison_verdict verdict)
{
    static const char *const names[] = {[RESCL_COMPARE_SAME] = "same",
                                        [RESCL_COMPARE_FASTER] = "faster",
                                        [RESCL_COMPARE_SLOWER] = "slower",
                                        [RESCL_COMPARE_NOISY] = "too noisy"};
    return (unsigned)verdict < RS_COUNT(names) ? names[verdict] : "unknown";
}

/* ---- the normal distribution ------------------------------------------------------------- */

static double normal(double z)
{
    return 0.5 * erfc(-z / sqrt(2.0));
}

/* Below 0, for p in (0, 0.5). */
static double normal_inverse(double p)
{
    double low = -38.0, high = 0.0;
    for (int i = 0; i < 80; i++) {
        const double middle = 0.5 * (low + high);
        if (normal(middle) < p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

/* ---- samples ----------------------------------------------------------------------------- */

typedef struct side {
    double time[MOST];
    size_t count;
    double median, fastest; /* of all; fastest: the first decile */
} side;

/* Joins neighbours to the first quartile of each group: other load on a machine adds time, and rarely to all
 * of them. */
static rescl_status take_side(const double *times, size_t count, const char *name, side *out)
{
    rescl_status st = RESCL_OK;
    double *copy = NULL;

    *out = (side){.count = count < MOST ? count : MOST};
    RS_FAIL_IF(count == 0, RESCL_ERR_ARG, "compare: %s has no samples", name);
    for (size_t i = 0; i < count; i++)
        RS_FAIL_IF(!(isfinite(times[i]) && times[i] > 0.0), RESCL_ERR_ARG,
                   "compare: sample %zu of %s is %g, expected a time above 0", i, name, times[i]);
    RS_OOM(copy = malloc(count * sizeof *copy));
    for (size_t i = 0; i < out->count; i++) {
        const size_t first = i * count / out->count, end = (i + 1) * count / out->count;
        memcpy(copy, times + first, (end - first) * sizeof *copy);
        rs_sort(copy, end - first);
        out->time[i] = copy[(end - first - 1) / 4];
    }
    memcpy(copy, times, count * sizeof *copy);
    rs_sort(copy, count);
    out->fastest = copy[count / 10];
    out->median = rs_stats_of(copy, count).median;
out:
    free(copy);
    return st;
}

/* The rank of a sample among those of its side, from 0. Equal ones share theirs. */
static double rank_of(const side *s, size_t sample)
{
    double rank = -0.5;
    for (size_t i = 0; i < s->count; i++)
        rank += s->time[i] < s->time[sample] ? 1.0 : s->time[i] > s->time[sample] ? 0.0 : 0.5;
    return rank;
}

/* Adds the squared deviations of a side's ranks from their mean, and the products of neighbours'. */
static void add_correlation(const side *s, double *squares, double *products)
{
    const double mean = 0.5 * (double)(s->count - 1);
    double before = 0.0;
    for (size_t i = 0; i < s->count; i++) {
        const double deviation = rank_of(s, i) - mean;
        *squares += deviation * deviation;
        *products += i > 0 ? deviation * before : 0.0;
        before = deviation;
    }
}

/* By how much the standard error of a mean of samples is larger than that of independent ones: those
 * of an autoregressive process of order 1. */
static double find_spread(const side *a, const side *b)
{
    double squares = 0.0, products = 0.0;
    add_correlation(a, &squares, &products);
    add_correlation(b, &squares, &products);
    const double r = squares > 0.0 ? fmin(fmax(products / squares, 0.0), CORRELATION) : 0.0;
    return sqrt((1.0 + r) / (1.0 - r));
}

/* ---- the test ---------------------------------------------------------------------------- */

/* below[u]: the probability that at most u of the m * n pairs are in one order if nothing differs: the
 * Gaussian binomial coefficient, the product over i of (1 - q^(n + i)) / (1 - q^i), whose coefficients
 * count arrangements (Mann and Whitney, 1947). */
static void find_exact(size_t m, size_t n, double *below)
{
    const size_t pairs = m * n;
    double all = 0.0;

    memset(below, 0, (pairs + 1) * sizeof *below);
    below[0] = 1.0;
    for (size_t i = 1; i <= m; i++) {
        for (size_t u = pairs; u >= n + i; u--)
            below[u] -= below[u - (n + i)];
        for (size_t u = i; u <= pairs; u++)
            below[u] += below[u - i];
    }
    for (size_t u = 0; u <= pairs; u++) {
        all += below[u];
        below[u] = all;
    }
    for (size_t u = 0; u <= pairs; u++)
        below[u] /= all;
}

static void find_distribution(size_t m, size_t n, double *below)
{
    const double mean = 0.5 * (double)(m * n);
    const double deviation = sqrt((double)(m * n) * (double)(m + n + 1) / 12.0);

    if (m <= EXACT && n <= EXACT)
        find_exact(m, n, below);
    else
        for (size_t u = 0; u <= m * n; u++)
            below[u] = normal(((double)u + 0.5 - mean) / deviation);
}

/* The probability of so many pairs in one order or more. */
static double probability_of(double pairs, const double *below, size_t all, double spread)
{
    const size_t others = all - (size_t)floor(pairs); /* pairs in the other order, at most */
    const double p = below[others < all ? others : all];
    return p < 0.5 ? normal(normal_inverse(p) / spread) : p;
}

/* Pairs of which b > a * factor; equal ones are halves. */
static double count_slower(const side *a, const side *b, double factor)
{
    double pairs = 0.0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++) {
            const double limit = a->time[i] * factor;
            pairs += b->time[k] > limit ? 1.0 : b->time[k] < limit ? 0.0 : 0.5;
        }
    return pairs;
}

static void find_interval(const side *a, const side *b, const double *below, rescl_comparison *out)
{
    const size_t pairs = a->count * b->count;
    const double alpha = normal(normal_inverse(0.5 * ALPHA) * out->spread);
    double quotient[PAIRS] = {0};
    size_t k = 0; /* quotients beyond each end of the interval, and the end */

    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            quotient[i * b->count + j] = b->time[j] / a->time[i];
    rs_sort(quotient, pairs);
    while (k < pairs && below[k] <= alpha)
        k++;
    out->low = k > 0 ? quotient[k - 1] : 0.0;
    out->high = k > 0 ? quotient[pairs - k] : INFINITY;
    out->ratio =
        pairs % 2 ? quotient[pairs / 2] : sqrt(quotient[pairs / 2 - 1] * quotient[pairs / 2]);
}

rescl_status rescl_compare_samples(const double *a, size_t a_count, const double *b, size_t b_count,
                                   double margin, rescl_comparison *out)
{
    rescl_status st = RESCL_OK;
    side first, second;
    double below[PAIRS + 1];

    RS_FAIL_IF(!(margin >= 0.0 && isfinite(margin)), RESCL_ERR_ARG,
               "compare: margin %g: expected a share from 0", margin);
    RS_TRY(take_side(a, a_count, "A", &first));
    RS_TRY(take_side(b, b_count, "B", &second));
    const size_t pairs = first.count * second.count;
    *out = (rescl_comparison){.median_a = first.median,
                              .median_b = second.median,
                              .fastest = second.fastest / first.fastest,
                              .spread = find_spread(&first, &second)};
    find_distribution(first.count, second.count, below);
    find_interval(&first, &second, below, out);
    out->p_slower =
        probability_of(count_slower(&first, &second, 1.0 + margin), below, pairs, out->spread);
    out->p_faster =
        probability_of(count_slower(&second, &first, 1.0 + margin), below, pairs, out->spread);
    RS_TRY(rescl_compare_judge(out, 1, margin));
out:
    return st;
}

/* ---- rows -------------------------------------------------------------------------------- */

typedef struct hypothesis {
    double *p;
    size_t row;
} hypothesis;

static int compare_hypotheses(const void *a, const void *b)
{
    const hypothesis *x = a, *y = b;
    const int order = (*x->p > *y->p) - (*x->p < *y->p);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Holm: the k-th smallest of n probabilities times (n - k), and none smaller than the one before. */
static void adjust(hypothesis *h, size_t count)
{
    double least = 0.0;
    qsort(h, count, sizeof *h, compare_hypotheses);
    for (size_t k = 0; k < count; k++) {
        least = fmax(least, fmin(1.0, *h[k].p * (double)(count - k)));
        *h[k].p = least;
    }
}

static rescl_comparison_verdict find_verdict(const rescl_comparison *c, double margin)
{
    const double limit = 1.0 + margin, half = 1.0 + 0.5 * margin;
    if (c->p_slower < ALPHA && c->fastest > half)
        return RESCL_COMPARE_SLOWER;
    if (c->p_faster < ALPHA && c->fastest < 1.0 / half)
        return RESCL_COMPARE_FASTER;
    return c->low >= 1.0 / limit && c->high <= limit ? RESCL_COMPARE_SAME : RESCL_COMPARE_NOISY;
}

rescl_status rescl_compare_judge(rescl_comparison *row, size_t count, double margin)
{
    rescl_status st = RESCL_OK;
    hypothesis *h = NULL;

    RS_OOM(h = calloc(count + 1, sizeof *h));
    for (size_t i = 0; i < count; i++)
        h[i] = (hypothesis){&row[i].p_slower, i};
    adjust(h, count);
    for (size_t i = 0; i < count; i++)
        h[i] = (hypothesis){&row[i].p_faster, i};
    adjust(h, count);
    for (size_t i = 0; i < count; i++)
        row[i].verdict = find_verdict(&row[i], margin);
out:
    free(h);
    return st;
}
