/* The caller's own loop: a trainer that is stepped instead of run, and what it holds by name. */
#include "alloc.h"
#include "clock.h"
#include "colour.h"
#include "error.h"
#include "groups.h"
#include "mixed.h"
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- steps ------------------------------------------------------------------------------- */

/* A trainer is run or stepped: a run's epochs, checkpoints and rates know nothing of other steps. */
static rescl_status check_not_ran(const rescl_trainer *t, const char *call)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(t->ran, RESCL_ERR_ARG,
               "%s: this trainer was given to rescl_trainer_run; make another one to step", call);
out:
    return st;
}

/* Takes memory for the caller's batches, once. */
static rescl_status begin(rescl_trainer *t, const char *call)
{
    rescl_status st = RESCL_OK;
    rs_own_steps *own = &t->own;
    const rescl_train_options *o = &t->options;

    RS_TRY(check_not_ran(t, call));
    RS_FAIL_IF(t->class_weight, RESCL_ERR_UNSUPPORTED,
               "%s: class_weights count in rescl_trainer_run alone; make a trainer without them",
               call);
    if (own->begun)
        goto out;
    if (!own->pixels) /* from a call that failed behind it */
        RS_OOM(own->pixels = rs_aligned_calloc(o->batch_size, rs_model_input_bytes(t->model)));
    const size_t each = t->model->multi_label ? t->model->classes : 1;
    if (!own->labels)
        RS_OOM(own->labels = rs_aligned_calloc(o->batch_size, each * sizeof *own->labels));
    own->begun = true;
out:
    return st;
}

static rescl_status stage_labels(rescl_trainer *t, const int32_t *labels, size_t n)
{
    rescl_status st = RESCL_OK;
    const size_t classes = t->model->classes;

    if (!t->model->multi_label) {
        for (size_t i = 0; i < n; i++)
            RS_FAIL_IF(labels[i] < 0 || (size_t)labels[i] >= classes, RESCL_ERR_ARG,
                       "image %zu of the batch has the label %" PRId32 ": expected 0 to %zu", i,
                       labels[i], classes - 1);
        memcpy(t->own.labels, labels, n * sizeof *labels);
        goto out;
    }
    for (size_t i = 0; i < n * classes; i++)
        RS_FAIL_IF(labels[i] != 0 && labels[i] != 1, RESCL_ERR_ARG,
                   "image %zu of the batch, class %zu: found %" PRId32
                   ", expected 0 or 1, for the model takes several labels",
                   i / classes, i % classes, labels[i]);
    for (size_t i = 0; i < n * classes; i++)
        t->own.labels[i] = labels[i] * RS_MIXED_ONE;
out:
    return st;
}

/* The caller's arrays as the network takes them. */
static rescl_status stage(rescl_trainer *t, const uint8_t *images, const int32_t *labels, size_t n)
{
    rescl_status st = RESCL_OK;
    const rescl_model *m = t->model;
    const size_t size = m->image_size, bytes = rs_model_input_bytes(m);

    RS_FAIL_IF(!images || !labels, RESCL_ERR_ARG, "a batch without %s: NULL was given",
               images ? "labels" : "images");
    RS_FAIL_IF(n != t->options.batch_size, RESCL_ERR_ARG,
               "a batch of %zu: the trainer was made for a batch_size of %zu", n,
               t->options.batch_size);
    RS_TRY(stage_labels(t, labels, n));
    for (size_t i = 0; i < n; i++) {
        rescl_image image = {.width = size,
                             .height = size,
                             .pixels = (uint8_t *)(uintptr_t)(images + i * bytes),
                             .channels = rs_pixel_samples(m->channels),
                             .bit_depth = m->graph->bit_depth};
        uint8_t *input = t->own.pixels + i * bytes;
        RS_TRY(rs_image_to_input(&image, size, size, &(rescl_resize){0}, m->preprocess, input));
        image.pixels = input;
        if (m->channels == 1) /* none of them was resized: as before that */
            rs_image_grey(&image);
    }
    RS_TRY(rs_preprocess_table(m->preprocess, &m->normalize, m->channels, t->own.table));
out:
    return st;
}

