/* What the loss of each class counts, and which images an epoch takes: for classes that are uneven. */
#ifndef RS_CLASSWEIGHTS_H
#define RS_CLASSWEIGHTS_H

#include "dataset.h"
#include "netmodel.h"

#include <jansson.h>

/* The choices of the option "sampler": the first takes each image once. */
const char *const *rs_sampler_names(void);

/* A number for each class of the model, on the heap; NULL where `text` is. `label_map` takes the set's labels to
 * the model's (NULL: they are the same). "balanced": images / (classes with images * images of the class), as
 * scikit-learn's compute_class_weight has it, 1 for a class without images. RESCL_ERR_ARG for a name that is
 * no class, and a weight that is not a number from 0 on. */
rescl_status rs_class_weights(const char *text, const rescl_model *model, const rescl_dataset *set,
                              const int32_t *label_map, float **out) RESCL_CHECK;

/* A checkpoint keeps the numbers (NULL: none) beside the options, as a file that they were read from may change:
 * a run that goes on with others fails with RESCL_ERR_ARG, which names the class. Checkpoints without them
 * match. */
rescl_status rs_class_weights_keep(const float *weight, size_t classes, json_t *options)
    RESCL_CHECK;
rescl_status rs_class_weights_match(const json_t *options, const rescl_model *model,
                                    const float *weight, const char *path) RESCL_CHECK;

#endif
