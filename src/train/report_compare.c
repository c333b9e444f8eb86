/* A page that compares runs. */
#include "reportpart.h"

#include "chart.h"
#include "error.h"
#include "path.h"
#include "text.h"

#include <math.h>
#include <rescl/report.h>
#include <stdlib.h>
#include <string.h>

typedef struct runs {
    rs_history run[RESCL_REPORT_RUNS];
    size_t count;
} runs;

static double at(const rs_history *run, rs_history_column column, size_t row)
{
    return row < run->epochs ? run->column[column][row] : (double)NAN;
}

/* Whether one of them has images of several labels. */
static bool any_several(const runs *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (rs_history_multi_label(&r->run[i]))
            return true;
    return false;
}

static void put_heads(rs_html *h, bool several)
{
    static const char *const heads[] = {"run",
                                        "network",
                                        "epochs",
                                        "best epoch",
                                        "mean average precision",
                                        "accuracy",
                                        "loss",
                                        "F1",
                                        "calibration error",
                                        "mean average precision on test",
                                        "test accuracy",
                                        "images a second",
                                        "time",
                                        "device"};
    const char *shown[RS_COUNT(heads)];
    size_t count = 0;

    for (size_t i = 0; i < RS_COUNT(heads); i++)
        if (several || strncmp(heads[i], "mean", 4) != 0)
            shown[count++] = heads[i];
    rs_html_table(h, "The runs at their best epoch", shown, count);
}

static void put_summary(rs_html *h, const runs *r)
{
    const bool several = any_several(r);
    char text[32];

    rs_html_section(h, "Results");
    put_heads(h, several);
    for (size_t i = 0; i < r->count; i++) {
        const rs_history *run = &r->run[i];
        const size_t best = rs_history_best(run), last = run->epochs ? run->epochs - 1 : SIZE_MAX;
        rs_html_row_begin(h, run->folder);
        rs_html_cell(h, "%s", rs_json_string(run->env, "model"));
        rs_html_cell(h, "%zu", run->epochs);
        rs_report_cell(h, at(run, RS_HISTORY_EPOCH, best));
        if (several)
            rs_report_cell(h, at(run, RS_HISTORY_EVAL_MAP, best));
        rs_report_cell(h, at(run, RS_HISTORY_EVAL_TOP1, best));
        rs_report_cell(h, at(run, RS_HISTORY_EVAL_LOSS, best));
        rs_report_cell(h, rs_json_number(run->evaluation, "macro.f1"));
        rs_report_cell(h, rs_json_number(run->evaluation, "ece"));
        if (several)
            rs_report_cell(h, rs_history_multi_label(run)
                                  ? rs_json_number(run->test, "macro.average_precision")
                                  : (double)NAN);
        rs_report_cell(h, rs_json_number(run->test, "top1"));
        rs_report_cell(h, at(run, RS_HISTORY_IMG_S, last));
        rs_html_cell(h, "%s", rs_report_time(at(run, RS_HISTORY_TIME, last), text));
        rs_html_cell(h, "%s", rs_json_string(run->env, "device.name"));
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    rs_html_section_end(h);
}

static void put_curve(rs_html *h, const runs *r, const char *title, const char *y_name,
                      rs_history_column column)
{
    rs_series series[RESCL_REPORT_RUNS] = {{0}};

    for (size_t i = 0; i < r->count; i++)
        series[i] = (rs_series){.name = r->run[i].name,
                                .x = r->run[i].column[RS_HISTORY_EPOCH],
                                .y = r->run[i].column[column],
                                .count = r->run[i].epochs,
                                .exact = column == RS_HISTORY_LR};
    const rs_chart c = {.title = title,
                        .about =
                            "A line for each run by epoch; the numbers are in the table below.",
                        .x_name = "epoch",
                        .y_name = y_name,
                        .y_from_zero = column != RS_HISTORY_LR,
                        .series = series,
                        .count = r->count};
    rs_chart_draw(h, &c);
}

static const json_t *option_of(const rs_history *run, const char *name)
{
    return json_object_get(json_object_get(run->env, "options"), name);
}

/* A number with all its digits: what differs is to look different. */
static const char *option_text(const rs_history *run, const char *name, char out[32])
{
    const json_t *value = option_of(run, name);

    if (!run->env)
        return "unknown";
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (!json_is_number(value))
        return "";
    snprintf(out, 32, "%.15g", json_number_value(value));
    rs_point_decimals(out);
    return out;
}

static bool are_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return a == b || json_equal(a, b);
}

