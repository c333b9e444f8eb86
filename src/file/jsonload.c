#include "jsonload.h"

#include <stdio.h>

/* What jansson allocates for values, with what the allocator adds; their text comes on top. */
enum { OF_OBJECT = 300, OF_ARRAY = 130, OF_MEMBER = 60 };

/* Of text that is JSON; of any other it is a number. */
static size_t estimate(const char *text, size_t bytes)
{
    size_t memory = bytes;
    for (size_t i = 0; i < bytes; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < bytes && text[i] != '"'; i++)
                i += text[i] == '\\';
            break;
        case '{':
            memory += OF_OBJECT;
            break;
        case '[':
            memory += OF_ARRAY;
            break;
        case ',':
        case ':':
            memory += OF_MEMBER;
            break;
        default:
            break;
        }
    }
    return memory;
}

json_t *rs_json_load(const char *text, size_t bytes, size_t flags, json_error_t *why)
{
    const size_t memory = estimate(text, bytes);
    if (memory <= RS_JSON_MEMORY)
        return json_loadb(text, bytes, flags, why);
    *why = (json_error_t){.line = 1, .column = 1};
    snprintf(why->text, sizeof why->text,
             "it lists so much that it takes %zu MiB of memory; at most %zu are spent on it",
             memory >> 20, RS_JSON_MEMORY >> 20);
    return NULL;
}
