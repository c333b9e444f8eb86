/* rescl compare A.json B.json...: which measurements became slower. */
#include "alloc.h"
#include "bench_history.h"
#include "cli.h"
#include "comparison.h"
#include "output.h"
#include "table.h"
#include "text.h"
#include "train_data.h"

#include <math.h>
#include <rescl/status.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing --------------------------------------------------------------------------- */

/* "5%" or "5" as 0.05. */
static bool parse_percent(const cli_args *args, cli_opt id, double *out)
{
    char text[64];
    double x = 0.0;
    const char *given = cli_str(args, id) ? cli_str(args, id) : "";
    snprintf(text, sizeof text, "%s", given);
    const size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '%')
        text[len - 1] = '\0';
    if (!rs_parse_f64(text, &x) || !(x >= 0.0 && isfinite(x))) {
        cli_usage_error("--%s: found '%s', expected a share such as 5%%, 0%% or more",
                        cli_opt_get(id)->name, given);
        return false;
    }
    *out = x / 100.0;
    return true;
}

static bool read_margin(compared_files *c)
{
    const cli_args *args = c->args;
    const bool fail = cli_is_given(args, OPT_fail_above);
    if (fail && cli_is_given(args, OPT_margin)) {
        cli_usage_error("--fail-above and --margin exclude each other: both are the margin");
        return false;
    }
    return parse_percent(args, fail ? OPT_fail_above : OPT_margin, &c->margin);
}

/* What was skipped, or is refused, says nothing. */
static bool went_wrong(const bench_entry *e)
{
    return strcmp(e->status, "wrong") == 0 || strcmp(e->status, "failed") == 0 ||
           strcmp(e->status, "missed") == 0;
}

static bool lacks_times(const bench_entry *b)
{
    return b->count == 0 || went_wrong(b);
}

const char *cli_compare_verdict(const compared_row *r)
{
    return r->failed ? (lacks_times(r->b) ? r->b : r->a)->status
                     : rescl_comparison_verdict_name(r->c.verdict);
}

/* What others take of the processors slows everything down, not only what became slower. */
static void doubt(compared_row *r)
{
    const bool moved = r->c.verdict == RESCL_COMPARE_SLOWER || r->c.verdict == RESCL_COMPARE_FASTER;
    r->disturbed = moved && fmax(r->a->others, r->b->others) > COMPARE_OTHERS;
    if (r->disturbed)
        r->c.verdict = RESCL_COMPARE_NOISY;
}

static int judge(const compared_files *c, compared_pair *p)
{
    rescl_comparison *list = calloc(p->rows + 1, sizeof *list);
    size_t n = 0;
    rescl_status st = RESCL_OK;
    if (!list) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    for (size_t i = 0; i < p->rows && st == RESCL_OK; i++) {
        compared_row *r = &p->row[i];
        if (r->a && r->b && !r->failed)
            st = rescl_compare_samples(r->a->samples, r->a->count, r->b->samples, r->b->count,
                                       c->margin, &list[n++]);
    }
    if (st == RESCL_OK)
        st = rescl_compare_judge(list, n, c->margin);
    n = 0;
    for (size_t i = 0; i < p->rows && st == RESCL_OK; i++) {
        if (!p->row[i].a || !p->row[i].b || p->row[i].failed)
            continue;
        p->row[i].c = list[n++];
        doubt(&p->row[i]);
    }
    free(list);
    return st == RESCL_OK ? CLI_OK : cli_fail(st, false);
}

static int pair_up(const compared_files *c, compared_pair *p)
{
    p->row = calloc(p->a->count + 1, sizeof *p->row);
    if (!p->row) {
        cli_short_of_memory();
        return CLI_FAILURE;
    }
    for (size_t i = 0; i < p->a->count; i++) {
        const bench_entry *a = &p->a->entry[i], *b = cli_bench_find(p->b, a);
        if (b)
            p->row[p->rows++] =
                (compared_row){.a = a, .b = b, .failed = a->count == 0 || lacks_times(b)};
    }
    return judge(c, p);
}

