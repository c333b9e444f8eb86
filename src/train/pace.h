/* How fast devices train a network, and which of them are worth having. */
#ifndef RS_PACE_H
#define RS_PACE_H

#include "division.h"
#include "team.h"

#include <stdbool.h>

/* Of one device: training images a second by itself and beside the others, with which it may share
 * processors and memory, and the seconds in which its gradients come down, are added and go up. */
typedef struct rs_pace {
    double alone, together, exchange;
} rs_pace;

/* Times a few steps of each device, on parts of a batch of the plan. Compiles what these take. */
rescl_status rs_pace_measure(rescl_device *const *devices, size_t count, const rs_graph *graph,
                             const rs_weights *weights, const rs_team_plan *plan, rs_pace *out)
    RESCL_CHECK;

/* Expected seconds of a step on a batch by those that are kept. */
double rs_pace_step(const rs_pace *pace, const bool *keep, size_t count, size_t batch);
/* Keeps the devices with which a step is fastest: without the slowest, as far as that is faster, or one
 * alone. */
void rs_pace_choose(const rs_pace *pace, size_t count, size_t batch, bool *keep);

#endif
