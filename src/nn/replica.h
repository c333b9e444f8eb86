/* A replica: one network on one device, with every net that a run needs planned before its first
 * step. */
#ifndef RS_REPLICA_H
#define RS_REPLICA_H

#include "net.h"

typedef struct rs_replica_options {
    const rs_optim_hyper *hyper;    /* NULL: inference only */
    size_t train_batch, train_tail; /* sizes of the full and the last batch; 0: none such */
    size_t eval_batch, eval_tail;
} rs_replica_options;

#define RS_REPLICA_NETS 4

typedef struct rs_replica {
    rescl_device *dev;
    rs_store *store;
    rs_net *net[RS_REPLICA_NETS];
    rs_mode mode[RS_REPLICA_NETS];
    rs_workspace *workspace;
    size_t classes;
    float *logits, *losses; /* on the host: what the last forward gave, after rs_replica_settle */
    rs_fence *fence[4];     /* transfers under way */
} rs_replica;

/* Plans the nets of a graph and uploads its weights. Borrows the device and the graph. */
rescl_status rs_replica_create(rescl_device *dev, const rs_graph *graph, const rs_weights *weights,
                               const rs_replica_options *options, rs_replica **out) RESCL_CHECK;
void rs_replica_destroy(rs_replica *r);

/* The net for batches of n, or NULL. */
rs_net *rs_replica_net(const rs_replica *r, rs_mode mode, size_t n);

/* Enqueues: upload of the batch, forward, download of logits and losses. The batch is the device's
 * until rs_replica_settle, or until this fails. */
rescl_status rs_replica_forward(rs_replica *r, rs_net *net, const float *pixels,
                                const int32_t *labels, uint64_t seed, uint64_t step) RESCL_CHECK;

/* Waits for the transfers of the last forward, not for what was enqueued after it. */
rescl_status rs_replica_settle(rs_replica *r) RESCL_CHECK;

/* The same after something else has failed, of which rescl_last_error tells. */
void rs_replica_abandon(rs_replica *r);

#endif
