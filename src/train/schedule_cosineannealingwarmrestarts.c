/* As torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, stepped once an epoch (Loshchilov and Hutter,
 * "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017). */
#include "schedule.h"

#include <math.h>

enum { CYCLE, MUL, MIN };

static const rescl_option cycle = {.name = "lr_cycle_epochs",
                                   .type = RESCL_OPTION_SIZE,
                                   .value = "10",
                                   .range = "[1,1000000]",
                                   .limits = "[1,inf)",
                                   .group = "schedule",
                                   .metavar = "N",
                                   .help =
                                       "cosineannealingwarmrestarts: epochs of the first cycle"};
static const rescl_option mul = {.name = "lr_cycle_mul",
                                 .type = RESCL_OPTION_SIZE,
                                 .value = "1",
                                 .range = "[1,1000]",
                                 .limits = "[1,inf)",
                                 .group = "schedule",
                                 .metavar = "N",
                                 .help = "cosineannealingwarmrestarts: factor from one cycle's "
                                         "epochs to the next one's"};

static double rate(const rs_schedule_ask *ask, const double *number)
{
    double at = (double)ask->epoch, epochs = fmax(number[CYCLE], 1.0);

    if (number[MUL] > 1.0)
        while (at >= epochs) {
            at -= epochs;
            epochs *= number[MUL];
        }
    else
        at = fmod(at, epochs);
    return number[MIN] + (ask->lr - number[MIN]) * (1.0 + cos(acos(-1.0) * (at / epochs))) / 2.0;
}

const rs_schedule_def rs_schedule_cosineannealingwarmrestarts = {
    .name = "cosineannealingwarmrestarts",
    .about = "cosineannealinglr over cycles of epochs, each of which starts from lr",
    .options = {&cycle, &mul, &rs_schedule_min},
    .rate = rate,
};
