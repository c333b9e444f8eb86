/* Models to and from checkpoints. */
#ifndef RS_MODELFILE_H
#define RS_MODELFILE_H

#include "checkpoint.h"
#include "netmodel.h"

/* Takes what belongs to the weights of a file: preprocessing (`normalize` where it reads that), and batch normalisation's epsilon
 * unless it is 0. */
void rs_model_take_over(rescl_model *model, rescl_preprocess preprocess,
                        const rescl_normalize *normalize, double bn_eps);

/* What a checkpoint says of this model. Borrows its strings. */
rs_ckpt_model rs_ckpt_model_of(const rescl_model *model);

#endif
