/**
 * @file train.h
 * The host scheduler: training, evaluation, prediction.
 */
#ifndef RESCL_TRAIN_H
#define RESCL_TRAIN_H

#include <rescl/data.h>
#include <rescl/device.h>
#include <rescl/model.h>
#include <rescl/option.h>
#include <rescl/scores.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Everything that shapes a training run. Start from rescl_train_options_default().
 * rescl_train_options_at() says each member's default and range.
 */
typedef struct rescl_train_options {
    size_t struct_size; /**< see rescl/status.h */

    size_t epochs;            /**< passes over the training data */
    size_t batch_size;        /**< images a step; 0: what fits, see rescl_batch_size_fitting() */
    const char *opt;          /**< optimiser, such as "adam": one of the option's choices */
    double lr;                /**< learning rate */
    double lr_body;           /**< of all layers but the head; 0: lr. The schedule runs from it */
    double momentum;          /**< for sgd */
    double weight_decay;      /**< pull of the weights towards zero */
    double beta1, beta2, eps; /**< Adam's */
    const char *lr_scheduler; /**< schedule, such as "constant": one of the option's choices */
    size_t lr_step_size;      /**< epochs between the steps of "steplr" */
    double lr_gamma;          /**< factor of a step */
    double lr_min;            /**< where "cosineannealinglr" ends */
    size_t lr_warmup_epochs;  /**< epochs in which the rate climbs to lr */
    double lr_warmup_decay;   /**< the first epoch's rate over lr */
    double scale;             /**< 1; below: random squares of at least this share of an image */
    double hflip;             /**< how likely an image is mirrored */
    double color_jitter;      /**< factors of 1 +- it for brightness, contrast and saturation */
    uint64_t seed;            /**< order of samples, augmentation, dropout */
    size_t workers;           /**< data threads; 0: the one that trains reads its images itself */
    size_t eval_freq;         /**< evaluate each so many epochs */
    size_t save_freq;         /**< also save `last` each so many steps; 0: at the end of an epoch */
    size_t max_steps;         /**< stop after so many steps in all; 0: no limit */
    const char *output_dir;   /**< the run folder; NULL: nothing is written */
    const char *resume;       /**< checkpoint to go on from, or NULL */
    const char *args_ini;     /**< text for <output_dir>/args.ini, or NULL */

    rescl_option_value more[16]; /**< options that optimisers, schedules and augmentations have
                                  * beside these: rescl_train_options_set() sets them by name */
    const char *precision; /**< a rescl_precision_name(), such as "bf16": of training and of what is
                            * evaluated between epochs */
    const char *
        monitor; /**< what decides: "val_loss", "val_accuracy", "val_map" (of several labels) of the
                            * evaluation, "loss", "accuracy" of training; "auto": the accuracy, of several
                            * labels the mean average precision, then the loss, of which epoch is the
                            * best, and the loss of all else. What is not evaluated is taken from
                            * training */
    size_t
        patience; /**< end the run when `monitor` was no better for so many epochs that were measured,
                       * as Keras' EarlyStopping does; 0: never */
    double min_delta;   /**< what `monitor` has to be better by for that */
    bool restore_best;  /**< the model ends with the weights of the best epoch of this run or, where
                            * it went on from a checkpoint in a run folder, of the whole run; false: with
                            * those of the last */
    size_t save_period; /**< keep weights/epoch<N>.safetensors of each so many epochs; 0: none */
    const char
        *lr_table; /**< of the schedule "table": "1:0.1, 31:0.01", rates from an epoch on, which
                            * counts from 1 behind the warm-up; of the head, the body's in proportion; or a
                            * file of them, which the trainer keeps by its content */
    rescl_option_value further[64]; /**< goes on where `more` is full */
    bool tensorboard;               /**< true: the run folder gets TensorBoard's events */
    bool report; /**< true: it gets report.html at the end, and the images in it */
    bool
        check_numerics; /**< true: a step fails on the first number that is not finite in any layer or
                          * gradient, and the error says what made it and who is to blame; slow */
    const char
        *class_weights; /**< what the loss of a class counts: "balanced", by how rare its images are
                                * (scikit-learn's formula), "cat:2,dog:0.5", or a file of such lines; others
                                * count 1. A batch's are scaled to a mean of 1, unless its images are
                                * mixed, as torch's weighted mean has it. NULL: all count the same */
    const char
        *sampler;  /**< "shuffle": an epoch takes each image once; "balanced": as many images of
                                * each class, those of rare ones several times */
    size_t shards; /**< 1; above: each batch is so many parts that are computed one by one and
                    * summed in a fixed order, whichever devices have them */
    const char *shares; /**< of a batch, of each device: "3,1"; NULL: by the speed that is measured
                         * before the first step; "epoch": that, and after each epoch anew by the
                         * speed that each had in it. A run that goes on keeps those that it had */
    double
        baseline; /**< for `patience`: what `monitor` has to be better than to count as better, as the
                      * `baseline` of Keras' EarlyStopping; 0: nothing */
    const char
        *lr_steps; /**< of "multisteplr": "30,60,80", the epochs after which the rate falls */
    size_t lr_warmup_steps; /**< in place of lr_warmup_epochs: so many steps, within the schedule */
    double norm_weight_decay; /**< weight decay of normalisations; -1: weight_decay */
    double
        bias_weight_decay; /**< of all biases, those of normalisations too; -1: that of the others */
    double
        clip_grad_norm; /**< before an update the norm of all gradients is at most this; 0: any */
    double clip_grad_value; /**< or each of them, up or down; 0: any */
    size_t
        grad_accum_steps; /**< batches of an update, for rescl_trainer_run: it goes by the mean over all
                               * their images. The last one of an epoch may have fewer */
    bool model_ema; /**< a moving average of the weights, which is evaluated and becomes the best
                               * and the final weights; for rescl_trainer_run */
    double model_ema_decay; /**< of that, for batches and epochs of 1, as torchvision has it */
    size_t model_ema_steps; /**< updates between its own */
    bool
        lr_warmup_prefix; /**< true: the schedule begins behind lr_warmup_epochs; false: at once, as
                              * timm has it */
    size_t
        save_top_k; /**< keep weights/epoch<N>-<monitor>=<value>.safetensors of so many epochs, the
                        * best by `monitor`; 0: none. weights/top.json lists them */
    bool
        recompute; /**< true: activations within the network's blocks are computed again in backward
                      * instead of being kept, which takes less memory and up to one more forward a step;
                      * results have the same bits */
    const char *
        wire; /**< "fp32"; "bf16": gradients go from process to process in 16 bits, and are summed in
                       * fp32; not with `shards` */
    bool
        sync_bn; /**< true: batch normalisation of several devices and processes goes by the whole batch,
                   * instead of each device's part; not with `shards` */
    const char *
        teacher; /**< weights, a run folder or a checkpoint of one, of a network whose logits training goes
                        * by as well: knowledge distillation. It has the model's classes, by their
                        * names, its input size and its channels. A run that goes on with other
                        * weights is refused. NULL: none */
    const char *teacher_model; /**< what model it is, where its file does not say; NULL: it says */
    const char *
        distillation_type; /**< "soft": its probabilities (Hinton et al. 2015); "hard": its class as a
                                   * label (DeiT) */
    double distillation_alpha; /**< the teacher's share of the loss, [0, 1] */
    double distillation_tau;   /**< the temperature of soft ones, above 0 */
    /* New members are appended here, so that structs of older callers keep their layout. */
} rescl_train_options;

