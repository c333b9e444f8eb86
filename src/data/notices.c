#include "notices.h"

#include "alloc.h"
#include "error.h"
#include "log.h"
#include "str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DARK                                                                                       \
    (RESCL_IMAGE_USES_8_BITS | RESCL_IMAGE_USES_10_BITS | RESCL_IMAGE_USES_12_BITS |               \
     RESCL_IMAGE_USES_14_BITS)

/* Each is counted by itself, and told by the highest of its bits that was seen. */
static const unsigned kinds[] = {RESCL_IMAGE_END_DAMAGED, RESCL_IMAGE_REDUCED, DARK,
                                 RESCL_IMAGE_EXCEEDS_SAMPLE_BITS, RESCL_IMAGE_FIRST_OF_SEVERAL};

struct rs_notices {
    char *origin;
    pthread_mutex_t lock;
    bool lock_ready;
    uint8_t *seen; /* a bit an image */
    size_t seen_bytes;
    size_t count[RS_COUNT(kinds)];
    unsigned bits[RS_COUNT(kinds)];
};

rescl_status rs_notices_create(const char *path, const char *split, rs_notices **out)
{
    rescl_status st = RESCL_OK;
    rs_notices *n = NULL;
    RS_OOM(n = calloc(1, sizeof *n));
    RS_OOM(n->origin = rs_strf("%s, %s", path, split));
    n->lock_ready = pthread_mutex_init(&n->lock, NULL) == 0;
    RS_OOM(n->lock_ready);
    *out = n;
    n = NULL;
out:
    rs_notices_close(n);
    return st;
}

/* Whether the image comes for the first time; false, too, when memory is short. */
static bool is_new(rs_notices *n, size_t index)
{
    const size_t at = index / 8, before = n->seen_bytes;
    if (at >= n->seen_bytes) {
        if (!rs_array_grow(&n->seen, &n->seen_bytes, at + 1, 1))
            return false;
        memset(n->seen + before, 0, n->seen_bytes - before);
    }
    const bool fresh = !(n->seen[at] >> index % 8 & 1);
    n->seen[at] |= (uint8_t)(1u << index % 8);
    return fresh;
}

/* The words for the highest bit. */
static const char *text_of(unsigned bits)
{
    unsigned highest = 1;
    while (bits >>= 1)
        highest <<= 1;
    return rescl_image_notice_text((rescl_image_notice)highest);
}

void rs_notices_add(rs_notices *n, size_t index, const char *name, unsigned notices)
{
    unsigned first = 0;
    if (notices == 0)
        return;
    pthread_mutex_lock(&n->lock);
    if (is_new(n, index)) {
        for (size_t i = 0; i < RS_COUNT(kinds); i++) {
            if ((notices & kinds[i]) && n->count[i]++ == 0)
                first |= notices & kinds[i];
            n->bits[i] |= notices & kinds[i];
        }
    }
    pthread_mutex_unlock(&n->lock);
    for (size_t i = 0; i < RS_COUNT(kinds); i++) {
        if (first & kinds[i])
            rs_log(RESCL_LOG_WARN,
                   "%s: %s (others like it are counted at the end, if there are any)", name,
                   text_of(first & kinds[i]));
    }
}

void rs_notices_close(rs_notices *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < RS_COUNT(kinds); i++) {
        if (n->count[i] > 1)
            rs_log(RESCL_LOG_WARN, "%s: %zu images: %s", n->origin, n->count[i],
                   text_of(n->bits[i]));
    }
    if (n->lock_ready)
        pthread_mutex_destroy(&n->lock);
    free(n->origin);
    free(n->seen);
    free(n);
}
