/* As keras.callbacks.ReduceLROnPlateau: an absolute min_delta, a cooldown, and a patience that counts the
 * epoch which exhausts it. Its patience of 0 is one of 1. */
#include "schedule.h"

#include <math.h>

enum { GAMMA, PATIENCE, MIN, MIN_DELTA, COOLDOWN };
/* WAITED below 0: so many epochs of the cooldown are left. */
enum { SEEN = RS_SCHEDULE_SEEN, BEST, WAITED, CHANGES };

static const rescl_option min_delta = {.name = "lr_min_delta",
                                       .type = RESCL_OPTION_REAL,
                                       .value = "0.0001",
                                       .range = "[0,1000]",
                                       .limits = "[0,inf)",
                                       .group = "schedule",
                                       .metavar = "D",
                                       .help = "reducelronplateau_keras: what the monitored number "
                                               "has to be better by to count as better"};
static const rescl_option cooldown = {.name = "lr_cooldown",
                                      .type = RESCL_OPTION_SIZE,
                                      .value = "0",
                                      .range = "[0,1000000]",
                                      .limits = "[0,inf)",
                                      .group = "schedule",
                                      .metavar = "N",
                                      .help = "reducelronplateau_keras: epochs after a decay that "
                                              "are not waited"};

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double lr = ask->lr * pow(number[GAMMA], ask->state[CHANGES]);
    return fmin(ask->lr, fmax(lr, number[MIN]));
}

static void observe(const double *number, double *state, double value)
{
    const bool better = state[SEEN] < 1.0 || value + number[MIN_DELTA] < state[BEST];

    if (state[WAITED] < 0.0) /* the epoch that ends the cooldown is waited already */
        state[WAITED] += 1.0;
    if (better) {
        state[SEEN] = 1.0;
        state[BEST] = value;
        state[WAITED] = fmin(state[WAITED], 0.0);
    } else if (state[WAITED] >= 0.0) {
        state[WAITED] += 1.0;
        if (state[WAITED] >= number[PATIENCE]) {
            state[CHANGES] += 1.0;
            state[WAITED] = -number[COOLDOWN];
        }
    }
}

const rs_schedule_def rs_schedule_reducelronplateau_keras = {
    .name = "reducelronplateau_keras",
    .about = "as reducelronplateau, by the rule of Keras: patience, min_delta, cooldown",
    .options = {&rs_schedule_gamma, &rs_schedule_patience, &rs_schedule_min, &min_delta, &cooldown},
    .rate = rate,
    .observe = observe,
};
