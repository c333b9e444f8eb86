/* LAMB over the pieces of an arena's tensors (tensorsums.clh); src/op/optim_lamb.c has the formula.
 * Kernels: optim_lamb_moments, which moves both moments and leaves what tensor_sums_join makes the squared
 * norms of each tensor's values and of its step of; and optim_lamb, which makes the step again and goes it
 * (adapt 0: nothing is read of the norms). inv_bias1 = 1 / (1 - beta1^t), inv_bias2 = 1 / sqrt(1 - beta2^t). */
#include "tensorsums.clh"

RS_INLINE vfloat step_of(vfloat w, vfloat m, vfloat v, float inv_bias1, float inv_bias2, float eps,
                         float weight_decay)
{
    const vfloat d = fma(sqrt(v), (vfloat)(inv_bias2), (vfloat)(eps));
    return fma((vfloat)(weight_decay), w, m * inv_bias1 / d);
}

GROUP_KERNEL void optim_lamb_moments(const global float *restrict param,
                                     const global float *restrict grad, global float *restrict mean,
                                     global float *restrict square,
                                     const global uint4 *restrict pieces,
                                     global float2 *restrict partial, float gain1, float beta2,
                                     float gain2, float inv_bias1, float inv_bias2, float eps,
                                     float weight_decay)
{
    local float2 sums[WG];
    const uint4 piece = pieces[get_group_id(0)];
    vfloat ww = VZERO, rr = VZERO;
    FOR_PIECE(at, piece)
    {
        const vfloat w = gload(param + at), g = gload(grad + at), m0 = gload(mean + at);
        const vfloat m = fma((vfloat)(gain1), g - m0, m0);
        const vfloat v = fma(gain2 * g, g, beta2 * gload(square + at));
        gstore(m, mean + at);
        gstore(v, square + at);
        const vfloat r = step_of(w, m, v, inv_bias1, inv_bias2, eps, weight_decay);
        ww = fma(w, w, ww);
        rr = fma(r, r, rr);
    }
    piece_sums(ww, rr, sums, partial);
}

GROUP_KERNEL void optim_lamb(global float *restrict param, const global float *restrict mean,
                             const global float *restrict square,
                             const global uint4 *restrict pieces, const global float2 *restrict sum,
                             float lr, float inv_bias1, float inv_bias2, float eps,
                             float weight_decay, int adapt)
{
    const uint4 piece = pieces[get_group_id(0)];
    float trust = 1.0f;
    if (adapt) {
        const float2 norm = sqrt(sum[piece.z]);
        if (norm.x > 0.0f && norm.y > 0.0f)
            trust = norm.x / norm.y;
    }
    FOR_PIECE(at, piece)
    {
        const vfloat w = gload(param + at);
        const vfloat r = step_of(w, gload(mean + at), gload(square + at), inv_bias1, inv_bias2, eps,
                                 weight_decay);
        gstore(fma((vfloat)(-lr * trust), r, w), param + at);
    }
}
