/* The page of `rescl compare --report`: what was compared as bars and charts. */
#include "chart.h"
#include "cli.h"
#include "comparison.h"
#include "outfile.h"
#include "output.h"

#include <math.h>
#include <rescl/status.h>
#include <stdlib.h>
#include <string.h>

/* Files of a page are A, B, C, ... */
static char letter_of(const compared_files *c, const bench_file *f)
{
    return (char)('A' + (f - c->file) % 26);
}

static bool is_kind(const bench_entry *e, const char *kind)
{
    return strcmp(e->key[KEY_KIND], kind) == 0;
}

/* The number that a chart shows of a row; NaN where the row has none. */
typedef double (*value_fn)(const bench_entry *e);

static double rate_of(const bench_entry *e)
{
    return cli_bench_real(e, "rate");
}

/* Milliseconds of a step that this operation takes. */
static double layer_ms(const bench_entry *e)
{
    const double count = cli_bench_real(e, "count");
    return cli_bench_real(e, "median_ms") * (isnan(count) ? 1.0 : count);
}

/* Of the whole training: its samples are epochs. */
static double seconds_of(const bench_entry *e)
{
    return e->seconds / (double)e->runs;
}

/* Rows that a section shows. */
typedef bool (*filter_fn)(const bench_entry *e);

static bool is_model(const bench_entry *e)
{
    return is_kind(e, "model") && e->count > 0;
}

static bool is_layer(const bench_entry *e)
{
    return is_kind(e, "op") && e->count > 0 && json_is_true(json_object_get(e->json, "preferred"));
}

static bool is_training(const bench_entry *e)
{
    return is_kind(e, "train") && e->count > 0;
}

static bool is_peak(const bench_entry *e)
{
    return is_kind(e, "peak") && e->count > 0;
}

/* ---- ratios ------------------------------------------------------------------------------ */

/* The end of the bars: what reaches beyond has a bar that is full. */
static double largest_ratio(const compared_pair *p)
{
    double most = 1.25;
    for (size_t i = 0; i < p->rows; i++)
        if (!p->row[i].failed)
            most = fmax(most, isfinite(p->row[i].c.high) ? p->row[i].c.high : p->row[i].c.ratio);
    return fmin(most, 10.0);
}

static void write_ratio(rs_html *h, const compared_files *c, const compared_row *r, double full)
{
    char label[512];
    rs_html_row_begin(h, cli_bench_label(r->a, c->varies, label));
    if (r->failed) {
        for (int i = 0; i < 5; i++)
            rs_html_cell(h, "%s", "");
    } else {
        const bool closed = isfinite(r->c.high);
        rs_html_bar(h, r->c.ratio, full, closed ? r->c.low : NAN, closed ? r->c.high : NAN);
        rs_html_cell(h, "%.3f", r->c.ratio);
        if (closed)
            rs_html_cell(h, "%.3f - %.3f", r->c.low, r->c.high);
        else
            rs_html_cell(h, "%s", "");
        rs_html_cell(h, "%.4g", r->c.median_a);
        rs_html_cell(h, "%.4g", r->c.median_b);
    }
    rs_html_cell(h, "%s", cli_compare_verdict(r));
    rs_html_row_end(h);
}

static void write_summary(rs_html *h, const compared_files *c, const compared_pair *p)
{
    size_t slower = 0, faster = 0, same = 0, noisy = 0, failed = 0;
    for (size_t i = 0; i < p->rows; i++) {
        const compared_row *r = &p->row[i];
        failed += r->failed;
        slower += !r->failed && r->c.verdict == RESCL_COMPARE_SLOWER;
        faster += !r->failed && r->c.verdict == RESCL_COMPARE_FASTER;
        same += !r->failed && r->c.verdict == RESCL_COMPARE_SAME;
        noisy += !r->failed && r->c.verdict == RESCL_COMPARE_NOISY;
    }
    rs_html_facts(h);
    rs_html_fact(h, "slower", "%zu", slower);
    rs_html_fact(h, "faster", "%zu", faster);
    rs_html_fact(h, "the same", "%zu", same);
    rs_html_fact(h, "too noisy", "%zu", noisy);
    if (failed)
        rs_html_fact(h, "not measured", "%zu", failed);
    rs_html_facts_end(h);
    if (slower + failed > 0)
        rs_html_notice(h, RS_TONE_BAD,
                       "%zu of %zu rows are slower by more than %g %%, or have no times.",
                       slower + failed, p->rows, 100.0 * c->margin);
    else if (p->rows > noisy)
        rs_html_notice(h, RS_TONE_GOOD, "No row is slower by more than %g %%.", 100.0 * c->margin);
}

