#include "ranks.h"

#include "alloc.h"
#include "error.h"
#include "half.h"

#include <stdlib.h>
#include <string.h>

static const rs_exchange_def *const defs[] = {
#define RS_EXCHANGE(name) &rs_exchange_##name,
#include "exchanges.def"
#undef RS_EXCHANGE
};

rescl_status rescl_ranks_open(rescl_ranks **out)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = NULL;
    const rs_exchange_def *def = NULL;

    *out = NULL;
    for (size_t i = 0; i < RS_COUNT(defs) && !def; i++)
        def = defs[i]->is_here() ? defs[i] : NULL;
    if (!def)
        goto out;
    RS_OOM(r = calloc(1, sizeof *r));
    r->def = def;
    RS_TRY(def->open(r));
    *out = r, r = NULL;
out:
    free(r);
    return st;
}

void rescl_ranks_close(rescl_ranks *r, int exit_code)
{
    if (!r)
        return;
    r->def->close(r, exit_code);
    free(r);
}

void rescl_ranks_get(const rescl_ranks *r, rescl_ranks_info *out)
{
    *out = r ? (rescl_ranks_info){r->count, r->index, r->local_count, r->local_index}
             : (rescl_ranks_info){1, 0, 1, 0};
}

rescl_status rs_ranks_members(rescl_ranks *r, size_t own, size_t *begin)
{
    rescl_status st = RESCL_OK;
    size_t count[RS_TEAM_MOST] = {0}, part[RS_TEAM_MOST];

    for (size_t i = 0; i < r->count; i++)
        part[i] = sizeof count[i];
    count[r->index] = own;
    RS_TRY(r->def->gather(r, count, part));
    begin[0] = 0;
    for (size_t i = 0; i < r->count; i++)
        begin[i + 1] = begin[i] + count[i];
    RS_FAIL_IF(begin[r->count] > RS_TEAM_MOST, RESCL_ERR_ARG,
               "%zu devices of %zu processes, expected at most %d", begin[r->count], r->count,
               RS_TEAM_MOST);
out:
    return st;
}

rescl_status rs_ranks_check(rescl_ranks *r, const char *what, rs_hash mine)
{
    rescl_status st = RESCL_OK;
    rs_hash all[RS_TEAM_MOST];
    size_t part[RS_TEAM_MOST];

    for (size_t i = 0; i < r->count; i++)
        part[i] = sizeof all[i];
    all[r->index] = mine;
    RS_TRY(r->def->gather(r, all, part));
    for (size_t i = 1; i < r->count; i++)
        RS_FAIL_IF(all[i].lo != all[0].lo || all[i].hi != all[0].hi, RESCL_ERR_ARG,
                   "rank %zu has other %s than rank 0: all have to train the same", i, what);
out:
    return st;
}

/* ---- a bucket ---------------------------------------------------------------------------- */

const char *const *rs_wire_names(void)
{
    static const char *const names[] = {"fp32", "bf16", NULL};
    return names;
}

rescl_status rs_wire_take(const char *name, rs_wire *out)
{
    rescl_status st = RESCL_OK;
    const char *const *names = rs_wire_names();
    int i = 0;

    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    RS_FAIL_IF(!names[i], RESCL_ERR_ARG, "wire: found '%s', expected fp32 or bf16", name);
    *out = (rs_wire)i;
out:
    return st;
}

rescl_status rs_rank_sum_init(rs_rank_sum *s, rescl_ranks *ranks, rs_wire wire, size_t floats)
{
    rescl_status st = RESCL_OK;

    s->ranks = ranks;
    s->wire = wire;
    RS_OOM(s->sum = rs_aligned_calloc(floats + 1, sizeof(float)));
out:
    return st;
}

void rs_rank_sum_fini(rs_rank_sum *s)
{
    rs_aligned_free(s->sum);
    rs_aligned_free(s->scratch);
    rs_aligned_free(s->narrow);
    *s = (rs_rank_sum){0};
}

static rescl_status reserve(rs_rank_sum *s, size_t floats)
{
    rescl_status st = RESCL_OK;

    if (floats <= s->room)
        goto out;
    rs_aligned_free(s->scratch);
    s->room = 0;
    RS_OOM(s->scratch = rs_aligned_calloc(floats, sizeof(float)));
    s->room = floats;
out:
    return st;
}

/* Leaves of a rank, which follow each other. */
static rs_range leaves_of(const rs_tree *shape)
{
    rs_range all = {shape->count > 0 ? shape->block[0].first : 0, 0};
    for (size_t i = 0; i < shape->count; i++)
        all.count += shape->block[i].leaves;
    return all;
}

rescl_status rs_rank_meet(rs_rank_sum *s, float *all, size_t count)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = s->ranks;
    const rs_range own = leaves_of(&s->shape[r->index]);
    rs_transfer send[RS_TEAM_MOST], take[RS_TEAM_MOST];
    size_t n = 0;

    for (size_t q = 0; q < r->count; q++) {
        const rs_range theirs = leaves_of(&s->shape[q]);
        if (q == r->index || theirs.count == 0)
            continue;
        send[n] = (rs_transfer){q, own.count * count, all + own.first * count, false};
        take[n++] = (rs_transfer){q, theirs.count * count, all + theirs.first * count, false};
    }
    RS_TRY(r->def->swap(r, send, n, take, n));
out:
    return st;
}

static size_t numbers_of(const rs_transfer *t, size_t count)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += t[i].count;
    return all;
}