/* Room for files and pairs. */
static int make_room(compared_files *c, size_t files)
{
    c->file = calloc(files, sizeof *c->file);
    c->pair = calloc(files, sizeof *c->pair);
    if (c->file && c->pair)
        return CLI_OK;
    cli_short_of_memory();
    return CLI_FAILURE;
}

static int add_pair(compared_files *c, size_t a, size_t b)
{
    compared_pair *p = &c->pair[c->pairs++];
    p->a = &c->file[a];
    p->b = &c->file[b];
    return pair_up(c, p);
}

static int read_files(compared_files *c)
{
    const size_t files = c->args->operands;
    int code = make_room(c, files);
    for (size_t i = 0; i < files && code == CLI_OK; i++)
        code = cli_bench_file_read(c->args->operand[i], &c->file[c->files++]);
    if (code == CLI_OK)
        cli_bench_varying(c->file, c->files, c->varies);
    for (size_t i = 1; i < files && code == CLI_OK; i++)
        code = add_pair(c, 0, i);
    return code;
}

/* The last run of a device, and with it what it had before. */
static int read_device(compared_files *c, const cli_history_device *d)
{
    char *earlier = rs_strf("%s, %zu earlier runs", d->name, d->runs - 1);
    char *last = rs_strf("%s, the last run", d->name);
    int code = CLI_FAILURE;
    if (!earlier || !last)
        cli_short_of_memory();
    else if (d->runs < 2)
        code = CLI_OK;
    else
        code = cli_bench_files_read(d->path, d->runs - 1, earlier, &c->file[c->files++]);
    if (code == CLI_OK)
        code = cli_bench_files_read(d->path + d->runs - 1, 1, last, &c->file[c->files++]);
    free(earlier);
    free(last);
    return code;
}

static int read_history(compared_files *c, const cli_history *h)
{
    size_t last[2] = {0};
    int code = make_room(c, 2 * h->devices + 1);
    c->history = true;
    for (size_t i = 0; i < h->devices && code == CLI_OK; i++)
        if (h->device[i].runs > 0)
            code = read_device(c, &h->device[i]);
    if (code == CLI_OK && c->files == 0) {
        cli_error("--history: found no runs, expected those of 'rescl bench ... --history'");
        code = CLI_FILE;
    }
    if (code == CLI_OK)
        cli_bench_varying(c->file, c->files, c->varies);
    for (size_t i = 0, at = 0; i < h->devices && code == CLI_OK; i++) {
        const size_t runs = h->device[i].runs;
        if (runs > 1)
            code = add_pair(c, at, at + 1);
        at += runs > 1 ? 2 : runs;
        last[i > 0] = at - 1;
    }
    if (code == CLI_OK && h->devices == 2 && h->device[0].runs > 0 && h->device[1].runs > 0)
        code = add_pair(c, last[0], last[1]);
    return code;
}

/* ---- what the files differ in ------------------------------------------------------------ */

/* Fields that a whole file has alike, as a rule. */
static const char *const circumstances[] = {"version", "commit",   "device", "driver",  "platform",
                                            "opencl",  "settings", "tuning", "options", "host"};

/* The values of a key, in the same way. */
static void list_keys(const bench_file *f, bench_key key, char text[512])
{
    enum { MOST = 8 };
    const char *seen[MOST] = {NULL};
    size_t n = 0, used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->count && n < MOST; i++) {
        const char *value = f->entry[i].key[key];
        size_t k = 0;
        while (k < n && strcmp(seen[k], value) != 0)
            k++;
        if (k < n || !*value)
            continue;
        seen[n++] = value;
        used += (size_t)snprintf(text + used, 512 - used, "%s%.48s", used ? ", " : "", value);
    }
}

static void differ(json_t *list, const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return;
    if (!list) {
        cli_print("differs in %s: %s | %s\n", what, a, b);
        return;
    }
    json_t *j = json_object();
    cli_json_set(j, "what", json_string(what));
    cli_json_set(j, "a", cli_json_string(a));
    cli_json_set(j, "b", cli_json_string(b));
    cli_json_append(list, j);
}

