/* Evaluation: mean loss and accuracy over a dataset, in order. */
#include "classmap.h"
#include "clock.h"
#include "dataset.h"
#include "error.h"
#include "log.h"
#include "optionvalue.h"
#include "text.h"
#include "threadpool.h"
#include "trainer.h"
#include "views.h"

#include <stdlib.h>
#include <string.h>

static rs_class_list classes_of(const rescl_model *m)
{
    return (rs_class_list){.name = (const char *const *)m->class_name,
                           .other = (const char *const *)m->class_alias,
                           .count = m->classes,
                           .owner = "the model"};
}

rescl_status rs_match_dataset(const rescl_model *model, const rescl_dataset *set, const char *what,
                              int32_t **label_map)
{
    rescl_status st = RESCL_OK;
    const rs_class_list list = classes_of(model);

    RS_FAIL_IF(set->count == 0, RESCL_ERR_ARG, "%s '%s' holds no samples", what ? what : "dataset",
               set->origin);
    RS_FAIL_IF(
        set->multi_label && !model->multi_label, RESCL_ERR_ARG,
        "%s '%s' gives an image any number of labels, and the model chooses one class; train one "
        "that takes several: multi_label (--multi-label)",
        what ? what : "dataset", set->origin);
    RS_TRY(rs_class_map(set, what, &list, label_map));
out:
    return st;
}

rescl_status rs_name_classes(rescl_model *model, const rescl_dataset *train_set)
{
    rescl_status st = RESCL_OK;
    const rs_class_list list = classes_of(model);
    bool within = false;

    if (train_set->classes > list.count || !rs_are_numbers(list.name, list.count))
        goto out;
    RS_TRY(rs_classes_within(train_set, &list, &within));
    for (size_t i = 0; !within && i < train_set->classes; i++) {
        char *name = NULL;
        RS_OOM(name = strdup(train_set->class_name[i]));
        free(model->class_name[i]);
        model->class_name[i] = name;
    }
out:
    return st;
}

void rs_tell_threads(size_t asked)
{
    if (rs_data_threads(asked) < asked)
        rs_log(RESCL_LOG_WARN,
               "workers: %zu data threads were asked for; %zu are used, which is 4 "
               "for each processor or 8",
               asked, rs_data_threads(asked));
}

static bool was_read(const rs_batch *batch, size_t sample)
{
    return batch->unread == 0 || batch->unread_at[sample] == SIZE_MAX;
}

static double mean_loss(const rs_batch *batch, const rs_outputs *o)
{
    double sum = 0.0;
    for (size_t i = 0; i < batch->n; i++)
        if (was_read(batch, i))
            sum += (double)o->losses[i];
    return sum / (double)(batch->n - batch->unread);
}

/* Adds the images of a batch that could be read, run by run. */
static void add_read(rs_tally *tally, const rs_batch *batch, const rs_outputs *o)
{
    for (size_t first = 0, end; first < batch->n; first = end + 1) {
        end = first;
        while (end < batch->n && was_read(batch, end))
            end++;
        rs_tally_add_batch(tally, batch, o, first, end);
    }
}

/* An evaluation goes over its set in order. */
static void score_read(const rs_evaluation *e, const rs_batch *batch, const rs_outputs *o)
{
    for (size_t i = 0; e->scores && i < batch->n; i++) {
        const float *logits = o->logits + i * o->classes;
        if (!was_read(batch, i))
            continue;
        if (batch->rows)
            rs_scores_add_row(e->scores, e->sample + i, logits, batch->rows + i * o->classes,
                              o->losses[i]);
        else
            rs_scores_add_logits(e->scores, e->sample + i, logits, batch->labels[i], o->losses[i]);
    }
}

rescl_status rs_scores_for(const rescl_model *model, const rescl_dataset *set,
                           const rescl_train_callbacks *callbacks, const char *folder,
                           rescl_scores **own, rescl_scores **out)
{
    rescl_status st = RESCL_OK;

    *out = callbacks ? callbacks->scores : NULL;
    if (!set || (!*out && !folder && !model->multi_label)) {
        *out = NULL;
        goto out;
    }
    if (!*out) {
        RS_TRY(rescl_scores_create(model->classes, own));
        *out = *own;
    }
    RS_FAIL_IF(rescl_scores_classes(*out) != model->classes, RESCL_ERR_ARG,
               "scores of %zu classes cannot take an evaluation of %zu", rescl_scores_classes(*out),
               model->classes);
    rs_scores_set_task(*out, model->loss, model->multi_label);
    RS_TRY(rs_scores_reserve(*out, set->count));
out:
    return st;
}

