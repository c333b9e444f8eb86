#include "jsonvalue.h"

#include "str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *rs_json_text(const char *text)
{
    json_t *out = NULL;
    char *copy;

    if (!text)
        return json_null();
    copy = strdup(text);
    if (copy) {
        rs_make_utf8(copy);
        out = json_string(copy);
    }
    free(copy);
    return out;
}

json_t *rs_json_u64(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return json_string(text);
}

bool rs_json_get_u64(const json_t *value, uint64_t *out)
{
    return json_is_string(value) && rs_parse_u64(json_string_value(value), out);
}
