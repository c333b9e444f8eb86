/* What libraries call layers and tensors.
 *
 * Names of layers belong to the models: a family's builder tells the graph what each library calls a
 * layer (rs_graph_alias). Here is what holds for a library as a whole: how it puts a layer's name
 * and a tensor's role together, what the roles are called, and what its weights are made for.
 *
 *   torchvision  layer.weight layer.bias layer.running_mean layer.running_var; timm has the same
 *   keras        layer/kernel:0 bias:0 gamma:0 beta:0 moving_mean:0 moving_variance:0
 *                (keras.applications since 2019)
 *   keras1       the same (before); Keras 1 itself: layer/layer_W _b _running_mean _running_std
 */
#ifndef RS_NAMING_H
#define RS_NAMING_H

#include "graph.h"

#include <rescl/data.h>

typedef struct rs_naming_info {
    const char *name, *also;     /* "torchvision", "timm"; `also` may be NULL */
    double bn_eps;               /* of the library's own batch normalisation; 0: not known */
    rescl_preprocess preprocess; /* of its ImageNet weights */
    bool kcrs;                   /* filters lie as PyTorch's, else as rescl's (layout.h) */
    bool keras; /* Keras' words for roles, "layer/role:0"; else torch's, "layer.role" */
} rs_naming_info;

/* NULL past the last one. */
const rs_naming_info *rs_naming_get(rs_naming naming);
bool rs_naming_parse(const char *name, rs_naming *out); /* knows the other names too */

/* The name that a library gives a layer, or NULL; RS_NAMING_RESCL: the model's own. */
const char *rs_layer_name(const rs_graph *g, size_t node, rs_naming naming);

/* What a library calls the role of a node's parameter: "weight", "kernel", "gamma". */
const char *rs_role_name(const rs_node *node, const rs_param *p, rs_naming naming);

/* ---- reading names ----------------------------------------------------------------------- */

/* A tensor's name of any library, taken apart: "layer.role", or Keras' "any/layer/role:0" and
 * "any/layer/layer_role:0". */
typedef struct rs_tensor_name {
    const char *layer; /* not ended */
    size_t len;
    const char *role; /* rescl's word for it: "weight", "bias", "running_mean", "running_var" */
    bool counter;     /* torch's num_batches_tracked and such, which no layer reads; then `role` is
                       * NULL */
} rs_tensor_name;

/* False when it has no role that is known. */
bool rs_tensor_name_parse(const char *name, rs_tensor_name *out);

/* ---- look-up ------------------------------------------------------------------------------- */

typedef struct rs_name_entry {
    const char *layer; /* a '#' at its end stands for any number */
    rs_naming naming;
    int node;    /* of its graph */
    bool output; /* it makes the graph's output */
} rs_name_entry;

/* The layers of any number of graphs by all their names, which are borrowed. Start it as {0}. */
typedef struct rs_name_index {
    rs_name_entry *entry;
    size_t count, cap;
} rs_name_index;

rescl_status rs_name_index_add(rs_name_index *x, const rs_graph *g) RESCL_CHECK;
/* Once, after all were added and before any is looked for. */
void rs_name_index_sort(rs_name_index *x);
void rs_name_index_fini(rs_name_index *x);

/* One of the layers that the library calls so, or NULL. */
const rs_name_entry *rs_name_index_find(const rs_name_index *x, rs_naming naming, const char *layer,
                                        size_t len);

#endif
