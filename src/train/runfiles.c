/* The run folder, saving and resuming. */
#include "classmap.h"
#include "classweights.h"
#include "clock.h"
#include "dataset.h"
#include "envfile.h"
#include "error.h"
#include "hash.h"
#include "jsonvalue.h"
#include "log.h"
#include "modelfile.h"
#include "monitor.h"
#include "path.h"
#include "str.h"
#include "trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* File systems that cannot lock a folder do without. */
rescl_status rs_trainer_lock(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const char *dir = t->options.output_dir;

    if (t->lock >= 0 || !dir)
        goto out;
    t->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->lock >= 0 && flock(t->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        errno = 0; /* the message says all */
        RS_FAIL(RESCL_ERR_IO,
                "%s: another training writes to this run folder; wait until it ends or stop it, or "
                "give another folder",
                dir);
    }
out:
    return st;
}

rescl_status rs_trainer_paths(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    char *weights = NULL;

    if (!t->options.output_dir)
        goto out;
    RS_OOM(weights = rs_path_join(t->options.output_dir, "weights"));
    RS_OOM(t->best_path = rs_path_join(weights, "best.safetensors"));
    RS_OOM(t->last_path = rs_path_join(weights, "last.safetensors"));
    RS_TRY(rs_mkdirs(weights));
    RS_TRY(rs_trainer_lock(t));
out:
    free(weights);
    return st;
}

/* Opening a path for an atomic write removes temporary files of writers that died. */
static rescl_status clear_stale(const char *path)
{
    rs_atomic_file f = {.fd = -1};
    const rescl_status st = rs_atomic_open(&f, path);
    rs_atomic_abort(&f);
    return st;
}

/* What is trained on and what measures. A new reference; NULL when memory is short. */
static json_t *data_json(const rescl_trainer *t)
{
    const rescl_dataset *set = t->train_set;
    json_t *classes = json_array();
    json_t *eval =
        t->eval_set ? json_pack("{s:o, s:s, s:I, s:s}", "name", rs_json_text(t->eval_set->origin),
                                "split", t->eval_set->split, "count",
                                (json_int_t)t->eval_set->count, "fingerprint", t->eval_fingerprint)
                    : json_null();
    for (size_t i = 0; i < t->model->classes; i++)
        json_array_append_new(classes, rs_json_text(t->model->class_name[i]));
    return json_pack("{s:o, s:I, s:s, s:f, s:o, s:o, s:o}", "name", rs_json_text(set->origin),
                     "count", (json_int_t)set->count, "fingerprint", t->fingerprint,
                     "validation_split", set->validation_split, "seed", rs_json_u64(set->seed),
                     "classes", classes, "eval", eval);
}

rescl_status rs_trainer_begin(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const char *dir = t->options.output_dir;
    char *env = NULL, *args = NULL;
    rescl_device *device = rs_team_device(t->team, 0);
    json_t *options = NULL, *data = NULL;
    rescl_tuning_info tuning;

    if (t->begun || !dir)
        goto out;
    RS_TRY(clear_stale(t->best_path));
    RS_TRY(clear_stale(t->last_path));
    RS_OOM(env = rs_path_join(dir, "env.json"));
    rescl_device_get_tuning(device, &tuning);
    RS_OOM(options = rs_train_options_json(&t->options));
    errno = 0; /* values for which there was no memory may have been left out */
    data = data_json(t);
    RS_OOM(data && errno != ENOMEM ? data : NULL);
    RS_TRY(
        rs_env_write(env, rescl_device_get_info(device), &tuning, t->model->name, options, data));
    if (t->options.args_ini) {
        RS_OOM(args = rs_path_join(dir, "args.ini"));
        RS_TRY(rs_file_write(args, t->options.args_ini, strlen(t->options.args_ini)));
    }
    t->begun = true;
out:
    json_decref(options);
    json_decref(data);
    free(env);
    free(args);
    return st;
}

/* ---- saving ------------------------------------------------------------------------------ */

