/* Models to and from checkpoints. */
#ifndef RS_MODELFILE_H
#define RS_MODELFILE_H

#include "checkpoint.h"
#include "netmodel.h"

/* What a checkpoint says of this model. Borrows its strings. */
rs_ckpt_model rs_model_describe(const rescl_model *model);

#endif
