#include "cli.h"
#include "config.h"
#include "data_check.h"
#include "litter.h"
#include "output.h"
#include "phase.h"
#include "preprocess.h"
#include "progress.h"
#include "run_folder.h"
#include "team_note.h"
#include "text.h"
#include "train_batch.h"
#include "train_open.h"
#include "train_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All that a training run holds. */
typedef struct run {
    cli_training t;
    rescl_ranks *ranks; /* NULL: no other processes train with this one */
    rescl_ranks_info rank;
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

/* Of several processes the first alone writes and prints. */
static bool follows(const run *r)
{
    return r->rank.index > 0;
}

/* The folder of a new run, or of the run that goes on, and the checkpoint in it. */
static int open_folder(run *r)
{
    const char *resume = cli_str(r->t.args, OPT_resume);
    if (follows(r) && !resume)
        return CLI_OK;
    r->ini = cli_config_text(r->t.args);
    if (!r->ini)
        return CLI_USAGE;
    r->folder = resume ? cli_run_of("--resume", resume) : cli_run_create(r->t.args);
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
    static const cli_opt fixed[] = {OPT_output_dir, OPT_name, OPT_weights,  OPT_preprocess,
                                    OPT_mean,       OPT_std,  OPT_channels, OPT_bit_depth};
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
    if (!r->t.data.test || r->t.data.test == r->t.eval_set)
        return CLI_OK;
    rescl_model_get_info(r->t.model, &info);
    const char **names = calloc(info.classes, sizeof *names);
    if (!names) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    for (size_t i = 0; i < info.classes; i++)
        names[i] = rescl_model_class_name(r->t.model, i);
    const rescl_status st = rescl_dataset_match_classes(r->t.data.test, names, info.classes);
    free(names);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

/* Before the first step, what would end training in the middle of it. */
static int check_data(run *r)
{
    enum { SHOWN = 5 };
    int code = cli_data_check(r->t.data.train, SHOWN, &r->hidden);
    if (code == CLI_OK)
        code = cli_data_check(r->t.eval_set, SHOWN, &r->hidden);
    if (code == CLI_OK && r->t.data.test != r->t.eval_set)
        code = cli_data_check(r->t.data.test, SHOWN, &r->hidden);
    return code == CLI_OK
               ? cli_data_cache(r->t.args, r->rank.local_count, r->t.data.train, r->t.eval_set)
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
        st = rescl_run_list_bad(r->folder, r->t.train_set);
    if (st == RESCL_OK && !r->resume)
        st = rescl_run_list_bad(r->folder, r->t.eval_set);
    if (st == RESCL_OK && r->t.data.test != r->t.eval_set)
        st = rescl_run_list_bad(r->folder, r->t.data.test);
    if (st == RESCL_OK && r->hidden > 0)
        cli_warn("all images that cannot be read are listed in %s/skipped.csv", r->folder);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int open_all(run *r)
{
    if (!check_resume(r->t.args) || !cli_require(r->t.args, OPT_data_path) ||
        !cli_run_check(r->t.args))
        return CLI_USAGE;
    int code = cli_training_open(r->t.args, &r->rank, &r->t);
    if (code != CLI_OK)
        return code;
    if ((code = match_test(r)) == CLI_OK && !cli_str(r->t.args, OPT_preview) &&
        (code = cli_batch_size_settle(r->t.args, &r->t.session, r->rank.count, r->t.model,
                                      r->t.train_set, r->t.eval_set, &r->t.options)) == CLI_OK &&
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
    const rescl_status st =
        rescl_train_preview(r->t.model, r->t.train_set, &r->t.options, IMAGES, path);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    cli_print("preview   %s\n", path);
    return CLI_OK;
}

/* ---- reporting ---- */

static void describe(const run *r)
{
    const cli_args *a = r->t.args;
    rescl_model_info info;
    rescl_model_get_info(r->t.model, &info);
    char params[32], trainable[32], macs[32], images[64], batches[64], classes[64];
    size_t samples = rescl_dataset_count(r->t.train_set), batch = r->t.options.batch_size, last;
    const size_t steps = rescl_train_batches(r->t.model, samples, batch, &last);
    cli_note("model   %s, %zux%zu%s, %s: %s parameters (%s trainable), %s MACs an image", info.name,
             info.image_size, info.image_size, cli_form_text(&info),
             cli_count(info.classes, "class", classes), cli_thousands(info.params, params),
             cli_thousands(info.trainable, trainable), cli_si(info.macs, macs));
    cli_training_weights_note(&r->t);
    if (!r->resume)
        cli_preprocess_note(a, r->t.weights, r->t.model);
    for (size_t i = 0; i < r->t.session.members; i++)
        cli_device_note(r->t.session.team[i]);
    cli_tuning_note(r->t.session.device);
    cli_precision_note(cli_precision(a));
    cli_note("data    %s: %s to train in %s of %s%zu, %zu to evaluate", cli_str(a, OPT_data_path),
             cli_count(samples, "image", images), cli_count(steps, "batch", batches),
             last == batch ? "" : "at most ", last > batch ? last : batch,
             r->t.eval_set ? rescl_dataset_count(r->t.eval_set) : 0);
    cli_classes_note(r->t.train_set, &r->t.options);
    cli_train_data_describe(a, &r->t.data);
    cli_plan_note(&r->t.options, steps);
    cli_memory_note(r->t.session.device, r->t.model, &r->t.options);
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
    const cli_args *a = r->t.args;
    size_t used = cli_size(a, r->t.eval_set ? OPT_eval_samples : OPT_samples);
    char *path = cli_shell_quote(cli_str(a, OPT_data_path));
    char samples[64] = "", seed[64] = "", format[64] = "", batch[64] = "", held[96] = "";
    char precision[64] = "", pixels[64] = "";
    char *images = key_flag(a, OPT_h5_images), *labels = key_flag(a, OPT_h5_labels);
    char *folder = key_flag(a, OPT_images);
    if (r->t.data.held_out > 0)
        snprintf(held, sizeof held, " --validation-split %.60s",
                 a->value[OPT_validation_split].text);
    if (used)
        snprintf(samples, sizeof samples, " --samples %zu", used);
    if (cli_u64(a, OPT_data_seed))
        snprintf(seed, sizeof seed, " --data-seed %s", a->value[OPT_data_seed].text);
    if (strcmp(cli_str(a, OPT_format), "auto") != 0)
        snprintf(format, sizeof format, " --format %s", cli_str(a, OPT_format));
    if (strcmp(a->value[OPT_max_pixels].text, cli_opt_get(OPT_max_pixels)->def) != 0)
        snprintf(pixels, sizeof pixels, " --max-pixels %zu", cli_size(a, OPT_max_pixels));
    /* Another batch size sums in another order, which the last digits of the loss show. */
    rescl_train_options defaults;
    rescl_train_options_default(&defaults);
    if (r->t.options.batch_size != defaults.batch_size)
        snprintf(batch, sizeof batch, " --batch-size %zu", r->t.options.batch_size);
    if (strcmp(r->t.options.precision, defaults.precision) != 0)
        snprintf(precision, sizeof precision, " --precision %s", r->t.options.precision);
    const char *split = r->t.data.val ? " --split val" : r->t.eval_set ? "" : " --split train";
    char *text =
        path && images && labels && folder
            ? cli_format("--data-path %s%s%s%s%s%s%s%s%s%s%s%s", path, format, images, labels,
                         folder, pixels, samples, seed, batch, precision, split, held)
            : NULL;
    free(path);
    free(images);
    free(labels);
    free(folder);
    return text;
}

/* With val and test the best weights are measured on test, once. The training is complete whatever
 * comes of it: images of which none can be read are worth a warning. Exit code. */
static int measure_test(run *r, const char *weights)
{
    rescl_model *best = NULL;
    int code = CLI_OK;
    if (!r->t.data.val || !r->t.data.test)
        return CLI_OK;
    cli_litter_keep("interrupted while test was measured; the run is saved");
    cli_phase_begin("measuring the best weights on test", "measuring the best weights on test");
    rescl_trainer_destroy(r->trainer); /* for the device's memory */
    r->trainer = NULL;
    rescl_status st = rescl_model_load(weights, &best);
    const bool loaded = st == RESCL_OK;
    if (loaded)
        rescl_model_set_precision(best, cli_precision(r->t.args));
    if (loaded)
        st = rescl_evaluate_run(r->t.session.device, best, r->t.data.test, r->t.options.batch_size,
                                r->t.options.workers, NULL, r->folder, &r->test);
    cli_phase_end();
    rescl_model_destroy(best);
    if (loaded && st == RESCL_ERR_FORMAT && !cli_bool(r->t.args, OPT_strict_data))
        cli_warn("test was not measured: %s", rescl_last_error()->message);
    else if (st != RESCL_OK)
        code = cli_fail(st, false);
    return code;
}

/* What the best epoch was chosen by: val, else test, or the training images for want of others. */
static rescl_metrics *best_metrics(run *r)
{
    return r->t.eval_set ? &r->best.eval : &r->best.train;
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
    rescl_metrics m = {.loss = done.best_loss,
                       .top1 = done.best_top1,
                       .top5 = NAN,
                       .map = done.has_best && r->t.eval_set ? done.best_map : (double)NAN,
                       .multi_label = cli_bool(r->t.args, OPT_multi_label)};
    if (!done.has_best && idle && done.epochs == 0) { /* max_steps ended it in the first epoch */
        m.loss = r->t.eval_set ? row.eval_loss : row.train_loss;
        m.top1 = r->t.eval_set ? row.eval_top1 : row.train_top1;
    } else if (!done.has_best) {
        return;
    }
    if (isnan(m.top1))
        return;
    r->best.epoch = done.has_best ? done.best_epoch : 0;
    r->best.epochs = r->t.options.epochs;
    *best_metrics(r) = m;
}

static int report_json(run *r, const char *weights)
{
    json_t *o = json_object(), *best = r->best.epochs ? json_object() : json_null();
    cli_json_set(o, "run", cli_json_string(r->folder));
    cli_json_set(o, "weights", cli_json_string(weights));
    cli_json_set(o, "epochs", json_integer((json_int_t)r->t.options.epochs));
    cli_json_set(o, "steps", json_integer((json_int_t)r->steps));
    cli_json_set(o, "stopped_early", json_boolean(r->stopped_after > 0));
    cli_json_set(o, "precision", json_string(r->t.options.precision));
    if (r->loss_scale > 0) {
        cli_json_set(o, "loss_scale", cli_json_real(r->loss_scale));
        cli_json_set(o, "skipped_steps", json_integer((json_int_t)r->skipped));
    }
    if (r->best.epochs) {
        cli_json_set(best, "epoch", json_integer((json_int_t)r->best.epoch + 1));
        cli_json_set(
            best, "split",
            json_string(rescl_dataset_split(r->t.eval_set ? r->t.eval_set : r->t.train_set)));
        cli_json_set(best, "loss", cli_json_real(best_metrics(r)->loss));
        cli_json_set(best, "top1", cli_json_real(best_metrics(r)->top1));
        cli_json_set(best, "top5", cli_json_real(best_metrics(r)->top5));
        if (best_metrics(r)->multi_label)
            cli_json_set(best, "map", cli_json_real(best_metrics(r)->map));
    }
    cli_json_set(o, "best", best);
    if (r->t.data.val && r->t.data.test && !r->test.samples)
        cli_json_set(o, "test", json_null());
    if (r->test.samples) {
        json_t *test = json_object();
        cli_json_set(test, "samples", json_integer((json_int_t)r->test.samples));
        cli_json_set(test, "loss", cli_json_real(r->test.loss));
        cli_json_set(test, "top1", cli_json_real(r->test.top1));
        cli_json_set(test, "top5", cli_json_real(r->test.top5));
        if (r->test.multi_label)
            cli_json_set(test, "map", cli_json_real(r->test.map));
        cli_json_set(o, "test", test);
    }
    cli_json_set(o, "validation_split", cli_json_real(r->t.data.held_out));
    cli_json_set(o, "train_loss", cli_json_real(r->epoch.train.loss));
    cli_json_set(o, "train_top1", cli_json_real(r->epoch.train.top1));
    return cli_json_print(o);
}

/* "mAP 0.9123 ", where it was measured. */
static const char *map_text(const rescl_metrics *m, char text[32])
{
    *text = '\0';
    if (m->multi_label && !isnan(m->map))
        snprintf(text, 32, "mAP %.4f ", m->map);
    return text;
}

static int report(run *r)
{
    char *weights = cli_weights_of("--weights", r->folder);
    if (!weights)
        return CLI_FILE;
    recall(r);
    const int code = measure_test(r, weights);
    if (cli_bool(r->t.args, OPT_json)) {
        const int printed = report_json(r, weights);
        free(weights);
        return code == CLI_OK ? printed : code;
    }
    char epoch[64] = "", loss[32], map[32];
    const rescl_metrics *best = best_metrics(r);
    const bool measured =
        r->t.eval_set && !(r->t.data.val ? r->t.data.val_seen : r->t.data.test_seen);
    if (r->best.epochs) {
        printf("best      %s%saccuracy %.4f loss %s after epoch %zu of %zu%s%s\n",
               map_text(best, map), measured ? "" : "training ", best->top1,
               cli_loss(best->loss, loss), r->best.epoch + 1, r->best.epochs,
               r->t.eval_set ? ", on " : "",
               r->t.eval_set ? rescl_dataset_split(r->t.eval_set) : "");
        snprintf(epoch, sizeof epoch, " (best epoch %zu)", r->best.epoch + 1);
    }
    if (r->test.samples)
        printf("test      %s%saccuracy %.4f loss %s on %zu images%s\n", map_text(&r->test, map),
               r->t.data.test_seen ? "training " : "", r->test.top1, cli_loss(r->test.loss, loss),
               r->test.samples, epoch);
    if (r->skipped > 0)
        cli_note("skipped %llu of %llu steps, whose gradients overflowed; the loss scale is %g",
                 (unsigned long long)r->skipped, (unsigned long long)r->steps, r->loss_scale);
    if (r->stopped_after)
        cli_stopped_note(&r->t.options, r->stopped_after);
    if (!r->epoch.epochs)
        cli_note("nothing was left to do: the run had reached its last epoch or step");
    cli_print("run       %s\n", r->folder);
    if (r->t.options.report)
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
    r->progress.waits = event->training ? cli_team_waits(r->trainer) : 0;
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
    run r = {.t.args = args};
    int code = open_ranks(&r);
    cli_litter_begin();
    if (code == CLI_OK)
        code = open_all(&r);
    if (code == CLI_OK && cli_str(args, OPT_preview) && !follows(&r))
        code = preview(&r, cli_str(args, OPT_preview));
    if (code != CLI_OK || cli_str(args, OPT_preview))
        goto out;
    if (!follows(&r))
        describe(&r);
    cli_progress_init(&r.progress, cli_size(args, OPT_print_freq),
                      strcmp(cli_str(args, OPT_cache), "ram") == 0);
    r.t.options.output_dir = follows(&r) ? NULL : r.folder;
    r.t.options.resume = r.resume;
    r.t.options.args_ini = r.ini;
    cli_phase_begin("recognising the images, planning the network", "recognising the images");
    rescl_status st =
        rescl_trainer_create_team(r.t.session.team, r.t.session.members, r.ranks, r.t.model,
                                  r.t.train_set, r.t.eval_set, &r.t.options, &r.trainer);
    code = st == RESCL_OK ? list_bad(&r) : cli_fail(st, false);
    if (code != CLI_OK) {
        give_up(&r);
        goto out;
    }
    if ((code = cli_train_data_recognise(args, r.t.model, &r.t.data)) != CLI_OK) {
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
    cli_training_close(&r.t);
    free(r.folder);
    free(r.resume);
    free(r.ini);
    rescl_ranks_close(r.ranks, code);
    return code;
}
