#include "eval_scores.h"

#include "chart.h"
#include "cli.h"
#include "outfile.h"
#include "output.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LISTED = 40,     /* classes, of which all are printed */
    WORST = 20,      /* those that are printed of more */
    PAIRS = 5,       /* that are confused most often */
    PAGE_PAIRS = 50, /* of them in a page */
    NAME_CHARS = 40  /* of a class in the table */
};

typedef struct row {
    size_t index; /* of the class */
    rescl_class_scores s;
} row;

/* ---- rows ---- */

static int by_f1(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->s.f1 < y->s.f1)
        return -1;
    if (x->s.f1 > y->s.f1)
        return 1;
    return x->index < y->index ? -1 : x->index > y->index ? 1 : 0;
}

static int by_index(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index ? 1 : 0;
}

/* The classes that have images or were predicted; with `all` each. Free them; NULL after a message. */
static row *take_rows(rescl_scores *scores, bool all, size_t *count)
{
    const size_t classes = rescl_scores_classes(scores);
    row *rows = calloc(classes + 1, sizeof *rows);
    *count = 0;
    if (!rows) {
        cli_short_of_memory();
        return NULL;
    }
    for (size_t i = 0; i < classes; i++) {
        row *r = &rows[*count];
        r->index = i;
        if (rescl_scores_class(scores, i, &r->s) != RESCL_OK) {
            (void)cli_fail(rescl_last_error()->status, false);
            free(rows);
            return NULL;
        }
        *count += all || r->s.support > 0 || r->s.predicted > 0;
    }
    return rows;
}

/* A name of at most NAME_CHARS characters, the last of which are dots where there are more. */
static void add_name(cli_table *t, const char *name)
{
    size_t chars = 0, bytes = 0, cut = 0;
    for (; name[bytes]; bytes++) {
        const bool begins = (name[bytes] & 0xc0) != 0x80;
        if (begins && chars == NAME_CHARS - 3)
            cut = bytes;
        chars += begins;
    }
    if (chars <= NAME_CHARS)
        cli_table_add(t, "%s", name);
    else
        cli_table_add(t, "%.*s...", (int)cut, name);
}

static void add_average(cli_table *t, const char *name, const rescl_average_scores *a,
                        size_t images)
{
    cli_table_add(t, "%s", name);
    cli_table_add(t, "%.4f", a->precision);
    cli_table_add(t, "%.4f", a->recall);
    cli_table_add(t, "%.4f", a->f1);
    cli_table_add(t, "%zu", images);
}

static void print_confused(const rescl_scores *scores, const rescl_model *model, FILE *f)
{
    rescl_confused_pair pairs[PAIRS];
    size_t count = 0;
    if (rescl_scores_confused(scores, PAIRS, pairs, &count) != RESCL_OK)
        return;
    for (size_t i = 0; i < count; i++)
        cli_fprint(f, "%s%zu of '%s' taken for '%s'\n", i ? "          " : "confused  ",
                   pairs[i].images, rescl_model_class_name(model, (size_t)pairs[i].label),
                   rescl_model_class_name(model, (size_t)pairs[i].prediction));
}

int cli_scores_print(rescl_scores *scores, const rescl_model *model, FILE *f)
{
    static const char *const heads[] = {"class", "precision", "recall", "F1", "images", "AP"};
    const bool several = rescl_scores_multi_label(scores);
    const size_t columns = sizeof heads / sizeof *heads - !several;
    rescl_scores_summary summary;
    size_t count;
    cli_table t;
    const rescl_status st = rescl_scores_summarise(scores, &summary);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    row *rows = take_rows(scores, false, &count);
    if (!rows)
        return CLI_FAILURE;
    const size_t shown = count > LISTED ? WORST : count;
    if (shown < count) {
        qsort(rows, count, sizeof *rows, by_f1);
        qsort(rows, shown, sizeof *rows, by_index);
        fprintf(f, "\nThe %zu of %zu classes whose F1 is lowest (--csv has all)\n", shown, count);
    }
    cli_table_init(&t, columns);
    for (size_t i = 0; i < columns; i++)
        cli_table_add(&t, "%s", heads[i]);
    for (size_t i = 0; i < shown; i++) {
        add_name(&t, rescl_model_class_name(model, rows[i].index));
        cli_table_add(&t, "%.4f", rows[i].s.precision);
        cli_table_add(&t, "%.4f", rows[i].s.recall);
        cli_table_add(&t, "%.4f", rows[i].s.f1);
        cli_table_add(&t, "%zu", rows[i].s.support);
        if (several)
            cli_table_add(&t, "%.4f", rows[i].s.average_precision);
    }
    add_average(&t, "mean of classes", &summary.macro, summary.images);
    if (several)
        cli_table_add(&t, "%.4f", summary.macro.average_precision);
    add_average(&t, "weighted", &summary.weighted, summary.images);
    if (several) {
        cli_table_add(&t, "%.4f", summary.weighted.average_precision);
        add_average(&t, "all labels at once", &summary.micro, summary.images);
        cli_table_add(&t, "%s", "");
    }
    free(rows);
    fputc('\n', f);
    const bool fits = !isatty(fileno(f)) || cli_table_fits(&t, cli_columns(fileno(f)));
    const bool printed = fits ? cli_table_print(&t, "plain", f) : cli_table_print_rows(&t, f);
    cli_table_fini(&t);
    fputc('\n', f);
    print_confused(scores, model, f);
    return printed ? CLI_OK : CLI_FAILURE;
}