/* One evaluation under way. */
typedef struct pass {
    rs_evaluation *e;
    rs_tally tally;
    double start, before, data_wait;
    bool stop;
} pass;

static rescl_status next_batch(pass *p, const rs_batch **out)
{
    const double asked = rs_clock_seconds();
    const rescl_status st = rs_loader_next(p->e->loader, out);
    p->data_wait += rs_clock_seconds() - asked;
    return st;
}

/* `ahead` as rs_team_evaluate has it. */
static rescl_status run_batch(rs_evaluation *e, const rs_batch *batch, rs_loader *ahead,
                              rs_outputs *out)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;

    st = rs_team_evaluate(e->team, batch, ahead, out);
    if (st == RESCL_ERR_NUMERIC)
        rs_error_prefix("evaluation, batch %zu", batch->index + 1);
    RS_TRY(st);
    if (!rs_all_finite(out->losses, out->n)) {
        RS_TRY(rs_team_find_nonfinite(e->team, &layer));
        RS_FAIL(RESCL_ERR_NUMERIC,
                "evaluation, batch %zu: the loss is not finite; first seen in layer '%s'",
                batch->index + 1, layer ? layer : "unknown");
    }
    rs_view_outputs_take(&e->views, batch, out);
out:
    return st;
}

/* The outputs of a batch to all who look. */
static rescl_status take_batch(pass *p, const rs_batch *batch, const rs_outputs *out, size_t read)
{
    rescl_status st = RESCL_OK;
    rs_evaluation *e = p->e;
    const rs_samples samples = {.epoch = e->event.epoch,
                                .step = e->event.step,
                                .first = (size_t)p->tally.samples,
                                .n = batch->n,
                                .read = read,
                                .classes = out->classes,
                                .images = batch->pixels,
                                .labels = batch->labels,
                                .logits = out->logits,
                                .losses = out->losses,
                                .batch = batch};
    RS_TRY(rs_watch_samples(e->watch, &samples));
    add_read(&p->tally, batch, out);
    score_read(e, batch, out);
    e->sample += batch->n;
    const double now = rs_clock_seconds();
    e->event.batch++;
    e->event.step_loss = mean_loss(batch, out);
    e->event.step_seconds = now - p->before;
    p->before = now;
    rs_tally_metrics(&p->tally, out->classes, now - p->start, p->data_wait, &e->event.metrics);
    RS_TRY(rs_watch_step(e->watch, &e->event, &p->stop));
    p->stop = p->stop || (e->stop && atomic_load(e->stop));
out:
    return st;
}

/* What of several labels only all images together tell. */
static rescl_status take_summary(const rs_evaluation *e, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    rescl_scores_summary s;

    if (!e->scores || !rescl_scores_multi_label(e->scores))
        goto out;
    RS_TRY(rescl_scores_summarise(e->scores, &s));
    out->map = s.macro.average_precision;
    out->f1_micro = s.micro.f1;
    out->f1_macro = s.macro.f1;
out:
    return st;
}

static rescl_status sum_up(const pass *p, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(p->tally.samples == 0, RESCL_ERR_FORMAT,
               "none of the images of the evaluation can be read");
    rs_tally_metrics(&p->tally, rs_team_classes(p->e->team), rs_clock_seconds() - p->start,
                     p->data_wait, out);
    RS_TRY(take_summary(p->e, out));
out:
    return st;
}

static rescl_status check_stop(bool stop)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(stop, RESCL_ERR_INTERRUPTED, "the evaluation was stopped on request");
out:
    return st;
}

static rescl_status evaluate_alone(pass *p, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    rs_evaluation *e = p->e;
    const rs_batch *batch = NULL;
    rs_outputs outputs = {0};

    RS_TRY(rs_loader_start(e->loader, 0, 0));
    for (;;) {
        RS_TRY(next_batch(p, &batch));
        if (!batch)
            break;
        RS_TRY(run_batch(e, batch, e->loader, &outputs));
        RS_TRY(take_batch(p, batch, &outputs, batch->n));
        rs_loader_release(e->loader, batch);
        batch = NULL;
        RS_TRY(check_stop(p->stop));
    }
    RS_TRY(sum_up(p, out));
out:
    if (batch)
        rs_loader_release(e->loader, batch);
    return st;
}

/* ---- by several processes ------------------------------------------------------------------ */

/* Of batches that follow each other each process evaluates one, as a single process would, and has those of all:
 * what it comes to has the same bits however many there are. */
