/* The distinct problems of a network's layers that have several implementations to choose from
 * (convolutions and dense layers: ops with a key), and how often the network has each. */
#ifndef RS_WORKLIST_H
#define RS_WORKLIST_H

#include "net.h"
#include "tunetable.h"

/* One pass of one problem. */
typedef struct rs_work {
    rs_problem problem;
    rs_pass pass;
    char key[RS_TUNE_KEY]; /* tells problems apart */
    size_t count;
} rs_work;

/* {0} is empty and valid. */
typedef struct rs_worklist {
    rs_work *item;
    size_t count, cap;
    rs_net *outline; /* owns what the problems point to; NULL: the graph does */
} rs_worklist;

void rs_worklist_fini(rs_worklist *w);

/* Adds one pass, or counts it where the list has it already; leaves out ops without a key. */
rescl_status rs_worklist_add(rs_worklist *w, const rs_problem *p, rs_pass pass) RESCL_CHECK;

/* Adds the passes of one layer that inference, or a training step, takes: forward, and where
 * p->training backward for the parameters and, if `want_diff`, for the input. */
rescl_status rs_worklist_add_layer(rs_worklist *w, const rs_problem *p, bool want_diff) RESCL_CHECK;

/* Adds the layers of a graph, each by itself, with the types of its values. Borrows g. */
rescl_status rs_worklist_add_graph(rs_worklist *w, const rs_graph *g, size_t batch, bool training)
    RESCL_CHECK;

/* Adds what the layers really do in a network on the device: with what is fused into them, and
 * adding to a gradient where they do. Once for a list; borrows g and dev. */
rescl_status rs_worklist_add_network(rs_worklist *w, rescl_device *dev, const rs_graph *g,
                                     size_t batch, bool training, rescl_precision precision)
    RESCL_CHECK;

/* RESCL_ERR_ARG, with the nearest name, unless an op with a key has an implementation `name` or it
 * is `also` (may be NULL). */
rescl_status rs_worklist_check_impl(const char *name, const char *also) RESCL_CHECK;

#endif
