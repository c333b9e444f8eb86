/* A driver that compiles at the first launch does so in one process at a time. */
#include "cache.h"
#include "clinternal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PoCL compiles for the group size and for whether an index of the grid fits 16 bits. */
static bool is_wide(const size_t items[3])
{
    return items[0] >= USHRT_MAX || items[1] >= USHRT_MAX;
}

/* Whether this process launches the kernel like that for the first time. Beyond the launches that
 * there is room for the answer is no: then processes may compile the same. */
static bool is_first(rs_kernel *k, const size_t items[3], const size_t group[3])
{
    const bool wide = is_wide(items);
    for (size_t i = 0; i < k->launch_count; i++)
        if (k->launched[i].wide == wide &&
            memcmp(k->launched[i].group, group, sizeof k->launched[i].group) == 0)
            return false;
    if (k->launch_count == RS_COUNT(k->launched))
        return false;
    k->launched[k->launch_count].wide = wide;
    memcpy(k->launched[k->launch_count++].group, group, sizeof k->launched[0].group);
    return true;
}

void rs_first_launch_begin(rs_kernel *k, const size_t items[3], const size_t group[3],
                           rs_first_launch *out)
{
    char program[33], how[80];
    out->lock = -1;
    if (group[0] == 0 || !is_first(k, items, group))
        return;
    rs_hash_hex(k->program, program);
    snprintf(how, sizeof how, "%zu %zu %zu %d", group[0], group[1], group[2], is_wide(items));
    /* The folder: what is known of one says nothing of another. */
    const char *const parts[] = {program, k->name, how, getenv("POCL_CACHE_DIR")};
    out->key = rs_hash_strings(parts, RS_COUNT(parts));
    out->lock = rs_cache_try_lock_unmarked(&(rs_cache_key){out->key});
}

void rs_first_launch_end(const rs_first_launch *launch, bool compiled)
{
    if (compiled)
        rs_cache_mark(launch->lock, &(rs_cache_key){launch->key});
    rs_cache_unlock(launch->lock);
}
