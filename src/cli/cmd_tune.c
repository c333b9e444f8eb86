#include "cli.h"
#include "clock.h"
#include "interrupt.h"
#include "outfile.h"
#include "output.h"
#include "session.h"
#include "table.h"
#include "timelimit.h"

#include <math.h>
#include <rescl/tune.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- rows ---- */

typedef struct report {
    cli_table table; /* of the problems, or for CSV of the candidates */
    bool csv;
    json_t *list;               /* NULL: the table is printed */
    rescl_tune_options options; /* of what is measured now */
    double begin;               /* of measuring it */
    size_t kept, measured;      /* of it */
    double default_ms, best_ms; /* of all layers together, but those whose default cannot serve */
    size_t problems, tuned, rejected, unserved, kept_before;
    char *proofs; /* what came of whole steps, as text */
    size_t proofs_bytes;
    FILE *proofs_file;
} report;

static const char *state_of(const rescl_tune_candidate *c)
{
    return c->status == RESCL_OK ? "ok" : c->status == RESCL_ERR_NUMERIC ? "wrong" : "failed";
}

/* "name: why; ..." of a row's rejected candidates, of each reason its first line. Heap. */
static char *rejected_text(const rescl_tune_row *row)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    for (size_t i = 0; f && i < row->tried; i++) {
        const rescl_tune_candidate *c = &row->candidate[i];
        if (c->status != RESCL_OK)
            fprintf(f, "%s%s: %.*s", ftell(f) > 0 ? "; " : "", c->choice,
                    (int)strcspn(c->reason, "\n"), c->reason);
    }
    if (f)
        fclose(f);
    return text;
}

static json_t *candidate_json(const rescl_tune_candidate *c)
{
    json_t *j = json_object();
    cli_json_set(j, "choice", cli_json_string(c->choice));
    cli_json_set(j, "ms", cli_json_real(c->ms));
    cli_json_set(j, "error", cli_json_real(c->error));
    cli_json_set(j, "status", json_string(state_of(c)));
    cli_json_set(j, "reason", *c->reason ? cli_json_string(c->reason) : json_null());
    return j;
}

static void add_json(report *r, const rescl_tune_row *row)
{
    json_t *j = json_object(), *candidates = json_array();
    cli_json_set(j, "model", cli_json_string(r->options.model));
    cli_json_set(j, "problem", cli_json_string(row->problem));
    cli_json_set(j, "count", json_integer((json_int_t)row->count));
    cli_json_set(j, "default", row->kept ? json_null() : cli_json_string(row->untuned));
    cli_json_set(j, "default_ms", cli_json_real(row->default_ms));
    cli_json_set(j, "choice", cli_json_string(row->choice));
    cli_json_set(j, "best_ms", cli_json_real(row->best_ms));
    cli_json_set(j, "error", cli_json_real(row->error));
    cli_json_set(j, "tried", json_integer((json_int_t)row->tried));
    cli_json_set(j, "rejected", cli_json_string(row->rejected));
    cli_json_set(j, "kept", json_boolean(row->kept));
    for (size_t i = 0; i < row->tried; i++)
        cli_json_append(candidates, candidate_json(&row->candidate[i]));
    cli_json_set(j, "candidates", candidates);
    cli_json_append(r->list, j);
}

static void add_candidates(report *r, const rescl_tune_row *row)
{
    cli_table *t = &r->table;
    for (size_t i = 0; i < row->tried; i++) {
        const rescl_tune_candidate *c = &row->candidate[i];
        cli_table_add(t, "%s", r->options.model);
        cli_table_add(t, "%s", row->problem);
        cli_table_add(t, "%zu", row->count);
        cli_table_add(t, "%s", c->choice);
        cli_table_add(t, "%d", strcmp(c->choice, row->choice) == 0);
        cli_table_add(t, isnan(c->ms) ? "" : "%.6g", c->ms);
        cli_table_add(t, isnan(c->error) ? "" : "%.3g", c->error);
        cli_table_add(t, "%s", state_of(c));
        cli_table_add(t, "%s", c->reason);
    }
}