/** rescl_train_options_default() for a struct of another size: see rescl/status.h. */
RESCL_API void rescl_train_options_init(rescl_train_options *out, size_t struct_size);
static inline void rescl_train_options_default(rescl_train_options *out)
{
    rescl_train_options_init(out, sizeof *out);
}

/** The list of training options: rescl_train_options_at() of 0 to count - 1; NULL past its end. */
RESCL_API size_t rescl_train_options_count(void);
RESCL_API const rescl_option *rescl_train_options_at(size_t index);

/**
 * Sets an option by its name, "batch_size" or "batch-size", from text; NULL gives its default.
 * Texts such as paths are borrowed. RESCL_ERR_ARG says what was expected.
 */
RESCL_API rescl_status rescl_train_options_set(rescl_train_options *options, const char *name,
                                               const char *text) RESCL_CHECK;
/**
 * An option's value as text that rescl_train_options_set() takes, "" if it is unset, into `text` of
 * `bytes` bytes. RESCL_ERR_ARG when it does not fit.
 */
RESCL_API rescl_status rescl_train_options_get(const rescl_train_options *options, const char *name,
                                               char *text, size_t bytes) RESCL_CHECK;

/** Bytes of a device's memory. */
typedef struct rescl_memory {
    uint64_t parameters; /**< and running statistics */
    uint64_t
        gradients; /**< of the parameters that are trained, and their sum over several batches */
    uint64_t optimiser; /**< its state, and the moving average of the weights */
    uint64_t
        activations;  /**< what is alive at once of activations, their gradients, packed weights and
                           * scratch */
    uint64_t teacher; /**< its parameters, and what it takes of activations beyond the student's */
} rescl_memory;