/* Into the list, or printed where it is NULL. */
static void tell_differences(const compared_pair *p, json_t *list)
{
    char a[512], b[512];
    for (size_t i = 0; i < sizeof circumstances / sizeof *circumstances; i++) {
        cli_bench_values(p->a, circumstances[i], a);
        cli_bench_values(p->b, circumstances[i], b);
        differ(list, circumstances[i], a, b);
    }
    for (bench_key k = KEY_KIND; k < KEY_COUNT; k++) {
        list_keys(p->a, k, a);
        list_keys(p->b, k, b);
        if (k != KEY_WHAT)
            differ(list, cli_bench_key_name(k), a, b);
    }
}

/* Rows of `f` that `other` has not: into the list, or printed where it is NULL. */
static void tell_only(const bench_file *f, const bench_file *other, json_t *list)
{
    char label[512];
    for (size_t i = 0; i < f->count; i++) {
        const bench_entry *e = &f->entry[i];
        if (cli_bench_find(other, e))
            continue;
        cli_bench_label(e, NULL, label);
        if (!list) {
            cli_print("only in %s: %s\n", f->path, label);
            continue;
        }
        json_t *j = json_object();
        cli_json_set(j, "file", cli_json_string(f->path));
        cli_json_set(j, "row", cli_json_string(label));
        cli_json_append(list, j);
    }
}

/* Trainings: epochs are their samples, so that the verdict says nothing of how many they take. */
static bool is_training(const compared_row *r)
{
    return strcmp(r->a->key[KEY_KIND], "train") == 0;
}

typedef struct training {
    double epochs, seconds; /* until the accuracy was reached, means of the runs */
} training;

static training training_of(const bench_entry *e)
{
    const double runs = (double)e->runs;
    return (training){e->epochs / runs, e->seconds / runs};
}

static void tell_trainings(const compared_pair *p)
{
    for (size_t i = 0; i < p->rows; i++) {
        const compared_row *r = &p->row[i];
        const training a = training_of(r->a), b = training_of(r->b);
        const bool told = isfinite(a.seconds + b.seconds);
        if (is_training(r) && !r->failed && told &&
            (a.epochs != b.epochs || a.seconds != b.seconds))
            cli_print("%s: A takes %.4g s and %.4g epochs, B %.4g s and %.4g epochs; the verdict "
                      "is on the time of an epoch\n",
                      r->a->key[KEY_WHAT], a.seconds, a.epochs, b.seconds, b.epochs);
    }
}

/* ---- tables ------------------------------------------------------------------------------ */

static void add_times(cli_table *t, const compared_row *r)
{
    const rescl_comparison *c = &r->c;
    char interval[64] = "";
    if (r->failed) {
        for (int i = 0; i < 4; i++)
            cli_table_add(t, "%s", "");
    } else {
        if (isfinite(c->high))
            snprintf(interval, sizeof interval, "%.3f - %.3f", c->low, c->high);
        cli_table_add(t, "%.4g", c->median_a);
        cli_table_add(t, "%.4g", c->median_b);
        cli_table_add(t, "%.3f", c->ratio);
        cli_table_add(t, "%s", interval);
    }
    cli_table_add(t, "%s", cli_compare_verdict(r));
}

static bool print_table(const compared_files *f, const compared_pair *p)
{
    const bool *column = f->varies;
    size_t columns = 5;
    cli_table t;
    for (bench_key k = 0; k < KEY_COUNT; k++)
        columns += column[k];
    cli_table_init(&t, columns);
    for (bench_key k = 0; k < KEY_COUNT; k++)
        if (column[k])
            cli_table_add(&t, "%s", cli_bench_key_name(k));
    cli_table_add(&t, "A ms");
    cli_table_add(&t, "B ms");
    cli_table_add(&t, "B / A");
    cli_table_add(&t, "95 %%");
    cli_table_add(&t, "verdict");
    for (size_t i = 0; i < p->rows; i++) {
        for (bench_key k = 0; k < KEY_COUNT; k++)
            if (column[k])
                cli_table_add(&t, "%s", p->row[i].a->key[k]);
        add_times(&t, &p->row[i]);
    }
    const bool good = p->rows == 0 || cli_table_print(&t, "md", cli_result());
    cli_table_fini(&t);
    return good;
}

