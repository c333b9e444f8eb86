/* What a run folder holds of a run, read again. */
#ifndef RS_HISTORY_H
#define RS_HISTORY_H

#include <jansson.h>
#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>

/* The columns of results.csv. */
typedef enum rs_history_column {
    RS_HISTORY_EPOCH,
    RS_HISTORY_TIME,
    RS_HISTORY_TRAIN_LOSS,
    RS_HISTORY_TRAIN_TOP1,
    RS_HISTORY_EVAL_LOSS,
    RS_HISTORY_EVAL_TOP1,
    RS_HISTORY_LR,
    RS_HISTORY_IMG_S,
    RS_HISTORY_DATA_WAIT,
    RS_HISTORY_MEMORY,
    RS_HISTORY_EVAL_MAP, /* NaN where images have one label */
    RS_HISTORY_COLUMNS
} rs_history_column;

typedef struct rs_history {
    char *folder, *name;                /* name: the folder's last part */
    size_t epochs;                      /* rows of results.csv */
    double *column[RS_HISTORY_COLUMNS]; /* (epochs); NaN where there is nothing */
    json_t *env, *evaluation, *test; /* env.json, evaluation.json, evaluation-test.json; or NULL */
    json_t *about, *profile;         /* report.json, profile.json, or NULL */
    char *args, *team;               /* args.ini, team.csv, or NULL */
} rs_history;

/* RESCL_ERR_NOT_FOUND if the folder is that of no run: it has neither env.json nor results.csv. */
rescl_status rs_history_read(const char *folder, rs_history *out) RESCL_CHECK;
void rs_history_fini(rs_history *h);

/* The row of the epoch in best.safetensors, which is that of evaluation.json; without that file, the best
 * by the run's monitor of those that were not cut short. SIZE_MAX if there is none. */
size_t rs_history_best(const rs_history *h);

/* Whether its images have any number of labels: its accuracy is then that of all of an image's labels, and there
 * is mean average precision. */
bool rs_history_multi_label(const rs_history *h);

/* "loss" of {"loss": 1}; NaN where there is no such number. A path such as "macro.f1" goes deeper. */
double rs_json_number(const json_t *object, const char *path);
/* The same of text; "" where there is none. */
const char *rs_json_string(const json_t *object, const char *path);

#endif