static rescl_status check_finite(const rescl_trainer *t, const rs_weights *w, const char *what)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = t->model->graph;

    for (size_t i = 0; i < w->count; i++)
        RS_FAIL_IF(!rs_all_finite(w->data[i], w->elems[i]), RESCL_ERR_NUMERIC,
                   "epoch %" PRIu64 ", after step %" PRIu64
                   ": %s%s is not finite; nothing was saved; the last good checkpoint is %s",
                   t->progress.epoch + 1, t->progress.step, what, g->param[i].name,
                   t->good ? t->good : "none");
out:
    return st;
}

rescl_status rs_trainer_download(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_download(t->team, &t->model->weights));
    RS_TRY(check_finite(t, &t->model->weights, ""));
    for (int i = 0; t->last_path && i < rs_team_states(t->team); i++) {
        RS_TRY(rs_team_download_state(t->team, i, &t->state[i]));
        RS_TRY(check_finite(t, &t->state[i], "the optimiser's state of "));
    }
    if (t->last_path && rs_trainer_half_done(t))
        RS_TRY(rs_team_download_sum(t->team,
                                    &t->sum)); /* in fp16 it may hold what an overflow leaves */
    if (t->average.count) {
        RS_TRY(rs_team_download_average(t->team, &t->average));
        RS_TRY(check_finite(t, &t->average, "the moving average of "));
    }
out:
    return st;
}

rescl_status rs_trainer_save_last(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const int nstates = rs_team_states(t->team);
    const char *names[RS_COUNT(t->state)];
    const rs_ckpt_model about = rs_ckpt_model_of(t->model);
    const rescl_device_info *device = rescl_device_get_info(rs_team_device(t->team, 0));
    json_t *options = NULL;

    if (!t->last_path)
        goto out;
    RS_OOM(options = rs_train_options_json(&t->options));
    RS_TRY(rs_class_weights_keep(t->class_weight, t->model->classes, options));
    RS_TRY(rs_distil_keep(&t->distil, options));
    for (int i = 0; i < nstates; i++)
        names[i] = rs_optim_state_name(&t->hyper, i);
    t->progress.time = rs_clock_seconds() - t->clock_base;
    const rs_ckpt_training training = {
        .progress = t->progress,
        .data = {t->train_set->origin, t->train_set->count, t->fingerprint,
                 t->eval_set ? t->eval_set->count : 0, t->eval_fingerprint},
        .nstates = nstates,
        .state_name = names,
        .state = t->state,
        .sum = rs_trainer_half_done(t) ? &t->sum : NULL,
        .average = t->average.count ? &t->average : NULL,
        .options = options,
        .plan = t->plan,
        .units = device->compute_units,
        .width = device->float_width};
    RS_TRY(
        rs_checkpoint_write(t->last_path, t->model->graph, &t->model->weights, &about, &training));
    t->good = t->last_path;
out:
    json_decref(options);
    return st;
}

/* The best weights alone: nothing resumes from them. */
rescl_status rs_trainer_save_best(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_model about = rs_ckpt_model_of(t->model);

    if (t->best_path)
        RS_TRY(
            rs_checkpoint_write(t->best_path, t->model->graph, rs_trainer_result(t), &about, NULL));
out:
    return st;
}

/* ---- the best weights ---------------------------------------------------------------------- */

static void copy_weights(const rs_weights *to, const rs_weights *from)
{
    for (size_t i = 0; i < from->count; i++)
        memcpy(to->data[i], from->data[i], from->elems[i] * sizeof *from->data[i]);
}

rescl_status rs_trainer_keep_best(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    if (!t->best.count)
        RS_TRY(rs_weights_create(t->model->graph, &t->best));
    copy_weights(&t->best, rs_trainer_result(t));
out:
    return st;
}

void rs_trainer_give_result(rescl_trainer *t)
{
    const rs_weights *from = t->best.count ? &t->best : rs_trainer_result(t);

    if (from != &t->model->weights)
        copy_weights(&t->model->weights, from);
}