/* How many rows have each verdict, and why some have none that says more. */
static void print_counts(const compared_files *f, const compared_pair *p)
{
    size_t count[RESCL_COMPARE_NOISY + 1] = {0}, few = 0, disturbed = 0, none[2] = {0};
    for (size_t i = 0; i < p->rows; i++) {
        const compared_row *r = &p->row[i];
        none[0] += r->a->count == 0;
        none[1] += lacks_times(r->b);
        few += !r->failed && !isfinite(r->c.high);
        disturbed += r->disturbed;
        if (!r->failed)
            count[r->c.verdict]++;
    }
    cli_print("%zu slower, %zu faster, %zu the same within %g %%, %zu too noisy",
              count[RESCL_COMPARE_SLOWER], count[RESCL_COMPARE_FASTER], count[RESCL_COMPARE_SAME],
              100.0 * f->margin, count[RESCL_COMPARE_NOISY]);
    for (int i = 0; i < 2; i++)
        if (none[i])
            cli_print(", %zu not measured in %c", none[i], "AB"[i]);
    cli_print("\n");
    if (few)
        cli_print("%zu of the too noisy have too few samples: measure with --repeats 7 or more\n",
                  few);
    if (disturbed)
        cli_print("%zu of the too noisy were measured while other processes took more than %.0f %% "
                  "of the "
                  "processors' time\n",
                  disturbed, 100.0 * COMPARE_OTHERS);
}

static int print_text(const compared_files *f)
{
    char common[512];
    for (size_t i = 0; i < f->pairs; i++) {
        const compared_pair *p = &f->pair[i];
        if (i)
            cli_print("\n");
        cli_print("A: %s, B: %s\n", p->a->path, p->b->path);
        cli_bench_common(p->a, f->varies, common);
        if (*common)
            cli_print("%s\n", common);
        cli_print("\n");
        if (!print_table(f, p))
            return CLI_FAILURE;
        cli_print(p->rows ? "\n" : "no row of A is in B\n");
        if (p->rows)
            print_counts(f, p);
        tell_trainings(p);
        tell_differences(p, NULL);
        if (!f->history) {
            tell_only(p->a, p->b, NULL);
            tell_only(p->b, p->a, NULL);
        }
    }
    if (f->pairs == 0)
        cli_print("each device has one run: there is nothing to compare it with\n");
    return CLI_OK;
}

static void add_number(cli_table *t, double x)
{
    char number[32];
    cli_table_add(t, "%s", isfinite(x) ? cli_exact(x, number) : "");
}

static int print_csv(const compared_files *f)
{
    static const char *const tail[] = {"a",         "b",         "a_median_ms", "b_median_ms",
                                       "ratio",     "low",       "high",        "fastest",
                                       "p_slower",  "p_faster",  "a_epochs",    "b_epochs",
                                       "a_seconds", "b_seconds", "verdict"};
    const size_t tails = sizeof tail / sizeof *tail;
    cli_table t;
    cli_table_init(&t, KEY_COUNT + tails);
    for (bench_key k = 0; k < KEY_COUNT; k++)
        cli_table_add(&t, "%s", cli_bench_key_name(k));
    for (size_t i = 0; i < tails; i++)
        cli_table_add(&t, "%s", tail[i]);
    for (size_t i = 0; i < f->pairs; i++)
        for (size_t n = 0; n < f->pair[i].rows; n++) {
            const compared_row *r = &f->pair[i].row[n];
            const training a = training_of(r->a), b = training_of(r->b);
            const double numbers[] = {r->c.median_a, r->c.median_b, r->c.ratio,    r->c.low,
                                      r->c.high,     r->c.fastest,  r->c.p_slower, r->c.p_faster,
                                      a.epochs,      b.epochs,      a.seconds,     b.seconds};
            for (bench_key k = 0; k < KEY_COUNT; k++)
                cli_table_add(&t, "%s", r->a->key[k]);
            cli_table_add(&t, "%s", f->pair[i].a->path);
            cli_table_add(&t, "%s", f->pair[i].b->path);
            for (size_t m = 0; m < sizeof numbers / sizeof *numbers; m++)
                add_number(&t, r->failed ? NAN : numbers[m]);
            cli_table_add(&t, "%s", cli_compare_verdict(r));
        }
    const bool good = cli_table_print(&t, "csv", cli_result());
    cli_table_fini(&t);
    return good ? CLI_OK : CLI_FAILURE;
}

