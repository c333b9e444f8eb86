#include "alloc.h"

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

bool rs_array_grow(void *ptr_to_ptr, size_t *cap, size_t need, size_t elem_bytes)
{
    if (need <= *cap)
        return true;

    size_t grown = *cap > SIZE_MAX / 2 ? need : *cap * 2;
    if (grown < need)
        grown = need;
    if (grown < 8)
        grown = 8;

    size_t bytes;
    if (!rs_mul_size(grown, elem_bytes, &bytes))
        return false;
    void *old;
    memcpy(&old, ptr_to_ptr, sizeof old); /* the caller's pointer has another type */
    void *moved = realloc(old, bytes);
    if (!moved)
        return false;
    memcpy(ptr_to_ptr, &moved, sizeof moved);
    *cap = grown;
    return true; /* cppcheck-suppress memleak ; the caller's pointer is `moved` now */
}
