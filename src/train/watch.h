/* What a run tells, and to whom.
 *
 * The loop tells each watcher of watchers.def what happens; a watcher writes it down, shows it, or
 * hands it on. It is one file that ends with one object, and one line in watchers.def. */
#ifndef RS_WATCH_H
#define RS_WATCH_H

#include "team.h"

#include <rescl/train.h>

/* What is run. Without a training set it is an evaluation alone, which has no options. */
typedef struct rs_run_info {
    const rescl_model *model;
    const rescl_dataset *train_set, *eval_set; /* NULL: there is none */
    const rescl_train_options *options;
    const rescl_train_callbacks *callbacks; /* the caller's, or NULL */
    const rs_teacher_plan *teacher;         /* NULL: there is none */
    rs_team *team;                          /* its weights may be read in any call */
    const char *folder;                     /* of the run; NULL: nothing is written */
    rescl_scores *scores; /* of the last evaluation; NULL: there is no eval_set, or nobody looks */
    uint64_t epoch;       /* the first to come: above 0 when a run goes on */
    bool has_best;        /* of those before it, and measured on what measures in this run */
    bool scaled;          /* the loss is scaled, as in fp16 */
    const rs_weights
        *average; /* the weights' moving average, which counts in their place; or NULL */
} rs_run_info;

/* Writes the weights that the epoch just done ended with: their average, where there is one. */
rescl_status rs_run_save_weights(const rs_run_info *run, const char *path) RESCL_CHECK;

/* A batch, as the network had it and what it made of it. Images are those fed to it, resized
 * and augmented, (n, size, size, samples of pixel.h); the network reads the numbers that the batch's table has for them. */
typedef struct rs_samples {
    bool training;        /* false: of an evaluation */
    uint64_t epoch, step; /* step: done before it */
    size_t first;         /* place of the first image in this pass over the set */
    size_t n, classes;
    size_t read; /* images of the first ones that are here; the others are with other processes */
    const uint8_t *images;
    const int32_t *labels;
    const float *logits, *losses; /* (n, classes), (n) */
    const rs_batch *batch;        /* says which images could not be read */
} rs_samples;

/* A call that is NULL is not wanted. A failure ends the run. *stop, false at first, ends it as
 * rescl_trainer_stop does: saved, with RESCL_ERR_INTERRUPTED. After the first step of a run nothing
 * may be allocated but in `epoch`, `saved` and `close`. */
typedef struct rs_watcher {
    const char *name;
    /* Before the first step: *self is what the other calls get; NULL when this run is none of the
     * watcher's business. `run` stays valid until `close`. */
    rescl_status (*open)(const rs_run_info *run, void **self);
    /* After each batch of training and evaluation: first the batch, then the metrics so far. */
    rescl_status (*samples)(void *self, const rs_samples *s);
    /* No image of a class of the training set can be read: the run ends. */
    rescl_status (*lost)(void *self, const rescl_dataset *set, int32_t label);
    rescl_status (*step)(void *self, const rescl_step_event *e, bool *stop);
    /* After each epoch and its evaluation, when `best` is saved and `last` still is that of
     * before the evaluation: a run that is killed here comes here again with the same epoch, after an `open` with that epoch. */
    rescl_status (*epoch)(void *self, const rescl_epoch_event *e, bool *stop);
    /* The same epoch, when `last` is saved too. */
    rescl_status (*saved)(void *self, const rescl_epoch_event *e, bool *stop);
    /* Frees self. `st` is how the run ended. */
    rescl_status (*close)(void *self, rescl_status st);
} rs_watcher;

#define RS_WATCHER(stem) extern const rs_watcher rs_watcher_##stem;
#include "watchers.def"
#undef RS_WATCHER

/* The watchers of one run; starts as {0}. */
typedef struct rs_watch {
    struct rs_watching *at;
    size_t count;
} rs_watch;

/* `watchers` ends with NULL; NULL stands for those of watchers.def. On failure what was opened is
 * still the caller's to close. */
rescl_status rs_watch_open(rs_watch *w, const rs_watcher *const *watchers, const rs_run_info *run)
    RESCL_CHECK;
rescl_status rs_watch_samples(const rs_watch *w, const rs_samples *s) RESCL_CHECK;
rescl_status rs_watch_lost(const rs_watch *w, const rescl_dataset *set, int32_t label) RESCL_CHECK;
rescl_status rs_watch_step(const rs_watch *w, const rescl_step_event *e, bool *stop) RESCL_CHECK;
rescl_status rs_watch_epoch(const rs_watch *w, const rescl_epoch_event *e, bool *stop) RESCL_CHECK;
rescl_status rs_watch_saved(const rs_watch *w, const rescl_epoch_event *e, bool *stop) RESCL_CHECK;
/* Closes all of them, and returns `st`; if that is RESCL_OK, the first failure of a close. */
rescl_status rs_watch_close(rs_watch *w, rescl_status st) RESCL_CHECK;

#endif
