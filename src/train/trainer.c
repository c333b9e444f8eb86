/* Setting up a training run. */
#include "trainer.h"

#include "alloc.h"
#include "classweights.h"
#include "dataset.h"
#include "error.h"
#include "groups.h"
#include "log.h"
#include "monitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ----------------------------------------------------------------------------- */

/* The values of the options that an optimiser, a schedule or an augmentation declares: `count` at most. */
static void take_numbers(const rescl_train_options *o, const rescl_option *const *options,
                         size_t count, double *number)
{
    for (size_t i = 0; i < count && options[i]; i++)
        number[i] = rs_train_options_number(o, options[i]->name);
}

rescl_status rs_choose_optimiser(const rescl_train_options *o, rs_optim_hyper *h)
{
    rescl_status st = RESCL_OK;
    const rs_schedule_ask first = {.epochs = o->epochs, .steps = 1};
    rs_schedule s = {0};

    RS_TRY(rs_optim_find(o->opt, &h->def));
    take_numbers(o, h->def->options, RS_OPTIM_NUMBERS, h->number);
    RS_TRY(rs_schedule_find(o->lr_scheduler, &s.def));
    take_numbers(o, s.def->options, RS_SCHEDULE_NUMBERS, s.number);
    if (rs_schedule_momentum(&s, &first) > 0.0)
        RS_TRY(rs_optim_take_momentum(h));
    RS_TRY(rs_optim_check(h));
out:
    return st;
}

_Static_assert(RS_SCHEDULE_STATES == RS_CKPT_SCHEDULE, "checkpoints keep a schedule's state");

/* A table from a file is kept by what it holds, which checkpoints then compare. */
static rescl_status read_table(rescl_train_options *o)
{
    rescl_status st = RESCL_OK;
    char *text = NULL;

    RS_TRY(rs_rate_table_text(o->lr_table, &text));
    rs_train_options_replace(o, "lr_table", text);
out:
    return st;
}

static rescl_status choose_schedule(const rescl_train_options *o, rs_schedule *s)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_schedule_find(o->lr_scheduler, &s->def));
    take_numbers(o, s->def->options, RS_SCHEDULE_NUMBERS, s->number);
    if (s->def->check)
        RS_TRY(s->def->check(s->number));
    RS_TRY(rs_rate_table_init(&s->table, o->lr_table));
    RS_TRY(rs_milestones_init(&s->milestones, "lr_steps", o->lr_steps));
    RS_FAIL_IF(s->table.count == 0 && strcmp(s->def->name, "table") == 0, RESCL_ERR_ARG,
               "the schedule 'table' needs rates: lr_table, such as 1:0.1,31:0.01");
    RS_FAIL_IF(s->milestones.count == 0 && strcmp(s->def->name, "multisteplr") == 0, RESCL_ERR_ARG,
               "the schedule 'multisteplr' needs epochs: lr_steps, such as 30,60,80");
    RS_FAIL_IF(o->lr_warmup_epochs > 0 && o->lr_warmup_steps > 0, RESCL_ERR_ARG,
               "lr_warmup_epochs is %zu and lr_warmup_steps %zu; give one of them",
               o->lr_warmup_epochs, o->lr_warmup_steps);
    s->warmup_epochs = o->lr_warmup_epochs;
    s->warmup_steps = o->lr_warmup_steps;
    s->warmup_decay = o->lr_warmup_decay;
    s->warmup_beside = !o->lr_warmup_prefix;
out:
    return st;
}

static rescl_status check_clipping(const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(o->clip_grad_norm > 0.0 && o->clip_grad_value > 0.0, RESCL_ERR_ARG,
               "clip_grad_norm is %g and clip_grad_value %g; give one of them", o->clip_grad_norm,
               o->clip_grad_value);
out:
    return st;
}

