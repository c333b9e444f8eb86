#include "cli.h"
#include "data_check.h"
#include "eval_scores.h"
#include "outfile.h"
#include "output.h"
#include "progress.h"
#include "session.h"
#include "train_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The images to evaluate. */
typedef struct eval_data {
    rescl_dataset *set;
    const char *split;  /* "train", "val", "test", or "all" of data without splits */
    bool trained;       /* the weights were trained on just these images */
    rescl_overlap seen; /* of these images, those that the weights were trained on */
    bool mixed;         /* that is not known, but another share of the same images was held out */
} eval_data;

static rescl_status open_split(const cli_args *args, const char *split, size_t size, double share,
                               uint64_t seed, rescl_dataset **out)
{
    rescl_data_options options = {.split = split,
                                  .samples = cli_size(args, OPT_samples),
                                  .image_size = size,
                                  .seed = seed,
                                  .validation_split = share};
    rescl_dataset_close(*out);
    *out = NULL;
    rescl_status st = cli_data_open(args, &options, out);
    if (st == RESCL_OK)
        st = rescl_dataset_check(*out, NULL);
    return st;
}

static bool is_trained_on(const rescl_dataset *set, const rescl_trained_on *by, rescl_status *st)
{
    char fingerprint[RESCL_FINGERPRINT_BYTES];
    if (*st != RESCL_OK || !by->fingerprint[0])
        return false;
    *st = rescl_dataset_fingerprint(set, fingerprint);
    return *st == RESCL_OK && strcmp(fingerprint, by->fingerprint) == 0;
}

/* True if training held out another share of the data than what `share` and `seed` give. Sets that
 * draw their images by the seed have other images then. */
static bool is_mixed(const cli_args *args, const rescl_trained_on *by, size_t size, double share,
                     uint64_t seed, rescl_status *st)
{
    const bool other_seed = seed != by->seed && (share > 0 || by->validation_split > 0);
    char fingerprint[2][RESCL_FINGERPRINT_BYTES] = {{0}};
    rescl_dataset *set = NULL;
    bool same = false;
    if (*st != RESCL_OK || !by->fingerprint[0] || (share == by->validation_split && !other_seed))
        return false;
    *st = open_split(args, "train", size, by->validation_split, by->seed, &set);
    same = is_trained_on(set, by, st);
    for (int i = 0; same && other_seed && i < 2; i++) {
        *st = open_split(args, "train", size, 0, i ? seed : by->seed, &set);
        if (*st == RESCL_OK)
            *st = rescl_dataset_fingerprint(set, fingerprint[i]);
        same = *st == RESCL_OK;
    }
    rescl_dataset_close(set);
    return same && strcmp(fingerprint[0], fingerprint[1]) == 0;
}

/* Opens the images that --split means: what training held out of its images is left out of "train",
 * and is "val". Without --split: test, else val, else what was held out if the weights were trained
 * on these images, else all. */
static rescl_status open_data(const cli_args *args, const rescl_model_info *info, eval_data *d)
{
    const rescl_trained_on *by = &info->trained_on;
    const char *split = cli_choice(args, OPT_split);
    const size_t size = info->image_size;
    const bool given = cli_is_given(args, OPT_validation_split),
               recorded = by->validation_split > 0;
    const double share =
        given || !by->fingerprint[0] ? cli_real(args, OPT_validation_split) : by->validation_split;
    const uint64_t own_seed = cli_u64(args, OPT_data_seed);
    const uint64_t seed = cli_is_given(args, OPT_data_seed) || !recorded ? own_seed : by->seed;
    const char *first = split ? split : "test";
    rescl_status st = RESCL_ERR_NOT_FOUND;
    if (strcmp(first, "train") != 0) {
        st = open_split(args, first, size, 0, own_seed, &d->set);
        if (st == RESCL_ERR_NOT_FOUND && split && strcmp(split, "val") == 0 && share > 0) {
            st = open_split(args, "val", size, share, seed, &d->set);
            d->mixed = is_mixed(args, by, size, share, seed, &st);
        }
        if (st != RESCL_ERR_NOT_FOUND || split) {
            d->split = d->set ? rescl_dataset_split(d->set) : split;
            return st;
        }
    }
    d->split = "train";
    if (given || recorded) {
        st = open_split(args, "train", size, share, seed, &d->set);
        d->trained = is_trained_on(d->set, by, &st);
        if (st == RESCL_OK && d->trained && !split) {
            d->trained = false;
            d->split = "val";
            return open_split(args, "val", size, share, seed, &d->set);
        }
        if (!d->trained && given)
            d->mixed = is_mixed(args, by, size, share, seed, &st);
        if (st != RESCL_OK || d->trained || given)
            return st;
    }
    st = open_split(args, "train", size, 0, own_seed, &d->set);
    d->trained = is_trained_on(d->set, by, &st);
    if (!split && !d->trained)
        d->split = "all";
    return st;
}

