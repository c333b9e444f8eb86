#include "bench_ops.h"
#include "bench_step.h"
#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "session.h"
#include "table.h"
#include "timelimit.h"

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
    o.precision = rescl_precision_name(cli_precision(args));
    return o;
}

static json_t *row_json(const rescl_bench_options *o, const rescl_bench_model_row *row,
                        const char *device)
{
    json_t *j = json_object();
    cli_json_set(j, "model", cli_json_string(o->model));
    cli_json_set(j, "mode", json_string(o->train ? "train" : "infer"));
    cli_json_set(j, "size", json_integer((json_int_t)o->size));
    cli_json_set(j, "batch", json_integer((json_int_t)o->batch));
    cli_json_set(j, "input", json_string(o->host_input ? "host" : "device"));
    cli_json_set(j, "precision", json_string(o->precision));
    cli_json_set(j, "opt", o->train ? cli_json_string(o->opt) : json_null());
    cli_json_set(j, "device", cli_json_string(device));
    cli_json_set(j, "img_s", cli_json_real(row->img_s));
    cli_json_set(j, "median_ms", cli_json_real(row->median_ms));
    cli_json_set(j, "min_ms", cli_json_real(row->min_ms));
    cli_json_set(j, "max_ms", cli_json_real(row->max_ms));
    cli_json_set(j, "mad_ms", cli_json_real(row->mad_ms));
    cli_json_set(j, "gflops", cli_json_real(row->gflops));
    cli_json_set(j, "first_ms", cli_json_real(row->first_ms));
    cli_json_set(j, "peak_mem_mib", cli_json_real((double)row->peak_bytes * mib));
    cli_json_set(j, "repeats", json_integer((json_int_t)row->repeats));
    return j;
}

static void row_table(cli_table *t, const rescl_bench_options *o, const rescl_bench_model_row *row,
                      const char *device)
{
    cli_table_add(t, "%s", o->model);
    cli_table_add(t, "%s", o->train ? "train" : "infer");
    cli_table_add(t, "%zu", o->size);
    cli_table_add(t, "%zu", o->batch);
    cli_table_add(t, "%s", o->host_input ? "host" : "device");
    cli_table_add(t, "%s", o->precision);
    cli_table_add(t, "%s", device);
    cli_table_add(t, "%.1f", row->img_s);
    cli_table_add(t, "%.3f", row->median_ms);
    cli_table_add(t, "%.3f", row->mad_ms);
    cli_table_add(t, "%.3f", row->min_ms);
    cli_table_add(t, "%.1f", row->gflops);
    cli_table_add(t, "%.1f", (double)row->peak_bytes * mib);
    cli_table_add(t, "%.0f", row->first_ms);
    cli_table_add(t, "%zu", row->repeats);
}

/* One model at one size and batch in one mode: measured and added to the table or the list. */
static int bench_one(rescl_device *device, const rescl_bench_options *o, const char *device_name,
                     cli_table *t, json_t *list)
{
    cli_note("%s %s size %zu batch %zu, %s, input on the %s ...", o->model,
             o->train ? "train" : "infer", o->size, o->batch, o->precision,
             o->host_input ? "host" : "device");
    rescl_bench_model_row row;
    rescl_status st = rescl_bench_model(device, o, &row);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (list)
        cli_json_append(list, row_json(o, &row, device_name));
    else
        row_table(t, o, &row, device_name);
    return CLI_OK;
}

/* The product of --model, --size, --batch-size, --mode and --input. One that fails does not stop
 * the rest. */
