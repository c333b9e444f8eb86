/* What a training says of itself before its first step. */
#ifndef CLI_TRAIN_PLAN_H
#define CLI_TRAIN_PLAN_H

#include <rescl/rescl.h>

/* The images of each class, or the least and the most of many, with a warning where they are uneven and no
 * option acts against it. */
void cli_classes_note(const rescl_dataset *train, const rescl_train_options *options);

/* What the network needs of the device's memory, with a warning where that is more than there is. */
void cli_memory_note(rescl_device *device, const rescl_model *model,
                     const rescl_train_options *options);

/* Epochs, steps, optimiser, rates, and what may end the run early. `steps`: of an epoch. */
void cli_plan_note(const rescl_train_options *options, size_t steps);

/* Of a run that patience ended. */
void cli_stopped_note(const rescl_train_options *options, size_t epochs);

#endif
