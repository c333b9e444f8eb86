/* JSON from files of anybody. */
#ifndef RS_JSONLOAD_H
#define RS_JSONLOAD_H

#include <jansson.h>
#include <stddef.h>

#define RS_JSON_MEMORY ((size_t)256 << 20)

/* json_loadb, which refuses text whose values would take more than RS_JSON_MEMORY: a few bytes of text
 * make a hundred times as many of memory. NULL with `why` then, too. */
json_t *rs_json_load(const char *text, size_t bytes, size_t flags, json_error_t *why);

#endif