static json_t *row_json(const compared_row *r)
{
    json_t *j = json_object();
    for (bench_key k = 0; k < KEY_COUNT; k++) {
        const json_t *value = json_object_get(r->a->json, cli_bench_key_name(k));
        cli_json_set(j, cli_bench_key_name(k), value ? json_deep_copy(value) : json_null());
    }
    cli_json_set(j, "a_samples", json_integer((json_int_t)r->a->count));
    cli_json_set(j, "b_samples", json_integer((json_int_t)r->b->count));
    cli_json_set(j, "verdict", json_string(cli_compare_verdict(r)));
    if (r->failed)
        return j;
    if (is_training(r)) {
        const training a = training_of(r->a), b = training_of(r->b);
        cli_json_set(j, "a_epochs", cli_json_real(a.epochs));
        cli_json_set(j, "b_epochs", cli_json_real(b.epochs));
        cli_json_set(j, "a_seconds", cli_json_real(a.seconds));
        cli_json_set(j, "b_seconds", cli_json_real(b.seconds));
    }
    cli_json_set(j, "a_median_ms", cli_json_real(r->c.median_a));
    cli_json_set(j, "b_median_ms", cli_json_real(r->c.median_b));
    cli_json_set(j, "ratio", cli_json_real(r->c.ratio));
    cli_json_set(j, "low", cli_json_real(r->c.low));
    cli_json_set(j, "high", cli_json_real(r->c.high));
    cli_json_set(j, "fastest", cli_json_real(r->c.fastest));
    cli_json_set(j, "spread", cli_json_real(r->c.spread));
    cli_json_set(j, "p_slower", cli_json_real(r->c.p_slower));
    cli_json_set(j, "p_faster", cli_json_real(r->c.p_faster));
    cli_json_set(j, "disturbed", json_boolean(r->disturbed));
    return j;
}

static json_t *pair_json(const compared_pair *p)
{
    json_t *j = json_object(), *rows = json_array(), *only = json_array(), *differ = json_array();
    cli_json_set(j, "a", cli_json_string(p->a->path));
    cli_json_set(j, "b", cli_json_string(p->b->path));
    for (size_t i = 0; i < p->rows; i++)
        cli_json_append(rows, row_json(&p->row[i]));
    tell_differences(p, differ);
    tell_only(p->a, p->b, only);
    tell_only(p->b, p->a, only);
    cli_json_set(j, "rows", rows);
    cli_json_set(j, "differences", differ);
    cli_json_set(j, "only", only);
    return j;
}

static int print_json(const compared_files *f)
{
    json_t *j = json_object(), *pairs = json_array();
    cli_json_set(j, "version", cli_json_string(rescl_version()));
    cli_json_set(j, "margin", cli_json_real(f->margin));
    for (size_t i = 0; i < f->pairs; i++)
        cli_json_append(pairs, pair_json(&f->pair[i]));
    cli_json_set(j, "pairs", pairs);
    return cli_json_print(j);
}

/* ---- the whole --------------------------------------------------------------------------- */

/* Whether the row has become worse: it has no times in B, though A has some, or is slower. */
static bool is_worse(const compared_row *r)
{
    if (r->failed)
        return r->a->count && went_wrong(r->b);
    return r->c.verdict == RESCL_COMPARE_SLOWER;
}

