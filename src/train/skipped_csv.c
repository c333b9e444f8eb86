/* skipped.csv of the run folder: images that cannot be read, with the reason. Those that show only when
 * they are decoded are logged too. */
#include "csv.h"
#include "dataset.h"
#include "error.h"
#include "log.h"
#include "path.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER    "split,class,file,reason\n"
#define MAX_BYTES ((size_t)1 << 30)
#define SHOWN     10 /* that are logged one by one */
#define MAX_SETS  4

typedef struct skipped {
    char *path;   /* NULL: no run folder */
    char *before; /* what the file held when the run went on, or NULL */
    struct {
        const rescl_dataset *set;
        bool *seen; /* of each sample: it is in the list */
    } of[MAX_SETS];
    size_t count; /* found by decoding */
} skipped;

/* `index` is the format's. */
static rescl_status append_row(rs_str *text, const rescl_dataset *set, size_t index,
                               const rescl_bad_image *bad)
{
    rescl_status st = RESCL_OK;
    rs_str row = {0}, classes = {0};

    RS_TRY(rs_csv_append_text(&row, rescl_dataset_split(set)));
    RS_TRY(rs_dataset_append_classes(set, index, &classes));
    RS_TRY(rs_csv_append_text(&row, classes.text));
    RS_TRY(rs_csv_append_text(&row, bad->path));
    RS_TRY(rs_csv_append_text(&row, bad->reason));
    RS_TRY(rs_str_appendf(text, "%s\n", row.text));
out:
    rs_str_fini(&classes);
    rs_str_fini(&row);
    return st;
}

/* The rows of what was left out before the first step; none without such. */
static rescl_status append_left_out(rs_str *text, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rescl_bad_image bad;

    for (size_t i = 0; set && rescl_dataset_bad(set, i, &bad); i++) {
        if (text->len == 0)
            RS_TRY(rs_str_append(text, HEADER));
        RS_TRY(append_row(text, set, set->bad[i].index, &bad));
    }
out:
    return st;
}

static void free_skipped(skipped *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < MAX_SETS; i++)
        free(s->of[i].seen);
    free(s->before);
    free(s->path);
    free(s);
}

/* A run that goes on keeps the rows of what it found by decoding, which follow the others. */
static rescl_status begin_file(skipped *s, const rs_run_info *run)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0};
    size_t bytes;

    RS_OOM(s->path = rs_path_join(run->folder, "skipped.csv"));
    RS_TRY(append_left_out(&text, run->train_set));
    RS_TRY(append_left_out(&text, run->eval_set));
    st = rs_file_read(s->path, MAX_BYTES, &s->before, &bytes);
    if (st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
    RS_TRY(st);
    const bool goes_on = s->before && strncmp(s->before, text.len ? text.text : HEADER,
                                              text.len ? text.len : strlen(HEADER)) == 0;
    if (!goes_on) {
        free(s->before);
        s->before = NULL;
        if (text.len > 0)
            RS_TRY(rs_file_write(s->path, text.text, text.len));
    }
out:
    rs_str_fini(&text);
    return st;
}

/* Adds what was left out of a set to a file that may be there, each once. */
static rescl_status add_left_out(const char *path, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    rs_str text = {0}, row = {0};
    char *old = NULL;
    size_t bytes;
    rescl_bad_image bad;

    if (!rescl_dataset_bad(set, 0, &bad))
        goto out;
    st = rs_file_read(path, MAX_BYTES, &old, &bytes);
    if (st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
    RS_TRY(st);
    RS_TRY(rs_str_append(&text, old ? old : HEADER));
    for (size_t i = 0; rescl_dataset_bad(set, i, &bad); i++) {
        row.len = 0;
        RS_TRY(append_row(&row, set, set->bad[i].index, &bad));
        if (!old || !strstr(old, row.text))
            RS_TRY(rs_str_append(&text, row.text));
    }
    RS_TRY(rs_file_write(path, text.text, text.len));
out:
    rs_str_fini(&row);
    rs_str_fini(&text);
    free(old);
    return st;
}

rescl_status rescl_run_list_bad(const char *folder, const rescl_dataset *set)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;

    RS_OOM(path = rs_path_join(folder, "skipped.csv"));
    if (set)
        RS_TRY(add_left_out(path, set));
out:
    free(path);
    return st;
}