/**
 * What a network needs of a device's memory at a batch size, as it is planned: nothing is compiled or
 * allocated. In training by these options, of which the optimiser's, precision and recompute count; NULL: in
 * inference, in the model's precision. The model need not have weights. Images on their way to the device
 * come on top.
 */
RESCL_API rescl_status rescl_memory_needed(rescl_device *device, const rescl_model *model,
                                           size_t batch_size, const rescl_train_options *training,
                                           rescl_memory *out) RESCL_CHECK;

/** What fits a device: see rescl_batch_size_fitting(). */
typedef struct rescl_batch_fit {
    size_t batch_size;
    uint64_t bytes; /**< that it takes of the device's memory */
    uint64_t
        room; /**< that there is for it: 95 % of the device's memory, and of a CPU no more than 80 %
                      * of what the system has free */
    bool all; /**< it is all images of the training set, and not for want of memory no more */
} rescl_batch_fit;

/**
 * The largest batch size with which a run by these options fits the device's memory: parameters, gradients,
 * the optimiser's state, the largest of training and evaluation, their last batches, and images on their
 * way. It is planned, not tried: nothing is compiled or allocated. From 32 on a multiple of 2, from 64 of 4,
 * from 128 of 8. `eval_images` 0: nothing is evaluated. RESCL_ERR_MEMORY if the smallest batch does not
 * fit. Its options' batch_size is not looked at; where that is 0, a trainer with a training set does the same.
 */
RESCL_API rescl_status rescl_batch_size_fitting(rescl_device *device, const rescl_model *model,
                                                size_t train_images, size_t eval_images,
                                                const rescl_train_options *options,
                                                rescl_batch_fit *out) RESCL_CHECK;

typedef struct rescl_metrics {
    size_t samples;
    double loss; /**< mean */
    double top1,
        top5; /**< fractions of 1; top5 is NaN below 6 classes. Of several labels top1 is the share
                        * of images all of whose labels are those predicted, and top5 is NaN */
    double seconds;
    double img_s;
    double data_wait; /**< seconds spent waiting for the data threads */
    bool multi_label; /**< images have any number of labels */
    double map;       /**< mean average precision of an evaluation of several labels; else NaN */
    double f1_micro, f1_macro; /**< the same: F1 of what is above 0.5, see rescl/scores.h */
} rescl_metrics;

/** After each step. Metrics are running means over the epoch so far. */
typedef struct rescl_step_event {
    bool training;         /**< false: a step of an evaluation */
    size_t epoch, epochs;  /**< epoch counts from 0 */
    size_t batch, batches; /**< batches done of this epoch */
    uint64_t step;         /**< steps done in all */
    double step_loss;      /**< of this batch */
    double lr;             /**< of the head */
    double step_seconds;
    rescl_metrics metrics;
    double loss_scale; /**< of the next step, in fp16; 0: the loss is not scaled */
    uint64_t skipped;  /**< of the steps, those that updated nothing: see rescl_train_progress */
} rescl_step_event;

/** After each epoch, and where max_steps ends the run within one. eval.samples is 0 if there was no
 * evaluation. */
typedef struct rescl_epoch_event {
    size_t epoch, epochs;
    rescl_metrics train, eval;
    double lr;
    bool best; /**< the best evaluation so far; best.safetensors was written. An evaluation that is
                * made only because max_steps ends the run counts where there is no other. */
    uint64_t peak_bytes; /**< device memory */
    double seconds;      /**< since the run began, over all its resumptions */
    double loss_scale;   /**< as in rescl_step_event */
    uint64_t skipped;
    bool partial; /**< max_steps ended it before its last batch */
} rescl_epoch_event;

