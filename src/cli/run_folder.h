/* The folder of a training run: <output-dir>/<name>/{args.ini, env.json, results.csv,
 * weights/{best,last}.safetensors}. The library writes the files; this finds and names folders. */
#ifndef CLI_RUN_FOLDER_H
#define CLI_RUN_FOLDER_H

#include "options.h"

/* A printf into a heap string; NULL after a message if memory is short. */
char *cli_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* mkdir -p. False after a message. */
bool cli_make_folders(const char *path);

/* The run folder that the value of a flag such as --resume means: a folder, or a checkpoint in its
 * weights/. NULL after a message if it is neither. */
char *cli_run_of(const char *flag, const char *run);

/* Takes the options of the run's args.ini with origin ORIGIN_RUN. Exit code. */
int cli_run_read_args(cli_args *args, const char *flag, const char *run);

/* Whether --name and --output-dir can name a folder; false after a message about the usage. */
bool cli_run_check(const cli_args *args);

/* Makes a new folder for `args`: --name or <model>-<data>, with -2, -3, ... if it is taken. NULL
 * after a message. */
char *cli_run_create(const cli_args *args);

/* A row of results.csv; NaN where it says nothing. */
typedef struct cli_run_row {
    double train_loss, train_top1, eval_loss, eval_top1;
} cli_run_row;

/* The last row of the run's results.csv; all NaN if there is none. */
cli_run_row cli_run_last_row(const char *folder);

/* The weights file that --weights, or another `flag`, means: itself, or the best (else the last) of a
 * run folder, or what Hugging Face's libraries call weights in another. */
char *cli_weights_of(const char *flag, const char *weights);

/* Words for a shell, quoted where it needs to be; control characters as $'\x1b'. Free the result. */
char *cli_shell_quote(const char *word);

#endif
