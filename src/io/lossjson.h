/* The loss of a model in the JSON that describes it. */
#ifndef RS_LOSSJSON_H
#define RS_LOSSJSON_H

#include "checkpoint.h"

/* NULL for cross-entropy, which files need not say. */
json_t *rs_loss_json(const rs_ckpt_model *m);

/* Takes the member "loss" of a model, if there is one. */
rescl_status rs_loss_parse(const json_t *model, const char *path, rs_ckpt_model *m) RESCL_CHECK;

#endif
