#define XXH_STATIC_LINKING_ONLY /* a state on the stack */
#include "hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static rs_hash from_xxh(XXH128_hash_t h)
{
    return (rs_hash){h.low64, h.high64};
}

rs_hash rs_hash_strings(const char *const *strings, size_t count)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < count; i++) {
        const char *text = strings[i] ? strings[i] : "";
        size_t len = strlen(text);
        unsigned char prefix[8];
        for (int b = 0; b < 8; b++)
            prefix[b] = (unsigned char)((uint64_t)len >> (8 * b));
        XXH3_128bits_update(&state, prefix, sizeof prefix);
        XXH3_128bits_update(&state, text, len);
    }
    return from_xxh(XXH3_128bits_digest(&state));
}

rs_hash rs_hash_bytes(const void *data, size_t bytes)
{
    return from_xxh(XXH3_128bits(data, bytes));
}

void rs_hash_hex(rs_hash h, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo);
}