/* Shards go forward one after the other, and have the same bits whoever has them. */
static rescl_status check_shared(const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;
    RS_FAIL_IF(
        o->shards > 1 && strcmp(o->wire, "bf16") == 0, RESCL_ERR_ARG,
        "wire bf16 with shards %zu: what travels is rounded, and what stays within a process is "
        "not, so that the bits would depend on how many there are; leave one out",
        o->shards);
    RS_FAIL_IF(o->sync_bn && o->shards > 1, RESCL_ERR_ARG,
               "sync_bn with shards %zu: a device computes its shards one after the other, and the "
               "statistics of a whole batch would need all of them at once; leave one out",
               o->shards);
    RS_FAIL_IF(
        o->sync_bn && o->check_numerics, RESCL_ERR_ARG,
        "sync_bn with check_numerics, which looks at each device by itself, while statistics "
        "of a whole batch bring what is not finite from one to the others; leave one out");
out:
    return st;
}

/* Options that act only with another one. */
static rescl_status check_idle(const rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rescl_train_options *o = &t->options;
    const bool soft = o->teacher && strcmp(o->distillation_type, "soft") == 0;
    const struct {
        const char *option;
        bool acts;
        const char *with;
    } of[] = {
        {"lr_steps", strcmp(o->lr_scheduler, "multisteplr") == 0, "lr_scheduler multisteplr"},
        {"lr_table", strcmp(o->lr_scheduler, "table") == 0, "lr_scheduler table"},
        {"lr_warmup_prefix", o->lr_warmup_epochs > 0, "lr_warmup_epochs"},
        {"model_ema_decay", o->model_ema, "model_ema"},
        {"model_ema_steps", o->model_ema, "model_ema"},
        {"min_delta", o->patience > 0, "patience"},
        {"baseline", o->patience > 0, "patience"},
        {"teacher_model", o->teacher != NULL, "teacher"},
        {"distillation_type", o->teacher != NULL, "teacher"},
        {"distillation_alpha", o->teacher != NULL, "teacher"},
        {"distillation_tau", soft, "teacher and distillation_type soft"},
        {"wire", t->ranks || o->resume, "several processes (mpirun, srun)"},
    };

    for (size_t i = 0; i < RS_COUNT(of); i++)
        if (!of[i].acts)
            RS_TRY(rs_train_options_check_idle(o, of[i].option, of[i].with));
out:
    return st;
}

/* Not refused: the rule is timm's, and its default is no weight decay. */
static void tell_idle_optimiser(const rescl_trainer *t)
{
    const char *is = t->hyper.def->without_decay;
    if (is && !rs_groups_decay(&t->options))
        rs_log(
            RESCL_LOG_WARN,
            "%s without weight decay is %s: it adapts the rate of a tensor only where its weight "
            "decay is above 0",
            t->hyper.def->name, is);
}

static rescl_status choose_augmentations(const rescl_train_options *o, rs_augment *a)
{
    rescl_status st = RESCL_OK;
    double value[RS_AUGMENT_COUNT][RS_AUGMENT_NUMBERS] = {{0}};

    for (size_t i = 0; i < RS_AUGMENT_COUNT; i++) {
        take_numbers(o, rs_augment_at(i)->options, RS_AUGMENT_NUMBERS, value[i]);
        rs_augment_set(a, i, value[i]);
    }
    RS_TRY(rs_augment_check(value));
out:
    return st;
}

/* ---- parts ------------------------------------------------------------------------------- */

rescl_status rs_trainer_loader(const rescl_trainer *t, const rescl_dataset *set, bool training,
                               rs_loader **out)
{
    rescl_status st = RESCL_OK;
    rs_loader_options load = {.batch = t->options.batch_size,
                              .height = t->model->image_size,
                              .width = t->model->image_size,
                              .resize = t->model->resize,
                              .preprocess = t->model->preprocess,
                              .normalize = t->model->normalize,
                              .channels = t->model->channels,
                              .bit_depth = t->model->graph->bit_depth,
                              .shuffle = training,
                              .replace = training,
                              .label_map = training ? t->train_map : t->eval_map,
                              .rows = t->model->multi_label ? t->model->classes : 0,
                              .least = training ? t->least : 0,
                              .seed = t->options.seed,
                              .workers = t->options.workers,
                              .stop = &t->stop};
    if (training) {
        load.balanced = strcmp(t->options.sampler, "balanced") == 0;
        load.class_weight = t->class_weight;
        load.loss_weighs = t->class_weight && !t->model->graph->criterion.sigmoid;
        RS_TRY(choose_augmentations(&t->options, &load.augment));
    }
    RS_TRY(rs_loader_create(set, &load, out));
out:
    return st;
}

