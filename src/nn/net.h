/* A graph on a device: parameters in arenas, plans per batch size, forward, backward, update.
 *
 *   rs_store      parameters, gradients, running statistics and optimiser state of one replica;
 *                 gradients and state of those parameters only that are trained
 *   rs_net        one (graph, batch, mode) planned on a store: launches and memory layout
 *   rs_workspace  the memory for activations, shared by nets that never run at once
 *
 * A replica plans its nets (rs_net_plan), makes one workspace for them (rs_workspace_create binds
 * them all) and from then on allocates and builds nothing. */
#ifndef RS_NET_H
#define RS_NET_H

#include "graph.h"
#include "optim.h"

/* ---- parameters -------------------------------------------------------------------------- */

typedef struct rs_store rs_store;

/* `hyper` NULL: for inference only, without gradients and optimiser state. Borrows dev and graph
 * (fused or not: same parameters). Contents are zero until uploaded. */
rescl_status rs_store_create(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                             rs_store **out) RESCL_CHECK;
/* What arenas are laid out by: bytes that a parameter's place is a multiple of, and the most of one arena.
 * Stores of a graph that are laid out by the same have the same arenas, on whatever devices. */
typedef struct rs_store_rule {
    size_t align, limit;
} rs_store_rule;

/* A device's own, by which rs_store_create goes, and one that serves several. */
rs_store_rule rs_store_rule_of(const rescl_device *dev);
rs_store_rule rs_store_rule_of_all(rescl_device *const *devices, size_t count);
rescl_status rs_store_create_by(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                                const rs_store_rule *rule, rs_store **out) RESCL_CHECK;
void rs_store_destroy(rs_store *s);
/* Device memory that such a store takes, of which gradients are summed or averages kept; nothing is
 * allocated. */
rescl_status rs_store_bytes(rescl_device *dev, const rs_graph *g, const rs_optim_hyper *hyper,
                            bool accumulates, bool averages, uint64_t *out) RESCL_CHECK;

/* Parameters and running statistics, host to device and back: one transfer for each arena. A download
 * that fails leaves `w` as it was. */
