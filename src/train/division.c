#include "division.h"

#include "error.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rs_apportion(size_t total, const double *weight, size_t count, size_t *out)
{
    double sum = 0.0, rest[RS_SHARDS_MOST] = {0.0};
    size_t given = 0;

    for (size_t i = 0; i < count; i++)
        sum += weight[i];
    for (size_t i = 0; i < count; i++) {
        const double exact = (double)total * (weight[i] / sum);
        out[i] = (size_t)exact;
        rest[i] = exact - (double)out[i];
        given += out[i];
    }
    for (; given < total; given++) {
        size_t most = 0;
        for (size_t i = 1; i < count; i++)
            if (rest[i] > rest[most])
                most = i;
        out[most]++;
        rest[most] = -1.0;
    }
    for (size_t i = 0; given > total; i = (i + 1) % count) /* by rounding alone */
        if (out[i] > 0) {
            out[i]--;
            given--;
        }
}

rescl_status rs_shares_parse(const char *text, size_t count, double *weight)
{
    rescl_status st = RESCL_OK;
    const char *at = text;
    size_t found = 0;

    for (bool more = true; more; found++) {
        char number[40];
        double value = 0.0;
        const size_t length = strcspn(at, ",");
        snprintf(number, sizeof number, "%.*s", (int)(length < 39 ? length : 39), at);
        RS_FAIL_IF(
            length > 38 || !rs_parse_f64(number, &value) || value <= 0.0 || value > 1e9,
            RESCL_ERR_ARG,
            "shares: found '%.200s', expected numbers above 0 and up to 1e9, such as 3,1, or "
            "'epoch'",
            text);
        if (found < count)
            weight[found] = value;
        more = at[length] == ',';
        at += length + 1;
    }
    RS_FAIL_IF(found != count, RESCL_ERR_ARG,
               "shares: found %zu in '%.200s', expected one for each of the %zu devices: give as "
               "many, or an empty --shares= to have them measured",
               found, text, count);
out:
    return st;
}

/* What a step has to come to, beside that of the shares before, to be worth other ones: epochs differ by noise. */
#define WORTH 0.95

/* The time of who needs the longest for its share. */
static double longest(const size_t *share, const double *speed, size_t count)
{
    double most = 0.0;

    for (size_t i = 0; i < count; i++)
        if ((double)share[i] / speed[i] > most)
            most = (double)share[i] / speed[i];
    return most;
}

bool rs_shares_follow(size_t least, const double *speed, size_t count, size_t *share)
{
    size_t total = 0, next[RS_TEAM_MOST];

    for (size_t i = 0; i < count; i++) {
        if (!(speed[i] > 0.0))
            return false;
        total += share[i];
    }
    if (total < count * least)
        return false;
    rs_apportion(total, speed, count, next);
    for (size_t i = 0; i < count; i++)
        while (next[i] < least) {
            size_t most = 0;
            for (size_t k = 1; k < count; k++)
                most = next[k] > next[most] ? k : most;
            next[most]--;
            next[i]++;
        }
    if (longest(next, speed, count) > WORTH * longest(share, speed, count))
        return false;
    memcpy(share, next, count * sizeof *share);
    return true;
}

/* As many shards as have `least` images each, of sizes that differ by one at most. Of fewer than in a whole
 * batch the bounds of the members are rounded up: the first member always carries the first shard, whose
 * running statistics are those that count. */
static void divide_shards(const rs_division *d, size_t n, rs_leaves *out)
{
    size_t all = 0, before = 0, begin = 0;

    out->count = n / d->least < d->shards ? n / d->least : d->shards;
    for (size_t k = 0, first = 0; k < out->count; k++) {
        const size_t images = n / out->count + (k < n % out->count);
        out->leaf[k] = (rs_span){first, images};
        first += images;
    }
    for (size_t m = 0; m < d->members; m++)
        all += d->weight[m];
    for (size_t m = 0; m < d->members; m++) {
        before += d->weight[m];
        const size_t end = (out->count * before + all - 1) / all;
        out->member[m] = (rs_span){begin, end - begin};
        begin = end;
    }
}

/* Who has too few gives them to who has the most. */
static void gather_small(const rs_division *d, size_t *images)
{
    for (size_t m = 0; m < d->members; m++) {
        size_t most = m == 0 && d->members > 1 ? 1 : 0;
        if (images[m] == 0 || images[m] >= d->least)
            continue;
        for (size_t i = 0; i < d->members; i++)
            if (i != m && images[i] > images[most])
                most = i;
        images[most] += images[m];
        images[m] = 0;
    }
}

/* As many images as a leaf needs, from who has the most. */
static void give_first(const rs_division *d, size_t *images)
{
    size_t most = 0;

    for (size_t m = 1; m < d->members; m++)
        most = images[m] > images[most] ? m : most;
    images[0] = images[most] < 2 * d->least ? images[most] : d->least;
    images[most] -= images[0];
}

static void divide_members(const rs_division *d, size_t n, rs_leaves *out)
{
    double weight[RS_TEAM_MOST] = {0.0};
    size_t images[RS_TEAM_MOST] = {0};

    for (size_t m = 0; m < d->members; m++)
        weight[m] = (double)d->weight[m];
    rs_apportion(n, weight, d->members, images);
    gather_small(d, images);
    if (d->first_has_some && images[0] == 0)
        give_first(d, images);
    for (size_t m = 0, first = 0; m < d->members; m++) {
        out->member[m] = (rs_span){out->count, images[m] > 0};
        if (images[m] > 0)
            out->leaf[out->count++] = (rs_span){first, images[m]};
        first += images[m];
    }
}

void rs_divide(const rs_division *d, size_t n, rs_leaves *out)
{
    *out = (rs_leaves){0};
    if (d->shards > 0)
        divide_shards(d, n, out);
    else
        divide_members(d, n, out);
}
