#include "summary_weights.h"

#include "cli.h"
#include "output.h"
#include "preprocess.h"
#include "run_folder.h"
#include "session.h"
#include "table.h"

#include <stdlib.h>

/* "(64, 3, 7, 7)" */
static const char *shape_text(size_t ndim, const size_t *shape, char buffer[200])
{
    size_t used = (size_t)snprintf(buffer, 200, "(");
    for (size_t i = 0; i < ndim && i < 8; i++)
        used += (size_t)snprintf(buffer + used, 200 - used, "%s%zu", i ? ", " : "", shape[i]);
    snprintf(buffer + used, 200 - used, ")");
    return buffer;
}

static json_t *shape_json(size_t ndim, const size_t *shape)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ndim; i++)
        cli_json_append(list, json_integer((json_int_t)shape[i]));
    return list;
}

/* "3: ant, bee, cow" */
static void print_classes(const rescl_weights_info *info)
{
    enum { SHOWN = 10 };
    const size_t shown = info->classes < SHOWN ? info->classes : SHOWN;
    printf("classes     %zu", info->classes);
    for (size_t i = 0; info->class_names && i < shown; i++)
        cli_print("%s%s", i ? ", " : ": ", info->class_names[i]);
    if (info->class_names && info->classes > shown)
        printf(" and %zu more", info->classes - shown);
    putchar('\n');
}

static void print_head(const rescl_weights_info *info, const rescl_model *model)
{
    char text[256], all[32], trainable[32];
    rescl_model_info made;
    cli_print("file        %s\n", info->path);
    cli_print("format      %s, names of %s\n", info->format, info->names);
    if (info->prefix)
        cli_print("prefix      %s\n", info->prefix);
    if (info->head)
        cli_print("last layer  %s\n", info->head);
    cli_print("model       %s\n", info->model ? info->model : "not said");
    if (info->classes)
        print_classes(info);
    if (info->image_size)
        printf("size        %zux%zu\n", info->image_size, info->image_size);
    if (info->channels)
        printf("channels    %zu\n", info->channels);
    if (info->bit_depth)
        printf("bit depth   %zu\n", info->bit_depth);
    if (info->hidden)
        printf("hidden      %zu\n", info->hidden);
    if (info->frozen)
        cli_print("frozen      %s\n", info->frozen);
    printf("preprocess  %s%s\n",
           info->has_preprocess
               ? cli_preprocess_text(info->preprocess, &info->normalize, info->channels, text)
               : "the model's usual",
           info->says_preprocess ? "" : " (assumed)");
    if (info->bn_eps > 0)
        printf("bn eps      %g\n", info->bn_eps);
    if (model) {
        rescl_model_get_info(model, &made);
        printf("parameters  %s (%s trainable)\n", cli_thousands(made.params, all),
               cli_thousands(made.trainable, trainable));
    }
    printf("tensors     %zu\n\n", info->tensors);
}

static json_t *names_json(const rescl_weights_info *info)
{
    json_t *list = info->class_names ? json_array() : json_null();
    for (size_t i = 0; info->class_names && i < info->classes; i++)
        cli_json_append(list, cli_json_string(info->class_names[i]));
    return list;
}

static json_t *text_json(const char *text)
{
    return text ? cli_json_string(text) : json_null();
}

static json_t *head_json(const rescl_weights_info *info, const rescl_model *model)
{
    json_t *o = json_object();
    rescl_model_info made;
    cli_json_set(o, "file", cli_json_string(info->path));
    cli_json_set(o, "format", json_string(info->format));
    cli_json_set(o, "names", json_string(info->names));
    cli_json_set(o, "prefix", text_json(info->prefix));
    cli_json_set(o, "last_layer", text_json(info->head));
    cli_json_set(o, "model", text_json(info->model));
    cli_json_set(o, "classes", json_integer((json_int_t)info->classes));
    cli_json_set(o, "class_names", names_json(info));
    cli_json_set(o, "size", json_integer((json_int_t)info->image_size));
    cli_json_set(o, "channels", json_integer((json_int_t)info->channels));
    cli_json_set(o, "bit_depth", json_integer((json_int_t)info->bit_depth));
    cli_json_set(o, "hidden", json_integer((json_int_t)info->hidden));
    cli_json_set(o, "frozen", text_json(info->frozen));
    if (info->has_preprocess)
        cli_preprocess_json(o, info->preprocess, &info->normalize, info->channels);
    else
        cli_json_set(o, "preprocess", json_null());
    cli_json_set(o, "bn_eps", info->bn_eps > 0 ? cli_json_real(info->bn_eps) : json_null());
    if (model) {
        rescl_model_get_info(model, &made);
        cli_json_set(o, "params", json_integer((json_int_t)made.params));
        cli_json_set(o, "trainable", json_integer((json_int_t)made.trainable));
    }
    return o;
}

static json_t *match_json(const rescl_match *m, bool matched)
{
    json_t *o = json_object();
    cli_json_set(o, "tensor", m->tensor.name ? cli_json_string(m->tensor.name) : json_null());
    if (m->tensor.name) {
        cli_json_set(o, "dtype", json_string(m->tensor.dtype));
        cli_json_set(o, "shape", shape_json(m->tensor.ndim, m->tensor.shape));
    }
    if (matched) {
        cli_json_set(o, "state", json_string(rescl_match_state_name(m->state)));
        cli_json_set(o, "param", m->param ? cli_json_string(m->param) : json_null());
    }
    return o;
}

