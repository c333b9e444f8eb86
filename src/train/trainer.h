/* The trainer inside: what trainer.c sets up, loop.c runs and runfiles.c saves. */
#ifndef RS_TRAINER_H
#define RS_TRAINER_H

#include "checkpoint.h"
#include "distil.h"
#include "loader.h"
#include "metrics.h"
#include "modelundo.h"
#include "netmodel.h"
#include "pace.h"
#include "schedule.h"
#include "scoring.h"
#include "trainoptions.h"
#include "viewmean.h"
#include "watch.h"

#include <stdatomic.h>

/* A trainer that its caller steps: steps.c. */
typedef struct rs_own_steps {
    bool begun;
    bool pending;       /* gradients wait for their update */
    double lr, lr_body; /* of the next update */
    uint8_t *pixels;    /* a batch: see rs_batch */
    float table[RS_PIXEL_CHANNELS][256];
    int32_t *labels;
} rs_own_steps;

struct rescl_trainer {
    rescl_model *model;
    const rescl_dataset *train_set, *eval_set; /* NULL: it is only stepped; not evaluated */
    rescl_train_options options;               /* our own copy */
    rescl_precision precision;
    rs_wire wire;
    rs_optim_hyper hyper;
    rs_schedule schedule;
    rs_team *team;
    rescl_ranks *ranks;            /* NULL: this process trains alone */
    int32_t *train_map, *eval_map; /* of the sets' labels to the model's classes; NULL: the same */
    float *class_weight;           /* of the model's classes; NULL: all count the same */
    rs_distil distil;
    size_t least; /* images that a training batch needs: see rs_split_batches */
    rs_loader *train_loader, *eval_loader;
    rs_ckpt_progress progress;
    rs_weights state[RS_OPTIM_STATES]; /* host copies of the optimiser's arrays, for checkpoints */
    rs_weights sum;     /* host copy of the gradients of an update that is not whole yet, and */
    rs_weights average; /* of the weights' moving average; {0} without */
    bool resumed_sum;   /* the checkpoint had such gradients */
    rs_weights best;    /* with restore_best, those of the best epoch; {0}: not known */
    char fingerprint[RESCL_FINGERPRINT_BYTES], eval_fingerprint[RESCL_FINGERPRINT_BYTES];
    char plan[33];         /* of the nets that train */
    char resumed_plan[33]; /* of those that wrote the checkpoint; "": it does not say */
    unsigned resumed_units, resumed_width; /* of the device that wrote it; 0: it does not say */
    int lock;                              /* of the run folder, or -1 */
    char *best_path, *last_path;           /* NULL without an output_dir */
    char *resume_path;                     /* NULL: a new run */
    const char *good;                      /* the newest complete checkpoint, or NULL */
    bool begun;                            /* the run folder was made ready */
    bool ran, running;                     /* by rescl_trainer_run */
    bool failed;                           /* which did, but for a request to stop */
    bool has_gradients;                    /* of some batch */
    rs_own_steps own;
    const rs_watcher *const *watchers; /* NULL: those of watchers.def */
    double clock_base; /* rs_clock_seconds at which the run's time would have been 0 */
    atomic_int stop;
};

/* The batches of a set: to train with, shuffled and augmented, or to evaluate. Goes by the trainer's options
 * and model, and what it knows of the sets. */
rescl_status rs_trainer_loader(const rescl_trainer *t, const rescl_dataset *set, bool training,
                               rs_loader **out) RESCL_CHECK;

/* Images that a training batch of the model needs: see rs_split_batches. */
size_t rs_least_batch(const rescl_model *m);

/* The optimiser that the options name, with its numbers. */
rescl_status rs_choose_optimiser(const rescl_train_options *o, rs_optim_hyper *h) RESCL_CHECK;

/* ---- footprint.c, batchsize.c ------------------------------------------------------------- */

/* rescl_memory_needed and rescl_batch_size_fitting with the teacher (NULL: none) as it was read, which the options
 * only name. */
