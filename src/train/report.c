/* report.html of a run folder. */
#include "reportpart.h"

#include "chart.h"
#include "csvread.h"
#include "error.h"
#include "path.h"
#include "text.h"

#include <math.h>
#include <rescl/report.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IMAGE   ((size_t)1 << 20)
#define MIB         1048576.0
#define MAX_SKIPPED ((size_t)1 << 30)

static double last_of(const rs_history *run, rs_history_column column)
{
    return run->epochs ? run->column[column][run->epochs - 1] : (double)NAN;
}

/* ---- the head ----------------------------------------------------------------------------- */

/* A run that did not end as it was asked to says so. */
static void put_status(rs_html *h, const rs_history *run)
{
    const char *status = rs_json_string(run->about, "status");
    const char *message = rs_json_string(run->about, "message");
    const double epochs = rs_json_number(run->env, "options.epochs");
    char asked[32];

    rs_report_number(epochs, asked);

    if (strcmp(status, "interrupted") == 0)
        rs_html_notice(
            h, RS_TONE_BAD,
            "This run was interrupted after %zu of %s epochs. It goes on with: rescl train "
            "--resume %s",
            run->epochs, asked, run->folder);
    else if (strcmp(status, "failed") == 0)
        rs_html_notice(h, RS_TONE_BAD, "This run failed after %zu of %s epochs: %s", run->epochs,
                       asked, message);
    else if (strcmp(status, "done") != 0 && (double)run->epochs < epochs)
        rs_html_notice(h, RS_TONE_BAD,
                       "This run has done %zu of %s epochs: it is still running, or it was killed.",
                       run->epochs, asked);
}

/* Nothing where it is not known. */
static void put_fact(rs_html *h, const char *term, double value, const char *unit)
{
    char text[32];

    if (!isnan(value))
        rs_html_fact(h, term, "%s%s", rs_report_number(value, text), unit);
}

static void put_facts(rs_html *h, const rs_history *run)
{
    const size_t best = rs_history_best(run);
    char text[32];

    rs_html_facts(h);
    if (best != SIZE_MAX) {
        const bool measured = !isnan(run->column[RS_HISTORY_EVAL_TOP1][best]);
        put_fact(h, "mean average precision", run->column[RS_HISTORY_EVAL_MAP][best], "");
        put_fact(h, measured ? "accuracy" : "training accuracy",
                 run->column[measured ? RS_HISTORY_EVAL_TOP1 : RS_HISTORY_TRAIN_TOP1][best], "");
        put_fact(h, measured ? "loss" : "training loss",
                 run->column[measured ? RS_HISTORY_EVAL_LOSS : RS_HISTORY_TRAIN_LOSS][best], "");
        rs_html_fact(h, "best epoch", "%.0f of %zu", run->column[RS_HISTORY_EPOCH][best],
                     run->epochs);
    }
    if (rs_history_multi_label(run))
        put_fact(h, "mean average precision on test",
                 rs_json_number(run->test, "macro.average_precision"), "");
    put_fact(h, "accuracy on test", rs_json_number(run->test, "top1"), "");
    if (!isnan(last_of(run, RS_HISTORY_TIME)))
        rs_html_fact(h, "time", "%s", rs_report_time(last_of(run, RS_HISTORY_TIME), text));
    put_fact(h, "images a second", round(last_of(run, RS_HISTORY_IMG_S)), "");
    put_fact(h, "device memory", last_of(run, RS_HISTORY_MEMORY), " MiB");
    if (*rs_json_string(run->env, "model"))
        rs_html_fact(h, "network", "%s", rs_json_string(run->env, "model"));
    rs_html_facts_end(h);
}

/* ---- curves ------------------------------------------------------------------------------- */

/* One chart of one or two columns of results.csv. */
static void put_curve(rs_html *h, const rs_history *run, const char *title, const char *y_name,
                      rs_history_column first, rs_history_column second, bool exact)
{
    const double *x = run->column[RS_HISTORY_EPOCH];
    const bool two = second != first;
    const rs_series series[] = {{.name = two ? "training" : y_name,
                                 .x = x,
                                 .y = run->column[first],
                                 .count = run->epochs,
                                 .exact = exact},
                                {.name = "evaluation",
                                 .x = x,
                                 .y = run->column[second],
                                 .count = run->epochs,
                                 .exact = exact}};
    char *about =
        rs_strf("%s by epoch, over %zu epochs; the table of all epochs follows the curves.", title,
                run->epochs);
    const rs_chart c = {.title = title,
                        .about = about ? about : title,
                        .x_name = "epoch",
                        .y_name = y_name,
                        .y_from_zero = first != RS_HISTORY_LR,
                        .series = series,
                        .count = two ? 2 : 1,
                        .no_table = true};

    rs_chart_draw(h, &c);
    free(about);
}

