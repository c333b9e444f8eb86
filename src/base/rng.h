/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy
 * as 1, 2, 3", SC11), through Random123. The same (key, stream, index) gives the same numbers on
 * every machine, in any order, on any number of threads. cl/common.clh has the device's twin. */
#ifndef RS_RNG_H
#define RS_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Four words for one counter. `seed` is the key; `stream` separates uses (initialiser, shuffle,
 * augment, dropout, ...); `index` counts within a stream. */
void rs_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

/* A sequential reader over one stream; plain data, so a checkpoint can store it. */
typedef struct rs_rng {
    uint64_t seed, stream, index;
    uint32_t word[4];
    uint32_t left; /* words of `word` not yet handed out */
} rs_rng;

void rs_rng_init(rs_rng *r, uint64_t seed, uint64_t stream);
uint32_t rs_rng_u32(rs_rng *r);
float rs_rng_uniform(rs_rng *r);                      /* [0, 1), 24 bits */
double rs_rng_range(rs_rng *r, double lo, double hi); /* [lo, hi) */
float rs_rng_normal(rs_rng *r);                       /* mean 0, variance 1 (Box-Muller) */
uint32_t rs_rng_below(rs_rng *r, uint32_t n);         /* [0, n) without bias (Lemire) */

/* Fisher-Yates shuffle of 0..n-1 into `order`. */
void rs_rng_permutation(rs_rng *r, uint32_t *order, size_t n);
/* A part of it, on numbers that stand in `order`: the places from `begin` to `end` - 1, of which those
 * behind are drawn already. */
void rs_rng_draw_places(rs_rng *r, uint32_t *order, size_t begin, size_t end);

#endif
