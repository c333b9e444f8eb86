#include "train_open.h"

#include "cli.h"
#include "output.h"
#include "preprocess.h"
#include "run_folder.h"
#include "train_loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The training options, but for what the run's folder gives. Strings are those of the arguments. */
static int take_options(const cli_args *args, rescl_train_options *o)
{
    rescl_train_options_default(o);
    for (size_t i = 0; i < rescl_train_options_count(); i++) {
        const rescl_option *option = rescl_train_options_at(i);
        const cli_opt id = cli_opt_find(option->name, strlen(option->name), args->verb);
        if (!option->group || id == OPT_NONE)
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

/* The file of --teacher, which may be a run folder. */
static int find_teacher(cli_training *t)
{
    if (!t->options.teacher)
        return CLI_OK;
    t->teacher = cli_weights_of("--teacher", t->options.teacher);
    t->options.teacher = t->teacher;
    return t->teacher ? CLI_OK : CLI_FILE;
}

/* The file of --weights, and the treatment of images that it asks for. */
static int open_weights(cli_training *t)
{
    rescl_weights_info file = {0};
    if (cli_str(t->args, OPT_weights) && !cli_str(t->args, OPT_resume)) {
        char *path = cli_weights_of("--weights", cli_str(t->args, OPT_weights));
        if (!path)
            return CLI_FILE;
        const rescl_status st = rescl_weights_open(path, &t->weights);
        free(path);
        if (st != RESCL_OK)
            return cli_fail(st, false);
        rescl_weights_get_info(t->weights, &file);
    }
    int code = cli_channels_take(t->args, file.channels);
    if (code == CLI_OK)
        code = cli_bit_depth_take(t->args, file.bit_depth);
    return code == CLI_OK ? cli_sample_bits_take(t->args, file.sample_bits) : code;
}

static int open_data(cli_training *t, size_t size)
{
    const int code = cli_train_data_open(t->args, size, &t->data);
    t->train_set = t->data.train;
    t->eval_set = cli_train_data_measured(&t->data);
    return code;
}

/* What training starts from. A head that the file does not fit starts anew, unless --strict is given. */
static int load_weights(cli_training *t)
{
    const rescl_load_mode mode = cli_load_mode(t->args, false);
    const rescl_status st = rescl_weights_load(t->weights, t->model, mode, &t->loaded);
    return st == RESCL_OK ? CLI_OK : cli_weights_fail(st, mode, t->loaded);
}

static int open_model(cli_training *t)
{
    const cli_args *a = t->args;
    size_t classes = cli_size(a, OPT_classes), found = rescl_dataset_classes(t->train_set);
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
        names[i] = i < found ? rescl_dataset_class_name(t->train_set, i) : numbers[i];
    }
    options.name = cli_str(a, OPT_model);
    options.classes = classes;
    options.image_size = cli_size(a, OPT_size);
    options.channels = cli_size(a, OPT_channels);
    options.bit_depth = cli_size(a, OPT_bit_depth);
    options.hidden = cli_size(a, OPT_hidden);
    options.dropout = cli_real(a, OPT_dropout);
    options.stochastic_depth = cli_real(a, OPT_stochastic_depth);
    options.seed = t->options.seed;
    options.class_names = names;
    rescl_status st = rescl_model_create(&options, &t->model);
    free(names);
    free(numbers);
    if (st == RESCL_OK && t->weights) {
        const int code = load_weights(t);
        if (code != CLI_OK)
            return code;
    }
    if (st == RESCL_OK) {
        const int code = cli_fit_set(cli_size(a, OPT_train_resize_size),
                                     cli_str(a, OPT_train_interpolation), t->model);
        if (code != CLI_OK)
            return code;
        const int prepared = cli_preprocess_set(a, t->model);
        if (prepared != CLI_OK)
            return prepared;
        st = rescl_model_freeze(t->model, cli_str(a, OPT_freeze), cli_bool(a, OPT_norm_eval));
    }
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

int cli_training_open(const cli_args *args, const rescl_ranks_info *rank, cli_training *t)
{
    t->args = args;
    int code = take_options(args, &t->options);
    if (code == CLI_OK)
        code = find_teacher(t);
    if (code == CLI_OK)
        code = open_weights(t);
    if (code == CLI_OK)
        code = cli_session_open_rank(args, rank, &t->session);
    const size_t size = cli_size(args, OPT_size);
    if (code != CLI_OK || (code = open_data(t, size)) != CLI_OK || (code = open_model(t)) != CLI_OK)
        return code;
    rescl_model_info info;
    rescl_model_get_info(t->model, &info);
    /* Built-in sets draw images in the size that the model turned out to have. */
    return info.image_size == size ? CLI_OK : open_data(t, info.image_size);
}

void cli_training_close(cli_training *t)
{
    rescl_match_list_destroy(t->loaded);
    rescl_weights_close(t->weights);
    rescl_model_destroy(t->model);
    cli_train_data_close(&t->data);
    cli_session_close(&t->session);
    free(t->teacher);
    *t = (cli_training){0};
}

/* ---- what was taken of the weights ---- */

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
static void describe_head(const cli_training *t, const rescl_weights_info *file)
{
    const rescl_head_match match = rescl_match_list_head(t->loaded);
    if (match == RESCL_HEAD_REORDERED)
        cli_note("head    taken, with its %zu classes in the order of the data", file->classes);
    if (match == RESCL_HEAD_UNNAMED)
        cli_note("head    taken, as there are %zu classes in both; the weights do not name theirs",
                 file->classes);
    if (match != RESCL_HEAD_OTHER)
        return;
    char *theirs = classes_text(file->class_names, NULL, file->classes);
    char *ours = classes_text(NULL, t->model, file->classes);
    cli_note("head    new, as the weights have other classes: %s, and the data %s",
             theirs ? theirs : "", ours ? ours : "");
    warn_near(t->model, file);
    free(theirs);
    free(ours);
}

void cli_training_weights_note(const cli_training *t)
{
    rescl_weights_info file;
    if (!t->loaded)
        return;
    rescl_weights_get_info(t->weights, &file);
    char *fresh = tensors_text(t->loaded, true), *unused = tensors_text(t->loaded, false);
    cli_note("weights %s: %zu of its %zu tensors fit", file.path,
             rescl_match_list_count(t->loaded, RESCL_MATCHED), file.tensors);
    if (fresh)
        cli_note("new     %s", fresh);
    if (unused)
        cli_note("unused  %s", unused);
    describe_head(t, &file);
    cli_weights_note(t->weights, t->loaded);
    free(fresh);
    free(unused);
}
