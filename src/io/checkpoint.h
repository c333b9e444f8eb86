/* Checkpoints: a model's weights, and what a training run needs to go on, in one safetensors file.
 * docs/checkpoint.md describes the format. */
#ifndef RS_CHECKPOINT_H
#define RS_CHECKPOINT_H

#include "lossscale.h"
#include "safetensors.h"

#include <jansson.h>
#include <rescl/model.h>

/* What a model needs besides its weights. */
typedef struct rs_ckpt_model {
    const char *name;
    size_t classes, image_size, hidden;
    size_t channels;  /* of the input; 0: 3 */
    size_t bit_depth; /* of images; 0: 8 */
    double dropout, label_smoothing;
    rescl_loss loss;
    bool multi_label;
    double bce_target_thresh, focal_gamma, focal_alpha; /* of rescl_model_options */
    double stochastic_depth;                            /* 0 in files that do not say */
    double bn_eps; /* of its batch normalisations; 0: the model's usual */
    uint64_t seed;
    rescl_preprocess preprocess;
    rescl_normalize normalize;     /* of RESCL_PREPROCESS_NORMALIZE */
    rescl_resize resize;           /* zeros in files that do not say */
    const char *const *class_name; /* `classes` of them */
    const char *frozen;            /* how it was trained: see rescl_model_freeze; "" or NULL:
                                    * nothing; read: never NULL */
    bool norm_eval;
    rescl_trained_on trained_on;
    size_t sample_bits; /* of the training set; 0 in files that do not say */
} rs_ckpt_model;

/* Where the description stands in files that are of another library's form. */
#define RS_MODEL_KEY "rescl_model"

/* A description as files hold it: JSON. */
typedef struct rs_ckpt_doc {
    json_t *json; /* owns the strings of the model; NULL: there is none */
    const char **class_name;
    rs_ckpt_model model;
} rs_ckpt_doc;

rescl_status rs_ckpt_model_text(const rs_ckpt_model *m, char **out) RESCL_CHECK;
/* `path` is the file that it came from, `out` is {0}. */
rescl_status rs_ckpt_model_parse(const char *text, const char *path, rs_ckpt_doc *out) RESCL_CHECK;
void rs_ckpt_doc_fini(rs_ckpt_doc *doc);

#define RS_CKPT_SCHEDULE 4

/* What early stopping has seen. */
typedef struct rs_ckpt_stopping {
    bool seen;       /* an epoch; then the rest counts */
    double best;     /* the monitored number, the smaller the better */
    uint64_t waited; /* epochs since then that were measured */
} rs_ckpt_stopping;

#define RS_CKPT_TEAM 64

/* How batches are shared out among the devices that were given: 0: one of them has none. */
typedef struct rs_ckpt_team {
    size_t count; /* of devices; 0: one */
    uint64_t share[RS_CKPT_TEAM];
    char devices[33]; /* a hash of their names; "": it is not known */
} rs_ckpt_team;

/* Where a run stands. Sums are those of the epoch that is under way. */
typedef struct rs_ckpt_progress {
    uint64_t epoch;               /* counts from 0 */
    uint64_t batch;               /* batches done of it */
    uint64_t step;                /* steps done in all */
    uint64_t samples, top1, top5; /* seen, and how many of them were right */
    double loss_sum, seconds, data_wait;
    double time;                 /* seconds of training so far, all epochs */
    bool has_best, best_by_eval; /* whether best_* are of an evaluation or of the training set */
    uint64_t best_epoch;
    double best_top1, best_loss;
    double best_map;   /* of several labels, else 0 */
    double best_value; /* of what is monitored, the smaller the better */
    rs_ckpt_stopping stopping;
    bool lr_is_given;
    double given_lr; /* the rate that the caller's function gave to the epoch before */
    double schedule[RS_CKPT_SCHEDULE]; /* what the learning-rate schedule keeps; 0 if nothing */
    rs_loss_scale scale;               /* of fp16; zeros: the loss is not scaled */
    rs_ckpt_team team;
} rs_ckpt_progress;

