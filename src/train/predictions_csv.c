/* predictions.csv of the run folder: what each image of the best evaluation was taken for; and
 * evaluation.json, its scores by class. What is measured at the end of a run, on other images, has
 * files of its own: predictions-test.csv and evaluation-test.json. */
#include "csv.h"
#include "dataset.h"
#include "error.h"
#include "evaluationfile.h"
#include "netmodel.h"
#include "path.h"
#include "text.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER "path,label,prediction,probability,loss\n"
/* Of several labels those that are and those that are predicted, which semicolons part. */
#define HEADER_SEVERAL "path,labels,predictions,probabilities,exact,loss\n"

typedef struct predictions {
    const rs_run_info *run;
    char *table, *summary; /* paths */
} predictions;

static void free_predictions(predictions *p)
{
    if (!p)
        return;
    free(p->table);
    free(p->summary);
    free(p);
}

/* What an earlier run left in the folder: until this one has a best epoch there is nothing, and nothing of a
 * test before it has ended. */
static rescl_status drop_stale(const rs_run_info *run)
{
    rescl_status st = RESCL_OK;
    static const char *const names[] = {"predictions-test.csv", "evaluation-test.json",
                                        "predictions.csv", "evaluation.json"};
    char *path = NULL;

    for (size_t i = 0; i < (run->epoch == 0 ? RS_COUNT(names) : 2); i++) {
        RS_OOM(path = rs_path_join(run->folder, names[i]));
        RS_TRY(rs_file_remove(path));
        free(path);
        path = NULL;
    }
out:
    free(path);
    return st;
}

static rescl_status open_predictions(const rs_run_info *run, void **self)
{
    rescl_status st = RESCL_OK;
    predictions *p = NULL;
    const char *of = run->train_set ? "" : "-", *split = "";

    if (run->folder && run->train_set)
        RS_TRY(drop_stale(run));
    if (!run->folder || !run->scores)
        goto out;
    if (!run->train_set)
        split = rescl_dataset_split(run->eval_set);
    RS_OOM(p = calloc(1, sizeof *p));
    p->run = run;
    RS_OOM(p->table = rs_strf("%s/predictions%s%s.csv", run->folder, of, split));
    RS_OOM(p->summary = rs_strf("%s/evaluation%s%s.json", run->folder, of, split));
    *self = p, p = NULL;
out:
    free_predictions(p);
    return st;
}

static const char *number_text(double x, char out[32])
{
    snprintf(out, 32, "%.9g", x);
    rs_point_decimals(out);
    return out;
}

/* "cat;dog": the names of the classes that `targets`, or else probabilities, are for. */
static rescl_status append_classes(rs_str *row, const rescl_model *m, const uint8_t *targets,
                                   const float *probs)
{
    rescl_status st = RESCL_OK;
    rs_str all = {0};

    RS_TRY(rs_str_append(&all, ""));
    for (size_t c = 0; c < m->classes; c++)
        if (targets ? targets[c] != 0 : rs_predicts(probs[c]))
            RS_TRY(rs_str_appendf(&all, "%s%s", all.len ? ";" : "", m->class_name[c]));
    RS_TRY(rs_csv_append_text(row, all.text));
out:
    rs_str_fini(&all);
    return st;
}

/* An image of several labels, behind its path. */
static rescl_status append_several(rs_str *row, const rs_run_info *run, size_t index,
                                   const rescl_image_scores *image)
{
    rescl_status st = RESCL_OK;
    const size_t classes = run->model->classes;
    const uint8_t *targets = rescl_scores_targets(run->scores, index);
    const float *probs = rescl_scores_probs(run->scores, index);
    bool exact = true, first = true;
    char number[32];

    RS_TRY(append_classes(row, run->model, targets, probs));
    RS_TRY(append_classes(row, run->model, NULL, probs));
    RS_TRY(rs_str_append(row, ","));
    for (size_t c = 0; c < classes; c++) {
        exact = exact && rs_predicts(probs[c]) == (targets[c] != 0);
        if (!rs_predicts(probs[c]))
            continue;
        RS_TRY(rs_str_append(row, first ? "" : ";"));
        RS_TRY(rs_str_appendf(row, "%s", number_text((double)probs[c], number)));
        first = false;
    }
    RS_TRY(rs_str_appendf(row, ",%d", exact));
    RS_TRY(rs_csv_append(row, image->loss, "%.9g"));
out:
    return st;
}

/* Images without files of their own are called by their place in the set. */
static rescl_status append_image(rs_str *table, const rs_run_info *run, size_t index,
                                 const rescl_image_scores *image)
{
    rescl_status st = RESCL_OK;
    const rescl_dataset *set = run->eval_set;
    char *const *name = run->model->class_name;
    char *place = NULL;
    const char *path =
        set->format->path ? set->format->path(set, rs_dataset_index(set, image->sample)) : NULL;
    rs_str row = {0};

    if (!path)
        RS_OOM(place = rs_strf("%zu", image->sample));
    RS_TRY(rs_csv_append_text(&row, path ? path : place));
    if (rescl_scores_multi_label(run->scores)) {
        RS_TRY(append_several(&row, run, index, image));
    } else {
        RS_TRY(rs_csv_append_text(&row, name[image->label]));
        RS_TRY(rs_csv_append_text(&row, name[image->prediction]));
        RS_TRY(rs_csv_append(&row, image->probability, "%.9g"));
        RS_TRY(rs_csv_append(&row, image->loss, "%.9g"));
    }
    RS_TRY(rs_str_appendf(table, "%s\n", row.text));
out:
    rs_str_fini(&row);
    free(place);
    return st;
}

static rescl_status write_predictions(const predictions *p, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    rescl_image_scores image;
    rs_str table = {0};

    RS_TRY(
        rs_str_append(&table, rescl_scores_multi_label(p->run->scores) ? HEADER_SEVERAL : HEADER));
    for (size_t i = 0; rescl_scores_image(p->run->scores, i, &image); i++)
        RS_TRY(append_image(&table, p->run, i, &image));
    RS_TRY(rs_file_write(p->table, table.text, table.len));
    RS_TRY(rs_evaluation_write(p->summary, p->run, epoch));
out:
    rs_str_fini(&table);
    return st;
}

/* The weights of this epoch are those in best.safetensors. */
static rescl_status write_best(void *self, const rescl_epoch_event *e, bool *stop)
{
    rescl_status st = RESCL_OK;

    (void)stop;
    if (e->best && e->eval.samples > 0)
        RS_TRY(write_predictions(self, e->epoch + 1));
out:
    return st;
}

static rescl_status close_predictions(void *self, rescl_status st)
{
    predictions *p = self;
    rescl_status closed = RESCL_OK;

    if (st == RESCL_OK && !p->run->train_set)
        closed = write_predictions(p, 0);
    free_predictions(p);
    return closed;
}

const rs_watcher rs_watcher_predictions_csv = {.name = "predictions_csv",
                                               .open = open_predictions,
                                               .epoch = write_best,
                                               .close = close_predictions};