/* Those that lie beside the checkpoint. */
static rescl_status read_best(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    rs_checkpoint *c = NULL;
    char *folder = NULL, *path = NULL;

    if (!t->options.restore_best || !t->progress.has_best)
        goto out;
    RS_OOM(folder = rs_path_parent(t->resume_path));
    RS_OOM(path = rs_path_join(folder, "best.safetensors"));
    RS_TRY(rs_checkpoint_open(path, &c));
    RS_TRY(rs_weights_create(t->model->graph, &t->best));
    RS_TRY(rs_checkpoint_read_weights(c, t->model->graph, &t->best));
out:
    if (st != RESCL_OK)
        rs_error_prefix("restore_best needs the best weights of the run that goes on");
    rs_checkpoint_close(c);
    free(folder);
    free(path);
    return st;
}

/* ---- resuming ---------------------------------------------------------------------------- */

#define FAIL_IF_DIFFERENT(cond, what, fmt, was, is)                                                \
    RS_FAIL_IF(cond, RESCL_ERR_ARG,                                                                \
               "cannot resume from %s: it has " what " " fmt ", this run has " fmt,                \
               rs_checkpoint_path(c), was, is)

/* best.safetensors is such a file, and lies beside one that can be resumed from. */
static rescl_status refuse_weights(const char *path)
{
    rescl_status st = RESCL_OK;
    const char *slash = strrchr(path, '/');
    char *last = NULL;

    RS_OOM(last = rs_strf("%.*slast.safetensors", slash ? (int)(slash + 1 - path) : 0, path));
    const bool beside = access(last, F_OK) == 0;
    RS_FAIL(RESCL_ERR_ARG,
            "cannot resume from %s: it holds weights only, not the state of a training run; %s%s",
            path, beside ? "resume from " : "start a new run from its weights", beside ? last : "");
out:
    free(last);
    return st;
}

static rescl_status match_model(const rs_checkpoint *c, const rescl_model *m)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_model *was = rs_checkpoint_model(c);
    const rs_ckpt_model is = rs_ckpt_model_of(m);

    if (!was || !rs_checkpoint_progress(c))
        RS_TRY(refuse_weights(rs_checkpoint_path(c)));
    FAIL_IF_DIFFERENT(strcmp(was->name, m->name) != 0, "the model", "%s", was->name, m->name);
    FAIL_IF_DIFFERENT(was->classes != m->classes, "classes", "%zu", was->classes, m->classes);
    FAIL_IF_DIFFERENT(was->image_size != m->image_size, "an image size of", "%zu", was->image_size,
                      m->image_size);
    FAIL_IF_DIFFERENT(was->channels != m->channels, "channels:", "%zu", was->channels, m->channels);
    FAIL_IF_DIFFERENT(was->bit_depth != m->graph->bit_depth, "a bit_depth of", "%zu",
                      was->bit_depth, m->graph->bit_depth);
    FAIL_IF_DIFFERENT(was->hidden != m->hidden, "hidden units:", "%zu", was->hidden, m->hidden);
    FAIL_IF_DIFFERENT(strcmp(was->frozen, is.frozen) != 0, "frozen layers:", "'%s'", was->frozen,
                      is.frozen);
    FAIL_IF_DIFFERENT(was->norm_eval != is.norm_eval, "norm_eval:", "%d", was->norm_eval,
                      is.norm_eval);
    FAIL_IF_DIFFERENT(was->resize.resize_size != m->resize.resize_size, "a resize size of", "%zu",
                      was->resize.resize_size, m->resize.resize_size);
    FAIL_IF_DIFFERENT(was->resize.keep_exact != m->resize.keep_exact, "keep_exact:", "%d",
                      was->resize.keep_exact, m->resize.keep_exact);
    FAIL_IF_DIFFERENT(was->resize.interpolation != m->resize.interpolation, "the interpolation",
                      "%s", rescl_interpolation_name(was->resize.interpolation),
                      rescl_interpolation_name(m->resize.interpolation));
    FAIL_IF_DIFFERENT(was->sample_bits && was->sample_bits != m->sample_bits, "sample_bits:", "%zu",
                      was->sample_bits, m->sample_bits);
    FAIL_IF_DIFFERENT(fabs(was->dropout - m->dropout) > 0.0, "a dropout of", "%g", was->dropout,
                      m->dropout);
    FAIL_IF_DIFFERENT(fabs(was->stochastic_depth - m->stochastic_depth) > 0.0,
                      "a stochastic depth of", "%g", was->stochastic_depth, m->stochastic_depth);
    FAIL_IF_DIFFERENT(fabs(was->label_smoothing - m->label_smoothing) > 0.0, "a label smoothing of",
                      "%g", was->label_smoothing, m->label_smoothing);
    FAIL_IF_DIFFERENT(was->multi_label != m->multi_label, "multi_label:", "%d", was->multi_label,
                      m->multi_label);
    FAIL_IF_DIFFERENT(was->loss != m->loss, "the loss", "%s", rescl_loss_name(was->loss),
                      rescl_loss_name(m->loss));
    FAIL_IF_DIFFERENT(fabs(was->bce_target_thresh - m->bce_target_thresh) > 0.0,
                      "a bce_target_thresh of", "%g", was->bce_target_thresh, m->bce_target_thresh);
    FAIL_IF_DIFFERENT(fabs(was->focal_gamma - m->focal_gamma) > 0.0, "a focal_gamma of", "%g",
                      was->focal_gamma, m->focal_gamma);
    FAIL_IF_DIFFERENT(fabs(was->focal_alpha - m->focal_alpha) > 0.0, "a focal_alpha of", "%g",
                      was->focal_alpha, m->focal_alpha);
    if (rs_are_numbers(was->class_name, was->classes))
        goto out; /* names were not given then */
    for (size_t i = 0; i < was->classes; i++) {
        const char *why = "";
        if (strcmp(m->class_name[i], was->class_name[i]) == 0)
            continue;
        (void)rescl_class_near(m->class_name[i], &was->class_name[i], 1, &why);
        RS_FAIL(RESCL_ERR_ARG,
                "cannot resume from %s: class %zu was called '%s', this run calls it '%s'%s",
                rs_checkpoint_path(c), i, was->class_name[i], m->class_name[i], why);
    }
