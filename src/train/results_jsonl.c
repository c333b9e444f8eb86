/* results.jsonl of the run folder: results.csv as JSON lines, an object for each epoch, with all that the
 * loop tells of it. What is not known is null. */
#include "error.h"
#include "jsonload.h"
#include "path.h"
#include "str.h"
#include "watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 30)

/* Whether [line, end) is an object of an epoch up to `epochs`. */
static bool is_kept(const char *line, const char *end, uint64_t epochs)
{
    json_t *object = rs_json_load(line, (size_t)(end - line), 0, &(json_error_t){0});
    const json_int_t epoch = json_integer_value(json_object_get(object, "epoch"));
    json_decref(object);
    return epoch > 0 && (uint64_t)epoch <= epochs;
}

/* Rows of later epochs, and what a crash left, are dropped. */
static rescl_status begin_file(const char *path, uint64_t epochs)
{
    rescl_status st = RESCL_OK;
    char *old = NULL, *end;
    size_t bytes = 0, kept = 0;

    if (epochs > 0) {
        const rescl_status read = rs_file_read(path, MAX_BYTES, &old, &bytes);
        RS_TRY(read == RESCL_ERR_NOT_FOUND ? RESCL_OK : read);
    }
    while (kept < bytes && (end = memchr(old + kept, '\n', bytes - kept)) != NULL &&
           is_kept(old + kept, end, epochs))
        kept = (size_t)(end + 1 - old);
    if (kept < bytes || epochs == 0)
        RS_TRY(rs_file_write(path, old ? old : "", kept));
out:
    free(old);
    return st;
}

typedef struct lines {
    char *path;
    uint64_t epoch; /* the first of this run */
    bool begun;
} lines;

static void free_lines(lines *l)
{
    if (!l)
        return;
    free(l->path);
    free(l);
}

static rescl_status open_lines(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    lines *l = NULL;

    if (!run->folder || !run->train_set)
        goto out;
    RS_OOM(l = calloc(1, sizeof *l));
    l->epoch = run->epoch;
    RS_OOM(l->path = rs_path_join(run->folder, "results.jsonl"));
    *self = l, l = NULL;
out:
    free_lines(l);
    return st;
}

/* NaN and infinity have no form in JSON. */
static json_t *real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *metrics_json(const rescl_metrics *m)
{
    if (m->samples == 0)
        return json_null();
    json_t *o =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "samples", (json_int_t)m->samples, "loss",
                  real(m->loss), "top1", real(m->top1), "top5", real(m->top5), "seconds",
                  real(m->seconds), "img_s", real(m->img_s), "data_wait", real(m->data_wait));
    json_t *more = m->multi_label ? json_pack("{s:o, s:o, s:o}", "map", real(m->map), "f1_micro",
                                              real(m->f1_micro), "f1_macro", real(m->f1_macro))
                                  : NULL;
    if (more && json_object_update(o, more) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(more);
    return o;
}

static rescl_status append_line(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    lines *l = self;
    json_t *o = NULL;
    char *text = NULL;

    (void)stop;
    if (!l->begun)
        RS_TRY(begin_file(l->path, l->epoch));
    l->begun = true;
    RS_OOM(o = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:b, s:I}", "epoch",
                         (json_int_t)e->epoch + 1, "epochs", (json_int_t)e->epochs, "time",
                         real(e->seconds), "train", metrics_json(&e->train), "eval",
                         metrics_json(&e->eval), "lr", real(e->lr), "best", (int)e->best,
                         "peak_bytes", (json_int_t)e->peak_bytes));
    if (e->loss_scale > 0.0) {
        RS_OOM(json_object_set_new(o, "loss_scale", real(e->loss_scale)) == 0 ? o : NULL);
        RS_OOM(json_object_set_new(o, "skipped", json_integer((json_int_t)e->skipped)) == 0 ? o
                                                                                            : NULL);
    }
    RS_TRY(rs_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(10), &text));
    RS_TRY(rs_file_append_line(l->path, text));
out:
    json_decref(o);
    free(text);
    return st;
}

static rescl_status close_lines(void *self, rescl_status st)
{
    (void)st;
    free_lines(self);
    return RESCL_OK;
}

const rs_watcher rs_watcher_results_jsonl = {
    .name = "results_jsonl", .open = open_lines, .epoch = append_line, .close = close_lines};
