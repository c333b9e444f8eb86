/* Knowledge distillation; src/op/distillation.c has the formulas.
 *
 * A row belongs to a team of LANES work-items, one where SPREAD is 0, else a group, which sums by a tree.
 * Kernels: distillation_fwd (slope null in inference, where dst is the losses), distillation_bwd_data
 * (diff_dst null: loss_diff for each row; flags: two bits for each src, wanted and to be added). */
#include "target.clh"

SPREAD_KERNEL void distillation_fwd(const global float *restrict logits,
                                    const global float *restrict teacher,
                                    const global float *restrict losses, global float *restrict dst,
                                    global float *restrict slope, uint rows, uint classes,
                                    uint chunk, float alpha, float tau, int hard)
{
#if SPREAD
    local float part[WG];
#endif
    const float inverse = 1.0f / tau;
    FOR_ROWS(row, rows, chunk)
    {
        if (!slope) {
            if (LANE == 0)
                dst[row] = losses[row];
            continue;
        }
        const global float *x = logits + row * classes, *y = teacher + row * classes;
        global float *s = slope + row * classes;
        float most_x = -INFINITY, most_y = -INFINITY, sum_x = 0.0f, sum_y = 0.0f;
        for (uint k = LANE; k < classes; k += LANES) {
            most_x = fmax(most_x, x[k]);
            most_y = fmax(most_y, y[k]);
        }
        TEAM(most_x, JOIN_MAX);
        TEAM(most_y, JOIN_MAX);

        /* The teacher's class as a number below 0, so that the first one is the largest. */
        float label = -INFINITY;
        for (uint k = LANE; k < classes; k += LANES) {
            sum_x += exp((x[k] - most_x) * inverse);
            sum_y += exp((y[k] - most_y) * inverse);
            if (y[k] >= most_y)
                label = fmax(label, -(float)k);
        }
        TEAM(sum_x, JOIN_SUM);
        TEAM(sum_y, JOIN_SUM);
        TEAM(label, JOIN_MAX);

        const float log_x = log(sum_x), log_y = log(sum_y);
        float sum = 0.0f;
        for (uint k = LANE; k < classes; k += LANES) {
            const float zx = (x[k] - most_x) * inverse - log_x;
            const float zy = (y[k] - most_y) * inverse - log_y;
            const bool own = (float)k == -label;
            const float wanted = hard ? (own ? 1.0f : 0.0f) : exp(zy);
            if (hard)
                sum -= own ? zx : 0.0f;
            else if (wanted > 0.0f)
                sum += wanted * (zy - zx);
            s[k] = tau * (exp(zx) - wanted);
        }
        TEAM(sum, JOIN_SUM);
        if (LANE == 0)
            dst[row] = (1.0f - alpha) * losses[row] + alpha * tau * tau * sum;
    }
}

SPREAD_KERNEL void
distillation_bwd_data(const global float *restrict slope, const global float *restrict diff_dst,
                      global float *restrict diff_logits, global float *restrict diff_losses,
                      uint rows, uint classes, uint chunk, float alpha, uint flags, float loss_diff)
{
    FOR_ROWS(row, rows, chunk)
    {
        const float own = diff_dst ? diff_dst[row] : loss_diff;
        const float scale = alpha * own;
        if (flags & 1) {
            const global float *s = slope + row * classes;
            global float *d = diff_logits + row * classes;
            for (uint k = LANE * VW; k < classes; k += LANES * VW) {
                const uint n = min((uint)VW, classes - k);
                put_part(load_part(s + k, n) * scale, d + k, n, flags >> 1 & 1);
            }
        }
        if ((flags >> 4 & 1) && LANE == 0)
            diff_losses[row] = (flags >> 5 & 1 ? diff_losses[row] : 0.0f) + (1.0f - alpha) * own;
    }
}
