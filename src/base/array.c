#include "alloc.h"
#include "error.h"

rescl_status rs_array_reserve(void *ptr_to_ptr, size_t *cap, size_t need, size_t elem_bytes)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(!rs_array_grow(ptr_to_ptr, cap, need, elem_bytes), RESCL_ERR_MEMORY,
               "an array of %zu elements of %zu bytes does not fit memory", need, elem_bytes);
out:
    return st;
}
