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
    size_t batch;
    rescl_tta tta;  /* the model's when this was made */
    size_t views;   /* inputs of an image: see rs_batch */
    float *scratch; /* of one image's probabilities */
    uint8_t *pixels;
    int32_t *labels; /* zeros: the loss is computed and not used */
    size_t count;    /* images of the last forward */
    bool ahead;      /* a batch was sent before its turn */
};

/* Sends the inputs of `count` images, which may be the first of p->pixels, preprocessed as the model's are. */
rescl_status rs_predictor_send(rescl_predictor *p, const uint8_t *pixels, size_t count) RESCL_CHECK;
/* Enqueues the forward pass of what was sent first. */
rescl_status rs_predictor_forward(rescl_predictor *p) RESCL_CHECK;
/* Its class probabilities, of the first `count`. */
rescl_status rs_predictor_settle(rescl_predictor *p, size_t count, float *probs) RESCL_CHECK;
/* A batch that was sent before its turn is not asked for. */
void rs_predictor_forget(rescl_predictor *p);

/* The map of one image, as high and wide as the graph's features: see rescl_predictor_saliency. */
rescl_status rs_grad_cam(const rs_graph *g, const rs_weights *w, const float *features,
                         size_t class_index, float *map) RESCL_CHECK;

#endif
