/* What the files of a team share: team.c, its steps; several.c, those of more than one member; teamvalues.c, what they
 * hold; teamranks.c, other processes. */
#ifndef RS_TEAM_INTERNAL_H
#define RS_TEAM_INTERNAL_H

#include "member.h"
#include "team.h"

/* A team of more than one member, or of one that carries shards. */
typedef struct rs_several {
    size_t members;
    rs_member member[RS_TEAM_MOST];
    rs_division division; /* of all members, those of other processes too */
    rs_team_step step;
    rs_rank_sum ranks;              /* {0}: there are no other processes */
    size_t begin[RS_TEAM_MOST + 1]; /* of the members of each rank among all */
    bool alike;                     /* all compute with the same bits */
    bool running;                   /* the members are at a step, whose end nobody waited for */
} rs_several;

struct rs_team {
    rs_replica *replica; /* the only one, or that of the first member, which evaluates */
    rs_several *several; /* NULL: a team of one */
    const rs_graph *graph;
    rs_replica_options plan;
    const rs_batch *sent; /* ahead of its evaluation, or NULL */
    rs_net *last;         /* that ran last, or NULL */
    uint64_t seed, step;  /* with these */
    double share;         /* of the batch, of what the next update goes by */
    rs_loss_scale scale;
    bool stepping;   /* a training step is under way, or not known to have ended well */
    bool spoiled;    /* a training step failed half-way */
    rescl_error why; /* with this */
};

static inline rs_replica *rs_team_replica(const rs_team *t, size_t member)
{
    return t->several ? t->several->member[member].replica : t->replica;
}

/* Passes `st` on; a failure ends the use of the team's values. */
rescl_status rs_team_spoil(rs_team *t, rescl_status st);
/* Fails where a step has failed half-way before. */
rescl_status rs_team_check_whole(const rs_team *t) RESCL_CHECK;
/* After what waits for all that was asked for before it, with its result: that a command failed may be said of the
 * step that was under way. */
rescl_status rs_team_end_wait(rs_team *t, rescl_status st);

static inline rescl_ranks *rs_team_ranks(const rs_team *t)
{
    return t->several ? t->several->ranks.ranks : NULL;
}

/* Waits until no member is at a step, and gives what came of it. */
rescl_status rs_team_join(rs_team *t) RESCL_CHECK;
/* Calls `fn` for each replica, side by side, and waits. */
rescl_status rs_team_each(rs_team *t, rescl_status (*fn)(rs_replica *r, const void *arg),
                          const void *arg) RESCL_CHECK;

/* Of a team of which `plan` is filled, but for the sizes to train with. After a failure the team is still
 * to be destroyed. */
rescl_status rs_several_create(rs_team *t, rescl_device *const *devices, size_t count,
                               const rs_graph *graph, const rs_weights *weights,
                               const rs_team_plan *plan) RESCL_CHECK;
void rs_several_destroy(rs_team *t);
rescl_status rs_several_fingerprint(const rs_team *t, char out[33]) RESCL_CHECK;
/* As rs_team_gradients. */
rescl_status rs_several_gradients(rs_team *t, const rs_batch *batch, uint64_t seed, uint64_t step,
                                  rs_outputs *out) RESCL_CHECK;
/* As rs_team_find_nonfinite, of the leaves of this process's members; while the batch is there. */
rescl_status rs_several_find_nonfinite(rs_team *t, const char **layer) RESCL_CHECK;

#endif
