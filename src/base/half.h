/* Numbers of 16 bits: IEEE 754 binary16 and bfloat16. */
#ifndef RS_HALF_H
#define RS_HALF_H

#include <stdint.h>

float rs_float_of_f16(uint16_t bits);
float rs_float_of_bf16(uint16_t bits);

/* To the nearest, ties to even; what is too large becomes infinite, NaN stays NaN. */
uint16_t rs_f16_of_float(float x);
uint16_t rs_bf16_of_float(float x);

#endif
