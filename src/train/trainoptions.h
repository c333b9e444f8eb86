/* Training options: trainoptions.def as data, and a trainer's own copy of what a caller set. */
#ifndef RS_TRAINOPTIONS_H
#define RS_TRAINOPTIONS_H

#include <jansson.h>
#include <rescl/train.h>

/* Checks a caller's options and copies them, strings too, into `out`. On failure `out` holds
 * nothing. */
rescl_status rs_train_options_copy(const rescl_train_options *options, rescl_train_options *out)
    RESCL_CHECK;
/* Frees the strings of a copy; {0} is valid. */
void rs_train_options_fini(rescl_train_options *copy);

/* Gives a text of a copy another value, which becomes the copy's to free. */
void rs_train_options_replace(rescl_train_options *copy, const char *name, char *text);

/* The number that the option `name` holds, of a choice its place; NaN if there is no such option or it is
 * text. */
double rs_train_options_number(const rescl_train_options *o, const char *name);

/* RESCL_ERR_ARG if the option `name`, which acts only with another one (`with`), is not as it is by default. */
rescl_status rs_train_options_check_idle(const rescl_train_options *o, const char *name,
                                         const char *with) RESCL_CHECK;

/* By name, for checkpoints and env.json: "batch_size": 32. A new reference; NULL when memory is
 * short. u64 are strings, as JSON numbers end at 2^63. */
json_t *rs_train_options_json(const rescl_train_options *o);

/* RESCL_ERR_ARG naming the first option that a resume has to repeat and that differs from what
 * `saved` holds; what it lacks counts as the default. `path` is the file that it came from. */
rescl_status rs_train_options_match(const json_t *saved, const rescl_train_options *now,
                                    const char *path) RESCL_CHECK;

#endif
