/* As torch.optim.lr_scheduler.ReduceLROnPlateau with its defaults: mode "min", a relative threshold,
 * no cooldown. */
#include "schedule.h"

#include <math.h>

#define THRESHOLD 1e-4

enum { GAMMA, PATIENCE, MIN };
enum { SEEN, BEST, WAITED, CHANGES };

static const rescl_option patience = {.name = "lr_patience",
                                      .type = RESCL_OPTION_SIZE,
                                      .value = "10",
                                      .range = "[0,1000000]",
                                      .limits = "[0,inf)",
                                      .group = "schedule",
                                      .metavar = "N",
                                      .help = "reducelronplateau: epochs to wait for a lower loss"};

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double lr = ask->lr * pow(number[GAMMA], ask->state[CHANGES]);
    return fmin(ask->lr, fmax(lr, number[MIN]));
}

static void observe(const double *number, double *state, double loss)
{
    if (state[SEEN] < 1.0 || loss < state[BEST] * (1.0 - THRESHOLD)) {
        state[SEEN] = 1.0;
        state[BEST] = loss;
        state[WAITED] = 0.0;
        return;
    }
    state[WAITED] += 1.0;
    if (state[WAITED] > number[PATIENCE]) {
        state[CHANGES] += 1.0;
        state[WAITED] = 0.0;
    }
}

const rs_schedule_def rs_schedule_reducelronplateau = {
    .name = "reducelronplateau",
    .about = "lr * gamma ^ n, where n counts the times that the loss did not fall for long",
    .options = {&rs_schedule_gamma, &patience, &rs_schedule_min},
    .rate = rate,
    .observe = observe,
};