int cli_scores_print_csv(rescl_scores *scores, const rescl_model *model, FILE *f)
{
    char number[32];
    size_t count;
    row *rows = take_rows(scores, true, &count);
    if (!rows)
        return CLI_FAILURE;
    fputs("class,index,precision,recall,f1,average_precision,images,predicted,correct\n", f);
    for (size_t i = 0; i < count; i++) {
        const rescl_class_scores *s = &rows[i].s;
        const double value[] = {s->precision, s->recall, s->f1, s->average_precision};
        cli_csv_field(rescl_model_class_name(model, rows[i].index), f);
        fprintf(f, ",%zu", rows[i].index);
        for (size_t k = 0; k < sizeof value / sizeof *value; k++)
            fprintf(f, ",%s", cli_exact(value[k], number));
        fprintf(f, ",%zu,%zu,%zu\n", s->support, s->predicted, s->correct);
    }
    free(rows);
    return CLI_OK;
}

/* ---- JSON ---- */

static json_t *average_json(const rescl_average_scores *a)
{
    json_t *o = json_object();
    cli_json_set(o, "precision", cli_json_real(a->precision));
    cli_json_set(o, "recall", cli_json_real(a->recall));
    cli_json_set(o, "f1", cli_json_real(a->f1));
    cli_json_set(o, "average_precision", cli_json_real(a->average_precision));
    return o;
}

static json_t *class_json(const row *r, const char *name)
{
    const rescl_average_scores numbers = {r->s.precision, r->s.recall, r->s.f1,
                                          r->s.average_precision};
    json_t *o = average_json(&numbers);
    cli_json_set(o, "class", cli_json_string(name));
    cli_json_set(o, "images", json_integer((json_int_t)r->s.support));
    cli_json_set(o, "predicted", json_integer((json_int_t)r->s.predicted));
    cli_json_set(o, "correct", json_integer((json_int_t)r->s.correct));
    return o;
}

int cli_scores_json(json_t *o, rescl_scores *scores, const rescl_model *model)
{
    rescl_scores_summary summary;
    rescl_confused_pair pairs[PAIRS];
    size_t count, confused = 0;
    rescl_status st = rescl_scores_summarise(scores, &summary);
    if (st == RESCL_OK)
        st = rescl_scores_confused(scores, PAIRS, pairs, &confused);
    if (st != RESCL_OK)
        return cli_fail(st, false);
    row *rows = take_rows(scores, true, &count);
    if (!rows)
        return CLI_FAILURE;
    json_t *classes = json_array(), *list = json_array();
    for (size_t i = 0; i < count; i++)
        cli_json_append(classes,
                        class_json(&rows[i], rescl_model_class_name(model, rows[i].index)));
    for (size_t i = 0; i < confused; i++) {
        json_t *pair = json_object();
        cli_json_set(pair, "class",
                     cli_json_string(rescl_model_class_name(model, (size_t)pairs[i].label)));
        cli_json_set(pair, "prediction",
                     cli_json_string(rescl_model_class_name(model, (size_t)pairs[i].prediction)));
        cli_json_set(pair, "images", json_integer((json_int_t)pairs[i].images));
        cli_json_append(list, pair);
    }
    cli_json_set(o, "ece", cli_json_real(summary.ece));
    cli_json_set(o, "macro", average_json(&summary.macro));
    cli_json_set(o, "weighted", average_json(&summary.weighted));
    cli_json_set(o, "micro", average_json(&summary.micro));
    cli_json_set(o, "classes", classes);
    cli_json_set(o, "confused", list);
    free(rows);
    return CLI_OK;
}

