/* JSON from files of anybody, and into files. */
#ifndef RS_JSONLOAD_H
#define RS_JSONLOAD_H

#include <jansson.h>
#include <rescl/status.h>
#include <stddef.h>

#define RS_JSON_MEMORY ((size_t)256 << 20)

/* json_loadb, which refuses text whose values would take more than RS_JSON_MEMORY: a few bytes of text
 * make a hundred times as many of memory. NULL with `why` then, too. */
json_t *rs_json_load(const char *text, size_t bytes, size_t flags, json_error_t *why);
/* What a text is that rs_json_load refused: RESCL_ERR_FORMAT, or RESCL_ERR_MEMORY if memory was short. */
rescl_status rs_json_why(const json_error_t *why);

/* json_dumps, whose text lacks nothing: where memory is short it fails. */
rescl_status rs_json_dump(const json_t *value, size_t flags, char **out) RESCL_CHECK;

#endif