rescl_status rs_store_upload(rs_store *s, const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_download(rs_store *s, rs_weights *w) RESCL_CHECK;
/* Gradients (same order; arrays of non-trainable entries are left alone). */
rescl_status rs_store_upload_grads(rs_store *s, const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_download_grads(rs_store *s, rs_weights *w) RESCL_CHECK;
/* One parameter or statistic by its index in the graph, or the gradient of one that is trained. */
rescl_status rs_store_read_param(rs_store *s, size_t index, bool gradient, float *values)
    RESCL_CHECK;
rescl_status rs_store_write_param(rs_store *s, size_t index, bool gradient, const float *values)
    RESCL_CHECK;
/* Optimiser state array `i` < rs_store_states. */
int rs_store_states(const rs_store *s);
rescl_status rs_store_upload_state(rs_store *s, int i, const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_download_state(rs_store *s, int i, rs_weights *w) RESCL_CHECK;

/* Gradients become ready in buckets: parts of a gradient arena, numbered as backward finishes them.
 * Together they are the arenas, each byte in one of them. */
typedef struct rs_bucket {
    size_t arena, offset, bytes;
} rs_bucket;

/* The first bucket is small, so that what waits for it can begin early. One parameter is never
 * divided. Before a net is planned on the store; it starts with the sizes below. */
#define RS_BUCKET_FIRST_BYTES ((size_t)1 << 20)
#define RS_BUCKET_BYTES       ((size_t)25 << 20)
rescl_status rs_store_set_buckets(rs_store *s, size_t first_bytes, size_t bytes) RESCL_CHECK;
size_t rs_store_buckets(const rs_store *s);
const rs_bucket *rs_store_bucket(const rs_store *s, size_t index); /* NULL past the end */
rs_buffer *rs_store_grad_arena(const rs_store *s, size_t arena);   /* borrowed */

/* Enqueue: keeps a copy of the running statistics, and sets them back to it. */
rescl_status rs_store_keep_statistics(rs_store *s) RESCL_CHECK;
rescl_status rs_store_restore_statistics(rs_store *s) RESCL_CHECK;
/* Nets that train and are planned on the store from now on compute what lies within their blocks again
 * in backward, in place of keeping it: less memory, up to one more forward, the same bits. */
void rs_store_set_recompute(rs_store *s, bool recompute);

/* What an update goes by, for each group of parameters. */
typedef struct rs_rates {
    struct {
        double lr, weight_decay;
    } group[RS_MAX_GROUPS];
    double momentum; /* see rs_update; 0: the optimiser's own */
} rs_rates;

/* The same for all groups, with the optimiser's own momentum. */
rs_rates rs_rates_uniform(double lr, double weight_decay);
rs_update rs_rates_of(const rs_rates *r, int group, uint64_t step);

/* Under what the update of a group is recorded while the device is profiled, and the bytes that it reads
 * and writes: gradients, parameters and the optimiser's state; 0: the group has no parameters. */
const char *rs_store_update_label(int group);
double rs_store_update_bytes(const rs_store *s, int group);

/* One optimiser update from the gradients, arena by arena; `step` counts from 1. */
rescl_status rs_store_update(rs_store *s, const rs_rates *rates, uint64_t step) RESCL_CHECK;
/* The same, then waits and looks at the parameters and the optimiser's state: RESCL_ERR_DEVICE or
 * RESCL_ERR_NUMERIC names the first number that is not finite. */
rescl_status rs_store_update_checked(rs_store *s, const rs_rates *rates, uint64_t step) RESCL_CHECK;

/* ---- nets -------------------------------------------------------------------------------- */

typedef enum rs_mode { RS_MODE_TRAIN, RS_MODE_EVAL } rs_mode;

typedef struct rs_net rs_net;
typedef struct rs_workspace rs_workspace;

/* Plans, checks what the plans launch (trust.h), and compiles. The net borrows the store and its own fused
 * copy of the graph. */
rescl_status rs_net_plan(rs_store *s, const rs_graph *g, size_t batch, rs_mode mode,
                         rescl_precision precision, rs_net **out) RESCL_CHECK;
void rs_net_destroy(rs_net *n);

/* Plans the passes alone: nothing is compiled and no memory laid out. Only the calls below and
 * rs_net_destroy take such a net. */
rescl_status rs_net_outline(rescl_device *dev, const rs_graph *g, size_t batch, rs_mode mode,
                            rescl_precision precision, rs_net **out) RESCL_CHECK;
/* The plans of a net in order: pass `pass` of node `node`; NULL where the node has no such pass.
 * Borrowed. */
size_t rs_net_nodes(const rs_net *n);
const rs_plan *rs_net_plan_at(const rs_net *n, size_t node, rs_pass pass);
/* Under what a pass that there is is recorded while its device is profiled: "<op> <pass> <layer>". */
const char *rs_net_label_at(const rs_net *n, size_t node, rs_pass pass);
/* Chooses what a net that trains computes again in backward, as rs_store_set_recompute has it: what
 * leaves the least memory alive at once. Before its memory is laid out. */
rescl_status rs_net_recompute(rs_net *n) RESCL_CHECK;
/* Lays out the memory of an outline, once: then rs_net_bytes and rs_net_live_bytes tell of it. */
rescl_status rs_net_lay_out(rs_net *n) RESCL_CHECK;
/* Whether any of its products is computed in TF32. */
bool rs_net_uses_tf32(const rs_net *n);
/* Into `out` 32 hex digits that are equal for nets whose passes are done in the same way: the same
 * implementations with the same numbers, of the same types. Chains `out`, if it is not "". */
rescl_status rs_net_fingerprint(const rs_net *n, char out[33]) RESCL_CHECK;

/* Allocates what the largest of the nets needs and binds all of them to it. */
rescl_status rs_workspace_create(rescl_device *dev, rs_net *const *nets, size_t count,
                                 rs_workspace **out) RESCL_CHECK;
void rs_workspace_destroy(rs_workspace *w);
/* Device memory that it takes for nets that are laid out. */
uint64_t rs_workspace_bytes(rs_net *const *nets, size_t count);
/* After a forward failed, or a wait behind it: which of its launches were run is unknown, so that
 * nothing that nets keep in the workspace counts. */
void rs_workspace_distrust(rs_workspace *w);

size_t rs_net_batch(const rs_net *n);
/* Bytes of activations, and the lower bound: the most that is alive at once. */
size_t rs_net_bytes(const rs_net *n);
size_t rs_net_live_bytes(const rs_net *n);

/* Tensors that the caller fills or reads: input (n,h,w,c), of the type that the precision gives it,
 * labels (n, RS_TARGET_WORDS) i32, or (n, classes) of rs_loss.rows: rs_targets_pack, logits (n,classes) and losses (n) f32. Valid after binding. */
rs_tensor rs_net_input(const rs_net *n);
rs_tensor rs_net_labels(const rs_net *n);
rs_tensor rs_net_logits(const rs_net *n);
rs_tensor rs_net_losses(const rs_net *n);
/* Filled like the labels, before each forward, of nets whose loss has them; else a tensor without a buffer: class
 * weights (classes), and a teacher's logits (n, classes). */
rs_tensor rs_net_class_weights(const rs_net *n);
rs_tensor rs_net_teacher(const rs_net *n);
/* The graph's features of the last forward, in evaluation; else a tensor without a buffer. */
rs_tensor rs_net_features(const rs_net *n);

/* `count` of a tensor's floats, from number `first` on, whatever they are stored as. Waits. */
rescl_status rs_tensor_read(rescl_device *dev, const rs_tensor *t, size_t first, size_t count,
                            float *out) RESCL_CHECK;

/* What a backward pass goes by. Its gradients are those of scale * share * mean loss over the net's
 * batch: `share` is how much of the whole batch that is, `scale` keeps small gradients from
 * vanishing. `seed` and `step` are those of the forward pass before. */
typedef struct rs_step {
    uint64_t seed, step;
    double scale, share;
} rs_step;

/* The plain case: the whole batch, unscaled. */
#define RS_STEP(seed, step) ((rs_step){(seed), (step), 1.0, 1.0})

/* Brings the net together with other replicas', whose passes run at the same time; borrowed. NULL, as it is at
 * first: it goes by itself. `room` is for rs_net_meeting_floats. */
void rs_net_set_meeting(rs_net *n, const rs_meeting *meeting);
size_t rs_net_meeting_floats(const rs_net *n);

/* Told of each bucket once in a backward pass, in their order, when all that writes to it is
 * enqueued: what is enqueued then finds its gradients there. */
typedef struct rs_bucket_listener {
    rescl_status (*ready)(void *user, size_t bucket);
    void *user;
} rs_bucket_listener;

/* Enqueue; nothing waits. After a failure the next forward makes everything anew; running statistics
 * that a failed forward of training moved stay moved. Backward follows a forward of the same step and
 * writes the store's gradients. `listener` may be NULL. */
rescl_status rs_net_forward(rs_net *n, uint64_t seed, uint64_t step) RESCL_CHECK;
rescl_status rs_net_backward(rs_net *n, const rs_step *step, const rs_bucket_listener *listener)
    RESCL_CHECK;

/* One pass alone, of those that rs_net_plan_at has, for who looks at each (replay.h): forward of the nodes
 * in their order, then backward from the last node on, of each RS_BWD_PARAMS and then RS_BWD_DATA.
 * Enqueues. What the net kept of earlier forwards does not count any more. */
rescl_status rs_net_run_pass(rs_net *n, size_t node, rs_pass pass, const rs_step *step) RESCL_CHECK;
const rs_node *rs_net_node(const rs_net *n, size_t node); /* of its fused graph */
/* What each row of the loss gets as its gradient in a step. */
float rs_net_loss_diff(const rs_net *n, const rs_step *step);

/* From now on forward and backward wait after each pass, and look at all numbers that it wrote: outputs,
 * what is kept for backward, statistics, gradients. RESCL_ERR_DEVICE or RESCL_ERR_NUMERIC, as the device or
 * the mathematics is to blame, names layer, op, pass, implementation, kernels and place of the first number
 * that is not finite. The results are the same. */
void rs_net_check_numerics(rs_net *n);

/* Runs forward again node by node and names the first layer whose output, or else the first
 * parameter or gradient, holds NaN or infinity. Slow; for the report after a bad loss. NULL: all
 * finite. RESCL_ERR_DEVICE when the device is to blame: from what the layer read the host gets a
 * finite number. */
rescl_status rs_net_find_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
    RESCL_CHECK;
/* The same where a forward with this seed and step has just given a number that is not finite:
 * RESCL_ERR_DEVICE, too, when a second one gives none. *layer is not NULL. */
rescl_status rs_net_explain_nonfinite(rs_net *n, uint64_t seed, uint64_t step, const char **layer)
    RESCL_CHECK;

/* Visits each node's output after a forward with a host copy, for tests and golden comparisons
 * (runs node by node). */
typedef rescl_status (*rs_visit_fn)(const rs_node *node, const rs_shape *shape, const float *data,
                                    void *user);
rescl_status rs_net_visit(rs_net *n, uint64_t seed, uint64_t step, rs_visit_fn fn, void *user)
    RESCL_CHECK;

#endif
