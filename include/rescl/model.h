/**
 * @file model.h
 * Networks: building one by name, describing it, loading and saving it.
 */
#ifndef RESCL_MODEL_H
#define RESCL_MODEL_H

#include <rescl/data.h>
#include <rescl/precision.h>
#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An architecture with its weights, on the host. */
typedef struct rescl_model rescl_model;

/** What training makes small. It is saved with the model. */
typedef enum rescl_loss {
    RESCL_LOSS_CROSS_ENTROPY = 0, /**< of the softmax of all classes */
    RESCL_LOSS_BCE =
        1, /**< binary cross-entropy of each class's sigmoid, their mean: timm's bce_loss */
    RESCL_LOSS_FOCAL = 2, /**< that of torchvision's sigmoid_focal_loss, their mean */
} rescl_loss;

/** "cross_entropy", "bce", "focal"; NULL for any other value. */
RESCL_API const char *rescl_loss_name(rescl_loss loss);

typedef struct rescl_model_options {
    size_t struct_size;             /**< sizeof this struct: see status.h */
    const char *name;               /**< one of rescl_model_names() */
    size_t classes;                 /**< 0: the model's usual number */
    size_t image_size;              /**< input height and width; 0: the model's usual size */
    size_t hidden;                  /**< units of a dense layer with ReLU before it; 0: none */
    double dropout;                 /**< before the last dense layer, [0, 1); 0: none */
    double label_smoothing;         /**< of the training loss, [0, 1) */
    uint64_t seed;                  /**< of the initial weights */
    const char *const *class_names; /**< `classes` names, copied; NULL: "0", "1", ... */
    rescl_loss loss;
    double
        bce_target_thresh; /**< of "bce": targets above it, of mixed images, become 1, others 0; between
                               * those that label smoothing makes of 0 and 1; 0: they stay shares */
    double focal_gamma; /**< of "focal", at least 0; rescl_model_options_init: 2 */
    double
        focal_alpha; /**< of "focal": weight of the class against the others, from 0 to 1; below 0:
                               * none; rescl_model_options_init: 0.25 */
    double
        stochastic_depth; /**< in training, how likely the last residual block passes over its branch
                              * for an image; those before it less, in proportion, the first never.
                              * [0, 1); 0: none does */
    size_t
        channels; /**< of the input: 3 for red, green and blue, 1 for grey images, 4 for red, green, blue
                            * and alpha, or whatever a fourth one is; 0: 3 */
    bool
        multi_label; /**< an image has any number of labels: each class is a question of its own, answered by
                      * its sigmoid. For losses "bce" and "focal", without label smoothing */
    size_t bit_depth; /**< of the samples of images, 8 or 16: see rescl_data_options; 0: 8 */
} rescl_model_options;

RESCL_API void rescl_model_options_init(rescl_model_options *out, size_t struct_size);
static inline void rescl_model_options_default(rescl_model_options *out)
{
    rescl_model_options_init(out, sizeof *out);
}

/** NULL-terminated. */
RESCL_API const char *const *rescl_model_names(void);
/** One line about a model; NULL if there is none of that name. */
RESCL_API const char *rescl_model_about(const char *name);

/** Builds and initialises. An unknown name's error suggests the nearest. */
RESCL_API rescl_status rescl_model_create(const rescl_model_options *options, rescl_model **out)
    RESCL_CHECK;
/** As rescl_model_create, without memory for weights: for what describes a model, compares a file
 * with it or freezes layers. What needs weights refuses it with RESCL_ERR_ARG. */
RESCL_API rescl_status rescl_model_describe(const rescl_model_options *options, rescl_model **out)
    RESCL_CHECK;
RESCL_API void rescl_model_destroy(rescl_model *model);

/** Which images a model was trained on. */
typedef struct rescl_trained_on {
    char fingerprint[RESCL_FINGERPRINT_BYTES]; /**< rescl_dataset_fingerprint; "": not known */
    double validation_split; /**< and seed: those of rescl_data_options; 0: nothing was held out */
    uint64_t seed;
    rescl_sketch sketch; /**< rescl_dataset_sketch; no hashes in files that do not have it */
} rescl_trained_on;

