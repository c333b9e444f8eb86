/* Teams whose batches are divided: making one, and its training step. */
#include "alloc.h"
#include "error.h"
#include "metrics.h"
#include "team_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- making ------------------------------------------------------------------------------ */

/* Devices of one platform and class that compute with vectors of one width do it with the same bits. */
static bool compute_alike(rescl_device *const *devices, size_t count)
{
    const rescl_device_info *a = rescl_device_get_info(devices[0]);

    for (size_t i = 1; i < count; i++) {
        const rescl_device_info *b = rescl_device_get_info(devices[i]);
        const bool same_kind = a->type == RESCL_DEVICE_CPU || strcmp(a->name, b->name) == 0;
        if (a->platform != b->platform || a->type != b->type || a->float_width != b->float_width ||
            !same_kind)
            return false;
    }
    return true;
}

/* "images" or, of what shards are shared out, "shards". */
static rescl_status share_out(rs_division *d, rescl_device *const *devices,
                              const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    double equal[RS_TEAM_MOST];
    const size_t total = d->shards > 0 ? d->shards : plan->batch;

    for (size_t i = 0; i < d->members; i++)
        equal[i] = 1.0;
    rs_apportion(total, plan->share ? plan->share : equal, d->members, d->weight);
    RS_FAIL_IF(d->shards * d->least > plan->batch || d->shards > RS_SHARDS_MOST, RESCL_ERR_ARG,
               "shards: %zu of a batch of %zu; expected at most %zu", d->shards, plan->batch,
               plan->batch / d->least < RS_SHARDS_MOST ? plan->batch / d->least : RS_SHARDS_MOST);
    for (size_t i = 0; i < d->members; i++)
        RS_FAIL_IF(d->weight[i]<
                       (d->shards > 0 ? 1 : d->least), RESCL_ERR_ARG,
                       "%s would have %zu of the %zu %s of a batch, and needs at least %zu; give a "
                       "larger batch_size, other shares, or fewer devices",
                       rescl_device_get_info(devices[i])->name, d->weight[i], total, d->shards> 0
                       ? "shards"
                       : "images",
                   d->shards > 0 ? 1 : d->least);
out:
    return st;
}

/* Sizes of a member's leaves, each once. */
static void add_sizes(const rs_division *d, size_t n, size_t member, size_t *size, size_t *count)
{
    rs_leaves leaves;

    rs_divide(d, n, &leaves);
    for (size_t k = 0; k < leaves.member[member].count; k++) {
        const size_t images = leaves.leaf[leaves.member[member].first + k].count;
        bool known = false;
        for (size_t i = 0; i < *count; i++)
            known = known || size[i] == images;
        if (!known)
            size[(*count)++] = images;
    }
}

static rescl_status create_member(rs_team *t, size_t i, rescl_device *device, const rs_graph *graph,
                                  const rs_weights *weights, const rs_team_plan *plan,
                                  const rs_store_rule *rule)
{
    rescl_status st = RESCL_OK;
    rs_several *s = t->several;
    const rs_split train = rs_split_batches(plan->train_images, plan->batch, plan->train_least);
    rs_replica_options o = t->plan;
    rs_replica *r = NULL;
    size_t size[4] = {0}, count = 0; /* shards of two batches are of two sizes each at most */

    if (train.full)
        add_sizes(&s->division, plan->batch, i, size, &count);
    if (train.tail)
        add_sizes(&s->division, train.tail, i, size, &count);
    o.train_batch = size[0], o.train_tail = size[1];
    o.train_more[0] = size[2], o.train_more[1] = size[3];
    o.rule = rule;
    if (i > 0)
        o.eval_batch = o.eval_tail = 0;
    RS_TRY(rs_replica_create(device, graph, weights, &o, &r));
    s->members++;
    RS_TRY(rs_member_init(&s->member[i], i, r, &s->step));
out:
    return st;
}

static rescl_status create_exchange(rs_several *s)
{
    rescl_status st = RESCL_OK;
    rs_range *range = NULL;
    size_t buckets = 0;

    RS_TRY(rs_member_ranges(s->member[0].replica->store, &range, &buckets));
    RS_TRY(rs_exchange_create(s->members, range, buckets, &s->step.exchange));
out:
    free(range);
    return st;
}

