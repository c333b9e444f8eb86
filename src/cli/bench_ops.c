#include "bench_ops.h"

#include "alloc.h"
#include "cli.h"
#include "output.h"
#include "table.h"
#include "timelimit.h"

#include <stdlib.h>
#include <string.h>

/* What is measured: a model, or a product. */
typedef struct subject {
    const char *model; /* borrowed from the options; NULL: a product of (m, k) by (k, n) */
    size_t size, batch;
    size_t m, n, k;
} subject;

/* A row with its own strings and the measurement that it belongs to. */
typedef struct op_row {
    rescl_bench_op_row row;
    char op[32], pass[32], impl[32];
    char *reason; /* NULL: none */
    subject of;
} op_row;

typedef struct op_rows {
    op_row *row;
    size_t count, room;
    bool failed; /* memory was short */
    int code;    /* of the last implementation that failed, or CLI_OK */
    subject of;  /* of the rows that come next; all are models, or all are products */
    double peak; /* GFLOP/s, 0 if not measured */
    bool forced; /* one implementation was asked for */
    const char *device;
} op_rows;

/* What a device computes wrong is its fault. */
static int fail_row(rescl_status status)
{
    const int code = cli_fail(status, false);
    return status == RESCL_ERR_NUMERIC ? CLI_DEVICE : code;
}

/* "ok", or why there are no times. */
static const char *state_of(const op_row *r)
{
    return r->row.status == RESCL_OK                ? "ok"
           : r->row.status == RESCL_ERR_NUMERIC     ? "wrong"
           : r->row.status == RESCL_ERR_INTERRUPTED ? "skipped"
                                                    : "failed";
}

static void keep_row(const rescl_bench_op_row *row, void *user)
{
    op_rows *rows = user;
    if (!rs_array_grow(&rows->row, &rows->room, rows->count + 1, sizeof *rows->row)) {
        rows->failed = true;
        return;
    }
    op_row *kept = &rows->row[rows->count++];
    *kept = (op_row){.row = *row, .of = rows->of};
    snprintf(kept->op, sizeof kept->op, "%s", row->op);
    snprintf(kept->pass, sizeof kept->pass, "%s", row->pass);
    snprintf(kept->impl, sizeof kept->impl, "%s", row->impl);
    kept->row.op = kept->row.pass = kept->row.impl = kept->row.reason = NULL; /* use the copies */
    if (row->status != RESCL_OK && !(kept->reason = strdup(row->reason)))
        rows->failed = true;
    if (row->status == RESCL_ERR_INTERRUPTED)
        cli_note("%s", row->reason);
    else if (row->status != RESCL_OK)
        rows->code = fail_row(row->status);
    else
        cli_note("%s %s %s %s: %.3f ms %.1f GFLOP/s", kept->op, kept->pass, row->shape, kept->impl,
                 row->median_ms, row->gflops);
}

/* ---- one row per implementation: JSON and CSV ---- */

static json_t *row_json(const op_rows *rows, const op_row *r)
{
    json_t *j = json_object();
    if (r->of.model) {
        cli_json_set(j, "model", cli_json_string(r->of.model));
        cli_json_set(j, "size", json_integer((json_int_t)r->of.size));
        cli_json_set(j, "batch", json_integer((json_int_t)r->of.batch));
    } else {
        cli_json_set(j, "m", json_integer((json_int_t)r->of.m));
        cli_json_set(j, "n", json_integer((json_int_t)r->of.n));
        cli_json_set(j, "k", json_integer((json_int_t)r->of.k));
    }
    cli_json_set(j, "device", cli_json_string(rows->device));
    cli_json_set(j, "op", cli_json_string(r->op));
    cli_json_set(j, "pass", cli_json_string(r->pass));
    cli_json_set(j, "shape", cli_json_string(r->row.shape));
    cli_json_set(j, "count", json_integer((json_int_t)r->row.count));
    cli_json_set(j, "impl", cli_json_string(r->impl));
    cli_json_set(j, "preferred", json_boolean(r->row.preferred));
    cli_json_set(j, "median_ms", cli_json_real(r->row.median_ms));
    cli_json_set(j, "min_ms", cli_json_real(r->row.min_ms));
    cli_json_set(j, "gflops", cli_json_real(r->row.gflops));
    cli_json_set(j, "peak_share",
                 rows->peak > 0 ? cli_json_real(r->row.gflops / rows->peak) : json_null());
    cli_json_set(j, "error", cli_json_real(r->row.error));
    cli_json_set(j, "status", json_string(state_of(r)));
    cli_json_set(j, "reason", r->reason ? cli_json_string(r->reason) : json_null());
    return j;
}