static void put_history_table(rs_html *h, const rs_history *run)
{
    static const char *const heads[RS_HISTORY_COLUMNS] = {"epoch",
                                                          "time [s]",
                                                          "training loss",
                                                          "training accuracy",
                                                          "loss",
                                                          "accuracy",
                                                          "rate",
                                                          "images a second",
                                                          "data wait [s]",
                                                          "memory [MiB]",
                                                          "mean average precision"};
    const size_t columns = RS_HISTORY_COLUMNS - (rs_history_multi_label(run) ? 0 : 1);
    char text[RS_HISTORY_COLUMNS][32];
    const char *cell[RS_HISTORY_COLUMNS];

    rs_html_fold(h, "All epochs");
    rs_html_table(h, "Epochs", heads, columns);
    for (size_t i = 0; i < run->epochs; i++) {
        for (size_t c = 0; c < columns; c++)
            cell[c] = rs_report_number(run->column[c][i], text[c]);
        rs_html_row(h, cell, columns);
    }
    rs_html_table_end(h);
    rs_html_fold_end(h);
}

static void put_curves(rs_html *h, const rs_history *run)
{
    if (run->epochs == 0)
        return;
    rs_html_section(h, "Curves");
    put_curve(h, run, "Loss", "loss", RS_HISTORY_TRAIN_LOSS, RS_HISTORY_EVAL_LOSS, false);
    if (rs_history_multi_label(run))
        put_curve(h, run, "Mean average precision", "mean average precision", RS_HISTORY_EVAL_MAP,
                  RS_HISTORY_EVAL_MAP, false);
    put_curve(h, run, "Accuracy", "accuracy", RS_HISTORY_TRAIN_TOP1, RS_HISTORY_EVAL_TOP1, false);
    put_curve(h, run, "Learning rate", "rate", RS_HISTORY_LR, RS_HISTORY_LR, true);
    put_curve(h, run, "Speed", "images a second", RS_HISTORY_IMG_S, RS_HISTORY_IMG_S, false);
    put_curve(h, run, "Waiting for data", "seconds an epoch", RS_HISTORY_DATA_WAIT,
              RS_HISTORY_DATA_WAIT, false);
    put_history_table(h, run);
    rs_html_section_end(h);
}

/* ---- images ------------------------------------------------------------------------------- */

/* A PNG of the folder; one that is gone is left out. */
static rescl_status put_image(rs_html *h, const rs_history *run, const char *file, const char *alt,
                              const char *caption, size_t width)
{
    rescl_status st = RESCL_OK;
    char *path = NULL, *png = NULL;
    size_t bytes;

    if (!*file || strchr(file, '/') != strrchr(file, '/') || strncmp(file, "images/", 7) != 0)
        goto out; /* it names another file than those that a run writes */
    RS_OOM(path = rs_path_join(run->folder, file));
    if (rs_file_read(path, MAX_IMAGE, &png, &bytes) == RESCL_OK)
        rs_html_png(h, png, bytes, width, alt, caption);
out:
    free(path);
    free(png);
    return st;
}

static rescl_status put_mistakes(rs_html *h, const rs_history *run)
{
    rescl_status st = RESCL_OK;
    const json_t *images = json_object_get(run->about, "images");
    const char *layer = rs_json_string(run->about, "layer");
    char *alt = NULL, *caption = NULL;
    size_t i;
    json_t *image;

    if (json_array_size(images) == 0)
        goto out;
    rs_html_section(h, "Mistakes");
    rs_html_p(h, "The images of the largest loss, and one for each of the most confused pairs of "
                 "classes.");
    if (*layer)
        rs_html_p(
            h,
            "On the right, from dark violet to light yellow, is what spoke for the prediction "
            "(Grad-CAM, of layer %s).",
            layer);
    rs_html_gallery(h);
    json_array_foreach(images, i, image)
    {
        const char *label = rs_json_string(image, "label"),
                   *taken = rs_json_string(image, "prediction");
        RS_OOM(alt = rs_strf("%s: an image of %s%s%s", rs_json_string(image, "path"), label,
                             *layer ? ", and the map of what spoke for " : " that was taken for ",
                             taken));
        RS_OOM(caption = rs_strf("%s: it is %s, taken for %s with %.0f %%; loss %.3g",
                                 rs_json_string(image, "path"), label, taken,
                                 100 * rs_json_number(image, "probability"),
                                 rs_json_number(image, "loss")));
        RS_TRY(put_image(h, run, rs_json_string(image, "file"), alt, caption, 0));
        free(alt);
        free(caption);
        alt = caption = NULL;
    }
    rs_html_gallery_end(h);
    rs_html_section_end(h);
out:
    free(alt);
    free(caption);
    return st;
}