/* Which samples it was trained on. */
typedef struct rs_ckpt_data {
    const char *name;
    uint64_t count;
    const char *fingerprint; /* of the content; see docs/checkpoint.md */
    uint64_t eval_count;     /* and of what measures; 0 and NULL or "": nothing, or not known */
    const char *eval_fingerprint;
} rs_ckpt_data;

typedef struct rs_ckpt_training {
    rs_ckpt_progress progress;
    rs_ckpt_data data;
    int nstates; /* optimiser state arrays; entries of parameters that are not trained are left out
                  */
    const char *const *state_name;
    const rs_weights *state;
    const rs_weights
        *sum; /* gradients of an update that is not whole yet; trained parameters; or NULL */
    const rs_weights *average; /* the moving average of all parameters and statistics, or NULL */
    const json_t *options;     /* an object, by name */
    const char *plan;          /* rs_net_fingerprint of the nets that train */
    unsigned units, width; /* the device's compute units and vector width, which sums' order depends
                            * on; 0: not known */
} rs_ckpt_training;

/* Writes a file, whole or not at all. `training` may be NULL: weights only. */
rescl_status rs_checkpoint_write(const char *path, const rs_graph *g, const rs_weights *w,
                                 const rs_ckpt_model *model, const rs_ckpt_training *training)
    RESCL_CHECK;

typedef struct rs_checkpoint rs_checkpoint;

/* Reads and checks the header; values are read by the calls below. Any safetensors file opens; that
 * it is rescl's own shows in rs_checkpoint_of_rescl, and only then does it say anything below. */
rescl_status rs_checkpoint_open(const char *path, rs_checkpoint **out) RESCL_CHECK;
void rs_checkpoint_close(rs_checkpoint *c);
const char *rs_checkpoint_path(const rs_checkpoint *c);

bool rs_checkpoint_of_rescl(const rs_checkpoint *c);
const rs_st_file *rs_checkpoint_tensors(const rs_checkpoint *c);
/* Whether a tensor of that name is the optimiser's. */
bool rs_checkpoint_is_state(const char *name);

/* NULL when the file does not say. Borrowed. */
const rs_ckpt_model *rs_checkpoint_model(const rs_checkpoint *c);
const rs_ckpt_progress *rs_checkpoint_progress(const rs_checkpoint *c);
const rs_ckpt_data *rs_checkpoint_data(const rs_checkpoint *c);
const char *rs_checkpoint_plan(const rs_checkpoint *c);
/* False when the file does not say. */
bool rs_checkpoint_device(const rs_checkpoint *c, unsigned *units, unsigned *width);
const json_t *rs_checkpoint_options(const rs_checkpoint *c);

/* Whether the file holds exactly the graph's parameters, by the header alone. RESCL_ERR_NOT_FOUND
 * when a tensor of the graph is missing, RESCL_ERR_SHAPE when one has another shape,
 * RESCL_ERR_FORMAT when one is not F32 or is none of the graph's. */
rescl_status rs_checkpoint_fits(const rs_checkpoint *c, const rs_graph *g) RESCL_CHECK;
/* Fills `w` (made for `g`) by name, after rs_checkpoint_fits: nothing is written when the file does
 * not fit. */
rescl_status rs_checkpoint_read_weights(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
    RESCL_CHECK;
/* The optimiser state `name`, trainable parameters only. */
rescl_status rs_checkpoint_read_state(const rs_checkpoint *c, const rs_graph *g, const char *name,
                                      rs_weights *w) RESCL_CHECK;
rescl_status rs_checkpoint_read_sum(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
    RESCL_CHECK;
rescl_status rs_checkpoint_read_average(const rs_checkpoint *c, const rs_graph *g, rs_weights *w)
    RESCL_CHECK;

#endif
