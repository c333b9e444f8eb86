#include "bench_rows.h"

#include "alloc.h"
#include "bench_history.h"
#include "cli.h"
#include "outfile.h"
#include "table.h"
#include "text.h"

#include <math.h>
#include <rescl/rescl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef RS_COMMIT
#define RS_COMMIT ""
#endif

static const double mib = 1.0 / (1024 * 1024);

/* ---- keeping ----------------------------------------------------------------------------- */

/* What was given on the command line or in a config file: "--repeats 20 --size 64". */
static char *given_options(const cli_args *args)
{
    char *text = rs_strf("%s", "");
    for (size_t i = 0; text && i < cli_opt_count(); i++) {
        const cli_opt_info *info = cli_opt_get((cli_opt)i);
        const cli_value *v = &args->value[i];
        if (!cli_opt_in((cli_opt)i, args->verb) || info->group == GROUP_OUTPUT ||
            info->group == GROUP_COMMAND || v->origin < ORIGIN_CONFIG)
            continue;
        const bool flag = info->type == TYPE_FLAG;
        char *longer =
            rs_strf("%s%s--%s%s%s%s", text, *text ? " " : "", flag && !v->as.flag ? "no-" : "",
                    info->name, flag ? "" : " ", flag ? "" : v->text);
        free(text);
        text = longer;
    }
    return text;
}

/* "RESCL_TUNE=off RESCL_IMPL=conv2d=direct": what may change a result. Folders of this machine do not. */
static char *given_settings(void)
{
    extern char **environ;
    char *text = rs_strf("%s", "");
    for (char **e = environ; text && *e; e++) {
        const size_t name = strcspn(*e, "=");
        if (strncmp(*e, "RESCL_", 6) != 0 || (name > 4 && strncmp(*e + name - 4, "_DIR", 4) == 0))
            continue;
        char *longer = rs_strf("%s%s%s", text, *text ? " " : "", *e);
        free(text);
        text = longer;
    }
    return text;
}

void cli_bench_rows_init(cli_bench_rows *rows, const cli_args *args, rescl_device *device)
{
    rescl_tuning_info tuning;
    *rows = (cli_bench_rows){.args = args,
                             .device = rescl_device_get_info(device),
                             .options = given_options(args),
                             .settings = given_settings()};
    rescl_device_get_tuning(device, &tuning);
    if (tuning.problems)
        snprintf(rows->tuning, sizeof rows->tuning, "%s", tuning.source);
    rows->failed = !rows->options || !rows->settings;
}

static void fini_row(cli_bench_row *r)
{
    for (size_t i = 0; i < CLI_BENCH_TEXTS; i++)
        free(r->text[i]);
    free(r->samples);
    *r = (cli_bench_row){0};
}

static bool copy_texts(cli_bench_row *to)
{
    rescl_bench_row *row = &to->row;
    const char **const texts[CLI_BENCH_TEXTS] = {
        &row->kind,      &row->what,    &row->precision, &row->mode,       &row->input,
        &row->opt,       &row->model,   &row->op,        &row->pass,       &row->impl,
        &row->rate_unit, &row->checked, &row->reason,    &row->noise_cure, &row->energy_by};
    bool good = true;
    for (size_t i = 0; i < CLI_BENCH_TEXTS; i++) {
        to->text[i] = *texts[i] ? strdup(*texts[i]) : NULL;
        good = good && (to->text[i] || !*texts[i]);
        *texts[i] = to->text[i];
    }
    return good;
}

static bool copy_samples(cli_bench_row *to)
{
    const size_t n = to->row.samples;
    if (!n)
        return true;
    to->samples = malloc(n * sizeof *to->samples);
    if (!to->samples)
        return false;
    memcpy(to->samples, to->row.samples_ms, n * sizeof *to->samples);
    to->row.samples_ms = to->samples;
    return true;
}

