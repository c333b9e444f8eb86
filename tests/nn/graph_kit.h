/* Building small graphs in tests: each call adds a layer and fails the test if it cannot. */
#ifndef RS_GRAPH_KIT_H
#define RS_GRAPH_KIT_H

#include "graph.h"

rs_graph *kit_graph(size_t h, size_t w, size_t c, rs_value *input);
/* Odd kernels, padded so that the size stays at stride 1; without bias. */
rs_value kit_conv(rs_graph *g, const char *name, rs_value x, size_t filters, size_t kernel,
                  size_t stride);
rs_value kit_bn(rs_graph *g, const char *name, rs_value x);
rs_value kit_relu(rs_graph *g, const char *name, rs_value x);
rs_value kit_add(rs_graph *g, const char *name, rs_value x, rs_value y);
/* An average over one pixel: changes nothing, but no layer can be merged across it. */
rs_value kit_wall(rs_graph *g, const char *name, rs_value x);
/* Three convolutions of 8 channels with their batch normalisations: "c1", then "c2" and "c3" beside a
 * shortcut, added in "sum" and ended by "r3". */
rs_value kit_shortcut(rs_graph *g, rs_value x);
/* Global average pooling "gap", dense "fc", and the loss. */
void kit_finish(rs_graph *g, rs_value x, size_t classes);

/* Weights by their schemes, with gamma, beta and running statistics moved off 1 and 0. */
void kit_weights(const rs_graph *g, uint64_t seed, rs_weights *w);
/* `count` numbers in [-1, 1), and labels below `classes`. Heap. */
float *kit_pixels(size_t count, uint64_t seed);
int32_t *kit_labels(size_t count, size_t classes, uint64_t seed);

#endif
