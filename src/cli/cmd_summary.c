#include "cli.h"
#include "output.h"
#include "preprocess.h"
#include "session.h"
#include "summary_weights.h"
#include "table.h"

#include <rescl/rescl.h>
#include <string.h>

static json_t *layer_json(const rescl_layer_info *l)
{
    json_t *o = json_object(), *shape = json_array(), *inputs = json_array();
    for (size_t i = 0; i < l->ndim; i++)
        cli_json_append(shape, json_integer((json_int_t)l->shape[i]));
    for (size_t i = 0; i < l->ninputs; i++)
        cli_json_append(inputs, cli_json_string(l->inputs[i]));
    cli_json_set(o, "name", cli_json_string(l->name));
    cli_json_set(o, "type", cli_json_string(l->type));
    cli_json_set(o, "shape", shape);
    cli_json_set(o, "params", json_integer((json_int_t)l->params));
    cli_json_set(o, "trainable", json_integer((json_int_t)l->trainable));
    cli_json_set(o, "macs", cli_json_real(l->macs));
    cli_json_set(o, "inputs", inputs);
    return o;
}

/* What --batch-size images at once need of the device's memory; `batch` 0: that was not asked for. */
typedef struct memory {
    size_t batch;
    const char *precision, *opt;
    char device[320];
    rescl_memory training, recomputing, inference;
} memory;

static uint64_t all_of(const rescl_memory *m)
{
    return m->parameters + m->gradients + m->optimiser + m->activations;
}

