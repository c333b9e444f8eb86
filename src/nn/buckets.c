/* Gradient arenas divided into the parts in which backward finishes them. */
#include "error.h"
#include "net_internal.h"

#include <stdint.h>
#include <stdlib.h>

typedef struct part {
    rs_bucket bucket;
    size_t last; /* of its parameters, the one whose gradient comes last */
    size_t rank; /* among the parts, by when they are ready */
} part;

/* Backward visits the nodes in reverse, and parameters are numbered, and lie in their arenas, in the
 * order of their nodes: each arena is finished from its end to its start. `of` receives the part of
 * each trainable parameter. Returns the number of parts. */
static size_t divide(const rs_store *s, size_t first_bytes, size_t bytes, part *parts, size_t *of)
{
    size_t count = 0, open[RS_MAX_ARENAS]; /* the part that is being filled */

    for (size_t a = 0; a < RS_MAX_ARENAS; a++)
        open[a] = SIZE_MAX;
    for (size_t i = s->graph->nparams; i-- > 0;) {
        const rs_block *b = &s->block[i];
        size_t *at = &open[b->arena];
        if (!s->graph->param[i].trainable)
            continue;
        if (*at == SIZE_MAX ||
            parts[*at].bucket.bytes + b->bytes > (*at == 0 ? first_bytes : bytes)) {
            *at = count++;
            parts[*at].bucket.arena = b->arena;
        }
        parts[*at].bucket.offset = b->offset;
        parts[*at].bucket.bytes += b->bytes;
        parts[*at].last = i;
        of[i] = *at;
    }
    return count;
}

rescl_status rs_store_set_buckets(rs_store *s, size_t first_bytes, size_t bytes)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = s->graph;
    part *parts = NULL;
    rs_bucket *bucket = NULL;
    size_t *of = NULL, count, ranked = 0;

    RS_FAIL_IF(!s->training, RESCL_ERR_ARG, "these parameters were made for inference only");
    RS_FAIL_IF(s->planned, RESCL_ERR_ARG,
               "other buckets of gradients were asked for after a net was planned");
    RS_OOM(parts = calloc(g->nparams + 1, sizeof *parts));
    RS_OOM(bucket = calloc(g->nparams + 1, sizeof *bucket));
    RS_OOM(of = calloc(g->nparams + 1, sizeof *of));
    count = divide(s, first_bytes, bytes, parts, of);
    for (size_t i = g->nparams; i-- > 0;)
        if (g->param[i].trainable && parts[of[i]].last == i)
            parts[of[i]].rank = ranked++;
    for (size_t k = 0; k < count; k++)
        bucket[parts[k].rank] = parts[k].bucket;
    for (size_t i = 0; i < g->nparams; i++)
        of[i] = g->param[i].trainable ? parts[of[i]].rank : SIZE_MAX;
    free(s->bucket);
    free(s->bucket_of);
    s->bucket = bucket, bucket = NULL;
    s->bucket_of = of, of = NULL;
    s->nbuckets = count;
out:
    free(parts);
    free(bucket);
    free(of);
    return st;
}

size_t rs_store_buckets(const rs_store *s)
{
    return s->nbuckets;
}

const rs_bucket *rs_store_bucket(const rs_store *s, size_t index)
{
    return index < s->nbuckets ? &s->bucket[index] : NULL;
}

rs_buffer *rs_store_grad_arena(const rs_store *s, size_t arena)
{
    return arena < s->trainable.arenas ? s->grad[arena] : NULL;
}