static void add_row(report *r, const rescl_tune_row *row, const char *rejected)
{
    cli_table *t = &r->table;
    cli_table_add(t, "%s", row->problem);
    cli_table_add(t, "%zu", row->count);
    cli_table_add(t, "%s", row->untuned);
    cli_table_add(t, isnan(row->default_ms) ? "" : "%.3f", row->default_ms);
    cli_table_add(t, "%s", row->choice);
    cli_table_add(t, isnan(row->best_ms) ? "kept" : "%.3f", row->best_ms);
    cli_table_add(t, "%s", rejected);
}

static void note_row(const report *r, const rescl_tune_row *row, const char *rejected)
{
    char duration[32], left[64] = "", times[96];
    const size_t rest = row->total - row->index - 1;
    const double each = (rs_clock_seconds() - r->begin) / (double)r->measured;
    if (rest > 0)
        snprintf(left, sizeof left, "; about %s left", cli_duration(each * (double)rest, duration));
    if (isnan(row->default_ms))
        snprintf(times, sizeof times, "%.3f ms; the default cannot be taken", row->best_ms);
    else if (strcmp(row->choice, "default") != 0)
        snprintf(times, sizeof times, "%.3f ms, untuned %.3f ms", row->best_ms, row->default_ms);
    else
        snprintf(times, sizeof times, "%.3f ms", row->best_ms);
    cli_note("%zu/%zu %s: %s %s%s%s%s", row->index + 1, row->total, row->problem, row->choice,
             times, *rejected ? "; rejected " : "", rejected, left);
}

static bool on_row(const rescl_tune_row *row, void *user)
{
    report *r = user;
    char *text = rejected_text(row);
    const char *rejected = text ? text : "";
    if (row->kept) {
        r->kept++;
        r->kept_before++;
    } else {
        if (r->measured++ == 0 && r->kept > 0)
            cli_note("%zu of %zu problems were measured before (--force: again)", r->kept,
                     row->total);
        note_row(r, row, rejected);
    }
    if (r->list)
        add_json(r, row);
    else if (r->csv)
        add_candidates(r, row);
    else
        add_row(r, row, rejected);
    if (!row->kept && isnan(row->default_ms)) {
        r->unserved++;
    } else if (!row->kept) {
        r->default_ms += (double)row->count * row->default_ms;
        r->best_ms += (double)row->count * row->best_ms;
    }
    r->problems++;
    r->tuned += strcmp(row->choice, "default") != 0;
    r->rejected += *row->rejected != '\0';
    free(text);
    return !cli_interrupted();
}

/* ---- whole steps ------------------------------------------------------------------------- */

static json_t *proof_json(const report *r, const rescl_tune_proof *p)
{
    json_t *j = json_object(), *step = json_object(), *dropped = json_array();
    for (size_t i = 0; i < p->dropped; i++) {
        json_t *d = json_object();
        cli_json_set(d, "problem", cli_json_string(p->drop[i].problem));
        cli_json_set(d, "choice", cli_json_string(p->drop[i].choice));
        cli_json_append(dropped, d);
    }
    cli_json_set(step, "choices", json_integer((json_int_t)p->choices));
    cli_json_set(step, "kept", json_integer((json_int_t)p->kept));
    cli_json_set(step, "not_proven", json_integer((json_int_t)p->open));
    cli_json_set(step, "dropped", dropped);
    cli_json_set(step, "untuned_ms", cli_json_real(p->untuned_ms));
    cli_json_set(step, "tuned_ms", cli_json_real(p->tuned_ms));
    cli_json_set(step, "gain", cli_json_real(p->gain));
    cli_json_set(step, "gain_low", cli_json_real(p->gain_low));
    cli_json_set(step, "gain_high", cli_json_real(p->gain_high));
    cli_json_set(step, "pairs", json_integer((json_int_t)p->pairs));
    cli_json_set(step, "reason", *p->reason ? cli_json_string(p->reason) : json_null());
    cli_json_set(j, "model", cli_json_string(r->options.model));
    cli_json_set(j, "mode", json_string(r->options.train ? "train" : "infer"));
    cli_json_set(j, "size", json_integer((json_int_t)r->options.size));
    cli_json_set(j, "batch", json_integer((json_int_t)r->options.batch));
    cli_json_set(j, "problem", json_null());
    cli_json_set(j, "step", step);
    return j;
}

