#include "schedule.h"

#include <math.h>

enum { MIN };

static double rate(const rs_schedule_ask *ask, const double *number)
{
    const double done = ask->epochs ? (double)ask->epoch / (double)ask->epochs : 0.0;
    return number[MIN] + (ask->lr - number[MIN]) * (1.0 + cos(acos(-1.0) * done)) / 2.0;
}

const rs_schedule_def rs_schedule_cosineannealinglr = {
    .name = "cosineannealinglr",
    .about = "min + (lr - min) * (1 + cos(pi * epoch / epochs)) / 2",
    .options = {&rs_schedule_min},
    .rate = rate,
};
