/* The training loop: steps, epochs, and what happens after each. A step updates the weights only
 * after its losses are known to be finite. */
#include "clock.h"
#include "dataset.h"
#include "error.h"
#include "groups.h"
#include "log.h"
#include "monitor.h"
#include "optionvalue.h"
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One run of rescl_trainer_run. */
typedef struct run {
    rescl_trainer *t;
    rs_watch watch;
    const rescl_train_callbacks *callbacks; /* the caller's, or NULL */
    bool lr_is_given;                       /* for this epoch, by on_lr */
    double given_lr;
    rs_rates lr;          /* of the current step */
    double mark;          /* the clock at the end of the previous step */
    rescl_scores *scores; /* of the last evaluation, or NULL */
    bool unread;          /* some process could not read an image of the batch */
} run;

static bool stop_asked(run *r)
{
    return atomic_load(&r->t->stop) != 0;
}

/* Processes that train together stop together, and those that did not fail save when one did: *stop becomes
 * whether any was asked to; an order that was not drawn because of that is no failure. */
static rescl_status agree(run *r, rescl_status own, bool *stop)
{
    *stop = stop_asked(r);
    return rs_team_agree(r->t->team, own, stop, NULL);
}

/* A watcher's wish is everyone's. */
static void take_wish(run *r, bool stop)
{
    if (stop)
        rescl_trainer_stop(r->t);
}

static bool steps_exhausted(const rescl_trainer *t)
{
    return t->options.max_steps > 0 && t->progress.step >= t->options.max_steps;
}

static rs_tally tally_of(const rescl_trainer *t)
{
    const rs_ckpt_progress *p = &t->progress;
    return (rs_tally){p->samples, p->top1, p->top5, p->loss_sum, t->model->multi_label};
}

/* The caller's rate of this epoch. */
static rescl_status ask_rate(run *r)
{
    rescl_status st = RESCL_OK;
    const rescl_train_callbacks *c = r->callbacks;
    const rs_ckpt_progress *p = &r->t->progress;

    if (!c || !c->on_lr)
        goto out;
    const double before = p->lr_is_given ? p->given_lr : r->t->options.lr;
    r->given_lr = c->on_lr((size_t)p->epoch, before, c->user);
    r->lr_is_given = true;
    RS_FAIL_IF(!isfinite(r->given_lr) || r->given_lr < 0.0, RESCL_ERR_ARG,
               "on_lr gave epoch %" PRIu64 " the rate %g, expected a finite one of at least 0",
               p->epoch + 1, r->given_lr);
out:
    return st;
}

/* Of a group whose options' rate is `lr`. */
static double rate_of(const run *r, const rs_schedule_ask *ask, double lr)
{
    const double head = r->t->options.lr;
    rs_schedule_ask own = *ask;

    own.lr = lr;
    if (r->lr_is_given)
        return head > 0.0 ? r->given_lr * (lr / head) : r->given_lr;
    return rs_schedule_rate(&r->t->schedule, &own);
}

/* Rates of the next step, or, after an epoch's last step, of that one. All groups but the head's go
 * by the body's. */
static void set_rates(run *r)
{
    const rescl_train_options *o = &r->t->options;
    const rs_ckpt_progress *p = &r->t->progress;
    const rs_update_place place = rs_trainer_place(r->t, 0);
    const rs_schedule_ask ask = {.head_lr = o->lr,
                                 .epoch = (size_t)p->epoch,
                                 .epochs = o->epochs,
                                 .step = place.update,
                                 .steps = place.updates,
                                 .state = p->schedule};
    const double body = o->lr_body > 0.0 ? o->lr_body : o->lr;
    const double momentum = r->lr_is_given ? 0.0 : rs_schedule_momentum(&r->t->schedule, &ask);

    r->lr = rs_groups_rates(o, rate_of(r, &ask, o->lr), rate_of(r, &ask, body), momentum);
}

/* ---- a step ------------------------------------------------------------------------------ */