static int bench_model(const cli_args *args, rescl_device *device)
{
    static const char *const head[] = {
        "model",     "mode",   "size",   "batch",  "input",        "precision", "device", "img_s",
        "median_ms", "mad_ms", "min_ms", "gflops", "peak_mem_mib", "first_ms",  "repeats"};
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes], *modes = &args->value[OPT_modes];
    const cli_value *inputs = &args->value[OPT_inputs];
    const char *name = rescl_device_get_info(device)->name;
    json_t *list = cli_bench_json(args) ? json_array() : NULL;
    cli_table t;
    cli_table_init(&t, sizeof head / sizeof *head);
    for (size_t i = 0; i < t.columns; i++)
        cli_table_add(&t, "%s", head[i]);
    int code = CLI_OK;
    const cli_limit limit = cli_limit_begin(args);
    size_t all = models->count * sizes->count * batches->count * modes->count * inputs->count;
    size_t i = 0;
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        size_t input = i % inputs->count, mode = i / inputs->count % modes->count;
        size_t rest = i / inputs->count / modes->count;
        size_t batch = rest % batches->count, size = rest / batches->count % sizes->count;
        const char *model = models->words[rest / batches->count / sizes->count];
        rescl_bench_options o =
            cli_bench_options(args, model, sizes->sizes[size], batches->sizes[batch]);
        o.train = strcmp(modes->words[mode], "train") == 0;
        o.time_limit = cli_limit_left(&limit);
        o.host_input = strcmp(inputs->words[input], "host") == 0;
        int failed = bench_one(device, &o, name, &t, list);
        code = failed ? failed : code;
    }
    cli_limit_tell(&limit, all - i, all, "measurements");
    int printed = CLI_OK;
    if (list)
        printed = cli_json_print(list);
    else if (t.cells > t.columns &&
             !cli_table_print(&t, cli_str(args, OPT_bench_form), cli_result()))
        printed = CLI_FAILURE;
    cli_table_fini(&t);
    return code ? code : printed;
}

static int bench_peak(const cli_args *args, rescl_device *device)
{
    const char *name = rescl_device_get_info(device)->name;
    rescl_bench_limits peak;
    rescl_status st = rescl_bench_peak(device, &peak);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (cli_bench_json(args)) {
        json_t *j = json_object();
        cli_json_set(j, "device", cli_json_string(name));
        cli_json_set(j, "fma_gflops", cli_json_real(peak.fma_gflops));
        cli_json_set(j, "read_gbs", cli_json_real(peak.read_gbs));
        cli_json_set(j, "triad_gbs", cli_json_real(peak.triad_gbs));
        return cli_json_print(j);
    }
    static const char *const head[] = {"device", "fma_gflops", "read_gbs", "triad_gbs"};
    cli_table t;
    cli_table_init(&t, sizeof head / sizeof *head);
    for (size_t i = 0; i < t.columns; i++)
        cli_table_add(&t, "%s", head[i]);
    cli_table_add(&t, "%s", name);
    cli_table_add(&t, "%.1f", peak.fma_gflops);
    cli_table_add(&t, "%.1f", peak.read_gbs);
    cli_table_add(&t, "%.1f", peak.triad_gbs);
    bool good = cli_table_print(&t, cli_str(args, OPT_bench_form), cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

bool cli_bench_json(const cli_args *args)
{
    return strcmp(cli_str(args, OPT_bench_form), "json") == 0;
}

typedef struct bench_kind {
    const char *name;
    int (*run)(const cli_args *, rescl_device *);
    unsigned device_flags;
} bench_kind;

static const bench_kind kinds[] = {
    {"model", bench_model, 0},
    {"op", cli_bench_ops, 0},
    {"product", cli_bench_products, 0},
    {"step", cli_bench_step, RESCL_DEVICE_PROFILE},
    {"peak", bench_peak, 0},
};

static const bench_kind *find_kind(const cli_args *args)
{
    for (size_t i = 0; args->operands == 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(args->operand[0], kinds[i].name) == 0)
            return &kinds[i];
    return NULL;
}

int cmd_bench(const cli_args *args)
{
    const bench_kind *kind = find_kind(args);
    if (!kind) {
        cli_usage_error("found %s%s%s, expected one of model, op, product, step, peak",
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
        code = cli_session_open(args, kind->device_flags, &session);
    if (code == CLI_OK) {
        cli_tuning_note(session.device);
        cli_result_to(out.f);
        code = kind->run(args, session.device);
        cli_result_to(stdout);
    }
    const int written = cli_outfile_close(&out, code == CLI_OK);
    cli_session_close(&session);
    return code == CLI_OK ? written : code;
}
