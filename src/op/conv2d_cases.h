/* Attributes of convolutions as cases and tests write them. */
#ifndef RS_CONV2D_CASES_H
#define RS_CONV2D_CASES_H

#include "attr.h"

/* `k` filters of f x f, the same padding on all sides. */
#define ATTR(k, f, step, pad, with_bias)                                                           \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = (f), .kernel_w = (f), .stride_h = (step), .stride_w = (step),  \
        .pad_top = (pad), .pad_bottom = (pad), .pad_left = (pad), .pad_right = (pad),              \
        .bias = (with_bias)                                                                        \
    }
#define PLAIN(k, f, step, pad) ATTR(k, f, step, pad, false)
#define BIAS(k, f, step, pad)  ATTR(k, f, step, pad, true)

/* The epilogue of inference. */
#define EPILOGUE(k, f, step, pad)                                                                  \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = (f), .kernel_w = (f), .stride_h = (step), .stride_w = (step),  \
        .pad_top = (pad), .pad_bottom = (pad), .pad_left = (pad), .pad_right = (pad),              \
        .bias = true, .relu = true                                                                 \
    }

/* A 3x3 in groups. */
#define GROUPS(count, k, step, with_bias)                                                          \
    &(const rs_conv2d_attr)                                                                        \
    {                                                                                              \
        .filters = (k), .kernel_h = 3, .kernel_w = 3, .stride_h = (step), .stride_w = (step),      \
        .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1, .groups = (count),           \
        .bias = (with_bias)                                                                        \
    }

#endif
