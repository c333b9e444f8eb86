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

static rescl_status eval_step(rs_evaluation *e, const rs_batch *batch, rs_outputs *out,
                              rs_tally *tally)
{
    rescl_status st = RESCL_OK;
    const char *layer = NULL;

    st = rs_team_evaluate(e->team, batch, e->loader, out);
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
    const rs_samples samples = {.epoch = e->event.epoch,
                                .step = e->event.step,
                                .first = (size_t)tally->samples,
                                .n = batch->n,
                                .classes = out->classes,
                                .images = batch->pixels,
                                .labels = batch->labels,
                                .logits = out->logits,
                                .losses = out->losses,
                                .batch = batch};
    RS_TRY(rs_watch_samples(e->watch, &samples));
    add_read(tally, batch, out);
    score_read(e, batch, out);
    e->sample += batch->n;
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

rescl_status rs_evaluate(rs_evaluation *e, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    const rs_batch *batch = NULL;
    rs_outputs outputs = {0};
    rs_tally tally = {0};
    const double start = rs_clock_seconds();
    double data_wait = 0.0, before = start;
    bool stop = false;

    if (e->scores)
        rescl_scores_clear(e->scores);
    e->sample = 0;
    e->event.training = false;
    e->event.batch = 0;
    e->event.batches = rs_loader_batches(e->loader);
    RS_TRY(rs_loader_start(e->loader, 0, 0));
    for (;;) {
        const double asked = rs_clock_seconds();
        RS_TRY(rs_loader_next(e->loader, &batch));
        data_wait += rs_clock_seconds() - asked;
        if (!batch)
            break;
        RS_TRY(eval_step(e, batch, &outputs, &tally));
        const double now = rs_clock_seconds();
        e->event.batch++;
        e->event.step_loss = mean_loss(batch, &outputs);
        e->event.step_seconds = now - before;
        before = now;
        rs_tally_metrics(&tally, outputs.classes, now - start, data_wait, &e->event.metrics);
        rs_loader_release(e->loader, batch);
        batch = NULL;
        RS_TRY(rs_watch_step(e->watch, &e->event, &stop));
        RS_FAIL_IF(stop || (e->stop && atomic_load(e->stop)), RESCL_ERR_INTERRUPTED,
                   "the evaluation was stopped on request");
    }
    RS_FAIL_IF(tally.samples == 0, RESCL_ERR_FORMAT,
               "none of the images of the evaluation can be read");
    rs_tally_metrics(&tally, outputs.classes, rs_clock_seconds() - start, data_wait, out);
    RS_TRY(take_summary(e, out));
out:
    rs_team_forget(e->team);
    if (batch)
        rs_loader_release(e->loader, batch);
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
