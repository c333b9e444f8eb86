#include "bench_ops.h"

#include "alloc.h"
#include "bench_rows.h"
#include "cli.h"
#include "output.h"
#include "table.h"
#include "text.h"
#include "textfile.h"
#include "timelimit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one row per problem, implementations side by side: Markdown ---- */

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_subject(const rescl_bench_row *a, const rescl_bench_row *b)
{
    return same(a->model, b->model) && same(a->precision, b->precision) && a->size == b->size &&
           a->batch == b->batch;
}

static bool same_problem(const rescl_bench_row *a, const rescl_bench_row *b)
{
    return strcmp(a->pass, b->pass) == 0 && strcmp(a->what, b->what) == 0 && same_subject(a, b);
}

static const rescl_bench_row *row_at(const cli_bench_rows *rows, size_t i)
{
    return &rows->row[i].row;
}

/* Fills `names` with the implementations in the order of their first rows; returns how many. */
static size_t list_impls(const cli_bench_rows *rows, const char **names)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], row_at(rows, i)->impl) != 0)
            k++;
        if (k == n)
            names[n++] = row_at(rows, i)->impl;
    }
    return n;
}

/* The time and the speed of one implementation; `r` is NULL if it was not timed. */
static void add_impl(cli_table *t, const cli_bench_rows *rows, const rescl_bench_row *r)
{
    const char *mark = r && r->preferred ? "*" : "";
    const bool ran = r && r->status == RESCL_OK;
    if (!r)
        cli_table_add(t, "%s", "");
    else if (!ran)
        cli_table_add(t, "%s%s", mark, cli_bench_state(r));
    else
        cli_table_add(t, "%s%.3f%s", mark, r->median_ms, r->noisy ? "~" : "");
    if (!ran)
        cli_table_add(t, "%s", "");
    else if (rows->peak > 0)
        cli_table_add(t, "%.1f (%.0f%%)", r->rate, 100 * r->rate / rows->peak);
    else
        cli_table_add(t, "%.1f", r->rate);
}

static void add_problem(cli_table *t, const cli_bench_rows *rows, size_t first, const char **names,
                        size_t impls)
{
    const rescl_bench_row *problem = row_at(rows, first);
    cli_table_add(t, "%s", problem->pass);
    cli_table_add(t, "%s", problem->what);
    cli_table_add(t, "%zu", problem->count);
    for (size_t k = 0; k < impls; k++) {
        const rescl_bench_row *r = NULL;
        for (size_t i = first; i < rows->count && !r; i++)
            if (same_problem(row_at(rows, i), problem) &&
                strcmp(row_at(rows, i)->impl, names[k]) == 0)
                r = row_at(rows, i);
        add_impl(t, rows, r);
    }
}

/* What a network would spend on each pass with the implementations it would use, or with the one
 * that was asked for. */
static void print_totals(const cli_bench_rows *rows)
{
    const bool forced = cli_str(rows->args, OPT_impl) != NULL;
    for (size_t i = 0; i < rows->count; i++) {
        const rescl_bench_row *head = row_at(rows, i);
        bool first = true, whole = true;
        double ms = 0, gflop = 0;
        for (size_t k = 0; k < rows->count && head->model; k++) {
            const rescl_bench_row *r = row_at(rows, k);
            if (strcmp(r->pass, head->pass) != 0 || strcmp(r->op, head->op) != 0 ||
                !same_subject(r, head))
                continue;
            first = first && k >= i;
            if (!r->preferred && !forced)
                continue;
            if (r->status != RESCL_OK) {
                whole = false;
            } else {
                ms += (double)r->count * r->median_ms;
                gflop += (double)r->count * r->flop * 1e-9;
            }
        }
        if (!first || ms <= 0)
            continue;
        const double rate = gflop / (ms * 1e-3);
        cli_print("%s %s size %zu batch %zu, %s, %s: %.1f ms in all, %.1f GFLOP/s", head->model,
                  head->op, head->size, head->batch, head->precision, head->pass, ms, rate);
        if (rows->peak > 0)
            cli_print(" (%.0f %% of the FMA peak)", 100 * rate / rows->peak);
        cli_print("%s\n", whole ? "" : ", without those that have no time");
    }
}

