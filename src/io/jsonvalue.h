/* Values that JSON has no form of its own for. */
#ifndef RS_JSONVALUE_H
#define RS_JSONVALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Text as JSON; bytes that are not UTF-8 become '?'. NULL gives null. */
json_t *rs_json_text(const char *text);

/* A 64-bit number as a decimal string, as JSON numbers end at 2^63, and back; false if it is
 * none. */
json_t *rs_json_u64(uint64_t value);
bool rs_json_get_u64(const json_t *value, uint64_t *out);

#endif
