#include "rng.h"

#include <Random123/philox.h>
#include <math.h>

void rs_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    philox4x32_ctr_t counter = {
        {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t word = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++)
        out[i] = word.v[i];
}

void rs_rng_init(rs_rng *r, uint64_t seed, uint64_t stream)
{
    *r = (rs_rng){.seed = seed, .stream = stream};
}

uint32_t rs_rng_u32(rs_rng *r)
{
    if (r->left == 0) {
        rs_philox(r->seed, r->stream, r->index++, r->word);
        r->left = 4;
    }
    return r->word[4 - r->left--];
}

float rs_rng_uniform(rs_rng *r)
{
    return (float)(rs_rng_u32(r) >> 8) * 0x1p-24f;
}

double rs_rng_range(rs_rng *r, double lo, double hi)
{
    uint64_t high = rs_rng_u32(r) >> 5, low = rs_rng_u32(r) >> 6;
    double unit = (double)(high << 26 | low) * 0x1p-53;
    double value = lo + unit * (hi - lo);
    return value < hi ? value : nextafter(hi, lo); /* the sum may have been rounded up to hi */
}

float rs_rng_normal(rs_rng *r)
{
    double u = ((double)rs_rng_u32(r) + 0.5) * 0x1p-32; /* never 0, whose logarithm is infinite */
    double v = (double)rs_rng_u32(r) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

/* Lemire, "Fast Random Integer Generation in an Interval" (2019), algorithm 5. */
uint32_t rs_rng_below(rs_rng *r, uint32_t n)
{
    if (n == 0)
        return 0;
    uint64_t product = (uint64_t)rs_rng_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t reject = (uint32_t)-n % n;
        while ((uint32_t)product < reject)
            product = (uint64_t)rs_rng_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

void rs_rng_permutation(rs_rng *r, uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    rs_rng_draw_places(r, order, 0, n);
}

void rs_rng_draw_places(rs_rng *r, uint32_t *order, size_t begin, size_t end)
{
    for (size_t i = end; i > begin && i > 1; i--) {
        uint32_t j = rs_rng_below(r, (uint32_t)i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}
