/* What follows graph->features in a network, in inference, on the host and in double: the head, or,
 * where the last maps are small, the last stages, too. That is little work, so the operations'
 * references are fast enough for the few images that are explained. */
#ifndef RS_HEAD_H
#define RS_HEAD_H

#include "graph.h"

/* For one image: the logits (NULL: not wanted) and, for logit `class_index`, its derivative by
 * each element of the features, laid out as they are. RESCL_ERR_UNSUPPORTED if the network has no
 * features or reaches around them. */
rescl_status rs_head_gradient(const rs_graph *g, const rs_weights *w, const float *features,
                              size_t class_index, double *logits, double *diff) RESCL_CHECK;

#endif
