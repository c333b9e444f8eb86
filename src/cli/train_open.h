/* What a training is made of before it begins: options, device, data, network, weights. */
#ifndef CLI_TRAIN_OPEN_H
#define CLI_TRAIN_OPEN_H

#include "options.h"
#include "session.h"
#include "train_data.h"

typedef struct cli_training {
    const cli_args *args;
    rescl_train_options options;
    cli_session session;
    cli_train_data data;
    rescl_dataset *train_set, *eval_set; /* of `data`: what is measured after each epoch, or NULL */
    rescl_model *model;
    rescl_weights *weights; /* what it starts from, or NULL */
    rescl_match_list *loaded;
    char *teacher; /* the file of options.teacher, or NULL */
} cli_training;

/* Opens all by the arguments, as the process `rank` of those that train together; `t` is {0} and to be
 * closed after a failure too. Exit code. */
int cli_training_open(const cli_args *args, const rescl_ranks_info *rank, cli_training *t);
void cli_training_close(cli_training *t);
/* Notes what of the weights was taken, if there are any. */
void cli_training_weights_note(const cli_training *t);

#endif