/* Says which images the weights were trained on, whatever folder and split they are in. */
static rescl_status recognise(const rescl_trained_on *by, eval_data *d)
{
    const size_t count = rescl_dataset_count(d->set);
    const rescl_status st = rescl_dataset_overlap(d->set, &by->sketch, &d->seen);
    if (d->trained)
        d->seen = (rescl_overlap){count, count};
    if (d->seen.images > 0 || d->seen.compared == count)
        d->mixed = false;
    return st;
}

/* The accuracy is that of training, for most of the images were trained on. */
static bool is_training(const eval_data *d)
{
    return d->mixed || d->seen.images > rescl_dataset_count(d->set) / 2;
}

static void describe_data(const cli_args *args, const rescl_trained_on *by, const eval_data *d)
{
    const char *path = cli_str(args, OPT_data_path), *asked = cli_choice(args, OPT_split);
    const size_t count = rescl_dataset_count(d->set);
    if (d->seen.images > 0 && (d->seen.images < count || d->seen.compared < count))
        cli_warn("%s: the network was trained on %s%zu of these %zu images: %s", path,
                 d->seen.compared < count ? "about " : "", d->seen.images, count,
                 is_training(d) ? "this is training accuracy, which says little about others"
                                : "the accuracy is better than that of others");
    else if (d->seen.images > 0)
        cli_warn(
            "%s: the network was trained on these %zu images: this is training accuracy, which "
            "says little about others",
            path, count);
    else if (d->mixed)
        cli_warn(
            "%s: the network was trained on images that are among these %zu, as training held out "
            "%g of them with --data-seed %llu: this is training accuracy, which says little about "
            "others",
            path, count, by->validation_split, (unsigned long long)by->seed);
    else if (strcmp(d->split, "all") == 0)
        cli_note("split   %s has no splits: all of its %zu images are evaluated", path, count);
    else if (!asked || strcmp(asked, d->split) != 0)
        cli_note("split   %s, %zu images", d->split, count);
    cli_data_notes(&d->set, 1);
}

/* What the same weights give in another precision. */
typedef struct other_metrics {
    const char *precision; /* NULL: nothing was asked for */
    rescl_metrics m;
} other_metrics;

/* "against   fp32: accuracy 0.9312 (-0.0004), loss 0.2312 (+0.00021)": the difference is
 * that of --precision. */
static void print_other(const rescl_metrics *m, const other_metrics *o, FILE *f)
{
    char loss[32];
    if (o->precision)
        fprintf(f, "against   %s: accuracy %.4f (%+.4f), loss %s (%+.2g)\n", o->precision,
                o->m.top1, m->top1 - o->m.top1, cli_loss(o->m.loss, loss), m->loss - o->m.loss);
}

