/* Whether the convolutions and dense layers of a network, as they are planned for a device, compute what
 * they should: each distinct problem once, with the implementation that the network uses, by numbers that
 * are drawn from its result (judge.h). */
#ifndef RS_NETCHECK_H
#define RS_NETCHECK_H

#include "graph.h"

#include <rescl/precision.h>

typedef struct rs_netcheck {
    size_t problems; /* passes that were judged */
    double share;    /* the largest error, as a share of what is tolerated */
} rs_netcheck;

/* RESCL_ERR_NUMERIC, naming the problem and the implementation, at the first that is wrong. */
rescl_status rs_net_check(rescl_device *dev, const rs_graph *g, size_t batch, bool training,
                          rescl_precision precision, rs_netcheck *out) RESCL_CHECK;

#endif