/* ---- the matrix ---- */

bool cli_confusion_check(const char *path)
{
    if (!path || rs_ends_with(path, ".csv") || rs_ends_with(path, ".html"))
        return true;
    cli_usage_error("--confusion: found '%s', expected a name that ends with .csv or .html", path);
    return false;
}

/* A row for each class, whose images stand in the columns of what they were taken for. */
static void write_csv(const uint64_t *counts, const char *const *name, size_t classes, FILE *f)
{
    fputs("class", f);
    for (size_t i = 0; i < classes; i++) {
        fputc(',', f);
        cli_csv_field(name[i], f);
    }
    fputc('\n', f);
    for (size_t i = 0; i < classes; i++) {
        cli_csv_field(name[i], f);
        for (size_t k = 0; k < classes; k++)
            fprintf(f, ",%llu", (unsigned long long)counts[i * classes + k]);
        fputc('\n', f);
    }
}

/* The largest cells off the diagonal, which is what a screen reader gets of a matrix that is too large for
 * a table. */
static void put_pairs(rs_html *h, const rescl_scores *scores, const char *const *name)
{
    static const char *const heads[] = {"class", "taken for", "images"};
    rescl_confused_pair pairs[PAGE_PAIRS];
    size_t count = 0;
    if (rescl_scores_confused(scores, PAGE_PAIRS, pairs, &count) != RESCL_OK) {
        h->failed = true;
        return;
    }
    if (count == 0)
        return;
    rs_html_table(h, "The most confused pairs of classes", heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < count; i++) {
        rs_html_row_begin(h, name[pairs[i].label]);
        rs_html_cell(h, "%s", name[pairs[i].prediction]);
        rs_html_cell(h, "%zu", pairs[i].images);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
}

/* False if memory was short. */
static bool write_html(const rescl_scores *scores, const uint64_t *counts, const char *const *name,
                       const char *model, FILE *f)
{
    const size_t classes = rescl_scores_classes(scores);
    rs_html h = {.f = f};
    double *value = calloc(classes * classes, sizeof *value);
    if (!value)
        return false;
    for (size_t i = 0; i < classes * classes; i++)
        value[i] = (double)counts[i];
    const rs_matrix m = {.title = "Confusion",
                         .about =
                             "Each row has the images of a class, in the columns of the classes "
                             "that they were taken for.",
                         .row_name = "class",
                         .column_name = "taken for",
                         .value = value,
                         .name = name,
                         .count = classes};
    rs_html_begin(&h, "Confusion matrix");
    rs_html_section(&h, model);
    rs_chart_matrix(&h, &m);
    put_pairs(&h, scores, name);
    rs_html_section_end(&h);
    rs_html_end(&h);
    free(value);
    return !h.failed;
}

int cli_confusion_write(const rescl_scores *scores, const rescl_model *model, const char *path)
{
    const size_t classes = rescl_scores_classes(scores);
    uint64_t *counts = calloc(classes * classes, sizeof *counts);
    const char **name = calloc(classes, sizeof *name);
    rescl_model_info info;
    cli_outfile out = {0};
    bool whole = counts && name;
    int code = whole ? cli_outfile_open(&out, path) : CLI_OK;
    if (whole && code == CLI_OK) {
        rescl_model_get_info(model, &info);
        rescl_scores_confusion(scores, counts);
        for (size_t i = 0; i < classes; i++)
            name[i] = rescl_model_class_name(model, i);
        if (rs_ends_with(path, ".csv"))
            write_csv(counts, name, classes, out.f);
        else
            whole = write_html(scores, counts, name, info.name, out.f);
    }
    const int written = cli_outfile_close(&out, whole && code == CLI_OK);
    if (!whole)
        cli_short_of_memory();
    free(counts);
    free(name);
    return !whole ? CLI_FAILURE : code == CLI_OK ? written : code;
}