static int print_text(const rescl_metrics *m, const other_metrics *other, bool training,
                      rescl_scores *scores, const rescl_model *model, FILE *f)
{
    char loss[32];
    rescl_scores_summary summary;
    fprintf(f, "samples   %zu\n", m->samples);
    fprintf(f, "loss      %s\n", cli_loss(m->loss, loss));
    if (m->multi_label)
        fprintf(f,
                "mAP       %.4f\nF1        %.4f micro, %.4f macro (above 0.5)\n"
                "exact     %.4f of the images have just the labels that are predicted\n",
                m->map, m->f1_micro, m->f1_macro, m->top1);
    else
        fprintf(f, "%s  %.4f\n", training ? "training accuracy" : "accuracy", m->top1);
    if (!isnan(m->top5))
        fprintf(f, "top5      %.4f\n", m->top5);
    if (!m->multi_label && rescl_scores_summarise(scores, &summary) == RESCL_OK)
        fprintf(f, "ece       %.4f\n", summary.ece);
    print_other(m, other, f);
    fprintf(f, "speed     %.1f img/s\n", m->img_s);
    return cli_scores_print(scores, model, f);
}

static int print_json(const cli_args *args, const char *weights, const char *device,
                      const rescl_model *model, const eval_data *d, const rescl_metrics *m,
                      const other_metrics *other, rescl_scores *scores, FILE *f)
{
    json_t *o = json_object();
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    cli_json_set(o, "weights", cli_json_string(weights));
    cli_json_set(o, "model", cli_json_string(info.name));
    cli_json_set(o, "data", cli_json_string(cli_str(args, OPT_data_path)));
    cli_json_set(o, "split", json_string(d->split));
    cli_json_set(o, "trained_on", json_boolean(d->seen.images > 0 || d->mixed));
    cli_json_set(o, "trained_on_images",
                 d->seen.compared ? json_integer((json_int_t)d->seen.images) : json_null());
    cli_json_set(o, "device", cli_json_string(device));
    cli_json_set(o, "precision", json_string(rescl_precision_name(cli_precision(args))));
    cli_json_set(o, "samples", json_integer((json_int_t)m->samples));
    cli_json_set(o, "loss", cli_json_real(m->loss));
    cli_json_set(o, "top1", cli_json_real(m->top1));
    cli_json_set(o, "top5", cli_json_real(m->top5));
    cli_json_set(o, "multi_label", json_boolean(m->multi_label));
    cli_json_set(o, "map", cli_json_real(m->map));
    cli_json_set(o, "seconds", cli_json_real(m->seconds));
    cli_json_set(o, "img_s", cli_json_real(m->img_s));
    if (other->precision) {
        json_t *against = json_object();
        cli_json_set(against, "precision", json_string(other->precision));
        cli_json_set(against, "loss", cli_json_real(other->m.loss));
        cli_json_set(against, "top1", cli_json_real(other->m.top1));
        cli_json_set(against, "top5", cli_json_real(other->m.top5));
        cli_json_set(o, "against", against);
    }
    const int code = cli_scores_json(o, scores, model);
    if (code == CLI_OK)
        return cli_json_write(o, f);
    json_decref(o);
    return code;
}

static bool on_step(const rescl_step_event *event, void *user)
{
    cli_progress_step(event, user);
    return true;
}

/* Evaluates the model as it is, and in the precision of --against. */
static rescl_status measure(const cli_args *args, rescl_device *device, rescl_model *model,
                            const rescl_dataset *set, rescl_scores *scores, rescl_metrics *out,
                            other_metrics *other)
{
    const char *against = cli_str(args, OPT_against);
    cli_progress progress;
    rescl_precision precision;
    cli_progress_init(&progress, SIZE_MAX, false);
    rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .user = &progress, .scores = scores};
    rescl_model_set_precision(model, cli_precision(args));
    rescl_model_set_check_numerics(model, cli_bool(args, OPT_check_numerics));
    rescl_status st = rescl_evaluate(device, model, set, cli_size(args, OPT_batch_size),
                                     cli_size(args, OPT_workers), &callbacks, out);
    if (st == RESCL_OK && rescl_precision_find(against, &precision) == RESCL_OK) {
        other->precision = against;
        callbacks.scores = NULL;
        rescl_model_set_precision(model, precision);
        st = rescl_evaluate(device, model, set, cli_size(args, OPT_batch_size),
                            cli_size(args, OPT_workers), &callbacks, &other->m);
    }
    cli_progress_end(&progress);
    return st;
}