/* Points transfers to numbers of 16 bits, one after the other; of those that are sent, with their values. */
static uint16_t *narrow_transfers(rs_transfer *t, size_t count, bool send, uint16_t *at)
{
    for (size_t i = 0; i < count; i++) {
        const float *values = t[i].values;
        for (size_t k = 0; send && k < t[i].count; k++)
            at[k] = rs_bf16_of_float(values[k]);
        t[i].values = at;
        t[i].narrow = true;
        at += t[i].count;
    }
    return at;
}

/* As the wire has it. */
static rescl_status swap(rs_rank_sum *s, rs_transfer *send, size_t sends, rs_transfer *take,
                         size_t takes)
{
    rescl_status st = RESCL_OK;
    const size_t out = numbers_of(send, sends), in = numbers_of(take, takes);
    rs_transfer *narrow = NULL;

    if (s->wire == RS_WIRE_FP32) {
        RS_TRY(s->ranks->def->swap(s->ranks, send, sends, take, takes));
        goto out;
    }
    if (s->narrow_room < out + in) {
        rs_aligned_free(s->narrow);
        s->narrow_room = 0;
        RS_OOM(s->narrow = rs_aligned_calloc(out + in, sizeof *s->narrow));
        s->narrow_room = out + in;
    }
    RS_OOM(narrow = calloc(takes + 1, sizeof *narrow));
    memcpy(narrow, take, takes * sizeof *take);
    (void)narrow_transfers(narrow, takes, false, narrow_transfers(send, sends, true, s->narrow));
    RS_TRY(s->ranks->def->swap(s->ranks, send, sends, narrow, takes));
    for (size_t i = 0; i < takes; i++) {
        const uint16_t *values = narrow[i].values;
        float *to = take[i].values;
        for (size_t k = 0; k < take[i].count; k++)
            to[k] = rs_float_of_bf16(values[k]);
    }
out:
    free(narrow);
    return st;
}

/* Our segment of the blocks of all goes to scratch, theirs of our blocks to them. */
static rescl_status scatter(rs_rank_sum *s, const rs_range *bucket, rs_range mine)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = s->ranks;
    const rs_tree *own = &s->shape[r->index];
    rs_transfer *send = NULL, *take = NULL;
    size_t sends = 0, takes = 0;
    float *at = s->scratch;

    RS_OOM(send = calloc(RS_TREE_BLOCKS, (r->count + 1) * sizeof *send));
    RS_OOM(take = calloc(RS_TREE_BLOCKS, (r->count + 1) * sizeof *take));
    for (size_t q = 0; q < r->count; q++) {
        const rs_range theirs = rs_range_segment(bucket, q, r->count);
        for (size_t i = 0; q != r->index && theirs.count > 0 && i < own->count; i++)
            send[sends++] =
                (rs_transfer){q, theirs.count, own->block[i].values + theirs.first, false};
        for (size_t i = 0; q != r->index && mine.count > 0 && i < s->shape[q].count; i++) {
            take[takes++] = (rs_transfer){q, mine.count, at, false};
            at += mine.count;
        }
    }
    RS_TRY(swap(s, send, sends, take, takes));
out:
    free(send);
    free(take);
    return st;
}

static void add_up(rs_rank_sum *s, rs_range mine)
{
    const rescl_ranks *r = s->ranks;
    rs_tree all = {.count = 0};
    rs_tree_add add[RS_TREE_BLOCKS];
    float *at = s->scratch;
    size_t n;

    for (size_t q = 0; q < r->count; q++)
        for (size_t i = 0; i < s->shape[q].count; i++) {
            rs_tree_block block = s->shape[q].block[i];
            block.values = q == r->index ? block.values + mine.first : at;
            at += q == r->index ? 0 : mine.count;
            n = rs_tree_push(&all, &block, add);
            for (size_t k = 0; k < n; k++)
                rs_tree_do(&add[k], 0, mine.count);
        }
    n = rs_tree_close(&all, add);
    for (size_t k = 0; k < n; k++)
        rs_tree_do(&add[k], 0, mine.count);
    memcpy(s->sum + mine.first, all.block[0].values, mine.count * sizeof(float));
    for (size_t i = 0; s->wire == RS_WIRE_BF16 && i < mine.count; i++)
        s->sum[mine.first + i] = rs_float_of_bf16(rs_bf16_of_float(s->sum[mine.first + i]));
}

rescl_status rs_rank_sum_bucket(rs_rank_sum *s, size_t first, size_t count)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = s->ranks;
    const rs_range bucket = {first, count}, mine = rs_range_segment(&bucket, r->index, r->count);
    rs_transfer send[RS_TEAM_MOST], take[RS_TEAM_MOST];
    size_t sends = 0, takes = 0, blocks = 0;

    for (size_t q = 0; q < r->count; q++)
        blocks += q == r->index ? 0 : s->shape[q].count;
    RS_TRY(reserve(s, blocks * mine.count));
    RS_TRY(scatter(s, &bucket, mine));
    if (mine.count > 0)
        add_up(s, mine);
    for (size_t q = 0; q < r->count; q++) {
        const rs_range theirs = rs_range_segment(&bucket, q, r->count);
        if (q != r->index && mine.count > 0)
            send[sends++] = (rs_transfer){q, mine.count, s->sum + mine.first, false};
        if (q != r->index && theirs.count > 0)
            take[takes++] = (rs_transfer){q, theirs.count, s->sum + theirs.first, false};
    }
    RS_TRY(swap(s, send, sends, take, takes));
out:
    return st;
}