typedef struct round {
    size_t index, ranks; /* of processes */
    size_t first, count; /* batches */
    size_t classes, n[RS_TEAM_MOST];
    float *logits, *losses;
    size_t *unread_at;
    const rs_batch *held;
} round;

static size_t place_of(const round *r, size_t rank)
{
    size_t at = 0;
    for (size_t q = 0; q < rank; q++)
        at += r->n[q];
    return at;
}

static rescl_status hold_next(pass *p, round *r)
{
    rescl_status st = RESCL_OK;

    RS_TRY(next_batch(p, &r->held));
    RS_FAIL_IF(!r->held, RESCL_ERR_IO, "the evaluation ended before its last batch");
out:
    return st;
}

static void let_go(pass *p, round *r)
{
    rs_loader_release(p->e->loader, r->held);
    r->held = NULL;
}

/* Its own batch of the round, if it has one. */
static rescl_status run_own(pass *p, round *r)
{
    rescl_status st = RESCL_OK;
    rs_outputs out;

    for (size_t i = 0; i < r->index && i < r->count; i++) {
        RS_TRY(hold_next(p, r));
        let_go(p, r);
    }
    if (r->index >= r->count)
        goto out;
    RS_TRY(hold_next(p, r));
    RS_TRY(run_batch(p->e, r->held, NULL, &out));
    const size_t at = place_of(r, r->index), n = r->held->n;
    memcpy(r->logits + at * r->classes, out.logits, n * r->classes * sizeof *out.logits);
    memcpy(r->losses + at, out.losses, n * sizeof *out.losses);
    memcpy(r->unread_at + at, r->held->unread_at, n * sizeof *r->unread_at);
out:
    return st;
}

/* Who cannot go on says so to the others. */
static rescl_status agree(const pass *p, rescl_status own)
{
    rescl_status st = RESCL_OK;
    bool stop = p->stop || (p->e->stop && atomic_load(p->e->stop));

    RS_TRY(rs_team_agree(p->e->team, own, &stop, NULL));
    RS_TRY(check_stop(stop));
out:
    return st;
}

static rescl_status gather_round(rs_team *team, round *r)
{
    rescl_status st = RESCL_OK;
    size_t part[RS_TEAM_MOST] = {0};

    for (size_t q = 0; q < r->ranks; q++)
        part[q] = r->n[q] * sizeof(float);
    RS_TRY(rs_team_gather(team, r->losses, part));
    for (size_t q = 0; q < r->ranks; q++)
        part[q] *= r->classes;
    RS_TRY(rs_team_gather(team, r->logits, part));
    for (size_t q = 0; q < r->ranks; q++)
        part[q] = r->n[q] * sizeof *r->unread_at;
    RS_TRY(rs_team_gather(team, r->unread_at, part));
out:
    return st;
}

/* All batches of the round in their order; what the loader did not read of them is known by now. */
static rescl_status take_round(pass *p, round *r)
{
    rescl_status st = RESCL_OK;

    for (size_t i = r->index; i < r->count; i++) {
        const size_t at = place_of(r, i);
        const rs_outputs out = {r->n[i], r->classes, r->logits + at * r->classes, r->losses + at};
        if (!r->held)
            RS_TRY(hold_next(p, r));
        rs_batch batch = *r->held;
        batch.unread_at = r->unread_at + at;
        batch.unread = 0;
        for (size_t k = 0; k < batch.n; k++)
            batch.unread += batch.unread_at[k] != SIZE_MAX;
        if (r->index == 0)
            RS_TRY(take_batch(p, &batch, &out, i == 0 ? batch.n : 0));
        let_go(p, r);
    }
out:
    return st;
}

static rescl_status begin_rounds(const pass *p, size_t batches, round *r)
{
    rescl_status st = RESCL_OK;
    rs_loader *loader = p->e->loader;
    size_t most = 1;

    for (size_t b = 0; b < batches; b++)
        most = rs_loader_samples(loader, b) > most ? rs_loader_samples(loader, b) : most;
    RS_OOM(r->logits = calloc(r->ranks * most, r->classes * sizeof *r->logits));
    RS_OOM(r->losses = calloc(r->ranks * most, sizeof *r->losses));
    RS_OOM(r->unread_at = calloc(r->ranks * most, sizeof *r->unread_at));
    RS_TRY(rs_loader_start(loader, 0, 0));
out:
    return st;
}