/* The weights are still those that gave the bad loss: find where it starts. */
static rescl_status report_nonfinite(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;

    RS_TRY(rs_team_find_nonfinite(t->team, &layer));
    RS_FAIL(RESCL_ERR_NUMERIC,
            "epoch %" PRIu64 ", step %" PRIu64
            ": the loss is not finite; first seen in layer '%s'; "
            "the last good checkpoint is %s; a smaller learning rate may help",
            t->progress.epoch + 1, t->progress.step + 1, layer ? layer : "unknown",
            t->good ? t->good : "none");
out:
    return st;
}

/* In front of an error that says what is not finite. */
static void tell_step_of(const rescl_trainer *t, rescl_status st)
{
    if (st == RESCL_ERR_NUMERIC)
        rs_error_prefix("epoch %" PRIu64 ", step %" PRIu64 "; the last good checkpoint is %s",
                        t->progress.epoch + 1, t->progress.step + 1, t->good ? t->good : "none");
}

rescl_status rs_trainer_update(rescl_trainer *t, const rs_rates *rates, uint64_t step)
{
    const rescl_status st = rs_team_update(t->team, rates, step);
    t->progress.scale = *rs_team_loss_scale(t->team);
    return st;
}

/* What other processes could not read of the last batch. */
static rescl_status gather_unread(run *r, rs_batch *batch)
{
    rescl_status st = RESCL_OK;

    if (!r->t->ranks || !r->unread)
        goto out;
    RS_TRY(rs_team_gather_rows(r->t->team, batch->unread_at, sizeof *batch->unread_at));
    batch->unread = 0;
    for (size_t i = 0; i < batch->n; i++)
        batch->unread += batch->unread_at[i] != SIZE_MAX;
out:
    return st;
}

static rescl_status train_batch(run *r, const rs_batch *read, double *step_loss)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = r->t;
    rs_batch all = *read, *batch = &all;
    size_t first, read_here;
    rs_ckpt_progress *p = &t->progress;
    const rs_update_place place = rs_trainer_place(t, batch->n);
    rs_outputs outputs;
    rs_tally tally = {0};

    st = rs_team_gradients(t->team, batch, &place.part, t->options.seed, p->step, &outputs);
    tell_step_of(t, st);
    RS_TRY(st);
    t->has_gradients = true;
    RS_TRY(gather_unread(r, batch));
    rs_team_part_of(t->team, batch->n, &first, &read_here);
    if (!rs_all_finite(outputs.losses, batch->n))
        RS_TRY(report_nonfinite(t));
    set_rates(r);
    if (place.part.last) {
        st = rs_trainer_update(t, &r->lr, place.step);
        tell_step_of(t, st);
        RS_TRY(st);
        RS_TRY(rs_trainer_update_average(t, &place));
    }

    const rs_samples samples = {.training = true,
                                .epoch = p->epoch,
                                .step = p->step,
                                .first = (size_t)p->samples,
                                .n = batch->n,
                                .classes = outputs.classes,
                                .images = batch->pixels,
                                .read = read_here,
                                .labels = batch->labels,
                                .logits = outputs.logits,
                                .losses = outputs.losses,
                                .batch = batch};
    RS_TRY(rs_watch_samples(&r->watch, &samples));
    rs_tally_add_batch(&tally, batch, &outputs, 0, batch->n);
    *step_loss = tally.loss_sum / (double)batch->n;
    p->samples += tally.samples;
    p->top1 += tally.top1;
    p->top5 += tally.top5;
    p->loss_sum += tally.loss_sum;
    p->batch++;
    p->step++;
out:
    return st;
}

static rescl_status tell_step(run *r, double step_loss, double step_seconds)
{
    rescl_status st = RESCL_OK;
    bool stop = false;
    const rescl_trainer *t = r->t;
    const rs_ckpt_progress *p = &t->progress;
    const rs_tally tally = tally_of(t);
    rescl_step_event e = {.training = true,
                          .epoch = (size_t)p->epoch,
                          .epochs = t->options.epochs,
                          .batch = (size_t)p->batch,
                          .batches = rs_loader_batches(t->train_loader),
                          .step = p->step,
                          .step_loss = step_loss,
                          .lr = r->lr.group[RS_GROUP_HEAD].lr,
                          .step_seconds = step_seconds,
                          .loss_scale = p->scale.scale,
                          .skipped = p->scale.skipped};

    rs_tally_metrics(&tally, t->model->classes, p->seconds, p->data_wait, &e.metrics);
    RS_TRY(rs_watch_step(&r->watch, &e, &stop));
    take_wish(r, stop);
out:
    return st;
}

