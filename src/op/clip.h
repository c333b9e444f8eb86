/* Clipping of gradients, as torch.nn.utils has it:
 *
 *     clip_grad_norm_     g *= min(norm / (||all g|| + 1e-6), 1)
 *     clip_grad_value_    g = min(max(g, -value), value)
 *
 * What is not finite is not hidden: by value NaN stays; by norm an infinity becomes NaN and other numbers 0,
 * and NaN makes NaN of all. */
#ifndef RS_CLIP_H
#define RS_CLIP_H

#include "cldevice.h"

typedef struct rs_clip rs_clip;

/* One of `norm` and `value` is above 0. `count[i]` floats of each of the arenas, multiples of RS_OPTIM_GRAIN. */
rescl_status rs_clip_create(rescl_device *dev, double norm, double value, const size_t *count,
                            size_t arenas, rs_clip **out) RESCL_CHECK;
void rs_clip_destroy(rs_clip *c);
/* Enqueues: clips what lies in the arenas, all of them together. */
rescl_status rs_clip_enqueue(rs_clip *c, rs_buffer *const *grad) RESCL_CHECK;

/* What rs_support_clip calls the ways: "norm", "value". */
const char *rs_clip_choice(double norm);

#endif
