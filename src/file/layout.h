/* How filters and matrices lie in files: as rescl and Keras have them, RSCK, (r, s, c, k) and
 * (in, out); or as PyTorch and ONNX do, KCRS, (k, c, r, s) and (out, in). Tensors of other numbers
 * of dimensions are the same in both. A matrix that reads a flattened map lies in either as the
 * filter that is as large as the map does. */
#ifndef RS_LAYOUT_H
#define RS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the two differ in a tensor of `ndim` dimensions. */
bool rs_layout_differs(size_t ndim);

/* The dimensions in one layout from those in the other. */
void rs_layout_dims_to_kcrs(size_t ndim, const size_t *rsck, size_t *kcrs);
void rs_layout_dims_to_rsck(size_t ndim, const size_t *kcrs, size_t *rsck);

/* The values in one layout from those in the other; `rsck` are the dimensions in that one. */
void rs_layout_to_kcrs(size_t ndim, const size_t *rsck, const float *src, float *dst);
void rs_layout_to_rsck(size_t ndim, const size_t *rsck, const float *src, float *dst);

#endif