typedef struct rescl_model_info {
    const char *name;
    size_t classes, image_size, channels;
    size_t hidden;
    double dropout;
    size_t params;    /**< all values, running statistics included (as Keras counts) */
    size_t trainable; /**< of those, the ones that training changes by gradients */
    double macs;      /**< multiply-accumulates of one image's forward pass */
    size_t layers;
    rescl_preprocess preprocess;
    rescl_normalize normalize; /**< of "unit", "torch" and "normalize"; of "caffe" all 0. Of one
                                 * channel all are the same */
    rescl_resize
        resize; /**< of images to the input: bilinear with resize_size 0 in a new model, see
                          * rescl_weights_create_model for one of a file */
    rescl_trained_on trained_on; /**< it is saved with the model */
    size_t sample_bits; /**< rescl_data_options.sample_bits of the training set, saved with the
                         * model; 0: not known */
    rescl_loss loss;    /**< what training makes small, and what evaluations measure as the loss */
    double stochastic_depth; /**< as in rescl_model_options */
    bool multi_label;        /**< as in rescl_model_options; it is saved with the model */
    size_t bit_depth;        /**< as in rescl_model_options; it is saved with the model */
} rescl_model_info;

/**
 * Freezes layers: training leaves their parameters alone, and a frozen batch normalisation takes
 * its running statistics and leaves them alone too (as Keras' layer.trainable = False does).
 *
 * `patterns` is a list "stem,stage1,layer2.*": "stem", "stage1" to "stage4" (a ResNet's res2 or
 * layer1, and so on), "head", "body" (all but the head), or globs over the names of layers. NULL or
 * "" freezes nothing. What an earlier call froze is free again. `norm_eval`: every batch
 * normalisation takes its running statistics in training, though its gamma and beta are still
 * trained where they are not frozen (model.eval() of its layers in torch, training=False in Keras).
 *
 * RESCL_ERR_ARG when a pattern matches no layer with parameters (with the nearest name) or nothing
 * would be left to train. Then the model is as it was.
 */
RESCL_API rescl_status rescl_model_freeze(rescl_model *model, const char *patterns, bool norm_eval)
    RESCL_CHECK;

RESCL_API void rescl_model_get_info(const rescl_model *model, rescl_model_info *out);
/** For weights whose file implies it wrongly; it is saved with the model. */
RESCL_API void rescl_model_set_preprocess(rescl_model *model, rescl_preprocess preprocess);
/** RESCL_PREPROCESS_NORMALIZE with these numbers, copied; they are saved with the model. A network of one
 * channel takes the mean of the three, and so does a fourth channel whose std is 0. RESCL_ERR_ARG when one is out of range. */
RESCL_API rescl_status rescl_model_set_normalize(rescl_model *model,
                                                 const rescl_normalize *normalize) RESCL_CHECK;
RESCL_API const char *rescl_model_class_name(const rescl_model *model, size_t index);

/**
 * Takes the names of the classes from a file that names each of them: Keras'
 * imagenet_class_index.json ({"0": ["n01440764", "tench"], ...}) or such an object of plain names,
 * a JSON array of names, or a text with one name a line. On failure the names stay as they were.
 */
RESCL_API rescl_status rescl_model_read_class_names(rescl_model *model, const char *path)
    RESCL_CHECK;

/**
 * Says how images are resized and cropped to the input from now on, in training, evaluation and
 * prediction. It is saved with the weights.
 */
RESCL_API rescl_status rescl_model_set_resize(rescl_model *model, const rescl_resize *resize)
    RESCL_CHECK;

/**
 * What rescl_evaluate() and predictors that are made from now on average over: nothing in a new model.
 * No file keeps it, and training does not go by it. RESCL_ERR_ARG for ten crops of images that are
 * resized to the size of the input.
 */