/* "181.2 ms with and 190.4 ms without: a gain of 4.8 % (95 %: 4.1 to 5.4 %; 9 pairs)" */
static void write_gain(FILE *f, const rescl_tune_proof *p)
{
    fprintf(f, "%.3f ms with and %.3f ms without: a gain of %.1f %% (95 %%: %.1f to %.1f %%; ",
            p->tuned_ms, p->untuned_ms, 1e2 * p->gain, 1e2 * p->gain_low, 1e2 * p->gain_high);
    fprintf(f, "%zu pairs)", p->pairs);
}

/* One line without its end. */
static void write_proof(FILE *f, const report *r, const rescl_tune_proof *p)
{
    char all[64];
    const rescl_tune_options *o = &r->options;
    cli_count(p->choices, "choice", all);
    cli_fprint(f, "%s %s size %zu batch %zu: ", o->model, o->train ? "train" : "infer", o->size,
               o->batch);
    if (p->choices == 0)
        fprintf(f, "%s",
                *p->reason ? "nothing to prove in whole steps"
                           : "the step gains nothing: nothing but defaults was chosen");
    else if (p->before)
        fprintf(f, "%s proven in whole steps before (--force: again)", all);
    else if (p->pairs == 0)
        fprintf(f, "%s not proven in whole steps", all);
    else if (p->kept == 0 && p->open == 0) {
        fprintf(f, "the step gains nothing from %s: ", all);
        write_gain(f, p);
        fprintf(f, "; the defaults stay");
    } else {
        fprintf(f, "the step takes ");
        write_gain(f, p);
        fprintf(f, "; %zu of %s kept", p->kept, all);
    }
    if (p->open > 0 && p->pairs > 0)
        fprintf(f, ", %zu not proven", p->open);
    if (*p->reason)
        cli_fprint(f, ": %s", p->reason);
}

static void on_proof(const rescl_tune_proof *p, void *user)
{
    report *r = user;
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    if (f) {
        write_proof(f, r, p);
        fclose(f);
        cli_note("%s", text);
    }
    if (r->list)
        cli_json_append(r->list, proof_json(r, p));
    if (r->proofs_file && text) {
        fprintf(r->proofs_file, "%s\n", text);
        for (size_t i = 0; i < p->dropped; i++)
            cli_fprint(r->proofs_file, "dropped, as the step gains nothing by it: %s: %s\n",
                       p->drop[i].problem, p->drop[i].choice);
    }
    free(text);
}

static int print_report(report *r, const char *path)
{
    if (r->list)
        return cli_json_print(r->list);
    if (!r->problems)
        return CLI_OK;
    if (!cli_table_print(&r->table, r->csv ? "csv" : "md", stdout))
        return CLI_FAILURE;
    if (r->csv)
        return CLI_OK;
    char problems[64];
    printf("\n%s, %zu with another choice than the default, %zu with rejected candidates\n",
           cli_count(r->problems, "problem", problems), r->tuned, r->rejected);
    if (r->kept_before)
        printf("%zu of them measured before (--force: again)\n", r->kept_before);
    if (r->problems > r->kept_before)
        printf("all layers that were measured together, each by itself: %.1f ms, untuned %.1f ms\n",
               r->best_ms, r->default_ms);
    if (r->unserved)
        printf("without %s whose default cannot be taken\n",
               cli_count(r->unserved, "problem", problems));
    if (r->proofs_file && fflush(r->proofs_file) == 0)
        fputs(r->proofs, stdout);
    cli_print("kept in %s\n", path);
    return CLI_OK;
}

/* ---- measuring ---- */

/* From any thread. */
static bool is_to_stop(void *user)
{
    (void)user;
    return cli_interrupted();
}

