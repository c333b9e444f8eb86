/* A replica: one network on one device, with every net that a run needs planned before its first
 * step. */
#ifndef RS_REPLICA_H
#define RS_REPLICA_H

#include "net.h"
#include "normalize.h"
#include "teacher.h"

typedef struct rs_replica_options {
    const rs_optim_hyper *hyper;    /* NULL: inference only */
    size_t train_batch, train_tail; /* sizes of the full and the last batch; 0: none such */
    size_t eval_batch, eval_tail;
    size_t train_more[2]; /* further sizes of batches to train with */
    rescl_precision precision;
    bool check_numerics;       /* see rs_net_check_numerics */
    bool recompute;            /* see rs_store_set_recompute */
    const rs_store_rule *rule; /* of the store; NULL: the device's own */
    /* Of training: see gradients.h and average.h; 0 or false: none. */
    double clip_norm, clip_value;
    bool accumulates, averages;
    /* Of the loss, where the graph says that it has them; else NULL. */
    const float *class_weights;
    const rs_teacher_plan *teacher;
} rs_replica_options;

#define RS_REPLICA_NETS 6

typedef struct rs_replica {
    rescl_device *dev;
    rs_store *store;
    rs_net *net[RS_REPLICA_NETS];
    rs_mode mode[RS_REPLICA_NETS];
    rs_workspace *workspace;
    rs_staging *staging;
    rs_kernel *normalize;
    rs_buffer *class_weights; /* NULL: none */
    rs_teacher *teacher;      /* the same */
    size_t classes;
    rs_block_form form;     /* of batches on their way to the device */
    size_t bytes;           /* of an image on the host: see pixel.h */
    float *logits, *losses; /* on the host: what the last forward gave, after rs_replica_settle */
    rs_fence *fence[2];     /* downloads under way */
} rs_replica;

/* Plans the nets of a graph and uploads its weights. Borrows the device and the graph. */
rescl_status rs_replica_create(rescl_device *dev, const rs_graph *graph, const rs_weights *weights,
                               const rs_replica_options *options, rs_replica **out) RESCL_CHECK;
void rs_replica_destroy(rs_replica *r);
/* Device memory that such a replica takes, the driver's for uploads included: planned, neither compiled nor
 * allocated. RESCL_ERR_MEMORY where a part of it exceeds the largest allocation. */
rescl_status rs_replica_bytes(rescl_device *dev, const rs_graph *graph,
                              const rs_replica_options *options, uint64_t *out) RESCL_CHECK;

/* The net for batches of n, or NULL. */
rs_net *rs_replica_net(const rs_replica *r, rs_mode mode, size_t n);

/* A batch takes these three in turn. After a failure nothing that was sent is there any more.
 *
 * Begins the upload of a batch, beside whatever the device works on. It is the caller's again when this
 * returns. At most two are sent and not received. */
rescl_status rs_replica_send(rs_replica *r, const rs_images *images) RESCL_CHECK;
/* Enqueues: the first batch that was sent becomes the input of a net of as many images. */
rescl_status rs_replica_receive(rs_replica *r, const rs_net *net) RESCL_CHECK;
/* Enqueues: forward, download of logits and losses. */
rescl_status rs_replica_forward(rs_replica *r, rs_net *net, uint64_t seed, uint64_t step)
    RESCL_CHECK;

/* Waits for the downloads of the last forward, not for what was enqueued after it. */
rescl_status rs_replica_settle(rs_replica *r) RESCL_CHECK;

/* The same after something else has failed, of which rescl_last_error tells. */
void rs_replica_abandon(rs_replica *r);

#endif
