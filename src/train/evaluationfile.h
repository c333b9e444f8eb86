/* evaluation.json of a run folder: the scores of one evaluation, for the report and for other programs. */
#ifndef RS_EVALUATIONFILE_H
#define RS_EVALUATIONFILE_H

#include "scoring.h"
#include "watch.h"

#include <jansson.h>

/* Curves of precision and recall are written of so many classes, those of the most images, at this many
 * values of recall. */
#define RS_CURVES       8
#define RS_CURVE_POINTS 101

/* Pairs of classes that were taken for one another. */
#define RS_CONFUSED_PAIRS 10

/* An object with
 *   epoch        that it measured, from 1; 0: after the run
 *   split, images, loss, top1, top5, ece, macro, weighted
 *   classes      of each: name, support, predicted, correct, precision, recall, f1, average_precision
 *   confusion    of those that are not 0: [label, prediction, images]
 *   confused     the most confused pairs in this form
 *   multi_label, micro   where images have any number of labels: true, and means over all labels at once;
 *                        confusion, confused and calibration are empty then
 *   calibration  [low, high, images, accuracy, certainty] of each bin that has images
 *   curves       of a few classes: class, and precision at recalls of 0, 0.01, ... 1 */
rescl_status rs_evaluation_write(const char *path, const rs_run_info *run, uint64_t epoch)
    RESCL_CHECK;

#endif