/* Either makes up for how rare a class is; both together would count rare classes the more. */
static rescl_status check_balance(const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;

    RS_FAIL_IF(
        o->class_weights && strcmp(o->class_weights, "balanced") == 0 &&
            strcmp(o->sampler, "balanced") == 0,
        RESCL_ERR_ARG,
        "class_weights balanced and sampler balanced: rare classes would count twice what makes "
        "up for their number; choose one of the two");
out:
    return st;
}

/* What has one class of each image in mind. */
static rescl_status check_multi_label(const rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rescl_train_options *o = &t->options;
    const bool several = t->model->multi_label;
    const bool by_map = strcmp(o->monitor, "val_map") == 0;

    RS_FAIL_IF(
        several && o->class_weights, RESCL_ERR_ARG,
        "class_weights and multi_label: a weight is of the class that an image has, and here it "
        "has any number; leave class_weights out");
    RS_FAIL_IF(
        several && strcmp(o->sampler, "balanced") == 0, RESCL_ERR_ARG,
        "sampler balanced and multi_label: images of several classes cannot be drawn so that "
        "each class has as many; expected sampler shuffle");
    RS_FAIL_IF(
        several && o->teacher && *o->teacher, RESCL_ERR_ARG,
        "teacher and multi_label: distillation goes by the probabilities of classes of which "
        "an image has one; leave teacher out");
    RS_FAIL_IF(by_map && !several, RESCL_ERR_ARG,
               "monitor val_map: mean average precision is measured of several labels "
               "(multi_label); expected val_accuracy or val_loss");
    RS_FAIL_IF(by_map && !t->eval_set, RESCL_ERR_ARG,
               "monitor val_map: there is nothing to evaluate; expected loss or accuracy, or an "
               "evaluation set");
out:
    return st;
}

/* A class whose images were all left out cannot be learned. */
static rescl_status check_classes(const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rescl_bad_image first;
    const char *lost = set ? rs_dataset_lost_class(set, &first) : NULL;

    RS_FAIL_IF(lost, RESCL_ERR_FORMAT,
               "training set '%s': no image of the class '%s' can be read (%s: %s); mend one, or "
               "take the class out of the data",
               set->origin, lost, first.path, first.reason);
out:
    return st;
}

size_t rs_least_batch(const rescl_model *m)
{
    return rs_graph_single_value(m->graph) ? 2 : 1;
}

size_t rescl_train_batches(const rescl_model *m, size_t images, size_t batch_size, size_t *last)
{
    rs_split s = {0};
    if (batch_size > 0)
        s = rs_split_batches(images, batch_size, rs_least_batch(m));
    if (last)
        *last = s.tail ? s.tail : s.full ? batch_size : 0;
    return rs_split_count(&s);
}

/* A batch of one image gives a normalisation of 1x1 maps one value per channel: its output would be
 * its bias whatever the image, and its running variance 0. */
static rescl_status check_batches(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rs_node *single = rs_graph_single_value(t->model->graph);
    const bool one_image = t->train_set && t->train_set->count == 1;

    t->least = rs_least_batch(t->model);
    RS_FAIL_IF(single && (t->options.batch_size == 1 || one_image), RESCL_ERR_ARG,
               "%s: at an image size of %zu batch normalisation '%s' sees one value per channel of "
               "each image, and cannot train with one image in a batch; give %s, a larger image "
               "size, or train with norm_eval",
               one_image ? "a training set of 1 image" : "a batch_size of 1", t->model->image_size,
               single->name, one_image ? "more images" : "a batch_size of at least 2");
out:
    return st;
}

/* Of options that leave it to the device; a run that goes on has that of its checkpoint. */
static rescl_status choose_batch_size(rescl_trainer *t, rescl_device *const *devices, size_t count)
{
    rescl_status st = RESCL_OK;
    rescl_batch_fit fit;

    if (t->options.batch_size > 0 || t->options.resume)
        goto out;
    RS_FAIL_IF(!t->train_set, RESCL_ERR_ARG,
               "a batch_size of 0, which takes what fits, needs a training set; a trainer that its "
               "caller steps is given a number, as rescl_batch_size_fitting finds it");
    RS_FAIL_IF(
        count > 1 || t->ranks, RESCL_ERR_ARG,
        "a batch_size of 0, which takes what fits a device, and several devices: give a number");
    RS_TRY(rs_batch_size_fitting(devices[0], t->model, t->train_set->count,
                                 t->eval_set ? t->eval_set->count : 0, &t->options,
                                 rs_distil_plan(&t->distil), &fit));
    t->options.batch_size = fit.batch_size;
out:
    return st;
}