static size_t count_missing(const compared_pair *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->a->count; i++)
        n += cli_bench_find(p->b, &p->a->entry[i]) == NULL;
    return n;
}

/* CLI_SLOWER, after a message, where --fail-above was given and something is slower or fails. */
static int judge_all(const compared_files *f)
{
    size_t bad = 0, noisy = 0, rows = 0, missing = 0;
    char label[512] = "", text[512];
    double worst = 0.0;
    if (!cli_str(f->args, OPT_fail_above))
        return CLI_OK;
    for (size_t i = 0; i < f->pairs; i++) {
        missing += f->history ? 0 : count_missing(&f->pair[i]);
        for (size_t n = 0; n < f->pair[i].rows; n++) {
            const compared_row *r = &f->pair[i].row[n];
            const double how = r->failed ? INFINITY : r->c.ratio;
            rows++;
            noisy += !r->failed && r->c.verdict == RESCL_COMPARE_NOISY;
            if (!is_worse(r))
                continue;
            bad++;
            if (how > worst) {
                worst = how;
                snprintf(label, sizeof label, "%s", cli_bench_label(r->b, f->varies, text));
            }
        }
    }
    if (!rows && f->pairs) {
        cli_error("--fail-above: no row of A is in B, expected two runs of the same measurements");
        return CLI_FILE;
    }
    if (missing)
        cli_warn("%zu rows of A are missing in B", missing);
    if (noisy)
        cli_warn("%zu of %zu rows are too noisy to tell", noisy, rows);
    if (!bad)
        return CLI_OK;
    if (isinf(worst))
        cli_error(
            "%zu of %zu rows are slower by more than %g %% or have no times; first of these: %s",
            bad, rows, 100.0 * f->margin, label);
    else
        cli_error(
            "%zu of %zu rows are slower by more than %g %%; the worst, %.3f times as long: %s", bad,
            rows, 100.0 * f->margin, worst, label);
    return CLI_SLOWER;
}

static int write_report(const compared_files *c)
{
    const char *path = cli_str(c->args, OPT_compare_page);
    cli_outfile out = {0};
    if (!path)
        return CLI_OK;
    for (size_t i = 0; i < c->files; i++)
        if (cli_outfile_is_input(path, c->file[i].path))
            return CLI_USAGE;
    const int code = cli_outfile_open(&out, path);
    return code == CLI_OK ? cli_compare_report(c, &out) : code;
}

static int print_and_judge(const compared_files *c)
{
    const char *form = cli_str(c->args, OPT_compare_form);
    int code = write_report(c);
    if (code == CLI_OK)
        code = strcmp(form, "json") == 0  ? print_json(c)
               : strcmp(form, "csv") == 0 ? print_csv(c)
                                          : print_text(c);
    return code == CLI_OK ? judge_all(c) : code;
}

static void close_files(compared_files *c)
{
    for (size_t i = 0; i < c->pairs; i++)
        free(c->pair[i].row);
    for (size_t i = 0; i < c->files; i++)
        cli_bench_file_fini(&c->file[i]);
    free(c->file);
    free(c->pair);
}

int cli_compare_files(const cli_args *args)
{
    compared_files c = {.args = args};
    int code = CLI_USAGE;
    if (args->operands < 2)
        cli_usage_error("found %zu file%s, expected two or more that 'rescl bench' wrote as JSON, "
                        "--history, or --devices",
                        args->operands, args->operands == 1 ? "" : "s");
    else if (read_margin(&c))
        code = read_files(&c);
    if (code == CLI_OK)
        code = print_and_judge(&c);
    close_files(&c);
    return code;
}

int cli_compare_history(const cli_args *args)
{
    compared_files c = {.args = args};
    cli_history h = {0};
    int code = read_margin(&c) ? cli_history_list(args->operand, args->operands, &h) : CLI_USAGE;
    if (code == CLI_OK)
        code = read_history(&c, &h);
    if (code == CLI_OK)
        code = print_and_judge(&c);
    cli_history_fini(&h);
    close_files(&c);
    return code;
}
