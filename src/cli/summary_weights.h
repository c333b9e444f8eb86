/* rescl summary --weights: what a file holds, and what of it would match a model. */
#ifndef CLI_SUMMARY_WEIGHTS_H
#define CLI_SUMMARY_WEIGHTS_H

#include "options.h"

/* Exit code: CLI_FILE with --strict when not all matches. */
int cli_summary_weights(const cli_args *args);

#endif