/* ---- data, network, environment ----------------------------------------------------------- */

static double most_images(const json_t *classes)
{
    double most = 1;
    size_t i;
    json_t *c;

    json_array_foreach(classes, i, c) most =
        fmax(most, fmax(rs_json_number(c, "train"), rs_json_number(c, "eval")));
    return most;
}

/* How many images were left out, where there were such; names that are not UTF-8 are not counted. */
static rescl_status put_skipped(rs_html *h, const rs_history *run)
{
    rescl_status st = RESCL_OK;
    rs_csv_reader table = {0};
    char *path = NULL, count[32] = "some";
    size_t rows = 0; /* with that of the names of columns */
    bool more = true;

    RS_OOM(path = rs_path_join(run->folder, "skipped.csv"));
    st = rs_csv_open(path, MAX_SKIPPED, &table);
    for (; st == RESCL_OK && more; rows += more)
        st = rs_csv_next(&table, &more);
    if (st == RESCL_OK)
        rs_report_number((double)rows - 1, count);
    if (st == RESCL_ERR_FORMAT || (st == RESCL_OK && rows > 1))
        rs_html_p(h, "Images that could not be read: %s; skipped.csv tells which and why.", count);
    if (st == RESCL_ERR_FORMAT || st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
out:
    rs_csv_fini(&table);
    free(path);
    return st;
}

static rescl_status put_data(rs_html *h, const rs_history *run)
{
    rescl_status st = RESCL_OK;
    static const char *const heads[] = {"class", "to train", "to evaluate", ""};
    const json_t *classes = json_object_get(run->about, "classes");
    const double most = most_images(classes);
    const bool many = json_array_size(classes) > RS_REPORT_ROWS;
    char train[32], eval[32];
    size_t i;
    json_t *c;

    if (json_array_size(classes) == 0)
        goto out;
    rs_html_section(h, "Data");
    rs_html_p(h, "%s: %s images to train, %s to evaluate.", rs_json_string(run->env, "data.name"),
              rs_report_number(rs_json_number(run->env, "data.count"), train),
              rs_report_number(rs_json_number(run->env, "data.eval.count"), eval));
    RS_TRY(put_skipped(h, run));
    if (many)
        rs_html_fold(h, "Images of each class");
    rs_html_table(h, "Images of each class", heads, 4);
    json_array_foreach(classes, i, c)
    {
        rs_html_row_begin(h, rs_json_string(c, "name"));
        rs_report_cell(h, rs_json_number(c, "train"));
        rs_report_cell(h, rs_json_number(c, "eval"));
        rs_html_bar(h, rs_json_number(c, "train"), most, NAN, NAN);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    if (many)
        rs_html_fold_end(h);
    if (*rs_json_string(run->about, "augmentation")) {
        rs_html_heading(h, "The first images as the network got them");
        RS_TRY(put_image(h, run, rs_json_string(run->about, "augmentation"),
                         "Training images, resized and augmented", "", 640));
    }
    rs_html_section_end(h);
out:
    return st;
}

/* What a step needs as it is planned, and what was in use. */
static void put_memory(rs_html *h, const rs_history *run)
{
    static const char *const heads[] = {"what", "MiB", "share [%]", ""};
    static const char *const parts[][2] = {
        {"activations, their gradients and scratch", "activations"},
        {"parameters and running statistics", "parameters"},
        {"gradients of the parameters", "gradients"},
        {"state of the optimiser", "optimiser"},
        {"teacher", "teacher"}};
    const json_t *memory = json_object_get(run->about, "memory");
    const double has = rs_json_number(run->env, "device.global_bytes") / MIB;
    double all = 0, used = 0;
    char text[2][32];

    for (size_t i = 0; i < RS_COUNT(parts); i++)
        all += fmax(rs_json_number(memory, parts[i][1]), 0) / MIB;
    if (!(all > 0))
        return;
    rs_html_heading(h, "Memory of the device");
    rs_html_table(h, "What a step needs", heads, RS_COUNT(heads));
    for (size_t i = 0; i < RS_COUNT(parts); i++) {
        const double mib = fmax(rs_json_number(memory, parts[i][1]), 0) / MIB;
        if (!(mib > 0))
            continue;
        rs_html_row_begin(h, parts[i][0]);
        rs_html_cell(h, "%.1f", mib);
        rs_html_cell(h, "%.1f", 100 * mib / all);
        rs_html_bar(h, mib, all, NAN, NAN);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    for (size_t i = 0; i < run->epochs; i++)
        used = fmax(used, run->column[RS_HISTORY_MEMORY][i]);
    if (used > 0 && has > 0)
        rs_html_p(h,
                  "With images on their way and the evaluation, %s MiB of the device's %s MiB were "
                  "in use at most.",
                  rs_report_number(used, text[0]), rs_report_number(round(has), text[1]));
}

static void put_network(rs_html *h, const rs_history *run)
{
    static const char *const heads[] = {"layer", "type", "output", "parameters", "MACs of an image",
                                        ""};
    const json_t *layers = json_object_get(run->about, "layers");
    double most = 1;
    size_t i;
    json_t *l;

    if (json_array_size(layers) == 0)
        return;
    json_array_foreach(layers, i, l) most = fmax(most, rs_json_number(l, "macs"));
    rs_html_section(h, "Network");
    put_memory(h, run);
    rs_html_fold(h, "Layers");
    rs_html_table(h, "Layers", heads, 6);
    json_array_foreach(layers, i, l)
    {
        rs_html_row_begin(h, rs_json_string(l, "name"));
        rs_html_cell(h, "%s", rs_json_string(l, "type"));
        rs_html_cell(h, "%s", rs_json_string(l, "shape"));
        rs_report_cell(h, rs_json_number(l, "params"));
        rs_report_cell(h, rs_json_number(l, "macs"));
        rs_html_bar(h, rs_json_number(l, "macs"), most, NAN, NAN);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    rs_html_fold_end(h);
    rs_html_section_end(h);
}

static void put_environment(rs_html *h, const rs_history *run)
{
    static const char *const rows[][2] = {{"rescl", "rescl"},
                                          {"device", "device.name"},
                                          {"vendor", "device.vendor"},
                                          {"platform", "device.platform"},
                                          {"driver", "device.driver"},
                                          {"OpenCL C", "device.opencl_c"},
                                          {"tuning", "tuning.source"},
                                          {"system", "system.name"},
                                          {"release", "system.release"},
                                          {"machine", "system.machine"},
                                          {"data", "data.name"},
                                          {"fingerprint of the data", "data.fingerprint"}};
    static const char *const heads[] = {"what", "value"};

    rs_html_section(h, "Environment");
    rs_html_table(h, "What it ran on", heads, 2);
    for (size_t i = 0; i < RS_COUNT(rows); i++) {
        const char *const cells[] = {rows[i][0], rs_json_string(run->env, rows[i][1])};
        if (*cells[1])
            rs_html_row(h, cells, 2);
    }
    rs_html_table_end(h);
    if (run->args) {
        rs_html_heading(h, "Options, and where each comes from");
        rs_html_code(h, run->args);
    }
    rs_html_section_end(h);
}

static rescl_status put_commands(rs_html *h, const rs_history *run)
{
    rescl_status st = RESCL_OK;
    char *quoted = NULL, *text = NULL;

    RS_OOM(quoted = rs_shell_quote(run->folder));
    RS_OOM(text = rs_strf("# the same run again, in a new folder\nrescl train -c %s/args.ini\n"
                          "# go on with it\nrescl train --resume %s\n"
                          "# classify an image\nrescl predict --weights %s IMAGE\n"
                          "# measure the time of each layer, for this page too\n"
                          "rescl profile --run %s\n"
                          "# this page again\nrescl report %s\n",
                          quoted, quoted, quoted, quoted, quoted));
    rs_html_section(h, "Commands");
    rs_html_code(h, text);
    rs_html_section_end(h);
out:
    free(quoted);
    free(text);
    return st;
}

/* ---- the page ----------------------------------------------------------------------------- */

static rescl_status put_page(rs_html *h, const rs_history *run)
{
    rescl_status st = RESCL_OK;

    rs_html_begin(h, run->name);
    put_status(h, run);
    put_facts(h, run);
    put_curves(h, run);
    RS_TRY(rs_report_evaluation(h, run->evaluation, "Evaluation"));
    RS_TRY(put_mistakes(h, run));
    RS_TRY(rs_report_evaluation(h, run->test, "Test"));
    RS_TRY(put_data(h, run));
    put_network(h, run);
    rs_report_team(h, run);
    RS_TRY(rs_report_profile(h, run->profile));
    put_environment(h, run);
    RS_TRY(put_commands(h, run));
    rs_html_end(h);
out:
    return st;
}

rescl_status rescl_report_write(const char *folder, const char *path)
{
    rescl_status st = RESCL_OK;
    rs_history run = {0};
    rs_html h = {0};
    char *page = NULL, *own = NULL;
    size_t bytes = 0;

    RS_TRY(rs_history_read(folder, &run));
    RS_OOM(own = rs_path_join(folder, "report.html"));
    RS_OOM(h.f = open_memstream(&page, &bytes));
    RS_TRY(put_page(&h, &run));
    RS_TRY(rs_report_close(&h));
    RS_TRY(rs_file_write(path ? path : own, page, bytes));
out:
    if (h.f)
        fclose(h.f);
    free(page);
    free(own);
    rs_history_fini(&run);
    return st;
}
