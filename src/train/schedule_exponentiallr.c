#include "schedule.h"

#include <math.h>

enum { GAMMA };

static double rate(const rs_schedule_ask *ask, const double *number)
{
    return ask->lr * pow(number[GAMMA], (double)ask->epoch);
}

const rs_schedule_def rs_schedule_exponentiallr = {
    .name = "exponentiallr",
    .about = "lr * gamma ^ epoch",
    .options = {&rs_schedule_gamma},
    .rate = rate,
};
