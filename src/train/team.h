/* A team: one or more replicas of a network, each on a device of its own, that act as one.
 *
 * What runs a network over batches speaks to a team, and sees no replica, net, store or device. A
 * batch is the caller's again when a call returns, whether it failed or not. */
#ifndef RS_TEAM_H
#define RS_TEAM_H

#include "division.h"
#include "loader.h"
#include "lossscale.h"
#include "ranks.h"
#include "teacher.h"

#include <rescl/train.h>

typedef struct rs_team rs_team;

typedef struct rs_team_plan {
    const rs_optim_hyper *hyper;      /* NULL: evaluation only */
    size_t batch;                     /* images of a whole batch */
    size_t train_images, eval_images; /* of one pass; its last batch may be smaller. 0: no pass */
    size_t train_least;               /* images of a training batch: see rs_split_batches */
    rescl_precision precision;
    bool check_numerics; /* see rs_net_check_numerics and rs_store_update_checked */
    bool recompute;      /* see rs_store_set_recompute */
    size_t
        shards; /* of each training batch, up to RS_SHARDS_MOST: see rs_team_create; 0 or 1: none */
    bool synced; /* the graph's normalisations are: see rs_graph_set_synced; not with shards */
    const double *share; /* of each device, those of all ranks; NULL: all have the same */
    rs_wire wire;        /* how gradients go to other processes */
    rescl_ranks *ranks;  /* other processes that train the same network; NULL: there are none */
    double clip_norm, clip_value; /* of gradients, before each update; 0: they are not clipped */
    bool accumulates;             /* an update may be by the gradients of several batches */
    bool averages;                /* it keeps a moving average of the weights */
    const float *class_weights;   /* and the next one: see rs_replica_options */
    const rs_teacher_plan *teacher;
} rs_team_plan;

/* Which part of what an update goes by a batch is: its share of the images, whether it is the first of them and
 * whether the last. */
typedef struct rs_team_part {
    double share;
    bool first, last;
} rs_team_part;

/* What the network made of the inputs of the last batch; valid until the next one. */
typedef struct rs_outputs {
    size_t n, classes;
    const float *logits, *losses; /* (n, classes), (n) */
} rs_outputs;

/* Plans everything and uploads the weights. Borrows the devices, RS_TEAM_MOST at most, and the graph.
 *
 * Several devices share each training batch, of which each has a part in proportion to its share; what the
 * loss is averaged over is the whole batch. Batch normalisation goes by the statistics of each part, unless
 * it is `synced`, and the running statistics are those of the first device. The first one of each process
 * evaluates. With `shards`, the batch has so many parts, of which each device has several, the running
 * statistics are those of the first, and devices that compute alike give the same bits however many they are. RESCL_ERR_ARG where a device would
 * have less of a batch than `train_least` images. */
rescl_status rs_team_create(rescl_device *const *devices, size_t count, const rs_graph *graph,
                            const rs_weights *weights, const rs_team_plan *plan, rs_team **out)
    RESCL_CHECK;
void rs_team_destroy(rs_team *t);
/* The memory of a device that such a team takes there: see rs_replica_bytes. */
rescl_status rs_team_bytes(rescl_device *dev, const rs_graph *graph, const rs_team_plan *plan,
                           uint64_t *out) RESCL_CHECK;

/* Frees all that a team holds, and then makes it as rs_team_create does: what its values were is to be uploaded again.
 * After a failure it can be made again, and nothing else; it has no members. */
rescl_status rs_team_remake(rs_team *t, rescl_device *const *devices, size_t count,
                            const rs_graph *graph, const rs_weights *weights,
                            const rs_team_plan *plan) RESCL_CHECK;

size_t rs_team_classes(const rs_team *t);
/* Members, for what is told about them. */
size_t rs_team_size(const rs_team *t);
rescl_device *rs_team_device(const rs_team *t, size_t member);

typedef struct rs_team_pace {
    size_t share; /* of a whole training batch: images or, with shards, shards */
    /* Of the steps since rs_team_pace_clear; zeros in a team of one. */
    uint64_t images;
    double busy, waited; /* seconds of its own work, and of waiting for the other members */
} rs_team_pace;

/* Between steps. */
rescl_status rs_team_look(rs_team *t, size_t member, rs_team_pace *out) RESCL_CHECK;
rescl_status rs_team_pace_clear(rs_team *t) RESCL_CHECK;
/* Of all members, those of other processes too: what each has of a whole batch, as in rs_team_pace, and the images a
 * second of its own work since rs_team_pace_clear, 0 without any. rs_team_shares gives how many there are, 0 for a team
 * of one. */
size_t rs_team_shares(const rs_team *t, size_t *out);
rescl_status rs_team_speeds(rs_team *t, double *out) RESCL_CHECK;
/* Into `out` 32 hex digits that are equal for teams that train in the same way: by the same
 * implementations with the same numbers. */
rescl_status rs_team_fingerprint(const rs_team *t, char out[33]) RESCL_CHECK;

/* ---- steps ------------------------------------------------------------------------------- */

/* A training step that fails within leaves values that are of no use: from then on whatever reads,
 * trains or evaluates them is RESCL_ERR_DEVICE. */

/* Forward and backward of a batch that was planned for. Returns when the outputs are there, while
 * backward still runs: a loss that is not finite is known before rs_team_update. `seed` and `step`
 * draw dropout. `part` NULL: the batch is all that the update goes by. Others take `accumulates`; only behind
 * the last are the gradients, those of the mean loss of all parts, there for an update. */
