/* Folds an inference normalisation into the parameters of the convolution before it; src/op/fold.h
 * has the formula. An item takes one weight, channels first; those of row 0 take the bias of their
 * channel too. `bias` may be NULL. */
#include "common.clh"

__kernel void
fold_batchnorm(const __global float *restrict weight, const __global float *restrict bias,
               const __global float *restrict gamma, const __global float *restrict beta,
               const __global float *restrict mean, const __global float *restrict var, float eps,
               __global float *restrict folded_weight, __global float *restrict folded_bias,
               uint rows, uint k, DIVISOR_PARAM(k))
{
    const uint item = get_global_id(0), row = QUOTIENT(item, k), q = item - row * k;
    if (row >= rows)
        return;
    const float scale = gamma[q] / sqrt(var[q] + eps);
    folded_weight[item] = weight[item] * scale;
    if (row == 0)
        folded_bias[q] = ((bias ? bias[q] : 0.0f) - mean[q]) * scale + beta[q];
}