rescl_status rs_several_create(rs_team *t, rescl_device *const *devices, size_t count,
                               const rs_graph *graph, const rs_weights *weights,
                               const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    rs_several *s = NULL;
    const rs_store_rule rule = rs_store_rule_of_all(devices, count);
    const size_t classes = graph->value[graph->output].shape.dim[1];
    const size_t most = plan->batch + plan->train_least; /* images of a batch */

    RS_FAIL_IF(!plan->hyper, RESCL_ERR_UNSUPPORTED, "%zu devices were given; one evaluates", count);
    RS_OOM(s = calloc(1, sizeof *s));
    pthread_mutex_init(&s->step.lock, NULL);
    pthread_cond_init(&s->step.moved, NULL);
    t->several = s;
    s->division = (rs_division){.members = count,
                                .shards = plan->shards > 1 ? plan->shards : 0,
                                .least = plan->train_least > 0 ? plan->train_least : 1};
    s->alike = compute_alike(devices, count);
    RS_TRY(share_out(&s->division, devices, plan));
    for (size_t i = 0; i < count; i++)
        RS_TRY(create_member(t, i, devices[i], graph, weights, plan, &rule));
    RS_TRY(create_exchange(s));
    RS_OOM(s->step.logits = rs_aligned_calloc(most, classes * sizeof(float)));
    RS_OOM(s->step.losses = rs_aligned_calloc(most, sizeof(float)));
    t->replica = s->member[0].replica;
out:
    return st;
}

void rs_several_destroy(rs_team *t)
{
    rs_several *s = t->several;

    for (size_t i = 0; i < s->members; i++)
        rs_member_fini(&s->member[i]);
    rs_exchange_destroy(s->step.exchange);
    rs_aligned_free(s->step.logits);
    rs_aligned_free(s->step.losses);
    pthread_cond_destroy(&s->step.moved);
    pthread_mutex_destroy(&s->step.lock);
    free(s);
    t->several = NULL;
}

/* Shards are computed in the same way whoever carries them: each size counts once. */
rescl_status rs_several_fingerprint(const rs_team *t, char out[33])
{
    rescl_status st = RESCL_OK;
    const rs_several *s = t->several;
    size_t last = SIZE_MAX;

    for (size_t m = 0; m < s->members && s->division.shards == 0; m++)
        for (size_t i = 0; i < RS_REPLICA_NETS; i++)
            if (s->member[m].replica->net[i] && s->member[m].replica->mode[i] == RS_MODE_TRAIN)
                RS_TRY(rs_net_fingerprint(s->member[m].replica->net[i], out));
    while (s->division.shards > 0) {
        const rs_net *next = NULL; /* the largest below the last one */
        for (size_t m = s->members; m-- > 0;)
            for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
                const rs_net *n = s->member[m].replica->net[i];
                if (n && s->member[m].replica->mode[i] == RS_MODE_TRAIN && rs_net_batch(n) < last &&
                    (!next || rs_net_batch(n) >= rs_net_batch(next)))
                    next = n;
            }
        if (!next)
            break;
        last = rs_net_batch(next);
        RS_TRY(rs_net_fingerprint(next, out));
    }
out:
    return st;
}

/* ---- what all members do ----------------------------------------------------------------- */

/* The first failure that is not another's. */
static rescl_status worst(const rs_several *s)
{
    const rs_member *bad = NULL;

    for (size_t i = 0; i < s->members; i++)
        if (s->member[i].st != RESCL_OK && (!bad || bad->st == RESCL_ERR_INTERRUPTED))
            bad = &s->member[i];
    if (!bad)
        return RESCL_OK;
    rs_error_restore(&bad->why);
    if (s->members > 1)
        rs_error_prefix("%s", rescl_device_get_info(bad->replica->dev)->name);
    return bad->st;
}

rescl_status rs_team_join(rs_team *t)
{
    rs_several *s = t->several;

    if (!s || !s->running)
        return RESCL_OK;
    s->running = false;
    for (size_t i = 0; i < s->members; i++)
        rs_member_wait(&s->member[i]);
    return rs_team_spoil(t, worst(s));
}

