/* What was found out about a device, kept in the cache of its programs (cache.h). */
#include "alloc.h"
#include "clinternal.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 4096 };

static rescl_status make_key(const rescl_device *dev, const char *const *files, size_t count,
                             const char *what, rs_cache_key *out)
{
    rescl_status st = RESCL_OK;
    rs_str all = {0};
    char *options = NULL;

    for (size_t i = 0; i < count; i++) {
        rs_source source = {0};
        st = rs_source_load(&source, files[i]);
        if (st == RESCL_OK)
            st = rs_str_append(&all, source.text.text);
        rs_source_fini(&source);
        RS_TRY(st);
    }
    RS_OOM(options = rs_strf("%s verdict on %s", dev->options, what));
    rs_cache_key_make(dev->hw, all.text, options, out);
out:
    rs_str_fini(&all);
    free(options);
    return st;
}

char *rs_verdict_try_load(const rescl_device *dev, const char *const *files, size_t count,
                          const char *what)
{
    rs_cache_key key;
    char *known = NULL;
    size_t bytes = 0;
    if (make_key(dev, files, count, what, &key) != RESCL_OK ||
        !rs_cache_try_load(&key, &known, &bytes))
        return NULL;
    if (bytes > 0 && bytes <= MOST_BYTES && known[bytes - 1] == '\0')
        return known;
    free(known);
    return NULL;
}

void rs_verdict_try_store(const rescl_device *dev, const char *const *files, size_t count,
                          const char *what, const char *reason)
{
    rs_cache_key key;
    if (strlen(reason) < MOST_BYTES && make_key(dev, files, count, what, &key) == RESCL_OK)
        rs_cache_try_store(&key, reason, strlen(reason) + 1);
}
