/* What each device of a training run has of its batches, and that all ranks train the same. */
#include "error.h"
#include "hash.h"
#include "log.h"
#include "pace.h"
#include "ranks.h"
#include "str.h"
#include "trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(RS_CKPT_TEAM == RS_TEAM_MOST, "checkpoints keep the shares of a team");

/* The value of `shares` with which they follow what the devices do. */
#define EACH_EPOCH "epoch"

static bool by_epoch(const rescl_train_options *o)
{
    return o->shares && strcmp(o->shares, EACH_EPOCH) == 0;
}

/* The numbers that the user gives, or NULL. */
static const char *given_shares(const rescl_train_options *o)
{
    return by_epoch(o) ? NULL : o->shares;
}

static size_t whole_of(const rs_team_plan *plan)
{
    return plan->shards > 1 ? plan->shards : plan->batch;
}

static void keep_shares(rescl_trainer *t, const double *weight, size_t count,
                        const rs_team_plan *plan)
{
    size_t share[RS_TEAM_MOST];

    rs_apportion(whole_of(plan), weight, count, share);
    t->progress.team.count = count;
    for (size_t i = 0; i < count; i++)
        t->progress.team.share[i] = share[i];
}

/* A share too small is as good as none. */
static bool is_enough(size_t share, const rs_team_plan *plan)
{
    return share >= (plan->shards > 1 || plan->train_least == 0 ? 1 : plan->train_least);
}

static void tell_left_out(const rescl_device *device, const rs_pace *pace, const bool *keep,
                          size_t count, const rs_team_plan *plan, size_t i)
{
    bool with[RS_TEAM_MOST];

    memcpy(with, keep, sizeof with);
    with[i] = true;
    const double without = rs_pace_step(pace, keep, count, plan->batch);
    const double both = rs_pace_step(pace, with, count, plan->batch);
    if (both < without) {
        rs_log(
            RESCL_LOG_WARN,
            "%s, with %.1f img/s, would have less of a batch than it can train with, and is left "
            "out; a larger batch_size or shares that are given keep it",
            rescl_device_get_info(device)->name, pace[i].together);
        return;
    }
    rs_log(RESCL_LOG_WARN,
           "%s is too slow to help, with %.1f img/s, and is left out: a batch takes about %.0f ms "
           "without it and %.0f ms with it; shares that are given keep it",
           rescl_device_get_info(device)->name, pace[i].together, 1e3 * without, 1e3 * both);
}

void rs_trainer_share_by_pace(rescl_trainer *t, rescl_device *const *devices, const rs_pace *pace,
                              size_t count, const rs_team_plan *plan)
{
    bool keep[RS_TEAM_MOST] = {false}, all = false;
    double weight[RS_TEAM_MOST];

    rs_pace_choose(pace, count, plan->batch, keep);
    while (!all) {
        all = true;
        for (size_t i = 0; i < count; i++)
            weight[i] = keep[i] ? pace[i].together : 0.0;
        keep_shares(t, weight, count, plan);
        for (size_t i = 0; i < count && all; i++)
            if (keep[i] && !is_enough((size_t)t->progress.team.share[i], plan))
                keep[i] = all = false;
    }
    for (size_t i = 0; i < count; i++)
        if (!keep[i])
            tell_left_out(devices[i], pace, keep, count, plan, i);
}

static rescl_status measure(rescl_trainer *t, rescl_device *const *devices, size_t count,
                            const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    rs_pace pace[RS_TEAM_MOST] = {{0}};

    RS_TRY(rs_pace_measure(devices, count, t->model->graph, &t->model->weights, plan, pace));
    rs_trainer_share_by_pace(t, devices, pace, count, plan);
out:
    return st;
}

/* Of their names, in their order. */
static void hash_devices(rescl_device *const *devices, size_t count, char out[33])
{
    const char *name[RS_TEAM_MOST];

    for (size_t i = 0; i < count; i++)
        name[i] = rescl_device_get_info(devices[i])->name;
    rs_hash_hex(rs_hash_strings(name, count), out);
}

/* As far as both say. */
static bool same_devices(const rs_ckpt_team *a, const rs_ckpt_team *b)
{
    return a->count == b->count &&
           (!a->devices[0] || !b->devices[0] || strcmp(a->devices, b->devices) == 0);
}

/* Shares shape the last bits, and statistics of normalisations, unless shards do. */
static void tell_others(const rescl_trainer *t, const rs_ckpt_team *was, const rs_team_plan *plan)
{
    const rs_ckpt_team *is = &t->progress.team;

    if (t->resume_path && plan->shards <= 1 && (!t->ranks || t->ranks->index == 0) &&
        (!same_devices(was, is) || memcmp(was->share, is->share, sizeof was->share) != 0))
        rs_log(RESCL_LOG_WARN,
               "%s was trained by other devices or other shares of a batch: this run will not end "
               "with the bits of one that was never stopped",
               t->resume_path);
}