static int print_json(const op_rows *rows)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rows->count; i++)
        cli_json_append(list, row_json(rows, &rows->row[i]));
    return cli_json_print(list);
}

static void add_words(cli_table *t, const char *const *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cli_table_add(t, "%s", word[i]);
}

static int print_csv(const op_rows *rows)
{
    static const char *const model[] = {"model", "size", "batch"};
    static const char *const product[] = {"m", "n", "k"};
    static const char *const rest[] = {"device",     "op",        "pass",      "shape",  "count",
                                       "impl",       "preferred", "median_ms", "min_ms", "gflops",
                                       "peak_share", "error",     "status",    "reason"};
    cli_table t;
    cli_table_init(&t, 3 + sizeof rest / sizeof *rest);
    add_words(&t, rows->of.model ? model : product, 3);
    add_words(&t, rest, sizeof rest / sizeof *rest);
    for (size_t i = 0; i < rows->count; i++) {
        const op_row *r = &rows->row[i];
        if (r->of.model)
            cli_table_add(&t, "%s", r->of.model);
        else
            cli_table_add(&t, "%zu", r->of.m);
        cli_table_add(&t, "%zu", r->of.model ? r->of.size : r->of.n);
        cli_table_add(&t, "%zu", r->of.model ? r->of.batch : r->of.k);
        cli_table_add(&t, "%s", rows->device);
        cli_table_add(&t, "%s", r->op);
        cli_table_add(&t, "%s", r->pass);
        cli_table_add(&t, "%s", r->row.shape);
        cli_table_add(&t, "%zu", r->row.count);
        cli_table_add(&t, "%s", r->impl);
        cli_table_add(&t, "%d", r->row.preferred);
        const bool ran = r->row.status == RESCL_OK; /* else there are no numbers */
        cli_table_add(&t, ran ? "%.6g" : "", r->row.median_ms);
        cli_table_add(&t, ran ? "%.6g" : "", r->row.min_ms);
        cli_table_add(&t, ran ? "%.6g" : "", r->row.gflops);
        cli_table_add(&t, ran && rows->peak > 0 ? "%.4f" : "", r->row.gflops / rows->peak);
        cli_table_add(&t, ran ? "%.3g" : "", r->row.error);
        cli_table_add(&t, "%s", state_of(r));
        cli_table_add(&t, "%s", r->reason ? r->reason : "");
    }
    bool good = cli_table_print(&t, "csv", cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

/* ---- one row per problem, implementations side by side: Markdown ---- */

static bool same_subject(const subject *a, const subject *b)
{
    if (!a->model)
        return a->m == b->m && a->n == b->n && a->k == b->k;
    return strcmp(a->model, b->model) == 0 && a->size == b->size && a->batch == b->batch;
}

static bool same_problem(const op_row *a, const op_row *b)
{
    return strcmp(a->op, b->op) == 0 && strcmp(a->pass, b->pass) == 0 &&
           strcmp(a->row.shape, b->row.shape) == 0 && same_subject(&a->of, &b->of);
}

/* Fills `names` with the implementations in the order of their first rows; returns how many. */
static size_t list_impls(const op_rows *rows, const char **names)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], rows->row[i].impl) != 0)
            k++;
        if (k == n)
            names[n++] = rows->row[i].impl;
    }
    return n;
}

