/* A model inside: its graph, its weights, what travels with them; and how a family of models is
 * written. */
#ifndef RS_NETMODEL_H
#define RS_NETMODEL_H

#include "graph.h"
#include "pixel.h"

#include <rescl/model.h>

struct rescl_model {
    char *name;
    size_t classes, image_size, channels; /* the graph has the bits of images */
    size_t hidden;
    double dropout, label_smoothing, stochastic_depth;
    rescl_loss loss;
    bool multi_label;
    double bce_target_thresh, focal_gamma, focal_alpha; /* as settled; 0 where the loss has none */
    uint64_t seed;
    rescl_preprocess preprocess;
    rescl_normalize normalize; /* of RESCL_PREPROCESS_NORMALIZE */
    rescl_resize resize;
    char **class_name;
    char **class_alias; /* a second name of each, such as WordNet's; NULL: there are none */
    char *frozen;       /* the patterns of rescl_model_freeze, or NULL */
    bool norm_eval;
    rescl_trained_on trained_on;
    size_t sample_bits; /* of rescl_model_info */
    rescl_precision precision;
    rescl_tta tta;
    bool check_numerics;
    rs_graph *graph; /* unfused: one node per layer of the summary */
    rs_weights weights;
};

/* rescl_model_create without the weights: the graph only, weights.count is 0. What is read from a
 * file can be checked against the graph before memory for it is taken. The options are of this
 * version: struct_size is not looked at. */
rescl_status rs_model_build(const rescl_model_options *options, rescl_model **out) RESCL_CHECK;

/* Bytes of an input on the host: see pixel.h. */
static inline size_t rs_model_input_bytes(const rescl_model *m)
{
    return m->image_size * m->image_size * rs_pixel_bytes(m->channels, m->graph->bit_depth);
}

/* The numbers as the model takes them: of one channel all are the mean of the three, which grey images
 * have in place of each colour's; a fourth channel that is not given has it, too. */
rescl_normalize rs_model_normalize(const rescl_model *m, const rescl_normalize *n);

/* RESCL_ERR_ARG for a model without weights. */
rescl_status rs_model_need_weights(const rescl_model *m) RESCL_CHECK;

/* The index of the parameter `name`, for an array of `count` values. RESCL_ERR_NOT_FOUND with the
 * nearest name; RESCL_ERR_SHAPE when it has another number of values; RESCL_ERR_ARG for NULL. */
rescl_status rs_model_find_parameter(const rescl_model *m, const char *name, const void *values,
                                     size_t count, size_t *index) RESCL_CHECK;

/* One model of a family. */
typedef struct rs_model_def {
    const char *name;
    const char *about; /* one line */
    size_t classes;    /* usual number */
    size_t image_size; /* usual height and width */
    rescl_preprocess preprocess;
    /* Adds the layers from g->input to the logits, each under its g->part. `spec` is the family's
     * own description. */
    rescl_status (*build)(rs_graph *g, const void *spec, const rescl_model_options *o,
                          rs_value *logits);
    const void *spec;
    unsigned libraries; /* bits 1 << rs_naming: those that publish this very network */
} rs_model_def;

/* Whether a library's own model takes this one's tensors. */
bool rs_model_is_published(const rescl_model *m, rs_naming library);

/* Each family's models, ended by a name of NULL. */
#define RS_FAMILY(stem) extern const rs_model_def rs_family_##stem[];
#include "models.def"
#undef RS_FAMILY

#endif
