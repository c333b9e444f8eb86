/* As torch.optim.lr_scheduler.PolynomialLR over all epochs; with lr_min above 0, as
 * keras.optimizers.schedules.PolynomialDecay. */
#include "schedule.h"

#include <math.h>

enum { POWER, MIN };

static const rescl_option power = {.name = "lr_power",
                                   .type = RESCL_OPTION_REAL,
                                   .value = "1",
                                   .range = "(0,100]",
                                   .limits = "[0,inf)",
                                   .group = "schedule",
                                   .metavar = "P",
                                   .help = "polynomiallr: exponent; 1: a line"};

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double done = ask->epochs ? fmin((double)ask->epoch / (double)ask->epochs, 1.0) : 0.0;
    return number[MIN] + (ask->lr - number[MIN]) * pow(1.0 - done, number[POWER]);
}

const rs_schedule_def rs_schedule_polynomiallr = {
    .name = "polynomiallr",
    .about = "min + (lr - min) * (1 - epoch / epochs) ^ power",
    .options = {&power, &rs_schedule_min},
    .rate = rate,
};
