/* LARS over the pieces of an arena's tensors (tensorsums.clh); src/op/optim_lars.c has the formula.
 * Kernels: optim_lars_norms, of which tensor_sums_join makes the squared norms of each tensor's values and
 * gradients, and optim_lars (velocity is null without momentum; adapt 0: nothing is read of the norms). */
#include "tensorsums.clh"

GROUP_KERNEL void optim_lars_norms(const global float *restrict param,
                                   const global float *restrict grad,
                                   const global uint4 *restrict pieces,
                                   global float2 *restrict partial)
{
    local float2 sums[WG];
    const uint4 piece = pieces[get_group_id(0)];
    vfloat ww = VZERO, gg = VZERO;
    FOR_PIECE(at, piece)
    {
        const vfloat w = gload(param + at), g = gload(grad + at);
        ww = fma(w, w, ww);
        gg = fma(g, g, gg);
    }
    piece_sums(ww, gg, sums, partial);
}

GROUP_KERNEL void optim_lars(global float *restrict param, const global float *restrict grad,
                             global float *restrict velocity, const global uint4 *restrict pieces,
                             const global float2 *restrict sum, float lr, float momentum,
                             float weight_decay, float trust_coeff, float eps, int adapt)
{
    const uint4 piece = pieces[get_group_id(0)];
    float trust = 1.0f;
    if (adapt) {
        const float2 norm = sqrt(sum[piece.z]);
        if (norm.x > 0.0f && norm.y > 0.0f)
            trust = trust_coeff * norm.x / (norm.y + norm.x * weight_decay + eps);
    }
    FOR_PIECE(at, piece)
    {
        const vfloat w = gload(param + at);
        vfloat g = fma((vfloat)(weight_decay), w, gload(grad + at)) * trust;
        if (velocity) {
            g = fma((vfloat)(momentum), gload(velocity + at), g);
            gstore(g, velocity + at);
        }
        gstore(fma((vfloat)(-lr), g, w), param + at);
    }
}
