#include "session.h"

#include "cli.h"
#include "compiling.h"
#include "interrupt.h"
#include "output.h"
#include "preprocess.h"
#include "run_folder.h"
#include "train_data.h"

#include <stdlib.h>
#include <string.h>

/* A device of a list. Processes that share a machine take them in turn, until none is left, and where they are more
 * than the devices begin again. */
typedef struct deal {
    const rescl_ranks_info *rank;
    size_t all, next; /* devices that there are, and that were looked at */
} deal;

static bool is_ours(deal *d)
{
    const size_t i = d->next++;
    const size_t processes = d->rank->local_count, own = d->rank->local_index;
    return processes && processes < d->all ? i % processes == own : d->all && own % d->all == i;
}

static rescl_status open_member(cli_session *s, const char *selector, unsigned flags)
{
    const rescl_status st = rescl_device_open(s->runtime, selector, flags, &s->team[s->members]);
    s->members += st == RESCL_OK;
    return st;
}

/* Whether the last one was opened before, such as by another name. */
static bool is_twice(const cli_session *s)
{
    for (size_t i = 0; i + 1 < s->members; i++) {
        const rescl_device_info *a = rescl_device_get_info(s->team[i]);
        const rescl_device_info *b = rescl_device_get_info(s->team[s->members - 1]);
        if (a->platform == b->platform && a->device == b->device)
            return true;
    }
    return false;
}

/* Each device that can be used, in the order of 'rescl devices'. */
static rescl_status open_usable(cli_session *s, unsigned flags, const rescl_ranks_info *rank)
{
    rescl_status st = RESCL_OK;
    deal d = {.rank = rank};
    for (size_t i = 0; i < rescl_runtime_device_count(s->runtime); i++)
        d.all += rescl_runtime_get_device_info(s->runtime, i)->usable;
    for (size_t i = 0; st == RESCL_OK && i < rescl_runtime_device_count(s->runtime); i++) {
        const rescl_device_info *info = rescl_runtime_get_device_info(s->runtime, i);
        char selector[48];
        snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
        if (info->usable && s->members < CLI_TEAM_MOST && is_ours(&d))
            st = open_member(s, selector, flags);
    }
    return st != RESCL_OK || s->members > 0 ? st : open_member(s, "auto", flags); /* says why */
}

/* The devices of a list such as "0:0,gpu", or "all". Exit code. */
static int open_list(cli_session *s, const char *list, unsigned flags, const rescl_ranks_info *rank)
{
    char *text = strdup(list), *rest = text, *word;
    rescl_status st = RESCL_OK;
    deal d = {.rank = rank, .all = 1};
    for (const char *c = list; *c; c++)
        d.all += *c == ',';
    if (!text) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    if (strcmp(text, "all") == 0) {
        st = open_usable(s, flags, rank);
        rest = NULL;
    }
    while (st == RESCL_OK && (word = strsep(&rest, ",")) != NULL) {
        if (s->members == CLI_TEAM_MOST) {
            cli_usage_error("--device: found more than %d devices", CLI_TEAM_MOST);
            free(text);
            return CLI_USAGE;
        }
        if (is_ours(&d))
            st = open_member(s, word, flags);
        if (st == RESCL_OK && is_twice(s)) {
            cli_usage_error("--device: '%s' is a device that is in the list already", word);
            free(text);
            return CLI_USAGE;
        }
    }
    free(text);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, true);
}

static const rescl_ranks_info alone = {1, 0, 1, 0};

/* `list` NULL: the one device of --device. */
static int open_session(const cli_args *args, const char *list, unsigned flags,
                        const rescl_ranks_info *rank, cli_session *s)
{
    *s = (cli_session){0};
    const rescl_status st = rescl_runtime_create(&s->runtime);
    int code = st == RESCL_OK ? CLI_OK : cli_fail(st, true);
    if (code == CLI_OK && list) {
        code = open_list(s, list, flags, rank);
    } else if (code == CLI_OK) {
        const rescl_status opened = open_member(s, cli_str(args, OPT_device), flags);
        code = opened == RESCL_OK ? CLI_OK : cli_fail(opened, true);
    }
    if (code != CLI_OK) {
        cli_session_close(s);
        return code;
    }
    s->device = s->team[0];
    if (args->verb != VERB_train && args->verb != VERB_tune) /* these have something to save */
        cli_interrupt_end();
    /* Those that measure show what they do in between; the others wait for their first step. */
    for (size_t i = 0; i < s->members; i++)
        cli_compiling_watch(s->team[i], args->verb != VERB_bench && args->verb != VERB_tune);
    return CLI_OK;
}