out:
    return st;
}

static rescl_status match_data(rescl_trainer *t, const rs_checkpoint *c)
{
    rescl_status st = RESCL_OK;
    const rs_ckpt_data *was = rs_checkpoint_data(c);
    const rs_split split = rs_split_batches(t->train_set->count, t->options.batch_size, t->least);
    const rs_split apart = rs_split_batches(t->train_set->count, t->options.batch_size, 0);
    const size_t batches = rs_split_count(&split);
    char old[RESCL_FINGERPRINT_BYTES] = "";

    FAIL_IF_DIFFERENT(was->count != t->train_set->count, "a training set of", "%" PRIu64 " samples",
                      was->count, (uint64_t)t->train_set->count);
    if (rs_fingerprint_is_old(was->fingerprint))
        RS_TRY(rs_dataset_old_fingerprint(t->train_set, old));
    RS_FAIL_IF(
        strcmp(was->fingerprint, *old ? old : t->fingerprint) != 0, RESCL_ERR_ARG,
        "cannot resume from %s: it was trained on '%s', whose images or classes differ from "
        "those of '%s': files were changed, or another share of them is held out; start a new "
        "run from its weights",
        rs_checkpoint_path(c), was->name, t->train_set->origin);
    if (strcmp(was->name, t->train_set->origin) != 0)
        rs_log(RESCL_LOG_INFO, "the training set was '%s', is now '%s'; the images are the same",
               was->name, t->train_set->origin);
    if (t->progress.batch == rs_split_count(&apart))
        t->progress.batch = batches; /* older files may count a last batch of one image */
    RS_FAIL_IF(t->progress.batch > batches, RESCL_ERR_FORMAT,
               "%s: says that %" PRIu64 " batches of %zu are done", rs_checkpoint_path(c),
               t->progress.batch, batches);
out:
    return st;
}

/* Whether the best so far was measured on other images than those that measure in this run. */
static bool is_measured_anew(const rescl_trainer *t, const rs_ckpt_data *was)
{
    if (t->progress.best_by_eval != (t->eval_set != NULL))
        return true;
    return t->eval_set && was->eval_fingerprint &&
           (was->eval_count != t->eval_set->count ||
            strcmp(was->eval_fingerprint, t->eval_fingerprint) != 0);
}

