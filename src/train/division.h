/* How a batch is divided among the members of a team.
 *
 * A leaf is a part of a batch that goes forward and backward by itself, in one net of one member. It is
 * either a member's whole part, or one of a fixed number of shards: these do not depend on how many members
 * there are. */
#ifndef RS_DIVISION_H
#define RS_DIVISION_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

#define RS_TEAM_MOST   64 /* members */
#define RS_SHARDS_MOST 64

typedef struct rs_division {
    size_t members;
    size_t shards;               /* 0: the part of each member is a leaf */
    size_t least;                /* images that a leaf needs, at least 1 */
    bool first_has_some;         /* without shards: the first member has a part of any batch */
    size_t weight[RS_TEAM_MOST]; /* of a whole batch: images of each member or, of shards, shards */
} rs_division;

typedef struct rs_span {
    size_t first, count;
} rs_span;

typedef struct rs_leaves {
    size_t count;
    rs_span leaf[RS_SHARDS_MOST]; /* the images of the batch that it has */
    rs_span member[RS_TEAM_MOST]; /* the leaves that it carries, which may be none */
} rs_leaves;

/* Whole numbers that are in proportion to weights, which are not all 0, and of which the sum is `total`: each
 * is one of the two next to its exact part; of equal remainders the first is rounded up. */
void rs_apportion(size_t total, const double *weight, size_t count, size_t *out);

/* Weights of members by text, such as "3,1": as many numbers above 0. RESCL_ERR_ARG says what was found. */
rescl_status rs_shares_parse(const char *text, size_t count, double *weight) RESCL_CHECK;

/* Makes the shares of a batch, which have at least `least` each, proportional to speeds, where a step is shorter by
 * that than by noise: false, and nothing changes, where it is not, or where the speed of one is not known (0). */
bool rs_shares_follow(size_t least, const double *speed, size_t count, size_t *share);

/* Divides a batch of n images, at least `least`. Leaves of a batch smaller than the whole one have the same
 * proportions; who would have fewer images than `least` has none. */
void rs_divide(const rs_division *d, size_t n, rs_leaves *out);

#endif
