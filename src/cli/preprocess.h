/* How images become the network's input: --preprocess, --mean and --std. */
#ifndef CLI_PREPROCESS_H
#define CLI_PREPROCESS_H

#include "options.h"

#include <jansson.h>
#include <rescl/rescl.h>

/* Takes the options. Exit code. */
int cli_preprocess_set(const cli_args *args, rescl_model *model);

/* A note on how images are prepared and what that follows from; `weights` may be NULL. */
void cli_preprocess_note(const cli_args *args, const rescl_weights *weights,
                         const rescl_model *model);

/* "torch", "normalize (mean 0.4914,0.4822,0.4465, std 0.2023,0.1994,0.201)"; of one channel one number
 * each. */
const char *cli_preprocess_text(rescl_preprocess p, const rescl_normalize *n, size_t channels,
                                char buffer[256]);

/* Sets "preprocess", and "mean" and "std" where there are any. */
void cli_preprocess_json(json_t *object, rescl_preprocess p, const rescl_normalize *n,
                         size_t channels);

#endif
