#include "train_data.h"

#include "cli.h"
#include "output.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

bool cli_is_given(const cli_args *args, cli_opt id)
{
    return args->value[id].origin >= ORIGIN_RUN;
}

/* A split that the data may lack. */
static rescl_status open_optional(const cli_args *args, const char *split, size_t samples,
                                  size_t size, rescl_dataset **out)
{
    rescl_data_options options = {.split = split,
                                  .samples = samples,
                                  .image_size = size,
                                  .seed = cli_u64(args, OPT_data_seed)};
    const rescl_status st = cli_data_open(args, &options, out);
    return st == RESCL_ERR_NOT_FOUND ? RESCL_OK : st;
}

/* The share that is held out. False after a message. */
static bool settle_share(const cli_args *args, cli_train_data *d)
{
    const bool given = cli_is_given(args, OPT_validation_split);
    const double share = cli_real(args, OPT_validation_split);
    d->held_out = 0;
    if (d->val) {
        if (given && share > 0 && args->value[OPT_validation_split].origin != ORIGIN_RUN) {
            cli_usage_error(
                "--validation-split: %s has a split val of its own; leave the option out, "
                "or give 0",
                cli_str(args, OPT_data_path));
            return false;
        }
    } else if (given) {
        d->held_out = share;
    } else if (!d->test && !cli_str(args, OPT_resume)) { /* runs that do not say it held out none */
        d->held_out = share;
    }
    return true;
}

/* train, and the share of it that is val. Where no class has an image to spare none is held out,
 * unless the user asked for it. */
static rescl_status open_train(const cli_args *args, size_t size, cli_train_data *d)
{
    rescl_data_options options = {.split = "val",
                                  .samples = cli_size(args, OPT_eval_samples),
                                  .image_size = size,
                                  .validation_split = d->held_out,
                                  .seed = cli_u64(args, OPT_data_seed)};
    if (d->held_out > 0) {
        const rescl_status st = cli_data_open(args, &options, &d->val);
        if (st == RESCL_ERR_NOT_FOUND && !cli_is_given(args, OPT_validation_split))
            d->held_out = options.validation_split = 0;
        else if (st != RESCL_OK)
            return st;
    }
    options.split = "train";
    options.samples = cli_size(args, OPT_samples);
    return cli_data_open(args, &options, &d->train);
}

/* Where one of the sets has several labels of an image, all have. */
static bool agree_on_labels(const cli_args *args, const cli_train_data *d, bool *differ)
{
    const rescl_dataset *const sets[] = {d->train, d->val, d->test};
    size_t several = 0, count = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        count += sets[i] != NULL;
        several += sets[i] && rescl_dataset_multi_label(sets[i]);
    }
    *differ = several > 0 && several < count;
    cli_args settled = *args;
    return several == 0 || cli_bool(args, OPT_multi_label) ||
           cli_args_set(&settled, OPT_multi_label, "true", ORIGIN_DEFAULT, NULL);
}

static int open_all(const cli_args *args, size_t size, cli_train_data *d)
{
    const size_t eval_samples = cli_size(args, OPT_eval_samples);
    cli_train_data_close(d);
    rescl_status st = open_optional(args, "val", eval_samples, size, &d->val);
    if (st == RESCL_OK)
        st = open_optional(args, "test", d->val ? 0 : eval_samples, size, &d->test);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (d->test && strcmp(rescl_dataset_split(d->test), "test") != 0) {
        rescl_dataset_close(d->test);
        d->test = NULL;
    }
    if (!settle_share(args, d))
        return CLI_USAGE;
    st = open_train(args, size, d);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (!cli_is_given(args, OPT_validation_split)) { /* for args.ini */
        cli_args settled = *args;
        char text[32];
        snprintf(text, sizeof text, "%g", d->held_out);
        if (!cli_args_set(&settled, OPT_validation_split, text, ORIGIN_DEFAULT, NULL))
            return CLI_FAILURE;
    }
    return CLI_OK;
}

int cli_train_data_open(const cli_args *args, size_t size, cli_train_data *d)
{
    bool differ = false;
    int code = open_all(args, size, d);
    if (code == CLI_OK && !agree_on_labels(args, d, &differ))
        code = CLI_FAILURE;
    return code == CLI_OK && differ ? open_all(args, size, d) : code;
}

