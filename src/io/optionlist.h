/* The options of a training run as JSON, for checkpoints and env.json. */
#ifndef RS_OPTIONLIST_H
#define RS_OPTIONLIST_H

#include <jansson.h>
#include <rescl/train.h>

/* Every numeric and naming option by its flag's name ("batch_size": 32); not args_ini. A new
 * reference; NULL when memory is short. Seeds are strings: JSON numbers end at 2^63. */
json_t *rs_options_json(const rescl_train_options *o);

/* RESCL_ERR_ARG naming the first option that shapes the weights and differs from what `saved`
 * holds; `path` is the file it came from. epochs, workers, frequencies and folders may differ.
 * RESCL_ERR_FORMAT when `saved` lacks an option. */
rescl_status rs_options_match(const json_t *saved, const rescl_train_options *now, const char *path)
    RESCL_CHECK;

/* Text as JSON; bytes that are not UTF-8 become '?'. NULL gives null. */
json_t *rs_json_text(const char *text);

/* A 64-bit number as a decimal string, and back; false if it is none. */
json_t *rs_json_u64(uint64_t value);
bool rs_json_get_u64(const json_t *value, uint64_t *out);

#endif
