/* The mean over the inputs of each image: test-time augmentation. */
#ifndef RS_VIEWMEAN_H
#define RS_VIEWMEAN_H

#include "team.h"

#include <rescl/model.h>

/* Class probabilities (n, classes), by the loss as in rs_class_probs, of logits (views, n, classes). `scratch`
 * holds `classes` numbers. */
void rs_view_mean(rescl_loss loss, const float *logits, size_t views, size_t n, size_t classes,
                  float *scratch, float *probs);

/* Room for what a batch comes to; {0} for inputs that are images of their own. */
typedef struct rs_view_outputs {
    double label_smoothing; /* of the loss */
    rescl_loss loss;
    float *logits, *losses, *scratch;
} rs_view_outputs;

rescl_status rs_view_outputs_init(rs_view_outputs *v, size_t batch, const rescl_model *model)
    RESCL_CHECK;
void rs_view_outputs_fini(rs_view_outputs *v);
/* From the outputs of a batch's inputs to those of its images: logits that give the mean probabilities, and
 * the loss of that; of other losses than cross-entropy their mean. */
void rs_view_outputs_take(rs_view_outputs *v, const rs_batch *batch, rs_outputs *o);

#endif