static void add_row(cli_table *t, const rescl_match *m, bool matched)
{
    char shape[200];
    cli_table_add(t, "%s", m->tensor.name ? m->tensor.name : "-");
    cli_table_add(t, "%s", m->tensor.name ? m->tensor.dtype : "-");
    cli_table_add(t, "%s",
                  m->tensor.name ? shape_text(m->tensor.ndim, m->tensor.shape, shape) : "-");
    if (!matched)
        return;
    cli_table_add(t, "%s", m->param ? m->param : "-");
    cli_table_add(t, "%s", m->param ? shape_text(m->param_ndim, m->param_shape, shape) : "-");
    cli_table_add(t, "%s%s", rescl_match_state_name(m->state),
                  m->spread     ? ", spread"
                  : m->repeated ? ", repeated"
                  : m->summed   ? ", summed"
                                : "");
}

/* One row for each tensor of the file, and with a report for each parameter of the model too. */
static bool next_row(const rescl_weights *w, const rescl_match_list *report, size_t i,
                     rescl_match *m)
{
    if (report)
        return rescl_match_list_get(report, i, m);
    *m = (rescl_match){0};
    return rescl_weights_get_tensor_info(w, i, &m->tensor);
}

static int print(const cli_args *args, const rescl_weights *w, const rescl_model *model,
                 const rescl_match_list *report)
{
    rescl_weights_info info;
    rescl_match m;
    rescl_weights_get_info(w, &info);
    if (cli_bool(args, OPT_json)) {
        json_t *o = head_json(&info, model), *list = json_array();
        for (size_t i = 0; next_row(w, report, i, &m); i++)
            cli_json_append(list, match_json(&m, report != NULL));
        cli_json_set(o, "tensors", list);
        return cli_json_print(o);
    }
    static const char *const heads[] = {"tensor", "type", "shape", "parameter", "needs", "state"};
    const size_t columns = report ? 6 : 3;
    cli_table table;
    print_head(&info, model);
    cli_table_init(&table, columns);
    for (size_t i = 0; i < columns; i++)
        cli_table_add(&table, "%s", heads[i]);
    for (size_t i = 0; next_row(w, report, i, &m); i++)
        add_row(&table, &m, report != NULL);
    const bool printed = cli_table_print(&table, "plain", stdout);
    cli_table_fini(&table);
    for (rescl_match_state s = RESCL_MATCHED; report && s <= RESCL_UNEXPECTED; s++)
        printf("%s%zu %s", s ? ", " : "\n", rescl_match_list_count(report, s),
               rescl_match_state_name(s));
    if (report)
        putchar('\n');
    return printed ? CLI_OK : CLI_FAILURE;
}

static bool all_match(const rescl_match_list *r)
{
    return rescl_match_list_count(r, RESCL_MISSING) + rescl_match_list_count(r, RESCL_RESHAPED) +
               rescl_match_list_count(r, RESCL_UNEXPECTED) ==
           0;
}

/* The model to hold the file against: --model, else that of the file, else none. */
static rescl_status make_model(const cli_args *args, const rescl_weights_info *info,
                               rescl_model **model)
{
    const bool asked = args->value[OPT_model].origin != ORIGIN_DEFAULT;
    const char *freeze = cli_str(args, OPT_freeze);
    const size_t classes = cli_size(args, OPT_classes), size = cli_size(args, OPT_size);
    const size_t hidden = cli_size(args, OPT_hidden), channels = cli_size(args, OPT_channels);
    const double dropout = cli_real(args, OPT_dropout);
    const rescl_model_options options = {
        .struct_size = sizeof options,
        .name = asked ? cli_str(args, OPT_model) : info->model,
        .classes = classes ? classes : info->classes,
        .image_size = size ? size : info->image_size,
        .channels = channels ? channels : info->channels,
        .hidden = hidden ? hidden : info->hidden,
        .dropout = dropout > 0 ? dropout : info->dropout,
    };
    rescl_status st = options.name ? rescl_model_describe(&options, model) : RESCL_OK;
    if (st == RESCL_OK && *model)
        st = rescl_model_freeze(*model, freeze ? freeze : info->frozen, false);
    return st;
}

int cli_summary_weights(const cli_args *args)
{
    rescl_weights *weights = NULL;
    rescl_model *model = NULL;
    rescl_match_list *report = NULL;
    rescl_weights_info info;
    int code;
    char *path = cli_weights_of("--weights", cli_str(args, OPT_weights));
    if (!path)
        return CLI_FILE;
    rescl_status st = rescl_weights_open(path, &weights);
    if (st == RESCL_OK) {
        rescl_weights_get_info(weights, &info);
        st = make_model(args, &info, &model);
    }
    if (st == RESCL_OK && model)
        st = rescl_weights_match(weights, model, &report);
    code = st == RESCL_OK ? print(args, weights, model, report) : cli_fail(st, false);
    /* What would fit stands in the error of loading without a model. */
    if (st == RESCL_OK && !model &&
        rescl_weights_create_model(weights, NULL, RESCL_LOAD_STRICT, NULL, &model) != RESCL_OK)
        cli_note("%s", rescl_last_error()->message);
    if (code == CLI_OK && report && cli_bool(args, OPT_strict_summary) && !all_match(report))
        code = CLI_FILE;
    rescl_match_list_destroy(report);
    rescl_model_destroy(model);
    rescl_weights_close(weights);
    free(path);
    return code;
}