/* What is measured at the end of a run goes on with the run's file. */
static rescl_status continue_file(skipped *s, const rs_run_info *run)
{
    rescl_status st = RESCL_OK;
    size_t bytes;

    RS_OOM(s->path = rs_path_join(run->folder, "skipped.csv"));
    RS_TRY(add_left_out(s->path, run->eval_set));
    st = rs_file_read(s->path, MAX_BYTES, &s->before, &bytes);
    if (st == RESCL_ERR_NOT_FOUND)
        st = RESCL_OK;
out:
    return st;
}

static rescl_status open_skipped(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    skipped *s = NULL;

    RS_OOM(s = calloc(1, sizeof *s));
    if (run->folder && run->train_set)
        RS_TRY(begin_file(s, run));
    else if (run->folder)
        RS_TRY(continue_file(s, run));
    *self = s, s = NULL;
out:
    free_skipped(s);
    return st;
}

/* Whether it is the first time that this run finds the sample. */
static rescl_status is_new(skipped *s, const rescl_dataset *set, size_t sample, bool *out)
{
    rescl_status st = RESCL_OK;
    size_t i = 0;

    while (i < MAX_SETS - 1 && s->of[i].set && s->of[i].set != set)
        i++;
    if (s->of[i].set != set) {
        bool *seen;
        RS_OOM(seen = calloc(set->count, sizeof *seen));
        free(s->of[i].seen);
        s->of[i].seen = seen;
        s->of[i].set = set;
    }
    *out = !s->of[i].seen[sample];
    s->of[i].seen[sample] = true;
out:
    return st;
}

/* The reason is found by trying again. `instead` is what happens: NULL is not logged. */
static rescl_status list_sample(skipped *s, const rescl_dataset *set, size_t sample,
                                const char *instead)
{
    rescl_status st = RESCL_OK;
    rescl_image image = {0};
    int32_t label;
    rs_str row = {0};
    rescl_bad_image bad = rs_dataset_bad_image(set, sample, "could not be read");

    if (rescl_dataset_get(set, sample, &image, &label) != RESCL_OK)
        bad.reason = rs_dataset_reason(bad.path, rescl_last_error()->message);
    RS_TRY(append_row(&row, set, rs_dataset_index(set, sample), &bad));
    if (s->before && strstr(s->before, row.text))
        goto out; /* an earlier part of the run said so */
    if (instead && s->count++ < SHOWN)
        rs_log(RESCL_LOG_WARN, "%s: %s; %s", bad.path, bad.reason, instead);
    else if (instead && s->count == SHOWN + 1)
        rs_log(RESCL_LOG_WARN, "more images cannot be read%s%s",
               s->path ? "; they are listed in " : "", s->path ? s->path : "");
    if (!s->path)
        goto out;
    if (access(s->path, F_OK) != 0)
        RS_TRY(rs_file_write(s->path, HEADER, strlen(HEADER)));
    row.text[--row.len] = '\0'; /* the newline is added */
    RS_TRY(rs_file_append_line(s->path, row.text));
out:
    rescl_image_free(&image);
    rs_str_fini(&row);
    return st;
}

static rescl_status take_samples(void *self, const rs_samples *samples)
{
    rescl_status st = RESCL_OK;
    const rs_batch *b = samples->batch;
    const char *instead = !samples->training ? "it is not counted"
                          : b && b->rows     ? "another image takes its place"
                                             : "another image of its class takes its place";
    bool new_one;

    for (size_t i = 0; b && b->unread > 0 && i < b->n; i++) {
        if (b->unread_at[i] == SIZE_MAX)
            continue;
        RS_TRY(is_new(self, b->set, b->unread_at[i], &new_one));
        if (new_one)
            RS_TRY(list_sample(self, b->set, b->unread_at[i], instead));
    }
out:
    return st;
}

/* The error that ends the run names the class. */
static rescl_status take_lost(void *self, const rescl_dataset *set, int32_t label)
{
    rescl_status st = RESCL_OK;
    bool new_one;

    for (size_t i = 0; i < set->count; i++) {
        if (rs_dataset_label(set, i) != label)
            continue;
        RS_TRY(is_new(self, set, i, &new_one));
        if (new_one)
            RS_TRY(list_sample(self, set, i, NULL));
    }
out:
    return st;
}

static rescl_status close_skipped(void *self, rescl_status st)
{
    (void)st;
    free_skipped(self);
    return RESCL_OK;
}

const rs_watcher rs_watcher_skipped_csv = {.name = "skipped_csv",
                                           .open = open_skipped,
                                           .samples = take_samples,
                                           .lost = take_lost,
                                           .close = close_skipped};