/* On the host, of what the team keeps besides the weights. */
static rescl_status create_copies(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rs_graph *g = t->model->graph;

    for (int i = 0; i < rs_optim_states(&t->hyper); i++)
        RS_TRY(rs_weights_create(g, &t->state[i]));
    if (t->train_set && t->options.grad_accum_steps > 1)
        RS_TRY(rs_weights_create(g, &t->sum));
    if (t->train_set && t->options.model_ema)
        RS_TRY(rs_weights_create(g, &t->average));
out:
    return st;
}

rescl_status rescl_trainer_create(rescl_device *device, rescl_model *model,
                                  const rescl_dataset *train_set, const rescl_dataset *eval_set,
                                  const rescl_train_options *options, rescl_trainer **out)
{
    return rescl_trainer_create_team(&device, 1, NULL, model, train_set, eval_set, options, out);
}

rescl_status rescl_trainer_create_team(rescl_device *const *devices, size_t count,
                                       rescl_ranks *ranks, rescl_model *model,
                                       const rescl_dataset *train_set,
                                       const rescl_dataset *eval_set,
                                       const rescl_train_options *options, rescl_trainer **out)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = NULL;
    rs_model_undo undo = {0};

    RS_FAIL_IF(count < 1 || count > RS_TEAM_MOST, RESCL_ERR_ARG,
               "%zu devices were given, expected 1 to %d", count, RS_TEAM_MOST);
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            RS_FAIL_IF(devices[i] == devices[k], RESCL_ERR_ARG,
                       "devices %zu and %zu of %zu are the same one", k + 1, i + 1, count);
    RS_TRY(rs_model_need_weights(model));
    RS_TRY(rs_model_undo_begin(model, &undo));
    RS_OOM(t = calloc(1, sizeof *t));
    t->ranks = ranks;
    t->model = model;
    t->train_set = train_set;
    t->eval_set = eval_set;
    t->lock = -1;
    atomic_init(&t->stop, 0);
    RS_TRY(rs_train_options_copy(options, &t->options));
    RS_TRY(read_table(&t->options));
    RS_TRY(rescl_precision_find(t->options.precision, &t->precision));
    RS_TRY(rs_wire_take(t->options.wire, &t->wire));
    RS_TRY(rs_choose_optimiser(&t->options, &t->hyper));
    RS_TRY(choose_schedule(&t->options, &t->schedule));
    RS_TRY(check_clipping(&t->options));
    RS_TRY(check_shared(&t->options));
    RS_TRY(check_idle(t));
    tell_idle_optimiser(t);
    RS_TRY(rs_groups_assign(model->graph, &t->options));
    RS_TRY(rescl_trainer_set_lr(t, t->options.lr, t->options.lr_body));
    RS_FAIL_IF(!train_set && (t->options.resume || t->options.output_dir), RESCL_ERR_ARG,
               "%s: a trainer without a training set is stepped by its caller, and neither resumes "
               "nor writes a run folder; save its model with rescl_model_save",
               t->options.resume ? t->options.resume : t->options.output_dir);
    if (train_set) {
        RS_TRY(rs_name_classes(model, train_set));
        RS_TRY(rs_match_dataset(model, train_set, "training set", &t->train_map));
        RS_TRY(rescl_dataset_fingerprint(train_set, t->fingerprint));
        model->trained_on = (rescl_trained_on){.validation_split = train_set->validation_split,
                                               .seed = train_set->seed};
        memcpy(model->trained_on.fingerprint, t->fingerprint, sizeof t->fingerprint);
        RS_TRY(rescl_dataset_sketch(train_set, &model->trained_on.sketch));
        model->sample_bits = train_set->images.sample_bits ? train_set->images.sample_bits : 16;
    }
    if (eval_set) {
        RS_TRY(rs_match_dataset(model, eval_set, "evaluation set", &t->eval_map));
        RS_TRY(rescl_dataset_fingerprint(eval_set, t->eval_fingerprint));
    }
    RS_TRY(check_classes(train_set));
    RS_TRY(check_balance(&t->options));
    RS_TRY(check_multi_label(t));
    if (train_set)
        RS_TRY(rs_class_weights(t->options.class_weights, model, train_set, t->train_map,
                                &t->class_weight));
    RS_TRY(rs_distil_init(&t->options, model, &t->distil));
    rs_distil_tell(&t->distil, t->options.teacher);
    RS_TRY(choose_batch_size(t, devices, count));
    RS_TRY(check_batches(t));
    rs_tell_threads(t->options.workers);
    RS_TRY(create_copies(t));
    RS_TRY(rs_trainer_lock(t));
    if (t->options.resume)
        RS_TRY(rs_trainer_resume(t, &undo.weights));
    RS_TRY(rs_trainer_paths(t));
    if (train_set)
        RS_TRY(rs_trainer_loader(t, train_set, true, &t->train_loader));
    if (eval_set)
        RS_TRY(rs_trainer_loader(t, eval_set, false, &t->eval_loader));
    RS_TRY(rs_trainer_create_team(t, devices, count));
    *out = t, t = NULL;
