/* A model inside: its graph, its weights, what travels with them. Families register in models.def. */
#ifndef RS_NETMODEL_H
#define RS_NETMODEL_H

#include "graph.h"
#include <rescl/model.h>

struct rescl_model {
    char *name;
    size_t classes, image_size;
    double dropout, label_smoothing;
    uint64_t seed;
    rescl_preprocess preprocess;
    char **class_name;
    rs_graph *graph; /* unfused: one node per layer of the summary */
    rs_weights weights;
};

#endif
