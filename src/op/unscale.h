/* Gradients of a scaled loss become those of the loss; src/nn/lossscale.h says why. */
#ifndef RS_UNSCALE_H
#define RS_UNSCALE_H

#include "cldevice.h"

rescl_status rs_unscale_kernel(rescl_device *dev, rs_kernel **out) RESCL_CHECK;
/* Enqueues on a kernel that rs_unscale_kernel gave: `count` floats, a multiple of RS_OPTIM_GRAIN, become
 * 1 / scale of what they were. `overflow`, a uint32_t, becomes 1 where one of them is not finite; else it
 * stays. */
rescl_status rs_unscale_enqueue(rescl_device *dev, rs_kernel *kernel, rs_buffer *grad,
                                rs_buffer *overflow, size_t count, double scale) RESCL_CHECK;

#endif