/* Numbers of other images are not comparable: neither the best, nor what early stopping and the schedule
 * wait for. */
static void forget_measured(rescl_trainer *t, const rs_ckpt_data *was)
{
    rs_ckpt_progress *p = &t->progress;

    if (!p->has_best || !is_measured_anew(t, was))
        return;
    p->has_best = false;
    if (rs_monitor_by_eval(t->options.monitor)) {
        p->stopping = (rs_ckpt_stopping){0};
        rs_schedule_forget(&t->schedule, p->schedule);
    }
    if (p->best_by_eval && t->eval_set)
        rs_log(RESCL_LOG_WARN,
               "the images that measure are not those of %s: its best epoch is not comparable, and "
               "the best from now on is kept",
               t->resume_path);
}

/* What only some runs keep. */
static rescl_status read_rest(rescl_trainer *t, const rs_checkpoint *c)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = t->model->graph;
    const size_t batches =
        rescl_train_batches(t->model, t->train_set->count, t->options.batch_size, NULL);
    const uint64_t batch = t->progress.batch;

    t->resumed_sum = batch % t->options.grad_accum_steps != 0 && batch < batches;
    if (t->resumed_sum)
        RS_TRY(rs_checkpoint_read_sum(c, g, &t->sum));
    if (t->average.count)
        RS_TRY(rs_checkpoint_read_average(c, g, &t->average));
out:
    return st;
}

rescl_status rs_trainer_resume(rescl_trainer *t, rs_weights *old)
{
    rescl_status st = RESCL_OK;
    const char *given = t->options.resume;
    rs_checkpoint *c = NULL;
    rs_weights fresh = {0};
    const int nstates = rs_optim_states(&t->hyper);

    RS_OOM(t->resume_path = rs_path_is_dir(given) ? rs_path_join(given, "weights/last.safetensors")
                                                  : strdup(given));
    RS_TRY(rs_checkpoint_open(t->resume_path, &c));
    RS_TRY(match_model(c, t->model));
    if (t->options.batch_size == 0)
        t->options.batch_size =
            (size_t)json_integer_value(json_object_get(rs_checkpoint_options(c), "batch_size"));
    RS_TRY(rs_train_options_match(rs_checkpoint_options(c), &t->options, t->resume_path));
    RS_TRY(rs_class_weights_match(rs_checkpoint_options(c), t->model, t->class_weight,
                                  t->resume_path));
    RS_TRY(
        rs_distil_match(&t->distil, rs_checkpoint_options(c), t->options.teacher, t->resume_path));
    t->progress = *rs_checkpoint_progress(c);
    RS_TRY(match_data(t, c));
    RS_FAIL_IF(t->progress.epoch > t->options.epochs, RESCL_ERR_ARG,
               "%s: %" PRIu64 " epochs are done, and epochs is %zu; ask for more", t->resume_path,
               t->progress.epoch, t->options.epochs);
    RS_TRY(rs_weights_create(t->model->graph, &fresh));
    RS_TRY(rs_checkpoint_read_weights(c, t->model->graph, &fresh));
    *old = t->model->weights;
    t->model->weights = fresh;
    fresh = (rs_weights){0};
    rs_model_take_over(t->model, rs_checkpoint_model(c)->preprocess,
                       &rs_checkpoint_model(c)->normalize, rs_checkpoint_model(c)->bn_eps);
    for (int i = 0; i < nstates; i++)
        RS_TRY(rs_checkpoint_read_state(c, t->model->graph, rs_optim_state_name(&t->hyper, i),
                                        &t->state[i]));
    RS_TRY(read_rest(t, c));
    forget_measured(t, rs_checkpoint_data(c));
    RS_TRY(read_best(t));
    if (rs_checkpoint_plan(c))
        snprintf(t->resumed_plan, sizeof t->resumed_plan, "%s", rs_checkpoint_plan(c));
    if (!rs_checkpoint_device(c, &t->resumed_units, &t->resumed_width))
        t->resumed_units = t->resumed_width = 0;
    t->good = t->resume_path;
out:
    rs_weights_fini(&fresh);
    rs_checkpoint_close(c);
    return st;
}