static void write_pair(rs_html *h, const compared_files *c, const compared_pair *p)
{
    const char a = letter_of(c, p->a), b = letter_of(c, p->b);
    const char ratio[] = {b, ' ', '/', ' ', a, '\0'};
    const char a_ms[] = {a, ' ', 'm', 's', '\0'}, b_ms[] = {b, ' ', 'm', 's', '\0'};
    const char *const heads[] = {"row", ratio, "ratio", "95 %", a_ms, b_ms, "verdict"};
    char title[64];
    const double full = largest_ratio(p);
    snprintf(title, sizeof title, "%c beside %c", b, a);
    rs_html_section(h, title);
    write_summary(h, c, p);
    if (p->rows) {
        rs_html_p(h,
                  "How long each row takes in %c, by how long it takes in %c: 1 is the same. The "
                  "whiskers are "
                  "intervals of 95 %%.",
                  b, a);
        rs_html_table(h, "Ratios", heads, sizeof heads / sizeof *heads);
        for (size_t i = 0; i < p->rows; i++)
            write_ratio(h, c, &p->row[i], full);
        rs_html_table_end(h);
    } else {
        rs_html_p(h, "They have no row in common.");
    }
    rs_html_section_end(h);
}

/* ---- bars of each file ------------------------------------------------------------------- */

/* What a section of bars shows. */
typedef struct bars {
    const char *heading, *about, *unit;
    filter_fn takes;
    value_fn value;
} bars;

/* Whether `e` of file `file` stands in no file before. */
static bool is_new(const compared_files *c, size_t file, const bench_entry *e)
{
    for (size_t i = 0; i < file; i++)
        if (cli_bench_find(&c->file[i], e))
            return false;
    return true;
}

static double largest_value(const compared_files *c, const bars *b)
{
    double most = 0.0;
    for (size_t f = 0; f < c->files; f++)
        for (size_t i = 0; i < c->file[f].count; i++)
            if (b->takes(&c->file[f].entry[i]))
                most = fmax(most, b->value(&c->file[f].entry[i]));
    return most;
}

static void write_bar_row(rs_html *h, const compared_files *c, const bars *b, const bench_entry *e,
                          double full)
{
    char label[512];
    rs_html_row_begin(h, cli_bench_label(e, c->varies, label));
    for (size_t f = 0; f < c->files; f++) {
        const bench_entry *own = cli_bench_find(&c->file[f], e);
        const double x = own ? b->value(own) : NAN;
        if (isfinite(x)) {
            rs_html_bar(h, x, full, NAN, NAN);
            rs_html_cell(h, "%.4g", x);
        } else {
            rs_html_cell(h, "%s", "");
            rs_html_cell(h, "%s", "");
        }
    }
    rs_html_row_end(h);
}

static void write_bars(rs_html *h, const compared_files *c, const bars *b)
{
    const double full = largest_value(c, b);
    const size_t columns = 1 + 2 * c->files;
    char(*text)[48] = calloc(columns, sizeof *text);
    const char **heads = calloc(columns, sizeof *heads);
    if (!text || !heads)
        cli_short_of_memory();
    if (!(full > 0.0) || !text || !heads)
        goto out;
    heads[0] = "row";
    for (size_t f = 0; f < c->files; f++) {
        snprintf(text[2 * f], sizeof *text, "%c", letter_of(c, &c->file[f]));
        snprintf(text[2 * f + 1], sizeof *text, "%s", b->unit);
        heads[1 + 2 * f] = text[2 * f];
        heads[2 + 2 * f] = text[2 * f + 1];
    }
    rs_html_section(h, b->heading);
    rs_html_p(h, "%s", b->about);
    rs_html_table(h, b->heading, heads, columns);
    for (size_t f = 0; f < c->files; f++)
        for (size_t i = 0; i < c->file[f].count; i++) {
            const bench_entry *e = &c->file[f].entry[i];
            if (b->takes(e) && is_new(c, f, e))
                write_bar_row(h, c, b, e, full);
        }
    rs_html_table_end(h);
    rs_html_section_end(h);
out:
    free(text);
    free(heads);
}

/* ---- roofline ---------------------------------------------------------------------------- */

/* The rate of a limit in fp32; NaN where the file has it not. */
static double limit_of(const bench_file *f, const char *what)
{
    for (size_t i = 0; i < f->count; i++) {
        const bench_entry *e = &f->entry[i];
        const char *precision = e->key[KEY_PRECISION];
        if (is_peak(e) && strcmp(e->key[KEY_WHAT], what) == 0 &&
            (!*precision || strcmp(precision, "fp32") == 0))
            return rate_of(e);
    }
    return NAN;
}

#define ROOF_POINTS 3

typedef struct roofline {
    double x[ROOF_POINTS], y[ROOF_POINTS]; /* the roof */
    double *at, *speed;                    /* of each operation */
    char **label;
    size_t points;
} roofline;

static void fini_roofline(roofline *r)
{
    for (size_t i = 0; i < r->points; i++)
        free(r->label[i]);
    free(r->label);
    free(r->at);
    free(r->speed);
}