void cli_train_data_close(cli_train_data *d)
{
    rescl_dataset_close(d->train);
    rescl_dataset_close(d->val);
    rescl_dataset_close(d->test);
    *d = (cli_train_data){0};
}

rescl_dataset *cli_train_data_measured(const cli_train_data *d)
{
    return d->val ? d->val : d->test;
}

/* Warns where the network is trained on images of a set that measures it; *most if on most of them. */
static rescl_status recognise(const char *path, const rescl_sketch *sketch,
                              const rescl_dataset *set, bool *most)
{
    rescl_overlap seen = {0};
    const size_t count = set ? rescl_dataset_count(set) : 0;
    const rescl_status st = set ? rescl_dataset_overlap(set, sketch, &seen) : RESCL_OK;
    *most = seen.images > count / 2;
    if (seen.images > 0)
        cli_warn("%s: the network is trained on %s%zu of the %zu images of %s: its accuracy there "
                 "is %s; give each image to one split only: 'rescl data check' names the copies",
                 path, seen.compared < count ? "about " : "", seen.images, count,
                 rescl_dataset_split(set),
                 *most ? "training accuracy, which says little about others"
                       : "better than that of others");
    return st;
}

int cli_train_data_recognise(const cli_args *args, const rescl_model *model, cli_train_data *d)
{
    const char *path = cli_str(args, OPT_data_path);
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    const rescl_sketch *sketch = &info.trained_on.sketch;
    rescl_status st = recognise(path, sketch, d->val, &d->val_seen);
    if (st == RESCL_OK)
        st = recognise(path, sketch, d->test, &d->test_seen);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

void cli_data_notes(rescl_dataset *const *sets, size_t count)
{
    const char *text, *earlier;
    rescl_log_level level;
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; sets[s] && (text = rescl_dataset_note(sets[s], i, &level)) != NULL;
             i++) {
            bool said = false;
            for (size_t t = 0; t < s && !said; t++)
                for (size_t k = 0;
                     sets[t] && !said && (earlier = rescl_dataset_note(sets[t], k, NULL)) != NULL;
                     k++)
                    said = strcmp(earlier, text) == 0;
            if (!said && level == RESCL_LOG_WARN)
                cli_warn("%s", text);
            else if (!said)
                cli_note("note    %s", text);
        }
}

void cli_train_data_describe(const cli_args *args, const cli_train_data *d)
{
    const char *path = cli_str(args, OPT_data_path);
    rescl_dataset *const sets[] = {d->train, d->val, d->test};
    const size_t train = rescl_dataset_count(d->train);
    const size_t val = d->val ? rescl_dataset_count(d->val) : 0;
    char end[64] = "";
    if (d->val && d->test)
        snprintf(end, sizeof end, "; %zu of test measure it at the end",
                 rescl_dataset_count(d->test));
    if (d->held_out > 0)
        cli_note("split   %s%s%zu images, %g %%%s, are held out as val and choose the best "
                 "epoch (--validation-split %g, --data-seed %s)%s",
                 d->test ? "" : path, d->test ? "" : " has neither val nor test: ", val,
                 100 * d->held_out,
                 rescl_dataset_multi_label(d->train) ? " of all" : " of each class", d->held_out,
                 args->value[OPT_data_seed].text, end);
    else if (d->val && d->test)
        cli_note("split   %zu images of val choose the best epoch%s", val, end);
    else if (d->test)
        cli_note(
            "split   there is no val: the best epoch is chosen on test, so its accuracy there is a "
            "little too good; --validation-split 0.2 chooses on images held out of train");
    else if (!d->val)
        cli_warn(
            "%s: nothing measures the network but the %zu images that it is trained on, which says "
            "little about others; --validation-split 0.2 holds out a share of them",
            path, train);
    if (rescl_dataset_multi_label(d->train))
        cli_note("labels  any number of each image: each of the %zu classes is a question of its "
                 "own (loss "
                 "%s)",
                 rescl_dataset_classes(d->train), cli_str(args, OPT_loss));
    else if (rescl_dataset_classes(d->train) == 1)
        cli_warn("%s: all images are of one class, '%s': a network that knows no other is always "
                 "right, and its accuracy says nothing; give a folder for each class",
                 path, rescl_dataset_class_name(d->train, 0));
    cli_data_notes(sets, sizeof sets / sizeof *sets);
}