/**
 * Called between steps, in the thread that runs; either may be NULL. False stops the run as
 * rescl_trainer_stop() does.
 */
typedef struct rescl_train_callbacks {
    size_t struct_size; /**< see rescl/status.h */
    bool (*on_step)(const rescl_step_event *event, void *user);
    bool (*on_epoch)(const rescl_epoch_event *event, void *user);
    void *user;
    /** The learning rate of an epoch, which counts from 0, in place of the schedule's: called before its
     * first step, and again where a run goes on in the middle of it. `lr` is the rate of the epoch before,
     * at first that of the options. The body's rate keeps its proportion. NULL: the schedule decides. */
    double (*on_lr)(size_t epoch, double lr, void *user);
    /** Each evaluation clears and fills them, for on_epoch and for who called; of as many classes as
     * the model. The images that cannot be read are not among them. */
    rescl_scores *scores;
} rescl_train_callbacks;

RESCL_API void rescl_train_callbacks_init(rescl_train_callbacks *out, size_t struct_size);
static inline void rescl_train_callbacks_default(rescl_train_callbacks *out)
{
    rescl_train_callbacks_init(out, sizeof *out);
}

typedef struct rescl_trainer rescl_trainer;

/**
 * Plans everything and uploads the weights (or, with options->resume, what the checkpoint holds).
 * Borrows all arguments; strings in options are copied. `eval_set` may be NULL. Without a
 * `train_set` the trainer is only stepped: then options->output_dir and resume have to be NULL, and
 * of the others those of the optimiser, batch_size, lr, lr_body, seed and workers count. A call that
 * fails leaves the model as it was.
 */
RESCL_API rescl_status rescl_trainer_create(rescl_device *device, rescl_model *model,
                                            const rescl_dataset *train_set,
                                            const rescl_dataset *eval_set,
                                            const rescl_train_options *options, rescl_trainer **out)
    RESCL_CHECK;
/** Processes that train one model together, started by mpirun or srun: ranks. */
typedef struct rescl_ranks rescl_ranks;
/**
 * Finds the other ranks. Each makes the same calls with the same options, and rank 0 alone has an output_dir. *out
 * is NULL in a process that was not started as one of several. Before any other thread is made.
 * RESCL_ERR_UNSUPPORTED where rescl was built without MPI, or with another one than that which started it.
 */
RESCL_API rescl_status rescl_ranks_open(rescl_ranks **out) RESCL_CHECK;
/** Waits until the others end too, so that each can save. With an `exit_code` above 0 it ends those that do not, and
 * this process. NULL is legal. */
RESCL_API void rescl_ranks_close(rescl_ranks *ranks, int exit_code);

typedef struct rescl_ranks_info {
    size_t count, index;             /**< of all processes; 1 and 0 for NULL */
    size_t local_count, local_index; /**< of those on this machine */
} rescl_ranks_info;
RESCL_API void rescl_ranks_get(const rescl_ranks *ranks, rescl_ranks_info *out);

/**
 * The same on several devices, 64 at most, which share each batch: each computes the gradients of its part,
 * and all update by those of the whole batch. Their parts are in proportion to options->shares. Where
 * that is NULL, the speed of each is measured, which compiles and takes some steps of each, and who slows the
 * others down is named in a warning and left out. Batch normalisation goes by each part; the running
 * statistics are those of the first device. The first one of each process evaluates. With options->shards, runs on
 * devices that compute alike end with the same bits, however many they are.
 * With `ranks`, the devices of all processes are one team, in the order of the ranks; without shares all
 * have the same part.
 */
RESCL_API rescl_status rescl_trainer_create_team(rescl_device *const *devices, size_t count,
                                                 rescl_ranks *ranks, rescl_model *model,
                                                 const rescl_dataset *train_set,
                                                 const rescl_dataset *eval_set,
                                                 const rescl_train_options *options,
                                                 rescl_trainer **out) RESCL_CHECK;
RESCL_API void rescl_trainer_destroy(rescl_trainer *trainer);

/** What a device does of the steps. */
typedef struct rescl_team_member {
    const rescl_device_info *device; /**< borrowed from the device */
    size_t share, whole;             /**< images, or shards, of `whole` in a batch */
    double img_s;                    /**< of its own, while it computes */
    double waits; /**< share of its time in which it waited for the others' gradients */
} rescl_team_member;

