/* Random changes of whole batches: images mixed with each other, and their labels in the same shares. */
#ifndef RS_MIX_H
#define RS_MIX_H

#include "augment.h"
#include "cut.h"

/* Each image becomes 1 - share of itself and `share` of the other one, rounded to bytes. */
rescl_status rs_mix_blend(const rs_mix_batch *b, double share) RESCL_CHECK;
/* The box is taken from the other one. */
rescl_status rs_mix_paste(const rs_mix_batch *b, const rs_rect *box) RESCL_CHECK;
/* CutMix's box about (x, y), whose area is `share` of the image where it lies within. */
rs_rect rs_mix_box(size_t height, size_t width, size_t y, size_t x, double share);

/* Beta(alpha, alpha), 0 to 1. */
double rs_mix_beta(rs_rng *rng, double alpha);

/* Changes batch `index` of an epoch by one of those augmentations that are of the stage
 * RS_AUGMENT_BATCH and on, each as likely. *share is that of the other image, of all; 0 where nothing
 * was changed. */
rescl_status rs_mix_augment(const rs_mix_batch *b, const rs_augment *a, uint64_t seed,
                            uint64_t epoch, uint64_t index, double *share) RESCL_CHECK;

#endif