/* A process that fails goes on to where all agree. */
static rescl_status evaluate_in_turn(pass *p, size_t index, size_t ranks, rescl_metrics *out)
{
    rescl_status st = RESCL_OK, own;
    rs_loader *loader = p->e->loader;
    const size_t batches = rs_loader_batches(loader);
    round r = {.index = index, .ranks = ranks, .classes = rs_team_classes(p->e->team)};

    own = begin_rounds(p, batches, &r);
    for (; r.first < batches; r.first += r.count) {
        r.count = batches - r.first < ranks ? batches - r.first : ranks;
        for (size_t q = 0; q < ranks; q++)
            r.n[q] = q < r.count ? rs_loader_samples(loader, r.first + q) : 0;
        RS_TRY(agree(p, own == RESCL_OK ? run_own(p, &r) : own));
        RS_TRY(gather_round(p->e->team, &r));
        own = take_round(p, &r);
    }
    RS_TRY(agree(p, own == RESCL_OK && index == 0 ? sum_up(p, out) : own));
out:
    if (r.held)
        let_go(p, &r);
    free(r.logits);
    free(r.losses);
    free(r.unread_at);
    return st;
}

rescl_status rs_evaluate(rs_evaluation *e, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    pass p = {.e = e, .start = rs_clock_seconds()};
    size_t index;
    const size_t ranks = rs_team_ranks_count(e->team, &index);

    p.before = p.start;
    if (e->scores)
        rescl_scores_clear(e->scores);
    e->sample = 0;
    e->event.training = false;
    e->event.batch = 0;
    e->event.batches = rs_loader_batches(e->loader);
    RS_TRY(ranks > 1 ? evaluate_in_turn(&p, index, ranks, out) : evaluate_alone(&p, out));
out:
    rs_team_forget(e->team);
    return st;
}

rescl_status rescl_evaluate(rescl_device *device, const rescl_model *model,
                            const rescl_dataset *set, size_t batch_size, size_t workers,
                            const rescl_train_callbacks *callbacks, rescl_metrics *out)
{
    return rescl_evaluate_run(device, model, set, batch_size, workers, callbacks, NULL, out);
}

rescl_status rescl_evaluate_run(rescl_device *device, const rescl_model *model,
                                const rescl_dataset *set, size_t batch_size, size_t workers,
                                const rescl_train_callbacks *callbacks, const char *folder,
                                rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    rs_watch watch = {0};
    rs_evaluation e = {.watch = &watch, .event.epochs = 1};
    rescl_train_callbacks ours = {0};
    int32_t *label_map = NULL;
    rescl_scores *scores = NULL;
    rs_run_info run = {
        .model = model, .eval_set = set, .folder = folder, .callbacks = callbacks ? &ours : NULL};
    const size_t views = rs_views_count(model->tta), fit = batch_size / views;
    const size_t images =
        batch_size && !fit ? 1 : fit; /* of a batch: as many inputs as were asked for */
    const rs_team_plan plan = {.batch = images * views,
                               .eval_images = set->count * views,
                               .precision = model->precision,
                               .check_numerics = model->check_numerics};
    rs_loader_options load = {.batch = images,
                              .height = model->image_size,
                              .width = model->image_size,
                              .resize = model->resize,
                              .preprocess = model->preprocess,
                              .normalize = model->normalize,
                              .channels = model->channels,
                              .bit_depth = model->graph->bit_depth,
                              .tta = model->tta,
                              .workers = workers};

    if (callbacks)
        RS_TRY(rs_options_take(&ours, sizeof ours, callbacks, "rescl_train_callbacks"));
    RS_FAIL_IF(batch_size == 0, RESCL_ERR_ARG, "a batch size of 0");
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_match_dataset(model, set, "dataset", &label_map));
    load.label_map = label_map;
    load.rows = model->multi_label ? model->classes : 0;
    rs_tell_threads(workers);
    RS_TRY(rs_team_create(&device, 1, model->graph, &model->weights, &plan, &e.team));
    RS_TRY(rs_loader_create(set, &load, &e.loader));
    if (views > 1)
        RS_TRY(rs_view_outputs_init(&e.views, images, model));
    RS_TRY(rs_scores_for(model, set, run.callbacks, folder, &scores, &e.scores));
    run.team = e.team;
    run.scores = e.scores;
    RS_TRY(rs_watch_open(&watch, NULL, &run));
    RS_TRY(rs_evaluate(&e, out));
out:
    st = rs_watch_close(&watch, st);
    rs_team_destroy(e.team);
    rs_loader_destroy(e.loader);
    rs_view_outputs_fini(&e.views);
    rescl_scores_destroy(scores);
    free(label_map);
    return st;
}