/* ---- an epoch ---------------------------------------------------------------------------- */

static rescl_status interrupted(run *r)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = r->t;

    RS_TRY(rs_trainer_download(t));
    RS_TRY(rs_trainer_save_last(t));
    RS_FAIL(RESCL_ERR_INTERRUPTED,
            "stopped on request in epoch %" PRIu64 " after step %" PRIu64 "%s%s",
            t->progress.epoch + 1, t->progress.step, t->last_path ? "; go on from " : "",
            t->last_path ? t->last_path : "");
out:
    return st;
}

/* After a step: the save that save_freq asks for, and a stop. */
static rescl_status after_step(run *r)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = r->t;
    const size_t freq = t->options.save_freq;
    bool stop;

    rs_team_works(t->team, false);
    RS_TRY(agree(r, RESCL_OK, &stop));
    if (stop)
        RS_TRY(interrupted(r));
    if (freq > 0 && t->last_path && t->progress.step % freq == 0) {
        RS_TRY(rs_trainer_download(t));
        RS_TRY(rs_trainer_save_last(t));
        r->mark = rs_clock_seconds(); /* saving is not training */
    }
out:
    return st;
}

/* What failed stays the error, and the steps before it are saved. */
static void save_before_failure(run *r)
{
    rescl_trainer *t = r->t;
    const rescl_error why = *rescl_last_error();
    const int32_t lost = rs_loader_lost(t->train_loader);

    if (rs_trainer_download(t) != RESCL_OK || rs_trainer_save_last(t) != RESCL_OK)
        rs_log(RESCL_LOG_WARN, "%s", rescl_last_error()->message);
    if (lost >= 0 && rs_watch_lost(&r->watch, t->train_set, lost) != RESCL_OK)
        rs_log(RESCL_LOG_WARN, "%s", rescl_last_error()->message);
    rs_error_restore(&why);
}

static rescl_status next_batch(run *r, const rs_batch **out)
{
    rescl_trainer *t = r->t;
    const double asked = rs_clock_seconds();
    rescl_status st = rs_loader_next(t->train_loader, out);

    t->progress.data_wait += rs_clock_seconds() - asked;
    r->unread = st == RESCL_OK && *out && (*out)->unread > 0;
    st = rs_team_agree(t->team, st, NULL, &r->unread);
    if (st != RESCL_OK)
        save_before_failure(r);
    return st;
}

static rescl_status train_epoch(run *r)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = r->t;
    rs_ckpt_progress *p = &t->progress;
    const rs_batch *batch = NULL;
    bool stop = false;

    if (p->batch >= rs_loader_batches(t->train_loader))
        goto out; /* resumed between the last step and the evaluation */
    RS_TRY(agree(r, rs_loader_start(t->train_loader, p->epoch, (size_t)p->batch), &stop));
    if (stop)
        RS_TRY(interrupted(r));
    if (p->batch == 0)
        RS_TRY(rs_team_level(t->team, &t->model->weights, t->state));
    RS_TRY(rs_team_pace_clear(t->team));
    r->mark = rs_clock_seconds();
    while (!steps_exhausted(t)) {
        double step_loss, now, step_seconds;
        RS_TRY(next_batch(r, &batch));
        if (!batch)
            break;
        rs_team_works(t->team, true);
        RS_TRY(train_batch(r, batch, &step_loss));
        rs_loader_release(t->train_loader, batch);
        batch = NULL;
        now = rs_clock_seconds();
        step_seconds = now - r->mark;
        p->seconds += step_seconds;
        r->mark = now;
        RS_TRY(tell_step(r, step_loss, step_seconds));
        RS_TRY(after_step(r));
    }
    RS_TRY(rs_team_finish(t->team));
    p->seconds += rs_clock_seconds() - r->mark;
