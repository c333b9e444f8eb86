/**
 * @file weights.h
 * Files of weights: rescl's own, and those of torchvision, timm and Keras; safetensors, PyTorch's
 * (.pth), HDF5 and .keras.
 *
 * Tensors are matched with a model's parameters by what their names mean: a convolution of a block
 * is `layer1.0.conv1` in torchvision and timm, `conv2_block1_1_conv` in Keras, `res2a_branch2a` in
 * Keras before 2019. Layouts are turned (PyTorch's KCRS to RSCK), 16-bit types widened.
 *
 * What belongs to weights comes with them: the preprocessing of images and the epsilon of batch
 * normalisation. A file by rescl says both. Of others, epsilon is that of the library whose names
 * it has, and the preprocessing is assumed: `torch` for torchvision's and timm's names, `caffe` for
 * Keras' ImageNet weights (1000 classes, or no last layer); else the model's usual one stays.
 * rescl_model_set_preprocess and rescl_model_set_normalize say otherwise.
 */
#ifndef RESCL_WEIGHTS_H
#define RESCL_WEIGHTS_H

#include <rescl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The formats of files to write, such as "safetensors"; NULL-terminated. */
RESCL_API const char *const *rescl_weights_formats(void);

/** An open file. Its values are read when they are loaded. */
typedef struct rescl_weights rescl_weights;

/**
 * Recognises the format by the first bytes and checks all but the values. HDF5 files are parsed in
 * a child process with limits: a file that makes the HDF5 library crash, hang or take all memory is
 * a RESCL_ERR_FORMAT.
 */
RESCL_API rescl_status rescl_weights_open(const char *path, rescl_weights **out) RESCL_CHECK;
RESCL_API void rescl_weights_close(rescl_weights *weights);

/** Strings are borrowed. */
typedef struct rescl_weights_info {
    const char *path;
    const char *format; /**< "safetensors", "hdf5", "keras", "pytorch", "shards" */
    const char *names;  /**< "torchvision" (timm's too), "keras", "keras1" (before 2019), "rescl" */
    const char *model;  /**< the model that it says it is of, or NULL */
    size_t classes;     /**< 0: not known */
    size_t hidden;      /**< units of the layer before the last one; 0: none, or it does not say */
    double dropout;
    const char *frozen;  /**< what was frozen when it was trained (rescl_model_freeze), or NULL */
    size_t image_size;   /**< 0: it does not say */
    size_t tensors;      /**< without an optimiser's state */
    bool has_preprocess; /**< whether the next one is known */
    rescl_preprocess preprocess;
    rescl_normalize normalize; /**< of RESCL_PREPROCESS_NORMALIZE */
    double bn_eps;             /**< of batch normalisation; 0: not known */
    const char
        *prefix;      /**< what stands before its names, such as "module." or "model.backbone.", and
                         * is passed over; or NULL */
    const char *head; /**< what it calls the last layer, where that is no library's name; or NULL */
    const char *const *class_names; /**< `classes` names; NULL: it does not name them */
    bool says_preprocess; /**< the file itself says its preprocessing; else it is assumed */
    size_t sample_bits;   /**< rescl_data_options.sample_bits of the training set; 0: not known */
    size_t channels;      /**< of the input; 0: it does not say */
    rescl_loss loss;      /**< it was trained by; RESCL_LOSS_CROSS_ENTROPY where it does not say */
    bool multi_label;     /**< as in rescl_model_options; false where it does not say */
    size_t bit_depth;     /**< as in rescl_model_options; 0: it does not say */
} rescl_weights_info;

RESCL_API void rescl_weights_get_info(const rescl_weights *weights, rescl_weights_info *out);

/** A tensor as the file has it. Strings are borrowed. */
typedef struct rescl_tensor_info {
    const char *name;
    const char *dtype; /**< "F32", "F16", "BF16", ... */
    size_t ndim, shape[8];
} rescl_tensor_info;

/** False when `index` is past the last one. */
RESCL_API bool rescl_weights_get_tensor_info(const rescl_weights *weights, size_t index,
                                             rescl_tensor_info *out);

/** What became of a tensor when a file was held against a model. */
typedef enum rescl_match_state {
    RESCL_MATCHED = 0,
    RESCL_MISSING = 1,   /**< the model's, and not in the file */
    RESCL_RESHAPED = 2,  /**< in both, with different shapes */
    RESCL_UNEXPECTED = 3 /**< the file's, and not in the model, or of a type that is not read */
} rescl_match_state;

/** "matched", "missing", "reshaped", "unexpected"; NULL for any other value. */
RESCL_API const char *rescl_match_state_name(rescl_match_state state);

typedef struct rescl_match {
    rescl_match_state state;
    const char *param;                 /**< the model's name of it; NULL if unexpected */
    size_t param_ndim, param_shape[4]; /**< as the file's library lays it out */
    rescl_tensor_info tensor;          /**< the file's; name is NULL if missing */
    bool spread; /**< matched, and made for images of one channel: each channel of the model gets an
                  * equal share of each weight, so that grey images give the same */
    bool
        repeated; /**< matched, and made for images of three channels: the model's four get three quarters of the
                   * weights of the first, the second, the third and the first again, as timm has it */
    bool
        summed; /**< matched, and made for images of three channels: the model, of one channel, gets
                  * the sums of their weights, so that grey images give the same */
} rescl_match;

/** Every parameter of the model in its order, then the unexpected tensors in the file's. Borrows the
 * names of both. PyTorch's counters num_batches_tracked are passed over. */
typedef struct rescl_match_list rescl_match_list;

