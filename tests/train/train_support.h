/* What the tests of training share: runs, and comparing what they leave. */
#ifndef RS_TRAIN_SUPPORT_H
#define RS_TRAIN_SUPPORT_H

#include "fixtures.h"

/* 40 samples in batches of 16: two whole ones and a tail of 8. */
#define TEST_SAMPLES      40
#define TEST_EVAL_SAMPLES 20
#define TEST_BATCH        16

/* 3 epochs of Adam into `dir` (NULL: nothing is written). */
rescl_train_options train_options(const char *dir);

/* Where a run is stopped. */
typedef enum train_stop { STOP_NEVER, STOP_AT_STEP, STOP_IN_EVAL } train_stop;

typedef struct train_run {
    rescl_train_options options;
    train_stop stop;
    uint64_t stop_step; /* after this step, or in the evaluation that follows it */
    bool no_eval;
    const char *freeze; /* see rescl_model_freeze */
    bool norm_eval;
    bool plain;          /* the model has no dropout */
    rescl_resize resize; /* of the model */
    /* What happened. */
    rescl_status status;
    size_t steps, epochs;
    double first_loss, last_loss;
    rescl_epoch_event last_epoch;
} train_run;

/* A whole run on a new model: create, run, destroy. */
void train_do(train_run *r);

/* Passes when every tensor of both checkpoints has the same bits. */
void train_same_tensors(const char *a, const char *b);
/* Passes when the CSV files have the same rows, but for times. */
void train_same_results(const char *a, const char *b);

#endif
