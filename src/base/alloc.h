/* Checked size arithmetic and host memory. All but rs_array_reserve is plain: the program links it
 * too. */
#ifndef RS_ALLOC_H
#define RS_ALLOC_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

/* *out = a * b or a + b; false on overflow. `out` may be one of the operands' address. */
bool rs_mul_size(size_t a, size_t b, size_t *out);
bool rs_add_size(size_t a, size_t b, size_t *out);

/* a / b, rounded up; b above 0. */
static inline size_t rs_div_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Rounds up to a multiple of `align` (any value above 0); SIZE_MAX when that would overflow. */
size_t rs_round_up(size_t value, size_t align);

/* `count * size` zeroed bytes at a 64-byte boundary, freed by rs_aligned_free; NULL on overflow
 * or want of memory. A count of 0 gives a valid pointer. */
void *rs_aligned_calloc(size_t count, size_t size);
void rs_aligned_free(void *ptr);

/* Grows an array to hold at least `need` elements: doubles *cap. *ptr may move; new elements
 * are not initialised. False, and nothing has changed, when memory is short. */
bool rs_array_grow(void *ptr_to_ptr, size_t *cap, size_t need, size_t elem_bytes);
/* The same with an error (array.c). */
rescl_status rs_array_reserve(void *ptr_to_ptr, size_t *cap, size_t need, size_t elem_bytes)
    RESCL_CHECK;

#endif
