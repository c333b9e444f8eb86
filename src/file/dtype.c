#include "dtype.h"

#include "half.h"

#include <math.h>
#include <string.h>

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
