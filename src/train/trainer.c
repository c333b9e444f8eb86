/* Setting up a training run. */
#include "trainer.h"

#include "dataset.h"
#include "error.h"
#include "log.h"
#include "str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rescl_train_options_default(rescl_train_options *out)
{
    *out = (rescl_train_options){.epochs = 25,
                                 .batch_size = 32,
                                 .opt = "adam",
                                 .lr = 1e-3,
                                 .momentum = 0.9,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .lr_scheduler = "constant",
                                 .lr_step_size = 30,
                                 .lr_gamma = 0.1,
                                 .lr_warmup_decay = 0.01,
                                 .scale = 1.0,
                                 .workers = 1,
                                 .eval_freq = 1};
}

/* ---- options ----------------------------------------------------------------------------- */

static rescl_status parse_optimiser(const rescl_train_options *o, rs_optim_hyper *h)
{
    static const char *const names[] = {"sgd", "sgd_nesterov", "adam", "adamw", NULL};
    static const rs_optim_kind kinds[] = {RS_OPTIM_SGD, RS_OPTIM_SGD, RS_OPTIM_ADAM,
                                          RS_OPTIM_ADAMW};
    rescl_status st = RESCL_OK;
    const char *near = NULL;
    size_t i = 0;

    while (names[i] && strcmp(names[i], o->opt) != 0)
        i++;
    near = names[i] ? NULL : rs_nearest(o->opt, names);
    RS_FAIL_IF(!names[i], RESCL_ERR_ARG,
               "opt: there is no optimiser '%s'%s%s%s; there are sgd, sgd_nesterov, adam and adamw",
               o->opt, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    *h = (rs_optim_hyper){.kind = kinds[i],
                          .momentum = o->momentum,
                          .nesterov = strcmp(o->opt, "sgd_nesterov") == 0,
                          .beta1 = o->beta1,
                          .beta2 = o->beta2,
                          .eps = o->eps};
    RS_FAIL_IF(h->nesterov && !(o->momentum > 0.0), RESCL_ERR_ARG,
               "momentum %g: sgd_nesterov needs one above 0", o->momentum);
out:
    return st;
}

typedef struct range {
    const char *name;
    double value, low, high; /* low <= value < high */
} range;

static rescl_status check_options(const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;
    const range ranges[] = {{"lr", o->lr, 0.0, INFINITY},
                            {"lr_body", o->lr_body, 0.0, INFINITY},
                            {"momentum", o->momentum, 0.0, 1.0},
                            {"weight_decay", o->weight_decay, 0.0, INFINITY},
                            {"beta1", o->beta1, 0.0, 1.0},
                            {"beta2", o->beta2, 0.0, 1.0},
                            {"eps", o->eps, 0.0, INFINITY},
                            {"lr_gamma", o->lr_gamma, 0.0, INFINITY},
                            {"lr_min", o->lr_min, 0.0, INFINITY},
                            {"lr_warmup_decay", o->lr_warmup_decay, 0.0, INFINITY}};
    const struct {
        const char *name;
        size_t value;
    } counts[] = {{"epochs", o->epochs},
                  {"batch_size", o->batch_size},
                  {"lr_step_size", o->lr_step_size},
                  {"eval_freq", o->eval_freq}};

    for (size_t i = 0; i < RS_COUNT(ranges); i++)
        RS_FAIL_IF(!(ranges[i].value >= ranges[i].low && ranges[i].value < ranges[i].high),
                   RESCL_ERR_ARG, "%s %g: expected at least %g and below %g", ranges[i].name,
                   ranges[i].value, ranges[i].low, ranges[i].high);
    for (size_t i = 0; i < RS_COUNT(counts); i++)
        RS_FAIL_IF(counts[i].value == 0, RESCL_ERR_ARG, "%s 0: expected at least 1",
                   counts[i].name);
    RS_FAIL_IF(!(o->scale > 0.0 && o->scale <= 1.0), RESCL_ERR_ARG,
               "scale %g: expected above 0 and at most 1", o->scale);
    RS_FAIL_IF(!(o->hflip >= 0.0 && o->hflip <= 1.0) ||
                   !(o->color_jitter >= 0.0 && o->color_jitter <= 1.0),
               RESCL_ERR_ARG, "hflip %g, color_jitter %g: expected 0 to 1", o->hflip,
               o->color_jitter);
    RS_FAIL_IF(!o->opt || !o->lr_scheduler, RESCL_ERR_ARG,
               "opt and lr_scheduler are unset; start from rescl_train_options_default");
out:
    return st;
}

static rescl_status copy_text(const char **text)
{
    rescl_status st = RESCL_OK;
    char *copy = NULL;

    if (*text)
        RS_OOM(copy = strdup(*text));
out:
    *text = copy;
    return st;
}

/* Takes the options over. On failure those strings that are not ours yet are forgotten. */
static rescl_status copy_options(rescl_trainer *t, const rescl_train_options *o)
{
    rescl_status st = RESCL_OK;
    const char **texts[] = {&t->options.opt, &t->options.lr_scheduler, &t->options.output_dir,
                            &t->options.resume, &t->options.args_ini};

    t->options = *o;
    for (size_t i = 0; i < RS_COUNT(texts); i++) {
        const rescl_status copied = copy_text(texts[i]);
        st = st == RESCL_OK ? copied : st;
    }
    return st;
}

static rescl_status set_schedule(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;
    const rescl_train_options *o = &t->options;
    t->schedule = (rs_schedule){.lr = o->lr,
                                .lr_min = o->lr_min,
                                .gamma = o->lr_gamma,
                                .epochs = o->epochs,
                                .step_size = o->lr_step_size,
                                .warmup_epochs = o->lr_warmup_epochs,
                                .warmup_decay = o->lr_warmup_decay};
    st = rs_schedule_parse(o->lr_scheduler, &t->schedule.kind);
    t->body_schedule = t->schedule;
    if (o->lr_body > 0.0)
        t->body_schedule.lr = o->lr_body;
    return st;
}

/* ---- parts ------------------------------------------------------------------------------- */

/* Images to train with are shuffled and augmented. */
static rescl_status create_loader(const rescl_trainer *t, const rescl_dataset *set, bool training,
                                  rs_loader **out)
{
    rs_loader_options load = {.batch = t->options.batch_size,
                              .height = t->model->image_size,
                              .width = t->model->image_size,
                              .resize = t->model->resize,
                              .preprocess = t->model->preprocess,
                              .shuffle = training,
                              .seed = t->options.seed,
                              .workers = t->options.workers};
    if (training)
        load.augment = (rs_augment){.scale = t->options.scale < 1.0 ? t->options.scale : 0.0,
                                    .hflip = t->options.hflip,
                                    .color_jitter = t->options.color_jitter};
    if (load.augment.scale > 0.0)
        load.resize.resize_size = 0; /* the random crop is in place of the centre's */
    return rs_loader_create(set, &load, out);
}

/* What was measured in between, another version or another driver may have changed how the same
 * numbers are summed: that spoils nothing but the last bits, and is worth a word. */
static rescl_status compare_plans(rescl_trainer *t)
{
    rescl_status st = RESCL_OK;

    RS_TRY(rs_team_fingerprint(t->team, t->plan));
    if (t->resumed_plan[0] && strcmp(t->resumed_plan, t->plan) != 0)
        rs_log(RESCL_LOG_WARN,
               "%s was trained with other implementations or other numbers of theirs (by tuning, "
               "another device or another version): this run will not end with the bits of one "
               "that was never stopped",
               t->resume_path);
out:
    return st;
}

static rescl_status create_team(rescl_trainer *t, rescl_device *device)
{
    rescl_status st = RESCL_OK;
    const rs_team_plan plan = {.hyper = &t->hyper,
                               .batch = t->options.batch_size,
                               .train_images = t->train_set->count,
                               .eval_images = t->eval_set ? t->eval_set->count : 0};

    RS_TRY(rs_team_create(&device, 1, t->model->graph, &t->model->weights, &plan, &t->team));
    RS_TRY(compare_plans(t));
    for (int i = 0; t->resume_path && i < rs_team_states(t->team); i++)
        RS_TRY(rs_team_upload_state(t->team, i, &t->state[i]));
out:
    return st;
}

rescl_status rescl_trainer_create(rescl_device *device, rescl_model *model,
                                  const rescl_dataset *train_set, const rescl_dataset *eval_set,
                                  const rescl_train_options *options, rescl_trainer **out)
{
    rescl_status st = RESCL_OK;
    rescl_trainer *t = NULL;

    RS_TRY(check_options(options));
    RS_OOM(t = calloc(1, sizeof *t));
    t->model = model;
    t->train_set = train_set;
    t->eval_set = eval_set;
    atomic_init(&t->stop, 0);
    RS_TRY(copy_options(t, options));
    RS_TRY(parse_optimiser(&t->options, &t->hyper));
    RS_TRY(set_schedule(t));
    RS_TRY(rs_check_dataset(model, train_set, "training set"));
    if (eval_set)
        RS_TRY(rs_check_dataset(model, eval_set, "evaluation set"));
    RS_TRY(rs_dataset_fingerprint(train_set, t->fingerprint));
    for (int i = 0; i < rs_optim_states(&t->hyper); i++)
        RS_TRY(rs_weights_create(model->graph, &t->state[i]));
    if (t->options.resume)
        RS_TRY(rs_trainer_resume(t));
    RS_TRY(rs_trainer_paths(t));
    RS_TRY(create_loader(t, train_set, true, &t->train_loader));
    if (eval_set)
        RS_TRY(create_loader(t, eval_set, false, &t->eval_loader));
    RS_TRY(create_team(t, device));
    *out = t, t = NULL;
out:
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
    for (size_t i = 0; i < RS_COUNT(t->state); i++)
        rs_weights_fini(&t->state[i]);
    free((char *)t->options.opt);
    free((char *)t->options.lr_scheduler);
    free((char *)t->options.output_dir);
    free((char *)t->options.resume);
    free((char *)t->options.args_ini);
    free(t->best_path);
    free(t->last_path);
    free(t->resume_path);
    free(t);
}

void rescl_trainer_stop(rescl_trainer *t)
{
    atomic_store(&t->stop, 1);
}