rescl_status rescl_trainer_backward(rescl_trainer *t, const uint8_t *images, const int32_t *labels,
                                    size_t n, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    const double start = rs_clock_seconds();
    rs_batch batch = {.n = n};
    const char *layer = NULL;
    rs_outputs outputs;
    rs_tally tally = {0};

    RS_TRY(begin(t, "rescl_trainer_backward"));
    t->own.pending = false;
    RS_TRY(stage(t, images, labels, n));
    batch.pixels = t->own.pixels;
    batch.table = (const float(*)[256])t->own.table;
    batch.labels = t->own.labels;
    batch.rows = t->model->multi_label ? t->own.labels : NULL;
    st = rs_team_gradients(t->team, &batch, NULL, t->options.seed, t->progress.step, &outputs);
    if (st == RESCL_ERR_NUMERIC)
        rs_error_prefix("step %" PRIu64, t->progress.step + 1);
    RS_TRY(st);
    if (!rs_all_finite(outputs.losses, n)) {
        RS_TRY(rs_team_find_nonfinite(t->team, &layer));
        RS_FAIL(RESCL_ERR_NUMERIC,
                "step %" PRIu64 ": the loss is not finite; first seen in layer '%s'; a smaller "
                "learning rate may help",
                t->progress.step + 1, layer ? layer : "unknown");
    }
    t->has_gradients = t->own.pending = true;
    rs_tally_add_batch(&tally, &batch, &outputs, 0, n);
    if (out)
        rs_tally_metrics(&tally, outputs.classes, rs_clock_seconds() - start, 0.0, out);
out:
    return st;
}

rescl_status rescl_trainer_update(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rs_rates rates = rs_groups_rates(&t->options, t->own.lr, t->own.lr_body, 0.0);

    RS_TRY(check_not_ran(t, "rescl_trainer_update"));
    RS_FAIL_IF(!t->own.pending, RESCL_ERR_ARG,
               "there are no gradients to update by; call rescl_trainer_backward first");
    RS_TRY(rs_trainer_update(t, &rates, t->progress.step + 1));
    t->own.pending = false;
    t->progress.step++;
out:
    return st;
}

rescl_status rescl_trainer_step(rescl_trainer *t, const uint8_t *images, const int32_t *labels,
                                size_t n, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rescl_trainer_backward(t, images, labels, n, out));
    RS_TRY(rescl_trainer_update(t));
out:
    return st;
}

rescl_status rescl_trainer_set_lr(rescl_trainer *t, double lr, double lr_body)
{
    rescl_status st = RESCL_OK;

    RS_TRY(check_not_ran(t, "rescl_trainer_set_lr"));
    RS_FAIL_IF(!isfinite(lr) || lr < 0.0 || !isfinite(lr_body) || lr_body < 0.0, RESCL_ERR_ARG,
               "learning rates %g and %g: expected at least 0 and below infinity", lr, lr_body);
    t->own.lr = lr;
    t->own.lr_body = lr_body > 0.0 ? lr_body : lr;
out:
    return st;
}

rescl_status rescl_trainer_evaluate(rescl_trainer *t, rescl_metrics *out)
{
    rescl_status st = RESCL_OK;
    rs_watch watch = {0};
    rs_evaluation e = {.team = t->team, .loader = t->eval_loader, .watch = &watch};
    rescl_scores *scores = NULL;

    RS_FAIL_IF(!t->eval_loader, RESCL_ERR_ARG,
               "this trainer has no evaluation set; give rescl_trainer_create one");
    RS_FAIL_IF(t->running, RESCL_ERR_ARG,
               "rescl_trainer_evaluate: the trainer is running, and evaluates by itself");
    RS_TRY(rs_scores_for(t->model, t->eval_set, NULL, NULL, &scores, &e.scores));
    RS_TRY(rs_trainer_evaluate(t, &e, out));
out:
    rescl_scores_destroy(scores);
    return st;
}

/* ---- what it holds ----------------------------------------------------------------------- */

rescl_status rescl_trainer_get_parameter(rescl_trainer *t, const char *name, float *values,
                                         size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(t->model, name, values, count, &i));
    RS_TRY(rs_team_read_param(t->team, i, false, values));
out:
    return st;
}

rescl_status rescl_trainer_set_parameter(rescl_trainer *t, const char *name, const float *values,
                                         size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(t->model, name, values, count, &i));
    RS_TRY(rs_team_write_param(t->team, i, false, values));
out:
    return st;
}

rescl_status rescl_trainer_get_gradient(rescl_trainer *t, const char *name, float *values,
                                        size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(t->model, name, values, count, &i));
    RS_FAIL_IF(!t->has_gradients, RESCL_ERR_ARG,
               "%s: there are no gradients yet; they come with the first batch", name);
    RS_TRY(rs_team_read_param(t->team, i, true, values));
out:
    return st;
}

rescl_status rescl_trainer_set_gradient(rescl_trainer *t, const char *name, const float *values,
                                        size_t count)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    RS_TRY(rs_model_find_parameter(t->model, name, values, count, &i));
    RS_FAIL_IF(!t->own.pending, RESCL_ERR_ARG,
               "%s: no update waits for a gradient; call rescl_trainer_backward first", name);
    RS_TRY(rs_team_write_param(t->team, i, true, values));
out:
    return st;
}

rescl_status rescl_trainer_sync_model(rescl_trainer *t)
{
    rs_weights *to = &t->model->weights;
    return !t->running && rs_trainer_averaged(t) ? rs_team_download_average(t->team, to)
                                                 : rs_team_download(t->team, to);
}
