/* The text files of a run folder: results.csv, env.json, args.ini. */
#ifndef RS_RESULTS_H
#define RS_RESULTS_H

#include <rescl/train.h>
#include <rescl/tune.h>

/* A row of results.csv. An evaluation that did not happen leaves its columns empty. */
typedef struct rs_result_row {
    size_t epoch;
    double time; /* seconds of training since the run began, over all its resumptions */
    double train_loss, train_top1;
    bool has_eval;
    double eval_loss, eval_top1;
    double lr, img_s, data_wait, mem_mib;
} rs_result_row;

/* Makes `path` ready for the row of `epoch`: a file with the header and the rows of the epochs
 * before it. Rows from `epoch` on, lines cut short by a crash and everything after them are
 * dropped. The file changes whole or not at all. */
rescl_status rs_results_begin(const char *path, uint64_t epoch) RESCL_CHECK;

/* Appends a row and flushes it to the disk. */
rescl_status rs_results_append(const char *path, const rs_result_row *row) RESCL_CHECK;

/* What the run ran on: rescl's version, device, driver, platform, tuning, system, processors, model
 * and options. */
rescl_status rs_results_env(const char *path, const rescl_device_info *device,
                            const rescl_tuning *tuning, const char *model,
                            const rescl_train_options *options) RESCL_CHECK;

#endif