int cli_session_open(const cli_args *args, unsigned flags, cli_session *s)
{
    return open_session(args, NULL, flags, &alone, s);
}

int cli_session_open_rank(const cli_args *args, const rescl_ranks_info *rank, cli_session *s)
{
    return open_session(args, cli_str(args, OPT_device_list), 0, rank, s);
}

int cli_session_open_all(const cli_args *args, cli_session *s)
{
    return open_session(args, cli_str(args, OPT_device), 0, &alone, s);
}

void cli_session_close(cli_session *s)
{
    cli_compiling_end();
    while (s->members > 0)
        rescl_device_close(s->team[--s->members]);
    rescl_runtime_destroy(s->runtime);
    *s = (cli_session){0};
}

void cli_tuning_note(rescl_device *device)
{
    rescl_tuning_info tuning;
    rescl_device_get_tuning(device, &tuning);
    char problems[64];
    if (tuning.problems)
        cli_note("tuning  %s, %s", cli_count(tuning.problems, "problem", problems), tuning.source);
}

const char *cli_device_text(const rescl_device_info *info, char buffer[320])
{
    snprintf(buffer, 320, "%zu:%zu %s (%s)", info->platform, info->device, info->name,
             info->platform_name);
    return buffer;
}

void cli_data_options(const cli_args *args, rescl_data_options *options)
{
    const char *format = cli_str(args, OPT_format);
    options->struct_size = sizeof *options;
    options->path = cli_str(args, OPT_data_path);
    options->strict_data = cli_bool(args, OPT_strict_data);
    options->format = format && strcmp(format, "auto") == 0 ? NULL : format;
    options->max_pixels = cli_size(args, OPT_max_pixels);
    options->sample_bits = cli_size(args, OPT_sample_bits);
    options->channels = cli_size(args, OPT_channels);
    options->bit_depth = cli_size(args, OPT_bit_depth);
    const char *images = cli_str(args, OPT_h5_images), *labels = cli_str(args, OPT_h5_labels);
    options->h5_images = images && *images ? images : NULL;
    options->h5_labels = labels && *labels ? labels : NULL;
    options->images = cli_str(args, OPT_images);
    options->multi_label = cli_bool(args, OPT_multi_label);
}

rescl_status cli_data_open(const cli_args *args, rescl_data_options *options, rescl_dataset **out)
{
    cli_data_options(args, options);
    return rescl_dataset_open(options, out);
}

rescl_precision cli_precision(const cli_args *args)
{
    const cli_opt id = cli_opt_find("precision", strlen("precision"), args->verb);
    rescl_precision precision = RESCL_PRECISION_FP32;
    (void)!rescl_precision_find(cli_str(args, id), &precision); /* a choice: one of the names */
    return precision;
}

void cli_precision_note(rescl_precision precision)
{
    if (precision != RESCL_PRECISION_FP32)
        cli_note("compute %s", rescl_precision_name(precision));
}

int cli_weights_load(const cli_args *args, rescl_model **model, char **path)
{
    if (!cli_require(args, OPT_weights))
        return CLI_USAGE;
    *path = cli_weights_of("--weights", cli_str(args, OPT_weights));
    return *path ? cli_weights_read(args, *path, true, model) : CLI_FILE;
}

/* A line for each kind of tensors that did not match: "missing: fc.weight, fc.bias". */
static void warn_of_report(const rescl_match_list *report, const char *path)
{
    enum { SHOWN = 6 };
    for (rescl_match_state state = RESCL_MISSING; state <= RESCL_UNEXPECTED; state++) {
        const size_t count = rescl_match_list_count(report, state);
        char text[512] = "";
        size_t used = 0, shown = 0;
        rescl_match m;
        for (size_t i = 0; shown < SHOWN && rescl_match_list_get(report, i, &m); i++) {
            if (m.state != state)
                continue;
            const int n = snprintf(text + used, sizeof text - used, "%s%.64s", shown++ ? ", " : "",
                                   m.param ? m.param : m.tensor.name);
            used += (size_t)n;
        }
        if (count > 0)
            cli_warn("%s: %zu tensors are %s: %s%s", path, count, rescl_match_state_name(state),
                     text, count > shown ? ", ..." : "");
    }
}

