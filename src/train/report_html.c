/* report.html of the run folder, and what it is made of beside the other files: report.json, which says
 * how the run ended and what its data and network are, and images/. A page that cannot be made is worth a
 * warning: the run is complete without it. */
#include "dataset.h"
#include "error.h"
#include "imagesheet.h"
#include "jsonload.h"
#include "jsonvalue.h"
#include "log.h"
#include "mistakes.h"
#include "netmodel.h"
#include "path.h"
#include "str.h"
#include "trainer.h"

#include <errno.h>
#include <rescl/report.h>
#include <stdlib.h>
#include <string.h>

typedef struct report {
    const rs_run_info *run;
    rs_image_sheet sheet;
    rs_mistakes mistakes; /* of the best evaluation of this part of the run */
    bool begun;
    json_t *before; /* report.json of a run that goes on, or NULL */
} report;

static void free_report(report *r)
{
    if (!r)
        return;
    rs_image_sheet_fini(&r->sheet);
    json_decref(r->before);
    free(r);
}

static rescl_status read_before(report *r)
{
    rescl_status st = RESCL_OK;
    char *path = NULL, *text = NULL;
    size_t bytes;

    RS_OOM(path = rs_path_join(r->run->folder, "report.json"));
    if (r->run->epoch > 0 && rs_file_read(path, (size_t)64 << 20, &text, &bytes) == RESCL_OK)
        r->before = rs_json_load(text, bytes, 0, &(json_error_t){0});
out:
    free(path);
    free(text);
    return st;
}

static rescl_status open_report(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    report *r = NULL;

    if (!run->folder || (run->train_set && !run->options->report))
        goto out;
    RS_OOM(r = calloc(1, sizeof *r));
    r->run = run;
    if (run->train_set)
        RS_TRY(rs_image_sheet_init(run, &r->sheet));
    RS_TRY(read_before(r));
    *self = r, r = NULL;
out:
    free_report(r);
    return st;
}

static rescl_status take_images(void *self, const rs_samples *s)
{
    report *r = self;

    if (r->sheet.pixels)
        rs_image_sheet_take(&r->sheet, s);
    return RESCL_OK;
}

/* ---- report.json -------------------------------------------------------------------------- */

/* Sets a key; `value` may be NULL for want of memory, which errno says. */
static void set(json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0)
        errno = ENOMEM;
}

/* Images of each class to train and to evaluate, matched by name. */
static rescl_status classes_json(const rs_run_info *run, json_t *to)
{
    rescl_status st = RESCL_OK;
    const rescl_dataset *sets[] = {run->train_set, run->eval_set};
    size_t *count[2] = {NULL, NULL}, *own = NULL;
    int32_t *map = NULL;

    for (int i = 0; i < 2; i++) {
        RS_OOM(count[i] = calloc(run->model->classes, sizeof *count[i]));
        if (!sets[i])
            continue;
        RS_TRY(rs_match_dataset(run->model, sets[i], NULL, &map));
        RS_OOM(own = calloc(sets[i]->classes, sizeof *own));
        rescl_dataset_class_counts(sets[i], own);
        for (size_t c = 0; c < sets[i]->classes; c++) {
            const int32_t at = map ? map[c] : (int32_t)c;
            if (at >= 0 && (size_t)at < run->model->classes)
                count[i][at] += own[c];
        }
        free(map);
        free(own);
        map = NULL;
        own = NULL;
    }
    for (size_t c = 0; c < run->model->classes; c++)
        json_array_append_new(
            to, json_pack("{s:o, s:I, s:I}", "name", rs_json_text(run->model->class_name[c]),
                          "train", (json_int_t)count[0][c], "eval", (json_int_t)count[1][c]));
out:
    free(map);
    free(own);
    free(count[0]);
    free(count[1]);
    return st;
}

static rescl_status layers_json(const rescl_model *model, json_t *to)
{
    rescl_status st = RESCL_OK;
    rescl_layer_info l;
    rs_str shape = {0};

    for (size_t i = 0; rescl_model_get_layer_info(model, i, &l); i++) {
        shape.len = 0;
        for (size_t d = 0; d < l.ndim; d++)
            RS_TRY(rs_str_appendf(&shape, d ? "x%zu" : "%zu", l.shape[d]));
        json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:I, s:f}", "name", l.name, "type",
                                            l.type, "shape", shape.text ? shape.text : "", "params",
                                            (json_int_t)l.params, "macs", l.macs));
    }
out:
    rs_str_fini(&shape);
    return st;
}

/* null where it is not known. */
static json_t *memory_json(const rs_run_info *run)
{
    rescl_memory m;

    if (rs_team_size(run->team) == 0 ||
        rs_memory_needed(rs_team_device(run->team, 0), run->model, run->options->batch_size,
                         run->options, run->teacher, &m) != RESCL_OK)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "parameters", (json_int_t)m.parameters,
                     "gradients", (json_int_t)m.gradients, "optimiser", (json_int_t)m.optimiser,
                     "activations", (json_int_t)m.activations, "teacher", (json_int_t)m.teacher);
}

static rescl_status write_sheet(const report *r)
{
    rescl_status st = RESCL_OK;
    uint8_t *png = NULL;
    char *path = NULL;
    size_t bytes, width, height;

    if (r->sheet.count == 0)
        goto out;
    RS_OOM(path = rs_strf("%s/images/augmentation.png", r->run->folder));
    RS_TRY(rs_tiles_png(r->run->model, r->sheet.pixels, r->sheet.count, 4, &png, &bytes, &width,
                        &height));
    RS_TRY(rs_file_write(path, png, bytes));
out:
    free(png);
    free(path);
    return st;
}