rescl_status rs_trainer_share_out(rescl_trainer *t, rescl_device *const *devices, size_t count,
                                  const rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_team was = t->progress.team;
    const char *given = given_shares(&t->options);
    rs_ckpt_team now = {.count = count};
    double weight[RS_TEAM_MOST];

    t->progress.team = (rs_ckpt_team){0};
    if (count > 1)
        hash_devices(devices, count, now.devices);
    if (count == 1 && (given || by_epoch(&t->options))) {
        rs_log(RESCL_LOG_WARN, "shares %.200s: there is one device, which has the whole batch",
               t->options.shares);
    } else if (given) {
        RS_TRY(rs_shares_parse(given, count, weight));
        keep_shares(t, weight, count, plan);
        for (size_t i = 0; i < t->progress.team.count; i++)
            RS_FAIL_IF(t->progress.team.share[i] == 0, RESCL_ERR_ARG,
                       "shares: '%s' gives %s none of the %zu %s of a batch", given,
                       rescl_device_get_info(devices[i])->name, whole_of(plan),
                       plan->shards > 1 ? "shards" : "images");
    } else if (count > 1 && same_devices(&was, &now)) {
        t->progress.team = was;
    } else if (count > 1) {
        RS_TRY(measure(t, devices, count, plan));
    }
    memcpy(t->progress.team.devices, now.devices, sizeof now.devices);
    tell_others(t, &was, plan);
out:
    return st;
}

rescl_status rs_trainer_share_ranks(rescl_trainer *t, size_t count, double *share,
                                    rs_team_plan *plan)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_team was = t->progress.team;
    size_t begin[RS_TEAM_MOST + 1];

    t->progress.team = (rs_ckpt_team){0};
    RS_TRY(rs_ranks_members(t->ranks, count, begin));
    const size_t all = begin[t->ranks->count];
    for (size_t i = 0; i < all; i++)
        share[i] = was.count == all ? (double)was.share[i] : 1.0;
    if (given_shares(&t->options))
        RS_TRY(rs_shares_parse(t->options.shares, all, share));
    keep_shares(t, share, all, plan);
    plan->share = share;
    tell_others(t, &was, plan);
out:
    return st;
}

rescl_status rs_trainer_measure_shares(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    rs_ckpt_team *team = &t->progress.team;
    const bool any = t->options.shards > 1 || t->options.sync_bn || t->least == 0;
    double speed[RS_TEAM_MOST];
    size_t share[RS_TEAM_MOST];
    size_t count;

    if (!by_epoch(&t->options))
        goto out;
    count = rs_team_shares(t->team, share);
    RS_TRY(rs_team_speeds(t->team, speed));
    if (count < 2 || !rs_shares_follow(any ? 1 : t->least, speed, count, share))
        goto out;
    for (size_t i = 0, m = 0; i < team->count; i++)
        if (team->share[i] > 0)
            team->share[i] = share[m++];
    t->plan[0] = '\0'; /* that of the team is not that of these shares */
out:
    return st;
}

/* ---- ranks that train the same ----------------------------------------------------------- */

/* All but what rank 0 alone writes, how a process reads, and where it finds the teacher, which is compared itself. */
static rescl_status hash_options(const rescl_trainer *t, rs_hash *out)
{
    rescl_status st = RESCL_OK;
    static const char *const own[] = {"output_dir", "report", "tensorboard", "workers", "teacher"};
    json_t *all = NULL;
    char *text = NULL;

    RS_OOM(all = rs_train_options_json(&t->options));
    for (size_t i = 0; i < RS_COUNT(own); i++)
        json_object_del(all, own[i]);
    RS_OOM(text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS));
    *out = rs_hash_bytes(text, strlen(text));
out:
    json_decref(all);
    free(text);
    return st;
}

/* Rank 0's values, to those that may have read others. */
static rescl_status take_values(rescl_ranks *r, rs_weights *w)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < w->count; i++)
        RS_TRY(r->def->broadcast(r, w->data[i], w->elems[i] * sizeof *w->data[i]));
out:
    return st;
}

rescl_status rs_trainer_match_ranks(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    rescl_ranks *r = t->ranks;
    rescl_model *m = t->model;
    const rs_ckpt_progress *p = &t->progress;
    const char *version = rescl_version();
    const uint64_t place[] = {t->resume_path != NULL, p->epoch, p->batch, p->step};
    rs_hash options;

    RS_TRY(rs_ranks_check(r, "version of rescl", rs_hash_strings(&version, 1)));
    RS_TRY(hash_options(t, &options));
    RS_TRY(rs_ranks_check(r, "options", options));
    RS_TRY(rs_ranks_check(r, "images to train on",
                          rs_hash_strings(&(const char *){t->fingerprint}, 1)));
    RS_TRY(rs_ranks_check(r, "images to evaluate on",
                          rs_hash_strings(&(const char *){t->eval_fingerprint}, 1)));
    RS_TRY(rs_ranks_check(r, "model", rs_hash_strings((const char *[]){m->name}, 1)));
    RS_TRY(rs_ranks_check(
        r, "layers", rs_hash_bytes(m->weights.elems, m->weights.count * sizeof *m->weights.elems)));
    RS_TRY(rs_ranks_check(r, "teacher", rs_hash_strings((const char *[]){t->distil.hash}, 1)));
    RS_TRY(rs_ranks_check(r, "state to go on from", rs_hash_bytes(place, sizeof place)));
    RS_TRY(take_values(r, &m->weights));
    for (size_t i = 0; i < RS_COUNT(t->state); i++)
        RS_TRY(take_values(r, &t->state[i]));
    RS_TRY(take_values(r, &t->sum));
    RS_TRY(take_values(r, &t->average));
out:
    return st;
}
