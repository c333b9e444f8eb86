#include "sampler.h"

#include "error.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

#define SHUFFLE_STREAM ((uint64_t)0x5348 << 48) /* "SH"; the epoch is added */
#define BALANCE_STREAM ((uint64_t)0x4241 << 48) /* "BA"; the epoch is added */

/* Sorts the images by class, without the classes that have none. */
static rescl_status sort_by_class(rs_sampler *s, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    const size_t most = set->label_map ? set->labels : set->classes;
    const size_t all = most > set->classes ? most : set->classes;
    size_t *next = NULL, at = 0;
    RS_FAIL_IF(!set->format->label, RESCL_ERR_ARG,
               "%s: a balanced order needs labels, which this data does not tell", set->origin);
    RS_OOM(next = calloc(all + 1, sizeof *next));
    RS_OOM(s->first = calloc(all + 1, sizeof *s->first));
    RS_OOM(s->of_class = calloc(s->count + 1, sizeof *s->of_class));
    for (size_t i = 0; i < s->count; i++)
        next[rs_dataset_label(set, i)]++;
    for (size_t c = 0; c < all; c++) {
        const size_t count = next[c];
        next[c] = at;
        if (count > 0)
            s->first[s->classes++] = at;
        at += count;
    }
    s->first[s->classes] = at;
    for (size_t i = 0; i < s->count; i++)
        s->of_class[next[rs_dataset_label(set, i)]++] = (uint32_t)i;
out:
    free(next);
    return st;
}

rescl_status rs_sampler_init(rs_sampler *s, const rescl_dataset *set, bool balanced, uint64_t seed,
                             const atomic_int *stop)
{
    rescl_status st = RESCL_OK;
    *s = (rs_sampler){.seed = seed, .count = rescl_dataset_count(set), .stop = stop};
    RS_OOM(s->order = calloc(s->count + 1, sizeof *s->order));
    if (balanced)
        RS_TRY(sort_by_class(s, set));
out:
    return st;
}

void rs_sampler_fini(rs_sampler *s)
{
    free(s->order);
    free(s->of_class);
    free(s->first);
    *s = (rs_sampler){0};
}

/* The images of an epoch, class behind class. Which classes get one more goes on from epoch to epoch. */
static rescl_status choose_balanced(rs_sampler *s, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    const size_t each = s->count / s->classes, more = s->count % s->classes;
    uint32_t *turn = NULL, *to = s->order;
    rs_rng rng;
    RS_OOM(turn = calloc(s->count + 1, sizeof *turn));
    rs_rng_init(&rng, s->seed, BALANCE_STREAM + epoch);
    for (size_t c = 0; c < s->classes; c++) {
        const uint32_t *image = s->of_class + s->first[c];
        const size_t n = s->first[c + 1] - s->first[c];
        const size_t place = (c + (size_t)(epoch % s->classes)) % s->classes;
        size_t left = each + (place < more);
        while (left > 0) {
            const size_t take = left < n ? left : n;
            rs_rng_permutation(&rng, turn, n);
            for (size_t i = 0; i < take; i++)
                *to++ = image[turn[i]];
            left -= take;
        }
    }
out:
    free(turn);
    return st;
}

/* The last draw in pieces, between which a stop is heeded. */
rescl_status rs_sampler_draw(rs_sampler *s, uint64_t epoch)
{
    enum { PIECE = 1 << 20 };
    rescl_status st = RESCL_OK;
    rs_rng rng;
    size_t left = s->count;
    if (s->classes > 0)
        RS_TRY(choose_balanced(s, epoch));
    for (size_t i = 0; s->classes == 0 && i < left; i++)
        s->order[i] = (uint32_t)i;
    rs_rng_init(&rng, s->seed, SHUFFLE_STREAM + epoch);
    while (left > 0) {
        const size_t begin = left > PIECE ? left - PIECE : 0;
        RS_FAIL_IF(s->stop && atomic_load(s->stop) != 0, RESCL_ERR_INTERRUPTED,
                   "stopped on request while the order of epoch %llu was drawn",
                   (unsigned long long)epoch + 1);
        rs_rng_draw_places(&rng, s->order, begin, left);
        left = begin;
    }
out:
    return st;
}
