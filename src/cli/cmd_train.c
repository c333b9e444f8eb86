#include "cli.h"
#include "config.h"
#include "data_check.h"
#include "litter.h"
#include "output.h"
#include "phase.h"
#include "preprocess.h"
#include "progress.h"
#include "run_folder.h"
#include "session.h"
#include "team_note.h"
#include "text.h"
#include "train_batch.h"
#include "train_data.h"
#include "train_loss.h"
#include "train_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All that a training run holds. */
typedef struct run {
    const cli_args *args;
    rescl_train_options options;
    rescl_ranks *ranks; /* NULL: no other processes train with this one */
    rescl_ranks_info rank;
    cli_session session;
    cli_train_data data;
    rescl_dataset *train_set, *eval_set; /* of `data`: what is measured after each epoch, or NULL */
    rescl_model *model;
    rescl_weights *weights; /* what it starts from, or NULL */
    rescl_match_list *loaded;
    rescl_trainer *trainer;
    char *folder, *resume, *ini;
    size_t hidden; /* images that cannot be read and were not named */
    cli_progress progress;
    rescl_step_event step;   /* the last one */
    rescl_epoch_event epoch; /* the last one; epochs is 0 before it */
    rescl_epoch_event best;  /* epochs is 0 if none is known; see recall */
    uint64_t steps, skipped; /* over all resumptions */
    double loss_scale;       /* of fp16; 0: the loss is not scaled */
    size_t stopped_after;    /* epochs, by patience; 0: not */
    rescl_metrics test;      /* of the best weights, at the end; samples is 0 before it */
} run;

/* ---- opening ---- */

/* The training options, but for what the run's folder gives. Strings are those of the arguments. */
static int take_options(const cli_args *args, rescl_train_options *o)
{
    rescl_train_options_default(o);
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *option = rescl_train_options_at(i);
        const cli_opt id = cli_opt_find(option->name, strlen(option->name), args->verb);
        if (!option->group)
            continue;
        const char *text = cli_str(args, id);
        if (option->type == RESCL_OPTION_BOOL)
            text = cli_bool(args, id) ? "true" : "false";
        const rescl_status st = rescl_train_options_set(o, option->name, text);
        if (st != RESCL_OK)
            return cli_fail(st, false);
    }
    return CLI_OK;
}

/* The file of --weights, and the treatment of images that it asks for. */
static int open_weights(run *r)
{
    rescl_weights_info file = {0};
    if (cli_str(r->args, OPT_weights) && !cli_str(r->args, OPT_resume)) {
        char *path = cli_weights_of(cli_str(r->args, OPT_weights));
        if (!path)
            return CLI_FILE;
        const rescl_status st = rescl_weights_open(path, &r->weights);
        free(path);
        if (st != RESCL_OK)
            return cli_fail(st, false);
        rescl_weights_get_info(r->weights, &file);
    }
    const int code = cli_channels_take(r->args, file.channels);
    return code == CLI_OK ? cli_sample_bits_take(r->args, file.sample_bits) : code;
}

static int open_data(run *r, size_t size)
{
    const int code = cli_train_data_open(r->args, size, &r->data);
    r->train_set = r->data.train;
    r->eval_set = cli_train_data_measured(&r->data);
    return code;
}

/* What training starts from. A head that the file does not fit starts anew, unless --strict is given. */
static int load_weights(run *r)
{
    const rescl_load_mode mode = cli_load_mode(r->args, false);
    const rescl_status st = rescl_weights_load(r->weights, r->model, mode, &r->loaded);
    return st == RESCL_OK ? CLI_OK : cli_weights_fail(st, mode, r->loaded);
}