static bool copy_row(const rescl_bench_row *row, cli_bench_row *out)
{
    const time_t now = time(NULL);
    struct tm utc;

    *out = (cli_bench_row){.row = *row};
    if (gmtime_r(&now, &utc))
        strftime(out->when, sizeof out->when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    const bool texts = copy_texts(out);
    if (texts && copy_samples(out))
        return true;
    fini_row(out);
    return false;
}

const char *cli_bench_state(const rescl_bench_row *row)
{
    switch (row->status) {
    case RESCL_OK:
        return "ok";
    case RESCL_ERR_NUMERIC:
        return "wrong";
    case RESCL_ERR_INTERRUPTED:
        return "skipped";
    case RESCL_ERR_UNSUPPORTED:
        return "refused";
    case RESCL_ERR_NOT_FOUND:
        return "missed";
    default:
        return "failed";
    }
}

double cli_bench_gflops(const rescl_bench_row *row)
{
    return row->flop > 0 ? row->flop / (row->median_ms * 1e6) : NAN;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* By what a row is noisy; NaN where nothing is known. */
static double noise_of(const rescl_bench_row *row)
{
    return fmax(row->noise, row->others);
}

static void note_row(const rescl_bench_row *row)
{
    char noise[48] = "", energy[48] = "", threads[64] = "";
    if (row->threads)
        cli_count(row->threads, "thread", threads);
    if (row->noisy)
        snprintf(noise, sizeof noise, ", noisy: %.0f %%", 100 * noise_of(row));
    if (!isnan(row->energy_j))
        snprintf(energy, sizeof energy, ", %.3g J", row->energy_j);
    cli_note("%s%s%s%s%s%s%s%s%s: %.3f ms, %.1f %s%s%s", row->what, row->mode ? " " : "",
             or_empty(row->mode), row->pass ? " " : "", or_empty(row->pass), row->impl ? " " : "",
             or_empty(row->impl), *threads ? " " : "", threads, row->median_ms, row->rate,
             or_empty(row->rate_unit), energy, noise);
}

/* ---- fields ------------------------------------------------------------------------------ */

/* Who is given the fields of a row, in order. */
typedef struct sink {
    json_t *json;     /* to set them in, or NULL */
    cli_table *table; /* to add them to, or NULL */
    bool heads;       /* their names, not their values */
} sink;

static void put_text(sink *s, const char *name, const char *text)
{
    if (s->json)
        cli_json_set(s->json, name, text ? cli_json_string(text) : json_null());
    else
        cli_table_add(s->table, "%s", s->heads ? name : or_empty(text));
}

static void put_real(sink *s, const char *name, double x)
{
    char text[32] = "";
    if (s->json) {
        cli_json_set(s->json, name, cli_json_real(x));
        return;
    }
    if (isfinite(x))
        rs_format_f64(x, text);
    cli_table_add(s->table, "%s", s->heads ? name : text);
}

/* 0 is "none" where `some` is false. */
static void put_count(sink *s, const char *name, uint64_t n, bool some)
{
    char text[24] = "";
    if (s->json) {
        cli_json_set(s->json, name, some ? json_integer((json_int_t)n) : json_null());
        return;
    }
    if (some)
        snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    cli_table_add(s->table, "%s", s->heads ? name : text);
}

static void put_bool(sink *s, const char *name, bool is, bool some)
{
    if (s->json)
        cli_json_set(s->json, name, some ? json_boolean(is) : json_null());
    else
        cli_table_add(s->table, "%s", s->heads ? name : !some ? "" : is ? "1" : "0");
}

/* JSON: an array; CSV: numbers with ';' between them. */
static void put_samples(sink *s, const char *name, const double *x, size_t n)
{
    if (!s->table) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            cli_json_append(list, cli_json_real(x[i]));
        cli_json_set(s->json, name, list);
        return;
    }
    char *text = malloc(n * (RS_F64_CHARS + 1) + 1), *end = text;
    for (size_t i = 0; text && i < n; i++) {
        char number[RS_F64_CHARS];
        rs_format_f64(x[i], number);
        end += sprintf(end, "%s%s", i ? ";" : "", number);
    }
    if (text)
        *end = '\0';
    else
        s->table->failed = true;
    cli_table_add(s->table, "%s", s->heads ? name : or_empty(text));
    free(text);
}

static void put_what(sink *s, const rescl_bench_row *row)
{
    put_count(s, "schema", RESCL_BENCH_SCHEMA, true);
    put_text(s, "kind", row->kind);
    put_text(s, "what", row->what);
    put_text(s, "model", row->model);
    put_text(s, "op", row->op);
    put_text(s, "pass", row->pass);
    put_text(s, "impl", row->impl);
    put_bool(s, "preferred", row->preferred, row->impl != NULL);
    put_count(s, "count", row->count, row->count > 0);
    put_text(s, "mode", row->mode);
    put_text(s, "precision", row->precision);
    put_count(s, "size", row->size, row->size > 0);
    put_count(s, "batch", row->batch, row->batch > 0);
    put_text(s, "input", row->input);
    put_text(s, "opt", row->opt);
    put_count(s, "threads", row->threads, row->threads > 0);
    put_count(s, "images", row->images, row->images > 0);
}

static void put_times(sink *s, const cli_bench_rows *rows, const rescl_bench_row *row)
{
    const double gflops = cli_bench_gflops(row);
    put_text(s, "status", cli_bench_state(row));
    put_text(s, "reason", row->status != RESCL_OK ? row->reason : NULL);
    put_real(s, "rate", row->rate);
    put_text(s, "rate_unit", row->rate_unit);
    put_real(s, "median_ms", row->median_ms);
    put_real(s, "min_ms", row->min_ms);
    put_real(s, "max_ms", row->max_ms);
    put_real(s, "mad_ms", row->mad_ms);
    put_count(s, "repeats", row->samples, true);
    put_real(s, "flop", row->flop > 0 ? row->flop : NAN);
    put_real(s, "bytes", row->bytes > 0 ? row->bytes : NAN);
    put_real(s, "gflops", gflops);
    put_real(s, "peak_share", rows->peak > 0 ? gflops / rows->peak : NAN);
    put_real(s, "first_ms", row->first_ms);
    put_real(s, "peak_mem_mib", row->peak_bytes ? (double)row->peak_bytes * mib : NAN);
    put_count(s, "epochs", row->epochs, row->epochs > 0);
    put_real(s, "seconds", row->seconds);
    put_real(s, "accuracy", row->accuracy);
    put_text(s, "checked", row->checked);
    put_real(s, "error", row->error);
    put_real(s, "tolerance", row->tolerance);
    put_real(s, "noise", row->noise);
    put_bool(s, "noisy", row->noisy, row->samples > 0);
    put_text(s, "noise_cure", row->noisy ? row->noise_cure : NULL);
    put_count(s, "attempts", row->attempts, row->attempts > 0);
    put_real(s, "energy_j", row->energy_j);
    put_text(s, "energy_by", row->energy_by);
}

static void put_machine(sink *s, const cli_bench_rows *rows, const cli_bench_row *r)
{
    const rescl_device_info *d = rows->device;
    char host[256] = "";
    put_text(s, "time", r->when);
    put_text(s, "version", rescl_version());
    put_text(s, "commit", *RS_COMMIT ? RS_COMMIT : NULL);
    put_text(s, "options", rows->options);
    put_text(s, "settings", rows->settings);
    put_text(s, "tuning", *rows->tuning ? rows->tuning : NULL);
    put_text(s, "device", d->name);
    put_text(s, "driver", d->driver);
    put_text(s, "platform", d->platform_name);
    put_text(s, "opencl", d->platform_version);
    put_count(s, "compute_units", d->compute_units, true);
    put_count(s, "device_clock_mhz", d->clock_mhz, d->clock_mhz > 0);
    put_real(s, "clock_mhz", r->row.clock_mhz);
    put_real(s, "load_before", r->row.load_before);
    put_real(s, "load_after", r->row.load_after);
    put_real(s, "others", r->row.others);
    if (cli_bool(rows->args, OPT_host) && gethostname(host, sizeof host - 1) == 0)
        put_text(s, "host", host);
}

static void put_row(sink *s, const cli_bench_rows *rows, const cli_bench_row *r)
{
    put_what(s, &r->row);
    put_times(s, rows, &r->row);
    put_samples(s, "samples_ms", r->row.samples_ms, r->row.samples);
    put_machine(s, rows, r);
}

static json_t *row_json(const cli_bench_rows *rows, const cli_bench_row *r)
{
    sink s = {.json = json_object()};
    put_row(&s, rows, r);
    return s.json;
}

static int print_json(const cli_bench_rows *rows)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows->count; i++)
        cli_json_append(list, row_json(rows, &rows->row[i]));
    return cli_json_print(list);
}

