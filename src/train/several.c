/* Teams whose batches are divided: making one, and its training step. */
#include "alloc.h"
#include "error.h"
#include "hash.h"
#include "metrics.h"
#include "team_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- making ------------------------------------------------------------------------------ */

/* What decides on the last bits of a device: its driver, its class, the width of its vectors and, but for CPUs,
 * which one it is. */
static rs_hash kind_of(rescl_device *device)
{
    const rescl_device_info *i = rescl_device_get_info(device);
    char numbers[48];

    snprintf(numbers, sizeof numbers, "%d %u", (int)i->type, i->float_width);
    const char *text[] = {i->platform_name, i->driver, numbers,
                          i->type == RESCL_DEVICE_CPU ? "" : i->name};
    return rs_hash_strings(text, RS_COUNT(text));
}

/* Whether all members, those of other ranks too, compute with the same bits. */
static rescl_status compute_alike(rs_several *s, rescl_device *const *devices, size_t count,
                                  rescl_ranks *r)
{
    rescl_status st = RESCL_OK;
    rs_hash all[RS_TEAM_MOST];
    size_t part[RS_TEAM_MOST], begin = r ? s->begin[r->index] : 0;

    for (size_t i = 0; i < count; i++)
        all[begin + i] = kind_of(devices[i]);
    for (size_t q = 0; r && q < r->count; q++)
        part[q] = (s->begin[q + 1] - s->begin[q]) * sizeof *all;
    if (r)
        RS_TRY(r->def->gather(r, all, part));
    s->alike = true;
    for (size_t i = 1; i < s->division.members; i++)
        s->alike = s->alike && all[i].lo == all[0].lo && all[i].hi == all[0].hi;
out:
    return st;
}

/* What each member has of a batch. */
static rescl_status share_out(rs_division *d, rescl_device *const *devices,
                              const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    const size_t total = d->shards > 0 ? d->shards : plan->batch;
    const size_t least = d->shards > 0 ? 1 : d->least, fit = plan->batch / d->least;
    const char *unit = d->shards > 0 ? "shards" : "images";
    double equal[RS_TEAM_MOST];

    for (size_t i = 0; i < d->members; i++)
        equal[i] = 1.0;
    rs_apportion(total, plan->share ? plan->share : equal, d->members, d->weight);
    RS_FAIL_IF(d->shards > fit || d->shards > RS_SHARDS_MOST, RESCL_ERR_ARG,
               "shards: %zu of a batch of %zu; expected at most %zu", d->shards, plan->batch,
               fit < RS_SHARDS_MOST ? fit : RS_SHARDS_MOST);
    for (size_t i = 0; i < d->members; i++) {
        const rescl_device *device = devices[plan->ranks ? 0 : i];
        RS_FAIL_IF(d->weight[i] < least, RESCL_ERR_ARG,
                   "device %zu of %zu (%s) would have %zu of the %zu %s of a batch, and needs at "
                   "least %zu; give %s, other shares, or fewer devices",
                   i + 1, d->members,
                   plan->ranks ? "of all processes" : rescl_device_get_info(device)->name,
                   d->weight[i], total, unit, least,
                   d->shards > 0 ? "more shards" : "a larger batch_size");
    }
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

    const size_t place = i + (plan->ranks ? s->begin[plan->ranks->index] : 0);
    if (train.full)
        add_sizes(&s->division, plan->batch, place, size, &count);
    if (train.tail)
        add_sizes(&s->division, train.tail, place, size, &count);
    o.train_batch = size[0], o.train_tail = size[1];
    o.train_more[0] = size[2], o.train_more[1] = size[3];
    o.rule = rule;
    if (i > 0) /* the first of each process evaluates */
        o.eval_batch = o.eval_tail = 0;
    if (i > 0) /* each process has an average, which is that of all */
        o.averages = false;
    RS_TRY(rs_replica_create(device, graph, weights, &o, &r));
    s->members++;
    RS_TRY(rs_member_init(&s->member[i], i, place, r, &s->step));
    if (plan->synced)
        RS_TRY(rs_member_sync(&s->member[i]));
out:
    return st;
}

/* One for all processes. */
static rescl_status agree_rule(rescl_ranks *r, rs_store_rule *rule)
{
    rescl_status st = RESCL_OK;
    rs_store_rule all[RS_TEAM_MOST] = {{0}};
    size_t part[RS_TEAM_MOST];

    for (size_t i = 0; i < r->count; i++)
        part[i] = sizeof all[i];
    all[r->index] = *rule;
    RS_TRY(r->def->gather(r, all, part));
    for (size_t i = 0; i < r->count; i++) {
        rule->align = all[i].align > rule->align ? all[i].align : rule->align;
        rule->limit = all[i].limit < rule->limit ? all[i].limit : rule->limit;
    }
out:
    return st;
}