rescl_status rs_memory_needed(rescl_device *device, const rescl_model *m, size_t batch_size,
                              const rescl_train_options *training, const rs_teacher_plan *teacher,
                              rescl_memory *out) RESCL_CHECK;
rescl_status rs_batch_size_fitting(rescl_device *device, const rescl_model *model,
                                   size_t train_images, size_t eval_images,
                                   const rescl_train_options *options,
                                   const rs_teacher_plan *teacher, rescl_batch_fit *out)
    RESCL_CHECK;

/* ---- shares.c ---------------------------------------------------------------------------- */

/* What each of the devices has of a batch, of its images or its shards, into t->progress.team: as the options
 * say, as the checkpoint has it, or by measuring. 0: the device is left out. Nothing for one device. */
rescl_status rs_trainer_share_out(rescl_trainer *t, rescl_device *const *devices, size_t count,
                                  const rs_team_plan *plan) RESCL_CHECK;
/* By measured speeds: who makes a step longer, or would have too little of a batch, is named and left out. */
void rs_trainer_share_by_pace(rescl_trainer *t, rescl_device *const *devices, const rs_pace *pace,
                              size_t count, const rs_team_plan *plan);
/* With other ranks, into plan->share: what the options give to the devices of all, in `share`, or NULL for
 * equal shares. */
rescl_status rs_trainer_share_ranks(rescl_trainer *t, size_t count, double *share,
                                    rs_team_plan *plan) RESCL_CHECK;

/* Where options->shares ask for it, behind the steps of a whole epoch: what each device has from the next one on, into
 * t->progress.team, by the speed that it had in this one. */
rescl_status rs_trainer_measure_shares(rescl_trainer *t) RESCL_CHECK;

/* That all ranks train the same: RESCL_ERR_ARG says which one does not and what it has instead. All get the values
 * of rank 0. Before the team exists. */
rescl_status rs_trainer_match_ranks(rescl_trainer *t) RESCL_CHECK;

/* ---- trainerteam.c ----------------------------------------------------------------------- */

/* Shares the batches out, and makes the team; a run that goes on has what its checkpoint held. */
rescl_status rs_trainer_create_team(rescl_trainer *t, rescl_device *const *devices, size_t count)
    RESCL_CHECK;
/* Between epochs: a team whose shares are not those of t->progress.team is made anew, from what it holds, and that is
 * told and saved. What does not fit a device's memory stays as it was, with a warning. */
rescl_status rs_trainer_take_shares(rescl_trainer *t) RESCL_CHECK;

/* ---- runfiles.c ------------------------------------------------------------------------- */

/* Takes the run folder if it is there, so that no other process writes to it. RESCL_ERR_IO if one
 * does. It is held as long as the trainer lives, and nothing remains of it. */
rescl_status rs_trainer_lock(rescl_trainer *t) RESCL_CHECK;
/* Makes the folders and the paths. Nothing without an output_dir. */
rescl_status rs_trainer_paths(rescl_trainer *t) RESCL_CHECK;
/* Before the first step: args.ini and env.json; clears what a killed run left. */
rescl_status rs_trainer_begin(rescl_trainer *t) RESCL_CHECK;
/* Team to model->weights and t->state. RESCL_ERR_NUMERIC, with nothing written, when they hold
 * NaN or infinity. */
rescl_status rs_trainer_download(rescl_trainer *t) RESCL_CHECK;
/* Writes what was downloaded last, with the progress as it stands. Nothing without an output_dir.
 */
rescl_status rs_trainer_save_last(rescl_trainer *t) RESCL_CHECK;
rescl_status rs_trainer_save_best(rescl_trainer *t) RESCL_CHECK;
/* With restore_best: copies the weights. */
rescl_status rs_trainer_keep_best(rescl_trainer *t) RESCL_CHECK;
/* At the end of a run: the model gets the best weights, where they were kept, or those of the end. */
void rs_trainer_give_result(rescl_trainer *t);
/* Takes up progress, weights and optimiser state of options.resume. Called before the team
 * exists. The weights that the model had go to *old, {0} if it has them still. */
