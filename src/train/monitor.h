/* The number of an epoch that decides: by it the best epoch is chosen, a run ends early, and a schedule
 * follows the run. The rules are those of Keras' callbacks. */
#ifndef RS_MONITOR_H
#define RS_MONITOR_H

#include "checkpoint.h"

#include <rescl/train.h>

/* "auto" and Keras' names: "val_loss" and "val_accuracy" of the evaluation, "loss" and "accuracy" of the
 * training images; "val_map", the mean average precision of several labels; ended by NULL. */
const char *const *rs_monitor_names(void);

/* Whether the monitor is a number of the evaluation, where there is one. */
bool rs_monitor_by_eval(const char *monitor);

/* Which of these names an epoch is judged by; "auto": by the accuracy of the evaluation first, of several
 * labels by the mean average precision, or by the loss where there was none. */
const char *rs_monitor_measured(const char *monitor, const rescl_epoch_event *e);

/* The number, the smaller the better: others than losses are negated. "auto" is the loss. What the evaluation did
 * not measure is taken from training. */
double rs_monitor_value(const char *monitor, const rescl_epoch_event *e);

/* Whether the run's best weights so far are those of this epoch: by "auto" as rs_monitor_measured, then the loss. */
bool rs_monitor_is_best(const char *monitor, const rescl_epoch_event *e, const rs_ckpt_progress *p);
/* The same, and takes note of those that are. */
bool rs_monitor_take_best(const char *monitor, const rescl_epoch_event *e, rs_ckpt_progress *p);

/* Keras' EarlyStopping(monitor, min_delta, patience, baseline=baseline): takes note of an epoch that was
 * measured. */
void rs_early_stopping_observe(const rescl_train_options *o, const rescl_epoch_event *e,
                               rs_ckpt_stopping *s);
/* Whether so many epochs in a row were no better that the run ends. */
bool rs_early_stopping_ends(const rescl_train_options *o, const rs_ckpt_stopping *s);

#endif
