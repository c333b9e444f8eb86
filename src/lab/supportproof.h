/* The kernels of op/support.h, held against the host: memory around the tensors and inputs untouched, results
 * as of the reference in double. RESCL_ERR_NUMERIC, naming what is wrong; else what running it fails with. */
#ifndef RS_SUPPORTPROOF_H
#define RS_SUPPORTPROOF_H

#include "arena.h"
#include "checks.h"
#include "clip.h"
#include "optim.h"

rescl_status rs_prove_support(rescl_device *dev, const rs_check *c) RESCL_CHECK;

/* What it proves, one by one. */

/* Several updates of `count` parameters, a multiple of RS_OPTIM_GRAIN, each by other gradients. */
rescl_status rs_prove_optimiser(rescl_device *dev, const rs_optim_hyper *h, double lr,
                                double weight_decay, size_t count) RESCL_CHECK;
rescl_status rs_prove_fold(rescl_device *dev, bool with_bias) RESCL_CHECK;
/* n images of height x width, with targets of mixed labels; `choice`: rs_normalize_choice. */
rescl_status rs_prove_normalize(rescl_device *dev, rs_dtype type, const char *choice, size_t n,
                                size_t height, size_t width) RESCL_CHECK;
/* `infinite`: one of the gradients, which has to be found. */
rescl_status rs_prove_unscale(rescl_device *dev, size_t count, bool infinite) RESCL_CHECK;
/* `count` gradients and 48 in another arena, by norm or by value (the other is 0); `huge`: one of them is. */
rescl_status rs_prove_clip(rescl_device *dev, double norm, double value, size_t count, bool huge)
    RESCL_CHECK;
rescl_status rs_prove_arena(rescl_device *dev, rs_arena_op op, size_t count) RESCL_CHECK;

#endif