typedef struct call {
    rescl_status (*fn)(rs_replica *r, const void *arg);
    const void *arg;
} call;

static rescl_status call_replica(rs_member *m, const void *arg)
{
    const call *c = arg;
    return c->fn(m->replica, c->arg);
}

rescl_status rs_team_each(rs_team *t, rescl_status (*fn)(rs_replica *r, const void *arg),
                          const void *arg)
{
    rescl_status st = RESCL_OK;
    rs_several *s = t->several;
    const call c = {fn, arg};

    if (!s)
        return fn(t->replica, arg);
    for (size_t i = 0; i < s->members && st == RESCL_OK; i++)
        st = rs_member_do(&s->member[i], call_replica, &c);
    for (size_t i = 0; i < s->members; i++)
        rs_member_wait(&s->member[i]);
    return st != RESCL_OK ? st : worst(s);
}

/* ---- a step ------------------------------------------------------------------------------ */

static rescl_status start_members(rs_several *s)
{
    rescl_status st = RESCL_OK;

    s->running = true;
    for (size_t i = 0; i < s->members; i++) {
        if (st == RESCL_OK)
            st = rs_member_do(&s->member[i], rs_member_step, NULL);
        if (st == RESCL_OK)
            continue;
        rs_exchange_give_up(s->step.exchange);
        pthread_mutex_lock(&s->step.lock);
        s->step.settled++; /* it never starts */
        pthread_mutex_unlock(&s->step.lock);
    }
    return st;
}

/* For rs_team_find_nonfinite: the net of a leaf that ran last with its member and gave a loss that is not
 * finite. */
static void note_last(rs_team *t)
{
    const rs_several *s = t->several;

    t->last = NULL;
    for (size_t i = 0; i < s->members && !t->last; i++) {
        const rs_member *m = &s->member[i];
        const rs_span mine = s->step.leaves.member[i];
        if (mine.count == 0)
            continue;
        const rs_span images = s->step.leaves.leaf[mine.first + mine.count - 1];
        if (rs_all_finite(s->step.losses + images.first, images.count))
            continue;
        t->last = m->last;
        t->seed = m->last_seed;
    }
}

rescl_status rs_several_gradients(rs_team *t, const rs_batch *batch, uint64_t seed, uint64_t step,
                                  rs_outputs *out)
{
    rescl_status st = RESCL_OK;
    rs_several *s = t->several;
    rs_team_step *p = &s->step;

    rs_team_forget(t);
    p->batch = batch;
    p->seed = seed;
    p->step = t->step = step;
    p->scale = t->scale.scale;
    p->settled = 0;
    rs_divide(&s->division, batch->n, &p->leaves);
    rs_exchange_begin(p->exchange);
    st = start_members(s);
    pthread_mutex_lock(&p->lock);
    while (p->settled < s->members)
        pthread_cond_wait(&p->moved, &p->lock);
    pthread_mutex_unlock(&p->lock);
    if (st != RESCL_OK || rs_exchange_is_given_up(p->exchange)) {
        const rescl_status joined = rs_team_join(t);
        RS_TRY(st != RESCL_OK ? rs_team_spoil(t, st) : joined);
    }
    note_last(t);
    *out = (rs_outputs){batch->n, t->replica->classes, p->logits, p->losses};
out:
    return st;
}

rescl_status rs_team_look(rs_team *t, size_t member, rs_team_pace *out)
{
    rescl_status st = RESCL_OK;

    *out = (rs_team_pace){0};
    if (!t->several || member >= t->several->members)
        goto out;
    RS_TRY(rs_team_join(t));
    const rs_member *m = &t->several->member[member];
    *out = (rs_team_pace){t->several->division.weight[member], m->images, m->busy, m->waited};
out:
    return st;
}

rescl_status rs_team_pace_clear(rs_team *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_join(t));
    for (size_t i = 0; t->several && i < t->several->members; i++) {
        rs_member *m = &t->several->member[i];
        m->images = 0;
        m->busy = m->waited = 0.0;
    }
out:
    return st;
}