/* `images`: those of the best evaluation, or NULL while the run goes on. */
static rescl_status write_about(const report *r, const char *status, const char *message,
                                json_t *images, const char *layer)
{
    rescl_status st = RESCL_OK;
    json_t *o = json_object(), *classes = json_array(), *layers = json_array();
    json_t *memory = memory_json(r->run); /* may leave an errno */
    char *path = NULL, *text = NULL;

    RS_OOM(path = rs_path_join(r->run->folder, "report.json"));
    RS_OOM(memory);
    errno = 0;
    RS_TRY(classes_json(r->run, classes));
    RS_TRY(layers_json(r->run->model, layers));
    set(o, "status", json_string(status));
    set(o, "message", rs_json_text(message));
    set(o, "classes", json_incref(classes));
    set(o, "layers", json_incref(layers));
    set(o, "memory", json_incref(memory));
    set(o, "augmentation", json_string("images/augmentation.png"));
    if (images)
        set(o, "images", json_incref(images));
    if (layer)
        set(o, "layer", json_string(layer));
    RS_OOM(o && errno != ENOMEM ? o : NULL);
    RS_TRY(rs_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(10), &text));
    RS_TRY(rs_file_write(path, text, strlen(text)));
out:
    json_decref(o);
    json_decref(classes);
    json_decref(layers);
    json_decref(memory);
    free(path);
    free(text);
    return st;
}

/* ---- as the run goes on ------------------------------------------------------------------- */

static rescl_status begin(report *r)
{
    rescl_status st = RESCL_OK;
    char *images = NULL, *profile = NULL;

    RS_OOM(images = rs_path_join(r->run->folder, "images"));
    RS_TRY(rs_mkdirs(images));
    if (r->run->epoch == 0) {
        RS_TRY(rs_mistakes_drop(r->run->folder));
        RS_OOM(profile = rs_path_join(r->run->folder, "profile.json"));
        RS_TRY(rs_file_remove(profile));
        RS_TRY(write_sheet(r));
    }
    RS_TRY(write_about(r, "running", "", json_object_get(r->before, "images"),
                       json_string_value(json_object_get(r->before, "layer"))));
    r->begun = true;
out:
    free(images);
    free(profile);
    return st;
}

static void warn_of(const char *what)
{
    rs_log(RESCL_LOG_WARN, "%s: %s", what, rescl_last_error()->message);
}

static rescl_status take_epoch(void *self, const rescl_epoch_event *e, bool *stop)
{
    report *r = self;

    (void)stop;
    if (!r->begun && begin(r) != RESCL_OK)
        warn_of("the report will lack parts");
    r->begun = true;
    if (e->best && e->eval.samples > 0 &&
        rs_mistakes_choose(r->run->scores, &r->mistakes) != RESCL_OK)
        warn_of("the report will lack its mistakes");
    return RESCL_OK;
}

/* After a failure the device may be of no use: the page has what was written before. Who interrupts a run
 * does not want to wait for maps, which take seconds. */
static rescl_status end_run(report *r, rescl_status ended, const char *message)
{
    rescl_status st = RESCL_OK;
    json_t *images = json_array();
    const char *layer = NULL;
    const bool usable = ended == RESCL_OK || ended == RESCL_ERR_INTERRUPTED;

    RS_OOM(images);
    if (!r->begun)
        RS_TRY(begin(r));
    if (usable && r->mistakes.chosen &&
        rs_mistakes_write(&r->mistakes, r->run, ended == RESCL_OK, images, &layer) != RESCL_OK)
        warn_of("the report lacks its mistakes");
    if (json_array_size(images) == 0 && r->before && !r->mistakes.chosen) {
        json_decref(images);
        images = json_incref(json_object_get(r->before, "images"));
        layer = json_string_value(json_object_get(r->before, "layer"));
    }
    RS_TRY(write_about(r,
                       ended == RESCL_OK                ? "done"
                       : ended == RESCL_ERR_INTERRUPTED ? "interrupted"
                                                        : "failed",
                       ended == RESCL_OK ? "" : message, images, layer));
    RS_TRY(rescl_report_write(r->run->folder, NULL));
out:
    json_decref(images);
    return st;
}

/* What is measured at the end of a run, on other images, is in its page too, where there is one. */
static rescl_status end_evaluation(const report *r)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;
    char *text = NULL;
    size_t bytes;

    RS_OOM(path = rs_path_join(r->run->folder, "report.json"));
    if (rs_file_read(path, (size_t)64 << 20, &text, &bytes) == RESCL_OK)
        RS_TRY(rescl_report_write(r->run->folder, NULL));
out:
    free(path);
    free(text);
    return st;
}

static rescl_status close_report(void *self, rescl_status st)
{
    report *r = self;
    const rescl_error why = *rescl_last_error();
    const rescl_status made = r->run->train_set ? end_run(r, st, why.message) : end_evaluation(r);

    if (made != RESCL_OK)
        warn_of("the report was not made");
    if (st != RESCL_OK)
        rs_error_restore(&why);
    free_report(r);
    return RESCL_OK;
}

const rs_watcher rs_watcher_report_html = {.name = "report_html",
                                           .open = open_report,
                                           .samples = take_images,
                                           .epoch = take_epoch,
                                           .close = close_report};