rescl_status rs_team_gradients(rs_team *t, const rs_batch *batch, const rs_team_part *part,
                               uint64_t seed, uint64_t step, rs_outputs *out) RESCL_CHECK;
/* Updates the parameters by the gradients of the last batch; `step` counts from 1. Waits for
 * nothing; in fp16 for the gradients: the update is left out where one of them is not finite, which
 * shows in the loss scale, or is RESCL_ERR_NUMERIC, naming the parameter, when the scale is at its least. */
rescl_status rs_team_update(rs_team *t, const rs_rates *lr, uint64_t step) RESCL_CHECK;
/* The loss scale as the last update left it; zeros but in fp16. For a run that goes on. */
const rs_loss_scale *rs_team_loss_scale(const rs_team *t);
void rs_team_set_loss_scale(rs_team *t, const rs_loss_scale *scale);
/* Forward of a batch as in inference. The next batch of `ahead`, where it is made already, goes up while
 * the device works on this one; NULL: none does. After a batch that went ahead comes either its own
 * evaluation or rs_team_forget. */
rescl_status rs_team_evaluate(rs_team *t, const rs_batch *batch, rs_loader *ahead, rs_outputs *out)
    RESCL_CHECK;
void rs_team_forget(rs_team *t);

/* What the last batch's image `index` has of the graph's features, in inference: see rs_head_gradient.
 * RESCL_ERR_UNSUPPORTED for a network without them. */
rescl_status rs_team_features(rs_team *t, size_t index, float *features) RESCL_CHECK;

/* Of the last batch, whose loss is not finite, with the weights as they are now: the first layer
 * whose output, or else the first parameter or gradient, holds NaN or infinity; NULL without a last
 * batch. RESCL_ERR_DEVICE when the device is to blame. Slow. */
rescl_status rs_team_find_nonfinite(rs_team *t, const char **layer) RESCL_CHECK;

/* With other processes, of which each calls these: whether this one writes; what it has,
 * to the others; that a step's work begins or has ended, between which it may not stand still for long. Without,
 * nothing changes. */
bool rs_team_leads(const rs_team *t);
size_t rs_team_ranks_count(const rs_team *t, size_t *index); /* 1: there are no others */
/* `part[i]` bytes of process i, one after the other in `data`, from each to all. */
rescl_status rs_team_gather(rs_team *t, void *data, const size_t *part) RESCL_CHECK;
/* Into *first and *count what this process has of the images of a training batch of n. */
void rs_team_part_of(const rs_team *t, size_t n, size_t *first, size_t *count);
/* Rows of `bytes` for each image of the last training batch, from who has the image to all. */
rescl_status rs_team_gather_rows(rs_team *t, void *rows, size_t bytes) RESCL_CHECK;
/* Before all evaluate: the device that does so in this process gets what that of the first one has, by way of `w`. */
rescl_status rs_team_take_first(rs_team *t, rs_weights *w) RESCL_CHECK;
rescl_status rs_team_tell(rs_team *t, void *data, size_t bytes) RESCL_CHECK;
/* `own`, or where it is none that another process has one: who fails alone would leave the others waiting. *stop and
 * *unread, where they are not NULL, become whether any has them set; RESCL_ERR_INTERRUPTED then sets *stop, and is
 * none. Without other processes they stay as they are. */
rescl_status rs_team_agree(rs_team *t, rescl_status own, bool *stop, bool *unread) RESCL_CHECK;
void rs_team_works(rs_team *t, bool works);

/* Waits for everything that was asked for. */
rescl_status rs_team_finish(rs_team *t) RESCL_CHECK;
/* Device memory of all members at its most. */
uint64_t rs_team_peak_bytes(const rs_team *t);

/* ---- values ------------------------------------------------------------------------------ */

/* Parameters and running statistics, at any step's end; as the last update leaves them. */
rescl_status rs_team_download(rs_team *t, rs_weights *w) RESCL_CHECK;
/* Members that do not compute alike drift apart by roundings: all get the weights, and the optimiser's state, of the
 * first one, by way of `w` and `state`. Nothing where all are alike. */
rescl_status rs_team_level(rs_team *t, rs_weights *w, rs_weights *state) RESCL_CHECK;
/* One parameter or statistic by its index in the graph, or the gradient of one that is trained. */
rescl_status rs_team_read_param(rs_team *t, size_t index, bool gradient, float *values) RESCL_CHECK;
rescl_status rs_team_write_param(rs_team *t, size_t index, bool gradient, const float *values)
    RESCL_CHECK;
/* The optimiser's state arrays, i < rs_team_states. */
int rs_team_states(const rs_team *t);
rescl_status rs_team_upload_state(rs_team *t, int i, const rs_weights *w) RESCL_CHECK;
rescl_status rs_team_download_state(rs_team *t, int i, rs_weights *w) RESCL_CHECK;
/* Gradients of the parts so far, after one that is not the last; trained parameters only. */
rescl_status rs_team_upload_sum(rs_team *t, const rs_weights *w) RESCL_CHECK;
rescl_status rs_team_download_sum(rs_team *t, rs_weights *w) RESCL_CHECK;

/* ---- the moving average ------------------------------------------------------------------ */

/* Of parameters and running statistics; at first it is what they are. See average.h. */
rescl_status rs_team_update_average(rs_team *t, double gain) RESCL_CHECK;
/* It and the weights change places: what is evaluated is the average, until the same call again. */
rescl_status rs_team_swap_average(rs_team *t) RESCL_CHECK;
rescl_status rs_team_upload_average(rs_team *t, const rs_weights *w) RESCL_CHECK;
rescl_status rs_team_download_average(rs_team *t, rs_weights *w) RESCL_CHECK;

#endif