/* Exit code. */
static int find_memory(const cli_args *args, rescl_model *model, memory *m)
{
    cli_session session = {0};
    rescl_train_options options;
    *m = (memory){.batch = cli_size(args, OPT_summary_batch),
                  .precision = rescl_precision_name(cli_precision(args)),
                  .opt = cli_str(args, OPT_opt)};
    if (m->batch == 0)
        return CLI_OK;
    const int code = cli_session_open(args, 0, &session);
    if (code != CLI_OK)
        return code;
    cli_device_text(rescl_device_get_info(session.device), m->device);
    rescl_train_options_default(&options);
    options.opt = m->opt;
    options.precision = m->precision;
    rescl_model_set_precision(model, cli_precision(args));
    rescl_status st = rescl_memory_needed(session.device, model, m->batch, &options, &m->training);
    options.recompute = true;
    if (st == RESCL_OK)
        st = rescl_memory_needed(session.device, model, m->batch, &options, &m->recomputing);
    if (st == RESCL_OK)
        st = rescl_memory_needed(session.device, model, m->batch, NULL, &m->inference);
    cli_session_close(&session);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static json_t *memory_json(const rescl_memory *m)
{
    json_t *o = json_object();
    cli_json_set(o, "parameters", json_integer((json_int_t)m->parameters));
    cli_json_set(o, "gradients", json_integer((json_int_t)m->gradients));
    cli_json_set(o, "optimiser", json_integer((json_int_t)m->optimiser));
    cli_json_set(o, "activations", json_integer((json_int_t)m->activations));
    cli_json_set(o, "all", json_integer((json_int_t)all_of(m)));
    return o;
}

static void add_memory(json_t *o, const memory *m)
{
    json_t *all = json_object();
    cli_json_set(all, "batch", json_integer((json_int_t)m->batch));
    cli_json_set(all, "precision", json_string(m->precision));
    cli_json_set(all, "device", cli_json_string(m->device));
    cli_json_set(all, "training", memory_json(&m->training));
    cli_json_set(all, "training_recompute", memory_json(&m->recomputing));
    cli_json_set(all, "inference", memory_json(&m->inference));
    cli_json_set(o, "memory", all);
}

static void print_memory(const memory *m)
{
    char all[32], parameters[32], gradients[32], optimiser[32], activations[32];
    const rescl_memory *t = &m->training, *i = &m->inference;
    cli_print("Memory of %s at batch %zu in %s\n", m->device, m->batch, m->precision);
    printf("  a training step: %s (parameters %s, gradients %s, %s %s, activations %s)\n",
           cli_bytes(all_of(t), all), cli_bytes(t->parameters, parameters),
           cli_bytes(t->gradients, gradients), m->opt, cli_bytes(t->optimiser, optimiser),
           cli_bytes(t->activations, activations));
    printf("  with --recompute: %s (activations %s)\n", cli_bytes(all_of(&m->recomputing), all),
           cli_bytes(m->recomputing.activations, activations));
    printf("  inference: %s (parameters %s, activations %s)\n", cli_bytes(all_of(i), all),
           cli_bytes(i->parameters, parameters), cli_bytes(i->activations, activations));
}

static int print_json(const rescl_model *model, const rescl_model_info *info, const memory *m)
{
    json_t *o = json_object(), *layers = json_array();
    cli_json_set(o, "model", cli_json_string(info->name));
    cli_json_set(o, "classes", json_integer((json_int_t)info->classes));
    cli_json_set(o, "size", json_integer((json_int_t)info->image_size));
    cli_json_set(o, "channels", json_integer((json_int_t)info->channels));
    cli_json_set(o, "bit_depth", json_integer((json_int_t)info->bit_depth));
    cli_json_set(o, "dropout", cli_json_real(info->dropout));
    if (info->stochastic_depth > 0)
        cli_json_set(o, "stochastic_depth", cli_json_real(info->stochastic_depth));
    cli_preprocess_json(o, info->preprocess, &info->normalize, info->channels);
    cli_json_set(o, "params", json_integer((json_int_t)info->params));
    cli_json_set(o, "trainable", json_integer((json_int_t)info->trainable));
    cli_json_set(o, "non_trainable", json_integer((json_int_t)(info->params - info->trainable)));
    cli_json_set(o, "macs", cli_json_real(info->macs));
    rescl_layer_info layer;
    for (size_t i = 0; rescl_model_get_layer_info(model, i, &layer); i++)
        cli_json_append(layers, layer_json(&layer));
    cli_json_set(o, "layers", layers);
    if (m->batch)
        add_memory(o, m);
    return cli_json_print(o);
}

/* Keras' way: the batch is None, and the input layer's shape stands in a list. */
static const char *shape_text(const rescl_layer_info *l, bool input, char buffer[96])
{
    size_t used = (size_t)snprintf(buffer, 96, "%s(None", input ? "[" : "");
    for (size_t i = 0; i < l->ndim && used < 96; i++)
        used += (size_t)snprintf(buffer + used, 96 - used, ", %zu", l->shape[i]);
    if (used < 96)
        snprintf(buffer + used, 96 - used, "%s", input ? ")]" : ")");
    return buffer;
}

static void rule(char mark, size_t width)
{
    for (size_t i = 0; i < width; i++)
        putchar(mark);
    putchar('\n');
}

static void print_total(const char *label, size_t n)
{
    char count[32], bytes[32];
    printf("%s: %s (%s)\n", label, cli_thousands(n, count), cli_bytes(4 * (uint64_t)n, bytes));
}

static void print_keras(const rescl_model *model, const rescl_model_info *info, const memory *m)
{
    enum { SHAPE = 24, PARAMS = 13, MACS = 10 };
    rescl_layer_info l;
    size_t name = strlen("Layer (type)"), from = strlen("Connected to");
    for (size_t i = 0; rescl_model_get_layer_info(model, i, &l); i++) {
        size_t n = strlen(l.name) + strlen(l.type) + 3;
        name = n > name ? n : name;
        for (size_t k = 0; k < l.ninputs; k++)
            from = strlen(l.inputs[k]) + 10 > from ? strlen(l.inputs[k]) + 10 : from;
    }
    size_t width = name + SHAPE + PARAMS + MACS + from + 8;
    cli_print("Model: \"%s\"\n", info->name);
    rule('_', width);
    printf(" %-*s  %-*s%-*s%-*s %s\n", (int)name, "Layer (type)", SHAPE, "Output Shape", PARAMS,
           "Param #", MACS, "MACs", "Connected to");
    rule('=', width);
    for (size_t i = 0; rescl_model_get_layer_info(model, i, &l); i++) {
        char full[160], shape[96], macs[32] = "0";
        snprintf(full, sizeof full, "%s (%s)", l.name, l.type);
        printf(" %-*s  %-*s%-*zu%-*s ", (int)name, full, SHAPE, shape_text(&l, i == 0, shape),
               PARAMS, l.params, MACS, cli_si(l.macs, macs));
        /* Keras gives each further input a line of its own. */
        size_t column = name + SHAPE + PARAMS + MACS + 5;
        printf("[");
        for (size_t k = 0; k < l.ninputs; k++)
            printf("%s%*s'%s[0][0]'", k ? ",\n" : "", k ? (int)column : 0, "", l.inputs[k]);
        printf("]\n");
    }
    rule('=', width);
    print_total("Total params", info->params);
    print_total("Trainable params", info->trainable);
    print_total("Non-trainable params", info->params - info->trainable);
    char macs[32];
    printf("MACs of one %zux%zu image: %s\n", info->image_size, info->image_size,
           cli_si(info->macs, macs));
    if (m->batch)
        print_memory(m);
    rule('_', width);
}

int cmd_summary(const cli_args *args)
{
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (cli_str(args, OPT_weights))
        return cli_summary_weights(args);
    const rescl_model_options options = {
        .struct_size = sizeof options,
        .name = cli_str(args, OPT_model),
        .classes = cli_size(args, OPT_classes),
        .image_size = cli_size(args, OPT_size),
        .channels = cli_size(args, OPT_channels),
        .hidden = cli_size(args, OPT_hidden),
        .dropout = cli_real(args, OPT_dropout),
        .stochastic_depth = cli_real(args, OPT_stochastic_depth),
    };
    rescl_model *model = NULL;
    rescl_status st = rescl_model_describe(&options, &model);
    if (st == RESCL_OK)
        st = rescl_model_freeze(model, cli_str(args, OPT_freeze), false);
    if (st != RESCL_OK) {
        rescl_model_destroy(model);
        return cli_fail(st, false);
    }
    rescl_model_info info;
    rescl_model_get_info(model, &info);
    memory needed;
    int code = find_memory(args, model, &needed);
    if (code == CLI_OK && cli_bool(args, OPT_json))
        code = print_json(model, &info, &needed);
    else if (code == CLI_OK)
        print_keras(model, &info, &needed);
    rescl_model_destroy(model);
    return code;
}