RESCL_API rescl_status rescl_model_set_tta(rescl_model *model, rescl_tta tta) RESCL_CHECK;

/**
 * In which precision rescl_evaluate() and predictors that are made from now on compute: fp32 in a new
 * model. The weights stay as they are, and no file keeps it. Training goes by its own option.
 */
RESCL_API void rescl_model_set_precision(rescl_model *model, rescl_precision precision);

/**
 * Whether rescl_evaluate() and predictors that are made from now on look at all that each layer gives:
 * RESCL_ERR_DEVICE or RESCL_ERR_NUMERIC names the first number that is NaN or infinite, and what made it.
 * Slow; off in a new model. Training goes by its own option.
 */
RESCL_API void rescl_model_set_check_numerics(rescl_model *model, bool on);

/** A row of the summary. Strings are borrowed from the model. */
typedef struct rescl_layer_info {
    const char *name;
    const char *type;      /**< "Conv2D", "BatchNormalization", ... */
    size_t ndim, shape[4]; /**< output shape without the batch dimension */
    size_t params, trainable;
    double macs;
    size_t ninputs;
    const char *inputs[3]; /**< names of the layers it reads */
} rescl_layer_info;

/** False when `index` is past the last layer. Layer 0 is the input. */
RESCL_API bool rescl_model_get_layer_info(const rescl_model *model, size_t index,
                                          rescl_layer_info *out);

/**
 * A parameter, or a running statistic of a batch normalisation. The name, "<layer>.<role>", is
 * borrowed from the model. Values are floats, the last dimension's next to each other:
 *
 *     weight of a convolution   (rows, columns, channels in / groups, channels out), as Keras has it
 *     weight of a dense layer   (in, out)
 *     bias                      (out)
 *     a batch normalisation's weight (gamma), bias (beta), running_mean, running_var   (channels)
 */
typedef struct rescl_parameter_info {
    const char *name;
    size_t ndim, shape[4];
    size_t count;   /**< of values: the product of the shape */
    bool trainable; /**< false: a running statistic, or frozen by rescl_model_freeze */
} rescl_parameter_info;

RESCL_API size_t rescl_model_parameter_count(const rescl_model *model);
/** False when `index` is past the last one. */
RESCL_API bool rescl_model_get_parameter_info(const rescl_model *model, size_t index,
                                              rescl_parameter_info *out);
/**
 * Copies the `count` values of a parameter out of or into the model. While a trainer trains the
 * model, its own values are newer: see rescl_trainer_get_parameter. RESCL_ERR_NOT_FOUND, with the
 * nearest name, when there is no such parameter; RESCL_ERR_SHAPE when `count` is not its own.
 */
RESCL_API rescl_status rescl_model_get_parameter(const rescl_model *model, const char *name,
                                                 float *values, size_t count) RESCL_CHECK;
RESCL_API rescl_status rescl_model_set_parameter(rescl_model *model, const char *name,
                                                 const float *values, size_t count) RESCL_CHECK;

/** Writes weights and what is needed to use them (safetensors), whole or not at all. */
RESCL_API rescl_status rescl_model_save(const rescl_model *model, const char *path) RESCL_CHECK;
/** Writes the network for inference as ONNX (operator set 13), whole or not at all: "input" (N,
 * channels, size, size) -> "logits" (N, classes), N free, float; initialisers have torchvision's names and
 * layouts. metadata_props says how images are to be prepared. RESCL_ERR_ARG beyond 2 GiB. */
RESCL_API rescl_status rescl_model_export_onnx(const rescl_model *model, const char *path)
    RESCL_CHECK;
/** Reads a file that rescl wrote: model name, classes, size and class names come from it. For files
 * of other programs, and for those that hold more or less than the model, see weights.h. */
RESCL_API rescl_status rescl_model_load(const char *path, rescl_model **out) RESCL_CHECK;
/** Replaces the weights by those of a file, by name: RESCL_LOAD_STRICT of weights.h. */
RESCL_API rescl_status rescl_model_load_weights(rescl_model *model, const char *path) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
