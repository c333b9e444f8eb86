/**
 * @file compare.h
 * Comparing: two sets of measurements, and what several devices make of the same numbers.
 */
#ifndef RESCL_COMPARE_H
#define RESCL_COMPARE_H

#include <rescl/device.h>
#include <rescl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- measurements ------------------------------------------------------------------------ */

typedef enum rescl_comparison_verdict {
    RESCL_COMPARE_SAME = 0, /**< the interval lies within the margin */
    RESCL_COMPARE_FASTER,   /**< it takes less time by more than the margin: rescl_compare_judge */
    RESCL_COMPARE_SLOWER,   /**< or more */
    RESCL_COMPARE_NOISY     /**< what was measured does not decide between these */
} rescl_comparison_verdict;

/** "same", "faster", "slower", "too noisy" */
RESCL_API const char *rescl_comparison_verdict_name(rescl_comparison_verdict verdict);

/** How long something takes in B, by how long it takes in A. */
typedef struct rescl_comparison {
    double median_a, median_b;
    double ratio; /**< B / A: the median of the quotients of all samples (Hodges-Lehmann) */
    double low,
        high; /**< its interval of confidence 0.95; 0 and infinity where there are too few samples */
    double fastest;  /**< B / A of the first deciles: the fastest samples but for a few */
    double spread;   /**< how much the interval is wider than that of independent samples; 1: not */
    double p_slower; /**< of the hypothesis that B is not slower than A by more than the margin */
    double p_faster; /**< nor faster; rescl_compare_judge makes these those of all rows together */
    rescl_comparison_verdict verdict;
} rescl_comparison;

/**
 * Compares times (all above 0), in the order in which they were measured. The interval and the
 * probabilities are those of the Mann-Whitney test (exact up to 25 samples of each; no random
 * numbers), for samples of which neighbours may resemble each other: the correlation of their ranks
 * widens them. More than 64 samples are joined to the
 * first quartiles of 64 groups of neighbours. `margin`: 0.05 for 5 %. RESCL_ERR_ARG without samples,
 * for a time that is not above 0, and for a margin that is negative or no number.
 */
RESCL_API rescl_status rescl_compare_samples(const double *a, size_t a_count, const double *b,
                                             size_t b_count, double margin, rescl_comparison *out)
    RESCL_CHECK;

/**
 * Gives rows that are judged together their verdicts. A row is slower where the test says so with a
 * probability of error below 0.05 for all rows together (Holm, "A Simple Sequentially Rejective
 * Multiple Test Procedure", 1979), and its fastest samples are slower by half of the margin, too: other
 * load on a machine slows samples down, but not all of them. The same, mirrored, for faster.
 */
RESCL_API rescl_status rescl_compare_judge(rescl_comparison *row, size_t count, double margin)
    RESCL_CHECK;

/* ---- devices ----------------------------------------------------------------------------- */

typedef struct rescl_agreement_options {
    size_t struct_size;       /**< see rescl/status.h */
    const rescl_model *model; /**< whose network and weights are run; its precision counts */
    size_t batch;             /**< images; default 4 */
    uint64_t seed;            /**< of the images, which are noise, and of dropout */
} rescl_agreement_options;

RESCL_API void rescl_agreement_options_init(rescl_agreement_options *out, size_t struct_size);
static inline void rescl_agreement_options_default(rescl_agreement_options *out)
{
    rescl_agreement_options_init(out, sizeof *out);
}

/** What one device made of one pass of one layer. */
typedef struct rescl_agreement_cell {
    const char *impl;  /**< the implementation that computed it */
    double difference; /**< the largest distance to the first device's numbers, by their root mean
                        * square; what layers before it differ by is in it */
    double error;      /**< the largest distance to what the host makes of the same numbers, in
                        * units of what is tolerated; above 1: this layer is wrong there */
    double got, want;  /**< the number with the largest error, and what it should be */
} rescl_agreement_cell;

/** One pass of one layer. Strings are borrowed for the call. */
typedef struct rescl_agreement_row {
    const char *layer, *op; /**< such as "conv1", "conv2d" */
    const char
        *pass; /**< "fwd", "bwd_data" or "bwd_params" of a training step; "eval": inference */
    size_t devices;
    const rescl_agreement_cell *device; /**< in the order of the call */
} rescl_agreement_row;

typedef void (*rescl_agreement_fn)(const rescl_agreement_row *row, void *user);

/** A device among those that were compared. */
typedef struct rescl_agreement {
    double forward, backward; /**< the largest `difference` of all layers */
    double error;             /**< the largest of all layers */
    double loss;              /**< of the training step */
    double logits;      /**< largest distance to the first device's, by their root mean square */
    size_t predictions; /**< images whose class is that of the first device */
    bool
        agrees; /**< no layer is wrong, and logits and loss are those of the first device but for what
                  * rounding makes of them */
    /** The first layer that is wrong; "" where none is. */
    char layer[96], op[32], pass[16], impl[32];
    double got, want; /**< its number with the largest error, and what it should be */
} rescl_agreement;

/**
 * Runs inference and a training step, with the same weights and images, on several devices pass by
 * pass: rows come in the order of computation. What a pass gives is compared with what the first
 * device gave, and with what the host computes in double from the numbers that the pass read on that
 * device, so that an error counts where it is made and not in the layers behind it. Of convolutions and
 * dense layers the host computes some numbers (those with the largest difference among them); of others
 * all. `out` has a place for each device. `fn` may be NULL. That devices disagree is no failure.
 */
RESCL_API rescl_status rescl_compare_devices(rescl_device *const *device, size_t devices,
                                             const rescl_agreement_options *options,
                                             rescl_agreement_fn fn, void *user,
                                             rescl_agreement *out) RESCL_CHECK;

#ifdef __cplusplus
}
#endif
#endif
