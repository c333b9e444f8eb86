#include "layout.h"

#include <string.h>

bool rs_layout_differs(size_t ndim)
{
    return ndim == 2 || ndim == 4;
}

void rs_layout_dims_to_kcrs(size_t ndim, const size_t *rsck, size_t *kcrs)
{
    memcpy(kcrs, rsck, ndim * sizeof *rsck);
    if (ndim == 4)
        kcrs[0] = rsck[3], kcrs[1] = rsck[2], kcrs[2] = rsck[0], kcrs[3] = rsck[1];
    else if (ndim == 2)
        kcrs[0] = rsck[1], kcrs[1] = rsck[0];
}

void rs_layout_dims_to_rsck(size_t ndim, const size_t *kcrs, size_t *rsck)
{
    memcpy(rsck, kcrs, ndim * sizeof *kcrs);
    if (ndim == 4)
        rsck[0] = kcrs[2], rsck[1] = kcrs[3], rsck[2] = kcrs[1], rsck[3] = kcrs[0];
    else if (ndim == 2)
        rsck[0] = kcrs[1], rsck[1] = kcrs[0];
}

/* (a, b, c) to (c, b, a). */
static void reverse_axes(const float *src, float *dst, size_t a, size_t b, size_t c)
{
    for (size_t i = 0; i < a; i++)
        for (size_t j = 0; j < b; j++)
            for (size_t k = 0; k < c; k++)
                dst[(k * b + j) * a + i] = src[(i * b + j) * c + k];
}

static size_t count_of(size_t ndim, const size_t *dim)
{
    size_t count = 1;
    for (size_t i = 0; i < ndim; i++)
        count *= dim[i];
    return count;
}

/* Rows of a filter are its taps; a matrix has one. */
static size_t taps_of(size_t ndim, const size_t *rsck)
{
    return ndim == 4 ? rsck[0] * rsck[1] : 1;
}

void rs_layout_to_kcrs(size_t ndim, const size_t *rsck, const float *src, float *dst)
{
    if (rs_layout_differs(ndim))
        reverse_axes(src, dst, taps_of(ndim, rsck), rsck[ndim - 2], rsck[ndim - 1]);
    else
        memcpy(dst, src, count_of(ndim, rsck) * sizeof *dst);
}

void rs_layout_to_rsck(size_t ndim, const size_t *rsck, const float *src, float *dst)
{
    if (rs_layout_differs(ndim))
        reverse_axes(src, dst, rsck[ndim - 1], rsck[ndim - 2], taps_of(ndim, rsck));
    else
        memcpy(dst, src, count_of(ndim, rsck) * sizeof *dst);
}
