#include "half.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

float rs_float_of_bf16(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

float rs_float_of_f16(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, mantissa = bits & 0x3ffu;
    const uint32_t exponent = bits >> 10 & 0x1fu;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact in float */
        const float x = (float)mantissa * 0x1p-24f;
        return float_of(sign | bits_of(x));
    }
    if (exponent == 0x1f)
        return float_of(sign | 0x7f800000u | mantissa << 13);
    return float_of(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/* Shifts right by n, 1 to 31, to the nearest, ties to even. */
static uint32_t round_shift(uint32_t x, unsigned n)
{
    const uint32_t half = (uint32_t)1 << (n - 1), rest = x & ((half << 1) - 1), whole = x >> n;
    return whole + (rest > half || (rest == half && (whole & 1)));
}

uint16_t rs_bf16_of_float(float x)
{
    const uint32_t u = bits_of(x);
    if (isnan(x))
        return (uint16_t)(u >> 16 | 0x40u); /* a quiet one, also when the low bits made it NaN */
    return (uint16_t)round_shift(u, 16);
}

uint16_t rs_f16_of_float(float x)
{
    const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000u, mantissa = u & 0x7fffffu;
    const int exponent = (int)(u >> 23 & 0xffu) - 127;
    if (isnan(x))
        return (uint16_t)(sign | 0x7e00u | mantissa >> 13);
    if (exponent > 15)
        return (uint16_t)(sign | 0x7c00u);
    if (exponent >= -14) /* a carry out of the mantissa rightly raises the exponent */
        return (uint16_t)(sign + round_shift((uint32_t)(exponent + 15) << 23 | mantissa, 13));
    if (exponent < -25)
        return (uint16_t)sign;
    return (uint16_t)(sign + round_shift(mantissa | 0x800000u, (unsigned)(-1 - exponent)));
}
