/* A graph on the device under test, with a store, one net and its workspace. Every call fails the
 * test when something goes wrong. */
#ifndef RS_NET_FIXTURE_H
#define RS_NET_FIXTURE_H

#include "fixtures.h"
#include "net.h"

typedef struct net_fixture {
    rescl_device *dev;
    rs_store *store;
    rs_net *net;
    rs_workspace *workspace;
} net_fixture;

/* `hyper` NULL: inference only. Uploads `weights`. */
void net_fixture_open(net_fixture *f, rescl_device *dev, const rs_graph *g,
                      const rs_weights *weights, const rs_optim_hyper *hyper, size_t batch,
                      rs_mode mode);
void net_fixture_close(net_fixture *f);

/* Fills a tensor with values, in the type that it stores. */
void net_write(rescl_device *dev, const rs_tensor *t, const float *values);
void net_feed(net_fixture *f, const float *pixels, const int32_t *labels);
/* Feeds, runs forward, and gives the mean of the losses. */
double net_forward_loss(net_fixture *f, const float *pixels, const int32_t *labels, uint64_t step);
/* The same, then backward and an update; `step` counts from 1. */
double net_train_step(net_fixture *f, const float *pixels, const int32_t *labels, double lr,
                      double weight_decay, uint64_t step);
/* A tensor's floats on the heap. */
float *net_read(const net_fixture *f, rs_tensor t, size_t *count);
/* All gradients. */
void net_grads(net_fixture *f, const rs_graph *g, rs_weights *out);

/* The layer of `g` whose output `fused`, a node of its fused copy, gives: the last that was merged
 * into it. Borrowed from g. */
const char *net_layer_name(const rs_graph *g, const rs_node *fused);

/* ||a - b|| / ||b||. */
double net_distance(const float *a, const float *b, size_t count);

#endif
