/* The team of a training run: made before its first step, and anew where shares change between epochs. */
#include "dataset.h"
#include "error.h"
#include "log.h"
#include "str.h"
#include "trainer.h"

#include <string.h>

/* What was measured in between, another version or another driver may have changed how the same
 * numbers are summed: that spoils nothing but the last bits, and is worth a word. Checkpoints are of rank 0. */
static rescl_status compare_plans(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_fingerprint(t->team, t->plan));
    if (!rs_team_leads(t->team))
        goto out;
    if (t->resumed_plan[0] && strcmp(t->resumed_plan, t->plan) != 0)
        rs_log(RESCL_LOG_WARN,
               "%s was trained with other implementations or other numbers of theirs (by tuning, "
               "another device or another version): this run will not end with the bits of one "
               "that was never stopped",
               t->resume_path);
    const rescl_device_info *is = rescl_device_get_info(rs_team_device(t->team, 0));
    const bool other_width = t->resumed_width != is->float_width;
    const bool other_units = t->resumed_units != is->compute_units && is->type != RESCL_DEVICE_CPU;
    if (t->resumed_units > 0 && (other_width || other_units))
        rs_log(RESCL_LOG_WARN,
               "%s was trained on %u compute units with vectors of %u, this device has %u with %u: "
               "sums are taken in another order, and this run will not end with the bits of one "
               "that was never stopped",
               t->resume_path, t->resumed_units, t->resumed_width, is->compute_units,
               is->float_width);
out:
    return st;
}

/* Each process reads what it computes: a part of each batch, and of the batches to evaluate by one in turn. */
static void divide_reading(rescl_trainer *t)
{
    const size_t batch = t->options.batch_size;
    rs_loader_part part = {.turns = 0};

    if (!t->ranks || !t->train_set)
        return;
    const rs_split split = rs_split_batches(t->train_set->count, batch, t->least);
    rs_team_part_of(t->team, batch, &part.first[0], &part.count[0]);
    rs_team_part_of(t->team, split.tail, &part.first[1], &part.count[1]);
    rs_loader_set_part(t->train_loader, &part);
    part = (rs_loader_part){.count = {SIZE_MAX, SIZE_MAX}};
    part.turns = rs_team_ranks_count(t->team, &part.turn);
    if (t->eval_loader)
        rs_loader_set_part(t->eval_loader, &part);
}

static rs_team_plan plan_of(const rescl_trainer *t)
{
    return (rs_team_plan){.hyper = &t->hyper,
                          .batch = t->options.batch_size,
                          .train_images =
                              t->train_set ? t->train_set->count : t->options.batch_size,
                          .eval_images = t->eval_set ? t->eval_set->count : 0,
                          .train_least = t->least,
                          .precision = t->precision,
                          .check_numerics = t->options.check_numerics,
                          .recompute = t->options.recompute,
                          .shards = t->options.shards,
                          .wire = t->wire,
                          .ranks = t->ranks,
                          .clip_norm = t->options.clip_grad_norm,
                          .clip_value = t->options.clip_grad_value,
                          .accumulates = t->sum.count > 0,
                          .averages = t->average.count > 0,
                          .class_weights = t->class_weight,
                          .teacher = rs_distil_plan(&t->distil)};
}

/* What the team has besides the weights, from the copies on the host. */
static rescl_status upload_rest(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    for (int i = 0; i < rs_team_states(t->team); i++)
        RS_TRY(rs_team_upload_state(t->team, i, &t->state[i]));
    if (t->average.count)
        RS_TRY(rs_team_upload_average(t->team, &t->average));
out:
    return st;
}

