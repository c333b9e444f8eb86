/* Attributes of the operations, as a model's builder fills them. Each op's file has its formula. */
#ifndef RS_ATTR_H
#define RS_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* src 0 (n,h,w,c) -> dst (n,h',w',k). param 0: weight (r,s,c/groups,k); param 1: bias (k), if
 * `bias`. With groups, channels of src and dst fall into that many equal runs, and each run of dst
 * reads its run of src alone.
 * The epilogue of inference: dst = [relu](convolution + bias [+ src 1]), src 1 shaped as dst. */
typedef struct rs_conv2d_attr {
    size_t filters;            /* k */
    size_t kernel_h, kernel_w; /* r, s */
    size_t stride_h, stride_w;
    size_t pad_top, pad_bottom, pad_left, pad_right; /* zeros */
    size_t groups;                                   /* 0: 1 */
    bool bias;
    bool relu; /* not when training */
} rs_conv2d_attr;

/* src (n, in) or (n,h,w,c), flattened -> dst (n, out). param 0: weight (in, out); 1: bias (out). */
typedef struct rs_dense_attr {
    size_t units;
    bool bias;
} rs_dense_attr;

/* src 0 (n,h,w,c), src 1 optional residual of the same shape:
 * dst = [relu](gamma * (src0 - mean) / sqrt(var + eps) + beta [+ src1]).
 * param 0: weight (gamma), 1: bias (beta); state 0: running_mean, 1: running_var;
 * ws 0: batch mean, ws 1: 1 / sqrt(batch variance + eps).
 * running = momentum * running + (1 - momentum) * batch: Keras' sense of momentum, torch's is
 * 1 - it. */
typedef struct rs_batchnorm_attr {
    float eps, momentum;
    bool relu; /* fused activation */
    /* The running variance takes n / (n - 1) of the batch's, as torch and fused Keras do. */
    bool unbiased_running;
    /* Training too takes the running statistics, and leaves them as they are; there is no ws. */
    bool frozen;
    /* Unless it is frozen, training takes the statistics of all replicas' parts of the batch, where
     * rs_args.meeting brings them together; else its own. */
    bool synced;
} rs_batchnorm_attr;

/* Padding excluded from the average when `count_pad` is false. Windows never start in padding
 * beyond the end; ceil_mode rounds the output size up (torch's). Max pooling pads with -infinity,
 * or with zeros where `zero_pad` (Keras' ZeroPadding2D before the pool). */
typedef struct rs_pool_attr {
    size_t kernel_h, kernel_w;
    size_t stride_h, stride_w;
    size_t pad_top, pad_bottom, pad_left, pad_right;
    bool ceil_mode;
    bool zero_pad;  /* maxpool only */
    bool count_pad; /* avgpool only */
    bool global;    /* avgpool only: one window over the whole map, dst (n, c) */
} rs_pool_attr;

/* The shortcut of a residual block without parameters (option A of He et al. 2015, section 4.2):
 * src (n,h,w,c) -> dst (n,ceil(h/stride),ceil(w/stride),channels), every stride-th pixel of every
 * stride-th row, with zeros in the channels that src lacks: half of them, rounded down, before its
 * own, the rest after. */
typedef struct rs_shortcut_attr {
    size_t stride;
    size_t channels; /* at least c */
} rs_shortcut_attr;

/* dst = src * mask / (1 - rate), mask by Philox from (seed, stream, step); identity when not
 * training. */
typedef struct rs_dropout_attr {
    float rate;      /* [0, 1) */
    uint64_t stream; /* distinct for each layer */
    bool rows;       /* whole samples are kept or dropped: stochastic depth */
} rs_dropout_attr;

#define RS_TARGET_WORDS 4

/* src 0: logits (n, classes), src 1: labels (n) i32, or targets (n, RS_TARGET_WORDS) i32, a row of which
 * is a label, another one, the other one's share in units of 1 / RS_MIXED_ONE, and the bits of a float by
 * which the row's loss and gradient are multiplied. dst (n): each
 * sample's cross-entropy -log softmax(logits)[label], with label smoothing as torch defines it, or the
 * mean of both labels' by their shares. src 2, optional: what each class counts (classes), as torch's `weight`. A label below 0 or from `classes` on gives NaN. ws 0: probabilities (n, classes). diff_src 0 = (p - target) * diff_dst,
 * where diff_dst is (n): 1/n for the mean. In inference ws is absent. */
typedef struct rs_softmax_xent_attr {
    float label_smoothing;
} rs_softmax_xent_attr;

/* The same sources. dst (n): the mean over the classes of each sample's binary cross-entropy with targets t
 * in [0, 1]: 1 at the label, its share where there are two, 0 elsewhere, smoothed as above. With `rows` src 1
 * is (n, classes) i32: each target in units of 1 / RS_MIXED_ONE, which are not smoothed. */
typedef struct rs_sigmoid_bce_attr {
    float label_smoothing;
    float threshold; /* above 0: a target above it becomes 1, another one 0 */
    float gamma; /* of focal loss: each class's term is multiplied by (1 - p_t)^gamma; 0: by 1 */
    float alpha; /* and by alpha where the target is 1, 1 - alpha where it is 0; below 0: by 1 */
    bool rows;   /* an image has any number of labels */
} rs_sigmoid_bce_attr;

/* src 0: logits (n, classes), src 1: a teacher's (n, classes), src 2: losses (n) -> dst (n): 1 - alpha of the
 * losses and alpha of what the logits differ by from the teacher's. ws 0 (n, classes). In inference the losses
 * alone, which have no need of a teacher. */
typedef struct rs_distillation_attr {
    float alpha; /* [0, 1] */
    float tau;   /* the temperature, above 0; of soft targets */
    bool hard;   /* the teacher's class is a label */
} rs_distillation_attr;

#endif