/** The devices that train: 1 but for rescl_trainer_create_team, without those that were left out. */
RESCL_API size_t rescl_trainer_members(const rescl_trainer *trainer);
/** Of the steps of the epoch so far, or of the last one; speeds are 0 without any. RESCL_ERR_ARG when there is
 * no such member. In the thread that trains: in a callback, or between steps. */
RESCL_API rescl_status rescl_trainer_get_member(rescl_trainer *trainer, size_t member,
                                                rescl_team_member *out) RESCL_CHECK;

/**
 * Trains to the end. The model holds the final weights afterwards. RESCL_ERR_NUMERIC on a NaN or
 * infinite loss, naming step and layer; RESCL_ERR_INTERRUPTED after rescl_trainer_stop, or where a
 * callback returned false, with last.safetensors complete. After any other failure the trainer is
 * not run again: make another one, which may resume from the last checkpoint.
 */
RESCL_API rescl_status rescl_trainer_run(rescl_trainer *trainer,
                                         const rescl_train_callbacks *callbacks) RESCL_CHECK;

/**
 * Writes a PNG of the first training images of a run by these options, `images` at most, as the network
 * gets them: resized, augmented and mixed. Needs no device and no weights.
 */
RESCL_API rescl_status rescl_train_preview(rescl_model *model, const rescl_dataset *train_set,
                                           const rescl_train_options *options, size_t images,
                                           const char *path) RESCL_CHECK;

/** What a run has done, over all its resumptions. */
typedef struct rescl_train_progress {
    size_t epochs; /**< whole ones */
    uint64_t steps;
    bool has_best;     /**< an epoch is the best so far, and is measured on what measures now */
    size_t best_epoch; /**< counts from 0 */
    double best_loss, best_top1, best_map; /**< best_map: of several labels, else 0 */
    /** In fp16 the loss is scaled so that small gradients do not vanish. Where a gradient overflows,
     * the step leaves parameters and optimiser as they are, though not the running statistics of
     * batch normalisation, and halves the scale; after 2000 other steps it is doubled. */
    double loss_scale;  /**< 0: the loss is not scaled */
    uint64_t skipped;   /**< of `steps`, those that left the parameters as they were */
    bool stopped_early; /**< by rescl_train_options.patience */
} rescl_train_progress;

/** Before a run it is that of the checkpoint that options->resume gave; of a trainer that is stepped,
 * `steps`, `loss_scale` and `skipped` count. */
RESCL_API void rescl_trainer_get_progress(const rescl_trainer *trainer, rescl_train_progress *out);

/**
 * The steps of an epoch over so many images. `last` (may be NULL) is the images of its last step:
 * those that are left of whole batches; a single one that the model's batch normalisations could not
 * be trained with joins the batch before it. 0 for a batch_size of 0.
 */
RESCL_API size_t rescl_train_batches(const rescl_model *model, size_t images, size_t batch_size,
                                     size_t *last);

/** Asks a running trainer to finish its step, save and return. Safe in a signal handler. */
RESCL_API void rescl_trainer_stop(rescl_trainer *trainer);

/**
 * Training in the caller's own loop. A trainer is either run, by rescl_trainer_run, or stepped by
 * the functions below; mixing both is a RESCL_ERR_ARG. They are called in this order, any number of
 * times, by one thread at a time:
 *
 *     rescl_trainer_backward    a batch: its loss, and the gradients of that
 *     rescl_trainer_get_gradient, rescl_trainer_set_gradient    where they are looked at or changed
 *     rescl_trainer_update      the optimiser's step
 *
 * rescl_trainer_step is backward and update in one. The same batches give bit by bit the weights of
 * rescl_trainer_run. Whatever a function returns is final: what the device still does behind it is
 * waited for by whoever asks for its result.
 *
 * `images` has n images of the model's image_size, (n, size, size, 3): RGB bytes, rows from the top; for models
 * of four channels or 16 bits their pixels are as those of rescl_image. They are preprocessed as the model's
 * are; `labels` has n numbers of classes, or, for a model of several labels, (n, classes) of 0 and 1; n is
 * options->batch_size. Both are the caller's again when the call returns. `out`, which may be NULL, gets the
 * batch's metrics. RESCL_ERR_NUMERIC, naming the layer, when the loss is not finite: what
 * gradients train is as before, but the forward pass has moved the running statistics of batch
 * normalisation, as it does in each call. To go on after it, set them back (rescl_trainer_set_parameter).
 * When the device fails (RESCL_ERR_DEVICE, RESCL_ERR_MEMORY) in the middle of a step, the trainer's
 * weights are of no use: whatever asks for them afterwards is a RESCL_ERR_DEVICE that says so, and the
 * model is what the last rescl_trainer_sync_model made of it.
 */