static rescl_status create_exchange(rs_several *s, rescl_ranks *ranks, rs_wire wire)
{
    rescl_status st = RESCL_OK;
    rs_range *range = NULL;
    size_t buckets = 0;

    RS_TRY(rs_member_ranges(s->member[0].replica->store, &range, &buckets));
    if (ranks)
        RS_TRY(rs_ranks_check(ranks, "places of the gradients",
                              rs_hash_bytes(range, buckets * sizeof *range)));
    if (ranks)
        RS_TRY(rs_rank_sum_init(&s->ranks, ranks, wire, s->member[0].floats));
    RS_TRY(rs_exchange_create(s->members, range, buckets, ranks ? &s->ranks : NULL,
                              &s->step.exchange));
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
    rs_store_rule rule = rs_store_rule_of_all(devices, count);
    const size_t classes = graph->value[graph->output].shape.dim[1];
    const size_t most = plan->batch + plan->train_least; /* images of a batch */

    RS_FAIL_IF(!plan->hyper, RESCL_ERR_UNSUPPORTED, "%zu devices were given; one evaluates", count);
    RS_OOM(s = calloc(1, sizeof *s));
    pthread_mutex_init(&s->step.lock, NULL);
    pthread_cond_init(&s->step.moved, NULL);
    t->several = s;
    if (plan->ranks) {
        RS_TRY(rs_ranks_members(plan->ranks, count, s->begin));
        RS_TRY(agree_rule(plan->ranks, &rule));
    }
    s->division =
        (rs_division){.members = plan->ranks ? s->begin[plan->ranks->count] : count,
                      .shards = plan->shards > 1 ? plan->shards : 0,
                      .least = plan->train_least > 0 && !plan->synced ? plan->train_least : 1,
                      .first_has_some = plan->synced};
    s->step.synced = plan->synced;
    RS_TRY(compute_alike(s, devices, count, plan->ranks));
    RS_TRY(share_out(&s->division, devices, plan));
    for (size_t i = 0; i < count; i++)
        RS_TRY(create_member(t, i, devices[i], graph, weights, plan, &rule));
    RS_TRY(create_exchange(s, plan->ranks, plan->wire));
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
    rs_rank_sum_fini(&s->ranks);
    rs_aligned_free(s->step.logits);
    rs_aligned_free(s->step.losses);
    pthread_cond_destroy(&s->step.moved);
    pthread_mutex_destroy(&s->step.lock);
    free(s);
    t->several = NULL;
}

/* Of the first of our members that has one: a net that trains with the largest batch below `size`, or NULL. */
static const rs_net *largest_below(const rs_several *s, size_t size)
{
    const rs_net *found = NULL;

    for (size_t m = s->members; m-- > 0;)
        for (size_t i = 0; i < RS_REPLICA_NETS; i++) {
            const rs_net *n = s->member[m].replica->net[i];
            if (n && s->member[m].replica->mode[i] == RS_MODE_TRAIN && rs_net_batch(n) < size &&
                (!found || rs_net_batch(n) >= rs_net_batch(found)))
                found = n;
        }
    return found;
}

/* Shards are computed in the same way whoever carries them, in whatever process: each size counts once, the
 * largest first. */
static rescl_status shards_fingerprint(const rs_several *s, char out[33])
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = s->ranks.ranks;
    const size_t count = r ? r->count : 1, own = r ? r->index : 0;
    struct {
        size_t size; /* 0: of none */
        char text[40];
    } all[RS_TEAM_MOST] = {{0}};
    size_t part[RS_TEAM_MOST], first = 0;

    for (size_t i = 0; i < count; i++)
        part[i] = sizeof *all;
    for (size_t last = SIZE_MAX; last > 0; last = all[first].size) {
        const rs_net *n = largest_below(s, last);
        all[own].size = n ? rs_net_batch(n) : 0;
        snprintf(all[own].text, sizeof all[own].text, "%s", out);
        if (n)
            RS_TRY(rs_net_fingerprint(n, all[own].text));
        if (r)
            RS_TRY(r->def->gather(r, all, part));
        first = 0;
        for (size_t i = 1; i < count; i++)
            first = all[i].size > all[first].size ? i : first;
        snprintf(out, 33, "%s", all[first].text);
    }
out:
    return st;
}