out:
    rs_model_undo_end(&undo, st != RESCL_OK);
    rescl_trainer_destroy(t);
    return st;
}

void rescl_trainer_destroy(rescl_trainer *t)
{
    if (!t)
        return;
    rs_team_destroy(t->team);
    rs_loader_destroy(t->train_loader);
    rs_loader_destroy(t->eval_loader);
    rs_distil_fini(&t->distil);
    free(t->class_weight);
    free(t->train_map);
    free(t->eval_map);
    for (size_t i = 0; i < RS_COUNT(t->state); i++)
        rs_weights_fini(&t->state[i]);
    rs_rate_table_fini(&t->schedule.table);
    rs_rate_table_fini(&t->schedule.milestones);
    rs_weights_fini(&t->sum);
    rs_weights_fini(&t->average);
    rs_weights_fini(&t->best);
    rs_train_options_fini(&t->options);
    rs_aligned_free(t->own.pixels);
    rs_aligned_free(t->own.labels);
    if (t->lock >= 0)
        close(t->lock);
    free(t->best_path);
    free(t->last_path);
    free(t->resume_path);
    free(t);
}

void rescl_trainer_get_progress(const rescl_trainer *t, rescl_train_progress *out)
{
    const rs_ckpt_progress *p = &t->progress;

    *out =
        (rescl_train_progress){.epochs = (size_t)p->epoch,
                               .steps = p->step,
                               .has_best = p->has_best,
                               .best_epoch = (size_t)p->best_epoch,
                               .best_loss = p->best_loss,
                               .best_top1 = p->best_top1,
                               .best_map = p->best_map,
                               .loss_scale = p->scale.scale,
                               .skipped = p->scale.skipped,
                               .stopped_early = rs_early_stopping_ends(&t->options, &p->stopping)};
}

size_t rescl_trainer_members(const rescl_trainer *t)
{
    return rs_team_size(t->team);
}

rescl_status rescl_trainer_get_member(rescl_trainer *t, size_t member, rescl_team_member *out)
{
    rescl_status st = RESCL_OK;
    rs_team_pace pace;
    const size_t whole = t->options.shards > 1 ? t->options.shards : t->options.batch_size;

    RS_FAIL_IF(member >= rs_team_size(t->team), RESCL_ERR_ARG, "member %zu of %zu devices", member,
               rs_team_size(t->team));
    RS_TRY(rs_team_look(t->team, member, &pace));
    *out = (rescl_team_member){.device = rescl_device_get_info(rs_team_device(t->team, member)),
                               .share = pace.share > 0 ? pace.share : whole,
                               .whole = whole,
                               .img_s = pace.busy > 0.0 ? (double)pace.images / pace.busy : 0.0,
                               .waits =
                                   pace.busy > 0.0 ? pace.waited / (pace.busy + pace.waited) : 0.0};
out:
    return st;
}

void rescl_trainer_stop(rescl_trainer *t)
{
    atomic_store(&t->stop, 1);
}
