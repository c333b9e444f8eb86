/* results.csv of the run folder: a row for each epoch; of several labels with mean average precision and F1, in
 * fp16 with the loss scale and the updates that were left out so far. */
#include "csv.h"
#include "error.h"
#include "netmodel.h"
#include "path.h"
#include "watch.h"

#include <stdlib.h>

#define HEADER "epoch,time,train_loss,train_top1,eval_loss,eval_top1,lr,img_s,data_wait,mem_mib"

static rescl_status open_csv(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    char *path = NULL, *head = NULL;

    if (!run->folder || !run->train_set)
        goto out;
    RS_OOM(path = rs_path_join(run->folder, "results.csv"));
    RS_OOM(head = rs_strf("%s%s%s\n", HEADER,
                          run->model->multi_label ? ",eval_map,eval_f1_micro,eval_f1_macro" : "",
                          run->scaled ? ",loss_scale,skipped" : ""));
    RS_TRY(rs_csv_begin(path, head, run->epoch));
    *self = path, path = NULL;
out:
    free(path);
    free(head);
    return st;
}

/* Flushed to the disk, and there before the checkpoint that says that the epoch is done. An
 * evaluation that did not happen leaves its columns empty. */
static rescl_status append_row(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;
    rs_str line = {0};

    (void)stop;
    RS_TRY(rs_str_appendf(&line, "%zu", e->epoch + 1));
    RS_TRY(rs_csv_append(&line, e->seconds, "%.3f"));
    RS_TRY(rs_csv_append(&line, e->train.loss, "%.9g"));
    RS_TRY(rs_csv_append(&line, e->train.top1, "%.9g"));
    if (e->eval.samples > 0) {
        RS_TRY(rs_csv_append(&line, e->eval.loss, "%.9g"));
        RS_TRY(rs_csv_append(&line, e->eval.top1, "%.9g"));
    } else {
        RS_TRY(rs_str_append(&line, ",,"));
    }
    RS_TRY(rs_csv_append(&line, e->lr, "%.9g"));
    RS_TRY(rs_csv_append(&line, e->train.img_s, "%.2f"));
    RS_TRY(rs_csv_append(&line, e->train.data_wait, "%.3f"));
    RS_TRY(rs_csv_append(&line, (double)e->peak_bytes / 1048576.0, "%.1f"));
    if (e->train.multi_label && e->eval.samples > 0) {
        RS_TRY(rs_csv_append(&line, e->eval.map, "%.9g"));
        RS_TRY(rs_csv_append(&line, e->eval.f1_micro, "%.9g"));
        RS_TRY(rs_csv_append(&line, e->eval.f1_macro, "%.9g"));
    } else if (e->train.multi_label) {
        RS_TRY(rs_str_append(&line, ",,,"));
    }
    if (e->loss_scale > 0.0) {
        RS_TRY(rs_csv_append(&line, e->loss_scale, "%.9g"));
        RS_TRY(rs_csv_append(&line, (double)e->skipped, "%.0f"));
    }
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