static int print_csv(const cli_bench_rows *rows)
{
    const cli_bench_row none = {0};
    cli_table t;
    sink s = {.table = &t, .heads = true};

    cli_table_init(&t, 0);
    put_row(&s, rows, &none);
    t.columns = t.cells;
    s.heads = false;
    for (size_t i = 0; i < rows->count; i++)
        put_row(&s, rows, &rows->row[i]);
    const bool good = cli_table_print(&t, "csv", cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static bool is_form(const cli_bench_rows *rows, const char *form)
{
    return strcmp(cli_str(rows->args, OPT_bench_form), form) == 0;
}

/* What a device computes wrong is its fault; what it cannot do is no failure of anything. */
static void tell_failure(cli_bench_rows *rows, const rescl_bench_row *row)
{
    if (row->status == RESCL_ERR_INTERRUPTED || row->status == RESCL_ERR_UNSUPPORTED) {
        cli_note("%s: %s: %s", row->what, cli_bench_state(row), row->reason);
        return;
    }
    if (row->status == RESCL_ERR_NOT_FOUND) {
        cli_error("%s: %s", row->what, row->reason);
        rows->code = CLI_FAILURE;
        return;
    }
    const int code = cli_fail(row->status, false);
    rows->code = row->status == RESCL_ERR_NUMERIC ? CLI_DEVICE : code;
}

void cli_bench_keep(const rescl_bench_row *row, void *user)
{
    cli_bench_rows *rows = user;
    cli_bench_row kept;

    if (row->status == RESCL_OK)
        note_row(row);
    else
        tell_failure(rows, row);
    if (!rs_array_grow(&rows->row, &rows->room, rows->count + 1, sizeof *rows->row) ||
        !copy_row(row, &kept)) {
        rows->failed = true;
        return;
    }
    rows->row[rows->count++] = kept;
    if (is_form(rows, "jsonl") && cli_json_write_line(row_json(rows, &kept), cli_result()))
        rows->failed = true;
}

/* ---- printing ---------------------------------------------------------------------------- */

void cli_bench_reasons(const cli_bench_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *row = &rows->row[i].row;
        if (row->status != RESCL_OK)
            cli_print("%s: %s\n", cli_bench_state(row), row->reason);
    }
}

int cli_bench_table(const cli_bench_rows *rows)
{
    static const char *const head[] = {"what",   "precision", "rate",  "unit",   "median_ms",
                                       "mad_ms", "min_ms",    "noise", "checked"};
    cli_table t;
    cli_table_start(&t, head, sizeof head / sizeof *head);
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *row = &rows->row[i].row;
        const bool ran = row->status == RESCL_OK;
        cli_table_add(&t, "%s", row->what);
        cli_table_add(&t, "%s", or_empty(row->precision));
        cli_table_add(&t, ran ? "%.4g" : "", row->rate);
        cli_table_add(&t, "%s", ran ? or_empty(row->rate_unit) : cli_bench_state(row));
        cli_table_add(&t, ran ? "%.4g" : "", row->median_ms);
        cli_table_add(&t, ran ? "%.3g" : "", row->mad_ms);
        cli_table_add(&t, ran ? "%.4g" : "", row->min_ms);
        cli_table_add(&t, ran && !isnan(row->noise) ? "%.1f%%%s" : "", 100 * row->noise,
                      row->noisy ? " noisy" : "");
        cli_table_add(&t, "%s", or_empty(row->checked));
    }
    const bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    cli_print("\n");
    cli_print("%s\n", rows->device->name);
    cli_bench_reasons(rows);
    return good ? CLI_OK : CLI_FAILURE;
}