out:
    if (batch)
        rs_loader_release(t->train_loader, batch);
    return st;
}

static rescl_status evaluate_epoch(run *r, rescl_metrics *out)
{
    rescl_trainer *t = r->t;
    rs_evaluation e = {.team = t->team,
                       .loader = t->eval_loader,
                       .watch = &r->watch,
                       .scores = r->scores,
                       .stop = &t->stop,
                       .event = {.epoch = (size_t)t->progress.epoch,
                                 .epochs = t->options.epochs,
                                 .step = t->progress.step,
                                 .lr = r->lr.group[RS_GROUP_HEAD].lr}};
    const rescl_status st = rs_trainer_evaluate(t, &e, out);

    return st == RESCL_ERR_INTERRUPTED ? interrupted(r) : st;
}

/* Whether this epoch is the best so far, and remembers it. */
static rescl_status take_best(rescl_trainer *t, const rescl_epoch_event *e, bool *best)
{
    rescl_status st = RESCL_OK;

    *best = rs_monitor_take_best(t->options.monitor, e, &t->progress);
    if (*best && t->options.restore_best)
        RS_TRY(rs_trainer_keep_best(t));
out:
    return st;
}

/* A schedule and early stopping learn from whole epochs, and not from an evaluation that was made because
 * a run ends: one that goes on has the rates of a run that was never stopped, and ends where it does. */
static void teach(rescl_trainer *t, const rescl_epoch_event *e)
{
    rs_ckpt_progress *p = &t->progress;
    const bool whole = p->batch >= rs_loader_batches(t->train_loader);
    const bool measured = !t->eval_set || (p->epoch + 1) % t->options.eval_freq == 0;

    if (!whole || !measured)
        return;
    rs_schedule_observe(&t->schedule, (size_t)p->epoch, rs_monitor_value(t->options.monitor, e),
                        p->schedule);
    rs_early_stopping_observe(&t->options, e, &p->stopping);
}

/* Moves the progress to the start of the next epoch. */
static void next_epoch(run *r)
{
    rs_ckpt_progress *p = &r->t->progress;

    p->lr_is_given = r->lr_is_given;
    p->given_lr = r->given_lr;
    p->epoch++;
    p->batch = p->samples = p->top1 = p->top5 = 0;
    p->loss_sum = p->seconds = p->data_wait = 0.0;
}

/* Whether max_steps ends the run where one without it would not measure: within an epoch, or behind
 * one that eval_freq passes over. What is measured there is told, and stays out of the progress, so
 * that a run that goes on has the best of one that was never stopped. */
static bool ends_early(const rescl_trainer *t)
{
    const rs_ckpt_progress *p = &t->progress;
    const bool whole = p->batch >= rs_loader_batches(t->train_loader);
    const bool measures = !t->eval_set || p->epoch + 1 >= t->options.epochs ||
                          (p->epoch + 1) % t->options.eval_freq == 0;

    return steps_exhausted(t) && !(whole && measures);
}

static bool is_over(const rescl_trainer *t)
{
    return t->progress.epoch >= t->options.epochs || steps_exhausted(t) ||
           rs_early_stopping_ends(&t->options, &t->progress.stopping);
}

/* `last`, so that a failing evaluation costs no epoch; evaluation; then best, what watchers write
 * (results.csv), and last again, in this order: a kill between any two of them leaves a state from
 * which the resumed run does the rest again, and the same. */
