#include "bench_ops.h"
#include "bench_rows.h"
#include "bench_scaling.h"
#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "session.h"
#include "table.h"
#include "timelimit.h"

#include <math.h>
#include <string.h>

static const double mib = 1.0 / (1024 * 1024);

rescl_bench_options cli_bench_options(const cli_args *args, const char *model, size_t size,
                                      size_t batch)
{
    rescl_bench_options o;
    rescl_bench_options_default(&o);
    o.model = model;
    o.size = size;
    o.batch = batch;
    o.classes = cli_size(args, OPT_classes);
    o.opt = cli_str(args, OPT_bench_opt);
    o.warmup = cli_size(args, OPT_warmup);
    o.repeats = cli_size(args, OPT_repeats);
    o.min_seconds = cli_real(args, OPT_min_seconds);
    o.host_input = strcmp(args->value[OPT_inputs].words[0], "host") == 0;
    o.precision = args->value[OPT_precisions].words[0];
    o.target_accuracy = 0.01 * cli_real(args, OPT_target_accuracy);
    o.epochs = cli_size(args, OPT_bench_epochs);
    o.energy = cli_bool(args, OPT_energy);
    o.max_noise = 0.01 * cli_real(args, OPT_max_noise);
    return o;
}

static void add_noise(cli_table *t, const rescl_bench_row *row)
{
    cli_table_add(t, isnan(row->noise) ? "" : "%.1f%s", 100 * row->noise,
                  row->noisy ? " noisy" : "");
}

static void add_row(cli_table *t, const rescl_bench_row *row, const char *device)
{
    const bool ran = row->status == RESCL_OK;
    cli_table_add(t, "%s", row->model);
    cli_table_add(t, "%s", row->mode);
    cli_table_add(t, "%zu", row->size);
    cli_table_add(t, "%zu", row->batch);
    cli_table_add(t, "%s", row->input);
    cli_table_add(t, "%s", row->precision);
    cli_table_add(t, "%s", device);
    cli_table_add(t, ran ? "%.1f" : cli_bench_state(row), row->rate);
    cli_table_add(t, ran ? "%.3f" : "", row->median_ms);
    cli_table_add(t, ran ? "%.3f" : "", row->mad_ms);
    cli_table_add(t, ran ? "%.3f" : "", row->min_ms);
    add_noise(t, row);
    cli_table_add(t, ran ? "%.1f" : "", cli_bench_gflops(row));
    cli_table_add(t, ran ? "%.1f" : "", (double)row->peak_bytes * mib);
    cli_table_add(t, ran ? "%.0f" : "", row->first_ms);
    cli_table_add(t, "%zu", row->samples);
}

static int print_table(cli_table *t, const cli_bench_rows *rows)
{
    const bool good = cli_table_print(t, "md", cli_result());
    cli_table_fini(t);
    cli_bench_reasons(rows);
    return good ? CLI_OK : CLI_FAILURE;
}

static int model_table(const cli_bench_rows *rows)
{
    static const char *const head[] = {"model",     "mode",         "size",     "batch",
                                       "input",     "precision",    "device",   "img_s",
                                       "median_ms", "mad_ms",       "min_ms",   "noise_%",
                                       "gflops",    "peak_mem_mib", "first_ms", "repeats"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rows->count; i++)
        add_row(&t, &rows->row[i].row, rows->device->name);
    return print_table(&t, rows);
}

static int train_table(const cli_bench_rows *rows)
{
    static const char *const head[] = {"model",    "size",   "batch",    "precision",
                                       "device",   "epochs", "seconds",  "accuracy_%",
                                       "target_%", "img_s",  "epoch_ms", "noise_%"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *row = &rows->row[i].row;
        const bool reached = row->status == RESCL_OK;
        cli_table_add(&t, "%s", row->model);
        cli_table_add(&t, "%zu", row->size);
        cli_table_add(&t, "%zu", row->batch);
        cli_table_add(&t, "%s", row->precision);
        cli_table_add(&t, "%s", rows->device->name);
        cli_table_add(&t, reached ? "%zu" : "missed", row->epochs);
        cli_table_add(&t, reached ? "%.1f" : "", row->seconds);
        cli_table_add(&t, "%.1f", 100 * row->accuracy);
        cli_table_add(&t, "%g", 100 * (1 - row->tolerance));
        cli_table_add(&t, reached ? "%.1f" : "", row->rate);
        cli_table_add(&t, reached ? "%.1f" : "", row->median_ms);
        add_noise(&t, row);
    }
    return print_table(&t, rows);
}

/* How many times what a training consumes that was measured beside it a row of loading delivers; NaN
 * where it was not. */
static double times_training(const cli_bench_rows *rows, const rescl_bench_row *row,
                             const char *model)
{
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *t = &rows->row[i].row;
        if (strcmp(t->kind, "model") == 0 && t->status == RESCL_OK && t->size == row->size &&
            t->batch == row->batch && strcmp(t->model, model) == 0)
            return row->rate / t->rate;
    }
    return (double)NAN;
}