rescl_status rs_trainer_create_team(rescl_trainer *t, rescl_device *const *devices, size_t count)
{
    rescl_status st = RESCL_OK;
    rescl_device *kept[RS_TEAM_MOST];
    double share[RS_TEAM_MOST];
    size_t members = 0;
    rs_team_plan plan = plan_of(t);

    if (t->ranks)
        RS_TRY(rs_trainer_match_ranks(t));
    RS_TRY(t->ranks ? rs_trainer_share_ranks(t, count, share, &plan)
                    : rs_trainer_share_out(t, devices, count, &plan));
    for (size_t i = 0; i < count; i++) {
        if (!t->ranks && t->progress.team.count > 0 && t->progress.team.share[i] == 0)
            continue;
        kept[members] = devices[i];
        if (!t->ranks)
            share[members] = (double)t->progress.team.share[i];
        members++;
    }
    if (members > 1 && !t->ranks)
        plan.share = share;
    plan.synced = t->options.sync_bn && (members > 1 || t->ranks);
    rs_graph_set_synced(t->model->graph, plan.synced);
    RS_TRY(rs_team_create(kept, members, t->model->graph, &t->model->weights, &plan, &t->team));
    divide_reading(t);
    RS_TRY(compare_plans(t));
    if (t->resume_path)
        RS_TRY(upload_rest(t));
    if (t->resumed_sum)
        RS_TRY(rs_team_upload_sum(t->team, &t->sum));
    if (t->precision == RESCL_PRECISION_FP16 && t->progress.scale.scale > 0.0)
        rs_team_set_loss_scale(t->team, &t->progress.scale);
    t->progress.scale = *rs_team_loss_scale(t->team);
out:
    return st;
}

/* ---- other shares ------------------------------------------------------------------------ */

/* The same devices with the shares of the progress. */
static rescl_status remake(rescl_trainer *t, rescl_device *const *devices, size_t count)
{
    rescl_status st = RESCL_OK;
    double share[RS_TEAM_MOST];
    size_t members = 0;
    rs_team_plan plan = plan_of(t);

    for (size_t i = 0; i < t->progress.team.count; i++)
        if (t->progress.team.share[i] > 0)
            share[members++] = (double)t->progress.team.share[i];
    plan.share = share;
    plan.synced = t->options.sync_bn;
    RS_TRY(rs_team_remake(t->team, devices, count, t->model->graph, &t->model->weights, &plan));
    divide_reading(t);
    RS_TRY(rs_team_fingerprint(t->team, t->plan));
    RS_TRY(upload_rest(t));
    rs_team_set_loss_scale(t->team, &t->progress.scale);
out:
    return st;
}

static rescl_status download(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_download(t->team, &t->model->weights));
    for (int i = 0; i < rs_team_states(t->team); i++)
        RS_TRY(rs_team_download_state(t->team, i, &t->state[i]));
    if (t->average.count)
        RS_TRY(rs_team_download_average(t->team, &t->average));
out:
    return st;
}

/* Shares as text, such as "10,6". */
static rescl_status append_shares(rs_str *s, const rs_ckpt_team *team)
{
    rescl_status st = RESCL_OK;

    for (size_t i = 0; i < team->count; i++)
        RS_TRY(rs_str_appendf(s, i ? ",%zu" : "%zu", (size_t)team->share[i]));
out:
    return st;
}

static rescl_status tell_change(const rescl_trainer *t, const rs_ckpt_team *was, bool made)
{
    rescl_status st = RESCL_OK;
    rs_str before = {0}, after = {0};

    if (!rs_team_leads(t->team))
        goto out;
    RS_TRY(append_shares(&before, was));
    RS_TRY(append_shares(&after, &t->progress.team));
    if (made)
        rs_log(RESCL_LOG_INFO, "shares of a batch from here on: %s, before %s", after.text,
               before.text);
    else
        rs_log(RESCL_LOG_WARN, "shares of a batch stay %s: there is no memory for %s (%s)",
               after.text, before.text, rescl_last_error()->message);
out:
    rs_str_fini(&before);
    rs_str_fini(&after);
    return st;
}

rescl_status rs_trainer_take_shares(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    rescl_device *devices[RS_TEAM_MOST];
    const rs_ckpt_team next = t->progress.team;
    const size_t count = rs_team_size(t->team);
    rs_ckpt_team was = next;
    size_t share[RS_TEAM_MOST];

    if (next.count < 2 || rs_team_shares(t->team, share) < 2)
        goto out;
    for (size_t i = 0, m = 0; i < next.count; i++)
        if (next.share[i] > 0)
            was.share[i] = share[m++];
    if (memcmp(was.share, next.share, sizeof was.share) == 0)
        goto out;
    RS_TRY(download(t));
    for (size_t i = 0; i < count; i++)
        devices[i] = rs_team_device(t->team, i);
    st = remake(t, devices, count);
    if (st == RESCL_ERR_MEMORY && !t->ranks) {
        t->progress.team = was;
        RS_TRY(tell_change(t, &next, false));
        st = remake(t, devices, count);
    } else if (st == RESCL_OK) {
        st = tell_change(t, &was, true);
    }
    RS_TRY(st);
    RS_TRY(rs_trainer_save_last(t)); /* whose plan is known now */
out:
    return st;
}