rescl_status rs_trainer_resume(rescl_trainer *t, rs_weights *old) RESCL_CHECK;

/* ---- loop.c ------------------------------------------------------------------------------ */

/* The optimiser's update of number `step`, from 1, by the gradients that there are; takes note of the loss
 * scale. */
rescl_status rs_trainer_update(rescl_trainer *t, const rs_rates *rates, uint64_t step) RESCL_CHECK;

/* ---- accumulate.c ------------------------------------------------------------------------ */

/* Where the batches of an epoch stand among its updates: grad_accum_steps of them, or those that are left,
 * make one. */
typedef struct rs_update_place {
    rs_team_part part; /* of the next batch */
    size_t update;     /* of the epoch, from 0, that it belongs to */
    size_t updates;    /* of an epoch */
    uint64_t step;     /* of the run, from 1: for the optimiser */
} rs_update_place;

/* Of the batch that comes after progress.batch of them; after an epoch's last one of that. `n`: its images. */
rs_update_place rs_trainer_place(const rescl_trainer *t, size_t n);
/* Whether gradients wait for more. */
bool rs_trainer_half_done(const rescl_trainer *t);

/* ---- modelema.c -------------------------------------------------------------------------- */

/* After an update: the moving average's own, where it is due. */
rescl_status rs_trainer_update_average(rescl_trainer *t, const rs_update_place *place) RESCL_CHECK;
/* Whether the average is that of a run or of the checkpoint that one goes on from. */
bool rs_trainer_averaged(const rescl_trainer *t);
/* The weights that a run is for: the moving average where there is one. */
const rs_weights *rs_trainer_result(const rescl_trainer *t);

/* ---- evaluate.c -------------------------------------------------------------------------- */

typedef struct rs_evaluation {
    rs_team *team; /* with other processes all evaluate, batch by batch in turn */
    rs_loader *loader;
    const rs_watch *watch;
    rescl_scores *scores;   /* filled; NULL: nobody looks, and images have one label */
    atomic_int *stop;       /* may be NULL */
    rs_view_outputs views;  /* of a model with test-time augmentation */
    rescl_step_event event; /* epoch, epochs, step, lr as watchers see them */
    size_t sample;          /* of the set: the first of the next batch */
} rs_evaluation;

/* The scores that an evaluation of `set` fills for callbacks (NULL: none) and for the watchers of a run
 * folder (NULL: none), with room for all images; NULL if nobody looks. *own are to be destroyed by who
 * asked. */
rescl_status rs_scores_for(const rescl_model *model, const rescl_dataset *set,
                           const rescl_train_callbacks *callbacks, const char *folder,
                           rescl_scores **own, rescl_scores **out) RESCL_CHECK;

/* One pass over the loader's set. RESCL_ERR_INTERRUPTED when *stop was set or a watcher asks for it, RESCL_ERR_NUMERIC when
 * a loss is not finite, naming the layer. */
rescl_status rs_evaluate(rs_evaluation *e, rescl_metrics *out) RESCL_CHECK;

/* The same by the trainer's moving average where rs_trainer_averaged: modelema.c. */
rescl_status rs_trainer_evaluate(rescl_trainer *t, rs_evaluation *e, rescl_metrics *out)
    RESCL_CHECK;

/* The set's classes among the model's, as rs_class_map has it. RESCL_ERR_ARG when the set holds no
 * samples. */
rescl_status rs_match_dataset(const rescl_model *model, const rescl_dataset *set, const char *what,
                              int32_t **label_map) RESCL_CHECK;
/* A model whose classes have no names takes those of the set that it is trained on. */
rescl_status rs_name_classes(rescl_model *model, const rescl_dataset *train_set) RESCL_CHECK;

/* Warns when fewer data threads than were asked for will be made. */
void rs_tell_threads(size_t asked);

#endif