/** Holds the file against a model and reads no values. */
RESCL_API rescl_status rescl_weights_match(const rescl_weights *weights, const rescl_model *model,
                                           rescl_match_list **out) RESCL_CHECK;
RESCL_API void rescl_match_list_destroy(rescl_match_list *report);
RESCL_API size_t rescl_match_list_count(const rescl_match_list *report, rescl_match_state state);
/** What rescl_weights_load did with the last layer. Names of classes decide, not their number; names
 * "0", "1", ... are none. */
typedef enum rescl_head_match {
    RESCL_HEAD_NEW = 0,       /**< the file has none that fits */
    RESCL_HEAD_SAME = 1,      /**< taken: the same classes in the same order */
    RESCL_HEAD_REORDERED = 2, /**< taken, and put into the order of the model's classes */
    RESCL_HEAD_UNNAMED = 3,   /**< taken: as many classes, which the file does not name */
    RESCL_HEAD_OTHER = 4      /**< not taken: as many classes, but other ones */
} rescl_head_match;

RESCL_API rescl_head_match rescl_match_list_head(const rescl_match_list *report);
/** False when `index` is past the end. */
RESCL_API bool rescl_match_list_get(const rescl_match_list *report, size_t index, rescl_match *out);

/** How much of a model a file must hold, and whether it may hold more. */
typedef enum rescl_load_mode {
    RESCL_LOAD_COMPLETE = 0, /**< every parameter; other tensors of the file are left alone, so that
                              * it may be of another network that has the same layers and more */
    RESCL_LOAD_STRICT = 1,   /**< exactly the parameters */
    RESCL_LOAD_PARTIAL = 2,  /**< at least one; what is missing or reshaped keeps its values */
    RESCL_LOAD_BODY = 3, /**< exactly the parameters before the head; of the head's, those that are
                              * missing or reshaped keep their values: it is a new one. Another head of
                              * the file is left alone */
    RESCL_LOAD_COMPLETE_BODY = 4 /**< the same, and any other tensors of the file are left alone */
} rescl_load_mode;

/**
 * Replaces a model's weights, its preprocessing and its epsilon. A last layer whose classes the file
 * names is taken by these names: it is put into the model's order of them, and one of other classes
 * counts as missing (RESCL_ERR_ARG in the modes RESCL_LOAD_STRICT and _COMPLETE, if the model names
 * its own). RESCL_ERR_NOT_FOUND when a parameter is missing, RESCL_ERR_SHAPE when one is reshaped,
 * RESCL_ERR_FORMAT when, in the modes RESCL_LOAD_STRICT and _BODY, a tensor is unexpected or the file
 * says that it is of another model, or how a layer computes otherwise than the model's: then the model is as it was, and the message names the models that
 * the file fits. `report` may be NULL; it is filled, also when the mode refuses, and NULL after any
 * other failure.
 */
RESCL_API rescl_status rescl_weights_load(const rescl_weights *weights, rescl_model *model,
                                          rescl_load_mode mode, rescl_match_list **report)
    RESCL_CHECK;

/**
 * Makes the model that the file is of and loads it. What `options` (may be NULL) leaves open comes
 * from the file; RESCL_ERR_ARG, with the models that would fit, when neither names the model.
 * Parameters that the mode leaves out start as in rescl_model_create.
 *
 * The model's rescl_resize is the one that the file records, in proportion if `options` gives
 * another size. Files of other libraries record none and get the usual one of ImageNet weights:
 * resize_size = image_size / 0.875 (256 for 224), bilinear, keep_exact.
 */
RESCL_API rescl_status rescl_weights_create_model(const rescl_weights *weights,
                                                  const rescl_model_options *options,
                                                  rescl_load_mode mode, rescl_match_list **report,
                                                  rescl_model **out) RESCL_CHECK;

/** How rescl_model_export writes. Zeros are the usual. */
typedef struct rescl_export_options {
    size_t struct_size; /**< sizeof this struct: see status.h */
    const char *format; /**< of rescl_weights_formats(); NULL: by the ending of the
                             file's name, else the first of them */
    const char *names;  /**< "rescl", "torchvision", "timm", "keras", "keras1", if the format has
                             them; NULL: those usual in the format */
    const char *dtype;  /**< "f32", "f16", "bf16", if the format has it; NULL: f32 */
    bool no_top;        /**< leave the last layer out */
} rescl_export_options;

RESCL_API void rescl_export_options_init(rescl_export_options *out, size_t struct_size);
static inline void rescl_export_options_default(rescl_export_options *out)
{
    rescl_export_options_init(out, sizeof *out);
}

/**
 * Writes a model's weights in a library's form, whole or not at all, with what rescl_weights_open
 * needs to know of the model. The name of the file has the format's ending or none (RESCL_ERR_ARG).
 * Batch normalisation's epsilon goes with the names: 1e-5 torchvision, 1.001e-5 keras, 1e-3 keras1;
 * where the model's is another, the running variances are shifted by the difference, so that the
 * library computes the same. With the same epsilon and f32 the values are the model's, bit for bit.
 * RESCL_ERR_ARG when a value does not fit the type.
 */
RESCL_API rescl_status rescl_model_export(const rescl_model *model, const char *path,
                                          const rescl_export_options *options) RESCL_CHECK;

/** Whether the library has the model itself, so that its own loads what is written with its names:
 * torchvision has a "resnet50" and no "resnet20". `names` as in rescl_export_options. */
RESCL_API bool rescl_model_in_library(const rescl_model *model, const char *names);

#ifdef __cplusplus
}
#endif
#endif
