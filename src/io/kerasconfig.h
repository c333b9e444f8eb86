/* What Keras says of a model in JSON: config.json of a .keras file, the attribute model_config of an
 * HDF5 file. */
#ifndef RS_KERASCONFIG_H
#define RS_KERASCONFIG_H

#include <rescl/data.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    RS_KERAS_GIVEN = -1,  /* what the network is given */
    RS_KERAS_UNKNOWN = -2 /* not told */
};

#define RS_KERAS_MAX_CONFIG ((size_t)64 << 20) /* bytes of JSON */

typedef struct rs_keras_layer {
    char *name;           /* "conv1_conv" */
    char *class_name;     /* "Conv2D" */
    char *path;           /* of its group in .weights.h5: "layers/functional/layers/conv2d_12" */
    char *activation;     /* "relu"; NULL when it has none, and for one that is limited or leaks */
    double epsilon;       /* of a BatchNormalization, else 0 */
    double scale, offset; /* of a Rescaling, which gives x * scale + offset; else 0 */
    size_t kernel[2], stride[2], dilation[2], groups; /* height before width; else 1 */
    size_t pad[4]; /* of a ZeroPadding2D: above, below, left, right */
    bool same;     /* padding, so that the map keeps its size but for the strides */
    bool sums;     /* what it reads */
    int input[2];  /* the first two that it reads: an index below its own, or RS_KERAS_GIVEN, ... */
    size_t inputs, calls; /* how many it reads; how often it is applied */
} rs_keras_layer;

/* The layers in the order in which Keras lists them, those of a nested model at its place. */
typedef struct rs_keras_config {
    rs_keras_layer *layer;
    size_t count, cap;
    size_t image_size; /* of the input when that is a square, else 0 */
    int output;        /* the layer that gives the first output, as rs_keras_layer.input */
    size_t outputs;
} rs_keras_config;

/* `path` is for messages. */
rescl_status rs_keras_config_parse(const char *json, const char *path, rs_keras_config *out)
    RESCL_CHECK;
void rs_keras_config_fini(rs_keras_config *c);

/* The layer whose group in .weights.h5 has that path, or NULL. */
const rs_keras_layer *rs_keras_config_find(const rs_keras_config *c, const char *path);

/* The epsilon of all normalisations; 0 when there are none, or not all have one. */
double rs_keras_config_epsilon(const rs_keras_config *c);

/* What a Rescaling before the first convolution does to pixels of 0 to 255, as rescl says it. False when
 * there is none, or it cannot be said. */
bool rs_keras_config_normalize(const rs_keras_config *c, rescl_normalize *out);

/* The last layer, when it is the only Dense, or one more comes before it, with a ReLU: then that is
 * *hidden, else NULL. NULL when the network ends otherwise. */
const rs_keras_layer *rs_keras_config_head(const rs_keras_config *c, const rs_keras_layer **hidden);

/* The first thing that the network computes and no model of rescl does, as a clause on the heap: "its
 * layer 'max_pool' is a GlobalMaxPooling2D". *out is NULL when there is none. */
rescl_status rs_keras_config_unlike(const rs_keras_config *c, char **out) RESCL_CHECK;

#endif
