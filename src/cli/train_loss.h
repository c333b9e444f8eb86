/* --loss and its numbers. */
#ifndef CLI_TRAIN_LOSS_H
#define CLI_TRAIN_LOSS_H

#include "options.h"

#include <rescl/rescl.h>

/* Sets what the options say of the loss. False after a message about a number that the loss has not. */
bool cli_train_loss(const cli_args *args, rescl_model_options *o);

#endif