/* One warning for all noisy rows: how many, and what the worst of them takes. */
static void tell_noise(const cli_bench_rows *rows)
{
    const rescl_bench_row *worst = NULL;
    size_t noisy = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *row = &rows->row[i].row;
        if (!row->noisy)
            continue;
        noisy++;
        if (!worst || noise_of(row) > noise_of(worst))
            worst = row;
    }
    if (worst)
        cli_warn("%zu of %zu rows are noisy: another run may differ by more than %g %% (%s: "
                 "%.0f %%); %s",
                 noisy, rows->count, cli_real(rows->args, OPT_max_noise), worst->what,
                 100 * noise_of(worst), worst->noise_cure);
}

/* Into a file of this device's history. Exit code. */
static int keep_history(const cli_bench_rows *rows)
{
    char *path = cli_history_file(rows->device);
    cli_outfile out = {0};
    int code = path ? cli_outfile_open(&out, path) : CLI_FILE;
    for (size_t i = 0; i < rows->count && code == CLI_OK; i++)
        code = cli_json_write_line(row_json(rows, &rows->row[i]), out.f);
    const int written = cli_outfile_close(&out, code == CLI_OK);
    if (code == CLI_OK && written == CLI_OK)
        cli_note("history %s", path);
    free(path);
    return code ? code : written;
}

/* Where energy was asked for, by what it was told, or once why it was not. */
static void tell_energy(const cli_bench_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *row = &rows->row[i].row;
        if (row->energy_by && isnan(row->energy_j)) {
            cli_warn("--energy: %s", row->energy_by);
            return;
        }
    }
}

int cli_bench_rows_finish(cli_bench_rows *rows, int code, int (*table)(const cli_bench_rows *))
{
    int printed = CLI_OK;
    if (rows->failed) {
        cli_short_of_memory();
        printed = CLI_FAILURE;
    } else if (is_form(rows, "json") && (rows->count || !code)) {
        printed = print_json(rows);
    } else if (rows->count && is_form(rows, "csv")) {
        printed = print_csv(rows);
    } else if (rows->count && is_form(rows, "md")) {
        printed = table(rows);
    }
    if (!rows->failed && rows->count && cli_bool(rows->args, OPT_history)) {
        const int kept = keep_history(rows);
        printed = printed ? printed : kept;
    }
    tell_noise(rows);
    tell_energy(rows);
    code = code ? code : rows->code;
    for (size_t i = 0; i < rows->count; i++)
        fini_row(&rows->row[i]);
    free(rows->row);
    free(rows->options);
    free(rows->settings);
    rows->row = NULL;
    rows->count = 0;
    return code ? code : printed;
}