rescl_status rs_several_fingerprint(const rs_team *t, char out[33])
{
    rescl_status st = RESCL_OK;
    const rs_several *s = t->several;

    if (s->division.shards > 0)
        return shards_fingerprint(s, out);
    for (size_t m = 0; m < s->members; m++)
        for (size_t i = 0; i < RS_REPLICA_NETS; i++)
            if (s->member[m].replica->net[i] && s->member[m].replica->mode[i] == RS_MODE_TRAIN)
                RS_TRY(rs_net_fingerprint(s->member[m].replica->net[i], out));
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

/* Which leaves each rank has, and which blocks they make. */
static void describe_ranks(rs_several *s)
{
    const rs_leaves *l = &s->step.leaves;
    rs_tree_add add[RS_TREE_BLOCKS];

    for (size_t q = 0; q < s->ranks.ranks->count; q++) {
        rs_tree *shape = &s->ranks.shape[q];
        shape->count = 0;
        for (size_t m = s->begin[q]; m < s->begin[q + 1]; m++)
            for (size_t k = 0; k < l->member[m].count; k++) {
                const size_t leaf = l->member[m].first + k;
                (void)rs_tree_push(shape, &(rs_tree_block){leaf, 1, NULL}, add);
            }
    }
}

static rescl_status gather_outputs(rs_team *t)
{
    rescl_status st = RESCL_OK;
    const rs_team_step *p = &t->several->step;

    RS_TRY(rs_team_gather_rows(t, p->losses, sizeof *p->losses));
    RS_TRY(rs_team_gather_rows(t, p->logits, t->replica->classes * sizeof *p->logits));
out:
    return st;
}

/* Members of this process that have a leaf. */
static size_t attending(const rs_several *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->members; i++)
        n += s->step.leaves.member[s->member[i].place].count > 0;
    return n;
}

rescl_status rs_several_gradients(rs_team *t, const rs_batch *batch, uint64_t seed, uint64_t step,
                                  rs_outputs *out)
{
    rescl_status st = RESCL_OK;
    rs_several *s = t->several;
    rs_team_step *p = &s->step;

    rs_team_forget(t);
    p->batch = *batch;
    p->seed = seed;
    p->step = t->step = step;
    p->scale = t->scale.scale;
    p->share = t->share;
    p->settled = 0;
    rs_divide(&s->division, batch->n, &p->leaves);
    if (s->ranks.ranks)
        describe_ranks(s);
    for (size_t k = 0; k < p->leaves.count; k++)
        p->images[k] = p->leaves.leaf[k].count;
    rs_exchange_begin(p->exchange, p->leaves.count, attending(s));
    st = start_members(s);
    pthread_mutex_lock(&p->lock);
    while (p->settled < s->members)
        pthread_cond_wait(&p->moved, &p->lock);
    pthread_mutex_unlock(&p->lock);
    (void)rs_team_spoil(t, st); /* what could not start is why the others gave up */
    if (st != RESCL_OK || rs_exchange_is_given_up(p->exchange)) {
        const rescl_error why = *rescl_last_error();
        const rescl_status joined = rs_team_join(t);
        if (st != RESCL_OK)
            rs_error_restore(&why);
        RS_TRY(st != RESCL_OK ? st : joined);
    }
    if (s->ranks.ranks)
        RS_TRY(rs_team_spoil(t, gather_outputs(t)));
    t->last = NULL;
    *out = (rs_outputs){batch->n, t->replica->classes, p->logits, p->losses};
out:
    return st;
}

static bool is_finite(const rs_team_step *p, size_t leaf)
{
    const rs_span images = p->leaves.leaf[leaf];
    return rs_all_finite(p->losses + images.first, images.count);
}

/* Leaves whose loss is not finite are run again; where all are, any may have gradients that are not. The
 * batch is that of the last step. */
rescl_status rs_several_find_nonfinite(rs_team *t, const char **layer)
{
    rescl_status st = RESCL_OK;
    rs_several *s = t->several;
    const rs_team_step *p = &s->step;
    bool all = true;

    for (size_t k = 0; k < p->leaves.count; k++)
        all = all && is_finite(p, k);
    all = all || p->synced; /* what is not finite spreads by the statistics */
    for (size_t i = 0; i < s->members && !*layer; i++) {
        const rs_span mine = p->leaves.member[s->member[i].place];
        for (size_t k = mine.first; k < mine.first + mine.count && !*layer; k++)
            if (all || !is_finite(p, k))
                RS_TRY(rs_member_find_nonfinite(&s->member[i], k, !all, layer));
    }
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
    *out = (rs_team_pace){t->several->division.weight[m->place], m->images, m->busy, m->waited};
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
