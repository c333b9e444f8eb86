/* results.csv of the run folder: a row for each epoch. */
#include "error.h"
#include "path.h"
#include "str.h"
#include "watch.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER  "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib\n"
#define COLUMNS 10
#define MAX_CSV ((size_t)256 << 20)

/* True when the line [text, end) is a whole row; its epoch goes to *epoch. */
static bool parse_row(const char *text, const char *end, uint64_t *epoch)
{
    const char *comma = memchr(text, ',', (size_t)(end - text));
    char number[24];
    size_t digits, commas = 0;

    if (!comma || (digits = (size_t)(comma - text)) >= sizeof number)
        return false;
    for (const char *c = text; c < end; c++)
        commas += *c == ',';
    memcpy(number, text, digits);
    number[digits] = '\0';
    return commas == COLUMNS - 1 && rs_parse_u64(number, epoch);
}

/* Makes `path` ready for the row of `epoch`: a file with the header and the rows of the epochs
 * before it. Rows from `epoch` on, lines cut short by a crash and everything after them are
 * dropped. The file changes whole or not at all. */
static rescl_status begin(const char *path, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    char *old = NULL;
    size_t bytes = 0, keep = 0;

    if (epoch > 0) {
        st = rs_file_read(path, MAX_CSV, &old, &bytes);
        if (st != RESCL_OK && st != RESCL_ERR_NOT_FOUND)
            goto out;
        st = RESCL_OK;
    }
    if (old && strncmp(old, HEADER, sizeof HEADER - 1) == 0) {
        const char *line = old + sizeof HEADER - 1, *end;
        uint64_t row;
        while ((end = strchr(line, '\n')) != NULL && parse_row(line, end, &row) && row < epoch)
            line = end + 1;
        keep = (size_t)(line - old);
    }
    if (keep == bytes && keep > 0)
        goto out;
    RS_TRY(keep ? rs_file_write(path, old, keep) : rs_file_write(path, HEADER, sizeof HEADER - 1));
out:
    free(old);
    return st;
}

/* The library may serve a program whose locale writes decimal commas. */
static void point_decimals(char *text)
{
    const char point = *localeconv()->decimal_point;
    for (char *c = text; point != '.' && *c; c++)
        if (*c == point)
            *c = '.';
}

static rescl_status append_real(rs_str *line, double value, const char *format)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    point_decimals(text);
    return rs_str_appendf(line, ",%s", text);
}

static rescl_status open_csv(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    char *path = NULL;

    if (!run->folder || !run->train_set)
        goto out;
    RS_OOM(path = rs_path_join(run->folder, "results.csv"));
    RS_TRY(begin(path, run->epoch));
    *self = path, path = NULL;
out:
    free(path);
    return st;
}

/* Flushed to the disk, and there before the checkpoint that says that the epoch is done. An
 * evaluation that did not happen leaves its columns empty. */
static rescl_status append_row(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    rs_str line = {0};

    (void)stop;
    RS_TRY(rs_str_appendf(&line, "%zu", e->epoch));
    RS_TRY(append_real(&line, e->seconds, "%.3f"));
    RS_TRY(append_real(&line, e->train.loss, "%.9g"));
    RS_TRY(append_real(&line, e->train.top1, "%.9g"));
    if (e->eval.samples > 0) {
        RS_TRY(append_real(&line, e->eval.loss, "%.9g"));
        RS_TRY(append_real(&line, e->eval.top1, "%.9g"));
    } else {
        RS_TRY(rs_str_append(&line, ",,"));
    }
    RS_TRY(append_real(&line, e->lr, "%.9g"));
    RS_TRY(append_real(&line, e->train.img_s, "%.2f"));
    RS_TRY(append_real(&line, e->train.data_wait, "%.3f"));
    RS_TRY(append_real(&line, (double)e->peak_bytes / 1048576.0, "%.1f"));
    RS_TRY(rs_file_append_line(self, line.text));
out:
    rs_str_fini(&line);
    return st;
}

static rescl_status close_csv(void *self, rescl_status st)
{
    (void)st;
    free(self);
    return RESCL_OK;
}

const rs_watcher rs_watcher_results_csv = {
    .name = "results_csv", .open = open_csv, .epoch = append_row, .close = close_csv};