void cli_weights_note(const rescl_weights *weights, const rescl_match_list *report)
{
    rescl_weights_info file;
    rescl_match m;
    rescl_weights_get_info(weights, &file);
    if (file.prefix)
        cli_note("%s: names begin with '%s', which is passed over", file.path, file.prefix);
    if (file.head)
        cli_note("%s: '%s' is taken for the last layer", file.path, file.head);
    for (size_t i = 0; rescl_match_list_get(report, i, &m); i++)
        if (m.spread)
            cli_note("%s: '%s' is made for grey images: red, green and blue get a third of it each",
                     file.path, m.tensor.name);
        else if (m.repeated)
            cli_note("%s: '%s' is made for images of three channels: each of four gets three "
                     "quarters of red's, green's, blue's and red's weights",
                     file.path, m.tensor.name);
        else if (m.summed)
            cli_note("%s: '%s' is made for images of three channels: grey gets the sum of their "
                     "weights",
                     file.path, m.tensor.name);
}

/* The size of the input and what it follows from. */
static void note_size(const cli_args *args, const rescl_weights *weights, const rescl_model *model)
{
    rescl_weights_info file;
    rescl_model_info info;
    rescl_weights_get_info(weights, &file);
    rescl_model_get_info(model, &info);
    const bool said = file.image_size == info.image_size;
    cli_note("size    %zux%zu: %s%s%s", info.image_size, info.image_size,
             cli_size(args, OPT_size_of) ? "by --size"
             : said                      ? "as the weights say"
                                         : "usual for ",
             cli_size(args, OPT_size_of) || said ? "" : info.name,
             cli_size(args, OPT_size_of) || said
                 ? ""
                 : "; the weights do not say, so give --size if they were trained at another");
}

/* Of a name that --interpolation takes. */
static rescl_interpolation find_interpolation(const char *name)
{
    rescl_interpolation i = RESCL_INTERPOLATION_BILINEAR;
    while (strcmp(rescl_interpolation_name(i), name) != 0)
        i++;
    return i;
}

