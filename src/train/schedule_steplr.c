#include "schedule.h"

#include <math.h>

enum { STEP_SIZE, GAMMA };

static const rescl_option step_size = {.name = "lr_step_size",
                                       .type = RESCL_OPTION_SIZE,
                                       .value = "30",
                                       .range = "[1,1000000]",
                                       .limits = "[1,inf)",
                                       .group = "schedule",
                                       .metavar = "N",
                                       .help = "steplr: epochs between decays"};

/* A step size of 0 never steps. */
static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double size = number[STEP_SIZE];
    return ask->lr * pow(number[GAMMA], size > 0.0 ? floor((double)ask->epoch / size) : 0.0);
}

const rs_schedule_def rs_schedule_steplr = {
    .name = "steplr",
    .about = "lr * gamma ^ floor(epoch / step size)",
    .options = {&step_size, &rs_schedule_gamma},
    .rate = rate,
};
