/* Folds an inference normalisation into the parameters of the convolution before it; src/op/fold.h
 * has the formula. Item (q, row): one weight; row 0 also does the bias of channel q. `bias` may be
 * NULL. */
#include "common.clh"

__kernel void
fold_batchnorm(const __global float *restrict weight, const __global float *restrict bias,
               const __global float *restrict gamma, const __global float *restrict beta,
               const __global float *restrict mean, const __global float *restrict var, float eps,
               __global float *restrict folded_weight, __global float *restrict folded_bias, uint k)
{
    const uint q = get_global_id(0), row = get_global_id(1);
    if (q >= k)
        return;
    const float scale = gamma[q] / sqrt(var[q] + eps);
    folded_weight[(size_t)row * k + q] = weight[(size_t)row * k + q] * scale;
    if (row == 0)
        folded_bias[q] = ((bias ? bias[q] : 0.0f) - mean[q]) * scale + beta[q];
}