int cli_fit_set(size_t side, const char *interpolation, rescl_model *model)
{
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    rescl_resize resize = info.resize;
    if (side) {
        resize.resize_size = side;
        resize.keep_exact = false;
    }
    if (interpolation)
        resize.interpolation = find_interpolation(interpolation);
    rescl_status st = rescl_model_set_resize(model, &resize);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int set_tta(const cli_args *args, rescl_model *model)
{
    const char *name = cli_choice(args, OPT_tta);
    rescl_tta tta = RESCL_TTA_NONE;
    while (name && strcmp(rescl_tta_name(tta), name) != 0)
        tta++;
    const rescl_status st = rescl_model_set_tta(model, tta);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

/* Where it is 0. */
static int settle(const cli_args *args, cli_opt id, size_t said)
{
    cli_args settled = *args;
    char text[24];
    if (!said || cli_size(args, id))
        return CLI_OK;
    snprintf(text, sizeof text, "%zu", said);
    return cli_args_set(&settled, id, text, ORIGIN_DEFAULT, NULL) ? CLI_OK : CLI_FAILURE;
}

int cli_form_take(const cli_args *args, const rescl_model_info *info)
{
    const int code = settle(args, OPT_channels, info->channels);
    return code == CLI_OK ? settle(args, OPT_bit_depth, info->bit_depth) : code;
}

int cli_channels_take(const cli_args *args, size_t said)
{
    const bool given = cli_size(args, OPT_channels);
    if (settle(args, OPT_channels, said) != CLI_OK)
        return CLI_FAILURE;
    if (!given && said && said != 3)
        cli_note("input   %s: as the weights say", cli_channels_text(said));
    return CLI_OK;
}

const char *cli_channels_text(size_t channels)
{
    return channels == 1 ? "grey" : channels == 4 ? "four channels" : "three channels";
}

const char *cli_form_text(const rescl_model_info *info)
{
    const bool deep = info->bit_depth == 16;
    return info->channels == 1   ? (deep ? ", grey of 16 bits" : ", grey")
           : info->channels == 4 ? (deep ? ", four channels of 16 bits" : ", four channels")
                                 : (deep ? ", 16 bits" : "");
}

int cli_bit_depth_take(const cli_args *args, size_t said)
{
    const bool given = cli_size(args, OPT_bit_depth);
    if (settle(args, OPT_bit_depth, said) != CLI_OK)
        return CLI_FAILURE;
    if (!given && said == 16)
        cli_note("depth   %zu bits a sample: as the weights say", said);
    return CLI_OK;
}

int cli_sample_bits_take(const cli_args *args, size_t said)
{
    const size_t usual = 16, bits = cli_size(args, OPT_sample_bits);
    cli_args settled = *args;
    char text[24];
    if (said && !cli_is_given(args, OPT_sample_bits)) {
        snprintf(text, sizeof text, "%zu", said);
        if (!cli_args_set(&settled, OPT_sample_bits, text, ORIGIN_DEFAULT, NULL))
            return CLI_FAILURE;
        if (said != usual)
            cli_note("bits    %zu of 16-bit samples: as the weights say", said);
    } else if (said && said != bits) {
        cli_note("bits    %zu of 16-bit samples: by --sample-bits; the weights say %zu", bits,
                 said);
    } else if (bits != usual) {
        cli_note("bits    %zu of 16-bit samples: by --sample-bits", bits);
    }
    return CLI_OK;
}

/* How images are fitted to the input and what that follows from. */
static void note_fit(const cli_args *args, const rescl_weights *weights, const rescl_model *model)
{
    rescl_weights_info file;
    rescl_model_info info;
    rescl_weights_get_info(weights, &file);
    rescl_model_get_info(model, &info);
    const size_t size = info.image_size, side = info.resize.resize_size;
    char exact[64] = "";
    if (info.resize.keep_exact)
        snprintf(exact, sizeof exact, " (images of %zux%zu as they are)", size, size);
    cli_note("fit     shorter side to %zu, %s, centre crop of %zu%s: %s", side ? side : size,
             rescl_interpolation_name(info.resize.interpolation), size, exact,
             cli_size(args, OPT_val_resize_size) ? "by --val-resize-size"
             : file.model                        ? "as the weights say"
                                                 : "usual; --val-resize-size gives another");
}

rescl_load_mode cli_load_mode(const cli_args *args, bool whole)
{
    const bool lax = cli_str(args, OPT_strict) && !cli_bool(args, OPT_strict);
    if (whole || cli_bool(args, OPT_strict))
        return lax ? RESCL_LOAD_COMPLETE : RESCL_LOAD_STRICT;
    return lax ? RESCL_LOAD_COMPLETE_BODY : RESCL_LOAD_BODY;
}

int cli_weights_fail(rescl_status st, rescl_load_mode mode, const rescl_match_list *report)
{
    const bool exact = mode == RESCL_LOAD_STRICT || mode == RESCL_LOAD_BODY;
    if (st == RESCL_ERR_SHAPE) {
        cli_error("%s", rescl_last_error()->message);
        return CLI_FILE;
    }
    if (!exact || !report || st != RESCL_ERR_FORMAT)
        return cli_fail(st, false);
    cli_error("%s (--no-strict loads it all the same)", rescl_last_error()->message);
    return CLI_FILE;
}

int cli_weights_read(const cli_args *args, const char *path, bool top, rescl_model **model)
{
    const rescl_model_options options = {.struct_size = sizeof options,
                                         .name = cli_choice(args, OPT_model_of),
                                         .image_size = cli_size(args, OPT_size_of),
                                         .channels = cli_size(args, OPT_channels),
                                         .bit_depth = cli_size(args, OPT_bit_depth)};
    const bool asked = options.name || options.image_size || options.channels || options.bit_depth;
    const rescl_load_mode mode = cli_load_mode(args, top);
    const char *names = cli_str(args, OPT_class_index);
    rescl_weights *weights = NULL;
    rescl_weights_info file = {0};
    rescl_match_list *report = NULL;
    rescl_status st = rescl_weights_open(path, &weights);
    int code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    if (code != CLI_OK)
        goto out;
    rescl_weights_get_info(weights, &file);
    st = rescl_weights_create_model(weights, asked ? &options : NULL, mode, &report, model);
    if (st == RESCL_ERR_ARG && !options.name && !file.model) {
        cli_usage_error("%s (--model NAME)", rescl_last_error()->message);
        code = CLI_USAGE;
    } else if (st != RESCL_OK) {
        code = cli_weights_fail(st, mode, report);
    } else if (names && (st = rescl_model_read_class_names(*model, names)) != RESCL_OK) {
        code = cli_fail(st, false);
    } else {
        cli_weights_note(weights, report);
        if (top)
            warn_of_report(report, path);
        code = cli_fit_set(cli_size(args, OPT_val_resize_size), cli_choice(args, OPT_interpolation),
                           *model);
    }
    if (code == CLI_OK)
        code = cli_preprocess_set(args, *model);
    if (code == CLI_OK)
        code = set_tta(args, *model);
    if (code == CLI_OK) {
        cli_preprocess_note(args, weights, *model);
        note_size(args, weights, *model);
        note_fit(args, weights, *model);
    }
out:
    rescl_match_list_destroy(report);
    rescl_weights_close(weights);
    return code;
}
