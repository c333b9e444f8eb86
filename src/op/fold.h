/* Folding an inference batch normalisation into the convolution before it:
 *
 *     scale[k] = gamma[k] / sqrt(var[k] + eps)
 *     folded_weight[.., k] = weight[.., k] * scale[k]
 *     folded_bias[k] = (bias[k] - mean[k]) * scale[k] + beta[k]
 *
 * (Jacob et al., "Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference", 2018, section 3.2.) */
#ifndef RS_FOLD_H
#define RS_FOLD_H

#include "cldevice.h"

typedef struct rs_fold {
    size_t rows, channels; /* weight is rows x channels */
    float eps;
    rs_buffer *weight, *bias; /* bias NULL: zeros */
    rs_buffer *gamma, *beta, *mean, *var;
    rs_buffer *folded_weight, *folded_bias;
} rs_fold;

/* Enqueues on a kernel that rs_fold_kernel gave. */
rescl_status rs_fold_enqueue(rescl_device *dev, rs_kernel *kernel, const rs_fold *f) RESCL_CHECK;
rescl_status rs_fold_kernel(rescl_device *dev, rs_kernel **out) RESCL_CHECK;

#endif
