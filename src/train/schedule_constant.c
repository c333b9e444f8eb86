#include "schedule.h"

static double rate(const rs_schedule_ask *ask, const double *number)
{
    (void)number;
    return ask->lr;
}

const rs_schedule_def rs_schedule_constant = {
    .name = "constant",
    .about = "lr",
    .rate = rate,
};
