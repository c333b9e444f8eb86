/* 128-bit content hashes (xxHash XXH3) for cache keys. Not for security. */
#ifndef RS_HASH_H
#define RS_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct rs_hash {
    uint64_t lo, hi;
} rs_hash;

/* Hash of `count` strings; lengths take part, so ("ab","c") differs from ("a","bc"). NULL counts
 * as an empty string. */
rs_hash rs_hash_strings(const char *const *strings, size_t count);
rs_hash rs_hash_bytes(const void *data, size_t bytes);

/* 32 lower-case hex digits and a NUL. */
void rs_hash_hex(rs_hash h, char out[33]);

#endif
