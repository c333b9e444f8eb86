/* What predict.c and saliency.c share. */
#ifndef RS_PREDICTOR_H
#define RS_PREDICTOR_H

#include "loader.h"
#include "netmodel.h"
#include "replica.h"

#include <rescl/train.h>

struct rescl_predictor {
    const rescl_model *model;
    rs_replica *replica;
    size_t batch, values; /* values: of one image */
    uint8_t *pixels;
    int32_t *labels; /* zeros: the loss is computed and not used */
    size_t count;    /* images of the last forward */
};

/* Class probabilities of the first `count` inputs in p->pixels, preprocessed as the model's are. */
rescl_status rs_predictor_forward(rescl_predictor *p, size_t count, float *probs) RESCL_CHECK;

#endif
