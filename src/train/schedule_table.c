/* Rates by epoch from a table, as keras.callbacks.LearningRateScheduler has them from a function. */
#include "schedule.h"

static double rate(const rs_schedule_ask *ask, const double *number)
{
    (void)number;
    const double rate = rs_rate_table_at(ask->table, ask->epoch, ask->head_lr);
    return ask->head_lr > 0.0 ? rate * (ask->lr / ask->head_lr) : rate;
}

const rs_schedule_def rs_schedule_table = {
    .name = "table",
    .about = "the rates of lr_table, each from its epoch on",
    .rate = rate,
};
