/* What the tests of training share: a small network, drawn hands, runs, and comparing what they
 * leave. */
#ifndef RS_TRAIN_SUPPORT_H
#define RS_TRAIN_SUPPORT_H

#include <rescl/rescl.h>

/* 40 samples in batches of 16: two whole ones and a tail of 8. */
#define TEST_SAMPLES      40
#define TEST_EVAL_SAMPLES 20
#define TEST_BATCH        16
#define TEST_SIZE         16

/* RESCL_TEST_DEVICE, or PoCL, or any CPU; closed at exit. */
rescl_device *train_device(void);

rescl_dataset *train_hands(const char *split, size_t samples, uint64_t seed);
/* resnet8 with dropout for 6 classes. */
rescl_model *train_model(void);
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
/* "<dir>/<name>" in a buffer that the fourth next call reuses. */
const char *train_path(const char *dir, const char *name);

#endif
