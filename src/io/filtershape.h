/* The shape by which a parameter is turned from one layout to the other (layout.h). */
#ifndef RS_FILTERSHAPE_H
#define RS_FILTERSHAPE_H

#include "graph.h"

/* The matrix of a dense layer that flattens a map (h, w, c) is a filter (h, w, c, out) as large as
 * the map: PyTorch and ONNX flatten maps as (c, h, w), Keras as rescl does. Any other parameter has
 * its own shape. */
rs_shape rs_filter_shape(const rs_graph *g, size_t param);

#endif
