#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "run_folder.h"
#include "session.h"
#include "table.h"
#include "trace.h"

#include <math.h>
#include <rescl/model.h>
#include <rescl/profile.h>
#include <rescl/report.h>
#include <stdlib.h>
#include <string.h>

#define WORTH_A_WORD 1.2 /* profiled steps over others */

/* ---- forms ------------------------------------------------------------------------------- */

/* A rate over the time of a row, in 10^9 a second; NaN without it. */
static double rate(double amount, double ms)
{
    return amount > 0.0 ? amount / (ms * 1e6) : NAN;
}

static const char *bound_of(const rescl_profile_row *row)
{
    return isnan(row->of_limit) ? "" : row->memory_bound ? "memory" : "compute";
}

static void add_number(cli_table *t, const char *form, double x)
{
    if (isnan(x))
        cli_table_add(t, "%s", "");
    else
        cli_table_add(t, form, x); // NOLINT(clang-diagnostic-format-nonliteral)
}

/* Columns that rows of operations and of kernels share. */
static const char *const numbers[] = {"calls", "ms",         "share_%", "gflops",
                                      "gbs",   "of_limit_%", "bound"};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static void add_numbers(cli_table *t, const rescl_profile *p, const rescl_profile_row *row)
{
    cli_table_add(t, "%.0f", row->calls);
    cli_table_add(t, "%.3f", row->ms);
    cli_table_add(t, "%.1f", 100 * row->ms / p->step_ms);
    add_number(t, "%.1f", rate(row->flop, row->ms));
    add_number(t, "%.1f", rate(row->bytes, row->ms));
    add_number(t, "%.0f", 100 * row->of_limit);
    cli_table_add(t, "%s", bound_of(row));
}

static bool print_ops(const rescl_profile *p)
{
    cli_table t;
    cli_table_init(&t, NUMBERS + 2);
    cli_table_add(&t, "op");
    cli_table_add(&t, "pass");
    for (size_t i = 0; i < NUMBERS; i++)
        cli_table_add(&t, "%s", numbers[i]);
    for (size_t i = 0; i < p->ops; i++) {
        cli_table_add(&t, "%s", p->op[i].op);
        cli_table_add(&t, "%s", p->op[i].pass);
        add_numbers(&t, p, &p->op[i]);
    }
    const bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    return good;
}

