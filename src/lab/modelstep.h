/* Whole steps of a model, as training and inference take them. */
#ifndef RS_MODELSTEP_H
#define RS_MODELSTEP_H

#include "feed.h"
#include "lossscale.h"
#include "netmodel.h"
#include "replica.h"

#include <rescl/bench.h>

/* What the host does in a step. */
typedef enum rs_step_part {
    RS_PART_DATA = 0, /* waits for a batch of a dataset */
    RS_PART_RECEIVE,  /* the batch that went up becomes the input */
    RS_PART_FORWARD,
    RS_PART_BACKWARD, /* and the update */
    RS_PART_SEND,     /* the next batch begins to go up */
    RS_PART_SETTLE,   /* waits for what forward gave */
    RS_PART_FINISH,   /* waits until the device is idle */
    RS_STEP_PARTS
} rs_step_part;

typedef struct rs_model_steps {
    const rescl_bench_options *o; /* of which model, size, batch, classes, train, opt, precision and
                                   * host_input count */
    rescl_device *dev;
    rs_feed *feed; /* each step takes a batch of it; borrowed. NULL: synthetic input */
    rescl_model *model;
    rs_replica *replica;
    rs_net *net;
    uint8_t *pixels;
    int32_t *labels;
    float table[RS_PIXEL_CHANNELS][256];
    uint64_t step; /* steps that were made */
    rescl_precision precision;
    rs_loss_scale scale;              /* of fp16 */
    uint64_t mark[RS_STEP_PARTS + 1]; /* rs_clock_ns at the ends of the parts of the last step; the
                                       * first is its beginning */
} rs_model_steps;

/* `s` has o and dev, and may have a feed. Closing is legal after a failure, too. */
rescl_status rs_model_steps_open(rs_model_steps *s) RESCL_CHECK;
void rs_model_steps_close(rs_model_steps *s);

/* One step, until the device is idle. */
rescl_status rs_model_step(rs_model_steps *s) RESCL_CHECK;

/* Enqueues what a training step does after its forward: backward and an update that changes next to
 * nothing; in fp16 that waits until it is known that no gradient overflowed, as in a run. `count` is how
 * many steps were made before. */
rescl_status rs_train_step(rs_store *store, rs_net *net, rescl_precision precision,
                           rs_loss_scale *scale, uint64_t count) RESCL_CHECK;

/* RESCL_ERR_NUMERIC if the losses of the last step are not finite: such steps say nothing of a device's
 * speed. Loads the weights of the first step then. */
rescl_status rs_model_steps_check(rs_model_steps *s) RESCL_CHECK;

#endif
