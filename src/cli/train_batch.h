/* --batch-size auto. */
#ifndef CLI_TRAIN_BATCH_H
#define CLI_TRAIN_BATCH_H

#include "session.h"

/* Where the options leave the batch size to the device: chooses it, says why, and settles the value of
 * --batch-size in `args`, so that args.ini has it. `measured` may be NULL; `ranks` are the processes that
 * train together. Exit code. */
int cli_batch_size_settle(const cli_args *args, const cli_session *session, size_t ranks,
                          const rescl_model *model, const rescl_dataset *train,
                          const rescl_dataset *measured, rescl_train_options *options);

#endif
