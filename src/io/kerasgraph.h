/* What a Keras configuration computes, held against a model's graph. */
#ifndef RS_KERASGRAPH_H
#define RS_KERASGRAPH_H

#include "graph.h"
#include "kerasconfig.h"

/* The first layer that computes something else than the graph does at its place, as a clause on the heap:
 * "its layer 'conv1_conv' has strides of (1, 1), where the model has (2, 2)". *out is NULL when there is
 * none. `body`: what follows the features does not count. `prefix`, or NULL, stands before the names of
 * layers (rs_wfile_about). Epsilons and units are not compared. */
rescl_status rs_keras_config_differs(const rs_keras_config *c, const char *prefix,
                                     const rs_graph *g, bool body, char **out) RESCL_CHECK;

#endif
