#include "reportpart.h"

#include "alloc.h"
#include "chart.h"
#include "error.h"
#include "evaluationfile.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A matrix of more classes is not drawn: it would take more than 128 MB to sum it. */
#define MOST_CLASSES 4000

const char *rs_report_number(double x, char out[32])
{
    snprintf(out, 32, fabs(x) >= 1e5 && fabs(x) < 1e15 ? "%.0f" : "%.5g", x);
    rs_point_decimals(out);
    if (isnan(x))
        *out = '\0';
    return out;
}

void rs_report_cell(rs_html *h, double x)
{
    char text[32];
    rs_html_cell(h, "%s", rs_report_number(x, text));
}

const char *rs_report_time(double seconds, char out[32])
{
    const double whole = floor(seconds);

    if (isnan(seconds))
        *out = '\0';
    else if (seconds < 60)
        snprintf(out, 32, "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(out, 32, "%.0f min %02.0f s", floor(whole / 60), fmod(whole, 60));
    else
        snprintf(out, 32, "%.0f h %02.0f min", floor(whole / 3600), floor(fmod(whole, 3600) / 60));
    rs_point_decimals(out);
    return out;
}

rescl_status rs_report_close(rs_html *h)
{
    rescl_status st = RESCL_OK;
    const bool whole = !h->failed && !ferror(h->f);
    const bool closed = fclose(h->f) == 0;

    h->f = NULL;
    RS_OOM(whole && closed ? h : NULL);
out:
    return st;
}

/* ---- scores by class ---------------------------------------------------------------------- */

static const char *class_name(const json_t *classes, size_t index)
{
    return rs_json_string(json_array_get(classes, index), "name");
}

static void put_summary(rs_html *h, const json_t *e)
{
    static const char *const facts[][2] = {{"images", "images"},
                                           {"F1 of all labels (micro)", "micro.f1"},
                                           {"accuracy", "top1"},
                                           {"top-5 accuracy", "top5"},
                                           {"loss", "loss"},
                                           {"F1, mean of classes", "macro.f1"},
                                           {"average precision, mean", "macro.average_precision"},
                                           {"calibration error (ECE)", "ece"}};
    char text[32];

    rs_html_facts(h);
    for (size_t i = 0; i < RS_COUNT(facts); i++) {
        const double value = rs_json_number(e, facts[i][1]);
        if (!isnan(value))
            rs_html_fact(h, facts[i][0], "%s", rs_report_number(value, text));
    }
    rs_html_facts_end(h);
}

static size_t index_at(const json_t *row, size_t column)
{
    const json_int_t value = json_integer_value(json_array_get(row, column));
    return value < 0 ? SIZE_MAX : (size_t)value;
}

static rescl_status put_matrix(rs_html *h, const json_t *e)
{
    rescl_status st = RESCL_OK;
    const json_t *classes = json_object_get(e, "classes"), *cells = json_object_get(e, "confusion");
    const size_t count = json_array_size(classes);
    double *value = NULL;
    const char **name = NULL;
    size_t i;
    json_t *cell;
    rs_matrix m = {
        .title = "Confusion matrix",
        .about = "How many images of each class were taken for which. The table of classes and "
                 "that of the most confused pairs say the same in numbers.",
        .row_name = "the class of the images",
        .column_name = "what they were taken for",
        .count = count};

    if (count == 0 || count > MOST_CLASSES)
        goto out;
    RS_OOM(value = calloc(count * count, sizeof *value));
    RS_OOM(name = calloc(count, sizeof *name));
    for (size_t k = 0; k < count; k++)
        name[k] = class_name(classes, k);
    json_array_foreach(cells, i, cell)
    {
        const size_t row = index_at(cell, 0), column = index_at(cell, 1);
        if (row < count && column < count)
            value[row * count + column] += json_number_value(json_array_get(cell, 2));
    }
    m.value = value;
    m.name = name;
    rs_chart_matrix(h, &m);
out:
    free(value);
    free(name);
    return st;
}

static void put_confused(rs_html *h, const json_t *e)
{
    static const char *const heads[] = {"class", "taken for", "images"};
    const json_t *classes = json_object_get(e, "classes"), *pairs = json_object_get(e, "confused");
    size_t i;
    json_t *pair;

    if (json_array_size(pairs) == 0)
        return;
    rs_html_table(h, "The most confused pairs of classes", heads, 3);
    json_array_foreach(pairs, i, pair)
    {
        rs_html_row_begin(h, class_name(classes, index_at(pair, 0)));
        rs_html_cell(h, "%s", class_name(classes, index_at(pair, 1)));
        rs_report_cell(h, json_number_value(json_array_get(pair, 2)));
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
}

/* A row of a class, or of a mean over classes, whose images are `support`. */
static void put_class(rs_html *h, const char *name, const json_t *c, double support)
{
    static const char *const columns[] = {"precision", "recall", "f1", "average_precision"};

    rs_html_row_begin(h, name);
    rs_report_cell(h, support);
    for (size_t i = 0; i < RS_COUNT(columns); i++)
        rs_report_cell(h, rs_json_number(c, columns[i]));
    rs_html_bar(h, rs_json_number(c, "f1"), 1, NAN, NAN);
    rs_html_row_end(h);
}

static void put_classes(rs_html *h, const json_t *e)
{
    static const char *const heads[] = {
        "class", "images", "precision", "recall", "F1", "average precision", "F1"};
    const json_t *classes = json_object_get(e, "classes");
    const bool many = json_array_size(classes) > RS_REPORT_ROWS;
    const double images = rs_json_number(e, "images");
    size_t i;
    json_t *c;

    if (many)
        rs_html_fold(h, "Scores of each class");
    rs_html_table(h, "Scores of each class", heads, RS_COUNT(heads));
    json_array_foreach(classes, i, c)
        put_class(h, rs_json_string(c, "name"), c, rs_json_number(c, "support"));
    if (json_object_get(e, "micro"))
        put_class(h, "all labels at once", json_object_get(e, "micro"), images);
    put_class(h, "mean of classes", json_object_get(e, "macro"), images);
    put_class(h, "weighted by images", json_object_get(e, "weighted"), images);
    rs_html_table_end(h);
    if (many)
        rs_html_fold_end(h);
}

/* ---- calibration, precision and recall ---------------------------------------------------- */

static void put_calibration(rs_html *h, const json_t *e)
{
    static const double diagonal[] = {0, 1};
    const json_t *bins = json_object_get(e, "calibration");
    const size_t count = json_array_size(bins);
    double said[RESCL_CALIBRATION_BINS], right[RESCL_CALIBRATION_BINS];

    if (count == 0 || count > RESCL_CALIBRATION_BINS)
        return;
    for (size_t i = 0; i < count; i++) {
        right[i] = json_number_value(json_array_get(json_array_get(bins, i), 3));
        said[i] = json_number_value(json_array_get(json_array_get(bins, i), 4));
    }
    const rs_series series[] = {
        {.name = "as it should be", .x = diagonal, .y = diagonal, .count = 2},
        {.name = "this network", .x = said, .y = right, .count = count}};
    const rs_chart c = {.title = "Calibration",
                        .about =
                            "How often predictions of a certainty are right. A network whose "
                            "certainties mean what they say lies on the diagonal; below it, it is "
                            "too sure.",
                        .x_name = "certainty",
                        .y_name = "accuracy",
                        .y_most = 1,
                        .series = series,
                        .count = 2};
    rs_chart_draw(h, &c);
}

static void put_pr_curves(rs_html *h, const json_t *e)
{
    const json_t *curves = json_object_get(e, "curves");
    rs_series series[RS_CURVES] = {{0}};
    double recall[RS_CURVE_POINTS], precision[RS_CURVES][RS_CURVE_POINTS];
    size_t count = 0, i;
    json_t *curve;

    json_array_foreach(curves, i, curve)
    {
        const json_t *values = json_object_get(curve, "precision");
        if (count == RS_CURVES || json_array_size(values) != RS_CURVE_POINTS)
            continue;
        for (size_t k = 0; k < RS_CURVE_POINTS; k++) {
            recall[k] = (double)k / (RS_CURVE_POINTS - 1);
            precision[count][k] = json_number_value(json_array_get(values, k));
        }
        series[count] = (rs_series){.name = rs_json_string(curve, "class"),
                                    .x = recall,
                                    .y = precision[count],
                                    .count = RS_CURVE_POINTS,
                                    .exact = true};
        count++;
    }
    if (count == 0)
        return;
    const rs_chart c = {
        .title = "Precision and recall",
        .about = "The precision that each class reaches at a recall, one line for each of "
                 "the classes with the most images.",
        .x_name = "recall",
        .y_name = "precision",
        .y_most = 1,
        .series = series,
        .count = count};
    rs_chart_draw(h, &c);
}

rescl_status rs_report_evaluation(rs_html *h, const json_t *e, const char *heading)
{
    rescl_status st = RESCL_OK;
    const double epoch = rs_json_number(e, "epoch");

    if (!e)
        goto out;
    rs_html_section(h, heading);
    if (epoch > 0)
        rs_html_p(h, "Of the weights of epoch %.0f, on %s.", epoch, rs_json_string(e, "split"));
    else
        rs_html_p(h, "Of the best weights, on %s.", rs_json_string(e, "split"));
    put_summary(h, e);
    if (json_is_true(json_object_get(e, "multi_label"))) {
        rs_html_p(h,
                  "An image has any number of labels: a class counts as predicted where its "
                  "probability is above 0.5, and the accuracy is the share of images all of whose "
                  "labels are those predicted. There is no confusion matrix, for no class of an "
                  "image is taken for another one.");
    } else {
        RS_TRY(put_matrix(h, e));
        put_confused(h, e);
    }
    put_classes(h, e);
    put_calibration(h, e);
    put_pr_curves(h, e);
    rs_html_section_end(h);
out:
    return st;
}
