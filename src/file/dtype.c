#include "dtype.h"

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

bool rs_dtype_readable(rs_st_dtype type)
{
    return type == RS_ST_F16 || type == RS_ST_BF16 || type == RS_ST_F32 || type == RS_ST_F64;
}

void rs_floats_decode(rs_st_dtype type, const void *src, size_t count, float *dst)
{
    const char *from = src;
    if (type == RS_ST_F32)
        memcpy(dst, src, count * sizeof *dst);
    for (size_t i = 0; i < count && type == RS_ST_F64; i++) {
        double wide;
        memcpy(&wide, from + i * sizeof wide, sizeof wide);
        dst[i] = (float)wide;
    }
    for (size_t i = 0; i < count && (type == RS_ST_F16 || type == RS_ST_BF16); i++) {
        uint16_t narrow;
        memcpy(&narrow, from + i * sizeof narrow, sizeof narrow);
        dst[i] = type == RS_ST_F16 ? rs_float_of_f16(narrow) : rs_float_of_bf16(narrow);
    }
}

bool rs_floats_encode(rs_st_dtype type, const float *src, size_t count, void *dst, size_t *bad)
{
    uint16_t *narrow = dst;
    if (type == RS_ST_F32)
        memcpy(dst, src, count * sizeof *src);
    for (size_t i = 0; i < count && type != RS_ST_F32; i++) {
        const bool half = type == RS_ST_F16;
        narrow[i] = half ? rs_f16_of_float(src[i]) : rs_bf16_of_float(src[i]);
        if (isfinite(src[i]) &&
            !isfinite(half ? rs_float_of_f16(narrow[i]) : rs_float_of_bf16(narrow[i]))) {
            *bad = i;
            return false;
        }
    }
    return true;
}

void rs_bytes_swap(void *data, size_t count, size_t bytes)
{
    for (char *at = data; count > 0; count--, at += bytes)
        for (size_t i = 0; i < bytes / 2; i++) {
            const char first = at[i];
            at[i] = at[bytes - 1 - i];
            at[bytes - 1 - i] = first;
        }
}
