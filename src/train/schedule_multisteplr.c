/* As torch.optim.lr_scheduler.MultiStepLR. */
#include "schedule.h"

#include <math.h>

enum { GAMMA };

/* The milestones are a table of how many of them have passed. */
static double rate(const rs_schedule_ask *ask, const double *number)
{
    return ask->lr * pow(number[GAMMA], rs_rate_table_at(ask->milestones, ask->epoch, 0.0));
}

const rs_schedule_def rs_schedule_multisteplr = {
    .name = "multisteplr",
    .about = "lr * gamma ^ n, where n counts the epochs of lr_steps that are done",
    .options = {&rs_schedule_gamma},
    .rate = rate,
};