static bool any_noisy(const cli_bench_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        if (row_at(rows, i)->noisy)
            return true;
    return false;
}

static int print_markdown(const cli_bench_rows *rows)
{
    static const char *const head[] = {"pass", "problem", "count"};
    const char **names = calloc(rows->count + 1, sizeof *names);
    if (!names) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    const size_t impls = list_impls(rows, names);
    cli_table t;
    cli_table_init(&t, sizeof head / sizeof *head + 2 * impls);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        cli_table_add(&t, "%s", head[i]);
    for (size_t k = 0; k < impls; k++) {
        cli_table_add(&t, "%s ms", names[k]);
        cli_table_add(&t, "GFLOP/s");
    }
    for (size_t i = 0; i < rows->count; i++) {
        size_t k = 0;
        while (!same_problem(row_at(rows, k), row_at(rows, i)))
            k++;
        if (k == i)
            add_problem(&t, rows, i, names, impls);
    }
    const bool good = cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    free(names);
    cli_print("\n");
    cli_print("%s", rows->device->name);
    if (rows->peak > 0)
        cli_print(", FMA peak %.1f GFLOP/s", rows->peak);
    cli_print("; * is what a network uses here%s\n", any_noisy(rows) ? ", ~ is noisy" : "");
    print_totals(rows);
    cli_bench_reasons(rows);
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

static int start_rows(const cli_args *args, rescl_device *device, cli_bench_rows *rows)
{
    rescl_bench_limits peak = {0};
    if (cli_bool(args, OPT_peak)) {
        const rescl_status st = rescl_bench_peak(device, &peak);
        if (st != RESCL_OK)
            return cli_fail(st, false);
    }
    cli_bench_rows_init(rows, args, device);
    rows->peak = peak.fma_gflops;
    return CLI_OK;
}

static int finish_rows(const cli_args *args, cli_bench_rows *rows, int code)
{
    if (!rows->count && !rows->failed && !code && cli_str(args, OPT_impl)) {
        cli_error("--impl: '%s' can serve nothing that was to be timed", cli_str(args, OPT_impl));
        code = CLI_FAILURE;
    }
    return cli_bench_rows_finish(rows, code, print_markdown);
}

/* What is measured next: a network, or a product of (m, k) by (k, n). */
typedef struct subject {
    size_t index;        /* of network or product */
    const char *problem; /* NULL: it is none */
    const char *precision;
} subject;

typedef rescl_status (*measure_fn)(const cli_args *args, rescl_device *device, const subject *of,
                                   rescl_bench_options *o, cli_bench_rows *rows);

/* Measures each of `all` subjects in each precision, within the time limit. `problems` may be NULL. */
static int measure_all(const cli_args *args, rescl_device *device, size_t all, const char *nouns,
                       measure_fn measure, char *const *problems)
{
    const cli_value *types = &args->value[OPT_precisions];
    const cli_limit limit = cli_limit_begin(args);
    cli_bench_rows rows = {0};
    int code = start_rows(args, device, &rows);
    if (code)
        return code;
    size_t i = 0;
    all *= types->count;
    for (; i < all && (i == 0 || !cli_limit_passed(&limit)); i++) {
        const size_t index = i / types->count;
        const subject of = {index, problems ? problems[index] : NULL,
                            types->words[i % types->count]};
        rescl_bench_options o = cli_bench_options(args, NULL, 0, 1);
        o.train = wants_training(args);
        o.time_limit = cli_limit_left(&limit);
        o.precision = of.precision;
        const rescl_status st = measure(args, device, &of, &o, &rows);
        if (st != RESCL_OK && !cli_limit_ended(&limit, st))
            code = cli_fail(st, false);
    }
    cli_limit_tell(&limit, all - i, all, nouns);
    return finish_rows(args, &rows, code);
}

static rescl_status measure_network(const cli_args *args, rescl_device *device, const subject *of,
                                    rescl_bench_options *o, cli_bench_rows *rows)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes];
    o->model = models->words[of->index / batches->count / sizes->count];
    o->size = sizes->sizes[of->index / batches->count % sizes->count];
    o->batch = batches->sizes[of->index % batches->count];
    return rescl_bench_ops(device, o, cli_str(args, OPT_impl), cli_bench_keep, rows);
}