static void load_row(cli_table *t, const cli_bench_rows *rows, const rescl_bench_row *row,
                     const cli_value *beside)
{
    const bool ran = row->status == RESCL_OK;
    cli_table_add(t, "%s", row->what);
    cli_table_add(t, "%s", row->mode ? row->mode : "");
    cli_table_add(t, "%zu", row->size);
    cli_table_add(t, "%zu", row->batch);
    cli_table_add(t, "%zu", row->threads);
    cli_table_add(t, ran ? "%.1f" : cli_bench_state(row), row->rate);
    cli_table_add(t, ran ? "%.2f" : "", row->median_ms);
    cli_table_add(t, ran ? "%.2f" : "", row->mad_ms);
    add_noise(t, row);
    for (size_t i = 0; beside && i < beside->count; i++) {
        const double times = times_training(rows, row, beside->words[i]);
        cli_table_add(t, ran && !isnan(times) ? "%.1f" : "", times);
    }
}

/* The networks beside whose training loading is measured; NULL: none. */
static const cli_value *trained_beside(const cli_args *args)
{
    const cli_value *models = &args->value[OPT_models];
    return models->origin != ORIGIN_DEFAULT ? models : NULL;
}

static int load_table(const cli_bench_rows *rows)
{
    static const char *const head[] = {"images", "mode",      "size",   "batch",  "threads",
                                       "img_s",  "median_ms", "mad_ms", "noise_%"};
    const cli_value *beside = trained_beside(rows->args);
    const size_t columns = sizeof head / sizeof *head;
    cli_table t;
    cli_table_init(&t, columns + (beside ? beside->count : 0));
    for (size_t i = 0; i < columns; i++)
        cli_table_add(&t, "%s", head[i]);
    for (size_t i = 0; beside && i < beside->count; i++)
        cli_table_add(&t, "x_%s", beside->words[i]);
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->row[i].row.kind, "load") == 0)
            load_row(&t, rows, &rows->row[i].row, beside);
    return print_table(&t, rows);
}

/* One model at one size and batch in one mode: measured and kept. */
static int bench_one(rescl_device *device, const rescl_bench_options *o, cli_bench_rows *rows)
{
    cli_note("%s %s size %zu batch %zu, %s, input on the %s ...", o->model,
             o->train ? "train" : "infer", o->size, o->batch, o->precision,
             o->host_input ? "host" : "device");
    const rescl_status st = rescl_bench_model(device, o, cli_bench_keep, rows);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

/* The product of --model, --size, --batch-size, --precision, --mode and --input. One that fails does
 * not stop the rest. */
static int bench_model(const cli_args *args, rescl_device *device)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes], *modes = &args->value[OPT_modes];
    const cli_value *inputs = &args->value[OPT_inputs], *types = &args->value[OPT_precisions];
    cli_bench_rows rows;
    int code = CLI_OK;
    const cli_limit limit = cli_limit_begin(args);
    const size_t each = types->count * modes->count * inputs->count;
    const size_t all = models->count * sizes->count * batches->count * each;
    size_t i = 0;
    cli_bench_rows_init(&rows, args, device);
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        const size_t input = i % inputs->count, mode = i / inputs->count % modes->count;
        const size_t type = i / inputs->count / modes->count % types->count, rest = i / each;
        const size_t batch = rest % batches->count, size = rest / batches->count % sizes->count;
        const char *model = models->words[rest / batches->count / sizes->count];
        rescl_bench_options o =
            cli_bench_options(args, model, sizes->sizes[size], batches->sizes[batch]);
        o.train = strcmp(modes->words[mode], "train") == 0;
        o.time_limit = cli_limit_left(&limit);
        o.host_input = strcmp(inputs->words[input], "host") == 0;
        o.precision = types->words[type];
        const int failed = bench_one(device, &o, &rows);
        code = failed ? failed : code;
    }
    cli_limit_tell(&limit, all - i, all, "measurements");
    return cli_bench_rows_finish(&rows, code, model_table);
}

static bool is_given(const cli_args *args, cli_opt id)
{
    return args->value[id].origin != ORIGIN_DEFAULT;
}

/* Trains each model at each size, batch and precision. The usual network of other kinds would take hours. */
static int bench_train(const cli_args *args, rescl_device *device)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes], *types = &args->value[OPT_precisions];
    const size_t all = models->count * sizes->count * batches->count * types->count;
    const cli_limit limit = cli_limit_begin(args);
    cli_bench_rows rows;
    int code = CLI_OK;
    size_t i = 0;
    cli_bench_rows_init(&rows, args, device);
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        const size_t batch = i / types->count % batches->count;
        const size_t size = i / types->count / batches->count % sizes->count;
        const char *model = models->words[i / types->count / batches->count / sizes->count];
        rescl_bench_options o =
            cli_bench_options(args, model, sizes->sizes[size], batches->sizes[batch]);
        o.precision = types->words[i % types->count];
        if (!is_given(args, OPT_models))
            o.model = "resnet8";
        if (!is_given(args, OPT_sizes))
            o.size = 32;
        cli_note("%s size %zu batch %zu, %s, to %g %% ...", o.model, o.size, o.batch, o.precision,
                 100 * o.target_accuracy);
        const rescl_status st = rescl_bench_train(device, &o, cli_bench_keep, &rows);
        code = st == RESCL_OK ? code : cli_fail(st, false);
    }
    cli_limit_tell(&limit, all - i, all, "trainings");
    return cli_bench_rows_finish(&rows, code, train_table);
}