int cmd_eval(const cli_args *args)
{
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (!cli_require(args, OPT_data_path))
        return CLI_USAGE;
    cli_session session = {0};
    rescl_model *model = NULL;
    eval_data data = {0};
    char *path = NULL;
    rescl_status st = RESCL_OK;
    rescl_model_info info;
    rescl_metrics metrics;
    other_metrics other = {0};
    rescl_scores *scores = NULL;
    cli_outfile out = {0};
    const char *confusion = cli_str(args, OPT_confusion), *file = NULL;
    char device[320];
    if (!cli_confusion_check(confusion) || !cli_outfile_name(args, OPT_eval_file, &file))
        return CLI_USAGE;
    int code = cli_weights_load(args, &model, &path);
    if (code == CLI_OK)
        code = cli_outfile_is_input(file, path) ? CLI_USAGE : cli_outfile_open(&out, file);
    if (code != CLI_OK)
        goto out;
    rescl_model_get_info(model, &info);
    if ((code = cli_sample_bits_take(args, info.sample_bits)) != CLI_OK ||
        (code = cli_form_take(args, &info)) != CLI_OK)
        goto out;
    cli_args settled = *args;
    if (info.multi_label &&
        !cli_args_set(&settled, OPT_multi_label, "true", ORIGIN_DEFAULT, NULL)) {
        code = CLI_FAILURE;
        goto out;
    }
    if (info.multi_label && confusion) {
        cli_usage_error("--confusion: the network takes any number of labels, so no class of an "
                        "image is taken for another one; leave it out");
        code = CLI_USAGE;
        goto out;
    }
    st = open_data(args, &info, &data);
    if (st != RESCL_OK) {
        code = cli_fail(st, false);
        cli_data_list_bad(data.set);
        goto out;
    }
    if ((code = cli_data_check(data.set, SIZE_MAX, NULL)) != CLI_OK ||
        (code = cli_session_open(args, 0, &session)) != CLI_OK)
        goto out;
    if ((st = recognise(&info.trained_on, &data)) != RESCL_OK) {
        code = cli_fail(st, false);
        goto out;
    }
    cli_device_text(rescl_device_get_info(session.device), device);
    cli_note("model   %s, %zux%zu%s", info.name, info.image_size, info.image_size,
             cli_form_text(&info));
    cli_note("device  %s", device);
    cli_precision_note(cli_precision(args));

    describe_data(args, &info.trained_on, &data);
    st = rescl_scores_create(info.classes, &scores);
    if (st == RESCL_OK)
        st = measure(args, session.device, model, data.set, scores, &metrics, &other);
    if (st != RESCL_OK)
        code = cli_fail_untrained(st);
    else if (cli_bool(args, OPT_json))
        code = print_json(args, path, device, model, &data, &metrics, &other, scores, out.f);
    else if (strcmp(cli_str(args, OPT_eval_form), "csv") == 0 || cli_bool(args, OPT_csv))
        code = cli_scores_print_csv(scores, model, out.f);
    else
        code = print_text(&metrics, &other, strcmp(data.split, "train") == 0 || is_training(&data),
                          scores, model, out.f);
    const int written = cli_outfile_close(&out, st == RESCL_OK && code == CLI_OK);
    code = code == CLI_OK ? written : code;
    if (code == CLI_OK && confusion)
        code = cli_confusion_write(scores, model, confusion);
out:
    (void)cli_outfile_close(&out, false);
    rescl_scores_destroy(scores);
    cli_session_close(&session);
    rescl_dataset_close(data.set);
    rescl_model_destroy(model);
    free(path);
    return code;
}
