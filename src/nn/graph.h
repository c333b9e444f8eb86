/* The network as a graph of operations: host only, no device, no batch size.
 *
 * Built node by node in topological order; shapes are inferred and checked as nodes are added, with
 * n = 1. The graph ends in logits (`output`) and, after them, the loss node. */
#ifndef RS_GRAPH_H
#define RS_GRAPH_H

#include "attr.h"
#include "op.h"

#include <rescl/precision.h>

/* Index of a tensor that flows through the graph; negative after a failed call. */
typedef int rs_value;

/* Which part of the network a layer belongs to: RS_PART_STEM, a stage from 1 on, or RS_PART_HEAD:
 * what follows the features and depends on the classes. All but the head is the body. */
enum { RS_PART_HEAD = -1, RS_PART_STEM = 0 };

/* Parameters of one group are updated with the same numbers (learning rate, weight decay). A layer's
 * are in the group of the body or in that of the head, unless the graph is told otherwise. */
enum { RS_GROUP_BODY = 0, RS_GROUP_HEAD, RS_MAX_GROUPS = 16 };

typedef struct rs_node {
    char *name; /* layer name, unique in the graph */
    int part;
    const rs_op *op;
    void *attr; /* a copy of attr_bytes, owned */
    size_t attr_bytes;
    int nsrc;
    rs_value src[RS_OP_SRC];
    rs_value dst;
    int param[RS_OP_PARAM], state[RS_OP_STATE]; /* indices into graph->param */
    int nparam, nstate;
    /* A normalisation whose inference is folded into the parameters: indices of its weight, bias,
     * running_mean and running_var. A convolution without bias then has param[1] = -1. */
    bool folds;
    int fold[4];
    float fold_eps;
} rs_node;

typedef struct rs_value_info {
    rs_shape shape; /* with n = 1 */
    rs_dtype type;
    int producer; /* node, or -1 for a graph input */
    bool whole;   /* one for all images: its shape does not begin with n */
} rs_value_info;

/* How a model fills RS_INIT_WEIGHT and RS_INIT_BIAS. */
typedef enum rs_init_scheme {
    RS_SCHEME_GLOROT_UNIFORM,    /* U(+-sqrt(6 / (fan_in + fan_out))), bias 0 (Keras) */
    RS_SCHEME_HE_NORMAL_FAN_OUT, /* N(0, 2 / fan_out), bias 0 (torchvision's convolutions) */
    RS_SCHEME_LINEAR_UNIFORM     /* U(+-1 / sqrt(fan_in)), bias too (torch's Linear) */
} rs_init_scheme;

/* A parameter or state tensor: "<node>.<role>". */
typedef struct rs_param {
    char *name;
    rs_param_spec spec;
    rs_init_scheme scheme;
    bool trainable; /* false: running statistics, or frozen */
    int group;      /* RS_GROUP_BODY, ...: below RS_MAX_GROUPS */
    int node;       /* of the graph that it was added to, not of a fused copy */
} rs_param;

/* Libraries whose names for layers rescl knows: naming.h. */
typedef enum rs_naming {
    RS_NAMING_RESCL = 0, /* rescl's own, or of no library that is known */
    RS_NAMING_TORCHVISION,
    RS_NAMING_KERAS,
    RS_NAMING_KERAS1,
    RS_NAMINGS
} rs_naming;

/* What a library calls a layer. */
typedef struct rs_alias {
    rs_naming naming;
    int node;
    char *name;
} rs_alias;

/* A smaller map says too little of where in the image something is. The features are the last map (4
 * dimensions) before the pooling of the head, or, where that is smaller, what the deepest stage gives
 * whose map is not; the last one if all are. */
#define RS_FEATURES_SIDE 7

/* What training makes small: softmax_xent, or sigmoid_bce with its numbers, and what it has of a teacher. What
 * other inputs than labels need is in fused copies for training alone. */
typedef struct rs_loss {
    bool sigmoid;
    float label_smoothing;
    float threshold, gamma, alpha; /* of rs_sigmoid_bce_attr */
    bool rows;     /* of sigmoid: labels are (n, classes), see rs_sigmoid_bce_attr */
    bool weighted; /* softmax_xent by class weights, an input */
    bool distils;  /* distillation follows, with a teacher's logits as an input and these numbers */
    bool hard;
    float distillation_alpha, tau; /* of rs_distillation_attr */
} rs_loss;

typedef struct rs_graph {
    rs_node *node;
    size_t nnodes, node_cap;
    rs_value_info *value;
    size_t nvalues, value_cap;
    rs_param *param;
    size_t nparams, param_cap;
    rs_alias *alias; /* in the order of rs_graph_alias; fused copies have none */
    size_t naliases, alias_cap;
    int part; /* of the layers that are added next; RS_PART_STEM at first */
    rs_value input, labels, output, loss; /* -1 until set */
    size_t bit_depth;                     /* of the images that become its input: 8 or 16; 0: 8 */
    rs_value class_weights, teacher;      /* -1: the loss has none */
    rs_value features; /* the map that explains: see RS_FEATURES_SIDE; -1 if there is none */
    rs_math math;      /* of all products */
    rs_loss criterion; /* what makes `loss` */
} rs_graph;