static rescl_status finish_epoch(run *r)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = r->t;
    rs_ckpt_progress *p = &t->progress;
    const rs_tally tally = tally_of(t);
    rescl_epoch_event e = {.epoch = (size_t)p->epoch,
                           .epochs = t->options.epochs,
                           .lr = r->lr.group[RS_GROUP_HEAD].lr};
    const bool last = p->epoch + 1 >= t->options.epochs || steps_exhausted(t);
    const bool early = ends_early(t);
    bool stop = false;

    rs_tally_metrics(&tally, t->model->classes, p->seconds, p->data_wait, &e.train);
    RS_TRY(rs_trainer_download(t));
    if (p->batch >= rs_loader_batches(t->train_loader))
        RS_TRY(rs_trainer_measure_shares(t));
    if (t->eval_set && (last || (p->epoch + 1) % t->options.eval_freq == 0)) {
        RS_TRY(rs_trainer_save_last(t));
        RS_TRY(evaluate_epoch(r, &e.eval));
    }
    if (early)
        e.best = !p->has_best; /* weights are better than none */
    else if (e.eval.samples > 0 || !t->eval_set)
        RS_TRY(take_best(t, &e, &e.best));
    e.peak_bytes = rs_team_peak_bytes(t->team);
    e.loss_scale = p->scale.scale;
    e.skipped = p->scale.skipped;
    e.partial = p->batch < rs_loader_batches(t->train_loader);
    teach(t, &e);
    if (!early)
        next_epoch(r);
    if (e.best)
        RS_TRY(rs_trainer_save_best(t));
    e.seconds = rs_clock_seconds() - t->clock_base;
    RS_TRY(rs_watch_epoch(&r->watch, &e, &stop));
    RS_TRY(rs_trainer_save_last(t));
    RS_TRY(rs_watch_saved(&r->watch, &e, &stop));
    take_wish(r, stop);
    if (!early && !is_over(t)) /* who watches has seen what the devices did */
        RS_TRY(rs_trainer_take_shares(t));
out:
    return st;
}

static rescl_status run_to_end(rescl_trainer *t, const rescl_train_callbacks *callbacks)
{
    rescl_status st = RESCL_OK;
    run r = {.t = t, .callbacks = callbacks};
    rescl_scores *scores = NULL;
    rs_run_info info = {.model = t->model,
                        .train_set = t->train_set,
                        .eval_set = t->eval_set,
                        .options = &t->options,
                        .callbacks = callbacks,
                        .teacher = rs_distil_plan(&t->distil),
                        .team = t->team,
                        .folder = t->options.output_dir,
                        .epoch = t->progress.epoch,
                        .has_best = t->progress.has_best,
                        .scaled = t->progress.scale.scale > 0.0,
                        .average = t->average.count ? &t->average : NULL};

    t->clock_base = rs_clock_seconds() - t->progress.time;
    if (is_over(t))
        goto out;
    RS_TRY(rs_trainer_begin(t));
    RS_TRY(rs_scores_for(t->model, t->eval_set, callbacks, info.folder, &scores, &r.scores));
    info.scores = r.scores;
    RS_TRY(rs_watch_open(&r.watch, t->watchers, &info));
    while (!is_over(t)) {
        bool stop;
        RS_TRY(agree(&r, RESCL_OK, &stop));
        if (stop)
            RS_TRY(interrupted(&r));
        RS_TRY(ask_rate(&r));
        set_rates(&r);
        RS_TRY(train_epoch(&r));
        RS_TRY(finish_epoch(&r));
    }
out:
    if (st == RESCL_OK)
        rs_trainer_give_result(t);
    st = rs_watch_close(&r.watch, st);
    rescl_scores_destroy(scores);
    return st;
}

rescl_status rescl_trainer_run(rescl_trainer *t, const rescl_train_callbacks *callbacks)
{
    rescl_status st = RESCL_OK;
    rescl_train_callbacks ours = {0};

    if (callbacks)
        RS_TRY(rs_options_take(&ours, sizeof ours, callbacks, "rescl_train_callbacks"));
    RS_FAIL_IF(!t->train_set, RESCL_ERR_ARG,
               "this trainer has no training set; step it, or give rescl_trainer_create one");
    RS_FAIL_IF(t->own.begun || t->running, RESCL_ERR_ARG,
               "this trainer %s; make another one to run",
               t->running ? "is running already" : "was stepped by its caller");
    RS_FAIL_IF(
        t->failed, RESCL_ERR_ARG,
        "this trainer's run failed half-way; make another one, which may resume from its last "
        "checkpoint");
    t->ran = t->running = true;
    st = run_to_end(t, callbacks ? &ours : NULL);
    t->running = false;
    t->failed = st != RESCL_OK && st != RESCL_ERR_INTERRUPTED;
    atomic_store(&t->stop, 0);
out:
    return st;
}