static int open_model(run *r)
{
    const cli_args *a = r->args;
    size_t classes = cli_size(a, OPT_classes), found = rescl_dataset_classes(r->train_set);
    rescl_model_options options;
    rescl_model_options_default(&options);
    if (!cli_train_loss(a, &options))
        return CLI_USAGE;
    if (classes && classes < found) {
        cli_usage_error("--classes: found %zu, expected at least the %zu of the data", classes,
                        found);
        return CLI_USAGE;
    }
    classes = classes ? classes : found;
    const char **names = calloc(classes, sizeof *names);
    char(*numbers)[24] = calloc(classes, sizeof *numbers);
    if (!names || !numbers) {
        free(names);
        free(numbers);
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    for (size_t i = 0; i < classes; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%zu", i);
        names[i] = i < found ? rescl_dataset_class_name(r->train_set, i) : numbers[i];
    }
    options.name = cli_str(a, OPT_model);
    options.classes = classes;
    options.image_size = cli_size(a, OPT_size);
    options.channels = cli_size(a, OPT_channels);
    options.hidden = cli_size(a, OPT_hidden);
    options.dropout = cli_real(a, OPT_dropout);
    options.stochastic_depth = cli_real(a, OPT_stochastic_depth);
    options.seed = r->options.seed;
    options.class_names = names;
    rescl_status st = rescl_model_create(&options, &r->model);
    free(names);
    free(numbers);
    if (st == RESCL_OK && r->weights) {
        const int code = load_weights(r);
        if (code != CLI_OK)
            return code;
    }
    if (st == RESCL_OK) {
        const int code = cli_fit_set(cli_size(a, OPT_train_resize_size),
                                     cli_str(a, OPT_train_interpolation), r->model);
        if (code != CLI_OK)
            return code;
        const int prepared = cli_preprocess_set(a, r->model);
        if (prepared != CLI_OK)
            return prepared;
        st = rescl_model_freeze(r->model, cli_str(a, OPT_freeze), cli_bool(a, OPT_norm_eval));
    }
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

/* Of several processes the first alone writes and prints. */
static bool follows(const run *r)
{
    return r->rank.index > 0;
}

/* The folder of a new run, or of the run that goes on, and the checkpoint in it. */
static int open_folder(run *r)
{
    const char *resume = cli_str(r->args, OPT_resume);
    if (follows(r) && !resume)
        return CLI_OK;
    r->ini = cli_config_text(r->args);
    if (!r->ini)
        return CLI_USAGE;
    r->folder = resume ? cli_run_of("--resume", resume) : cli_run_create(r->args);
    if (!r->folder)
        return CLI_FILE;
    if (!resume)
        return cli_litter_name(r->folder, false) ? CLI_OK : CLI_FAILURE;
    struct stat st;
    bool file = stat(resume, &st) == 0 && !S_ISDIR(st.st_mode);
    r->resume =
        file ? cli_format("%s", resume) : cli_format("%s/weights/last.safetensors", r->folder);
    if (follows(r))
        return r->resume ? CLI_OK : CLI_FAILURE;
    return r->resume && cli_litter_name(r->folder, true) ? CLI_OK : CLI_FAILURE;
}

/* A run that goes on keeps its folder and its weights: flags to change them are mistakes. */
static bool check_resume(const cli_args *args)
{
    static const cli_opt fixed[] = {OPT_output_dir, OPT_name, OPT_weights, OPT_preprocess,
                                    OPT_mean,       OPT_std,  OPT_channels};
    for (size_t i = 0; cli_str(args, OPT_resume) && i < sizeof fixed / sizeof *fixed; i++) {
        if (args->value[fixed[i]].origin == ORIGIN_FLAG) {
            cli_usage_error("--%s does not go with --resume", cli_opt_get(fixed[i])->name);
            return false;
        }
    }
    return true;
}

/* The test set that is measured at the end needs the model's classes, which shows before training. */
static int match_test(const run *r)
{
    rescl_model_info info;
    if (!r->data.test || r->data.test == r->eval_set)
        return CLI_OK;
    rescl_model_get_info(r->model, &info);
    const char **names = calloc(info.classes, sizeof *names);
    if (!names) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    for (size_t i = 0; i < info.classes; i++)
        names[i] = rescl_model_class_name(r->model, i);
    const rescl_status st = rescl_dataset_match_classes(r->data.test, names, info.classes);
    free(names);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

/* Before the first step, what would end training in the middle of it. */
static int check_data(run *r)
{
    enum { SHOWN = 5 };
    int code = cli_data_check(r->data.train, SHOWN, &r->hidden);
    if (code == CLI_OK)
        code = cli_data_check(r->eval_set, SHOWN, &r->hidden);
    if (code == CLI_OK && r->data.test != r->eval_set)
        code = cli_data_check(r->data.test, SHOWN, &r->hidden);
    return code == CLI_OK ? cli_data_cache(r->args, r->rank.local_count, r->data.train, r->eval_set)
                          : code;
}

/* Nothing is left of a new run that cannot begin, and so no list of what cannot be read. */
static void give_up(const run *r)
{
    cli_litter_remove();
    if (r->hidden > 0)
        cli_tell("--strict-data names all images that cannot be read");
}

/* A run that goes on has the rows of what it trains on and is measured by. */
static int list_bad(const run *r)
{
    rescl_status st = RESCL_OK;
    if (follows(r))
        return CLI_OK;
    if (!r->resume)
        st = rescl_run_list_bad(r->folder, r->train_set);
    if (st == RESCL_OK && !r->resume)
        st = rescl_run_list_bad(r->folder, r->eval_set);
    if (st == RESCL_OK && r->data.test != r->eval_set)
        st = rescl_run_list_bad(r->folder, r->data.test);
    if (st == RESCL_OK && r->hidden > 0)
        cli_warn("all images that cannot be read are listed in %s/skipped.csv", r->folder);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int open_all(run *r)
{
    if (!check_resume(r->args) || !cli_require(r->args, OPT_data_path) || !cli_run_check(r->args))
        return CLI_USAGE;
    int code = take_options(r->args, &r->options);
    if (code == CLI_OK)
        code = open_weights(r);
    if (code == CLI_OK)
        code = cli_session_open_rank(r->args, &r->rank, &r->session);
    size_t size = cli_size(r->args, OPT_size);
    if (code != CLI_OK || (code = open_data(r, size)) != CLI_OK || (code = open_model(r)) != CLI_OK)
        return code;
    rescl_model_info info;
    rescl_model_get_info(r->model, &info);
    /* Built-in sets draw images in the size that the model turned out to have. */
    if (info.image_size != size && (code = open_data(r, info.image_size)) != CLI_OK)
        return code;
    if ((code = match_test(r)) == CLI_OK && !cli_str(r->args, OPT_preview) &&
        (code = cli_batch_size_settle(r->args, &r->session, r->model, r->train_set, r->eval_set,
                                      &r->options)) == CLI_OK &&
        (code = open_folder(r)) == CLI_OK)
        code = check_data(r);
    if (code != CLI_OK)
        give_up(r);
    return code;
}

/* Writes what --preview asks for in place of a run. */
static int preview(run *r, const char *path)
{
    enum { IMAGES = 64 };
    if (!rs_ends_with(path, ".png")) {
        cli_usage_error("--preview: found '%s', expected a name that ends in .png", path);
        return CLI_USAGE;
    }
    const rescl_status st = rescl_train_preview(r->model, r->train_set, &r->options, IMAGES, path);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    cli_print("preview   %s\n", path);
    return CLI_OK;
}

/* ---- reporting ---- */

/* "a (2, 3), b (3)": the tensors that start anew (`fresh`), or those of the file that find no
 * place. Heap, or NULL when there are none. */
static char *tensors_text(const rescl_match_list *report, bool fresh)
{
    enum { SHOWN = 6 };
    char *text = NULL;
    size_t bytes = 0, count = 0;
    rescl_match m;
    FILE *f = open_memstream(&text, &bytes);
    for (size_t i = 0; f && rescl_match_list_get(report, i, &m); i++) {
        const char *name = fresh ? m.param : m.tensor.name;
        size_t ndim = fresh ? m.param_ndim : m.tensor.ndim;
        const size_t *shape = fresh ? m.param_shape : m.tensor.shape;
        if (m.state == RESCL_MATCHED || !name || count++ >= SHOWN)
            continue;
        fprintf(f, "%s%s (", count > 1 ? ", " : "", name);
        for (size_t k = 0; k < ndim; k++)
            fprintf(f, "%s%zu", k ? ", " : "", shape[k]);
        fputc(')', f);
    }
    if (f && count > SHOWN)
        fprintf(f, " and %zu more", count - SHOWN);
    if (f)
        fclose(f);
    if (count == 0) {
        free(text);
        text = NULL;
    }
    return text;
}

/* "ant, bee, cow, ..." Heap, or NULL. */
static char *classes_text(const char *const *name, const rescl_model *model, size_t count)
{
    enum { SHOWN = 5 };
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    for (size_t i = 0; f && i < count && i < SHOWN; i++)
        fprintf(f, "%s%s", i ? ", " : "", name ? name[i] : rescl_model_class_name(model, i));
    if (f && count > SHOWN)
        fputs(", ...", f);
    if (f)
        fclose(f);
    return text;
}

/* Classes of weights and data that only look like others: told of the first one. */
static void warn_near(const rescl_model *model, const rescl_weights_info *file)
{
    enum { LOOKED_AT = 100 };
    const char *why = "", *near = NULL;
    const char **ours = calloc(file->classes, sizeof *ours);
    for (size_t i = 0; ours && i < file->classes; i++)
        ours[i] = rescl_model_class_name(model, i);
    for (size_t i = 0; ours && i < file->classes && i < LOOKED_AT; i++) {
        near = rescl_class_near(file->class_names[i], ours, file->classes, &why);
        if (near && *why && strcmp(near, file->class_names[i]) != 0) {
            cli_warn(
                "the class '%s' of the weights is '%s' in the data%s: rename the folder to keep "
                "the head",
                file->class_names[i], near, why);
            break;
        }
    }
    free(ours);
}

/* Why the last layer was taken or not, where its size does not tell. */
static void describe_head(const run *r, const rescl_weights_info *file)
{
    const rescl_head_match match = rescl_match_list_head(r->loaded);
    if (match == RESCL_HEAD_REORDERED)
        cli_note("head    taken, with its %zu classes in the order of the data", file->classes);
    if (match == RESCL_HEAD_UNNAMED)
        cli_note("head    taken, as there are %zu classes in both; the weights do not name theirs",
                 file->classes);
    if (match != RESCL_HEAD_OTHER)
        return;
    char *theirs = classes_text(file->class_names, NULL, file->classes);
    char *ours = classes_text(NULL, r->model, file->classes);
    cli_note("head    new, as the weights have other classes: %s, and the data %s",
             theirs ? theirs : "", ours ? ours : "");
    warn_near(r->model, file);
    free(theirs);
    free(ours);
}

static void describe_weights(const run *r)
{
    rescl_weights_info file;
    rescl_weights_get_info(r->weights, &file);
    char *fresh = tensors_text(r->loaded, true), *unused = tensors_text(r->loaded, false);
    cli_note("weights %s: %zu of its %zu tensors fit", file.path,
             rescl_match_list_count(r->loaded, RESCL_MATCHED), file.tensors);
    if (fresh)
        cli_note("new     %s", fresh);
    if (unused)
        cli_note("unused  %s", unused);
    describe_head(r, &file);
    cli_weights_note(r->weights, r->loaded);
    free(fresh);
    free(unused);
}

static void describe(const run *r)
{
    const cli_args *a = r->args;
    rescl_model_info info;
    rescl_model_get_info(r->model, &info);
    char params[32], trainable[32], macs[32], images[64], batches[64], classes[64];
    size_t samples = rescl_dataset_count(r->train_set), batch = r->options.batch_size, last;
    const size_t steps = rescl_train_batches(r->model, samples, batch, &last);
    cli_note("model   %s, %zux%zu%s, %s: %s parameters (%s trainable), %s MACs an image", info.name,
             info.image_size, info.image_size, info.channels == 1 ? ", grey" : "",
             cli_count(info.classes, "class", classes), cli_thousands(info.params, params),
             cli_thousands(info.trainable, trainable), cli_si(info.macs, macs));
    if (r->loaded)
        describe_weights(r);
    if (!r->resume)
        cli_preprocess_note(a, r->weights, r->model);
    for (size_t i = 0; i < r->session.members; i++)
        cli_device_note(r->session.team[i]);
    cli_tuning_note(r->session.device);
    cli_precision_note(cli_precision(a));
    cli_note("data    %s: %s to train in %s of %s%zu, %zu to evaluate", cli_str(a, OPT_data_path),
             cli_count(samples, "image", images), cli_count(steps, "batch", batches),
             last == batch ? "" : "at most ", last > batch ? last : batch,
             r->eval_set ? rescl_dataset_count(r->eval_set) : 0);
    cli_classes_note(r->train_set, &r->options);
    cli_train_data_describe(a, &r->data);
    cli_plan_note(&r->options, steps);
    cli_memory_note(r->session.device, r->model, &r->options);
    if (cli_str(a, OPT_freeze))
        cli_note("frozen  %s", cli_str(a, OPT_freeze));
    cli_note("run     %s%s", r->folder, r->resume ? ", resumed" : "");
}

/* " --h5-images 'KEY'", or "" where there is no key; NULL when memory is short. */
static char *key_flag(const cli_args *a, cli_opt id)
{
    const char *key = cli_str(a, id);
    char *quoted = cli_shell_quote(key && *key ? key : "");
    char *text = !quoted       ? NULL
                 : key && *key ? cli_format(" --%s %s", cli_opt_get(id)->name, quoted)
                               : cli_format("%s", "");
    free(quoted);
    return text;
}

/* The flags that make `eval` see the images that training evaluated. */
static char *data_flags(const run *r)
{
    const cli_args *a = r->args;
    size_t used = cli_size(a, r->eval_set ? OPT_eval_samples : OPT_samples);
    char *path = cli_shell_quote(cli_str(a, OPT_data_path));
    char samples[64] = "", seed[64] = "", format[64] = "", batch[64] = "", held[96] = "";
    char precision[64] = "", pixels[64] = "";
    char *images = key_flag(a, OPT_h5_images), *labels = key_flag(a, OPT_h5_labels);
    if (r->data.held_out > 0)
        snprintf(held, sizeof held, " --validation-split %.60s",
                 a->value[OPT_validation_split].text);
    if (used)
        snprintf(samples, sizeof samples, " --samples %zu", used);
    if (cli_u64(a, OPT_data_seed))
        snprintf(seed, sizeof seed, " --data-seed %s", a->value[OPT_data_seed].text);
    if (strcmp(cli_str(a, OPT_format), "auto") != 0)
        snprintf(format, sizeof format, " --format %s", cli_str(a, OPT_format));
    if (cli_is_given(a, OPT_max_pixels))
        snprintf(pixels, sizeof pixels, " --max-pixels %zu", cli_size(a, OPT_max_pixels));
    /* Another batch size sums in another order, which the last digits of the loss show. */
    rescl_train_options defaults;
    rescl_train_options_default(&defaults);
    if (r->options.batch_size != defaults.batch_size)
        snprintf(batch, sizeof batch, " --batch-size %zu", r->options.batch_size);
    if (strcmp(r->options.precision, defaults.precision) != 0)
        snprintf(precision, sizeof precision, " --precision %s", r->options.precision);
    const char *split = r->data.val ? " --split val" : r->eval_set ? "" : " --split train";
    char *text = path && images && labels
                     ? cli_format("--data-path %s%s%s%s%s%s%s%s%s%s%s", path, format, images,
                                  labels, pixels, samples, seed, batch, precision, split, held)
                     : NULL;
    free(path);
    free(images);
    free(labels);
    return text;
}

/* With val and test the best weights are measured on test, once. The training is complete whatever
 * comes of it: images of which none can be read are worth a warning. Exit code. */
static int measure_test(run *r, const char *weights)
{
    rescl_model *best = NULL;
    int code = CLI_OK;
    if (!r->data.val || !r->data.test)
        return CLI_OK;
    cli_litter_keep("interrupted while test was measured; the run is saved");
    cli_phase_begin("measuring the best weights on test", "measuring the best weights on test");
    rescl_trainer_destroy(r->trainer); /* for the device's memory */
    r->trainer = NULL;
    rescl_status st = rescl_model_load(weights, &best);
    const bool loaded = st == RESCL_OK;
    if (loaded)
        rescl_model_set_precision(best, cli_precision(r->args));
    if (loaded)
        st = rescl_evaluate_run(r->session.device, best, r->data.test, r->options.batch_size,
                                r->options.workers, NULL, r->folder, &r->test);
    cli_phase_end();
    rescl_model_destroy(best);
    if (loaded && st == RESCL_ERR_FORMAT && !cli_bool(r->args, OPT_strict_data))
        cli_warn("test was not measured: %s", rescl_last_error()->message);
    else if (st != RESCL_OK)
        code = cli_fail(st, false);
    return code;
}

/* What the best epoch was chosen by: val, else test, or the training images for want of others. */
static rescl_metrics *best_metrics(run *r)
{
    return r->eval_set ? &r->best.eval : &r->best.train;
}

/* What happened before the run was resumed: NaN is not known. */
static void recall(run *r)
{
    rescl_train_progress done;
    rescl_trainer_get_progress(r->trainer, &done);
    r->steps = done.steps;
    r->skipped = done.skipped;
    r->loss_scale = done.loss_scale;
    r->stopped_after = done.stopped_early ? done.epochs : 0;
    const bool idle = r->epoch.epochs == 0;
    const cli_run_row row = idle ? cli_run_last_row(r->folder) : (cli_run_row){0};
    if (idle) {
        r->epoch.train.loss = row.train_loss;
        r->epoch.train.top1 = row.train_top1;
    }
    if (r->best.epochs)
        return;
    rescl_metrics m = {.loss = done.best_loss, .top1 = done.best_top1, .top5 = NAN};
    if (!done.has_best && idle && done.epochs == 0) { /* max_steps ended it in the first epoch */
        m.loss = r->eval_set ? row.eval_loss : row.train_loss;
        m.top1 = r->eval_set ? row.eval_top1 : row.train_top1;
    } else if (!done.has_best) {
        return;
    }
    if (isnan(m.top1))
        return;
    r->best.epoch = done.has_best ? done.best_epoch : 0;
    r->best.epochs = r->options.epochs;
    *best_metrics(r) = m;
}

static int report_json(run *r, const char *weights)
{
    json_t *o = json_object(), *best = r->best.epochs ? json_object() : json_null();
    cli_json_set(o, "run", cli_json_string(r->folder));
    cli_json_set(o, "weights", cli_json_string(weights));
    cli_json_set(o, "epochs", json_integer((json_int_t)r->options.epochs));
    cli_json_set(o, "steps", json_integer((json_int_t)r->steps));
    cli_json_set(o, "stopped_early", json_boolean(r->stopped_after > 0));
    cli_json_set(o, "precision", json_string(r->options.precision));
    if (r->loss_scale > 0) {
        cli_json_set(o, "loss_scale", cli_json_real(r->loss_scale));
        cli_json_set(o, "skipped_steps", json_integer((json_int_t)r->skipped));
    }
    if (r->best.epochs) {
        cli_json_set(best, "epoch", json_integer((json_int_t)r->best.epoch + 1));
        cli_json_set(best, "split",
                     json_string(rescl_dataset_split(r->eval_set ? r->eval_set : r->train_set)));
        cli_json_set(best, "loss", cli_json_real(best_metrics(r)->loss));
        cli_json_set(best, "top1", cli_json_real(best_metrics(r)->top1));
        cli_json_set(best, "top5", cli_json_real(best_metrics(r)->top5));
    }
    cli_json_set(o, "best", best);
    if (r->data.val && r->data.test && !r->test.samples)
        cli_json_set(o, "test", json_null());
    if (r->test.samples) {
        json_t *test = json_object();
        cli_json_set(test, "samples", json_integer((json_int_t)r->test.samples));
        cli_json_set(test, "loss", cli_json_real(r->test.loss));
        cli_json_set(test, "top1", cli_json_real(r->test.top1));
        cli_json_set(test, "top5", cli_json_real(r->test.top5));
        cli_json_set(o, "test", test);
    }
    cli_json_set(o, "validation_split", cli_json_real(r->data.held_out));
    cli_json_set(o, "train_loss", cli_json_real(r->epoch.train.loss));
    cli_json_set(o, "train_top1", cli_json_real(r->epoch.train.top1));
    return cli_json_print(o);
}

static int report(run *r)
{
    char *weights = cli_weights_of(r->folder);
    if (!weights)
        return CLI_FILE;
    recall(r);
    const int code = measure_test(r, weights);
    if (cli_bool(r->args, OPT_json)) {
        const int printed = report_json(r, weights);
        free(weights);
        return code == CLI_OK ? printed : code;
    }
    char epoch[64] = "", loss[32];
    const rescl_metrics *best = best_metrics(r);
    const bool measured = r->eval_set && !(r->data.val ? r->data.val_seen : r->data.test_seen);
    if (r->best.epochs) {
        printf("best      %saccuracy %.4f loss %s after epoch %zu of %zu%s%s\n",
               measured ? "" : "training ", best->top1, cli_loss(best->loss, loss),
               r->best.epoch + 1, r->best.epochs, r->eval_set ? ", on " : "",
               r->eval_set ? rescl_dataset_split(r->eval_set) : "");
        snprintf(epoch, sizeof epoch, " (best epoch %zu)", r->best.epoch + 1);
    }
    if (r->test.samples)
        printf("test      %saccuracy %.4f loss %s on %zu images%s\n",
               r->data.test_seen ? "training " : "", r->test.top1, cli_loss(r->test.loss, loss),
               r->test.samples, epoch);
    if (r->skipped > 0)
        cli_note("skipped %llu of %llu steps, whose gradients overflowed; the loss scale is %g",
                 (unsigned long long)r->skipped, (unsigned long long)r->steps, r->loss_scale);
    if (r->stopped_after)
        cli_stopped_note(&r->options, r->stopped_after);
    if (!r->epoch.epochs)
        cli_note("nothing was left to do: the run had reached its last epoch or step");
    cli_print("run       %s\n", r->folder);
    if (r->options.report)
        cli_print("report    %s/report.html\n", r->folder);
    cli_print("weights   %s\n", weights);
    char *quoted = cli_shell_quote(weights), *data = data_flags(r);
    if (quoted && data)
        cli_print("evaluate  rescl eval --weights %s %s\n", quoted, data);
    if (quoted)
        cli_print("predict   rescl predict --weights %s IMAGE\n", quoted);
    fflush(stdout); /* an interrupt from here on takes nothing of it away */
    free(quoted);
    free(data);
    free(weights);
    return code;
}

static bool on_step(const rescl_step_event *event, void *user)
{
    run *r = user;
    cli_litter_stop(r->trainer);
    if (event->training)
        r->step = *event;
    cli_progress_step(event, &r->progress);
    return true;
}

static bool on_epoch(const rescl_epoch_event *event, void *user)
{
    run *r = user;
    r->epoch = *event;
    if (event->best)
        r->best = *event;
    cli_progress_epoch(event, &r->progress);
    cli_team_note(r->trainer);
    return true;
}

static int finish(run *r, rescl_status st)
{
    if (follows(r))
        return st == RESCL_OK                ? CLI_OK
               : st == RESCL_ERR_INTERRUPTED ? CLI_INTERRUPTED
                                             : cli_fail(st, false);
    if (st == RESCL_OK)
        return report(r);
    char *folder = cli_shell_quote(r->folder);
    const char *shown = folder ? folder : r->folder;
    int code = CLI_INTERRUPTED;
    if (st == RESCL_ERR_INTERRUPTED) {
        cli_tell("interrupted in epoch %zu after step %llu; saved in %s", r->step.epoch + 1,
                 (unsigned long long)r->step.step, r->folder);
        cli_tell("resume with: rescl train --resume %s", shown);
    } else if (st == RESCL_ERR_NUMERIC) {
        code = cli_fail(st, false); /* it names the last good checkpoint */
    } else {
        code = cli_fail(st, false);
        char *last = cli_format("%s/weights/last.safetensors", r->folder);
        if (last && access(last, F_OK) == 0)
            cli_tell("the last good checkpoint is %s", last);
        free(last);
    }
    free(folder);
    return code;
}

/* Finds the other processes, if this one was started as one of several. Exit code. */
static int open_ranks(run *r)
{
    const rescl_status st = rescl_ranks_open(&r->ranks);
    rescl_ranks_get(r->ranks, &r->rank);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (r->ranks && !follows(r))
        cli_note("ranks   %zu processes, %zu of them on this machine", r->rank.count,
                 r->rank.local_count);
    if (follows(r) && !cli_output_mute()) {
        cli_error("rank %zu: standard output cannot be closed", r->rank.index);
        return CLI_FAILURE;
    }
    return CLI_OK;
}

int cmd_train(const cli_args *args)
{
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    run r = {.args = args};
    int code = open_ranks(&r);
    cli_litter_begin();
    if (code == CLI_OK)
        code = open_all(&r);
    if (code == CLI_OK && cli_str(args, OPT_preview))
        code = preview(&r, cli_str(args, OPT_preview));
    if (code != CLI_OK || cli_str(args, OPT_preview))
        goto out;
    if (!follows(&r))
        describe(&r);
    cli_progress_init(&r.progress, cli_size(args, OPT_print_freq));
    r.options.output_dir = follows(&r) ? NULL : r.folder;
    r.options.resume = r.resume;
    r.options.args_ini = r.ini;
    cli_phase_begin("recognising the images, planning the network", "recognising the images");
    rescl_status st = rescl_trainer_create_team(r.session.team, r.session.members, r.ranks, r.model,
                                                r.train_set, r.eval_set, &r.options, &r.trainer);
    code = st == RESCL_OK ? list_bad(&r) : cli_fail(st, false);
    if (code != CLI_OK) {
        give_up(&r);
        goto out;
    }
    if ((code = cli_train_data_recognise(args, r.model, &r.data)) != CLI_OK) {
        cli_litter_remove();
        goto out;
    }
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .on_epoch = on_epoch, .user = &r};
    st = rescl_trainer_run(r.trainer, &callbacks);
    cli_progress_end(&r.progress);
    code = finish(&r, st);
out:
    cli_litter_end();
    rescl_trainer_destroy(r.trainer);
    rescl_match_list_destroy(r.loaded);
    rescl_weights_close(r.weights);
    rescl_model_destroy(r.model);
    cli_train_data_close(&r.data);
    cli_session_close(&r.session);
    free(r.folder);
    free(r.resume);
    free(r.ini);
    rescl_ranks_close(r.ranks, code);
    return code;
}