static rescl_status tune_all(const cli_args *args, rescl_device *device, const char *path,
                             report *r)
{
    const cli_value *models = &args->value[OPT_models], *sizes = &args->value[OPT_sizes];
    const cli_value *batches = &args->value[OPT_batch_sizes], *modes = &args->value[OPT_modes];
    const size_t all = models->count * sizes->count * batches->count * modes->count;
    const cli_limit limit = cli_limit_begin(args);
    rescl_status st = RESCL_OK;
    rescl_tune_options *o = &r->options;
    size_t i = 0;

    rescl_tune_options_default(o);
    o->classes = cli_size(args, OPT_classes);
    o->impl = cli_str(args, OPT_impl);
    o->params = cli_bool(args, OPT_params);
    o->repeats = cli_size(args, OPT_tune_repeats);
    o->min_seconds = cli_real(args, OPT_tune_min_seconds);
    o->force = cli_bool(args, OPT_force);
    o->precision = rescl_precision_name(cli_precision(args));
    o->output = path;
    o->prove = cli_bool(args, OPT_prove);
    o->proved = on_proof;
    o->stop = is_to_stop;
    for (; i < all && st == RESCL_OK && (i == 0 || !cli_limit_passed(&limit)); i++) {
        const size_t mode = i % modes->count, rest = i / modes->count;
        o->batch = batches->sizes[rest % batches->count];
        o->size = sizes->sizes[rest / batches->count % sizes->count];
        o->model = models->words[rest / batches->count / sizes->count];
        o->train = strcmp(modes->words[mode], "train") == 0;
        o->time_limit = cli_limit_left(&limit);
        cli_note("%s %s size %zu batch %zu ...", o->model, modes->words[mode], o->size, o->batch);
        r->begin = rs_clock_seconds();
        r->kept = r->measured = 0;
        st = rescl_tune(device, o, on_row, r);
        if (cli_limit_ended(&limit, st))
            st = RESCL_OK;
    }
    if (st == RESCL_OK)
        cli_limit_tell(&limit, all - i, all, "networks");
    return st;
}

/* In a signal handler. What is under way may take a minute. */
static bool tell_of_stopping(void)
{
    static const char text[] = "stopping after this kernel; press Ctrl-C again to end at once\n";
    if (cli_terminal())
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    return true;
}

int cmd_tune(const cli_args *args)
{
    static const char *const head[] = {"problem", "count", "default", "ms",
                                       "choice",  "ms",    "rejected"};
    static const char *const csv_head[] = {"model", "problem", "count",  "candidate", "chosen",
                                           "ms",    "error",   "status", "reason"};
    char path[4096];
    cli_session session;
    report r = {0};

    if (args->operands) {
        cli_usage_error("found operand '%s', expected options only", args->operand[0]);
        return CLI_USAGE;
    }
    int code = cli_outfile_check(cli_str(args, OPT_tune_file));
    if (code == CLI_OK)
        code = cli_session_open(args, 0, &session);
    if (code != CLI_OK)
        return code;
    cli_interrupt_catch(tell_of_stopping); /* what is measured so far is kept */
    r.csv = strcmp(cli_str(args, OPT_tune_form), "csv") == 0;
    cli_table_start(&r.table, r.csv ? csv_head : head,
                    r.csv ? sizeof csv_head / sizeof *csv_head : sizeof head / sizeof *head);
    if (cli_bool(args, OPT_json))
        r.list = json_array();
    else if (!r.csv)
        r.proofs_file = open_memstream(&r.proofs, &r.proofs_bytes);
    rescl_status st = RESCL_OK;
    if (cli_str(args, OPT_tune_file))
        snprintf(path, sizeof path, "%s", cli_str(args, OPT_tune_file));
    else
        st = rescl_tune_path(session.device, path, sizeof path);
    if (st == RESCL_OK)
        st = tune_all(args, session.device, path, &r);
    cli_interrupt_release();
    if (st == RESCL_ERR_INTERRUPTED) {
        cli_note("%s", rescl_last_error()->message);
        code = CLI_INTERRUPTED;
    } else if (st != RESCL_OK) {
        code = cli_fail(st, false);
        code = code == CLI_DIVERGED ? CLI_DEVICE : code; /* what it computes is wrong */
    }
    const int printed = print_report(&r, path);
    cli_table_fini(&r.table);
    if (r.proofs_file)
        fclose(r.proofs_file);
    free(r.proofs);
    cli_session_close(&session);
    return code ? code : printed;
}