rescl_status rs_graph_create(rs_graph **out) RESCL_CHECK;
void rs_graph_destroy(rs_graph *g);

/* The image: (h, w, c) per sample. */
rescl_status rs_graph_input(rs_graph *g, size_t h, size_t w, size_t c, rs_value *out) RESCL_CHECK;

/* Appends op(src...) under `name`; `attr` is copied. *dst is the new value. */
rescl_status rs_graph_add(rs_graph *g, const char *name, const rs_op *op, const void *attr,
                          size_t attr_bytes, rs_init_scheme scheme, const rs_value *src, int nsrc,
                          rs_value *dst) RESCL_CHECK;

/* Says what a library calls the layer with parameters that makes `x`. Of several names the first is
 * written, all are read; one that ends in '#' is read with any number there. Files with a library's
 * names have its layers in the order of these calls. */
rescl_status rs_graph_alias(rs_graph *g, rs_value x, rs_naming naming, const char *name)
    RESCL_CHECK;

/* Appends a node that uses parameters already in the graph: those that `like` names. */
rescl_status rs_graph_append(rs_graph *g, const rs_node *like, const void *attr,
                             const rs_value *src, int nsrc, rs_value *dst) RESCL_CHECK;

/* The shape of a value for a batch. */
rs_shape rs_graph_shape(const rs_graph *g, rs_value v, size_t batch);

/* Says that training weighs the classes by numbers of their own; and what it goes by a teacher (NULL: there is
 * none). Before the graph is planned. */
void rs_graph_set_weighted(rs_graph *g, bool weighted);
void rs_graph_set_distillation(rs_graph *g, const rs_distillation_attr *attr);

/* Makes `logits` (n, classes) the output, finds the features, and adds the node "loss", and "distillation" behind
 * it where the loss has a teacher. */
rescl_status rs_graph_finish(rs_graph *g, rs_value logits, const rs_loss *loss) RESCL_CHECK;

/* A copy in which relu and add are merged into the batch normalisation before them, and for
 * inference that into the convolution before it, where nobody else reads what lies between.
 * Parameters keep their indices. */
rescl_status rs_graph_fuse(const rs_graph *g, bool inference, rs_graph **out) RESCL_CHECK;

/* Gives the values their types. What a dense layer or the loss reads or makes is f32, and so is all
 * that has to have one type with such a value; average pooling need not: it may read 16 bits and
 * write f32. Gradients have the types of their values. On a fused copy, before it is planned. */
void rs_graph_set_precision(rs_graph *g, rescl_precision precision);
/* How most values are stored then. */
rs_dtype rs_precision_storage(rescl_precision precision);
/* The precision of that name; NULL: fp32. */
rescl_status rs_precision_take(const char *name, rescl_precision *out) RESCL_CHECK;
/* All names, ended by NULL. */
const char *const *rs_precision_names(void);

/* Says what training changes in a layer: its parameters or none of them; for a normalisation, the
 * running statistics, or it normalises by these and leaves them. Before the graph is planned. */
void rs_graph_set_trained(rs_graph *g, size_t node, bool parameters, bool statistics);

/* Whether normalisations that train go by the statistics of all replicas: see rs_batchnorm_attr. Before the
 * graph is planned. */
void rs_graph_set_synced(rs_graph *g, bool synced);

/* Puts a parameter into a group. Before the graph is planned. */
rescl_status rs_graph_set_group(rs_graph *g, size_t param, int group) RESCL_CHECK;

/* Whether a parameter or state tensor is of a layer of the head. */
bool rs_graph_in_head(const rs_graph *g, size_t param);

/* Whether training changes parameters of the node; `g` may be a fused copy. */
bool rs_graph_trains(const rs_graph *g, const rs_node *node);

/* The first normalisation that sees one value per channel of each image and is trained by the batch's
 * statistics, which need two values at least, so that batches need two images; NULL: there is none. */
const rs_node *rs_graph_single_value(const rs_graph *g);

/* The problem of one node at a batch size. */
rescl_status rs_graph_problem(const rs_graph *g, size_t node, size_t batch, bool training,
                              rs_problem *out) RESCL_CHECK;

/* Index of a parameter by its full name, or -1. */
int rs_graph_find_param(const rs_graph *g, const char *name);

/* ---- values of the parameters on the host ------------------------------------------------ */

/* One float array per graph parameter, in graph order, in one allocation. */
typedef struct rs_weights {
    size_t count;
    float **data; /* data[i] has elems[i] floats */
    size_t *elems;
    float *memory;
} rs_weights;

rescl_status rs_weights_create(const rs_graph *g, rs_weights *out) RESCL_CHECK;
void rs_weights_fini(rs_weights *w);
/* Fills all by their schemes from counter-based numbers: parameter i uses stream i of `seed`. */
void rs_weights_init(const rs_graph *g, rs_weights *w, uint64_t seed);

#endif
