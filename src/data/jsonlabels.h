/* The labels that a JSON object of an image tells, as members of tar archives have them. */
#ifndef RS_JSONLABELS_H
#define RS_JSONLABELS_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

/* In *out, on the heap, the number or the name under "label", "class" or another of such keys; of a list, as
 * *is_list tells, all of them as "a;b", "" of none. NULL: there is no such key. RESCL_ERR_FORMAT, naming the
 * archive `path` and its member `name`, for what is not JSON, for lists of anything else and for rows of 0 and 1. */
rescl_status rs_json_labels(const char *path, const char *name, const char *text, size_t bytes,
                            char **out, bool *is_list) RESCL_CHECK;

/* A label's text without blanks around, on the heap; NULL: empty, or memory is short. */
char *rs_label_trim(const char *text);

#endif
