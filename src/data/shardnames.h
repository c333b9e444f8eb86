/* Names of shards: braces in a path stand for numbers or words, as in WebDataset and shells. */
#ifndef RS_SHARDNAMES_H
#define RS_SHARDNAMES_H

#include <rescl/status.h>
#include <stddef.h>

typedef struct rs_shard_names {
    char **at;
    size_t count, cap;
} rs_shard_names;

/* "a-{000..002}.tar" is a-000.tar, a-001.tar, a-002.tar; "{x,y}" each word; several braces each with each.
 * A path without braces is itself. RESCL_ERR_ARG for braces that are neither, or for too many names. */
rescl_status rs_shard_names_expand(const char *pattern, rs_shard_names *out) RESCL_CHECK;
void rs_shard_names_fini(rs_shard_names *n);

#endif
