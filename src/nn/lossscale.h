/* Training in fp16: its smallest number is 6e-8, and many gradients are below. A loss that is scaled
 * has gradients that are as much larger; before the update they are divided by the same number, in
 * f32. The number follows what the gradients bear, with the rule and the numbers of
 * torch.amp.GradScaler: an update by gradients of which one is not finite is left out and the scale
 * halved; after 2000 updates in a row it is doubled.
 *
 * A step whose update is left out has moved the running statistics of normalisations like any other,
 * and nothing else. */
#ifndef RS_LOSSSCALE_H
#define RS_LOSSSCALE_H

#include "net.h"

#define RS_LOSS_SCALE_FIRST 65536.0
#define RS_LOSS_SCALE_LEAST 1.0     /* what is not finite with less is not the scale's fault */
#define RS_LOSS_SCALE_MOST  0x1p100 /* where all gradients are 0 it would double without end */
#define RS_LOSS_SCALE_STEPS 2000

typedef struct rs_loss_scale {
    double scale;     /* of the next step; 0: the loss is not scaled */
    uint64_t good;    /* updates since the scale changed, or one was left out */
    uint64_t skipped; /* updates that were left out */
} rs_loss_scale;

/* After a step's gradients. False where the scale is at its least and they are not finite: then it
 * stays as it is. */
bool rs_loss_scale_next(rs_loss_scale *s, bool finite);

/* Takes what the two below need, for a store that trains. */
rescl_status rs_store_prepare_unscale(rs_store *s) RESCL_CHECK;
/* Enqueues: divides the gradients by the scale that they were made with. */
rescl_status rs_store_unscale(rs_store *s, double scale) RESCL_CHECK;
/* Waits for that, and gives the next step's scale: *good, the gradients were finite and the update is
 * to be made. RESCL_ERR_NUMERIC where they are not at the least scale. */
rescl_status rs_store_judge(rs_store *s, rs_loss_scale *scale, bool *good) RESCL_CHECK;

#endif
