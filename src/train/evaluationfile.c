#include "evaluationfile.h"

#include "dataset.h"
#include "error.h"
#include "jsonload.h"
#include "jsonvalue.h"
#include "netmodel.h"
#include "path.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *averages_json(const rescl_average_scores *a)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "precision", real(a->precision), "recall",
                     real(a->recall), "f1", real(a->f1), "average_precision",
                     real(a->average_precision));
}

static rescl_status classes_json(const rs_run_info *run, json_t *to)
{
    rescl_status st = RESCL_OK;
    rescl_class_scores c;

    for (size_t i = 0; i < rescl_scores_classes(run->scores); i++) {
        RS_TRY(rescl_scores_class(run->scores, i, &c));
        json_array_append_new(
            to, json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "name",
                          rs_json_text(run->model->class_name[i]), "support", (json_int_t)c.support,
                          "predicted", (json_int_t)c.predicted, "correct", (json_int_t)c.correct,
                          "precision", real(c.precision), "recall", real(c.recall), "f1",
                          real(c.f1), "average_precision", real(c.average_precision)));
    }
out:
    return st;
}

/* All pairs of classes that were taken for one another, most first, and all that were right. */
static rescl_status confusion_json(const rs_run_info *run, json_t *all, json_t *confused)
{
    rescl_status st = RESCL_OK;
    const size_t images = rescl_scores_images(run->scores);
    rescl_confused_pair *pair = NULL;
    rescl_class_scores c;
    size_t pairs;

    RS_OOM(pair = calloc(images + 1, sizeof *pair));
    RS_TRY(rescl_scores_confused(run->scores, images, pair, &pairs));
    const bool several = rescl_scores_multi_label(run->scores);
    for (size_t i = 0; !several && i < rescl_scores_classes(run->scores); i++) {
        RS_TRY(rescl_scores_class(run->scores, i, &c));
        if (c.correct)
            json_array_append_new(
                all, json_pack("[I, I, I]", (json_int_t)i, (json_int_t)i, (json_int_t)c.correct));
    }
    for (size_t i = 0; i < pairs; i++) {
        json_t *one = json_pack("[i, i, I]", (int)pair[i].label, (int)pair[i].prediction,
                                (json_int_t)pair[i].images);
        json_array_append(all, one);
        if (i < RS_CONFUSED_PAIRS)
            json_array_append(confused, one);
        json_decref(one);
    }
out:
    free(pair);
    return st;
}

static void calibration_json(const rescl_scores *s, json_t *to)
{
    rescl_calibration_bin bin[RESCL_CALIBRATION_BINS];

    rescl_scores_calibration(s, bin);
    for (size_t b = 0; b < RESCL_CALIBRATION_BINS; b++)
        if (bin[b].images)
            json_array_append_new(to, json_pack("[f, f, I, f, f]", bin[b].low, bin[b].high,
                                                (json_int_t)bin[b].images, bin[b].accuracy,
                                                bin[b].certainty));
}

/* The best precision at a recall of at least each value: what the curve encloses. */
static json_t *curve_json(const rescl_curve_point *point, size_t points)
{
    json_t *out = json_array();
    size_t next = points;
    double best = 0, at[RS_CURVE_POINTS];

    for (size_t i = RS_CURVE_POINTS; i-- > 0;) {
        const double recall = (double)i / (RS_CURVE_POINTS - 1);
        /* By rising thresholds recall falls. */
        for (size_t k = next == points ? 0 : next; k < points && point[k].recall >= recall; k++) {
            best = fmax(best, point[k].precision);
            next = k + 1;
        }
        at[i] = best;
    }
    for (size_t i = 0; i < RS_CURVE_POINTS; i++)
        json_array_append_new(out, json_real(at[i]));
    return out;
}

/* The index of the class of the most images that is not `taken`, or `classes`. */
static rescl_status largest_class(rescl_scores *s, const bool *taken, size_t *out)
{
    rescl_status st = RESCL_OK;
    rescl_class_scores c;
    size_t most = 0;

    *out = rescl_scores_classes(s);
    for (size_t i = 0; i < rescl_scores_classes(s); i++) {
        RS_TRY(rescl_scores_class(s, i, &c));
        if (taken[i] || c.support <= most)
            continue;
        most = c.support;
        *out = i;
    }
out:
    return st;
}

static rescl_status curves_json(const rs_run_info *run, json_t *to)
{
    rescl_status st = RESCL_OK;
    rescl_scores *s = run->scores;
    const size_t classes = rescl_scores_classes(s);
    rescl_curve_point *point = NULL;
    bool *taken = NULL;
    size_t points, index;

    RS_OOM(point = calloc(rescl_scores_images(s) + 1, sizeof *point));
    RS_OOM(taken = calloc(classes, sizeof *taken));
    for (size_t i = 0; i < RS_CURVES && rs_scores_probs(s); i++) {
        RS_TRY(largest_class(s, taken, &index));
        if (index == classes)
            break;
        taken[index] = true;
        RS_TRY(rescl_scores_curve(s, index, point, &points));
        json_array_append_new(to, json_pack("{s:o, s:o}", "class",
                                            rs_json_text(run->model->class_name[index]),
                                            "precision", curve_json(point, points)));
    }
out:
    free(point);
    free(taken);
    return st;
}

rescl_status rs_evaluation_write(const char *path, const rs_run_info *run, uint64_t epoch)
{
    rescl_status st = RESCL_OK;
    rescl_scores_summary m;
    json_t *o = NULL, *classes = json_array(), *all = json_array(), *confused = json_array(),
           *calibration = json_array(), *curves = json_array();
    char *text = NULL;

    errno = 0; /* values for which there was no memory may have been left out */
    RS_TRY(rescl_scores_summarise(run->scores, &m));
    RS_TRY(classes_json(run, classes));
    RS_TRY(confusion_json(run, all, confused));
    calibration_json(run->scores, calibration);
    RS_TRY(curves_json(run, curves));
    o = json_pack("{s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:O, s:O, s:O, s:O}", "epoch",
                  (json_int_t)epoch, "split", rescl_dataset_split(run->eval_set), "images",
                  (json_int_t)m.images, "loss", real(m.loss), "top1", real(m.top1), "top5",
                  real(m.top5), "ece", real(m.ece), "macro", averages_json(&m.macro), "weighted",
                  averages_json(&m.weighted), "classes", classes, "confusion", all, "confused",
                  confused, "calibration", calibration, "curves", curves);
    if (rescl_scores_multi_label(run->scores)) {
        json_object_set_new(o, "multi_label", json_true());
        json_object_set_new(o, "micro", averages_json(&m.micro));
    }
    RS_OOM(o && errno != ENOMEM ? o : NULL);
    RS_TRY(rs_json_dump(o, JSON_COMPACT | JSON_REAL_PRECISION(10), &text));
    RS_TRY(rs_file_write(path, text, strlen(text)));
out:
    json_decref(o);
    json_decref(classes);
    json_decref(all);
    json_decref(confused);
    json_decref(calibration);
    json_decref(curves);
    free(text);
    return st;
}
