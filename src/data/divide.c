/* Dividing the images of "train" among splits, class by class. */
#include "error.h"
#include "looks.h"
#include "optionvalue.h"
#include "rng.h"
#include "splits.h"

#include <stdlib.h>
#include <string.h>

/* Images that stay together: of a class, in the order of their first. */
typedef struct unit {
    size_t first; /* of `image` of the division */
    size_t count;
} unit;

typedef struct division {
    const rescl_survey *s;
    const rescl_divide_options *options;
    size_t *image; /* of "train": unit behind unit, class by class */
    unit *unit;    /* class by class */
    size_t *begin; /* (classes + 1): of each class's units */
    const char **split;
} division;

void rescl_divide_options_init(rescl_divide_options *out, size_t struct_size)
{
    rs_options_init(out, struct_size, &(rescl_divide_options){0}, sizeof *out);
}

/* For each image of "train" the first one of its unit. */
static rescl_status find_leaders(const rescl_survey *s, bool group_copies, size_t **out)
{
    rescl_status st = RESCL_OK;
    const rs_survey_part *train = &s->part[0];
    size_t *leader = NULL;
    RS_OOM(leader = calloc(train->set->count + 1, sizeof *leader));
    for (size_t i = 0; i < train->set->count; i++)
        leader[i] = i;
    for (size_t g = 0; group_copies && g < s->groups; g++) /* train's images come first */
        for (size_t i = 0; i < s->group[g].count; i++)
            if (s->group[g].image[i] < train->set->count)
                leader[s->group[g].image[i]] = s->group[g].image[0];
    *out = leader;
out:
    return st;
}

/* A unit is of the class of its first image. */
static rescl_status find_units(division *d)
{
    rescl_status st = RESCL_OK;
    const rescl_survey *s = d->s;
    const size_t count = s->part[0].set->count;
    size_t *leader = NULL, *next = NULL, *unit_of = NULL, at = 0;
    RS_TRY(find_leaders(s, d->options->group_copies, &leader));
    RS_OOM(next = calloc(s->classes + 1, sizeof *next));
    RS_OOM(unit_of = calloc(count + 1, sizeof *unit_of));
    for (size_t i = 0; i < count; i++)
        if (leader[i] == i)
            d->begin[s->look[i].class_index + 1]++;
    for (size_t c = 0; c < s->classes; c++)
        d->begin[c + 1] += d->begin[c];
    memcpy(next, d->begin, s->classes * sizeof *next);
    for (size_t i = 0; i < count; i++)
        if (leader[i] == i)
            unit_of[i] = next[s->look[i].class_index]++;
    for (size_t i = 0; i < count; i++)
        d->unit[unit_of[leader[i]]].count++;
    for (size_t u = 0; u < d->begin[s->classes]; u++) {
        d->unit[u].first = at;
        at += d->unit[u].count;
        d->unit[u].count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        unit *u = &d->unit[unit_of[leader[i]]];
        d->image[u->first + u->count++] = i;
    }
out:
    free(leader);
    free(next);
    free(unit_of);
    return st;
}

static void put(const division *d, const unit *u, const char *split)
{
    for (size_t i = 0; i < u->count; i++)
        d->split[d->image[u->first + i]] = split;
}

/* How many of `count` images a share is: one at least, if there is a share. */
static size_t part_of(double share, size_t count)
{
    const size_t part = (size_t)(share * (double)count + 0.5);
    return share > 0.0 && part < 1 ? 1 : part;
}

/* Units in a random order: first those of "val", then those of "test"; one is left at least. */
static rescl_status divide_class(const division *d, size_t class_index)
{
    rescl_status st = RESCL_OK;
    const rescl_divide_options *o = d->options;
    const unit *first = d->unit + d->begin[class_index];
    const size_t units = d->begin[class_index + 1] - d->begin[class_index];
    uint32_t *order = NULL;
    size_t images = 0, taken = 0, u = 0;
    rs_rng rng;
    for (size_t i = 0; i < units; i++)
        images += first[i].count;
    const size_t val = part_of(o->validation_split, images);
    const size_t test = val + part_of(o->test_split, images);
    RS_OOM(order = calloc(units + 1, sizeof *order));
    rs_rng_init(&rng, o->seed, RS_SPLIT_STREAM | class_index);
    rs_rng_permutation(&rng, order, units);
    for (; u + 1 < units && taken < val; u++) {
        put(d, &first[order[u]], "val");
        taken += first[order[u]].count;
    }
    for (; u + 1 < units && taken < test; u++) {
        put(d, &first[order[u]], "test");
        taken += first[order[u]].count;
    }
out:
    free(order);
    return st;
}

static rescl_status check(const rescl_survey *s, const rescl_divide_options *o)
{
    rescl_status st = RESCL_OK;
    const rescl_dataset *train = s->part[0].set;
    RS_FAIL_IF(!(o->validation_split >= 0.0 && o->validation_split < 1.0), RESCL_ERR_ARG,
               "validation_split %g: expected at least 0 and below 1", o->validation_split);
    RS_FAIL_IF(!(o->test_split >= 0.0 && o->test_split < 1.0), RESCL_ERR_ARG,
               "test_split %g: expected at least 0 and below 1", o->test_split);
    RS_FAIL_IF(
        o->validation_split + o->test_split >= 1.0, RESCL_ERR_ARG,
        "validation_split %g and test_split %g leave nothing to train on: their sum has to be "
        "below 1",
        o->validation_split, o->test_split);
    for (size_t i = 1; i < s->parts; i++) {
        const char *split = s->part[i].set->split;
        const double share = strcmp(split, "val") == 0 ? o->validation_split : o->test_split;
        RS_FAIL_IF(share > 0.0, RESCL_ERR_ARG,
                   "%s: has a split %s of its own, of %zu images; give no share for it",
                   train->origin, split, s->part[i].set->count);
    }
    RS_FAIL_IF(o->group_copies && !s->looked, RESCL_ERR_ARG,
               "group_copies: copies are not known where a survey has only labels (labels_only)");
    RS_FAIL_IF(train->count > UINT32_MAX, RESCL_ERR_ARG, "%s: %zu images are too many to be split",
               train->origin, train->count);
out:
    return st;
}

rescl_status rescl_survey_divide(const rescl_survey *s, const rescl_divide_options *options,
                                 const char **split)
{
    rescl_status st = RESCL_OK;
    rescl_divide_options o = {0};
    division d = {.s = s, .options = &o, .split = split};
    const size_t count = s->part[0].set->count;
    RS_TRY(rs_options_take(&o, sizeof o, options, "rescl_divide_options"));
    RS_TRY(check(s, &o));
    RS_FAIL_IF(s->part[0].set->multi_label, RESCL_ERR_UNSUPPORTED,
               "%s: its images have any number of labels, and shares are of each class; "
               "--validation-split of train holds out a share of all images",
               s->part[0].set->origin);
    RS_OOM(d.image = calloc(count + 1, sizeof *d.image));
    RS_OOM(d.unit = calloc(count + 1, sizeof *d.unit));
    RS_OOM(d.begin = calloc(s->classes + 1, sizeof *d.begin));
    for (size_t i = 0; i < s->images; i++)
        split[i] = s->part[s->look[i].split].set->split;
    RS_TRY(find_units(&d));
    for (size_t c = 0; c < s->classes; c++)
        RS_TRY(divide_class(&d, c));
out:
    free(d.image);
    free(d.unit);
    free(d.begin);
    return st;
}