/* False where the file has no operations or no limits. */
static bool find_roofline(const compared_files *c, const bench_file *f, roofline *r)
{
    const double peak = limit_of(f, "fma"), band = limit_of(f, "read");
    double least = INFINITY, most = 0.0;
    char label[512];

    r->at = calloc(f->count + 1, sizeof *r->at);
    r->speed = calloc(f->count + 1, sizeof *r->speed);
    r->label = calloc(f->count + 1, sizeof *r->label);
    if (!r->at || !r->speed || !r->label) {
        cli_short_of_memory();
        return false;
    }
    for (size_t i = 0; i < f->count; i++) {
        const bench_entry *e = &f->entry[i];
        const double at = cli_bench_real(e, "flop") / cli_bench_real(e, "bytes");
        if (!is_layer(e) || !isfinite(at))
            continue;
        r->at[r->points] = at;
        r->speed[r->points] = cli_bench_real(e, "gflops");
        r->label[r->points] = strdup(cli_bench_label(e, c->varies, label));
        if (!r->label[r->points++]) {
            cli_short_of_memory();
            return false;
        }
        least = fmin(least, at);
        most = fmax(most, at);
    }
    if (r->points == 0 || !(peak > 0.0) || !(band > 0.0))
        return false;
    r->x[0] = fmin(least, peak / band) / 2.0;
    r->x[1] = peak / band;
    r->x[2] = fmax(most, peak / band) * 2.0;
    for (size_t i = 0; i < ROOF_POINTS; i++)
        r->y[i] = fmin(peak, band * r->x[i]);
    return true;
}

static void write_roofline(rs_html *h, const compared_files *c, const bench_file *f)
{
    roofline r = {0};
    char title[64];
    if (find_roofline(c, f, &r)) {
        const rs_series series[] = {
            {.name = "limit", .x = r.x, .y = r.y, .count = ROOF_POINTS, .exact = true},
            {.name = "operations",
             .x = r.at,
             .y = r.speed,
             .label = (const char *const *)r.label,
             .count = r.points,
             .points = true}};
        snprintf(title, sizeof title, "Roofline of %c", letter_of(c, f));
        const rs_chart chart = {
            .title = title,
            .about =
                "Each point is an operation: how many operations it has for each byte that it has "
                "to "
                "move, and how fast it is. The line is what the device can do, by its measured "
                "multiply-adds and memory.",
            .x_name = "FLOP / byte",
            .y_name = "GFLOP/s",
            .log_x = true,
            .log_y = true,
            .series = series,
            .count = sizeof series / sizeof *series};
        rs_html_section(h, title);
        rs_chart_draw(h, &chart);
        rs_html_section_end(h);
    }
    fini_roofline(&r);
}

/* ---- the page ---------------------------------------------------------------------------- */

static void write_files(rs_html *h, const compared_files *c)
{
    static const char *const fields[] = {"device", "driver",   "platform", "version", "commit",
                                         "tuning", "settings", "options",  "time"};
    static const char *const heads[] = {"what", "value"};
    char text[512];
    for (size_t f = 0; f < c->files; f++) {
        snprintf(text, sizeof text, "%c: %.400s", letter_of(c, &c->file[f]), c->file[f].path);
        rs_html_fold(h, text);
        rs_html_table(h, text, heads, 2);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            const char *cells[2] = {fields[i], text};
            cli_bench_values(&c->file[f], fields[i], text);
            rs_html_row(h, cells, 2);
        }
        rs_html_table_end(h);
        rs_html_fold_end(h);
    }
}

static void write_page(rs_html *h, const compared_files *c)
{
    static const bars models = {"Images per second", "Whole networks.", "img/s", is_model, rate_of};
    static const bars layers = {"Layers",
                                "Milliseconds of a step that each operation of a network takes, by "
                                "the implementation that the "
                                "device prefers: its time, as often as the network has it.",
                                "ms", is_layer, layer_ms};
    static const bars trainings = {
        "Training",
        "Seconds until a network is as accurate as was asked for. Ratios above "
        "are of the time of an epoch.",
        "s", is_training, seconds_of};
    static const bars peaks = {"Limits", "What the device can do at most, each in its own unit.",
                               "rate", is_peak, rate_of};
    char common[512];
    rs_html_begin(h, "Comparison");
    rs_html_section(h, "Files");
    write_files(h, c);
    cli_bench_common(&c->file[0], c->varies, common);
    if (*common)
        rs_html_p(h, "All rows of a kind: %s.", common);
    rs_html_section_end(h);
    for (size_t i = 0; i < c->pairs; i++)
        write_pair(h, c, &c->pair[i]);
    write_bars(h, c, &models);
    write_bars(h, c, &trainings);
    write_bars(h, c, &layers);
    for (size_t i = 0; i < c->files; i++)
        write_roofline(h, c, &c->file[i]);
    write_bars(h, c, &peaks);
    rs_html_p(h, "rescl %s", rescl_version());
    rs_html_end(h);
}

int cli_compare_report(const compared_files *c, cli_outfile *out)
{
    rs_html h = {.f = out->f};
    write_page(&h, c);
    if (h.failed)
        cli_short_of_memory();
    const int code = cli_outfile_close(out, !h.failed);
    return h.failed ? CLI_FAILURE : code;
}