static void add_problem(cli_table *t, const op_rows *rows, size_t first, const char **names,
                        size_t impls)
{
    const op_row *problem = &rows->row[first];
    if (problem->of.model) {
        cli_table_add(t, "%s", problem->op);
        cli_table_add(t, "%s", problem->pass);
        cli_table_add(t, "%s", problem->row.shape);
        cli_table_add(t, "%zu", problem->row.count);
    } else {
        cli_table_add(t, "%s", problem->pass);
        cli_table_add(t, "%zu", problem->of.m);
        cli_table_add(t, "%zu", problem->of.n);
        cli_table_add(t, "%zu", problem->of.k);
    }
    for (size_t k = 0; k < impls; k++) {
        const op_row *r = NULL;
        for (size_t i = first; i < rows->count && !r; i++) {
            if (same_problem(&rows->row[i], problem) && strcmp(rows->row[i].impl, names[k]) == 0)
                r = &rows->row[i];
        }
        const char *mark = r && r->row.preferred ? "*" : "";
        const bool ran = r && r->row.status == RESCL_OK;
        if (!r)
            cli_table_add(t, "%s", "");
        else if (!ran)
            cli_table_add(t, "%s%s", mark, state_of(r));
        else
            cli_table_add(t, "%s%.3f", mark, r->row.median_ms);
        if (!ran)
            cli_table_add(t, "%s", "");
        else if (rows->peak > 0)
            cli_table_add(t, "%.1f (%.0f%%)", r->row.gflops, 100 * r->row.gflops / rows->peak);
        else
            cli_table_add(t, "%.1f", r->row.gflops);
    }
}

/* What a network would spend on each pass with the implementations it would use, or with the one
 * that was asked for. */
static void print_totals(const op_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const op_row *head = &rows->row[i];
        bool first = true, whole = true;
        double ms = 0, gflop = 0;
        for (size_t k = 0; k < rows->count; k++) {
            const op_row *r = &rows->row[k];
            if (strcmp(r->pass, head->pass) != 0 || strcmp(r->op, head->op) != 0 ||
                !same_subject(&r->of, &head->of))
                continue;
            first = first && k >= i;
            if (!r->row.preferred && !rows->forced)
                continue;
            if (r->row.status != RESCL_OK) {
                whole = false;
            } else {
                ms += (double)r->row.count * r->row.median_ms;
                gflop += (double)r->row.count * r->row.median_ms * r->row.gflops;
            }
        }
        if (!first || ms <= 0)
            continue;
        cli_print("%s %s size %zu batch %zu, %s: %.1f ms in all, %.1f GFLOP/s", head->of.model,
                  head->op, head->of.size, head->of.batch, head->pass, ms, gflop / ms);
        if (rows->peak > 0)
            cli_print(" (%.0f %% of the FMA peak)", 100 * gflop / ms / rows->peak);
        cli_print("%s\n", whole ? "" : ", without those that have no time");
    }
}

static void print_reasons(const op_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->row[i].reason)
            cli_print("%s: %s\n", state_of(&rows->row[i]), rows->row[i].reason);
}

static int print_markdown(const op_rows *rows)
{
    const char **names = calloc(rows->count + 1, sizeof *names);
    if (!names) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    size_t impls = list_impls(rows, names);
    static const char *const model[] = {"op", "pass", "shape", "count"};
    static const char *const product[] = {"pass", "m", "n", "k"};
    cli_table t;
    cli_table_init(&t, 4 + 2 * impls);
    add_words(&t, rows->of.model ? model : product, 4);
    for (size_t k = 0; k < impls; k++) {
        cli_table_add(&t, "%s ms", names[k]);
        cli_table_add(&t, "GFLOP/s");
    }
    for (size_t i = 0; i < rows->count; i++) {
        size_t k = 0;
        while (!same_problem(&rows->row[k], &rows->row[i]))
            k++;
        if (k == i)
            add_problem(&t, rows, i, names, impls);
    }
    bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    free(names);
    cli_print("\n");
    cli_print("%s", rows->device);
    if (rows->peak > 0)
        cli_print(", FMA peak %.1f GFLOP/s", rows->peak);
    cli_print("; * is what a network uses here\n");
    if (rows->of.model)
        print_totals(rows);
    print_reasons(rows);
    return good ? CLI_OK : CLI_FAILURE;
}