static bool print_kernels(const rescl_profile *p, size_t top, const char *form)
{
    cli_table t;
    cli_table_init(&t, NUMBERS + 4);
    static const char *const names[] = {"layer", "op", "pass", "kernel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cli_table_add(&t, "%s", names[i]);
    for (size_t i = 0; i < NUMBERS; i++)
        cli_table_add(&t, "%s", numbers[i]);
    for (size_t i = 0; i < p->rows && (top == 0 || i < top); i++) {
        const rescl_profile_row *row = &p->row[i];
        cli_table_add(&t, "%s", row->layer);
        cli_table_add(&t, "%s", row->op);
        cli_table_add(&t, "%s", row->pass);
        cli_table_add(&t, "%s", row->kernel);
        add_numbers(&t, p, row);
    }
    const bool good = cli_table_print(&t, form, cli_result());
    cli_table_fini(&t);
    return good;
}

/* The parts that a step is the sum of. */
typedef struct part {
    const char *name, *key;
    double ms;
} part;
enum { PARTS = 6 };

static void list_parts(const rescl_profile *p, part out[PARTS])
{
    const part list[PARTS] = {{"waiting for data", "data_wait_ms", p->data_wait_ms},
                              {"until the first command began", "lead_ms", p->lead_ms},
                              {"kernels", "kernel_ms", p->kernel_ms},
                              {"transfers", "transfer_ms", p->transfer_ms},
                              {"gaps between commands", "gap_ms", p->gap_ms},
                              {"from the last command to the end", "tail_ms", p->tail_ms}};
    memcpy(out, list, sizeof list);
}

static bool print_parts(const rescl_profile *p)
{
    part parts[PARTS];
    cli_table t;
    list_parts(p, parts);
    cli_table_init(&t, 3);
    cli_table_add(&t, "part of a step");
    cli_table_add(&t, "ms");
    cli_table_add(&t, "share_%%");
    for (size_t i = 0; i < PARTS; i++) {
        cli_table_add(&t, "%s", parts[i].name);
        cli_table_add(&t, "%.3f", parts[i].ms);
        cli_table_add(&t, "%.1f", 100 * parts[i].ms / p->step_ms);
    }
    const bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    return good;
}

static int print_md(const rescl_profile *p, const char *what, const char *device, size_t top)
{
    FILE *f = cli_result();
    cli_fprint(
        f,
        "%s on %s: a step takes %.3f ms, mean of %zu, by the host's clock from its first call "
        "until the device is idle; %.3f ms while nothing is profiled\n",
        what, device, p->step_ms, p->steps, p->bare_ms);
    if (p->limits.fma_gflops > 0.0)
        fprintf(f, "limits of the device, measured: %.1f GFLOP/s, %.1f GB/s\n",
                p->limits.fma_gflops, p->limits.triad_gbs);
    fputc('\n', f);
    bool good = print_parts(p);
    if (p->upload_ms > 0.0)
        fprintf(f, "\nuploads of batches, beside the rest: %.3f ms\n", p->upload_ms);
    fputc('\n', f);
    good = good && print_ops(p);
    fputc('\n', f);
    good = good && print_kernels(p, top, "md");
    if (top > 0 && top < p->rows)
        fprintf(f, "\nthe longest %zu of %zu (--top 0: all)\n", top, p->rows);
    fputc('\n', f);
    cli_fprint(f, "%s\n", p->advice);
    return good ? CLI_OK : CLI_FAILURE;
}

static json_t *row_json(const rescl_profile *p, const rescl_profile_row *row, bool kernel)
{
    json_t *j = json_object();
    if (kernel)
        cli_json_set(j, "layer", cli_json_string(row->layer));
    cli_json_set(j, "op", cli_json_string(row->op));
    cli_json_set(j, "pass", cli_json_string(row->pass));
    if (kernel)
        cli_json_set(j, "kernel", cli_json_string(row->kernel));
    cli_json_set(j, "calls", cli_json_real(row->calls));
    cli_json_set(j, "ms", cli_json_real(row->ms));
    cli_json_set(j, "share", cli_json_real(row->ms / p->step_ms));
    cli_json_set(j, "gflops", cli_json_real(rate(row->flop, row->ms)));
    cli_json_set(j, "gbs", cli_json_real(rate(row->bytes, row->ms)));
    cli_json_set(j, "of_limit", cli_json_real(row->of_limit));
    cli_json_set(j, "bound", *bound_of(row) ? json_string(bound_of(row)) : json_null());
    return j;
}

static json_t *profile_json(const rescl_profile *p, const rescl_bench_options *o,
                            const char *device, size_t top)
{
    json_t *j = json_object(), *step = json_object(), *limits = json_object();
    json_t *ops = json_array(), *kernels = json_array();
    part parts[PARTS];
    list_parts(p, parts);
    cli_json_set(step, "steps", json_integer((json_int_t)p->steps));
    cli_json_set(step, "ms", cli_json_real(p->step_ms));
    cli_json_set(step, "unprofiled_ms", cli_json_real(p->bare_ms));
    for (size_t i = 0; i < PARTS; i++)
        cli_json_set(step, parts[i].key, cli_json_real(parts[i].ms));
    cli_json_set(step, "upload_ms", cli_json_real(p->upload_ms));
    const bool known = p->limits.fma_gflops > 0.0;
    cli_json_set(limits, "gflops", cli_json_real(known ? p->limits.fma_gflops : NAN));
    cli_json_set(limits, "gbs", cli_json_real(known ? p->limits.triad_gbs : NAN));
    for (size_t i = 0; i < p->ops; i++)
        cli_json_append(ops, row_json(p, &p->op[i], false));
    for (size_t i = 0; i < p->rows && (top == 0 || i < top); i++)
        cli_json_append(kernels, row_json(p, &p->row[i], true));
    cli_json_set(j, "model", cli_json_string(o->model));
    cli_json_set(j, "mode", json_string(o->train ? "train" : "infer"));
    cli_json_set(j, "size", json_integer((json_int_t)o->size));
    cli_json_set(j, "batch", json_integer((json_int_t)o->batch));
    cli_json_set(j, "channels", json_integer((json_int_t)(o->channels ? o->channels : 3)));
    cli_json_set(j, "precision", json_string(o->precision));
    cli_json_set(j, "device", cli_json_string(device));
    cli_json_set(j, "step", step);
    cli_json_set(j, "limits", limits);
    cli_json_set(j, "ops", ops);
    cli_json_set(j, "kernels", kernels);
    cli_json_set(j, "advice", cli_json_string(p->advice));
    return j;
}

static int print(const cli_args *args, const rescl_profile *p, const rescl_bench_options *o,
                 const char *what, const char *device)
{
    const size_t top = cli_size(args, OPT_profile_top);
    const char *form = cli_str(args, OPT_profile_form);
    if (strcmp(form, "json") == 0)
        return cli_json_print(profile_json(p, o, device, top));
    if (strcmp(form, "csv") == 0)
        return print_kernels(p, top, "csv") ? CLI_OK : CLI_FAILURE;
    return print_md(p, what, device, top);
}

/* ---- the verb ---------------------------------------------------------------------------- */

static rescl_bench_options options_of(const cli_args *args)
{
    rescl_bench_options o;
    rescl_bench_options_default(&o);
    o.model = cli_str(args, OPT_profile_model);
    o.size = cli_size(args, OPT_profile_size);
    o.batch = cli_size(args, OPT_profile_batch);
    o.classes = cli_size(args, OPT_classes);
    o.channels = cli_size(args, OPT_channels);
    o.opt = cli_str(args, OPT_bench_opt);
    o.train = strcmp(cli_str(args, OPT_profile_mode), "train") == 0;
    o.warmup = cli_size(args, OPT_warmup);
    o.repeats = cli_size(args, OPT_profile_repeats);
    o.host_input = strcmp(cli_str(args, OPT_profile_input), "host") == 0;
    o.precision = rescl_precision_name(cli_precision(args));
    return o;
}

/* Opens what --data-path names, if anything; then the network has its classes. */
static int open_data(const cli_args *args, rescl_bench_options *o, rescl_dataset **out)
{
    rescl_data_options data;
    if (!cli_str(args, OPT_profile_data))
        return CLI_OK;
    rescl_data_options_default(&data);
    cli_data_options(args, &data);
    data.path = cli_str(args, OPT_profile_data);
    data.split = "train";
    data.image_size = o->size;
    const rescl_status st = rescl_dataset_open(&data, out);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (o->classes == 0)
        o->classes = rescl_dataset_classes(*out);
    return CLI_OK;
}

/* Gives a size of 0 its meaning. */
static int choose_size(rescl_bench_options *o)
{
    const rescl_model_options about = {.struct_size = sizeof about, .name = o->model};
    rescl_model *model = NULL;
    rescl_model_info info;
    if (o->size > 0)
        return CLI_OK;
    const rescl_status st = rescl_model_describe(&about, &model);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    rescl_model_get_info(model, &info);
    o->size = info.image_size;
    rescl_model_destroy(model);
    return CLI_OK;
}

/* profile.json of the run, and its page with it. */
static int keep(const cli_args *args, const rescl_profile *p, const rescl_bench_options *o,
                const char *device)
{
    cli_outfile out = {0};
    FILE *before = cli_result();
    char *run = cli_run_of("--run", cli_str(args, OPT_profile_run));
    char *path = run ? cli_format("%s/profile.json", run) : NULL;
    int code = path ? cli_outfile_open(&out, path) : CLI_FAILURE;
    if (code == CLI_OK) {
        cli_result_to(out.f);
        code = cli_json_print(profile_json(p, o, device, 0));
        cli_result_to(before);
        const int written = cli_outfile_close(&out, code == CLI_OK);
        code = code == CLI_OK ? written : code;
    }
    if (code == CLI_OK) {
        const rescl_status st = rescl_report_write(run, NULL);
        code = st == RESCL_OK ? CLI_OK : cli_fail(st, false);
    }
    if (code == CLI_OK)
        cli_note("the time of each layer is in %s/report.html", run);
    free(path);
    free(run);
    return code;
}

static int profile(const cli_args *args, rescl_device *device, rescl_bench_options *o,
                   const rescl_dataset *data)
{
    const char *name = rescl_device_get_info(device)->name;
    const char *trace = cli_str(args, OPT_trace);
    const bool peak = cli_bool(args, OPT_peak);
    rescl_profile *p = NULL;
    rescl_bench_limits limits;
    rescl_status st = RESCL_OK;
    char what[160];
    snprintf(what, sizeof what, "%s %s size %zu batch %zu, %s", o->model,
             o->train ? "train" : "infer", o->size, o->batch, o->precision);
    if (peak) {
        cli_note("the device's limits ...");
        st = rescl_bench_peak(device, &limits);
    }
    if (st == RESCL_OK) {
        cli_note("%s ...", what);
        st = rescl_profile_create(device, o, data, cli_size(args, OPT_workers),
                                  peak ? &limits : NULL, &p);
    }
    if (st != RESCL_OK)
        return cli_fail(st, false);
    if (p->step_ms > WORTH_A_WORD * p->bare_ms)
        cli_warn("steps took %.0f %% longer while they were profiled: the machine was busy, or its "
                 "driver "
                 "takes long to measure; shares say more than times",
                 100 * (p->step_ms / p->bare_ms - 1));
    int code = print(args, p, o, what, name);
    if (code == CLI_OK && trace)
        code = cli_trace_write(p, what, name, trace);
    if (code == CLI_OK && trace)
        cli_note("the time line of %zu steps is in %s: open it in ui.perfetto.dev or "
                 "chrome://tracing",
                 p->steps, trace);
    if (code == CLI_OK && cli_str(args, OPT_profile_run))
        code = keep(args, p, o, name);
    rescl_profile_destroy(p);
    return code;
}

int cmd_profile(const cli_args *args)
{
    cli_session session = {0};
    cli_outfile out = {0};
    rescl_dataset *data = NULL;
    const char *file = NULL;
    rescl_bench_options o = options_of(args);
    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    if (!cli_outfile_name(args, OPT_bench_file, &file))
        return CLI_USAGE;
    int code = cli_outfile_check(cli_str(args, OPT_trace));
    if (code == CLI_OK)
        code = cli_outfile_open(&out, file);
    if (code == CLI_OK)
        code = choose_size(&o);
    if (code == CLI_OK)
        code = open_data(args, &o, &data);
    if (code == CLI_OK)
        code = cli_session_open(args, 0, &session);
    if (code == CLI_OK) {
        cli_tuning_note(session.device);
        cli_result_to(out.f);
        code = profile(args, session.device, &o, data);
        cli_result_to(stdout);
    }
    const int written = cli_outfile_close(&out, code == CLI_OK);
    rescl_dataset_close(data);
    cli_session_close(&session);
    return code == CLI_OK ? written : code;
}
