/* Fixed-point arithmetic whose results are the same on every machine: integers only, but for a
 * square root that is corrected to the exact floor. Right shifts of negative numbers round down, as
 * every compiler that builds rescl has it. */
#ifndef RS_FIXED_H
#define RS_FIXED_H

#include <math.h>
#include <stdint.h>

#define RS_TURN  65536 /* a full turn */
#define RS_ONE14 16384 /* 1.0 of sines and cosines */

static inline int32_t rs_fix_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static inline int32_t rs_fix_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t rs_fix_clamp(int32_t v, int32_t lo, int32_t hi)
{
    return rs_fix_min(rs_fix_max(v, lo), hi);
}

/* floor(a * b / 2^shift). */
static inline int32_t rs_fix_mul(int32_t a, int32_t b, unsigned shift)
{
    return (int32_t)(((int64_t)a * b) >> shift);
}

/* a at t = 0, b at t = 2^shift. */
static inline int32_t rs_fix_mix(int32_t a, int32_t b, int32_t t, unsigned shift)
{
    return a + rs_fix_mul(b - a, t, shift);
}

/* floor(sqrt(v)), 0 <= v < 2^52. The library's root may be off by its rounding; the loops are not.
 */
static inline int32_t rs_fix_sqrt(int64_t v)
{
    int64_t r = (int64_t)sqrt((double)v);
    while (r * r > v)
        r--;
    while ((r + 1) * (r + 1) <= v)
        r++;
    return (int32_t)r;
}

/* sin of `angle` (RS_TURN a full turn) in units of 1 / RS_ONE14, to 0.0004. With x = 1 at a quarter
 * turn it is x (a - b x^2 + c x^4), a = pi/2, b and c such that value and slope are right at x = 1.
 */
static inline int32_t rs_fix_sin(int32_t angle)
{
    const int32_t in_turn = (int32_t)((uint32_t)angle & (RS_TURN - 1));
    const int32_t half = in_turn & (RS_TURN / 2 - 1);
    const int32_t x = half <= RS_TURN / 4 ? half : RS_TURN / 2 - half;
    const int32_t x2 = rs_fix_mul(x, x, 14);
    const int32_t poly = 25736 - rs_fix_mul(x2, 10512 - rs_fix_mul(x2, 1160, 14), 14);
    const int32_t s = rs_fix_mul(x, poly, 14);
    return in_turn < RS_TURN / 2 ? s : -s;
}

static inline int32_t rs_fix_cos(int32_t angle)
{
    return rs_fix_sin(angle + RS_TURN / 4);
}

#endif
