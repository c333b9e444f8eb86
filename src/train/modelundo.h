/* What making a trainer changes in its model, taken back where that fails. */
#ifndef RS_MODELUNDO_H
#define RS_MODELUNDO_H

#include "netmodel.h"

typedef struct rs_model_undo {
    rescl_model *model;
    char **class_name;
    rescl_trained_on trained_on;
    size_t sample_bits;
    rescl_preprocess preprocess;
    rescl_normalize normalize;
    double bn_eps;
    rs_weights weights; /* that were the model's; none: they are still */
} rs_model_undo;

/* Takes note of a model as it is. {0} before, and after a failure. */
rescl_status rs_model_undo_begin(rescl_model *model, rs_model_undo *out) RESCL_CHECK;
/* Leaves the model as it is now, or with `undo` as it was. */
void rs_model_undo_end(rs_model_undo *u, bool undo);

#endif