/* Whether two of the runs whose options are known have another value. */
static bool differ(const runs *r, const char *name)
{
    const rs_history *first = NULL;

    for (size_t i = 0; i < r->count; i++) {
        if (!r->run[i].env)
            continue;
        if (first && !are_same(option_of(first, name), option_of(&r->run[i], name)))
            return true;
        first = &r->run[i];
    }
    return false;
}

static bool is_had_before(const runs *r, size_t index, const char *name)
{
    while (index-- > 0)
        if (option_of(&r->run[index], name))
            return true;
    return false;
}

/* The options that run `index` has first, where they differ. */
static size_t put_differences(rs_html *h, const runs *r, size_t index)
{
    json_t *options = json_object_get(r->run[index].env, "options"), *value;
    const char *key;
    size_t rows = 0;
    char text[32];

    json_object_foreach(options, key, value)
    {
        if (is_had_before(r, index, key) || !differ(r, key) || strcmp(key, "output_dir") == 0 ||
            strcmp(key, "resume") == 0)
            continue;
        rs_html_row_begin(h, key);
        for (size_t i = 0; i < r->count; i++)
            rs_html_cell(h, "%s", option_text(&r->run[i], key, text));
        rs_html_row_end(h);
        rows++;
    }
    return rows;
}

static void put_options(rs_html *h, const runs *r)
{
    const char *heads[RESCL_REPORT_RUNS + 1] = {"option"};
    size_t rows = 0, known = 0;

    rs_html_section(h, "What differs");
    for (size_t i = 0; i < r->count; i++) {
        heads[i + 1] = r->run[i].name;
        known += r->run[i].env != NULL;
        if (!r->run[i].env)
            rs_html_p(h, "The options of %s are unknown: its folder has no env.json.",
                      r->run[i].folder);
    }
    rs_html_table(h, "Options that are not the same in all runs", heads, r->count + 1);
    for (size_t i = 0; i < r->count; i++)
        rows += put_differences(h, r, i);
    rs_html_table_end(h);
    if (rows == 0 && known > 1)
        rs_html_p(h, known == r->count ? "The options of training are the same."
                                       : "The options of the other runs are the same.");
    rs_html_section_end(h);
}

static void put_page(rs_html *h, const runs *r)
{
    rs_html_begin(h, "Runs compared");
    put_summary(h, r);
    rs_html_section(h, "Curves");
    put_curve(h, r, "Loss of evaluation", "loss", RS_HISTORY_EVAL_LOSS);
    if (any_several(r))
        put_curve(h, r, "Mean average precision", "mean average precision", RS_HISTORY_EVAL_MAP);
    put_curve(h, r, "Accuracy of evaluation", "accuracy", RS_HISTORY_EVAL_TOP1);
    put_curve(h, r, "Loss of training", "loss", RS_HISTORY_TRAIN_LOSS);
    put_curve(h, r, "Accuracy of training", "accuracy", RS_HISTORY_TRAIN_TOP1);
    put_curve(h, r, "Learning rate", "rate", RS_HISTORY_LR);
    put_curve(h, r, "Speed", "images a second", RS_HISTORY_IMG_S);
    rs_html_section_end(h);
    put_options(h, r);
    rs_html_end(h);
}

rescl_status rescl_report_compare(const char *const *folders, size_t count, const char *path)
{
    rescl_status st = RESCL_OK;
    runs *r = NULL;
    rs_html h = {0};
    char *page = NULL;
    size_t bytes = 0;

    RS_FAIL_IF(count < 2 || count > RESCL_REPORT_RUNS, RESCL_ERR_ARG,
               "%zu runs to compare: expected 2 to %d", count, RESCL_REPORT_RUNS);
    RS_OOM(r = calloc(1, sizeof *r));
    for (; r->count < count; r->count++)
        RS_TRY(rs_history_read(folders[r->count], &r->run[r->count]));
    RS_OOM(h.f = open_memstream(&page, &bytes));
    put_page(&h, r);
    RS_TRY(rs_report_close(&h));
    RS_TRY(rs_file_write(path, page, bytes));
out:
    if (h.f)
        fclose(h.f);
    free(page);
    for (size_t i = 0; r && i < r->count; i++)
        rs_history_fini(&r->run[i]);
    free(r);
    return st;
}
