/**
 * @file scores.h
 * What a classifier gets right, image by image and class by class.
 *
 * An evaluation fills them (rescl_train_callbacks.scores), or rescl_scores_add from probabilities of
 * any origin. Numbers are those of scikit-learn's functions of the same names, whose `labels` are all
 * classes and whose zero_division is 0.
 *
 * Where an image has any number of labels, a class counts as predicted where its probability is above 0.5,
 * top1 is the share of images all of whose labels are those predicted (accuracy_score, or subset accuracy),
 * macro.average_precision is average_precision_score(average="macro"), or mAP, and there are no top5, ece,
 * calibration and confusion.
 */
#ifndef RESCL_SCORES_H
#define RESCL_SCORES_H

#include <rescl/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rescl_scores rescl_scores;

/** Without images. */
RESCL_API rescl_status rescl_scores_create(size_t classes, rescl_scores **out) RESCL_CHECK;
RESCL_API void rescl_scores_destroy(rescl_scores *scores);

/**
 * Adds images: `probs` (n, classes), the label of each, and their losses (NULL: the cross-entropy,
 * -log of the label's probability). RESCL_ERR_ARG for a label that is no class, and for a NaN.
 */
RESCL_API rescl_status rescl_scores_add(rescl_scores *scores, const float *probs,
                                        const int32_t *labels, const float *losses, size_t n)
    RESCL_CHECK;
/**
 * Adds images of any number of labels: `targets` (n, classes) of 0 and 1; `losses` NULL: the mean of the classes'
 * binary cross-entropies. RESCL_ERR_ARG for other targets, for a NaN, and where images of one label are there
 * already. All probabilities are kept, whatever they take.
 */
RESCL_API rescl_status rescl_scores_add_multi_label(rescl_scores *scores, const float *probs,
                                                    const uint8_t *targets, const float *losses,
                                                    size_t n) RESCL_CHECK;
/** Whether images have any number of labels: an evaluation says so by its model. */
RESCL_API bool rescl_scores_multi_label(const rescl_scores *scores);
/** Of image `index`, borrowed until others are added: `classes` targets, NULL where images have one label; and
 * probabilities, NULL where they had no room. */
RESCL_API const uint8_t *rescl_scores_targets(const rescl_scores *scores, size_t index);
RESCL_API const float *rescl_scores_probs(const rescl_scores *scores, size_t index);
/** Forgets the images. */
RESCL_API void rescl_scores_clear(rescl_scores *scores);

RESCL_API size_t rescl_scores_images(const rescl_scores *scores);
RESCL_API size_t rescl_scores_classes(const rescl_scores *scores);

/** What an image was taken for. */
typedef struct rescl_image_scores {
    size_t sample; /**< of the dataset; of rescl_scores_add: counts from 0 */
    int32_t label,
        prediction;     /**< of several labels the first, or -1, and the most probable class */
    double probability; /**< of the prediction */
    double label_probability; /**< of the label */
    double loss;
} rescl_image_scores;

/** False past the last one. */
RESCL_API bool rescl_scores_image(const rescl_scores *scores, size_t index,
                                  rescl_image_scores *out);

/** Of one class against all others. */
typedef struct rescl_class_scores {
    size_t support;               /**< images of this class */
    size_t predicted;             /**< images that were taken for it */
    size_t correct;               /**< both */
    double precision, recall, f1; /**< 0 where there is nothing to divide by */
    /** sum over thresholds of (R_n - R_n-1) P_n: the area below the curve of precision and recall. 0
     * without images of the class; NaN where the probabilities had no room: see rescl_scores_curve. */
    double average_precision;
} rescl_class_scores;

RESCL_API rescl_status rescl_scores_class(rescl_scores *scores, size_t class_index,
                                          rescl_class_scores *out) RESCL_CHECK;

/** Means over classes: "macro" counts each class alike, "weighted" by its images; "micro" is that of all
 * labels at once, without an average precision. */
typedef struct rescl_average_scores {
    double precision, recall, f1, average_precision;
} rescl_average_scores;

typedef struct rescl_scores_summary {
    size_t images;
    double loss; /**< mean */
    double top1; /**< accuracy; equal probabilities rank by the class' index */
    double top5; /**< NaN below 6 classes */
    rescl_average_scores macro, weighted, micro;
    /** Expected calibration error: the mean distance, weighted by images, of accuracy and certainty
     * in RESCL_CALIBRATION_BINS bins of equal width of the prediction's probability (Guo et al., "On
     * Calibration of Modern Neural Networks", ICML 2017). */
    double ece;
} rescl_scores_summary;

/** All NaN without images. */
RESCL_API rescl_status rescl_scores_summarise(rescl_scores *scores, rescl_scores_summary *out)
    RESCL_CHECK;

#define RESCL_CALIBRATION_BINS 15
/** Predictions whose probability is in (low, high]. */
typedef struct rescl_calibration_bin {
    double low, high;
    size_t images;
    double accuracy, certainty; /**< mean; NaN without images */
} rescl_calibration_bin;

RESCL_API void rescl_scores_calibration(const rescl_scores *scores,
                                        rescl_calibration_bin out[RESCL_CALIBRATION_BINS]);

/** Share of the images whose label is among the `k` most probable classes, k from 1 to 5. */
RESCL_API double rescl_scores_topk(const rescl_scores *scores, size_t k);

/** counts[label * classes + prediction]: images. */
RESCL_API void rescl_scores_confusion(const rescl_scores *scores, uint64_t *counts);

/** Images of one class that were taken for another. */
typedef struct rescl_confused_pair {
    int32_t label, prediction;
    size_t images;
} rescl_confused_pair;

/** The `most` pairs of the most images, in *count their number. */
RESCL_API rescl_status rescl_scores_confused(const rescl_scores *scores, size_t most,
                                             rescl_confused_pair *out, size_t *count) RESCL_CHECK;

/** A point of a curve of precision and recall: of the images whose probability of the class is at least
 * `threshold`. */
typedef struct rescl_curve_point {
    double threshold, precision, recall;
} rescl_curve_point;

/**
 * The curve of a class by rising thresholds, each that a probability of the class has, behind which
 * comes the point (inf, 1, 0); `out` has room for rescl_scores_images() + 1. Without images of the class
 * recall is 1 but for the last point. RESCL_ERR_UNSUPPORTED where the probabilities of all images and
 * classes would take more than RESCL_SCORES_BYTES: those of the first images are not kept then either.
 */
#define RESCL_SCORES_BYTES ((size_t)256 << 20)
RESCL_API rescl_status rescl_scores_curve(const rescl_scores *scores, size_t class_index,
                                          rescl_curve_point *out, size_t *count) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
