#include "alloc.h"

#include "error.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

bool rs_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool rs_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

size_t rs_round_up(size_t value, size_t align)
{
    size_t rest = value % align;
    if (rest == 0)
        return value;
    return rs_add_size(value, align - rest, &value) ? value : SIZE_MAX;
}

void *rs_aligned_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!rs_mul_size(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
        errno = ENOMEM;
        return NULL;
    }
    bytes = bytes ? rs_round_up(bytes, ALIGNMENT) : ALIGNMENT;
    void *ptr = aligned_alloc(ALIGNMENT, bytes);
    if (ptr)
        memset(ptr, 0, bytes);
    return ptr;
}

void rs_aligned_free(void *ptr)
{
    free(ptr);
}

rescl_status rs_array_reserve(void *ptr_to_ptr, size_t *cap, size_t need, size_t elem_bytes)
{
    rescl_status st = RESCL_OK;
    if (need <= *cap)
        goto out;

    size_t grown = *cap > SIZE_MAX / 2 ? need : *cap * 2;
    if (grown < need)
        grown = need;
    if (grown < 8)
        grown = 8;

    size_t bytes;
    RS_FAIL_IF(!rs_mul_size(grown, elem_bytes, &bytes), RESCL_ERR_MEMORY,
               "an array of %zu elements of %zu bytes does not fit memory", need, elem_bytes);
    void *old, *moved;
    memcpy(&old, ptr_to_ptr, sizeof old); /* the caller's pointer has another type */
    RS_OOM(moved = realloc(old, bytes));
    memcpy(ptr_to_ptr, &moved, sizeof moved);
    *cap = grown;
out:
    return st;
}