static int bench_load(const cli_args *args, rescl_device *device)
{
    const cli_value *beside = trained_beside(args);
    const cli_value *sizes = &args->value[OPT_sizes], *batches = &args->value[OPT_batch_sizes];
    const size_t all = sizes->count * batches->count;
    const cli_limit limit = cli_limit_begin(args);
    cli_bench_rows rows;
    int code = CLI_OK;
    size_t i = 0;
    cli_bench_rows_init(&rows, args, device);
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        rescl_bench_options o = cli_bench_options(args, NULL, sizes->sizes[i / batches->count],
                                                  batches->sizes[i % batches->count]);
        o.time_limit = cli_limit_left(&limit);
        o.data_path = cli_str(args, OPT_data_path);
        if (!is_given(args, OPT_sizes))
            o.size = 224;
        const rescl_status st = rescl_bench_load(device, &o, cli_bench_keep, &rows);
        if (st != RESCL_OK && !cli_limit_ended(&limit, st))
            code = cli_fail(st, false);
        for (size_t m = 0; beside && m < beside->count && !cli_limit_passed(&limit); m++) {
            o.model = beside->words[m];
            o.train = true;
            o.time_limit = cli_limit_left(&limit);
            const int failed = bench_one(device, &o, &rows);
            code = failed ? failed : code;
        }
    }
    cli_limit_tell(&limit, all - i, all, "measurements");
    return cli_bench_rows_finish(&rows, code, load_table);
}

static int bench_peak(const cli_args *args, rescl_device *device)
{
    rescl_bench_options o = cli_bench_options(args, NULL, 0, 1);
    const cli_limit limit = cli_limit_begin(args);
    cli_bench_rows rows;
    int code = CLI_OK;
    cli_bench_rows_init(&rows, args, device);
    o.time_limit = cli_limit_left(&limit);
    const rescl_status st = rescl_bench_peaks(device, &o, cli_bench_keep, &rows);
    if (st != RESCL_OK && !cli_limit_ended(&limit, st))
        code = cli_fail(st, false);
    return cli_bench_rows_finish(&rows, code, cli_bench_table);
}

bool cli_bench_json(const cli_args *args)
{
    return strcmp(cli_str(args, OPT_bench_form), "json") == 0;
}

typedef struct bench_kind {
    const char *name;
    int (*run)(const cli_args *, rescl_device *);
    unsigned device_flags;
    bool takes_more; /* operands behind its name */
} bench_kind;

static const bench_kind kinds[] = {
    {"model", bench_model, 0, false},
    {"op", cli_bench_ops, 0, true},
    {"product", cli_bench_products, 0, false},
    {"train", bench_train, 0, false},
    {"load", bench_load, 0, false},
    {"peak", bench_peak, 0, false},
    {"scaling", NULL, 0, false}, /* of all devices: cli_bench_scaling */
};

static const bench_kind *find_kind(const cli_args *args)
{
    for (size_t i = 0; args->operands && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(args->operand[0], kinds[i].name) == 0)
            return args->operands == 1 || kinds[i].takes_more ? &kinds[i] : NULL;
    return NULL;
}

int cmd_bench(const cli_args *args)
{
    const bench_kind *kind = find_kind(args);
    if (args->operands > 0 && strcmp(args->operand[0], "step") == 0) {
        cli_usage_error("where the time of a step goes is shown by 'rescl profile'");
        return CLI_USAGE;
    }
    if (!kind) {
        cli_usage_error(
            "found %s%s%s, expected one of model, op, product, train, load, peak, scaling",
            args->operands ? "'" : "nothing", args->operands ? args->operand[0] : "",
            args->operands > 1 ? "' and more"
            : args->operands   ? "'"
                               : "");
        return CLI_USAGE;
    }
    cli_session session = {0};
    cli_outfile out = {0};
    const char *file = NULL;
    if (!cli_outfile_name(args, OPT_bench_file, &file))
        return CLI_USAGE;
    int code = cli_outfile_open(&out, file);
    if (code == CLI_OK)
        code = kind->run ? cli_session_open(args, kind->device_flags, &session)
                         : cli_session_open_all(args, &session);
    if (code == CLI_OK) {
        cli_tuning_note(session.device);
        cli_result_to(out.f);
        code = kind->run ? kind->run(args, session.device) : cli_bench_scaling(args, &session);
        cli_result_to(stdout);
    }
    /* One row that went wrong does not cost the others. */
    const bool any = out.path && out.f && fflush(out.f) == 0 && out.bytes > 0;
    const int written = cli_outfile_close(&out, code == CLI_OK || any);
    cli_session_close(&session);
    return code == CLI_OK ? written : code;
}
