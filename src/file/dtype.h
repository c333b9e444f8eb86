/* Numbers as files store them, to and from float. */
#ifndef RS_DTYPE_H
#define RS_DTYPE_H

#include "safetensors.h"

#include <stdbool.h>

/* Whether rescl reads the type: F16, BF16, F32, F64. */
bool rs_dtype_readable(rs_st_dtype type);

/* `count` values of a readable type, little-endian, as floats. */
void rs_floats_decode(rs_st_dtype type, const void *src, size_t count, float *dst);
/* The same the other way, to F16, BF16 or F32. False when a finite value is too large for the type,
 * whose index is then in *bad. */
bool rs_floats_encode(rs_st_dtype type, const float *src, size_t count, void *dst, size_t *bad);

/* Reverses the bytes of each of `count` values of `bytes` bytes: big-endian to little-endian. */
void rs_bytes_swap(void *data, size_t count, size_t bytes);

#endif
