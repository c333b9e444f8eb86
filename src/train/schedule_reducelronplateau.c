/* As torch.optim.lr_scheduler.ReduceLROnPlateau with its defaults: mode "min", a relative threshold,
 * no cooldown. */
#include "schedule.h"

#include <math.h>

#define THRESHOLD 1e-4

enum { GAMMA, PATIENCE, MIN };
enum { SEEN = RS_SCHEDULE_SEEN, BEST, WAITED, CHANGES };

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double lr = ask->lr * pow(number[GAMMA], ask->state[CHANGES]);
    return fmin(ask->lr, fmax(lr, number[MIN]));
}

/* What is negative is an accuracy: the smaller the better, and mode "max". */
static void observe(const double *number, double *state, double value)
{
    const double share = state[BEST] < 0.0 ? 1.0 + THRESHOLD : 1.0 - THRESHOLD;

    if (state[SEEN] < 1.0 || value < state[BEST] * share) {
        state[SEEN] = 1.0;
        state[BEST] = value;
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
    .options = {&rs_schedule_gamma, &rs_schedule_patience, &rs_schedule_min},
    .rate = rate,
    .observe = observe,
};
