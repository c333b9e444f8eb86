/* The splits of --data-path that a training uses. */
#ifndef CLI_TRAIN_DATA_H
#define CLI_TRAIN_DATA_H

#include "options.h"

#include <rescl/rescl.h>

typedef struct cli_train_data {
    rescl_dataset *train;
    rescl_dataset *val;       /* chooses the best epoch; NULL: test does, or the training images */
    rescl_dataset *test;      /* NULL: there is none */
    double held_out;          /* the share of the training images that is val; 0: none */
    bool val_seen, test_seen; /* most of its images are trained on: see cli_train_data_recognise */
} cli_train_data;

/* Opens them; built-in sets draw images of `size` (0: their own). Settles the value of
 * --validation-split in `args`, so that args.ini has it. Exit code. */
int cli_train_data_open(const cli_args *args, size_t size, cli_train_data *d);
void cli_train_data_close(cli_train_data *d);

/* What measures after each epoch: val, else test, else NULL. */
rescl_dataset *cli_train_data_measured(const cli_train_data *d);

/* Says which images are used for what, and what was left out. */
void cli_train_data_describe(const cli_args *args, const cli_train_data *d);

/* Warns of images that measure the network and are trained on too, which the model of a trainer
 * knows. Exit code. */
int cli_train_data_recognise(const cli_args *args, const rescl_model *model, cli_train_data *d);

/* Prints the notes of datasets (NULL: none), each once. */
void cli_data_notes(rescl_dataset *const *sets, size_t count);

/* Whether the user, a config file or the run that goes on gave the option. */
bool cli_is_given(const cli_args *args, cli_opt id);

#endif