RESCL_API rescl_status rescl_trainer_step(rescl_trainer *trainer, const uint8_t *images,
                                          const int32_t *labels, size_t n, rescl_metrics *out)
    RESCL_CHECK;
/** Gradients are those of the mean loss over the batch, without weight decay. */
RESCL_API rescl_status rescl_trainer_backward(rescl_trainer *trainer, const uint8_t *images,
                                              const int32_t *labels, size_t n, rescl_metrics *out)
    RESCL_CHECK;
/** RESCL_ERR_ARG unless a rescl_trainer_backward came before. In fp16 it waits for the gradients; where
 * one overflowed, nothing is updated: see rescl_train_progress. RESCL_ERR_NUMERIC, naming the parameter,
 * when no scale of the loss makes them finite. */
RESCL_API rescl_status rescl_trainer_update(rescl_trainer *trainer) RESCL_CHECK;
/** The learning rates of the next updates, of the head and of the body (0: lr). At first those of
 * the options; a schedule is for rescl_trainer_run alone. */
RESCL_API rescl_status rescl_trainer_set_lr(rescl_trainer *trainer, double lr, double lr_body)
    RESCL_CHECK;
/** Mean loss and accuracy over the trainer's evaluation set, with the weights as they are now; with
 * options->model_ema, after a run or where one goes on, those of the moving average, as the run itself
 * measures. Not while it runs. With rescl_ranks all processes have to call it, and all get the same. */
RESCL_API rescl_status rescl_trainer_evaluate(rescl_trainer *trainer, rescl_metrics *out)
    RESCL_CHECK;

/**
 * Values by the names and in the layouts of rescl_model_get_parameter_info, as the last update left
 * them: also in callbacks of a run. Errors are those of rescl_model_get_parameter. A gradient is
 * the last batch's, and is set between rescl_trainer_backward and rescl_trainer_update;
 * RESCL_ERR_ARG for what has none: running statistics and what is frozen.
 */
RESCL_API rescl_status rescl_trainer_get_parameter(rescl_trainer *trainer, const char *name,
                                                   float *values, size_t count) RESCL_CHECK;
RESCL_API rescl_status rescl_trainer_set_parameter(rescl_trainer *trainer, const char *name,
                                                   const float *values, size_t count) RESCL_CHECK;
RESCL_API rescl_status rescl_trainer_get_gradient(rescl_trainer *trainer, const char *name,
                                                  float *values, size_t count) RESCL_CHECK;
RESCL_API rescl_status rescl_trainer_set_gradient(rescl_trainer *trainer, const char *name,
                                                  const float *values, size_t count) RESCL_CHECK;
/** Brings the weights as they are now into the trainer's model, for rescl_model_save and whatever
 * else takes one: also in callbacks of a run. They are those that rescl_trainer_evaluate measures, but in
 * callbacks: there those that are trained, as rescl_trainer_get_parameter always gives them. */
RESCL_API rescl_status rescl_trainer_sync_model(rescl_trainer *trainer) RESCL_CHECK;

/**
 * Mean loss and accuracy of the model over a dataset, in order. `callbacks` may be NULL;
 * RESCL_ERR_INTERRUPTED where on_step returned false.
 */
RESCL_API rescl_status rescl_evaluate(rescl_device *device, const rescl_model *model,
                                      const rescl_dataset *set, size_t batch_size, size_t workers,
                                      const rescl_train_callbacks *callbacks, rescl_metrics *out)
    RESCL_CHECK;

/** rescl_evaluate() at the end of a run: images that cannot be read are added to the skipped.csv of
 * its `folder`, those that rescl_dataset_check() left out too. */
RESCL_API rescl_status rescl_evaluate_run(rescl_device *device, const rescl_model *model,
                                          const rescl_dataset *set, size_t batch_size,
                                          size_t workers, const rescl_train_callbacks *callbacks,
                                          const char *folder, rescl_metrics *out) RESCL_CHECK;
