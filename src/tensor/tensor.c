#include "tensor.h"

#include "alloc.h"
#include "error.h"

#include <stdio.h>

static const struct {
    const char *name;
    size_t bytes;
    double roundoff;
} dtypes[RS_DTYPE_COUNT] = {
#define ROW(id, text, size, unit) [RS_##id] = {text, size, unit},
    RS_DTYPES(ROW)
#undef ROW
};

size_t rs_dtype_bytes(rs_dtype t)
{
    return dtypes[t].bytes;
}

const char *rs_dtype_name(rs_dtype t)
{
    return dtypes[t].name;
}

bool rs_dtype_is_float(rs_dtype t)
{
    return dtypes[t].roundoff > 0;
}

double rs_dtype_roundoff(rs_dtype t)
{
    return dtypes[t].roundoff;
}

bool rs_shape_equal(const rs_shape *a, const rs_shape *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++) {
        if (a->dim[i] != b->dim[i])
            return false;
    }
    return true;
}

size_t rs_shape_count(const rs_shape *s)
{
    size_t count = s->ndim > 0;
    for (int i = 0; i < s->ndim; i++)
        count *= s->dim[i];
    return count;
}

rescl_status rs_shape_check(const rs_shape *s, const char *what)
{
    rescl_status st = RESCL_OK;
    char text[96];
    size_t bytes = 8;
    RS_FAIL_IF(s->ndim < 1 || s->ndim > RS_MAX_DIMS, RESCL_ERR_SHAPE,
               "%s: has %d dimensions, expected 1 to %d", what, s->ndim, RS_MAX_DIMS);
    for (int i = 0; i < s->ndim; i++) {
        RS_FAIL_IF(s->dim[i] == 0, RESCL_ERR_SHAPE, "%s: dimension %d of %s is 0", what, i,
                   rs_shape_text(s, text));
        RS_FAIL_IF(!rs_mul_size(bytes, s->dim[i], &bytes), RESCL_ERR_SHAPE,
                   "%s: %s has more elements than memory can hold", what, rs_shape_text(s, text));
    }
out:
    return st;
}

const char *rs_shape_text(const rs_shape *s, char text[96])
{
    int len = snprintf(text, 96, "(");
    for (int i = 0; i < s->ndim && i < RS_MAX_DIMS; i++)
        len += snprintf(text + len, 96 - (size_t)len, i ? ", %zu" : "%zu", s->dim[i]);
    snprintf(text + len, 96 - (size_t)len, ")");
    return text;
}