/* ---- measuring ---- */

/* The backward passes are timed where a training step is among the modes. */
static bool wants_training(const cli_args *args)
{
    const cli_value *modes = &args->value[OPT_modes];
    bool training = false;
    for (size_t i = 0; i < modes->count; i++)
        training = training || strcmp(modes->words[i], "train") == 0;
    return training;
}

static int start_rows(const cli_args *args, rescl_device *device, op_rows *rows)
{
    *rows = (op_rows){.device = rescl_device_get_info(device)->name,
                      .forced = cli_str(args, OPT_impl) != NULL};
    rescl_bench_limits peak;
    if (!cli_bool(args, OPT_peak))
        return CLI_OK;
    rescl_status st = rescl_bench_peak(device, &peak);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    rows->peak = peak.fma_gflops;
    return CLI_OK;
}

/* Prints and frees the rows. `code`, or that of a failure to print. */
static int finish_rows(const cli_args *args, op_rows *rows, int code)
{
    int printed = CLI_OK;
    if (rows->failed) {
        cli_short_of_memory();
        printed = CLI_FAILURE;
    } else if (!rows->count && !code && rows->forced) {
        cli_error("--impl: '%s' can serve nothing that was to be timed", cli_str(args, OPT_impl));
        printed = CLI_FAILURE;
    } else if (cli_bench_json(args)) {
        printed = print_json(rows);
    } else if (rows->count) {
        printed = strcmp(cli_str(args, OPT_bench_form), "csv") == 0 ? print_csv(rows)
                                                                    : print_markdown(rows);
    }
    for (size_t i = 0; i < rows->count; i++)
        free(rows->row[i].reason);
    free(rows->row);
    code = code ? code : rows->code;
    return code ? code : printed;
}

int cli_bench_ops(const cli_args *args, rescl_device *device)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes];
    const cli_limit limit = cli_limit_begin(args);
    op_rows rows;
    int code = start_rows(args, device, &rows);
    if (code)
        return code;
    size_t all = models->count * sizes->count * batches->count, i = 0;
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        subject of = {.model = models->words[i / batches->count / sizes->count],
                      .size = sizes->sizes[i / batches->count % sizes->count],
                      .batch = batches->sizes[i % batches->count]};
        rescl_bench_options o = cli_bench_options(args, of.model, of.size, of.batch);
        o.train = wants_training(args);
        o.time_limit = cli_limit_left(&limit);
        rows.of = of;
        rescl_status st = rescl_bench_ops(device, &o, cli_str(args, OPT_impl), keep_row, &rows);
        if (st != RESCL_OK && !cli_limit_ended(&limit, st))
            code = cli_fail(st, false);
    }
    cli_limit_tell(&limit, all - i, all, "networks");
    return finish_rows(args, &rows, code);
}

int cli_bench_products(const cli_args *args, rescl_device *device)
{
    const cli_value *ms = &args->value[OPT_m], *ns = &args->value[OPT_n], *ks = &args->value[OPT_k];
    rescl_bench_options o = cli_bench_options(args, NULL, 0, 1);
    o.train = wants_training(args);
    const cli_limit limit = cli_limit_begin(args);
    op_rows rows;
    int code = start_rows(args, device, &rows);
    if (code)
        return code;
    size_t all = ms->count * ns->count * ks->count, i = 0;
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        size_t m = ms->sizes[i / ks->count / ns->count];
        size_t n = ns->sizes[i / ks->count % ns->count], k = ks->sizes[i % ks->count];
        rows.of = (subject){.m = m, .n = n ? n : m, .k = k ? k : m};
        o.time_limit = cli_limit_left(&limit);
        rescl_status st = rescl_bench_product(device, m, rows.of.n, rows.of.k, &o,
                                              cli_str(args, OPT_impl), keep_row, &rows);
        if (st != RESCL_OK && !cli_limit_ended(&limit, st))
            code = cli_fail(st, false);
    }
    cli_limit_tell(&limit, all - i, all, "products");
    return finish_rows(args, &rows, code);
}