/** Adds the images that rescl_dataset_check() left out of a set (NULL: none) to the skipped.csv of a
 * run's folder, each once. A run does so for the sets it is given. */
RESCL_API rescl_status rescl_run_list_bad(const char *folder, const rescl_dataset *set) RESCL_CHECK;

/** A model made ready for inference at one batch size. */
typedef struct rescl_predictor rescl_predictor;

RESCL_API rescl_status rescl_predictor_create(rescl_device *device, const rescl_model *model,
                                              size_t batch_size, rescl_predictor **out) RESCL_CHECK;
RESCL_API void rescl_predictor_destroy(rescl_predictor *p);
/**
 * Class probabilities of `count` <= batch_size images of any size: probs has count * classes
 * floats. Resizing and preprocessing are those of the model; an image of other channels or bits than it takes
 * becomes what rescl_image_read would have made of it. A call that fails, the device's failures
 * included, leaves the predictor as it was: the next one gives what it would have given before.
 */
RESCL_API rescl_status rescl_predictor_run(rescl_predictor *p, const rescl_image *images,
                                           size_t count, float *probs) RESCL_CHECK;

/** What rescl_predictor_stream tells of an image. */
typedef struct rescl_prediction {
    size_t index;        /**< of the image */
    size_t slot;         /**< its index for rescl_predictor_saliency while the sink runs */
    rescl_status status; /**< of the source; if not RESCL_OK, rescl_last_error() says more */
    const float *probs;  /**< of each class, until the sink returns; NULL unless RESCL_OK */
} rescl_prediction;

/** Fills image `index` with pixels from malloc, as rescl_image_read does. Called from several
 * threads at once, each image once. */
typedef rescl_status (*rescl_image_source)(size_t index, rescl_image *out, void *user);
/** Takes the prediction of each image, in order, in the calling thread. False stops. */
typedef bool (*rescl_prediction_sink)(const rescl_prediction *prediction, void *user);

/**
 * Class probabilities of images 0 to `count` - 1, of any number and size. `workers` threads read
 * and resize them (0: the calling thread; no more than processors, or 4) while the device works on
 * the batch before; a worker holds one image at its full size. An image that the source fails to give
 * is told to the sink and stops nothing. RESCL_ERR_INTERRUPTED when the sink returned false.
 */
RESCL_API rescl_status rescl_predictor_stream(rescl_predictor *p, size_t count, size_t workers,
                                              rescl_image_source source, rescl_prediction_sink sink,
                                              void *user) RESCL_CHECK;

/**
 * The size of the maps that rescl_predictor_saliency makes. They are of the network's last map before
 * its head pools it or, where that is smaller than 7x7, of the deepest stage whose map is not (the
 * second of a ResNet-50 at 64x64). RESCL_ERR_UNSUPPORTED if there is none.
 */
RESCL_API rescl_status rescl_predictor_saliency_size(const rescl_predictor *p, size_t *height,
                                                     size_t *width) RESCL_CHECK;
/** The name of the layer that makes the map; borrowed from the model. */
RESCL_API rescl_status rescl_predictor_saliency_layer(const rescl_predictor *p, const char **name)
    RESCL_CHECK;
/**
 * What speaks for a class in image `index` of the last rescl_predictor_run: Grad-CAM (Selvaraju et
 * al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV
 * 2017). With A the map and y the class's logit, map = ReLU(sum over channels c of a_c A_c),
 * where a_c is the mean of dy/dA_c over the map. `map` has height * width floats, rows from the
 * top; it covers the part of the image that the network sees, and its scale means nothing beyond
 * one map.
 */
RESCL_API rescl_status rescl_predictor_saliency(rescl_predictor *p, size_t index,
                                                size_t class_index, float *map) RESCL_CHECK;
/**
 * The image that a map is of, in gray, with the map laid over it in colours from dark violet to
 * light yellow (matplotlib's "magma"), the largest value brightest. What the network does not see
 * of the image is dimmed. `out` has the image's size; free it.
 */
RESCL_API rescl_status rescl_predictor_saliency_overlay(const rescl_predictor *p,
                                                        const rescl_image *image, const float *map,
                                                        rescl_image *out) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