static rescl_status measure_problem(const cli_args *args, rescl_device *device, const subject *of,
                                    rescl_bench_options *o, cli_bench_rows *rows)
{
    return rescl_bench_problem(device, of->problem, o, cli_str(args, OPT_impl), cli_bench_keep,
                               rows);
}

static rescl_status measure_product(const cli_args *args, rescl_device *device, const subject *of,
                                    rescl_bench_options *o, cli_bench_rows *rows)
{
    const cli_value *ms = &args->value[OPT_m], *ns = &args->value[OPT_n], *ks = &args->value[OPT_k];
    const size_t m = ms->sizes[of->index / ks->count / ns->count];
    const size_t n = ns->sizes[of->index / ks->count % ns->count];
    const size_t k = ks->sizes[of->index % ks->count];
    return rescl_bench_product(device, m, n ? n : m, k ? k : m, o, cli_str(args, OPT_impl),
                               cli_bench_keep, rows);
}

/* ---- problems by their text ---- */

typedef struct problem_list {
    char **text;
    size_t count, room;
} problem_list;

static bool add_problem_text(problem_list *list, const char *text)
{
    char *copy = strdup(text);
    if (!copy || !rs_array_grow(&list->text, &list->room, list->count + 1, sizeof *list->text)) {
        free(copy);
        cli_short_of_memory();
        return false;
    }
    list->text[list->count++] = copy;
    return true;
}

/* A problem in each line; '#' begins a comment. */
static int read_problems(problem_list *list, const char *path)
{
    const char *why = NULL;
    char line[512];
    int code = CLI_OK;
    FILE *f = rs_text_open(path, RS_TEXT_WAIT, &why);
    if (!f) {
        cli_error("%s: %s", path, why ? why : strerror(errno));
        return CLI_FILE;
    }
    for (size_t n = 1; code == CLI_OK && fgets(line, sizeof line, f); n++) {
        if (strlen(line) + 1 == sizeof line && line[sizeof line - 2] != '\n' && !feof(f)) {
            cli_error("%s:%zu: more than %zu bytes, expected a problem such as dense:64x512->1000",
                      path, n, sizeof line - 2);
            code = CLI_FILE;
            break;
        }
        const char *text = line + (n == 1 ? rs_bom_bytes(line, strlen(line)) : 0);
        line[strcspn(line, "#\r\n")] = '\0';
        if (text[strspn(text, " \t")] && !add_problem_text(list, text))
            code = CLI_FAILURE;
    }
    if (code == CLI_OK && ferror(f)) {
        cli_error("%s: %s", path, strerror(errno));
        code = CLI_FILE;
    }
    fclose(f);
    return code;
}

static int list_problems(const cli_args *args, problem_list *list)
{
    int code = CLI_OK;
    for (size_t i = 1; code == CLI_OK && i < args->operands; i++) {
        const char *word = args->operand[i];
        if (strcmp(word, "@") == 0) {
            cli_usage_error("found '@' alone, expected @FILE, whose lines are problems");
            code = CLI_USAGE;
        } else if (word[0] == '@') {
            code = read_problems(list, word + 1);
        } else if (!add_problem_text(list, word)) {
            code = CLI_FAILURE;
        }
    }
    if (code == CLI_OK && !list->count) {
        cli_usage_error("the lists hold no problem");
        code = CLI_USAGE;
    }
    return code;
}

static int bench_problems(const cli_args *args, rescl_device *device)
{
    problem_list list = {0};
    int code = list_problems(args, &list);
    if (code == CLI_OK)
        code = measure_all(args, device, list.count, "problems", measure_problem, list.text);
    for (size_t i = 0; i < list.count; i++)
        free(list.text[i]);
    free(list.text);
    return code;
}

int cli_bench_ops(const cli_args *args, rescl_device *device)
{
    if (args->operands > 1)
        return bench_problems(args, device);
    const size_t all = args->value[OPT_models].count * args->value[OPT_sizes].count *
                       args->value[OPT_batch_sizes].count;
    return measure_all(args, device, all, "networks", measure_network, NULL);
}

int cli_bench_products(const cli_args *args, rescl_device *device)
{
    const size_t all =
        args->value[OPT_m].count * args->value[OPT_n].count * args->value[OPT_k].count;
    return measure_all(args, device, all, "products", measure_product, NULL);
}
