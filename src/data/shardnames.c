#include "shardnames.h"

#include "alloc.h"
#include "error.h"
#include "str.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SHARDS ((size_t)100000)

/* The name becomes the list's. */
static rescl_status add_name(rs_shard_names *out, char *name)
{
    rescl_status st = RESCL_OK;
    RS_OOM(name);
    RS_FAIL_IF(out->count >= MAX_SHARDS, RESCL_ERR_ARG, "more than %zu shards: %s and others",
               MAX_SHARDS, out->at[0]);
    RS_TRY(rs_array_reserve(&out->at, &out->cap, out->count + 1, sizeof *out->at));
    out->at[out->count++] = name;
    name = NULL;
out:
    free(name);
    return st;
}

static bool is_padded(const char *number)
{
    return number[0] == '0' && number[1] != '\0';
}

/* "000..009" in the braces of which `head` is what stands before, `tail` behind: with as many digits as the
 * longer of the two has, if one of several digits begins with 0. */
static rescl_status add_range(const char *head, size_t head_bytes, const char *first,
                              const char *last, const char *tail, rs_shard_names *out)
{
    rescl_status st = RESCL_OK;
    const size_t longer = strlen(first) > strlen(last) ? strlen(first) : strlen(last);
    const bool padded = is_padded(first) || is_padded(last);
    uint64_t from = 0, to = 0;
    RS_FAIL_IF(!rs_parse_u64(first, &from) || !rs_parse_u64(last, &to) || to < from || longer > 19,
               RESCL_ERR_ARG, "'{%s..%s}': expected two whole numbers, the lesser first", first,
               last);
    RS_FAIL_IF(to - from >= MAX_SHARDS, RESCL_ERR_ARG, "'{%s..%s}': more than %zu shards", first,
               last, MAX_SHARDS);
    for (uint64_t i = from; i <= to; i++)
        RS_TRY(add_name(out, rs_strf("%.*s%0*llu%s", (int)head_bytes, head,
                                     padded ? (int)longer : 1, (unsigned long long)i, tail)));
out:
    return st;
}

static rescl_status add_words(const char *head, size_t head_bytes, char *words, const char *tail,
                              rs_shard_names *out)
{
    rescl_status st = RESCL_OK;
    for (char *word = words, *comma = NULL; word; word = comma ? comma + 1 : NULL) {
        comma = strchr(word, ',');
        if (comma)
            *comma = '\0';
        RS_TRY(add_name(out, rs_strf("%.*s%s%s", (int)head_bytes, head, word, tail)));
    }
out:
    return st;
}

/* Replaces the first braces of `pattern` by each of what they stand for. */
static rescl_status expand_first(const char *pattern, rs_shard_names *out)
{
    rescl_status st = RESCL_OK;
    const char *open = strchr(pattern, '{'), *close = strchr(open, '}');
    char *inner = NULL;
    RS_FAIL_IF(!close, RESCL_ERR_ARG, "'%s': a brace is not closed", pattern);
    RS_OOM(inner = rs_strf("%.*s", (int)(close - open - 1), open + 1));
    char *dots = strstr(inner, "..");
    const size_t head_bytes = (size_t)(open - pattern);
    RS_FAIL_IF(!dots && !strchr(inner, ','), RESCL_ERR_ARG,
               "'{%s}' stands for nothing; expected {000..009}, {a,b} or {split}", inner);
    if (dots) {
        *dots = '\0';
        RS_TRY(add_range(pattern, head_bytes, inner, dots + 2, close + 1, out));
    } else {
        RS_TRY(add_words(pattern, head_bytes, inner, close + 1, out));
    }
out:
    free(inner);
    return st;
}

rescl_status rs_shard_names_expand(const char *pattern, rs_shard_names *out)
{
    rescl_status st = RESCL_OK;
    rs_shard_names names = {0}, next = {0};
    RS_TRY(add_name(&names, rs_strf("%s", pattern)));
    while (names.count > 0 && strchr(names.at[0], '{')) {
        for (size_t i = 0; i < names.count; i++)
            RS_TRY(expand_first(names.at[i], &next));
        rs_shard_names_fini(&names);
        names = next;
        next = (rs_shard_names){0};
    }
    *out = names;
    names = (rs_shard_names){0};
out:
    rs_shard_names_fini(&names);
    rs_shard_names_fini(&next);
    return st;
}

void rs_shard_names_fini(rs_shard_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->at[i]);
    free(n->at);
    *n = (rs_shard_names){0};
}
